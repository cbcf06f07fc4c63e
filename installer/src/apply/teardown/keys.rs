//! The keys and the secret of one user: which of them go, and how.

use std::collections::BTreeSet;
use std::time::Duration;

use contract::{AccessKeyId, SecretArn, UserName};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::Fate;
use super::claim::{self, Doubt, Evidence, Witness};
use crate::aws::secrets::{self, CURRENT, Contents, Secret};
use crate::aws::users::{self, AccessKey};
use crate::aws::{CallError, Clients};
use crate::config::Config;
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
    /// Why it is left alone, although its tags say that it is ours.
    #[serde(serialize_with = "in_words", skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// The regions of its replicas, which go with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<String>,
    /// The cell that it belongs to by its tag.
    #[serde(skip)]
    pub cell: String,
}

impl Managed {
    /// What a secret says of itself that is left alone.
    pub(super) fn claim(&self) -> String {
        let why = self.doubt.map(|doubt| format!(": {doubt}")).unwrap_or_default();
        format!("the secret `{}` claims to be ours, of the user {}, and is left alone{why}", self.name, self.user)
    }
}

fn in_words<S: Serializer>(doubt: &Option<Doubt>, serializer: S) -> Result<S::Ok, S::Error> {
    doubt.map(|doubt| doubt.to_string()).serialize(serializer)
}

/// What secrets are looked up with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) clients: &'a Clients,
    pub(super) config: &'a Config,
    pub(super) fate: Fate,
    pub(super) witness: &'a Witness,
}

/// Looks a secret up; `None` when it went away meanwhile, or is bound to nobody.
pub(super) async fn managed(look: Look<'_>, secret: &SecretArn, cell: &str) -> Result<Option<Managed>, CallError> {
    let Look { clients, config, fate, witness } = look;
    let Some(secret) = secrets::describe(clients, secret.as_str()).await? else { return Ok(None) };
    let Some(user) = secret.user() else { return Ok(None) };
    let (mut keys, mut other_keys, mut unreadable) = (BTreeSet::new(), BTreeSet::new(), None);
    let own = config.secret_name(&user);
    let mut doubt = claim::check(&secret, &user, witness, &own, None).err();
    if fate != Fate::Keep && doubt.is_none() {
        let contents = secrets::contents(clients, &secret).await?.transpose();
        if let Ok(contents) = &contents {
            let id = users::user(clients, &user).await?.map(|user| user.id);
            let evidence = Evidence { user: id, value: contents.as_ref().map(|contents| contents.user.clone()) };
            doubt = claim::check(&secret, &user, witness, &own, Some(&evidence)).err();
        }
        let existing = users::access_keys(clients, &user).await?;
        match contents {
            Ok(_) if doubt.is_some() => {}
            Ok(contents) => {
                keys = known(&secret, contents.as_ref(), &existing);
                for key in orphans(&secret, &existing, &keys, config.settings.lease, clients.clock.now()) {
                    // Whoever uses a key has its secret half.
                    if users::last_use(clients, &key).await?.is_none() {
                        keys.insert(key);
                    }
                }
            }
            Err(error) => unreadable = Some(error.to_string()),
        }
        let others = existing.into_iter().map(|key| key.id).filter(|key| !keys.contains(key) && doubt.is_none());
        other_keys.extend(others);
    }
    let Secret { name, arn, replicas, .. } = secret;
    let cell = cell.to_owned();
    Ok(Some(Managed { name, arn, user, keys, other_keys, unreadable, doubt, replicas, cell }))
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
    now: Option<Timestamp>,
) -> Vec<AccessKeyId> {
    let attempt = secret.attempt().zip(now).and_then(|(attempt, now)| attempt.as_of(now).ok());
    let Some(attempt) = attempt else { return Vec::new() };
    // Where there was a single attempt, and its rotation came to its end, the key that it made is the one that is stored.
    if secret.version(CURRENT) == Some(&attempt.token) && attempt.since == attempt.at {
        return Vec::new();
    }
    let others = existing.iter().filter(|key| !known.contains(&key.id));
    others.filter(|key| may_come_from(&attempt, key.created, lease)).map(|key| key.id.clone()).collect()
}

/// Takes the keys of one user away, and then the secret: while it is there, its keys can be found again. They are looked
/// for once more, because a rotation that was under way may have made another one. `false` when nothing was done because
/// the secret cannot be read, or is no longer the one that was shown.
pub(super) async fn revoke(look: Look<'_>, secret: &Managed, recovery_days: u8) -> Result<bool, CallError> {
    let clients = look.clients;
    secrets::cancel_rotation(clients, &secret.arn).await?;
    let now = managed(look, &secret.arn, &secret.cell).await?.unwrap_or_else(|| secret.clone());
    let Managed { user, keys, replicas, unreadable, doubt, .. } = now;
    if unreadable.is_some() || doubt.is_some() || user != secret.user {
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
