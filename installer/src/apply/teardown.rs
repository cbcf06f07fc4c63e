//! Takes everything away again, in an order that can be begun anew after every interruption, and then looks whether
//! anything is left.

mod claim;
mod display;
mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contract::{AccessKeyId, Region, UserName};
use serde::Serialize;

use super::rotations::counted;
use super::stack::{self, Doomed};
use crate::aws::secrets::{self, Listed};
use crate::aws::stacks::{Resource, Rest, Stack, Status};
use crate::aws::{CallError, Clients, bucket, functions, identity, stacks, users};
use crate::concurrent::{self, Pace};
use crate::config::Config;
use crate::error::Error;
use crate::names::{ARTIFACTS_STACK, ENROLLER, artifact_bucket};
use crate::session::Session;
use crate::ui::Interrupted;
use crate::{observe, plan};
use claim::Witness;
use keys::{Look, managed, revoke};

pub use claim::Doubt;
pub use keys::Managed;

/// How users are worked on: 40 a second at most. Secrets Manager allows 50 calls a second of CancelRotateSecret, and of
/// DeleteSecret (user guide, quotas).
const PACE: Pace = Pace { at_once: 8, apart: Duration::from_millis(25) };

/// What happens to keys and secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "keys")]
pub enum Fate {
    /// Both stay.
    Keep,
    /// Both go.
    Revoke {
        /// For how many days a secret can be brought back.
        recovery_days: u8,
    },
}

/// What is there to be taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// The account and the caller.
    pub caller: identity::Caller,
    /// Where.
    pub region: Region,
    /// What happens to keys and secrets.
    #[serde(flatten)]
    pub fate: Fate,
    /// The stacks that exist: names and ids.
    pub stacks: BTreeMap<String, String>,
    /// Those that somebody has protected from being deleted.
    pub protected: Vec<String>,
    /// Those whose deletion has failed before, and what could not be deleted.
    pub stuck: BTreeMap<String, Vec<String>>,
    /// Whether what cannot be deleted is given up.
    pub force: bool,
    /// The bucket that is emptied.
    pub bucket: Option<String>,
    /// The stacks of other deployments, for which the bucket and its stack stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bucket_stays_for: Vec<String>,
    /// The organization whose accounts have their functions' code from the bucket, for which it stays too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_shared_with: Option<String>,
    /// The secrets of the stack that are not scheduled for deletion.
    pub secrets: Vec<Managed>,
    /// What the cells say of secrets.
    #[serde(skip)]
    witnesses: BTreeMap<String, Witness>,
}

/// What was taken away, what stays on purpose, and what is left that should not be.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Remains {
    /// The secrets that stay: names.
    pub kept: Vec<String>,
    /// The secrets that claim to be ours and were left alone: names, users and why.
    pub left_alone: Vec<String>,
    /// The secrets that can still be brought back: names.
    pub recoverable: Vec<String>,
    /// The keys that stay beside those that were revoked, since keyturn does not know them: users and ids.
    pub other_keys: Vec<(UserName, AccessKeyId)>,
    /// What is left that should not be.
    pub left: Vec<String>,
}

/// Looks at what is there. Secrets are found by their tag, so that a run after the stack is gone finds them too.
///
/// # Errors
/// [`Error`].
pub async fn inventory(session: &Session, config: &Config, fate: Fate, force: bool) -> Result<Inventory, Error> {
    let clients = &session.clients;
    let caller = identity::caller(clients).await?;
    let (mut stacks, mut protected, mut stuck) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    let mut witnesses = BTreeMap::new();
    let listed = secrets::of_deployment(clients, &config.stack).await?;
    let bucket_stays_for = others_of_bucket(clients, config).await?;
    let bucket_shared_with = match config.artifact_bucket {
        None => plan::organization(observe::stack(clients, ARTIFACTS_STACK).await?.as_ref())?,
        Some(_) => None,
    };
    let bucket_stays = !bucket_stays_for.is_empty() || bucket_shared_with.is_some();
    for name in stack_names(clients, config, &listed).await? {
        if name == ARTIFACTS_STACK && bucket_stays {
            continue;
        }
        stack::await_idle(session, &name).await?;
        let Some(found) = stacks::describe(clients, &name).await?.filter(exists) else { continue };
        protected.extend(found.protected.then(|| name.clone()));
        if config.stack.cell_number(&name).is_some() {
            witnesses.insert(name.clone(), witness(clients, &found).await?);
        }
        if found.status == Status::DeleteFailed {
            stuck.insert(name.clone(), stuck_resources(clients, &found.id).await?);
        }
        stacks.insert(name, found.id);
    }
    let bucket = config.artifact_bucket.is_none().then(|| artifact_bucket(&caller.account, &config.region));
    let bucket = bucket.filter(|_| stacks.contains_key(ARTIFACTS_STACK));
    let look = |listed: Listed| {
        let (clients, config) = (clients.clone(), config.clone());
        let witness = witnesses.get(&listed.cell).cloned().unwrap_or_default();
        async move {
            let look = Look { clients: &clients, config: &config, fate, witness: &witness };
            managed(look, &listed.arn, &listed.cell).await
        }
    };
    let listed = listed.into_iter().filter(|secret| !secret.deleted).collect();
    let found = concurrent::for_each(listed, PACE, look).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let secrets = found.into_iter().flatten().collect();
    let region = config.region.clone();
    Ok(Inventory {
        caller,
        region,
        fate,
        stacks,
        protected,
        stuck,
        force,
        bucket,
        bucket_stays_for,
        bucket_shared_with,
        secrets,
        witnesses,
    })
}

