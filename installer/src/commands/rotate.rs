//! `keyturn rotate`: rotates users now. The JSON document has one entry per user under `rotations`: `user`, `secret`,
//! `outcome` (`rotated`, `waiting` or `failed`), and `key`, `until` and `reason`. `given_up` are the keys that were given
//! up for it. One that has failed names its `log_group`, where the function says more; the one beside `rotations` is that
//! of the first cell.

use std::collections::BTreeSet;
use std::fmt;

use contract::{GiveUp, Region, UserName};
use serde::Serialize;

use super::named;
use crate::apply::rotations::{Outcome, Rotation, Target};
use crate::apply::{give_up, rotations};
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::names::log_group;
use crate::observe::{Closely, ObservedUser};
use crate::plan::{GivenUpKey, InTheWay, KeyReport, Refusals, in_the_way, judge_given_up};
use crate::session::Session;
use crate::ui::date;

#[derive(Serialize)]
struct Report {
    rotations: Vec<Rotation>,
    given_up: Vec<GivenUpKey>,
    log_group: String,
    #[serde(skip)]
    region: Region,
}

pub(super) async fn run(session: &Session, config: &Config, names: &[UserName], now: bool) -> Result<Exit, Error> {
    let closely = if now { Closely::Everywhere } else { Closely::At(config.given_up.keys().cloned().collect()) };
    let users = named::look_up(session, config, names, &closely).await?;
    let bound = named::with_secrets(&users)?;
    named::not_left_out(config, &users)?;
    named::rotated_here(config, &bound)?;
    named::not_held(&bound)?;
    let mut orders = Orders::default();
    if now || !config.given_up.is_empty() {
        orders = decide(session, config, &users, now)?;
        confirm(session, &users, &orders).await?;
        tag(session, &orders.due).await?;
    }
    let targets = users.iter().filter_map(|user| {
        let name = user.bound.as_ref()?.name.clone();
        Some(Target { user: name, secret: user.secret_name.to_string() })
    });
    let mut rotations = rotations::rotate(session, config, targets.collect()).await?;
    if now {
        orders.due.extend(finish(session, config, &orders.in_the_way, &mut rotations).await?);
    }
    let (log_group, region) = (log_group(config.stack.as_str()), config.region.clone());
    let report = Report { rotations, given_up: orders.due, log_group, region };
    session.printer.result("rotate", &report)?;
    Ok(exit(&report.rotations))
}

/// Which keys are given up.
#[derive(Default)]
struct Orders {
    due: Vec<GivenUpKey>,
    in_the_way: Vec<InTheWay>,
}

