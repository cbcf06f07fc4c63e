//! `keyturn.yaml`, version 1: what somebody wants, checked before anything else happens.

mod account;
mod alerts;
mod duration;
mod error;
pub(crate) mod fields;
mod function;
#[cfg(test)]
mod hostile;
mod limits;
pub(crate) mod line;
mod render;
mod retire;
mod schedule;
#[cfg(test)]
mod tests;
mod users;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use contract::{AccessKeyId, AccountId, GiveUp, Region, Renderings, Settings, UserName};

pub(crate) use account::is_bucket_name;
pub(crate) use alerts::{addresses, topic};
pub(crate) use duration::parse as duration;
pub use error::{ConfigError, Problem};
pub(crate) use function::log_retention;

use crate::names::{SecretName, StackName};
use fields::{Fault, Field, Fields};
use schedule::Timing;

/// What somebody wants in an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The account that this is meant for; any when nobody says.
    pub account: Option<AccountId>,
    /// The home region of the account: IAM is global, the stacks are not.
    pub region: Region,
    /// The stack of the function and the users.
    pub stack: StackName,
    /// The users whose keys are rotated.
    pub users: Vec<ConfiguredUser>,
    /// Whether they are those of the command line, which names some users and not the state that is wanted.
    pub users_are_arguments: bool,
    /// The keys that the command line gives up, and how.
    pub given_up: BTreeMap<AccessKeyId, GiveUp>,
    /// In which other forms the secrets of all users hold the keys, unless a user says otherwise.
    pub render: Renderings,
    /// When their keys are rotated.
    pub schedule: Schedule,
    /// The function's settings.
    pub settings: Settings,
    /// The function itself.
    pub function: FunctionConfig,
    /// A bucket of the user's own, instead of the one of the artifacts stack.
    pub artifact_bucket: Option<String>,
    /// The ARN of the managed policy that bounds the function's role.
    pub permissions_boundary: Option<String>,
    /// The path of the function's role and policies.
    pub role_path: Option<String>,
    /// The ARN of the key that encrypts the secrets, instead of the account's own.
    pub kms_key: Option<String>,
    /// Regions that hold replicas of the secrets.
    pub replicas: Vec<Region>,
    /// Who is told when an alarm goes off.
    pub alerts: Alerts,
    /// Tags for everything that can have tags, given to the stacks.
    pub tags: BTreeMap<String, String>,
}

/// A user in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredUser {
    /// The name as it was written; IAM compares names without case and knows the right spelling.
    pub name: UserName,
    /// An own name for the secret.
    pub secret: Option<SecretName>,
    /// In which other forms the secret holds the key; what holds for all users when nothing is said.
    pub render: Option<Renderings>,
}

/// When keys are rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Secrets Manager's `rate(…)` or `cron(…)`.
    pub expression: String,
    /// How many hours the rotation window is open; without it Secrets Manager's own choice.
    pub window: Option<u8>,
}

/// The function as the stack creates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionConfig {
    /// Its memory in MiB.
    pub memory_mib: u16,
    /// Its timeout, whole seconds.
    pub timeout: Duration,
    /// What it is built for.
    pub architecture: Architecture,
    /// How long its log is kept.
    pub log_retention_days: u16,
    /// The names of the only secrets that a direct invocation rotates; none for all of the stack.
    pub secrets: Vec<String>,
    /// The network it runs in, when it is not Lambda's own.
    pub vpc: Option<Vpc>,
}

/// What a function is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`.
    X86_64,
    /// `arm64`.
    Arm64,
}

/// A network of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpc {
    /// The subnets, `subnet-…`.
    pub subnets: Vec<String>,
    /// The security groups, `sg-…`.
    pub security_groups: Vec<String>,
}

/// Whom the alarms of a stack tell, and what else there is to be seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerts {
    /// E-mail addresses, for which the stack makes a topic.
    pub email: Vec<String>,
    /// The ARN of a topic that is there already.
    pub topic: Option<String>,
    /// Whether the stack has a dashboard.
    pub dashboard: bool,
    /// The ARN of the event bus that the events and alarms of all accounts come together on.
    pub central: Option<String>,
}

/// Reads a configuration.
///
/// # Errors
/// [`ConfigError`] names the file, the line and the field.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    parse(path, &text(path)?)
}

/// Reads a file that is no larger than a configuration.
pub(crate) fn text(path: &Path) -> Result<String, ConfigError> {
    limits::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

pub(crate) fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    document(path, text, |document| {
        let known: Vec<_> = ["version", "account"].into_iter().chain(FIELDS).collect();
        let mut fields = document.fields(&known)?;
        version(fields.required("version")?)?;
        build(fields)
    })
}

