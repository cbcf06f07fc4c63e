//! `keyturn rotate`: rotates users now. The JSON document has one entry per user under `rotations`: `user`, `secret`,
//! `outcome` (`rotated` or `failed`), and `key` or `reason`. `log_group` is where the function says more.

use std::fmt;

use contract::UserName;
use serde::Serialize;

use crate::apply::rotations::{self, Outcome, Rotation, Target};
use crate::aws::users;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::names::log_group;
use crate::plan::{Refusal, Refusals};
use crate::session::Session;

#[derive(Serialize)]
struct Report {
    rotations: Vec<Rotation>,
    log_group: String,
}

pub(super) async fn run(session: &Session, config: &Config, names: &[UserName]) -> Result<Exit, Error> {
    let (mut targets, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match session.interrupts.unless_pressed(users::user(&session.clients, name)).await?? {
            Some(user) => targets.push(Target { secret: config.secret_name(&user.name).to_string(), user: user.name }),
            None => unknown.push(Refusal::UnknownUser(name.clone())),
        }
    }
    if !unknown.is_empty() {
        return Err(Refusals(unknown).into());
    }
    let rotations = rotations::rotate(session, targets).await?;
    let report = Report { rotations, log_group: log_group(&config.stack) };
    session.printer.result("rotate", &report)?;
    Ok(exit(&report.rotations))
}

/// The exit code that rotations lead to.
pub(super) fn exit(rotations: &[Rotation]) -> Exit {
    if rotations.iter().all(Rotation::has_succeeded) { Exit::Done } else { Exit::SomeFailed }
}

/// Lists rotations, and where to look when some failed.
pub(super) fn list(f: &mut fmt::Formatter<'_>, rotations: &[Rotation], log_group: &str) -> fmt::Result {
    for Rotation { user, secret, outcome } in rotations {
        match outcome {
            Outcome::Rotated { key } => writeln!(f, "{user}: rotated, `{secret}` holds the key {key}")?,
            Outcome::Failed { reason } => writeln!(f, "{user}: failed: {reason}")?,
        }
    }
    if !rotations.iter().all(Rotation::has_succeeded) {
        writeln!(f, "the function's log says more: `aws logs tail {log_group}`")?;
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, &self.rotations, &self.log_group)
    }
}
