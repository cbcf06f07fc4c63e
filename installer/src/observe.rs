//! Reads an account into a value. Nothing here writes, and nothing here decides.

mod drift;
mod elsewhere;
mod running;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contract::{AccessKeyId, DocumentError, UserName, tag_keys};
use jiff::Timestamp;

use crate::artifact::Artifact;
use crate::aws::identity::{self, Caller};
use crate::aws::secrets::{self, Contents, Secret};
use crate::aws::stacks::{self, Resource, Rest, Stack, Status};
use crate::aws::users::{self, AccessKey, KeyOwner, KeyStatus, LastUse};
use crate::aws::{CallError, Clients, bucket};
use crate::concurrent::{self, Pace};
use crate::config::{Config, ConfiguredUser};
use crate::names::{ARTIFACTS_STACK, SecretName, artifact_bucket};
use crate::template::{BoundUser, USERS_PER_CELL};

pub use drift::Drift;
pub use elsewhere::{Elsewhere, look_around};
pub use running::{Running, cell, running, with_function};

/// How users are looked at. IAM publishes no rate and throttles a burst of calls; what it refuses is tried again.
const PACE: Pace = Pace { at_once: 8, apart: Duration::from_millis(20) };

/// How stacks are looked at: CloudFormation throttles a burst of calls too.
const STACKS: Pace = Pace { at_once: 4, apart: Duration::from_millis(50) };

/// How stacks are looked at for drift: CloudFormation reads each of their resources, and that takes its time.
const DETECTIONS: Pace = Pace { at_once: 8, apart: Duration::from_millis(50) };

/// An account as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Who looked.
    pub caller: Caller,
    /// When, by the clock of AWS.
    pub now: Timestamp,
    /// The stack of the artifact bucket; not looked for when the configuration names a bucket.
    pub artifacts: Option<ObservedStack>,
    /// The stacks of the functions and the users, by their numbers.
    pub cells: BTreeMap<usize, ObservedStack>,
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
    /// What somebody has changed in it past CloudFormation; none when nobody has looked.
    pub drift: Option<Drift>,
    /// What its function runs; none when nobody has looked.
    pub running: Option<Running>,
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
    /// When each key was last used, looked up only where keyturn does not know all of them.
    pub last_uses: BTreeMap<AccessKeyId, LastUse>,
    /// The secret of that name, whoever it belongs to.
    pub secret: Option<Secret>,
    /// What that secret holds, or what is wrong with it. It is read only when no rotation of ours tells it, or when
    /// somebody wants to know which of the keys are ours; none also for a secret without a value.
    pub contents: Option<Result<Contents, DocumentError>>,
    /// Whose key the secret holds when it is none of the user's.
    pub key_owner: Option<KeyOwner>,
    /// The stack that has the secret among its resources, when it is none of this deployment's; looked for only while the
    /// user is in none of the cells.
    pub other_stack: Option<String>,
    /// Another deployment that makes keys for the user; looked for as above.
    pub rotated_by: Option<Elsewhere>,
}

/// What is wrong with a key that applications read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadKey {
    /// Somebody has deactivated it.
    Inactive,
    /// Somebody has deleted it.
    Gone,
}

impl ObservedUser {
    /// The key in the secret that a rotation of ours has put there, when it does not work any more: no rotation replaces
    /// what a person did on purpose.
    pub fn dead_key(&self) -> Option<(&AccessKeyId, DeadKey)> {
        let secret = self.secret.as_ref().filter(|secret| secret.user().is_some() && !self.lacks_key(secret))?;
        let current = self.readable()?.current.as_ref().filter(|_| secret.last_own_rotation().is_some())?;
        match self.current_key().map(|key| key.status) {
            None => Some((current, DeadKey::Gone)),
            Some(KeyStatus::Inactive) => Some((current, DeadKey::Inactive)),
            Some(KeyStatus::Active) => None,
        }
    }

    /// Whether `secret` holds no key that works: none was ever put there, or it is gone or Inactive although no
    /// rotation of ours has come to its end yet, or the user has none left, as after a teardown that revoked them.
    pub fn lacks_key(&self, secret: &Secret) -> bool {
        let is_rotated = secret.last_own_rotation().is_some();
        self.keys.is_empty() || !is_rotated && self.current_key().is_none_or(|key| key.status != KeyStatus::Active)
    }

    /// What the secret holds, when it was read and could be.
    pub fn readable(&self) -> Option<&Contents> {
        self.contents.as_ref().and_then(|contents| contents.as_ref().ok())
    }

    /// The user's key that the secret is known to hold.
    pub fn current_key(&self) -> Option<&AccessKey> {
        let current = self.readable()?.current.as_ref()?;
        self.keys.iter().find(|key| &key.id == current)
    }
}

