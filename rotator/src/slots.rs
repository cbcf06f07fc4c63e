//! Making room for a new key: IAM allows two keys per user, and whatever takes the second slot is classified here
//! and given up only when it is certain that nobody needs it.

use std::time::Duration;

use contract::{AccessKeyId, Attempt, ForeignPolicy, InUsePolicy, KeyMark, Settings, VersionToken};
use jiff::Timestamp;

use crate::blocked::Blocked;
use crate::observed::{Evidence, Key, KeyStatus, LastUse, Observed};

/// Keys that IAM lets a user have, Inactive ones included (IAM user guide, "IAM and AWS STS quotas").
pub(crate) const KEYS_PER_USER: usize = 2;

/// What to do before, or instead of, creating a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is room once these keys are deleted.
    After { delete: Vec<Doomed>, attempt: Attempt },
    /// This key is deactivated and marked, and the rotation stops: a key is never deactivated and deleted in one pass.
    Deactivate { key: AccessKeyId, mark: KeyMark },
    /// This key is Inactive and nobody remembers since when: it is marked, and the rotation stops.
    Mark { key: AccessKeyId, mark: KeyMark },
    /// Nothing is touched.
    Blocked(Blocked),
}

/// A key that is to be deleted, and what makes that right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doomed {
    /// It is Inactive, and has been for long enough.
    Inactive(AccessKeyId),
    /// Nobody has its secret half, whatever its status.
    Orphan(AccessKeyId),
}

impl Doomed {
    pub(crate) fn key(&self) -> &AccessKeyId {
        match self {
            Self::Inactive(key) | Self::Orphan(key) => key,
        }
    }
}

/// What a key of the user is to this system, when it is not the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Class {
    /// It was ours: in AWSPREVIOUS, in an older version, or marked as on its way out.
    Superseded(KeyMark),
    /// Created by an attempt that died before it could store it: nobody has its secret half.
    Orphan,
    /// It was there before us, or a person made it.
    Foreign,
}

/// Decides how to come to a free slot.
pub(crate) fn make_room(token: &VersionToken, observed: &Observed, settings: &Settings) -> Room {
    match room(token, observed, settings) {
        Ok(room) => room,
        Err(blocked) => Room::Blocked(blocked),
    }
}

