//! How one user stands to keyturn: new, managed, or with a secret that can be taken over; and whether there is room for
//! the first managed key.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::{AccessKeyId, Attempt, ForeignPolicy, GiveUp, KeyMark, UserName, tag_keys};
use jiff::Timestamp;

use super::{Adoption, KeyReport, Refusal, Unadoptable};
use crate::aws::secrets::{Contents, Secret};
use crate::aws::users::{AccessKey, KeyOwner, KeyStatus};
use crate::config::Config;
use crate::observe::ObservedUser;
use crate::template::BoundUser;

/// How many keys a user may have (IAM user guide, quotas).
pub const KEYS_PER_USER: usize = 2;

/// By how much the clocks of IAM and Secrets Manager may differ, as the function has it.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// The alias of the key that Secrets Manager takes when nobody names one.
const DEFAULT_KMS_KEY: &str = "alias/aws/secretsmanager";

/// How a user stands to keyturn.
#[derive(Debug)]
pub(super) enum Standing<'a> {
    /// Keyturn does not know the user.
    New,
    /// The user has a secret that keyturn made or has taken over.
    Managed(&'a Secret),
    /// The user has a secret that can be taken over.
    Adoptable(&'a Secret, &'a Contents),
}

/// Says how a user stands to keyturn.
pub(super) fn standing<'a>(
    config: &Config,
    user: &'a ObservedUser,
    bound: &BoundUser,
) -> Result<Standing<'a>, Refusal> {
    let (name, secret_name) = (bound.name.clone(), user.secret_name.to_string());
    let Some(secret) = &user.secret else { return Ok(Standing::New) };
    if let Some(until) = secret.deleted {
        return Err(Refusal::DeletedSecret { user: name, secret: secret_name, until });
    }
    let Some(owner) = secret.user() else {
        return match adoptable(config, user, bound, secret) {
            Ok(contents) => Ok(Standing::Adoptable(secret, contents)),
            Err(why) => Err(Refusal::ForeignSecret { user: name, secret: secret_name, why }),
        };
    };
    let id = secret.tag(tag_keys::USER_ID).unwrap_or("unknown");
    let is_same = owner.is_same_user(&name) && id == bound.id.as_str();
    if let Some(stack) = user.other_stack.clone().filter(|_| is_same) {
        Err(Refusal::SecretOfOtherStack { user: name, secret: secret_name, stack })
    } else if is_same {
        Ok(Standing::Managed(secret))
    } else {
        let which = if owner.is_same_user(&name) { "an earlier " } else { "" };
        Err(Refusal::SecretOfAnother { user: name, secret: secret_name, bound: format!("{which}{owner} ({id})") })
    }
}

/// Whether a secret that keyturn did not make can be taken over: nobody else may manage it, the function must be able
/// to read it, and it must hold a key of this user, or one that is gone.
fn adoptable<'a>(
    config: &Config,
    user: &'a ObservedUser,
    bound: &BoundUser,
    secret: &Secret,
) -> Result<&'a Contents, Unadoptable> {
    if let Some(stack) = &user.other_stack {
        return Err(Unadoptable::OtherStack(stack.clone()));
    }
    let contents = match &user.contents {
        None => return Err(Unadoptable::NoValue),
        Some(Err(error)) => return Err(Unadoptable::Document(error.clone())),
        Some(Ok(contents)) => contents,
    };
    if !contents.user.is_same_user(&bound.name) {
        return Err(Unadoptable::OtherUser(contents.user.clone()));
    }
    let Some(key) = &contents.current else { return Err(Unadoptable::NoKey) };
    if user.current_key().is_none() {
        let key = key.clone();
        match user.key_owner.clone() {
            Some(KeyOwner::Nobody) => {}
            Some(KeyOwner::User(owner)) => return Err(Unadoptable::KeyOfAnother { key, owner }),
            Some(KeyOwner::Account(account)) => return Err(Unadoptable::KeyOfAnotherAccount { key, account }),
            Some(KeyOwner::Unknown) | None => return Err(Unadoptable::KeyOfUnknown(key)),
        }
    }
    match secret.kms_key.as_deref().filter(|key| !key.ends_with(DEFAULT_KMS_KEY)) {
        Some(key) if !may_be(key, config.kms_key.as_deref()) => Err(Unadoptable::KmsKey(key.to_owned())),
        _ => Ok(contents),
    }
}

