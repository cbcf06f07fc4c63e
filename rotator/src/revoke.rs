//! Decides a revocation: which keys have leaked, and what is left to do about them. A pure function from what was
//! observed to what is to be done.

use contract::{AccessKeyId, GiveUp, KeyMark, SAME_REVOCATION, VersionToken, tag_keys};

use crate::event::Leaked;
use crate::observed::{CURRENT, Description, Key, KeyStatus, Observed};

/// What comes of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// These keys are revoked.
    Revoke(Plan),
    /// The keys were revoked before, and the current one is not among them.
    Done { current: Option<AccessKeyId> },
    /// The user has no key of keyturn's.
    NoKeys,
    /// This key was named, and is none of keyturn's that the user has.
    Unknown { key: AccessKeyId },
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The keys that the order covers, the current one first: nobody but the order deactivates that one, and the
    /// sweeper does what is left undone of the others.
    pub(crate) keys: Vec<AccessKeyId>,
    /// The tags to set in one call, so that the order is on record as a whole or not at all.
    pub(crate) tags: Vec<(String, String)>,
    /// Those of the keys that may still work.
    pub(crate) deactivate: Vec<AccessKeyId>,
    /// The version of a rotation under way whose key is revoked with the others.
    pub(crate) drop_pending: Option<VersionToken>,
    /// Whether a new key is needed.
    pub(crate) reissue: bool,
    /// The user's other Active keys.
    pub(crate) left: Vec<AccessKeyId>,
}

/// Decides the order. `stored` are the keys in the versions of the secret.
pub(crate) fn decide(observed: &Observed, stored: &[AccessKeyId], leaked: &Leaked) -> Revocation {
    let managed = managed(observed, stored);
    let current = observed.current.key();
    let is_current = |id: &AccessKeyId| Some(id) == current;
    let is_revoked = |id: &AccessKeyId| observed.secret.is_revoked(id);
    let done = || Revocation::Done { current: current.cloned() };
    let keys = match leaked {
        Leaked::Named(named) => {
            if let Some(key) = named.iter().find(|id| !managed.contains(id)) {
                return Revocation::Unknown { key: key.clone() };
            }
            let is_pending = |id: &AccessKeyId| Some(id) == pending(observed);
            let is_done =
                |id: &AccessKeyId| is_revoked(id) && !may_work(id, observed) && !is_current(id) && !is_pending(id);
            if named.iter().all(is_done) {
                return done();
            }
            managed.into_iter().filter(|id| named.contains(id)).collect()
        }
        Leaked::All if managed.is_empty() => return Revocation::NoKeys,
        // The order was given before. What a rotation has made since then is what it was given for.
        Leaked::All if current.is_some_and(is_revoked) => {
            managed.into_iter().filter(|id| is_revoked(id) || Some(id) != pending(observed)).collect()
        }
        Leaked::All if was_reissued(observed) => {
            let unfinished: Vec<AccessKeyId> = managed.into_iter().filter(|id| is_unfinished(id, observed)).collect();
            if unfinished.is_empty() {
                return done();
            }
            unfinished
        }
        Leaked::All => managed,
    };
    Revocation::Revoke(plan(keys, observed))
}

/// Whether a rotation that somebody else has asked for has ended since the decision: a new version is current, or the
/// one that was pending then, unless its key is revoked with the others. A version from before may hold a revoked key.
pub(crate) fn is_replaced(plan: &Plan, then: &Description, now: &Description) -> bool {
    now.labelled(CURRENT).is_some_and(|current| {
        let was_pending = then.unfinished() == Some(current) && plan.drop_pending.as_ref() != Some(current);
        was_pending || !then.labels.contains_key(current)
    })
}

fn plan(keys: Vec<AccessKeyId>, observed: &Observed) -> Plan {
    let is_covered = |id: Option<&AccessKeyId>| id.is_some_and(|id| keys.contains(id));
    let is_pending_covered = is_covered(pending(observed));
    let is_left = |key: &&Key| key.status == KeyStatus::Active && !keys.contains(&key.id);
    Plan {
        tags: keys.iter().flat_map(|id| tags(id, observed)).collect(),
        deactivate: keys.iter().filter(|id| may_work(id, observed)).cloned().collect(),
        drop_pending: observed.secret.unfinished().filter(|_| is_pending_covered).cloned(),
        reissue: is_covered(observed.current.key()) || is_pending_covered,
        left: observed.keys.iter().filter(is_left).map(|key| key.id.clone()).collect(),
        keys,
    }
}

/// The keys that were ever in a version of the secret, or are marked as such, the current one first. That one counts
/// also when it is gone: it is to be replaced.
fn managed(observed: &Observed, stored: &[AccessKeyId]) -> Vec<AccessKeyId> {
    let current = observed.current.key();
    let is_managed = |id: &AccessKeyId| {
        let is_marked = observed.secret.tags.contains_key(&tag_keys::mark_of(id));
        is_marked || stored.contains(id) || observed.secret.is_revoked(id)
    };
    let others = observed.keys.iter().map(|key| &key.id).filter(|id| Some(*id) != current && is_managed(id));
    current.into_iter().chain(others).cloned().collect()
}

/// The key of a rotation under way.
fn pending(observed: &Observed) -> Option<&AccessKeyId> {
    observed.pending.as_ref().and_then(|version| version.key())
}

/// Whether the current key was made a moment ago, after another one was revoked, as far as anybody can tell.
fn was_reissued(observed: &Observed) -> bool {
    let current = observed.current.key().and_then(|id| observed.key(id));
    let current = current.filter(|current| observed.since(current.created) < SAME_REVOCATION);
    let is_successor = |current: &Key, key: &Key| observed.secret.is_revoked(&key.id) && key.created <= current.created;
    current.is_some_and(|current| observed.keys.iter().any(|key| key.id != current.id && is_successor(current, key)))
}

/// Whether a key was revoked and not deactivated yet. One that was, and is Active again, was brought back by somebody.
fn is_unfinished(id: &AccessKeyId, observed: &Observed) -> bool {
    let was_deactivated =
        observed.secret.mark(id).is_ok_and(|mark| mark.is_some_and(|mark| mark.deactivated.is_some()));
    observed.secret.is_revoked(id) && may_work(id, observed) && !was_deactivated
}

/// Whether a key works, or may be so new that IAM does not list it yet.
fn may_work(id: &AccessKeyId, observed: &Observed) -> bool {
    observed.key(id).is_none_or(|key| key.status != KeyStatus::Inactive)
}

/// The tag of a revoked key. A mark that says of a key that works that it was deactivated is from before somebody
/// brought it back. It must not stay, or the sweeper would take the key for one that was brought back after the order.
fn tags(id: &AccessKeyId, observed: &Observed) -> Vec<(String, String)> {
    let mut tags = Vec::new();
    if !observed.secret.is_revoked(id) {
        tags.push((tag_keys::give_up_of(id), GiveUp::Revoke.to_tag().to_owned()));
    }
    if let Ok(Some(mark @ KeyMark { deactivated: Some(_), .. })) = observed.secret.mark(id)
        && may_work(id, observed)
    {
        tags.push((tag_keys::mark_of(id), KeyMark { deactivated: None, ..mark }.to_tag()));
    }
    tags
}

#[cfg(test)]
mod tests;