fn room(token: &VersionToken, observed: &Observed, settings: &Settings) -> Result<Room, Blocked> {
    if observed.keys.len() < KEYS_PER_USER {
        let delete = dead_orphans(observed, settings)?;
        let attempt = attempt(token, observed, &delete, settings)?;
        return Ok(Room::After { delete, attempt });
    }
    check_current(observed)?;
    let mut others = Vec::new();
    for key in observed.keys.iter().filter(|key| Some(&key.id) != observed.current.key()) {
        others.push((key, classify(key, observed, settings)?));
    }
    let is_active_foreign = |(key, class): &&(&Key, Class)| *class == Class::Foreign && key.status == KeyStatus::Active;
    if observed.current.key().is_none() && others.iter().filter(is_active_foreign).count() >= KEYS_PER_USER {
        return Err(Blocked::TwoForeign);
    }
    // Deleting comes first: it needs no further pass. Then the first key that can be moved on, then the first reason.
    let (mut delete, mut steps, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for (key, class) in &others {
        match judge(key, class, observed, settings)? {
            Verdict::Delete(doomed) => delete.push(doomed),
            Verdict::Move(room) => steps.push(room),
            Verdict::Keep(blocked) => reasons.push(blocked),
        }
    }
    if observed.keys.len() - delete.len() < KEYS_PER_USER {
        let attempt = attempt(token, observed, &delete, settings)?;
        return Ok(Room::After { delete, attempt });
    }
    steps.into_iter().next().ok_or_else(|| reasons.into_iter().next().unwrap_or(Blocked::KeyLimit))
}

/// What is to happen with one key that is in the way.
enum Verdict {
    Delete(Doomed),
    Move(Room),
    Keep(Blocked),
}

fn judge(key: &Key, class: &Class, observed: &Observed, settings: &Settings) -> Result<Verdict, Blocked> {
    let id = key.id.clone();
    Ok(match class {
        Class::Orphan if observed.since(key.created) < settings.lease => Verdict::Keep(Blocked::InFlight { key: id }),
        Class::Orphan => Verdict::Delete(Doomed::Orphan(id)),
        Class::Superseded(mark) => retire(key, *mark, observed, settings)?,
        Class::Foreign => match settings.foreign {
            ForeignPolicy::Refuse => Verdict::Keep(Blocked::Foreign { key: id }),
            // A foreign key is superseded from the moment a managed key became current beside it.
            ForeignPolicy::Retire => retire(key, unmarked(key, observed), observed, settings)?,
        },
    })
}

/// Moves a superseded key one step further: Active, Inactive, gone.
fn retire(key: &Key, mark: KeyMark, observed: &Observed, settings: &Settings) -> Result<Verdict, Blocked> {
    let id = key.id.clone();
    match key.status {
        KeyStatus::Other(_) => Ok(Verdict::Keep(Blocked::UnknownStatus { key: id })),
        KeyStatus::Inactive => Ok(match mark.deactivated.filter(|at| !was_used_after(key, *at, observed)) {
            Some(at) if observed.since(at) >= settings.delete_after => Verdict::Delete(Doomed::Inactive(id)),
            Some(_) => Verdict::Keep(Blocked::Grace { key: id }),
            None => {
                let mark = KeyMark { deactivated: Some(observed.secret.now), ..mark };
                Verdict::Move(Room::Mark { key: id, mark })
            }
        }),
        KeyStatus::Active => {
            if observed.current.key().is_none() {
                return Ok(Verdict::Keep(Blocked::NoSuccessor { key: id }));
            }
            if observed.since(mark.superseded) < settings.deactivate_after {
                return Ok(Verdict::Keep(Blocked::Overlap { key: id }));
            }
            if let LastUse::At { when, service, region } = &evidence(key, observed)?.last_use
                && observed.since(*when) < settings.quiet
                && settings.in_use == InUsePolicy::Wait
            {
                let (when, service, region) = (*when, service.clone(), region.clone());
                return Ok(Verdict::Keep(Blocked::InUse { key: id, when, service, region }));
            }
            let mark = KeyMark { deactivated: Some(observed.secret.now), ..mark };
            Ok(Verdict::Move(Room::Deactivate { key: id, mark }))
        }
    }
}

/// Whether a key was used after it is said to have been deactivated: somebody brought it back meanwhile, and the mark
/// is no longer true.
fn was_used_after(key: &Key, deactivated: Timestamp, observed: &Observed) -> bool {
    match observed.evidence.get(&key.id).map(|evidence| &evidence.last_use) {
        Some(LastUse::At { when, .. }) => *when > deactivated,
        Some(LastUse::Never) => false,
        None => true,
    }
}

/// What stands for a mark that is missing: superseded since the current key took over, and since the key itself was
/// made. Of the times that tell, the latest is the careful one.
fn unmarked(key: &Key, observed: &Observed) -> KeyMark {
    let took_over = observed.current.created.max(observed.secret.last_rotated.unwrap_or(observed.current.created));
    KeyMark { superseded: took_over.max(key.created), deactivated: None }
}

/// Refuses to make room around a current key that somebody has disabled or deleted.
fn check_current(observed: &Observed) -> Result<(), Blocked> {
    let Some(id) = observed.current.key() else { return Ok(()) };
    match observed.key(id) {
        None => Err(Blocked::CurrentMissing { key: id.clone() }),
        Some(key) if key.status != KeyStatus::Active => Err(Blocked::CurrentDisabled { key: id.clone() }),
        Some(_) => Ok(()),
    }
}

/// Says what a key is, by the evidence that was gathered where [`needs_evidence`] said so.
fn classify(key: &Key, observed: &Observed, settings: &Settings) -> Result<Class, Blocked> {
    let mark = observed.secret.mark(&key.id).map_err(|_| Blocked::UnreadableMark)?;
    if let Some(mark) = mark {
        return Ok(Class::Superseded(mark));
    }
    let evidence = evidence(key, observed)?;
    if evidence.in_a_version {
        return Ok(Class::Superseded(unmarked(key, observed)));
    }
    let attempt = observed.secret.attempt().map_err(|_| Blocked::UnreadableMark)?;
    let from_an_attempt = attempt.is_some_and(|attempt| may_come_from(&attempt, key.created, settings));
    Ok(if from_an_attempt && evidence.last_use == LastUse::Never { Class::Orphan } else { Class::Foreign })
}

/// By how much the clocks of two services may differ: an attempt is timed by Secrets Manager, a key by IAM.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// Whether a key created then can be the work of a recorded attempt: no attempt outlives its lease.
fn may_come_from(attempt: &Attempt, created: Timestamp, settings: &Settings) -> bool {
    let start = attempt.since.saturating_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
    let end = attempt.at.saturating_add(settings.lease).unwrap_or(Timestamp::MAX);
    (start..=end).contains(&created)
}

/// The orphans whose lease is over. They are in nobody's way here, but they are live keys that nobody has.
fn dead_orphans(observed: &Observed, settings: &Settings) -> Result<Vec<Doomed>, Blocked> {
    let mut orphans = Vec::new();
    for key in leftovers(observed, settings)? {
        if classify(key, observed, settings)? == Class::Orphan && observed.since(key.created) >= settings.lease {
            orphans.push(Doomed::Orphan(key.id.clone()));
        }
    }
    Ok(orphans)
}

/// The keys that the recorded attempt may have left behind: what else is known of them is not asked here.
fn leftovers<'a>(observed: &'a Observed, settings: &Settings) -> Result<Vec<&'a Key>, Blocked> {
    let Some(attempt) = observed.secret.attempt().map_err(|_| Blocked::UnreadableMark)? else { return Ok(Vec::new()) };
    let versions = [Some(&observed.current), observed.previous.as_ref()];
    let is_stored = |id: &AccessKeyId| versions.into_iter().flatten().any(|version| version.key() == Some(id));
    let is_leftover = |key: &&Key| !is_stored(&key.id) && may_come_from(&attempt, key.created, settings);
    Ok(observed.keys.iter().filter(is_leftover).collect())
}

