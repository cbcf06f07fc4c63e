//! Making room for a new key: IAM allows two keys per user, and whatever takes the second slot is given up only when
//! it is certain that nobody needs it, or when a person says so.

use contract::{AccessKeyId, Attempt, KeyMark, LONGEST_ATTEMPT, Settings, VersionToken};
use jiff::Timestamp;

use crate::blocked::Blocked;
use crate::observed::{Key, KeyStatus, Observed};
use crate::retire::{Class, Doomed, Verdict, check_current, classify, judge, may_come_from};

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

/// Decides how to come to a free slot.
pub(crate) fn make_room(token: &VersionToken, observed: &Observed, settings: &Settings) -> Room {
    match room(token, observed, settings) {
        Ok(room) => room,
        Err(blocked) => Room::Blocked(blocked),
    }
}

fn room(token: &VersionToken, observed: &Observed, settings: &Settings) -> Result<Room, Blocked> {
    let after = |delete: Vec<Doomed>| {
        attempt(token, observed, &delete, settings).map(|attempt| Room::After { delete, attempt })
    };
    if observed.keys.len() < KEYS_PER_USER {
        return after(dead_orphans(observed, settings)?);
    }
    let mut others = Vec::new();
    for key in observed.keys.iter().filter(|key| Some(&key.id) != observed.current.key()) {
        others.push((key, classify(key, observed, settings)?));
    }
    if let Err(blocked) = check_current(observed) {
        // Somebody did that on purpose, so nothing is touched but what a person has given up to make room, and what nobody
        // has: the attempt on record, which tells that, is about to be another one.
        let mut delete = reclaimed(&others);
        if observed.keys.len() - delete.len() >= KEYS_PER_USER {
            return Err(blocked);
        }
        delete.extend(dead_orphans(observed, settings)?);
        return after(delete);
    }
    let is_replaced = observed.is_current_revoked();
    let is_active_foreign = |(key, class): &&(&Key, Class)| *class == Class::Foreign && key.status == KeyStatus::Active;
    if observed.current.key().is_none() && others.iter().filter(is_active_foreign).count() >= KEYS_PER_USER {
        return Err(Blocked::TwoForeign);
    }
    // Deleting comes first: it needs no further pass. Then the first key that can be moved on, then the first reason.
    let (mut delete, mut revoked, mut steps, mut reasons) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (key, class) in &others {
        let is_revoked = matches!(class, Class::Revoked(_));
        match judge(key, class, observed, settings)? {
            Verdict::Delete(doomed) => delete.push(doomed),
            // Nobody is to bring it back, so there is no grace to wait for when its slot is needed.
            _ if is_revoked && key.status == KeyStatus::Inactive => revoked.push(Doomed::Inactive(key.id.clone())),
            // Beside a revoked current key this one may be all that still works.
            Verdict::Deactivate { .. } | Verdict::Mark { .. } if is_replaced && !is_revoked => {}
            Verdict::Deactivate { key, mark } => steps.push(Room::Deactivate { key, mark }),
            Verdict::Mark { key, mark } => steps.push(Room::Mark { key, mark }),
            Verdict::Keep(blocked) => reasons.push(blocked),
        }
    }
    let is_full = |delete: &[Doomed]| observed.keys.len() - delete.len() >= KEYS_PER_USER;
    if is_full(&delete) {
        delete.extend(revoked);
    }
    // An attempt that may still be under way is waited for: its key may be the one that takes the revoked one's place.
    let in_flight = reasons.iter().any(|reason| matches!(reason, Blocked::InFlight { .. }));
    if is_full(&delete) && is_replaced && steps.is_empty() && !in_flight {
        delete.extend(revoked_current(observed));
    }
    if !is_full(&delete) {
        return after(delete);
    }
    steps.into_iter().next().ok_or_else(|| reasons.into_iter().next().unwrap_or(Blocked::KeyLimit))
}

/// The current key, once a person has revoked it and it is Inactive. One that is gone takes no slot.
fn revoked_current(observed: &Observed) -> Option<Doomed> {
    let key = observed.current.key().and_then(|id| observed.key(id)).filter(|key| key.status == KeyStatus::Inactive)?;
    Some(Doomed::RevokedCurrent(key.id.clone()))
}

/// The keys that a person has given up to make room.
fn reclaimed(others: &[(&Key, Class)]) -> Vec<Doomed> {
    let reclaimed = others.iter().filter(|(_, class)| *class == Class::Reclaimed);
    reclaimed.map(|(key, _)| Doomed::Inactive(key.id.clone())).collect()
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
    // What an attempt may have left behind longer ago is deleted before this one begins, or somebody uses it.
    let earliest = now.saturating_sub(LONGEST_ATTEMPT).unwrap_or(Timestamp::MIN);
    let since = earlier.map_or(now, |attempt| attempt.since.max(earliest));
    Ok(Attempt { token: token.clone(), since, at: now })
}

#[cfg(test)]
mod tests;