impl Observed {
    /// The names of the stacks that somebody is working on.
    pub fn busy_stacks(&self, config: &Config) -> Vec<String> {
        let is_busy = |found: &ObservedStack| found.stack.status.rest() == Rest::Busy;
        let artifacts = self.artifacts.as_ref().filter(|found| is_busy(found)).map(|_| ARTIFACTS_STACK.to_owned());
        let cells = self.cells.iter().filter(|(_, found)| is_busy(found)).map(|(number, _)| config.stack.cell(*number));
        artifacts.into_iter().chain(cells).collect()
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
    let expected = expected_cells(config);
    let cells = cells(clients, config, 1, expected);
    let users = async {
        let look = |configured| {
            let (clients, closely) = (clients.clone(), Closely::At(config.given_up.keys().cloned().collect()));
            async move { user(&clients, configured, &closely).await }
        };
        concurrent::for_each(config.users.clone(), PACE, look).await.into_iter().collect::<Result<Vec<_>, _>>()
    };
    let (artifacts, mut found, mut users) = tokio::try_join!(artifacts, cells, users)?;
    // Somebody may have taken a cell away that has others behind it.
    let named = users.iter().filter_map(|user| config.stack.cell_number(user.secret.as_ref()?.tag(tag_keys::STACK)?));
    let (last, seen) =
        (named.max().unwrap_or_default(), found.keys().copied().max().unwrap_or_default().max(expected) + 1);
    if last > seen {
        found.extend(self::cells(clients, config, seen + 1, last).await?);
    }
    let look = |(number, found)| {
        let (clients, name) = (clients.clone(), config.stack.cell(number));
        async move { with_function(&clients, &name, found).await.map(|found| (number, found)) }
    };
    let found = concurrent::for_each(found.into_iter().collect(), STACKS, look).await;
    let found = found.into_iter().collect::<Result<BTreeMap<_, _>, _>>()?;
    look_around(clients, config, &found, &mut users).await?;
    // Every answer has shown the time, the caller's identity at the least.
    let now = clients.clock.now().ok_or_else(|| CallError::incomplete("sts:GetCallerIdentity", "Date"))?;
    Ok(Observed { caller, now, artifacts, cells: found, users, has_code: false })
}

/// How many cells the users need at the least, when their names are of the usual length.
pub fn expected_cells(config: &Config) -> usize {
    config.users.len().div_ceil(USERS_PER_CELL).max(1)
}

/// Looks at the cells from number `first` to number `last`, and at those behind them as long as there are any.
///
/// # Errors
/// [`CallError`].
pub async fn cells(
    clients: &Clients,
    config: &Config,
    first: usize,
    last: usize,
) -> Result<BTreeMap<usize, ObservedStack>, CallError> {
    let look = |number| {
        let (clients, name) = (clients.clone(), config.stack.cell(number));
        async move { stack(&clients, &name).await.map(|found| (number, found)) }
    };
    // One more than are expected: it tells whether there are others behind them.
    let (mut numbers, mut found) = ((first..=last + 1).collect::<Vec<_>>(), BTreeMap::new());
    while let Some(next) = numbers.last().map(|last| last + 1) {
        let seen = concurrent::for_each(std::mem::take(&mut numbers), STACKS, look).await;
        for (number, stack) in seen.into_iter().collect::<Result<Vec<_>, _>>()? {
            found.extend(stack.map(|stack| (number, stack)));
        }
        numbers.extend(found.contains_key(&(next - 1)).then_some(next));
    }
    Ok(found)
}

/// Looks for what somebody has changed in the stacks past CloudFormation, in all of them at the same time.
///
/// # Errors
/// [`CallError`].
pub async fn look_for_drift(clients: &Clients, config: &Config, observed: &mut Observed) -> Result<(), CallError> {
    let artifacts = observed.artifacts.iter_mut().map(|found| (ARTIFACTS_STACK.to_owned(), found));
    let cells = observed.cells.iter_mut().map(|(number, found)| (config.stack.cell(*number), found));
    let mut stacks: Vec<_> = artifacts.chain(cells).collect();
    let named = stacks.iter().map(|(name, found)| (name.clone(), ObservedStack::clone(found))).collect();
    let look = |(name, found): (String, ObservedStack)| {
        let clients = clients.clone();
        async move { drift::detect(&clients, &name, &found).await }
    };
    let drifts = concurrent::for_each(named, DETECTIONS, look).await;
    for ((_, found), drift) in stacks.iter_mut().zip(drifts) {
        found.drift = drift?;
    }
    Ok(())
}

/// Whether the bucket holds the function's code: these bytes, and not whatever somebody has put there under their name.
///
/// # Errors
/// [`CallError`].
pub async fn has_code(
    clients: &Clients,
    config: &Config,
    observed: &Observed,
    artifact: &Artifact,
) -> Result<bool, CallError> {
    if observed.artifacts.is_none() && config.artifact_bucket.is_none() {
        // A bucket of that name would not be ours.
        return Ok(false);
    }
    bucket::holds(clients, &observed.bucket(config), &artifact.object_key(), &artifact.bytes).await
}

/// Looks at a stack.
///
/// # Errors
/// [`CallError`].
pub async fn stack(clients: &Clients, name: &str) -> Result<Option<ObservedStack>, CallError> {
    let Some(stack) = stacks::describe(clients, name).await? else { return Ok(None) };
    let (mut template, mut resources) = (None, Vec::new());
    match stack.status.rest() {
        // What was not taken back goes on from its template.
        Rest::HalfMade | Rest::Stuck if matches!(stack.status, Status::CreateFailed | Status::UpdateFailed) => {
            (template, resources) = (stacks::template(clients, name).await?, stacks::resources(clients, name).await?);
        }
        Rest::Usable => template = stacks::template(clients, name).await?,
        Rest::Shell | Rest::HalfMade | Rest::Stuck => resources = stacks::resources(clients, name).await?,
        Rest::Busy | Rest::Review | Rest::Gone => {}
    }
    Ok(Some(ObservedStack { stack, template, resources, drift: None, running: None }))
}

/// Looks at the users whom a command names, whether they are in the configuration or not.
///
/// # Errors
/// [`CallError`].
pub async fn named(
    clients: &Clients,
    config: &Config,
    names: &[UserName],
    closely: &Closely,
) -> Result<Vec<ObservedUser>, CallError> {
    let configured = |name: &UserName| {
        let known = config.users.iter().find(|configured| configured.name.is_same_user(name));
        ConfiguredUser { secret: known.and_then(|known| known.secret.clone()), ..ConfiguredUser::named(name.clone()) }
    };
    let look = |configured| {
        let (clients, closely) = (clients.clone(), closely.clone());
        async move { user(&clients, configured, &closely).await }
    };
    let users = concurrent::for_each(names.iter().map(configured).collect(), PACE, look).await;
    users.into_iter().collect()
}

/// Where to look closely: what is in the secret, and when each key was last used. Elsewhere that is done only where
/// nothing else tells whose the keys are.
#[derive(Debug, Clone)]
pub enum Closely {
    /// At the users of these keys.
    At(BTreeSet<AccessKeyId>),
    /// At every user.
    Everywhere,
}

/// Looks at the user and the secret of one configured user.
async fn user(clients: &Clients, configured: ConfiguredUser, closely: &Closely) -> Result<ObservedUser, CallError> {
    let bound = users::user(clients, &configured.name).await?;
    // The default name of a secret follows IAM's spelling, so that two spellings of one user have one secret.
    let name = bound.as_ref().map_or(&configured.name, |bound| &bound.name).clone();
    let mut user = ObservedUser {
        secret_name: configured.secret.unwrap_or_else(|| SecretName::of_user(&name)),
        name: configured.name,
        bound,
        keys: Vec::new(),
        last_uses: BTreeMap::new(),
        secret: None,
        contents: None,
        key_owner: None,
        other_stack: None,
        rotated_by: None,
    };
    if user.bound.is_none() {
        return Ok(user);
    }
    let secret = secrets::describe(clients, user.secret_name.as_str());
    (user.keys, user.secret) = tokio::try_join!(users::access_keys(clients, &name), secret)?;
    let is_asked = match closely {
        Closely::At(keys) => user.keys.iter().any(|key| keys.contains(&key.id)),
        Closely::Everywhere => true,
    };
    let wants_contents = user.secret.as_ref().is_some_and(|secret| is_asked || is_unclear(secret, &user.keys));
    if let Some(secret) = user.secret.as_ref().filter(|secret| wants_contents && secret.deleted.is_none()) {
        user.contents = secrets::contents(clients, secret).await?;
    }
    let current = user.readable().and_then(|contents| contents.current.clone());
    if let Some(key) = current.filter(|current| user.keys.iter().all(|key| &key.id != current)) {
        user.key_owner = Some(users::owner(clients, &key).await?);
    }
    if is_asked || user.secret.is_none() || user.contents.is_some() {
        for key in &user.keys {
            if let Some(last_use) = users::last_use(clients, &key.id).await? {
                user.last_uses.insert(key.id.clone(), last_use);
            }
        }
    }
    Ok(user)
}

/// How long after its key was made a rotation may end, and still be the one that has made it. One that stood still in
/// between only has its secret read once more.
const ROTATION: Duration = Duration::from_secs(3_600);

/// Whether a secret must be read to know which of the keys is the current one, and which are ours. There is nothing to
/// read for as long as one key can be it: Active, not on its way out, and made by the last rotation.
fn is_unclear(secret: &Secret, keys: &[AccessKey]) -> bool {
    let (Some(_), Some(rotated)) = (secret.user(), secret.last_own_rotation()) else { return true };
    let mut unmarked = keys.iter().filter(|key| secret.mark(&key.id).is_none());
    match (unmarked.next(), unmarked.next()) {
        (None, _) => !keys.is_empty(),
        (Some(key), None) => {
            let age = Duration::try_from(rotated.duration_since(key.created));
            key.status != KeyStatus::Active || !age.is_ok_and(|age| age <= ROTATION)
        }
        (Some(_), Some(_)) => true,
    }
}