/// Reads a text by `build`, whose faults get the file and the line.
pub(crate) fn document<T>(
    path: &Path,
    text: &str,
    build: impl FnOnce(Field) -> Result<T, Fault>,
) -> Result<T, ConfigError> {
    // Editors of Windows begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    limits::check(text).map_err(|what| ConfigError::TooMuch { path: path.to_owned(), what })?;
    let document = serde_yaml::from_str(text)
        .map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: source.into() })?;
    build(Field::document(document)).map_err(|Fault { place, problem }| {
        let line = line::of(text, &place.0).map(|line| format!(":{line}")).unwrap_or_default();
        ConfigError::Field { origin: format!("{}{line}", path.display()), field: place.to_string(), problem }
    })
}

/// What is said of an account, wherever that is.
pub(crate) const FIELDS: [&str; 14] = [
    "region",
    "stack",
    "users",
    "render",
    "schedule",
    "retire",
    "function",
    "artifact_bucket",
    "permissions_boundary",
    "role_path",
    "kms_key",
    "replicas",
    "alerts",
    "tags",
];

/// Reads what is said of an account.
pub(crate) fn build(mut fields: Fields) -> Result<Config, Fault> {
    let function = function::read(fields.inner("function", &function::FIELDS)?)?;
    let timing = schedule::read(fields.inner("schedule", &schedule::FIELDS)?)?;
    let settings = retire::read(fields.inner("retire", &retire::FIELDS)?, &timing, function.timeout)?;
    let region: Region = fields.required("region")?.parse()?;
    Ok(Config {
        account: fields.optional("account").map(Field::parse).transpose()?,
        artifact_bucket: fields.optional("artifact_bucket").map(account::bucket).transpose()?,
        permissions_boundary: fields.optional("permissions_boundary").map(account::policy).transpose()?,
        role_path: fields.optional("role_path").map(account::path).transpose()?,
        kms_key: fields.optional("kms_key").map(|key| account::key(key, &region)).transpose()?,
        replicas: fields.optional("replicas").map_or(Ok(Vec::new()), |field| account::replicas(field, &region))?,
        alerts: alerts::read(fields.inner("alerts", &alerts::FIELDS)?, &region)?,
        tags: fields.optional("tags").map_or(Ok(BTreeMap::new()), account::tags)?,
        stack: fields.optional("stack").map_or(Ok(StackName::default()), Field::parse)?,
        users: users::read(fields.required("users")?)?,
        render: fields.optional("render").map_or(Ok(Renderings::AsFound), render::read)?,
        users_are_arguments: false,
        given_up: BTreeMap::new(),
        region,
        schedule: timing.schedule,
        settings,
        function,
    })
}

/// Checks that a file is written for this version.
pub(crate) fn version(field: Field) -> Result<(), Fault> {
    let place = field.place.clone();
    match field.number()? {
        1 => Ok(()),
        other => Err(place.fault(Problem::Version(other))),
    }
}

impl Config {
    /// The configuration that `keyturn bootstrap USER… --region REGION` stands for: everything else as it is by default.
    ///
    /// # Errors
    /// [`ConfigError`] when a user is named twice or there are too many.
    pub fn for_users(region: Region, users: Vec<UserName>) -> Result<Self, ConfigError> {
        let by_default = || {
            let users: Vec<ConfiguredUser> = users.into_iter().map(ConfiguredUser::named).collect();
            users::check(&users)?;
            let timing = Timing::default();
            let function = FunctionConfig::default();
            let settings = retire::read(Fields::empty("retire"), &timing, function.timeout)?;
            Ok(Self {
                account: None,
                region,
                stack: StackName::default(),
                users,
                users_are_arguments: true,
                given_up: BTreeMap::new(),
                render: Renderings::AsFound,
                schedule: timing.schedule,
                settings,
                function,
                artifact_bucket: None,
                permissions_boundary: None,
                role_path: None,
                kms_key: None,
                replicas: Vec::new(),
                alerts: Alerts::default(),
                tags: BTreeMap::new(),
            })
        };
        by_default().map_err(|Fault { place, problem }| ConfigError::Field {
            origin: "the command line".to_owned(),
            field: place.to_string(),
            problem,
        })
    }

    /// The name of a user's secret.
    pub fn secret_name(&self, user: &UserName) -> SecretName {
        self.user(user).and_then(|user| user.secret.clone()).unwrap_or_else(|| SecretName::of_user(user))
    }

    /// In which other forms a user's secret holds the key.
    pub fn renderings(&self, user: &UserName) -> &Renderings {
        self.user(user).and_then(|user| user.render.as_ref()).unwrap_or(&self.render)
    }

    fn user(&self, name: &UserName) -> Option<&ConfiguredUser> {
        self.users.iter().find(|configured| configured.name.is_same_user(name))
    }
}

impl Architecture {
    /// The name as AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
