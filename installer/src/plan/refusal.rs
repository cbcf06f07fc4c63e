//! What stops a plan: states of the account that a person has to look at first. Nothing has been changed by then.

use std::fmt;

use contract::{AccessKeyId, GiveUp, Region, UserName};
use jiff::Timestamp;
use serde::Serialize;

use super::{Unadoptable, Unfit};
use crate::aws::stacks::Status;
use crate::aws::users::{AccessKey, KeyStatus, LastUse};
use crate::observe::ObservedUser;
use crate::ui::{age, date};

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
            Self::TwoKeys { keys, .. } => two_keys_hint(keys),
            Self::NoWorkingKey { current, keys, .. } => no_working_key_hint(current, keys),
            Self::GiveUp { key, how, user, why } => give_up_hint(key, *how, user.as_ref(), *why),
            Self::ForeignSecret { user, why, .. } => why.hint(user),
            Self::KeysOfSeveral(_) => "give the order for each user with keys by itself".to_owned(),
            Self::NoSecret { user, .. } => format!(
                "`keyturn bootstrap` makes the secret of `{user}`; if it is there already, check the name and the region: a secret with a name of its own has to be in the configuration"
            ),
            Self::UnboundSecret { .. } => "`keyturn bootstrap` takes it over, or says why it cannot".to_owned(),
            Self::SecretOfAnother { user, .. } => format!(
                "a user that was deleted and made again is a stranger to the secret; give `{user}` another secret name in the configuration, or delete the secret"
            ),
            Self::SecretOfOtherStack { user, stack, .. } => format!(
                "two stacks cannot rotate one secret; take `{user}` out of `{stack}` first, or set `stack: {stack}` if that is meant"
            ),
            Self::RotatedElsewhere { user, stack, region } => format!(
                "each of two deployments would take the other's keys for foreign ones; take `{user}` out of that one first, or take it away: `keyturn teardown --region {region}`, with `stack: {stack}`"
            ),
            Self::RotationOff { secret, .. } => format!(
                "somebody has turned it off; when nothing speaks against it, `aws secretsmanager rotate-secret --secret-id {secret}` turns it on and rotates"
            ),
            Self::LeftOut { user, keys, .. } => left_out_hint(user, keys),
            Self::OnHold { user, .. } => format!("`keyturn release {user}` first"),
            Self::OtherRotator { .. } => {
                "check the region and `stack` in the configuration; `keyturn bootstrap` sets the rotation of the users in it".to_owned()
            }
            Self::DeletedSecret { secret, .. } => {
                format!(
                    "bring it back with `aws secretsmanager restore-secret --secret-id {secret}`, or wait for that day"
                )
            }
            Self::HalfMadeStack { stack, .. } => format!(
                "look at the resources, then delete the stack with `aws cloudformation delete-stack --stack-name {stack}`"
            ),
            Self::StuckStack { status: Status::UpdateRollbackFailed, .. } => {
                "mend what failed; `keyturn bootstrap` then goes on with the rollback before anything else".to_owned()
            }
            // `rollback-stack` takes UPDATE_FAILED and CREATE_FAILED only (CloudFormation API reference).
            Self::StuckStack { stack, status: Status::ImportRollbackFailed, .. } => format!(
                "nothing goes on from there; `aws cloudformation delete-stack --stack-name {stack}` takes the stack away and leaves secrets and keys, and `keyturn bootstrap` then makes it anew"
            ),
            Self::StuckStack { stack, .. } => format!(
                "mend what failed, then `aws cloudformation rollback-stack --stack-name {stack}`, and run this again"
            ),
            Self::Protected(stacks) => format!(
                "when they are to go all the same: `aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {}`",
                stacks.first().map(String::as_str).unwrap_or_default()
            ),
            Self::LostSecret { .. } => "`keyturn bootstrap --drift` makes it anew, without a key, and the first rotation puts a new one in; look at `keyturn plan --drift` first, it says what becomes of the keys that there are".to_owned(),
            Self::OtherSecret { user, .. } => format!(
                "take `{user}` out of the configuration for one `keyturn bootstrap`, and put it back: then the stack takes this secret over, or says why it cannot"
            ),
            Self::WouldLeave(_) => {
                "name them too, or write all users into `keyturn.yaml`: whoever is not in the file is taken out of rotation".to_owned()
            }
            Self::NoBucket(_) | Self::BucketElsewhere { .. } => {
                "name a bucket of this account and region as `artifact_bucket`, or leave it out: then `keyturn bootstrap` makes one".to_owned()
            }
            Self::BusyStack { .. } => "wait for the other operation, then run this again".to_owned(),
        }
    }
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

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.facts())
    }
}