/// Whether more must be known of the keys before a decision: when a slot must be freed, or an orphan may be there.
pub(crate) fn needs_evidence(observed: &Observed, settings: &Settings) -> Result<bool, Blocked> {
    Ok(observed.keys.len() >= KEYS_PER_USER || !leftovers(observed, settings)?.is_empty())
}

/// The attempt to record. While a key is there that an earlier attempt may have left behind, its time is kept, or the
/// orphan would pass for a foreign key from then on. It is kept during the earlier attempt's lease too: IAM may not
/// list yet what was created a moment ago.
fn attempt(
    token: &VersionToken,
    observed: &Observed,
    deleted: &[Doomed],
    settings: &Settings,
) -> Result<Attempt, Blocked> {
    let now = observed.secret.now;
    let is_deleted = |key: &Key| deleted.iter().any(|doomed| doomed.key() == &key.id);
    let remain = leftovers(observed, settings)?.into_iter().any(|key| !is_deleted(key));
    let earlier = observed.secret.attempt().map_err(|_| Blocked::UnreadableMark)?;
    let earlier = earlier.filter(|attempt| remain || observed.since(attempt.at) < settings.lease);
    let since = earlier.map_or(now, |attempt| attempt.since);
    Ok(Attempt { token: token.clone(), since, at: now })
}

/// What was looked up about a key. Where it is missing the key counts as in use (R5).
fn evidence<'a>(key: &Key, observed: &'a Observed) -> Result<&'a Evidence, Blocked> {
    observed.evidence.get(&key.id).ok_or_else(|| Blocked::InUse {
        key: key.id.clone(),
        when: observed.secret.now,
        service: "unknown".into(),
        region: "unknown".into(),
    })
}

#[cfg(test)]
mod tests;
