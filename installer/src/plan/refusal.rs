//! What stops a plan: states of the account that a person has to look at first. Nothing has been changed by then.

mod hint;

use std::fmt;

use contract::{AccessKeyId, GiveUp, Region, UserName};
use jiff::Timestamp;

use super::{KeyReport, Meeting, Unadoptable, Unfit};
use crate::aws::stacks::Status;
use crate::ui::date;

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
    /// A secret of that name is not one that keyturn made, and it cannot be taken over.
    #[error("the secret `{secret}` for `{user}` exists already, and keyturn cannot take it over: {why}")]
    ForeignSecret {
        /// The user.
        user: UserName,
        /// The name of the secret.
        secret: String,
        /// Why not.
        why: Unadoptable,
    },
    /// The key in the secret does not work, and both places are taken.
    #[error("`{user}` has no room for a new key, and the key {current} in its secret does not work:{}", listed(keys))]
    NoWorkingKey {
        /// The user.
        user: UserName,
        /// The key in the secret.
        current: AccessKeyId,
        /// Its keys.
        keys: Vec<KeyReport>,
    },
    /// A key that is to be given up must not be.
    #[error("the key {key}{} cannot be given up (`--{}`): {why}", of(user.as_ref()), how.to_tag())]
    GiveUp {
        /// The key.
        key: AccessKeyId,
        /// How it was to be given up.
        how: GiveUp,
        /// Whose it is.
        user: Option<UserName>,
        /// Why not.
        why: Unfit,
    },
    /// Keys are named, and it is not clear whose.
    #[error("keys are named for {0} users, and can be for one only")]
    KeysOfSeveral(usize),
    /// There is no secret of that name yet.
    #[error("`{user}` has no secret `{secret}`")]
    NoSecret {
        /// The user.
        user: UserName,
        /// The name of the secret.
        secret: String,
    },
    /// A secret of that name is not one of keyturn's.
    #[error("the secret `{secret}` for `{user}` is not one of keyturn's")]
    UnboundSecret {
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
    /// A secret of that name is one of another deployment, which is there.
    #[error("the secret `{secret}` for `{user}` belongs to the stack `{stack}`, which is no cell of this deployment")]
    SecretOfOtherStack {
        /// The user.
        user: UserName,
        /// The name of the secret.
        secret: String,
        /// Whose it is.
        stack: String,
    },
    /// Another deployment makes keys for the user.
    #[error("`{user}` is rotated already, by the stack `{stack}` in {region}")]
    RotatedElsewhere {
        /// The user.
        user: UserName,
        /// The stack.
        stack: String,
        /// Where it is.
        region: Region,
    },
    /// Rotation of the secret is off, and asking for one would turn it on.
    #[error("rotation of the secret `{secret}` for `{user}` is off")]
    RotationOff {
        /// The user.
        user: UserName,
        /// The name of the secret.
        secret: String,
    },
    /// The user was taken out of the configuration: the secret and its keys are there, and nobody rotates them.
    #[error(
        "`{user}` is not rotated by this deployment: it is not in the configuration, and rotation of `{secret}` is off"
    )]
    LeftOut {
        /// The user.
        user: UserName,
        /// The name of the secret.
        secret: String,
        /// The keys that still work.
        keys: Vec<AccessKeyId>,
    },
    /// A person has put the user on hold.
    #[error("`{user}` is on hold{}", because(reason))]
    OnHold {
        /// The user.
        user: UserName,
        /// Why; may be empty.
        reason: String,
    },
    /// A rotation, or a person, has moved the labels of a secret since somebody was asked.
    #[error("the secret of `{0}` has another key, or a rotation under way, since you were asked")]
    ChangedMeanwhile(UserName),
    /// Another function rotates the secret.
    #[error("the secret `{secret}` for `{user}` is rotated by `{rotator}`, which is no function of this deployment")]
    OtherRotator {
        /// The user.
        user: UserName,
        /// The name of the secret.
        secret: String,
        /// The ARN of the function.
        rotator: String,
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
    /// A secret of the stack was deleted past CloudFormation, and nobody has said that it is to be made anew.
    #[error("the secret `{secret}` of `{user}` is gone, although the stack has it: somebody has deleted it")]
    LostSecret {
        /// The user.
        user: UserName,
        /// The name of the secret.
        secret: String,
    },
    /// A secret of the stack was deleted past CloudFormation, and there is another one of the same name.
    #[error("the secret `{secret}` of `{user}` is not the one that the stack `{stack}` has made: that one is gone")]
    OtherSecret {
        /// The user.
        user: UserName,
        /// The name of the secret.
        secret: String,
        /// The stack.
        stack: String,
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
    /// A deployment of a fleet and a direct one would meet.
    #[error(transparent)]
    Meeting(#[from] Meeting),
    /// Stacks must not be deleted, somebody has said.
    #[error("protected from being deleted: {}", stacks_listed(_0))]
    Protected(Vec<String>),
    /// The bucket that is to hold the function's code does not exist.
    #[error("the bucket `{0}` for the function's code does not exist in this account")]
    NoBucket(String),
    /// Lambda takes code from buckets of its own region only.
    #[error("the bucket `{bucket}` for the function's code is in {found}, and the function is in {wanted}")]
    BucketElsewhere {
        /// Its name.
        bucket: String,
        /// Where it is.
        found: String,
        /// Where it has to be.
        wanted: Region,
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

fn stacks_listed(names: &[String]) -> String {
    names.iter().map(|name| format!("the stack `{name}`")).collect::<Vec<_>>().join(", ")
}

impl Refusals {
    /// The stacks whose rollback has failed, when nothing else stops the plan.
    pub fn failed_rollbacks(&self) -> Option<Vec<&str>> {
        let mut stacks = Vec::new();
        for refusal in &self.0 {
            let Refusal::StuckStack { stack, status: Status::UpdateRollbackFailed, .. } = refusal else { return None };
            stacks.push(stack.as_str());
        }
        Some(stacks)
    }

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

/// A reason in brackets, if there is one.
fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

fn of(user: Option<&UserName>) -> String {
    user.map_or_else(String::new, |user| format!(" of `{user}`"))
}

fn quoted(users: &[UserName]) -> String {
    users.iter().map(|user| format!("`{user}`")).collect::<Vec<_>>().join(", ")
}

fn listed(keys: &[KeyReport]) -> String {
    keys.iter().map(|key| format!("\n    {key}")).collect()
}

fn all(resources: &[String]) -> String {
    if resources.is_empty() { String::new() } else { format!(", and {}", resources.join(", ")) }
}
