//! What a key is to this system, and what its next step on the way out is: Active, Inactive, gone. Both the rotation
//! that needs a slot and the sweeper decide by this.

use std::time::Duration;

use contract::tag_keys::{GIVE_UP_PREFIX, KEY_PREFIX};
use contract::{AccessKeyId, Attempt, ForeignPolicy, GiveUp, InUsePolicy, KeyMark, Settings};
use jiff::Timestamp;

use crate::blocked::Blocked;
use crate::observed::{Evidence, Key, KeyStatus, LastUse, Observed};

/// A key that is to be deleted, and what makes that right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doomed {
    /// It is Inactive, and has been for long enough.
    Inactive(AccessKeyId),
    /// Nobody has its secret half, whatever its status.
    Orphan(AccessKeyId),
    /// It is current and Inactive, a person has revoked it, and nothing else can make room for the key that is to take
    /// its place.
    RevokedCurrent(AccessKeyId),
}

impl Doomed {
    pub(crate) fn key(&self) -> &AccessKeyId {
        match self {
            Self::Inactive(key) | Self::Orphan(key) | Self::RevokedCurrent(key) => key,
        }
    }
}

/// What is to happen with a key that is not the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delete(Doomed),
    /// It is deactivated and marked. A key is never deactivated and deleted in one pass.
    Deactivate {
        key: AccessKeyId,
        mark: KeyMark,
    },
    /// It is Inactive and nobody remembers since when: from now on somebody does.
    Mark {
        key: AccessKeyId,
        mark: KeyMark,
    },
    Keep(Blocked),
}

/// What a key of the user is to this system, when it is not the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Class {
    /// It is Inactive, and a person has given it up to make room.
    Reclaimed,
    /// A person wants it retired, whatever else is known of it.
    GivenUp(KeyMark),
    /// A person has revoked it: it has leaked.
    Revoked(KeyMark),
    /// It was ours: in AWSPREVIOUS, in an older version, or marked as on its way out.
    Superseded(KeyMark),
    /// Stored by a rotation that has begun since the secret was described, and may be about to become current.
    JustStored,
    /// Created by an attempt that died before it could store it: nobody has its secret half.
    Orphan,
    /// It was there before us, or a person made it.
    Foreign,
}

/// Says what a key is, by the evidence that was gathered.
pub(crate) fn classify(key: &Key, observed: &Observed, settings: &Settings) -> Result<Class, Blocked> {
    let mark = observed.secret.mark(&key.id).map_err(|_| Blocked::UnreadableMark)?;
    let from_now = mark.unwrap_or(KeyMark { superseded: observed.secret.now, deactivated: None });
    // A mark that says so: that was done. When the key is Active again somebody has thought better of it.
    let was_deactivated = from_now.deactivated.is_some();
    match (observed.secret.given_up(&key.id).map_err(|_| Blocked::UnreadableMark)?, &key.status) {
        (Some(GiveUp::Reclaim), KeyStatus::Inactive) => return Ok(Class::Reclaimed),
        (Some(GiveUp::Retire), _) if !was_deactivated => return Ok(Class::GivenUp(from_now)),
        (Some(GiveUp::Revoke), KeyStatus::Inactive) => return Ok(Class::Revoked(from_now)),
        (Some(GiveUp::Revoke), _) if !was_deactivated => return Ok(Class::Revoked(from_now)),
        _ => {}
    }
    if let Some(mark) = mark {
        return Ok(Class::Superseded(mark));
    }
    let evidence = evidence(key, observed)?;
    if evidence.in_a_version {
        let was_current = observed.previous.as_ref().is_some_and(|previous| previous.key() == Some(&key.id));
        let is_young = observed.since(key.created) < settings.lease;
        return Ok(if is_young && !was_current {
            Class::JustStored
        } else {
            Class::Superseded(unmarked(key, observed))
        });
    }
    let attempt = observed.secret.attempt().map_err(|_| Blocked::UnreadableMark)?;
    let from_an_attempt = attempt.is_some_and(|attempt| may_come_from(&attempt, key.created, settings));
    Ok(if from_an_attempt && evidence.last_use == LastUse::Never { Class::Orphan } else { Class::Foreign })
}