/// Whether the encryption key that a secret names can be the configured one. An alias does not tell.
fn may_be(key: &str, configured: Option<&str>) -> bool {
    configured.is_some_and(|configured| key.contains("alias/") || configured == key || configured.ends_with(key))
}

/// What a secret of ours lacks when it joins a stack. An import changes no tags, and by these the function knows which
/// secrets are its own: with that of another stack, neither the sweeper nor an order would find it. A member's other tags
/// are those of its template.
pub(super) fn joining(
    config: &Config,
    stack: &str,
    user: &BoundUser,
    secret: &Secret,
    is_member: bool,
) -> Option<Adoption> {
    let mut tags = BTreeMap::from([(tag_keys::STACK.to_owned(), stack.to_owned())]);
    let renderings = config.renderings(&user.name).to_tag().filter(|_| !is_member);
    tags.extend(renderings.map(|names| (tag_keys::RENDER.to_owned(), names)));
    tags.retain(|key, value| secret.tag(key) != Some(value.as_str()));
    let (name, arn) = (secret.name.clone(), secret.arn.clone());
    (!tags.is_empty()).then(|| Adoption { user: user.name.clone(), secret: name, arn, tags })
}

/// What taking a secret over means: the tags that bind it. A key that was replaced in it before is retired like a
/// superseded one, with all its time from now on.
pub(super) fn adoption(
    config: &Config,
    stack: &str,
    (user, bound): (&ObservedUser, &BoundUser),
    (secret, contents): (&Secret, &Contents),
    now: Timestamp,
) -> Adoption {
    let mut tags = BTreeMap::from([
        (tag_keys::USER.to_owned(), bound.name.to_tag()),
        (tag_keys::USER_ID.to_owned(), bound.id.to_string()),
        (tag_keys::STACK.to_owned(), stack.to_owned()),
        (tag_keys::ADOPTED.to_owned(), now.to_string()),
    ]);
    tags.extend(config.renderings(&bound.name).to_tag().map(|names| (tag_keys::RENDER.to_owned(), names)));
    let mark = KeyMark { superseded: now, deactivated: None }.to_tag();
    tags.extend(previous(user, contents).map(|key| (tag_keys::mark_of(&key.id), mark)));
    Adoption { user: bound.name.clone(), secret: secret.name.clone(), arn: secret.arn.clone(), tags }
}

/// The key that the secret held before, when it is still there.
pub(super) fn previous<'a>(user: &'a ObservedUser, contents: &Contents) -> Option<&'a AccessKey> {
    let previous = contents.previous.as_ref().filter(|previous| contents.current.as_ref() != Some(previous));
    user.keys.iter().find(|key| Some(&key.id) == previous)
}