/// Takes everything away. Gives the resources that `--force` has given up.
///
/// # Errors
/// [`Error`]; the same again goes on from where it stopped.
pub async fn tear_down(session: &Session, config: &Config, inventory: &Inventory) -> Result<Vec<String>, Error> {
    // First the functions: without them no rotation makes another key.
    let cells = inventory.stacks.keys().filter(|name| config.stack.cell_number(name).is_some());
    let mut kept = stack::delete_all(session, cells.filter_map(|name| inventory.doomed(name)).collect()).await?;
    if let Fate::Revoke { recovery_days } = inventory.fate {
        let ours: Vec<Managed> = inventory.ours().cloned().collect();
        let progress = session.printer.progress(&format!("revoking the keys of {}", counted(ours.len())));
        let revoke_one = |secret: Managed| {
            let (clients, config, fate) = (session.clients.clone(), config.clone(), inventory.fate);
            let witness = inventory.witnesses.get(&secret.cell).cloned().unwrap_or_default();
            async move {
                let look = Look { clients: &clients, config: &config, fate, witness: &witness };
                revoke(look, &secret, recovery_days).await.map(|done| (secret.user, done))
            }
        };
        let work = concurrent::for_each(ours, PACE, revoke_one);
        let revoked = session.interrupts.unless_pressed(work).await;
        let left = || Interrupted { left: "some keys are revoked already".to_owned() };
        for user in revoked.map_err(|_| left())? {
            let (user, is_done) = user?;
            progress.say(&format!("  {} {user}", if is_done { "revoked" } else { "left as it is:" }));
        }
    }
    if let Some(bucket) = &inventory.bucket {
        let progress = session.printer.progress(&format!("emptying the bucket `{bucket}`"));
        session.interrupts.unless_pressed(bucket::empty(&session.clients, bucket)).await??;
        drop(progress);
    }
    kept.extend(stack::delete_all(session, inventory.doomed(ARTIFACTS_STACK).into_iter().collect()).await?);
    // Secrets are kept on purpose.
    kept.retain(|resource| !resource.contains("(AWS::SecretsManager::Secret)"));
    Ok(kept)
}

/// Looks at what is left.
///
/// # Errors
/// [`CallError`].
pub async fn remains(clients: &Clients, config: &Config, inventory: &Inventory) -> Result<Remains, CallError> {
    let mut remains = Remains::default();
    let listed = secrets::of_deployment(clients, &config.stack).await?;
    for name in
        stack_names(clients, config, &listed).await?.iter().chain(inventory.stacks.keys()).collect::<BTreeSet<_>>()
    {
        if name == ARTIFACTS_STACK && inventory.keeps_bucket() {
            continue;
        }
        if let Some(stack) = stacks::describe(clients, name).await?.filter(exists) {
            remains.left.push(format!("the stack `{name}`, {}", stack.status));
        }
        if config.stack.cell_number(name).is_some() && functions::describe(clients, name).await?.is_some() {
            remains.left.push(format!("the function `{name}`"));
        }
    }
    if let Some(bucket) = &inventory.bucket
        && bucket::exists(clients, bucket).await?
    {
        remains.left.push(format!("the bucket `{bucket}`"));
    }
    for secret in listed {
        let doubtful = inventory.secrets.iter().find(|known| known.arn == secret.arn && known.doubt.is_some());
        match (secret.deleted, inventory.fate) {
            (false, _) if doubtful.is_some() => remains.left_alone.extend(doubtful.map(Managed::claim)),
            (true, _) => remains.recoverable.push(secret.name),
            (false, Fate::Keep) => remains.kept.push(secret.name),
            (false, Fate::Revoke { .. }) => remains.left.push(inventory.left_secret(&secret)),
        }
    }
    let revoked = inventory.ours().filter(|_| inventory.fate != Fate::Keep).cloned().collect();
    let keys = concurrent::for_each(revoked, PACE, |secret: Managed| {
        let clients = clients.clone();
        async move { users::access_keys(&clients, &secret.user).await.map(|keys| (secret, keys)) }
    });
    for found in keys.await {
        let (secret, keys) = found?;
        for key in keys {
            if secret.keys.contains(&key.id) {
                remains.left.push(format!("the key {} of `{}`", key.id, secret.user));
            } else {
                remains.other_keys.push((secret.user.clone(), key.id));
            }
        }
    }
    Ok(remains)
}

