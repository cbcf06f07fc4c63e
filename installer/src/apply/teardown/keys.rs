//! The keys and the secret of one user: which of them go, and how.

use std::collections::BTreeSet;
use std::time::Duration;

use contract::{AccessKeyId, SecretArn, UserName};
use serde::Serialize;

use super::Fate;
use crate::aws::secrets::{self, CURRENT, Contents, Secret};
use crate::aws::users::{self, AccessKey};
use crate::aws::{CallError, Clients};
use crate::plan::may_come_from;

/// A secret that keyturn manages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Managed {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: SecretArn,
    /// Its user.
    pub user: UserName,
    /// The ids of the keys that keyturn has made for the user, when they are to be revoked.
    pub keys: BTreeSet<AccessKeyId>,
    /// The user's other keys, which stay, when keys are to be revoked.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub other_keys: BTreeSet<AccessKeyId>,
    /// Why nobody can tell which key is the current one, when keys are to be revoked. Then nothing of this user's goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// The regions of its replicas, which go with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<String>,
}

/// Looks a secret up; `None` when it went away meanwhile, or is bound to nobody.
pub(super) async fn managed(
    clients: &Clients,
    secret: &SecretArn,
    fate: Fate,
    lease: Duration,
) -> Result<Option<Managed>, CallError> {
    let Some(secret) = secrets::describe(clients, secret.as_str()).await? else { return Ok(None) };
    let Some(user) = secret.user() else { return Ok(None) };
    let (mut keys, mut other_keys, mut unreadable) = (BTreeSet::new(), BTreeSet::new(), None);
    if fate != Fate::Keep {
        let existing = users::access_keys(clients, &user).await?;
        match secrets::contents(clients, &secret).await?.transpose() {
            Ok(contents) => {
                keys = known(&secret, contents.as_ref(), &existing);
                for key in orphans(&secret, &existing, &keys, lease) {
                    // Whoever uses a key has its secret half.
                    if users::last_use(clients, &key).await?.is_none() {
                        keys.insert(key);
                    }
                }
            }
            Err(error) => unreadable = Some(error.to_string()),
        }
        other_keys.extend(existing.into_iter().map(|key| key.id).filter(|key| !keys.contains(key)));
    }
    let Secret { name, arn, replicas, .. } = secret;
    Ok(Some(Managed { name, arn, user, keys, other_keys, unreadable, replicas }))
}

/// The keys that are in the secret or marked in its tags, and are there: a version outlives its key.
fn known(secret: &Secret, contents: Option<&Contents>, existing: &[AccessKey]) -> BTreeSet<AccessKeyId> {
    let stored = contents.into_iter().flat_map(|found| [&found.current, &found.pending, &found.previous]);
    let mut keys: BTreeSet<AccessKeyId> = stored.flatten().cloned().chain(secret.marked_keys()).collect();
    keys.retain(|id| existing.iter().any(|key| &key.id == id));
    keys
}

/// The keys that the last attempt may have made and not stored. The function that would clean them up is gone by now.
fn orphans(
    secret: &Secret,
    existing: &[AccessKey],
    known: &BTreeSet<AccessKeyId>,
    lease: Duration,
) -> Vec<AccessKeyId> {
    let Some(attempt) = secret.attempt() else { return Vec::new() };
    // Where there was a single attempt, and its rotation came to its end, the key that it made is the one that is stored.
    if secret.version(CURRENT) == Some(&attempt.token) && attempt.since == attempt.at {
        return Vec::new();
    }
    let others = existing.iter().filter(|key| !known.contains(&key.id));
    others.filter(|key| may_come_from(&attempt, key.created, lease)).map(|key| key.id.clone()).collect()
}

/// Takes the keys of one user away, and then the secret: while it is there, its keys can be found again. They are looked
/// for once more, because a rotation that was under way may have made another one. `false` when nothing was done because
/// the secret cannot be read.
pub(super) async fn revoke(
    clients: &Clients,
    secret: &Managed,
    recovery_days: u8,
    lease: Duration,
) -> Result<bool, CallError> {
    secrets::cancel_rotation(clients, &secret.arn).await?;
    let now = managed(clients, &secret.arn, Fate::Revoke { recovery_days }, lease).await?;
    let Managed { keys, replicas, unreadable, .. } = now.unwrap_or_else(|| secret.clone());
    if unreadable.is_some() {
        return Ok(false);
    }
    for key in &keys {
        users::deactivate_key(clients, &secret.user, key).await?;
    }
    for key in &keys {
        users::delete_key(clients, &secret.user, key).await?;
    }
    secrets::remove_replicas(clients, &secret.arn, &replicas).await?;
    secrets::delete(clients, &secret.arn, recovery_days).await?;
    Ok(true)
}
