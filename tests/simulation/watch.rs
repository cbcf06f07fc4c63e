//! What must hold after every call, and what must hold by the clock.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use sandbox::{Call, KeyStatus, Outcome, World};

use crate::ledger::{Key, Ledger, User, user_of};
use crate::stage::{ACCOUNT, REGION};
use crate::year::{DAY, DEACTIVATE_AFTER, DELETE_AFTER, QUIET, age};

/// Whose calls are watched.
const FUNCTION: &str = "assumed-role/cell-";

/// The operations that change what is watched.
const CHANGES: [&str; 5] = [
    "iam:CreateAccessKey",
    "iam:UpdateAccessKey",
    "iam:DeleteAccessKey",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
];

/// Has the world be watched.
pub(crate) fn watch(world: &mut World, ledger: Arc<Mutex<Ledger>>) {
    world.observe(move |world, call| look(&mut ledger.lock().unwrap(), world, call));
}

/// Says what is wrong with the world after `call`.
fn look(ledger: &mut Ledger, world: &World, call: &Call) -> Vec<String> {
    let is_proof = call.operation == "sts:GetCallerIdentity";
    let subject = match call.checks.first() {
        _ if is_proof => Some(call.principal.as_str()),
        Some(check) if call.principal.contains(FUNCTION) => Some(check.resource.as_str()),
        _ => None,
    };
    let Some(name) = subject.and_then(user_of).map(str::to_owned) else { return Vec::new() };
    let Some(user) = ledger.users.get_mut(&name) else { return Vec::new() };
    let outcome = match &call.outcome {
        Outcome::Refused(code) => code.clone(),
        outcome => format!("{outcome:?}"),
    };
    user.history.push(format!("{} {outcome}", call.operation));
    user.note(call.at, format!("{} {outcome}", call.operation));
    if !CHANGES.contains(&call.operation.as_str()) || call.outcome == Outcome::NotDone {
        return Vec::new();
    }
    let before = (user.keys.clone(), user.current.clone());
    user.sync(world, &name, false);
    let mut findings = Vec::new();
    after_a_change(user, world, &before.0, before.1.as_ref(), &name, &mut findings);
    for finding in &mut findings {
        finding.push_str(&format!(", after {} at {}\n{}", call.operation, call.at, user.trail()));
    }
    let moved = user.current != before.1;
    if moved {
        ledger.count("keys that became current");
    }
    findings
}

fn after_a_change(
    user: &User,
    world: &World,
    before: &std::collections::BTreeMap<String, Key>,
    current_before: Option<&String>,
    name: &str,
    findings: &mut Vec<String>,
) {
    let now = world.now();
    let current = user.current.as_ref().and_then(|id| user.keys.get(id));
    let is_excused = user.trouble.is_some_and(|trouble| trouble.kind.is_without_key());
    if !current.is_some_and(Key::is_active) && !is_excused && current_before.is_some() {
        findings.push(format!("R1: {name} has no working current key"));
    }
    if user.current.as_ref() != current_before {
        let keys = world.access_keys(ACCOUNT, name);
        let key = keys.iter().find(|key| Some(key.id()) == user.current.as_deref());
        if key.and_then(|key| key.last_used.as_ref()).is_none_or(|used| used.service != "sts") {
            findings.push(format!("R2: {name}'s new current key was never proven"));
        }
    }
    if user.keys.values().filter(|key| key.status.is_some()).count() > 2 {
        findings.push(format!("R3: {name} has three keys"));
    }
    for (id, key) in &user.keys {
        let Some(was) = before.get(id) else { continue };
        match (was.status, key.status) {
            (Some(KeyStatus::Active), Some(KeyStatus::Inactive)) => deactivated(name, id, was, now, findings),
            (Some(KeyStatus::Active), None) => findings.push(format!("R4: {name}'s {id} was deleted while Active")),
            (Some(KeyStatus::Inactive), None) => deleted(name, id, was, now, findings),
            (Some(KeyStatus::Inactive), Some(KeyStatus::Active)) => {
                findings.push(format!("{name}'s {id} was activated"));
            }
            (Some(KeyStatus::Active), Some(KeyStatus::Active))
            | (Some(KeyStatus::Inactive), Some(KeyStatus::Inactive))
            | (None, _) => {}
        }
    }
}

