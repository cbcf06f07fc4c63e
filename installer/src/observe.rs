//! Reads an account into a value. Nothing here writes, and nothing here decides.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::{AccessKeyId, UserName};
use jiff::Timestamp;

use crate::aws::identity::{self, Caller};
use crate::aws::secrets::{self, Secret};
use crate::aws::stacks::{self, Resource, Rest, Stack};
use crate::aws::users::{self, AccessKey, LastUse};
use crate::aws::{CallError, Clients, bucket};
use crate::concurrent::{self, Pace};
use crate::config::{Config, ConfiguredUser};
use crate::names::{ARTIFACTS_STACK, SecretName, artifact_bucket};
use crate::template::BoundUser;

/// How users are looked at. IAM publishes no rate and throttles a burst of calls; what it refuses is tried again.
const PACE: Pace = Pace { at_once: 8, apart: Duration::from_millis(20) };

/// An account as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Who looked.
    pub caller: Caller,
    /// When, by the clock of AWS.
    pub now: Timestamp,
    /// The stack of the artifact bucket; not looked for when the configuration names a bucket.
    pub artifacts: Option<ObservedStack>,
    /// The stack of the function and the users.
    pub cell: Option<ObservedStack>,
    /// The users, in the order of the configuration.
    pub users: Vec<ObservedUser>,
    /// Whether the bucket holds the function's code; false until somebody has looked.
    pub has_code: bool,
}

/// A stack as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedStack {
    /// The stack.
    pub stack: Stack,
    /// Its template; none when it was never deployed.
    pub template: Option<String>,
    /// Its resources, looked up only when its status says that something went wrong.
    pub resources: Vec<Resource>,
}

/// A user as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedUser {
    /// The name as it was asked for.
    pub name: UserName,
    /// The name that the user's secret has or will have.
    pub secret_name: SecretName,
    /// The user in IAM.
    pub bound: Option<BoundUser>,
    /// The access keys, oldest first.
    pub keys: Vec<AccessKey>,
    /// When each key was last used, looked up only for a user whose two keys leave no room and who has no secret yet.
    pub last_uses: BTreeMap<AccessKeyId, LastUse>,
    /// The secret of that name, whoever it belongs to.
    pub secret: Option<Secret>,
}

impl ObservedUser {
    /// Whether `secret` can hold no key that works: none was ever put there, or the user has none left, as after a
    /// teardown that revoked them.
    pub fn lacks_key(&self, secret: &Secret) -> bool {
        secret.last_rotated.is_none() || self.keys.is_empty()
    }
}

impl Observed {
    /// The names of the stacks that somebody is working on.
    pub fn busy_stacks<'a>(&self, config: &'a Config) -> Vec<&'a str> {
        let is_busy =
            |found: &Option<ObservedStack>| found.as_ref().is_some_and(|found| found.stack.status.rest() == Rest::Busy);
        let artifacts = is_busy(&self.artifacts).then_some(ARTIFACTS_STACK);
        artifacts.into_iter().chain(is_busy(&self.cell).then_some(config.stack.as_str())).collect()
    }

    /// The bucket of the function's code.
    pub fn bucket(&self, config: &Config) -> String {
        config.artifact_bucket.clone().unwrap_or_else(|| artifact_bucket(&self.caller.account, &config.region))
    }
}

/// Looks at everything that a plan for `config` depends on, but for the function's code: see [`has_code`].
///
/// # Errors
/// [`CallError`].
pub async fn observe(clients: &Clients, config: &Config) -> Result<Observed, CallError> {
    let caller = identity::caller(clients).await?;
    let artifacts = async {
        match config.artifact_bucket {
            None => stack(clients, ARTIFACTS_STACK).await,
            Some(_) => Ok(None),
        }
    };
    let cell = stack(clients, config.stack.as_str());
    let users = async {
        let look = |configured| {
            let clients = clients.clone();
            async move { user(&clients, configured).await }
        };
        concurrent::for_each(config.users.clone(), PACE, look).await.into_iter().collect::<Result<Vec<_>, _>>()
    };
    let (artifacts, cell, users) = tokio::try_join!(artifacts, cell, users)?;
    // Every answer has shown the time, the caller's identity at the least.
    let now = clients.clock.now().ok_or_else(|| CallError::incomplete("sts:GetCallerIdentity", "Date"))?;
    Ok(Observed { caller, now, artifacts, cell, users, has_code: false })
}

/// Whether the bucket holds the function's code under `key`.
///
/// # Errors
/// [`CallError`].
pub async fn has_code(clients: &Clients, config: &Config, observed: &Observed, key: &str) -> Result<bool, CallError> {
    if observed.artifacts.is_none() && config.artifact_bucket.is_none() {
        // A bucket of that name would not be ours.
        return Ok(false);
    }
    bucket::has(clients, &observed.bucket(config), key).await
}

/// Looks at a stack.
///
/// # Errors
/// [`CallError`].
pub async fn stack(clients: &Clients, name: &str) -> Result<Option<ObservedStack>, CallError> {
    let Some(stack) = stacks::describe(clients, name).await? else { return Ok(None) };
    let (mut template, mut resources) = (None, Vec::new());
    match stack.status.rest() {
        Rest::Usable => template = stacks::template(clients, name).await?,
        Rest::Shell | Rest::HalfMade | Rest::Stuck => resources = stacks::resources(clients, name).await?,
        Rest::Busy | Rest::Review | Rest::Gone => {}
    }
    Ok(Some(ObservedStack { stack, template, resources }))
}

/// Looks at the user and the secret of one configured user.
async fn user(clients: &Clients, configured: ConfiguredUser) -> Result<ObservedUser, CallError> {
    let bound = users::user(clients, &configured.name).await?;
    // The default name of a secret follows IAM's spelling, so that two spellings of one user have one secret.
    let name = bound.as_ref().map_or(&configured.name, |bound| &bound.name);
    let secret_name = configured.secret.unwrap_or_else(|| SecretName::of_user(name));
    let mut last_uses = BTreeMap::new();
    if bound.is_none() {
        let (name, keys) = (configured.name, Vec::new());
        return Ok(ObservedUser { name, secret_name, bound, keys, last_uses, secret: None });
    }
    let (keys, secret) =
        tokio::try_join!(users::access_keys(clients, name), secrets::describe(clients, secret_name.as_str()))?;
    if secret.is_none() && keys.len() > 1 {
        for key in &keys {
            if let Some(last_use) = users::last_use(clients, &key.id).await? {
                last_uses.insert(key.id.clone(), last_use);
            }
        }
    }
    Ok(ObservedUser { name: configured.name, secret_name, bound, keys, last_uses, secret })
}
