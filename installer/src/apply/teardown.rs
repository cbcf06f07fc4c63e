//! Takes everything away again, in an order that can be begun anew after every interruption, and then looks whether
//! anything is left.

mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
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
use crate::names::{ARTIFACTS_STACK, artifact_bucket};
use crate::session::Session;
use crate::ui::Interrupted;
use crate::{observe, plan};
use keys::{managed, revoke};

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
}

/// What was taken away, what stays on purpose, and what is left that should not be.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Remains {
    /// The secrets that stay: names.
    pub kept: Vec<String>,
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
        if found.status == Status::DeleteFailed {
            stuck.insert(name.clone(), stuck_resources(clients, &found.id).await?);
        }
        stacks.insert(name, found.id);
    }
    let bucket = config.artifact_bucket.is_none().then(|| artifact_bucket(&caller.account, &config.region));
    let bucket = bucket.filter(|_| stacks.contains_key(ARTIFACTS_STACK));
    let look = |listed: Listed| {
        let (clients, lease) = (clients.clone(), config.settings.lease);
        async move { managed(&clients, &listed.arn, fate, lease).await }
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
        let progress = session.printer.progress(&format!("revoking the keys of {}", counted(inventory.secrets.len())));
        let revoke_one = |secret: Managed| {
            let (clients, lease) = (session.clients.clone(), config.settings.lease);
            async move { revoke(&clients, &secret, recovery_days, lease).await.map(|done| (secret.user, done)) }
        };
        let work = concurrent::for_each(inventory.secrets.clone(), PACE, revoke_one);
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
        match (secret.deleted, inventory.fate) {
            (true, _) => remains.recoverable.push(secret.name),
            (false, Fate::Keep) => remains.kept.push(secret.name),
            (false, Fate::Revoke { .. }) => remains.left.push(inventory.left_secret(&secret)),
        }
    }
    let revoked = inventory.secrets.iter().filter(|_| inventory.fate != Fate::Keep).cloned().collect();
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

    /// Whether there is nothing to be taken away.
    pub fn is_empty(&self) -> bool {
        self.stacks.is_empty() && (self.fate == Fate::Keep || self.secrets.is_empty())
    }
}

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "account {}, {}, as {}\n", self.caller.account, self.region, self.caller.arn)?;
        for name in self.stacks.keys() {
            writeln!(f, "  delete  the stack `{name}`")?;
            for resource in self.stuck.get(name).into_iter().flatten() {
                let fate = if self.force { "is given up" } else { "could not be deleted before" };
                writeln!(f, "            {fate}: {resource}")?;
            }
        }
        if let Some(bucket) = &self.bucket {
            writeln!(f, "  delete  the bucket `{bucket}` and every version in it")?;
        }
        for stack in &self.bucket_stays_for {
            writeln!(f, "  keep    the bucket of the functions' code and its stack: the stack `{stack}` uses it")?;
        }
        if let Some(organization) = &self.bucket_shared_with {
            writeln!(
                f,
                "  keep    the bucket of the functions' code and its stack: the accounts of {organization} use it, until `keyturn teardown --fleet`"
            )?;
        }
        for Managed { name, user, keys, other_keys, unreadable, replicas, .. } in &self.secrets {
            if let Some(why) = unreadable {
                writeln!(f, "  keep    {user}: nobody can tell which key is the current one, since {why}")?;
                continue;
            }
            match self.fate {
                Fate::Keep => {
                    writeln!(f, "  keep    {user}: keys stay Active, the secret `{name}` stays, rotation ends")?
                }
                Fate::Revoke { recovery_days } => {
                    let ids: Vec<&str> = keys.iter().map(AccessKeyId::as_str).collect();
                    let ids = if ids.is_empty() { "no keys".to_owned() } else { ids.join(", ") };
                    let replicas = match replicas.as_slice() {
                        [] => String::new(),
                        regions => format!(", its replicas in {} at once", regions.join(", ")),
                    };
                    writeln!(
                        f,
                        "  revoke  {user}: {ids} go for good, the secret `{name}` goes after {recovery_days} days{replicas}"
                    )?;
                    for key in other_keys {
                        writeln!(f, "  keep    {user}: the key {key}, which keyturn does not know")?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.left.is_empty() {
            writeln!(f, "nothing is left that should not be")?;
        }
        self.left.iter().try_for_each(|left| writeln!(f, "left: {left}"))?;
        self.kept.iter().try_for_each(|name| writeln!(f, "kept: the secret `{name}`"))?;
        self.other_keys
            .iter()
            .try_for_each(|(user, key)| writeln!(f, "kept: the key {key} of {user}, which keyturn does not know"))?;
        self.recoverable.iter().try_for_each(|name| {
            writeln!(
                f,
                "can be brought back: the secret `{name}` (`aws secretsmanager restore-secret --secret-id {name}`), but not its key, which is gone for good"
            )
        })
    }
}
