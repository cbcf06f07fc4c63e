//! `keyturn rollback`: makes the key from before the last rotation current again. The function does it; here it is
//! asked for, and told. The JSON document has one entry per user under `users`: `user`, `secret`, and what the function
//! answers: `outcome` and what belongs to it, with `log_group`, where the function says more.

use std::fmt;

use contract::{AccessKeyId, Outcome, UserName};
use jiff::Timestamp;
use serde_json::json;

use super::named;
use super::order::{self, Ordered, Report};
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::observe::{Closely, ObservedUser};
use crate::plan::KeyReport;
use crate::session::Session;

pub(super) async fn run(session: &Session, config: &Config, names: &[UserName]) -> Result<Exit, Error> {
    let users = named::look_up(session, config, names, &Closely::Everywhere).await?;
    let bound = named::with_secrets(&users)?;
    users.iter().for_each(|user| session.printer.say(what_happens(user, session.clients.clock.now())));
    session.interrupts.unless_pressed(session.printer.confirm("Go back to these keys?")).await??;
    let users = order::give(session, config, |names| json!({ "rollback": names }), &bound).await?;
    let report = Report::of(users, line);
    session.printer.result("rollback", &report)?;
    Ok(report.exit())
}

/// What the function will most likely do, which decides for itself.
fn what_happens(user: &ObservedUser, now: Option<Timestamp>) -> String {
    let name = user.bound.as_ref().map_or(&user.name, |bound| &bound.name);
    let contents = user.readable();
    let key = |id: Option<&AccessKeyId>| user.keys.iter().find(|key| Some(&key.id) == id);
    let current = key(contents.and_then(|contents| contents.current.as_ref()));
    let previous = key(contents.and_then(|contents| contents.previous.as_ref()));
    let described = |key| match now {
        Some(now) => KeyReport::of(user, key, now).in_brackets(),
        None => key.id.to_string(),
    };
    match (previous, current) {
        (None, _) => format!("{name}: no key from before the last rotation is left"),
        (Some(previous), Some(current)) if previous.created >= current.created => {
            format!("{name}: the key {} is the older one already, and stays current", described(current))
        }
        (Some(previous), current) => {
            let current = current.map_or("the current one".to_owned(), described);
            format!(
                "{name}: the key {} becomes current again; {current} stays and is retired later",
                described(previous)
            )
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, Ordered { user, secret, outcome, .. }: &Ordered) -> fmt::Result {
    match outcome {
        Outcome::RolledBack { key, superseded } => {
            writeln!(f, "{user}: rolled back, `{secret}` holds the key {key} again; {superseded} is superseded")
        }
        outcome => order::unusual(f, user, outcome),
    }
}