/// Decides the next step of a key of this class.
pub(crate) fn judge(key: &Key, class: &Class, observed: &Observed, settings: &Settings) -> Result<Verdict, Blocked> {
    let id = key.id.clone();
    Ok(match class {
        Class::JustStored => Verdict::Keep(Blocked::InFlight { key: id }),
        Class::Orphan if observed.since(key.created) < settings.lease => Verdict::Keep(Blocked::InFlight { key: id }),
        Class::Orphan => Verdict::Delete(Doomed::Orphan(id)),
        Class::Superseded(mark) => retire(key, *mark, observed, settings)?,
        Class::Reclaimed => Verdict::Delete(Doomed::Inactive(id)),
        Class::GivenUp(mark) | Class::Revoked(mark) if key.status == KeyStatus::Active => {
            Verdict::Deactivate { key: id, mark: KeyMark { deactivated: Some(observed.secret.now), ..*mark } }
        }
        Class::GivenUp(mark) | Class::Revoked(mark) => retire(key, *mark, observed, settings)?,
        Class::Foreign => match settings.foreign {
            ForeignPolicy::Refuse => Verdict::Keep(Blocked::Foreign { key: id }),
            // A foreign key is superseded from the moment a managed key became current beside it.
            ForeignPolicy::Retire => retire(key, unmarked(key, observed), observed, settings)?,
        },
    })
}

/// Moves a superseded key one step further.
fn retire(key: &Key, mark: KeyMark, observed: &Observed, settings: &Settings) -> Result<Verdict, Blocked> {
    let id = key.id.clone();
    match key.status {
        KeyStatus::Other(_) => Ok(Verdict::Keep(Blocked::UnknownStatus { key: id })),
        KeyStatus::Inactive => Ok(match mark.deactivated.filter(|at| !was_used_after(key, *at, observed)) {
            Some(at) if observed.since(at) >= settings.delete_after => Verdict::Delete(Doomed::Inactive(id)),
            Some(_) => Verdict::Keep(Blocked::Grace { key: id }),
            None => Verdict::Mark { key: id, mark: KeyMark { deactivated: Some(observed.secret.now), ..mark } },
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
            Ok(Verdict::Deactivate { key: id, mark: KeyMark { deactivated: Some(observed.secret.now), ..mark } })
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
/// made. Of the times that tell, the latest is the careful one: a rotation may have been under way for long before it
/// made the key that is current now, and may have died before it was noted as complete. None of them tells when an older
/// key became current again, as after a rollback: from now on somebody knows.
pub(crate) fn unmarked(key: &Key, observed: &Observed) -> KeyMark {
    let current = observed.current.key().and_then(|id| observed.key(id));
    if current.is_some_and(|current| current.created < key.created) {
        return KeyMark { superseded: observed.secret.now, deactivated: None };
    }
    let times = [observed.secret.last_rotated, current.map(|current| current.created), Some(key.created)];
    let superseded = times.into_iter().flatten().fold(observed.current.created, Timestamp::max);
    KeyMark { superseded, deactivated: None }
}

/// Refuses to retire anything beside a current key that somebody has disabled or deleted; not when that was a
/// revocation, which ends with another key in its place.
pub(crate) fn check_current(observed: &Observed) -> Result<(), Blocked> {
    let Some(id) = observed.current.key().filter(|_| !observed.is_current_revoked()) else { return Ok(()) };
    match observed.key(id) {
        None => Err(Blocked::CurrentMissing { key: id.clone() }),
        Some(key) if key.status != KeyStatus::Active => Err(Blocked::CurrentDisabled { key: id.clone() }),
        Some(_) => Ok(()),
    }
}

/// By how much the clocks of two services may differ: an attempt is timed by Secrets Manager, a key by IAM.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// Whether a key created then can be the work of a recorded attempt: no attempt outlives its lease.
pub(crate) fn may_come_from(attempt: &Attempt, created: Timestamp, settings: &Settings) -> bool {
    let start = attempt.since.saturating_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
    let end = attempt.at.saturating_add(settings.lease).unwrap_or(Timestamp::MAX);
    (start..=end).contains(&created)
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

/// The tags that mean nothing any more: what was noted of keys that are gone, and the mark of a key that is current
/// again. A mark that stayed could hasten that key's end another time. What a person has decided of the current key
/// stays also when the key is gone: a revoked one remains to be replaced.
pub(crate) fn stale_tags(observed: &Observed, deleted: &[Doomed]) -> Vec<String> {
    let is_deleted = |id: &AccessKeyId| deleted.iter().any(|doomed| doomed.key() == id);
    let is_stale = |tag: &&String| {
        let (id, is_mark) = match (tag.strip_prefix(KEY_PREFIX), tag.strip_prefix(GIVE_UP_PREFIX)) {
            (Some(id), _) => (id, true),
            (None, Some(id)) => (id, false),
            (None, None) => return false,
        };
        if observed.current.key().is_some_and(|current| current.as_str() == id) {
            return is_mark;
        }
        observed.keys.iter().find(|key| key.id.as_str() == id).is_none_or(|key| is_deleted(&key.id))
    };
    observed.secret.tags.keys().filter(is_stale).cloned().collect()
}
