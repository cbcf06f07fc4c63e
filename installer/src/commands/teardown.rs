//! `keyturn teardown`: takes everything away again. The JSON document has what was found under `inventory`, and what
//! is still there under `remains`: `kept`, `recoverable` and `left`.

use std::fmt;

use serde::Serialize;

use crate::apply::teardown::{Fate, Inventory, Remains, inventory, remains, tear_down};
use crate::cli::Keys;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::session::Session;

#[derive(Serialize)]
struct Report {
    inventory: Inventory,
    remains: Remains,
}

pub(super) async fn run(session: &Session, config: &Config, keys: Keys, recovery_days: u8) -> Result<Exit, Error> {
    let fate = match keys {
        Keys::Keep => Fate::Keep,
        Keys::Revoke => Fate::Revoke { recovery_days },
    };
    let Session { clients, printer, interrupts, .. } = session;
    let inventory = interrupts.unless_pressed(inventory(session, config, fate)).await??;
    if !inventory.is_empty() {
        printer.say(&inventory);
        let question = format!("Take this away from account {}?", inventory.caller.account);
        interrupts.unless_pressed(printer.confirm(&question)).await??;
        Box::pin(tear_down(session, config, &inventory)).await?;
    }
    let remains = interrupts.unless_pressed(remains(clients, config, &inventory)).await??;
    let is_clean = remains.left.is_empty();
    printer.result("teardown", &Report { inventory, remains })?;
    Ok(if is_clean { Exit::Done } else { Exit::SomeFailed })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inventory.is_empty() {
            writeln!(f, "nothing to take away")?;
        }
        write!(f, "{}", self.remains)
    }
}