fn decide(session: &Session, config: &Config, users: &[ObservedUser], now: bool) -> Result<Orders, Error> {
    let mut refusals = Vec::new();
    let mut orders = Orders::default();
    match judge_given_up(config, users) {
        Ok(keys) => {
            keys.remarks.iter().for_each(|remark| session.printer.say(remark));
            orders.due = keys.due;
        }
        Err(more) => refusals.extend(more),
    }
    // Every answer has shown the time.
    let clock = session.clients.clock.now();
    for user in users.iter().filter(|_| now) {
        match clock.map(|clock| in_the_way(config, user, clock)).transpose() {
            Ok(found) => orders.in_the_way.extend(found.flatten()),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if !refusals.is_empty() {
        return Err(Refusals(refusals).into());
    }
    orders.due.extend(orders.in_the_way.iter().filter_map(|found| found.due.clone()));
    Ok(orders)
}

/// Shows the keys that are given up, and asks.
async fn confirm(session: &Session, users: &[ObservedUser], orders: &Orders) -> Result<(), Error> {
    if orders.due.is_empty() && orders.in_the_way.is_empty() {
        return Ok(());
    }
    let Some(now) = session.clients.clock.now() else { return Ok(()) };
    for GivenUpKey { user, key, how, .. } in &orders.due {
        if orders.in_the_way.iter().any(|found| &found.key.id == key) {
            continue;
        }
        let keys = users.iter().flat_map(|owner| owner.keys.iter().map(move |key| (owner, key)));
        let report = keys.filter(|(_, found)| &found.id == key).map(|(owner, key)| KeyReport::of(owner, key, now));
        let what = match how {
            GiveUp::Reclaim => "deleted, and cannot be brought back",
            GiveUp::Retire | GiveUp::Revoke => "deactivated at once, and deleted later",
        };
        report.for_each(|report| session.printer.say(format!("{user}: the key {}: {what}", report.in_brackets())));
    }
    for InTheWay { user, key, .. } in &orders.in_the_way {
        let key = key.in_brackets();
        session
            .printer
            .say(format!("{user}: the key {key}: deactivated and deleted at once, and cannot be brought back"));
    }
    session.interrupts.unless_pressed(session.printer.confirm("Give these keys up?")).await??;
    Ok(())
}

async fn tag(session: &Session, keys: &[GivenUpKey]) -> Result<(), Error> {
    for key in keys {
        session.interrupts.unless_pressed(give_up(&session.clients, key)).await??;
    }
    Ok(())
}

/// The second half of `--now`: the function has deactivated the keys in the way and stopped, as it always does between
/// deactivating and deleting. Those keys may be deleted now, and the rotations go on.
async fn finish(
    session: &Session,
    config: &Config,
    in_the_way: &[InTheWay],
    rotations: &mut Vec<Rotation>,
) -> Result<Vec<GivenUpKey>, Error> {
    let is_ready = |rotation: &Rotation| match &rotation.outcome {
        // One that is Active still waits for a function that has not come to it yet.
        Outcome::Waiting { key, reason, .. } => {
            ["recovery", "grace"].contains(&reason.as_str()) && in_the_way.iter().any(|found| &found.key.id == key)
        }
        Outcome::Rotated { .. } | Outcome::Failed { .. } => false,
    };
    let (ready, mut done): (Vec<_>, Vec<_>) = std::mem::take(rotations).into_iter().partition(is_ready);
    let (mut due, mut targets) = (Vec::new(), Vec::new());
    for Rotation { user, secret, outcome, .. } in ready {
        let Outcome::Waiting { key, .. } = outcome else { continue };
        due.push(GivenUpKey { user: user.clone(), secret: secret.clone(), key, how: GiveUp::Reclaim, mark: None });
        targets.push(Target { user, secret });
    }
    tag(session, &due).await?;
    if !targets.is_empty() {
        done.extend(rotations::rotate(session, config, targets).await?);
    }
    *rotations = done;
    Ok(due)
}

/// The exit code that rotations lead to.
pub(super) fn exit(rotations: &[Rotation]) -> Exit {
    if rotations.iter().all(Rotation::has_succeeded) { Exit::Done } else { Exit::SomeFailed }
}

/// Lists rotations, and where to look when some failed.
pub(super) fn list(f: &mut fmt::Formatter<'_>, rotations: &[Rotation], region: &Region) -> fmt::Result {
    for Rotation { user, secret, outcome, .. } in rotations {
        match outcome {
            Outcome::Rotated { key } => writeln!(f, "{user}: rotated, `{secret}` holds the key {key}")?,
            Outcome::Waiting { key, reason, until } => {
                let on = until.map_or_else(String::new, |until| format!(" on {}", date(until)));
                let (why, how) = match reason.as_str() {
                    "overlap" => ("is superseded and may still be needed", "--now".to_owned()),
                    "in_use" => ("is superseded and still in use", "--now".to_owned()),
                    _ => ("was deactivated and can still be brought back", format!("--reclaim {key}")),
                };
                writeln!(
                    f,
                    "{user}: waiting: the key {key} {why}; the rotation goes on by itself when it is deleted{on}, or now with `keyturn rotate {user} {how}`"
                )?;
            }
            Outcome::Failed { reason } => writeln!(f, "{user}: failed: {reason}")?,
        }
    }
    let logs: BTreeSet<&str> = rotations.iter().filter_map(|rotation| rotation.log_group.as_deref()).collect();
    logs.iter().try_for_each(|log| writeln!(f, "the function's log says more: `aws logs tail {log} --region {region}`"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, &self.rotations, &self.region)
    }
}
