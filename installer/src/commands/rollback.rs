//! `keyturn rollback`: makes the key from before the last rotation current again. The function does it; here it is
//! asked for, and told. The JSON document has one entry per user under `users`: `user`, `secret`, and what the function
//! answers: `outcome` and what belongs to it, with `log_group`, where the function says more.

use std::fmt;

use contract::{AccessKeyId, Outcome, UserName, VersionToken, tag_keys};
use jiff::Timestamp;
use serde_json::json;

use super::named;
use super::order::{self, Ordered, Report};
use crate::apply::rotations::WAITS;
use crate::aws::secrets::{self, CURRENT, PENDING, PREVIOUS, Secret};
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::observe::{Closely, ObservedUser};
use crate::plan::{KEYS_PER_USER, KeyReport, Refusal, Refusals};
use crate::session::Session;

pub(super) async fn run(session: &Session, config: &Config, names: &[UserName]) -> Result<Exit, Error> {
    let users = named::look_up(session, config, names, &Closely::Everywhere).await?;
    let bound = named::with_secrets(&users)?;
    named::not_left_out(config, &users)?;
    users.iter().for_each(|user| session.printer.say(what_happens(user, session.clients.clock.now())));
    session.interrupts.unless_pressed(session.printer.confirm("Go back to these keys?")).await??;
    session.interrupts.unless_pressed(unchanged(session, &users)).await??;
    for (secret, version) in users.iter().filter_map(idle_rotation) {
        let give_up = async {
            secrets::clear_pending(&session.clients, &secret.arn, version).await?;
            // Nothing is blocked any more. The sweeper would find that too.
            secrets::untag(&session.clients, &secret.arn, vec![tag_keys::BLOCKED.to_owned()]).await
        };
        session.interrupts.unless_pressed(give_up).await??;
    }
    let users = order::give(session, config, |names| json!({ "rollback": names }), &bound).await?;
    let report = Report::of(users, line, &config.region);
    session.printer.result("rollback", &report)?;
    Ok(report.exit())
}

/// Looks once more: whoever was asked may have taken their time, and has agreed to these keys only. The function is told
/// the users, not the keys.
async fn unchanged(session: &Session, users: &[ObservedUser]) -> Result<(), Error> {
    let mut refusals = Vec::new();
    for (user, seen) in users.iter().filter_map(|user| user.bound.as_ref().zip(user.secret.as_ref())) {
        let found = secrets::describe(&session.clients, seen.arn.as_str()).await?;
        let labels = |secret: &Secret| [CURRENT, PREVIOUS, PENDING].map(|label| secret.version(label).cloned());
        if found.as_ref().map(labels) != Some(labels(seen)) {
            refusals.push(Refusal::ChangedMeanwhile(user.name.clone()));
        }
    }
    if refusals.is_empty() { Ok(()) } else { Err(Refusals(refusals).into()) }
}

/// A rotation that waits for room, and the version that it would put its key into. It has made none yet, so it is given
/// up like one that never came to its end; the schedule brings the next. The function itself stands still there until a key
/// has gone, and by then there is nothing to go back to.
fn idle_rotation(user: &ObservedUser) -> Option<(&Secret, &VersionToken)> {
    let (secret, contents) = (user.secret.as_ref()?, user.readable()?);
    let version = secret.unfinished_rotation()?;
    let waits = secret.tag(tag_keys::BLOCKED).is_some_and(|reason| WAITS.contains(&reason));
    // An attempt is on record before its key is made.
    let has_begun = contents.pending.is_some() || secret.attempt().is_some_and(|attempt| attempt.token == *version);
    (waits && user.keys.len() >= KEYS_PER_USER && !has_begun).then_some((secret, version))
}

/// What the function will most likely do, which decides for itself.
fn what_happens(user: &ObservedUser, now: Option<Timestamp>) -> String {
    let name = user.bound.as_ref().map_or(&user.name, |bound| &bound.name);
    let rotating = user.secret.as_ref().and_then(Secret::unfinished_rotation).is_some();
    match (rotating, idle_rotation(user)) {
        (true, None) => format!("{name}: a rotation is under way and has to come to its end first; its keys stay"),
        (true, Some(_)) => format!(
            "{name}: the rotation that waits has made no key yet, and is given up\n{}",
            where_it_goes(user, name, now)
        ),
        (false, _) => where_it_goes(user, name, now),
    }
}

fn where_it_goes(user: &ObservedUser, name: &UserName, now: Option<Timestamp>) -> String {
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
        (Some(previous), Some(current)) if previous.created > current.created => {
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
