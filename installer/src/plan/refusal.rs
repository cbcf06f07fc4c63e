//! What stops a plan: states of the account that a person has to look at first. Nothing has been changed by then.

use std::fmt;

use contract::{AccessKeyId, UserName};
use jiff::Timestamp;
use serde::Serialize;

use crate::aws::stacks::Status;
use crate::aws::users::{KeyStatus, LastUse};

/// Everything that stops a plan; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusals(pub Vec<Refusal>);

/// One thing that stops a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// IAM does not know the user.
    #[error("the account has no IAM user `{0}`")]
    UnknownUser(UserName),
    /// The user has no room for another key, and none of its keys is ours.
    #[error("`{user}` has two access keys already, and IAM allows no third:{}", listed(keys))]
    TwoKeys {
        /// The user.
        user: UserName,
        /// Its keys.
        keys: Vec<KeyReport>,
    },
    /// A secret of that name is not one that keyturn made.
    #[error("the secret `{secret}` for `{user}` exists already, and keyturn did not make it")]
    ForeignSecret {
        /// The user.
        user: UserName,
        /// The name of the secret.
        secret: String,
    },
    /// A secret of that name is bound to another user, or to a user that had the same name before.
    #[error("the secret `{secret}` for `{user}` is bound to another user: {bound}")]
    SecretOfAnother {
        /// The user.
        user: UserName,
        /// The name of the secret.
        secret: String,
        /// Whom it is bound to.
        bound: String,
    },
    /// A secret of that name waits for its deletion and keeps its name taken until then.
    #[error("the secret `{secret}` for `{user}` is scheduled for deletion on {}", date(*until))]
    DeletedSecret {
        /// The user.
        user: UserName,
        /// The name of the secret.
        secret: String,
        /// When it goes for good.
        until: Timestamp,
    },
    /// Users of the stack are not among those that the command line names.
    #[error("not named here, but rotated by the stack, which would end: {}", quoted(_0))]
    WouldLeave(Vec<UserName>),
    /// A stack holds resources, but was never finished.
    #[error("the stack `{stack}` is {status}{}", all(live))]
    HalfMadeStack {
        /// Its name.
        stack: String,
        /// Its status.
        status: Status,
        /// The resources that still live.
        live: Vec<String>,
    },
    /// An update of a stack stopped half-way.
    #[error("the stack `{stack}` is {status}{}", all(failed))]
    StuckStack {
        /// Its name.
        stack: String,
        /// Its status.
        status: Status,
        /// The resources that failed.
        failed: Vec<String>,
    },
    /// Somebody else is working on a stack.
    #[error("the stack `{stack}` is busy: {status}")]
    BusyStack {
        /// Its name.
        stack: String,
        /// Its status.
        status: Status,
    },
}

/// An access key, as it is shown to whoever has to choose between two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyReport {
    /// Its id.
    pub id: AccessKeyId,
    /// Whether it may be used.
    pub status: KeyStatus,
    /// How old it is, in words.
    pub age: String,
    /// When and for what it was last used; `None` when it never was.
    pub last_use: Option<LastUse>,
}

impl Refusal {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownUser(_) => "check the name and the account; keyturn makes no users".to_owned(),
            Self::TwoKeys { user, .. } => format!(
                "find out which key nobody needs, deactivate it, and when nothing broke: `aws iam delete-access-key --user-name {user} --access-key-id …`"
            ),
            Self::ForeignSecret { user, .. } => {
                format!("give `{user}` another secret name in the configuration (`secret: …`), or move the secret away")
            }
            Self::SecretOfAnother { user, .. } => format!(
                "a user that was deleted and made again is a stranger to the secret; give `{user}` another secret name in the configuration, or delete the secret"
            ),
            Self::DeletedSecret { secret, .. } => {
                format!(
                    "bring it back with `aws secretsmanager restore-secret --secret-id {secret}`, or wait for that day"
                )
            }
            Self::HalfMadeStack { stack, .. } => format!(
                "look at the resources, then delete the stack with `aws cloudformation delete-stack --stack-name {stack}`"
            ),
            Self::StuckStack { stack, .. } => format!(
                "mend what failed, then `aws cloudformation continue-update-rollback --stack-name {stack}`, and run this again"
            ),
            Self::WouldLeave(_) => {
                "name them too, or write all users into `keyturn.yaml`: whoever is not in the file is taken out of rotation".to_owned()
            }
            Self::BusyStack { .. } => "wait for the other operation, then run this again".to_owned(),
        }
    }
}

impl Refusals {
    /// What to do about each, without repetitions.
    pub fn hint(&self) -> String {
        let mut hints: Vec<String> = Vec::new();
        for hint in self.0.iter().map(Refusal::hint) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        hints.join("\n")
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Refusal::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            KeyStatus::Active => "Active",
            KeyStatus::Inactive => "Inactive",
        };
        write!(f, "{}: {status}, {} old, ", self.id, self.age)?;
        match &self.last_use {
            None => f.write_str("never used"),
            Some(LastUse { at, service, region }) => write!(f, "last used on {} for {service} in {region}", date(*at)),
        }
    }
}

fn quoted(users: &[UserName]) -> String {
    users.iter().map(|user| format!("`{user}`")).collect::<Vec<_>>().join(", ")
}

fn date(time: Timestamp) -> impl fmt::Display {
    time.strftime("%Y-%m-%d")
}

fn listed(keys: &[KeyReport]) -> String {
    keys.iter().map(|key| format!("\n    {key}")).collect()
}

fn all(resources: &[String]) -> String {
    if resources.is_empty() { String::new() } else { format!(", and {}", resources.join(", ")) }
}