impl KeyReport {
    /// A key of a user, as it was found.
    pub(crate) fn of(user: &ObservedUser, key: &AccessKey, now: Timestamp) -> Self {
        let age = age(key.created, now);
        Self { id: key.id.clone(), status: key.status, age, last_use: user.last_uses.get(&key.id).cloned() }
    }

    /// The key and what is known of it, for the middle of a line.
    pub(crate) fn in_brackets(&self) -> String {
        format!("{} ({})", self.id, self.facts())
    }

    fn facts(&self) -> String {
        let status = match self.status {
            KeyStatus::Active => "Active",
            KeyStatus::Inactive => "Inactive",
        };
        let used = match &self.last_use {
            None => "never used".to_owned(),
            Some(LastUse { at, service, region }) => format!("last used on {} for {service} in {region}", date(*at)),
        };
        format!("{status}, {} old, {used}", self.age)
    }
}

fn give_up_hint(key: &AccessKeyId, how: GiveUp, user: Option<&UserName>, why: Unfit) -> String {
    let user = user.map_or("USER", UserName::as_str);
    match why {
        Unfit::Nobodys => {
            "check the id, and whether the key's user is among those named; leave the option out when the key is gone already".to_owned()
        }
        Unfit::Current => format!("the key in the secret is replaced by a rotation: `keyturn rotate {user}`"),
        Unfit::Pending => format!("let the rotation come to its end first: `keyturn rotate {user}`"),
        Unfit::Active => format!("when nobody needs it, `--retire {key}` deactivates it first"),
        Unfit::Inactive => format!("`--reclaim {key}` deletes it"),
        Unfit::Twice => "name it once: `--retire` while it is Active, `--reclaim` once it is Inactive".to_owned(),
        Unfit::Foreign => format!("when nobody needs it, name it: `keyturn rotate {user} --{} {key}`", how.to_tag()),
        Unfit::Unknown => format!("look at the value of the secret of `{user}` and put it right"),
    }
}

fn two_keys_hint(keys: &[KeyReport]) -> String {
    match keys.iter().find(|key| key.status == KeyStatus::Inactive) {
        Some(key) => format!("when nobody needs the Inactive key, give it up with `--reclaim {}`: it is deleted", key.id),
        None => "find out which key nobody needs, and give it up with `--retire AKIA…`: it is deactivated, and deleted later".to_owned(),
    }
}

fn no_working_key_hint(current: &AccessKeyId, keys: &[KeyReport]) -> String {
    match keys.iter().find(|key| key.id != *current && key.status == KeyStatus::Inactive) {
        Some(key) => format!(
            "activate {current} if it was deactivated by mistake, or, when nobody needs {0}, give that one up with `--reclaim {0}`",
            key.id
        ),
        None => format!(
            "activate {current} if it was deactivated by mistake; or deactivate a key that nobody needs, and give it up with `--reclaim AKIA…`"
        ),
    }
}

fn left_out_hint(user: &UserName, keys: &[AccessKeyId]) -> String {
    let command =
        |key: &str| format!("`aws iam update-access-key --user-name {user} --access-key-id {key} --status Inactive`");
    let commands: Vec<String> = match keys {
        [] => vec![command("AKIA…")],
        keys => keys.iter().map(|key| command(key.as_str())).collect(),
    };
    format!(
        "put `{user}` back into the configuration, and `keyturn bootstrap`; or deactivate its key in IAM: {}",
        commands.join(", ")
    )
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
