//! An instance of a function: which invocation it fits, and what its process is started with.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::function::Function;
use super::{InstanceId, InvocationId};
use crate::services::iam;
use crate::{ApiError, World};

/// How long the credentials of an instance are good. AWS does not say; it hands out hours.
const SESSION_LASTS: Duration = Duration::from_hours(12);

/// How many idle instances of a function are kept. The installer has 16 users rotated at once.
const MOST_IDLE: usize = 16;

/// How many of all functions together: the processes of a thousand accounts would fill the machine.
const MOST_IDLE_OF_ALL: usize = 64;

/// The variables that Lambda sets itself and refuses to have set.
pub(super) const RESERVED: &[&str] = &[
    "_HANDLER",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_TASK_ROOT",
];

/// What the world knows of an instance.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) function: String,
    /// The revision of the function that it runs.
    pub(super) revision: String,
    pub(super) expires: Timestamp,
    pub(super) log_stream: String,
    /// What it works on.
    pub(super) busy: Option<InvocationId>,
}

/// What a process is started with.
pub(crate) struct Launch {
    pub(super) zip: Arc<[u8]>,
    pub(super) code_sha256: String,
    pub(super) environment: BTreeMap<String, String>,
}

impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment holds credentials.
        f.debug_struct("Launch").field("code_sha256", &self.code_sha256).finish_non_exhaustive()
    }
}

/// Finds a warm instance of the function, or opens a new one, which has yet to be launched.
pub(super) fn instance_for(world: &mut World, arn: &str) -> Result<(InstanceId, Option<Launch>), ApiError> {
    let function = world.lambda.functions.get(arn).ok_or_else(|| super::function::not_found(arn))?;
    let (revision, now) = (function.revision.clone(), world.now());
    let fits = |instance: &Instance| {
        instance.function == arn && instance.busy.is_none() && instance.revision == revision && instance.expires > now
    };
    if let Some((id, _)) = world.lambda.instances.iter().find(|(_, instance)| fits(instance)) {
        return Ok((*id, None));
    }
    open(world, arn).map(|(id, launch)| (id, Some(launch)))
}

/// An instance has nothing to do any more. Lambda ends idle ones when it likes: here so that a crowd of users that was served
/// at once leaves no crowd of processes. The oldest one goes.
pub(super) fn rest(world: &mut World, id: InstanceId) {
    let Some(instance) = world.lambda.instances.get_mut(&id) else { return };
    instance.busy = None;
    let function = instance.function.clone();
    let idle = || world.lambda.instances.iter().filter(|(_, instance)| instance.busy.is_none());
    let mut of_function = idle().filter(|(_, instance)| instance.function == function);
    let surplus = if idle().count() > MOST_IDLE_OF_ALL {
        idle().next()
    } else if of_function.clone().count() > MOST_IDLE {
        of_function.next()
    } else {
        None
    };
    if let Some(id) = surplus.map(|(id, _)| *id) {
        end(world, id);
    }
}

/// Ends the idle instances that run an old revision, or whose credentials are no longer good.
pub(super) fn retire_outdated(world: &mut World, arn: &str) {
    let revision = world.lambda.functions.get(arn).map(|function| function.revision.clone());
    let now = world.now();
    let outdated = |instance: &Instance| {
        let is_old = revision.as_deref() != Some(instance.revision.as_str()) || instance.expires <= now;
        instance.function == arn && instance.busy.is_none() && is_old
    };
    let outdated = world.lambda.instances.iter().filter(|(_, instance)| outdated(instance));
    for id in outdated.map(|(id, _)| *id).collect::<Vec<_>>() {
        end(world, id);
    }
}

fn end(world: &mut World, id: InstanceId) {
    world.lambda.instances.remove(&id);
    world.push_effect(super::Effect::Kill(id));
}

fn open(world: &mut World, arn: &str) -> Result<(InstanceId, Launch), ApiError> {
    let id = InstanceId(world.lambda.next_number());
    let (date, tail) = (world.now().strftime("%Y/%m/%d").to_string(), format!("{:032x}", world.random.u128(..)));
    let function = world.lambda.functions.get(arn).ok_or_else(|| super::function::not_found(arn))?;
    let (role, name, revision) =
        (function.configuration.role.clone(), function.name.clone(), function.revision.clone());
    let log_stream = format!("{date}/[$LATEST]{tail}");
    let mut environment = environment(function, &log_stream);
    let (zip, code_sha256) = (function.code.zip.clone(), function.code.sha256.clone());
    let session = iam::open_session(world, &role, &name, Some(id), SESSION_LASTS, BTreeMap::new())?;
    environment.extend([
        ("AWS_ACCESS_KEY_ID".to_owned(), session.access_key_id),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), session.secret_access_key),
        ("AWS_SESSION_TOKEN".to_owned(), session.session_token.unwrap_or_default()),
    ]);
    let expires = world.agenda.after(SESSION_LASTS);
    let instance = Instance { function: arn.to_owned(), revision, expires, log_stream, busy: None };
    world.lambda.instances.insert(id, instance);
    Ok((id, Launch { zip, code_sha256, environment }))
}

/// The variables that Lambda documents, and the function's own. What depends on the process, such as the address of
/// its Runtime API, is added when it starts.
fn environment(function: &Function, log_stream: &str) -> BTreeMap<String, String> {
    let configuration = &function.configuration;
    let region = function.arn.split(':').nth(3).unwrap_or_default();
    let lambda = [
        ("_HANDLER", configuration.handler.as_str()),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &configuration.memory.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_FORMAT", if configuration.logging.is_json { "JSON" } else { "Text" }),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &configuration.logging.group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream),
        ("AWS_REGION", region),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
        ("TZ", ":UTC"),
    ];
    let level = configuration.logging.level.clone().map(|level| ("AWS_LAMBDA_LOG_LEVEL".to_owned(), level));
    let own = configuration.environment.clone();
    let lambda = lambda.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.into_iter().chain(lambda).chain(level).collect()
}