/// A key that applications may hold is deactivated late enough, and when nobody uses it. What never was current was
/// given to nobody.
fn deactivated(name: &str, id: &str, key: &Key, now: Timestamp, findings: &mut Vec<String>) {
    if key.is_foreign {
        findings.push(format!("{name}'s {id} was deactivated, which is a person's"));
    }
    if !key.was_current {
        return;
    }
    match key.superseded {
        None => findings.push(format!("R1: {name}'s {id} was deactivated while current")),
        Some(at) if age(at, now) < DEACTIVATE_AFTER => {
            findings.push(format!("{name}'s {id} was deactivated {:?} after it was superseded", age(at, now)));
        }
        Some(_) => {}
    }
    if key.last_use.is_some_and(|at| age(at, now) < QUIET) {
        findings.push(format!("{name}'s {id} was deactivated while it was in use"));
    }
}

fn deleted(name: &str, id: &str, key: &Key, now: Timestamp, findings: &mut Vec<String>) {
    if key.is_foreign {
        findings.push(format!("{name}'s {id} was deleted, which is a person's"));
    }
    if key.was_current && key.inactive_since.is_none_or(|at| age(at, now) < DELETE_AFTER) {
        let inactive = key.inactive_since.map(|at| age(at, now));
        findings.push(format!("{name}'s {id} was deleted when it had been Inactive for {inactive:?}"));
    }
}

/// What must hold by the clock, when the sweeper has just been there.
pub(crate) fn by_the_clock(ledger: &Ledger, world: &World, between_sweeps: std::time::Duration) -> Vec<String> {
    let now = world.now();
    let mut findings = Vec::new();
    // Two passes in a row may have come to nothing for this user.
    let slack = between_sweeps * 3 + DAY;
    for (name, user) in &ledger.users {
        if user.current.is_none() {
            continue;
        }
        if let Some(trouble) = user.trouble {
            let tags = world.secret(ACCOUNT, REGION, &format!("keyturn/{name}")).unwrap().tags;
            let (told, expected) = (tags.get("keyturn:blocked"), trouble.kind.told_as());
            if expected.is_some_and(|expected| told.is_none_or(|told| told != expected))
                && age(trouble.since, now) > slack
            {
                findings.push(format!("{name} has {trouble:?}, and is told as {told:?}\n{}", user.trail()));
            }
            continue;
        }
        for (id, key) in &user.keys {
            let Some(superseded) = key.superseded.filter(|_| key.is_active() && !key.is_foreign) else { continue };
            let in_use = key.last_use.is_some_and(|at| age(at, now) < QUIET + slack);
            if age(superseded, now) > DEACTIVATE_AFTER + QUIET + slack && !in_use && !key.is_disturbed {
                findings.push(format!("{name}'s {id} is live, superseded since {superseded}\n{}", user.trail()));
            }
        }
    }
    findings
}

/// What must hold at the end: nobody has a key that no one knows, a rotation that hangs, or a reason to stand still.
pub(crate) fn at_the_end(ledger: &Ledger, world: &World) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, user) in &ledger.users {
        let secret = world.secret(ACCOUNT, REGION, &format!("keyturn/{name}")).unwrap();
        let current = user.current.as_ref().and_then(|id| user.keys.get(id));
        if !current.is_some_and(Key::is_active) {
            findings.push(format!("{name} has no working key\n{}", user.trail()));
        }
        let is_orphan = |(id, key): &(&String, &Key)| {
            let is_known = key.was_current || secret.tags.contains_key(&format!("keyturn:key/{id}"));
            key.status.is_some() && !is_known
        };
        findings.extend(
            user.keys.iter().filter(is_orphan).map(|(id, _)| format!("{name} has an orphan: {id}\n{}", user.trail())),
        );
        let pending = secret.labelled("AWSPENDING").filter(|pending| !pending.labels.contains("AWSCURRENT"));
        if pending.is_some() {
            findings.push(format!("{name}'s rotation hangs\n{}", user.trail()));
        }
        if let Some(reason) = secret.tags.get("keyturn:blocked").filter(|_| user.trouble.is_none()) {
            findings.push(format!("{name} is blocked: {reason}\n{}", user.trail()));
        }
    }
    findings
}
