//! The decisions of the sweeper about one user: a pure function from what was observed to what is to be done.
//!
//! It does what no rotation does in time: superseded keys are retired between two rotations, orphans go, a rotation
//! that got stuck is taken up again, and a current key that does not work is told.

use std::fmt;
use std::time::Duration;

use contract::{AccessKeyId, ForeignPolicy, KeyMark, Settings, VersionToken};
use jiff::Timestamp;

use crate::blocked::Blocked;
use crate::observed::{Description, Key, KeyStatus, Observed};
use crate::protocol::{self, Binding, Pending};
use crate::retire::{Class, Doomed, Verdict, check_current, classify, judge, stale_tags, unmarked};
use crate::scope::Scope;
use crate::slots::{Room, make_room};

/// How long a rotation may stand still before it is asked for again. Secrets Manager tries a failed one several times
/// by itself; how often, and for how long, it does not tell.
pub(crate) const ASK_AGAIN_AFTER: Duration = Duration::from_secs(3_600);

/// How long a rotation whose key is there may stand still before it is given up for a new one.
const GIVE_UP_AFTER: Duration = Duration::from_secs(86_400);

/// What a pass does for one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sweep {
    /// In this order.
    pub(crate) steps: Vec<SweepStep>,
    /// What stands still, and why.
    pub(crate) findings: Vec<Blocked>,
    /// When the next key moves on that only waits for its time.
    pub(crate) next: Option<Timestamp>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SweepStep {
    /// A key moves on: deactivated, marked, deleted.
    Retire(Verdict),
    /// These tags mean nothing any more.
    Forget(Vec<String>),
    /// A pending version that never became current loses its label. Its key, if it still has one, is marked as
    /// superseded from now on; it is not touched yet, because a step that is late may still make it current.
    DropPending { token: VersionToken, mark: Option<(AccessKeyId, KeyMark)> },
    /// Secrets Manager is asked to rotate.
    Rotate,
}

/// What the secret's description alone says.
pub(crate) fn gate(secret: &Description, scope: &Scope) -> Result<Binding, Blocked> {
    if secret.tags.contains_key(contract::tag_keys::HOLD) {
        return Err(Blocked::Held);
    }
    if secret.rotation_enabled != Some(true) {
        let has_left = secret.tags.contains_key(contract::tag_keys::LEFT);
        return Err(if has_left { Blocked::Left } else { Blocked::RotationOff });
    }
    protocol::binding(secret, scope)
}

/// Whether a key is neither the current nor the pending one.
fn is_other(key: &Key, observed: &Observed) -> bool {
    let pending = observed.pending.as_ref().and_then(|version| version.key());
    Some(&key.id) != observed.current.key() && Some(&key.id) != pending
}

/// Whether more must be known of the keys before a decision.
pub(crate) fn needs_evidence(observed: &Observed) -> bool {
    observed.keys.iter().any(|key| is_other(key, observed))
}

/// Decides what a pass does for a user.
pub(crate) fn sweep(observed: &Observed, settings: &Settings) -> Sweep {
    // What a person did on purpose is told and left alone, with everything beside it: one of the other keys may be all
    // that still works.
    decide(observed, settings).unwrap_or_else(|blocked| Sweep { findings: vec![blocked], ..Sweep::default() })
}

fn decide(observed: &Observed, settings: &Settings) -> Result<Sweep, Blocked> {
    check_current(observed)?;
    let mut sweep = Sweep::default();
    let mut deleted = Vec::new();
    for key in observed.keys.iter().filter(|key| is_other(key, observed)) {
        let class = classify(key, observed, settings)?;
        if observed.is_current_revoked() && !matches!(class, Class::Revoked(_)) {
            // It may be all that still works, until the revoked key is replaced.
            continue;
        }
        match judge(key, &class, observed, settings)? {
            Verdict::Keep(blocked) => {
                sweep.steps.extend(first_mark(key, &blocked, observed)?);
                let due = due(key, &class, observed, settings);
                sweep.next = sweep.next.into_iter().chain(due).min();
                sweep.findings.push(blocked);
            }
            verdict => {
                if let Verdict::Delete(doomed) = &verdict {
                    deleted.push(doomed.clone());
                }
                sweep.steps.push(SweepStep::Retire(verdict));
            }
        }
    }
    let stale = stale_tags(observed, &deleted);
    if !stale.is_empty() {
        sweep.steps.push(SweepStep::Forget(stale));
    }
    match observed.secret.unfinished() {
        Some(token) => stuck(token, observed, settings, &mut sweep)?,
        // The order died before it could ask, or what it asked for has come to nothing. Also while the key is still
        // Active: only the order itself deactivates it, but replaced it is all the same.
        None if observed.current.key().is_some_and(|id| observed.secret.is_revoked(id)) => {
            sweep.steps.push(SweepStep::Rotate);
        }
        // Nobody asks before the schedule's next turn when a rotation was given up, by this sweeper or by Secrets
        // Manager. That may be too late for the age that a key may get.
        None if is_overdue(observed, settings) => sweep.steps.push(SweepStep::Rotate),
        None => {}
    }
    Ok(sweep)
}

