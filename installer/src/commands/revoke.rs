//! `keyturn revoke`: a key has leaked. All keys of the user that keyturn knows, or those that are named, are deactivated
//! at once, and a new one is made. The function does it; here it is asked for, waited for and told. The JSON document is
//! like that of `rollback`, with the rotation that has made the new key under `rotation`.

use std::fmt;
use std::time::Duration;

use contract::{AccessKeyId, GiveUp, Outcome, Reissue, SAME_REVOCATION, UserName};
use jiff::Timestamp;
use serde::Serialize;
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
    let bound = named::with_secrets(&users)
        .inspect_err(|_| names.iter().for_each(|user| session.printer.say(by_hand(user))))?;
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
    let given = order::give(session, config, event, &bound).await;
    let mut ordered =
        given.inspect_err(|_| bound.iter().for_each(|(user, _)| session.printer.say(by_hand(&user.name))))?;
    let now = session.clients.clock.now();

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
    let is_revoked = |user: &&Ordered| matches!(user.outcome, Outcome::Revoked { .. });
    let sessions = ordered.iter().filter(is_revoked).map(|ordered| sessions(&ordered.user, now)).collect();
    let report = Revoked { report: Report::of(ordered, line, &config.region), sessions };
    session.printer.result("revoke", &report)?;
    Ok(report.report.exit())
}

/// What became of all users, and what is left to do by hand.
#[derive(Serialize)]
struct Revoked {
    #[serde(flatten)]
    report: Report,
    /// What ends the sessions that were opened with the keys.
    #[serde(skip)]
    sessions: Vec<String>,
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.report)?;
        self.sessions.iter().try_for_each(|sessions| writeln!(f, "{sessions}"))
    }
}

/// What ends the sessions that somebody has opened with a key: they outlive it. Requests that are signed with an access key
/// itself have no `aws:TokenIssueTime`, so the condition does not concern them (IAM user guide, "AWS global condition
/// context keys"). By the clock of AWS; who cannot tell it has to write the time in.
fn sessions(user: &UserName, now: Option<Timestamp>) -> String {
    let now = now.map_or_else(|| "TIME".to_owned(), |now| now.to_string());
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": { "DateLessThan": { "aws:TokenIssueTime": now } },
        }],
    });
    format!(
        "{user}: sessions that were opened with a key outlive it, by up to 36 hours; this ends those of the user from before now:\n  aws iam put-user-policy --user-name {user} --policy-name keyturn-no-older-sessions --policy-document '{policy}'\n{user}: sessions of roles that were assumed with a key go on too: give each role that the user may assume the same policy, with `put-role-policy`"
    )
}

/// A leak does not wait until everything else is in order.
fn by_hand(user: &UserName) -> String {
    format!(
        "{user}: a leaked key works until somebody deactivates it; to do it by hand: `aws iam update-access-key --user-name {user} --access-key-id KEY --status Inactive`"
    )
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
        return match outcome {
            Outcome::Nothing { .. } => Ok(()),
            _ => writeln!(f, "{}", by_hand(user)),
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
