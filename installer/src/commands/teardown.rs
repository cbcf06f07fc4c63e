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

#[derive(Serialize)]
struct Report {
    inventory: Inventory,
    remains: Remains,
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

pub(super) async fn run(session: &Session, config: &Config, manner: Manner) -> Result<Exit, Error> {
    let Manner { keys, recovery_days, force, dry_run } = manner;
    let fate = match keys {
        Keys::Keep => Fate::Keep,
        Keys::Revoke => Fate::Revoke { recovery_days },
    };
    let Session { clients, printer, interrupts, .. } = session;
    let inventory = interrupts.unless_pressed(inventory(session, config, fate, force)).await??;
    if !inventory.protected.is_empty() {
        return Err(Refusals(vec![Refusal::Protected(inventory.protected)]).into());
    }
    if dry_run {
        printer.result("teardown", &DryRun { inventory })?;
        return Ok(Exit::Done);
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
    let is_clean = remains.left.is_empty();
    printer.result("teardown", &Report { inventory, remains })?;
    Ok(if is_clean { Exit::Done } else { Exit::SomeFailed })
}

#[derive(Serialize)]
struct DryRun {
    inventory: Inventory,
}

impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inventory.is_empty() { writeln!(f, "nothing to take away") } else { write!(f, "{}", self.inventory) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inventory.is_empty() {
            writeln!(f, "nothing to take away")?;
        }
        write!(f, "{}", self.remains)
    }
}
