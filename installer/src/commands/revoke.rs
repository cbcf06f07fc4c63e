//! `keyturn revoke`: a key has leaked. All keys of the user that keyturn knows, or those that are named, are deactivated
//! at once, and a new one is made. The function does it; here it is asked for, waited for and told. The JSON document is
//! like that of `rollback`, with the rotation that has made the new key under `rotation`.

use std::fmt;
use std::time::Duration;

use contract::{AccessKeyId, GiveUp, Outcome, Reissue, SAME_REVOCATION, UserName};
use jiff::Timestamp;
use serde_json::json;

use super::named;
use super::order::{self, Ordered, Report};
use crate::apply::rotations::{self, Outcome as Rotated, Target};
use crate::aws::users::AccessKey;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::observe::{Closely, ObservedUser};
use crate::plan::{KeyReport, Refusal, Refusals};
use crate::session::Session;

pub(super) async fn run(
    session: &Session,
    config: &Config,
    names: &[UserName],
    keys: &[AccessKeyId],
) -> Result<Exit, Error> {
    let users = named::look_up(session, config, names, &Closely::Everywhere).await?;
    let bound = named::with_secrets(&users)?;
    named::not_left_out(config, &users)?;
    if !keys.is_empty() && users.len() != 1 {
        return Err(Refusals(vec![Refusal::KeysOfSeveral(users.len())]).into());
    }
    users.iter().for_each(|user| session.printer.say(what_happens(user, keys, session.clients.clock.now())));
    let question = "Deactivate these keys now? Whoever still uses one is refused until it fetches the new key.";
    session.interrupts.unless_pressed(session.printer.confirm(question)).await??;
    let event = |names: &[&UserName]| match keys {
        [] => json!({ "revoke": names }),
        keys => json!({ "revoke": names, "keys": keys }),
    };
    let mut ordered = order::give(session, config, event, &bound).await?;

    let is_asked = |user: &Ordered| matches!(&user.outcome, Outcome::Revoked { reissue: Reissue::Asked, .. });
    let reissued = ordered.iter().filter(|user| is_asked(user));
    let followed = reissued.filter_map(|user| {
        let (_, secret) = bound.iter().find(|(bound, _)| bound.name == user.user)?;
        Some((Target { user: user.user.clone(), secret: user.secret.clone() }, (*secret).clone()))
    });
    for rotation in rotations::follow(session, config, followed.collect()).await? {
        let user = ordered.iter_mut().find(|user| user.user == rotation.user);
        user.into_iter().for_each(|user| user.rotation = Some(rotation.clone()));
    }
    let report = Report::of(ordered, line, &config.region);
    session.printer.result("revoke", &report)?;
    Ok(report.exit())
}

/// What the function will most likely do, which decides for itself: one line for each key.
fn what_happens(user: &ObservedUser, named: &[AccessKeyId], now: Option<Timestamp>) -> String {
    let name = user.bound.as_ref().map_or(&user.name, |bound| &bound.name);
    let contents = user.readable();
    let stored = contents.map(|contents| [&contents.current, &contents.pending, &contents.previous]);
    let is_managed = |key: &AccessKeyId| {
        let is_stored = stored.into_iter().flatten().flatten().any(|stored| stored == key);
        is_stored || user.secret.as_ref().is_some_and(|secret| secret.mark(key).is_some())
    };
    let was_revoked =
        |key: &AccessKeyId| user.secret.as_ref().is_some_and(|secret| secret.given_up(key) == Some(GiveUp::Revoke));
    let current = contents.and_then(|contents| contents.current.as_ref());
    let is_fresh = |key: &AccessKey| {
        let age = now.and_then(|now| now.duration_since(key.created).try_into().ok());
        Some(&key.id) == current && !was_revoked(&key.id) && age.is_some_and(|age: Duration| age < SAME_REVOCATION)
    };
    let is_done = user.keys.iter().any(|key| was_revoked(&key.id)) && user.keys.iter().any(is_fresh);
    let mut lines = Vec::new();
    for key in &user.keys {
        let fate = match (named.is_empty(), named.contains(&key.id), is_managed(&key.id)) {
            (true, _, _) | (false, true, _) if was_revoked(&key.id) => "was revoked before",
            (true, _, true) if is_done => "was made after that, and stays unless it is named",
            (true, _, true) | (false, true, _) => "is deactivated at once",
            (true, _, false) => "is not known to be one of keyturn's; if it is not, it stays as it is",
            (false, false, _) => "is not named, and stays as it is",
        };
        let key = now.map_or(key.id.to_string(), |now| KeyReport::of(user, key, now).in_brackets());
        lines.push(format!("{name}: the key {key} {fate}"));
    }
    if lines.is_empty() { format!("{name}: has no access key") } else { lines.join("\n") }
}

fn line(f: &mut fmt::Formatter<'_>, ordered: &Ordered) -> fmt::Result {
    let Ordered { user, secret, outcome, rotation, .. } = ordered;
    let Outcome::Revoked { keys, left, reissue } = outcome else {
        order::unusual(f, user, outcome)?;
        // A leak does not wait until the secret is in order.
        return match outcome {
            Outcome::Blocked { .. } => {
                writeln!(f, "{user}: until then the leaked key works; to stop it now, deactivate it in IAM")
            }
            _ => Ok(()),
        };
    };
    write!(f, "{user}: revoked {}; ", listed(keys))?;
    match (rotation.as_ref().map(|rotation| &rotation.outcome), reissue) {
        (Some(Rotated::Rotated { key }), _) => writeln!(f, "`{secret}` holds the new key {key}")?,
        (Some(Rotated::Waiting { key, .. }), _) => {
            writeln!(f, "no new key yet: the rotation waits for {key}; `keyturn rotate {user} --now` does not")?;
        }
        (Some(Rotated::Failed { reason }), _) => writeln!(f, "no new key yet: {reason}")?,
        (None, Reissue::NotNeeded) => writeln!(f, "the key in `{secret}` was not among them and stays")?,
        (None, Reissue::Held) => {
            writeln!(f, "no new key before `keyturn release {user}`: the user is on hold")?;
        }
        (None, Reissue::Refused { text }) => {
            writeln!(f, "no new key yet: {text}; the sweeper asks again, or `keyturn rotate {user}` does")?;
        }
        (None, Reissue::Asked) => writeln!(f, "a new key is on its way")?,
    }
    if !left.is_empty() {
        writeln!(f, "{user}: still Active: {}; if it leaked too, deactivate it", listed(left))?;
    }
    Ok(())
}

fn listed(keys: &[AccessKeyId]) -> String {
    keys.iter().map(AccessKeyId::as_str).collect::<Vec<_>>().join(", ")
}