/// What a cell says of the secrets that claim to be its own. A stack that has not come to its end says nothing of those that
/// it does not know.
async fn witness(clients: &Clients, stack: &Stack) -> Result<Witness, CallError> {
    let resources = stacks::physical_ids(clients, &stack.id).await?;
    let is_complete = stack.status.rest() == Rest::Usable && !resources.contains_key(ENROLLER);
    Ok(Witness { resources, is_complete })
}

/// The stacks that there may be: the cells up to the last that exists, or that a secret belongs to.
async fn stack_names(clients: &Clients, config: &Config, listed: &[Listed]) -> Result<Vec<String>, CallError> {
    let named = listed.iter().filter_map(|secret| config.stack.cell_number(&secret.cell)).max().unwrap_or(1);
    let mut names: Vec<String> =
        config.artifact_bucket.is_none().then(|| ARTIFACTS_STACK.to_owned()).into_iter().collect();
    for number in 1.. {
        let name = config.stack.cell(number);
        if number > named && !stacks::describe(clients, &name).await?.is_some_and(|stack| exists(&stack)) {
            break;
        }
        names.push(name);
    }
    Ok(names)
}

/// The stacks of other deployments in the region: they have their functions' code in the same bucket. A tag alone, which
/// outlives its stack, does not count.
pub async fn others_of_bucket(clients: &Clients, config: &Config) -> Result<Vec<String>, CallError> {
    let (mut others, mut named) = (Vec::new(), BTreeSet::new());
    if config.artifact_bucket.is_some() {
        return Ok(others);
    }
    named.extend(secrets::of_keyturn(clients, None).await?.into_iter().map(|secret| secret.cell));
    // Anything may stand in a tag.
    let is_name = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !name.is_empty();
    for name in named.into_iter().filter(|name| config.stack.cell_number(name).is_none()).filter(is_name) {
        if stacks::describe(clients, &name).await?.is_some_and(|stack| exists(&stack)) {
            others.push(name);
        }
    }
    Ok(others)
}

/// What could not be deleted of a stack.
async fn stuck_resources(clients: &Clients, id: &str) -> Result<Vec<String>, CallError> {
    let resources = stacks::resources(clients, id).await?.into_iter();
    let failed = resources.filter(|resource| resource.status == "DELETE_FAILED");
    let told = |resource: Resource| {
        let why = resource.reason.map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} ({}){why}", resource.logical_id, resource.kind)
    };
    Ok(failed.map(told).collect())
}

fn exists(stack: &Stack) -> bool {
    stack.status.rest() != Rest::Gone
}

impl Inventory {
    /// A stack of those that exist, to be deleted. CloudFormation gives resources up only where it has failed to delete
    /// them before.
    fn doomed(&self, name: &str) -> Option<Doomed> {
        let id = self.stacks.get(name)?.clone();
        Some(Doomed { name: name.to_owned(), id, force: self.force && self.stuck.contains_key(name) })
    }

    /// The secrets that are really ours.
    fn ours(&self) -> impl Iterator<Item = &Managed> {
        self.secrets.iter().filter(|secret| secret.doubt.is_none())
    }

    /// Whether the bucket and its stack are needed by others.
    fn keeps_bucket(&self) -> bool {
        !self.bucket_stays_for.is_empty() || self.bucket_shared_with.is_some()
    }

    /// A secret that is left although keys and secrets were to go.
    fn left_secret(&self, left: &Listed) -> String {
        let known = self.secrets.iter().find(|secret| secret.arn == left.arn);
        match known.and_then(|secret| Some((&secret.user, secret.unreadable.as_ref()?))) {
            Some((user, why)) => format!(
                "the secret `{}` and the keys of {user}: nobody can tell which key is the current one, since {why}; put the value right and run the same command again, or take them away by hand",
                left.name
            ),
            None => format!("the secret `{}`", left.name),
        }
    }

    /// Whether something is left alone that was to go, as far as anybody can tell.
    pub fn has_doubts(&self) -> bool {
        self.fate != Fate::Keep && self.secrets.iter().any(|secret| secret.doubt.is_some())
    }

    /// Whether there is nothing to be taken away.
    pub fn is_empty(&self) -> bool {
        self.stacks.is_empty() && (self.fate == Fate::Keep || self.ours().next().is_none())
    }
}