/// Whether the current key is so old that, if it were superseded now, it would not be gone in time. What has not been
/// rotated yet, or was just now and is back, a person wanted like that: the schedule will come.
fn is_overdue(observed: &Observed, settings: &Settings) -> bool {
    let is_old = |then| observed.since(then) >= settings.longest_current();
    let key = observed.current.key().and_then(|id| observed.key(id));
    key.is_some_and(|key| is_old(key.created)) && observed.secret.last_rotated.is_some_and(is_old)
}

/// When a key that waits moves on by itself.
fn due(key: &Key, class: &Class, observed: &Observed, settings: &Settings) -> Option<Timestamp> {
    let mark = match class {
        Class::Superseded(mark) | Class::GivenUp(mark) | Class::Revoked(mark) => *mark,
        Class::Foreign if settings.foreign == ForeignPolicy::Retire => unmarked(key, observed),
        Class::Foreign | Class::JustStored | Class::Orphan | Class::Reclaimed => return None,
    };
    let (since, pause) = match (&key.status, mark.deactivated) {
        (KeyStatus::Active, _) => (mark.superseded, settings.deactivate_after),
        (_, deactivated) => (deactivated?, settings.delete_after),
    };
    since.saturating_add(pause).ok().filter(|due| *due > observed.secret.now)
}

/// Marks a key that waits for its end and has no mark yet: the times that stand in for one change when somebody edits
/// the secret or moves its labels.
fn first_mark(key: &Key, blocked: &Blocked, observed: &Observed) -> Result<Option<SweepStep>, Blocked> {
    let has_mark = observed.secret.mark(&key.id).map_err(|_| Blocked::UnreadableMark)?.is_some();
    let waits = matches!(blocked, Blocked::Overlap { .. } | Blocked::InUse { .. });
    let mark = unmarked(key, observed);
    Ok((waits && !has_mark).then(|| SweepStep::Retire(Verdict::Mark { key: key.id.clone(), mark })))
}

/// Takes up a rotation that stands still.
fn stuck(token: &VersionToken, observed: &Observed, settings: &Settings, sweep: &mut Sweep) -> Result<(), Blocked> {
    let attempt = observed.secret.attempt().map_err(|_| Blocked::UnreadableMark)?;
    let Some(version) = &observed.pending else {
        // No key was stored yet. The last attempt that came near to it is on record.
        let tried = attempt.filter(|attempt| &attempt.token == token).map(|attempt| observed.since(attempt.at));
        if tried.is_none_or(|ago| ago >= ASK_AGAIN_AFTER) {
            match make_room(token, observed, settings) {
                Room::After { .. } => sweep.steps.push(SweepStep::Rotate),
                Room::Blocked(blocked) if !sweep.findings.contains(&blocked) => sweep.findings.push(blocked),
                // What stands in the way is moved on by this pass already.
                Room::Deactivate { .. } | Room::Mark { .. } | Room::Blocked(_) => {}
            }
        }
        return Ok(());
    };
    // The steps after the attempt may be under way at this very moment.
    let age = observed.age_of(version);
    let is_copy = version.key() == observed.current.key();
    let drop = |mark| SweepStep::DropPending { token: token.clone(), mark };
    match protocol::pending(observed, settings) {
        // No later step takes a revoked key any further, so there is nothing to wait for.
        _ if !is_copy && version.key().is_some_and(|id| observed.secret.is_revoked(id)) => {
            sweep.steps.extend([drop(None), SweepStep::Rotate]);
        }
        _ if age < ASK_AGAIN_AFTER => {}
        // What is left of a test that Secrets Manager makes when a schedule is set.
        _ if is_copy => sweep.steps.push(drop(None)),
        Ok(Pending::Key) if age < GIVE_UP_AFTER => sweep.steps.push(SweepStep::Rotate),
        Ok(Pending::Key) => {
            let mark = KeyMark { superseded: observed.secret.now, deactivated: None };
            sweep.steps.extend([drop(version.key().map(|key| (key.clone(), mark))), SweepStep::Rotate]);
        }
        Ok(Pending::Empty | Pending::Placeholder) | Err(_) => sweep.steps.extend([drop(None), SweepStep::Rotate]),
    }
    Ok(())
}

impl fmt::Display for SweepStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retire(Verdict::Delete(Doomed::Inactive(key) | Doomed::RevokedCurrent(key))) => {
                write!(f, "deleted {key}")
            }
            Self::Retire(Verdict::Delete(Doomed::Orphan(key))) => write!(f, "deleted {key}, which nobody has"),
            Self::Retire(Verdict::Deactivate { key, .. }) => write!(f, "deactivated {key}"),
            Self::Retire(Verdict::Mark { key, .. }) => write!(f, "marked {key}"),
            Self::Retire(Verdict::Keep(_)) => f.write_str("nothing"),
            Self::Forget(tags) => write!(f, "removed {}", tags.join(", ")),
            Self::DropPending { token, .. } => write!(f, "gave the version {token} up"),
            Self::Rotate => f.write_str("asked for the rotation again"),
        }
    }
}

#[cfg(test)]
mod tests;
