//! Decides a rollback: whether the key from before the last rotation can be current again. A pure function from what
//! was observed to what is to be done.

use contract::{AccessKeyId, KeyMark, VersionToken, tag_keys};

use crate::blocked::Blocked;
use crate::observed::{KeyStatus, Observed, Version};
use crate::protocol::Binding;
use crate::retire::check_current;

/// What comes of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rollback {
    /// The earlier key is made current.
    Back(Back),
    /// The older of the two keys is current already: an order goes back in time only, so a second one changes nothing.
    AlreadyBack { key: AccessKeyId, tidy: Tidy },
    /// AWSPREVIOUS holds no other key than AWSCURRENT.
    NoEarlierKey,
    /// The earlier key was deleted.
    Gone { key: AccessKeyId },
    /// A person has revoked the earlier key, or given it up in another way.
    GivenUp { key: AccessKeyId },
}

/// A way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Back {
    /// The version that is current now, and its key.
    pub(crate) from: VersionToken,
    pub(crate) superseded: AccessKeyId,
    /// The version before, and its key.
    pub(crate) to: VersionToken,
    pub(crate) key: AccessKeyId,
    /// Whether the key must be made Active again, whoever has deactivated it: the order says so.
    pub(crate) activate: bool,
    /// The mark of a key that is superseded from now on.
    pub(crate) mark: KeyMark,
}

/// What an order that died on the way may have left undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tidy {
    /// The newer key is superseded, and its mark does not say so.
    pub(crate) mark: Option<(AccessKeyId, KeyMark)>,
    /// This key is current, and has the mark of one that is not.
    pub(crate) unmark: Option<AccessKeyId>,
}

/// Decides the order for the user of `binding`.
pub(crate) fn decide(binding: &Binding, observed: &Observed) -> Result<Rollback, Blocked> {
    if observed.secret.unfinished().is_some() {
        return Err(Blocked::RotationUnderWay);
    }
    let earlier = observed.previous.as_ref().and_then(|version| Some((version, version.key()?)));
    let (Some((previous, key)), Some(superseded)) = (earlier, observed.current.key()) else {
        return Ok(Rollback::NoEarlierKey);
    };
    if key == superseded {
        return Ok(Rollback::NoEarlierKey);
    }
    if !previous.document.user.is_same_user(&binding.user) {
        return Err(Blocked::OtherUser);
    }
    let mark = KeyMark { superseded: observed.secret.now, deactivated: None };
    if !is_older(previous, observed) {
        check_current(observed)?;
        return Ok(Rollback::AlreadyBack { key: superseded.clone(), tidy: tidy(key, superseded, mark, observed) });
    }
    if observed.secret.given_up(key).map_err(|_| Blocked::UnreadableMark)?.is_some() {
        return Ok(Rollback::GivenUp { key: key.clone() });
    }
    let activate = match observed.key(key).map(|key| &key.status) {
        None => return Ok(Rollback::Gone { key: key.clone() }),
        Some(KeyStatus::Other(_)) => return Err(Blocked::UnknownStatus { key: key.clone() }),
        Some(KeyStatus::Active) => false,
        Some(KeyStatus::Inactive) => true,
    };
    let (from, to) = (observed.current.token.clone(), previous.token.clone());
    Ok(Rollback::Back(Back { from, superseded: superseded.clone(), to, key: key.clone(), activate, mark }))
}

/// Whether this version's key is older than the current one. IAM says so; of a key that is gone only its version
/// tells, as it does of two keys that were made in the same second.
fn is_older(previous: &Version, observed: &Observed) -> bool {
    let created = |version: &Version| version.key().and_then(|id| observed.key(id)).map(|key| key.created);
    match (created(previous), created(&observed.current)) {
        (Some(previous), Some(current)) if previous != current => previous < current,
        _ => previous.created < observed.current.created,
    }
}

fn tidy(newer: &AccessKeyId, current: &AccessKeyId, mark: KeyMark, observed: &Observed) -> Tidy {
    let has_mark = |key: &AccessKeyId| observed.secret.tags.contains_key(&tag_keys::mark_of(key));
    let is_unmarked = observed.key(newer).is_some() && !has_mark(newer);
    Tidy { mark: is_unmarked.then(|| (newer.clone(), mark)), unmark: has_mark(current).then(|| current.clone()) }
}

#[cfg(test)]
mod tests;
