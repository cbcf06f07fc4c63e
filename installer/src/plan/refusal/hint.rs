//! What to do about each refusal.

use contract::{AccessKeyId, GiveUp, UserName};

use super::{KeyReport, Refusal};
use crate::aws::stacks::Status;
use crate::aws::users::KeyStatus;
use crate::plan::Unfit;

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
            Self::ChangedMeanwhile(_) => "nothing was changed; the same command shows what there is now".to_owned(),
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
            Self::Meeting(meeting) => meeting.hint(),
            Self::NoBucket(_) | Self::BucketElsewhere { .. } => {
                "name a bucket of this account and region as `artifact_bucket`, or leave it out: then `keyturn bootstrap` makes one".to_owned()
            }
            Self::BusyStack { .. } => "wait for the other operation, then run this again".to_owned(),
        }
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