/// Where the first managed key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room<'a> {
    /// There is room, or a rotation that has begun takes care of it.
    Free,
    /// This key is deleted first.
    After(&'a AccessKey),
    /// This key is given up and on its way out; the rotation waits for it.
    Behind(&'a AccessKey),
    /// The same, because of what the configuration says of foreign keys.
    BehindForeign(&'a AccessKey),
}

/// How a key was given up: on the command line, or before.
pub(super) fn how(config: &Config, user: &ObservedUser, key: &AccessKeyId) -> Option<GiveUp> {
    let before = || user.secret.as_ref().and_then(|secret| secret.given_up(key));
    config.given_up.get(key).copied().or_else(before)
}

/// Says whether there is room for the first managed key. It answers what the function will do, which decides again.
pub(super) fn room<'a>(
    config: &Config,
    user: &'a ObservedUser,
    name: &UserName,
    now: Timestamp,
) -> Result<Room<'a>, Refusal> {
    let is_cared_for = |key: &AccessKey| is_of_a_rotation(config, user, key) || is_revoked(user, key);
    if user.keys.len() < KEYS_PER_USER || user.keys.iter().any(is_cared_for) {
        return Ok(Room::Free);
    }
    let current = user.readable().and_then(|contents| contents.current.as_ref());
    let others = || user.keys.iter().filter(|key| Some(&key.id) != current);
    let is_inactive = |key: &&AccessKey| key.status == KeyStatus::Inactive;
    let reclaimed = |key: &&AccessKey| how(config, user, &key.id) == Some(GiveUp::Reclaim);
    if let Some(key) = others().filter(is_inactive).find(reclaimed) {
        return Ok(Room::After(key));
    }
    let keys = || user.keys.iter().map(|key| KeyReport::of(user, key, now)).collect();
    if let Some(current) = current {
        let (user, current) = (name.clone(), current.clone());
        return Err(Refusal::NoWorkingKey { user, current, keys: keys() });
    }
    let retired = |key: &&AccessKey| {
        let mark = user.secret.as_ref().and_then(|secret| secret.mark(&key.id));
        how(config, user, &key.id) == Some(GiveUp::Retire) || mark.is_some_and(|mark| mark.deactivated.is_some())
    };
    if let Some(key) = others().find(retired) {
        return Ok(Room::Behind(key));
    }
    match others().find(is_inactive) {
        Some(key) if config.settings.foreign == ForeignPolicy::Retire => Ok(Room::BehindForeign(key)),
        _ => Err(Refusal::TwoKeys { user: name.clone(), keys: keys() }),
    }
}

/// Whether a key may have been made by a rotation that has not come to its end.
pub(super) fn is_of_a_rotation(config: &Config, user: &ObservedUser, key: &AccessKey) -> bool {
    let pending = user.readable().and_then(|contents| contents.pending.as_ref());
    let attempt = user.secret.as_ref().and_then(Secret::attempt);
    let lease = config.settings.lease;
    pending == Some(&key.id) || attempt.is_some_and(|attempt| may_come_from(&attempt, key.created, lease))
}

/// Whether a key that was made then may have been made by that attempt, as the function decides it.
pub(crate) fn may_come_from(attempt: &Attempt, created: Timestamp, lease: Duration) -> bool {
    let start = attempt.since.saturating_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
    let end = attempt.at.saturating_add(lease).unwrap_or(Timestamp::MAX);
    (start..=end).contains(&created)
}

/// Whether a person has revoked a key: the function deletes it as soon as its place is needed.
pub(super) fn is_revoked(user: &ObservedUser, key: &AccessKey) -> bool {
    user.secret.as_ref().is_some_and(|secret| secret.given_up(&key.id) == Some(GiveUp::Revoke))
}

/// The key of a managed user that keyturn did not make.
pub(super) fn foreign<'a>(config: &Config, user: &'a ObservedUser) -> Option<&'a AccessKey> {
    user.keys.iter().find(|key| is_foreign(config, user, key))
}

/// Whether a key is neither in the user's secret nor on its way out. Of a secret that nobody had to read, the keys are
/// all known.
pub(super) fn is_foreign(config: &Config, user: &ObservedUser, key: &AccessKey) -> bool {
    let Some(secret) = &user.secret else { return true };
    let Some(Contents { current, pending, previous, .. }) = user.readable() else { return false };
    let is_stored = [current, pending, previous].into_iter().flatten().any(|stored| stored == &key.id);
    !is_stored && secret.mark(&key.id).is_none() && !is_of_a_rotation(config, user, key)
}
