//! `keyturn teardown`: takes everything away again. The JSON document has what was found under `inventory`, and what
//! is still there under `remains`: `kept`, `recoverable` and `left`; with `--dry-run` only the former.

use std::fmt;

use serde::Serialize;

use crate::apply::teardown::{Fate, Inventory, Remains, inventory, remains, tear_down};
use crate::cli::Keys;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::plan::{Refusal, Refusals};
use crate::session::Session;

/// What was there, and what is still there.
#[derive(Debug, Serialize)]
pub(super) struct TornDown {
    inventory: Inventory,
    /// None when nothing was taken away, only told.
    #[serde(skip_serializing_if = "Option::is_none")]
    remains: Option<Remains>,
}

/// How everything is taken away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) keys: Keys,
    pub(super) recovery_days: u8,
    /// Resources that cannot be deleted are given up.
    pub(super) force: bool,
    /// Nothing is taken away, only told.
    pub(super) dry_run: bool,
}

impl Manner {
    /// What happens to keys and secrets.
    pub(super) fn fate(self) -> Fate {
        match self.keys {
            Keys::Keep => Fate::Keep,
            Keys::Revoke => Fate::Revoke { recovery_days: self.recovery_days },
        }
    }
}

pub(super) async fn run(session: &Session, config: &Config, manner: Manner) -> Result<Exit, Error> {
    let torn_down = take_away(session, config, manner.fate(), manner.force, manner.dry_run).await?;
    session.printer.result("teardown", &torn_down)?;
    Ok(if torn_down.is_clean() { Exit::Done } else { Exit::SomeFailed })
}

/// Takes everything away, after asking, or only looks what there is.
pub(super) async fn take_away(
    session: &Session,
    config: &Config,
    fate: Fate,
    force: bool,
    dry_run: bool,
) -> Result<TornDown, Error> {
    let Session { clients, printer, interrupts, .. } = session;
    let inventory = interrupts.unless_pressed(inventory(session, config, fate, force)).await??;
    if !inventory.protected.is_empty() {
        return Err(Refusals(vec![Refusal::Protected(inventory.protected)]).into());
    }
    if dry_run {
        return Ok(TornDown { inventory, remains: None });
    }
    let mut given_up = Vec::new();
    if !inventory.is_empty() {
        printer.say(&inventory);
        let question = format!("Take this away from account {}, {}?", inventory.caller.account, inventory.region);
        interrupts.unless_pressed(printer.confirm(&question)).await??;
        given_up = Box::pin(tear_down(session, config, &inventory)).await?;
    }
    let mut remains = interrupts.unless_pressed(remains(clients, config, &inventory)).await??;
    remains.left.extend(given_up);
    Ok(TornDown { inventory, remains: Some(remains) })
}

impl TornDown {
    /// Whether nothing is left that should not be, and nothing that a person has to look at.
    pub(super) fn is_clean(&self) -> bool {
        self.remains.as_ref().is_none_or(|remains| remains.left.is_empty() && !self.inventory.has_doubts())
    }

    /// What there is to say in one line.
    pub(super) fn in_short(&self) -> String {
        match &self.remains {
            Some(remains) if !remains.left.is_empty() => format!("left: {}", remains.left.join(", ")),
            Some(remains) if self.inventory.has_doubts() => remains.left_alone.join(", "),
            _ if self.inventory.is_empty() => "nothing was there".to_owned(),
            _ => {
                let names: Vec<String> = self.inventory.stacks.keys().map(|name| format!("`{name}`")).collect();
                names.join(", ")
            }
        }
    }
}

impl fmt::Display for TornDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inventory.is_empty() {
            writeln!(f, "nothing to take away")?;
        } else if self.remains.is_none() {
            write!(f, "{}", self.inventory)?;
        }
        self.remains.as_ref().map_or(Ok(()), |remains| write!(f, "{remains}"))
    }
}
