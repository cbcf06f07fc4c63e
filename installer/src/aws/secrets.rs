//! Secrets and their rotation. Secret values pass through here on two ways only: to the user and the id of the key that
//! they hold, and to `keyturn credentials`.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, Tag};
use contract::{
    AccessKeyId, Attempt, DocumentError, GiveUp, KeyMark, SecretArn, SecretDocument, SecretText, UserName,
    VersionToken, tag_keys,
};
use jiff::Timestamp;

use super::pages::Pages;
use super::{CallError, Clients, moment, reduce};
use crate::names::StackName;

/// The staging label of the version that applications read.
pub const CURRENT: &str = "AWSCURRENT";
/// The staging label of the version that a rotation is making.
pub const PENDING: &str = "AWSPENDING";
/// The staging label of the version before the current one.
pub const PREVIOUS: &str = "AWSPREVIOUS";

/// A secret without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its ARN, with the random end.
    pub arn: SecretArn,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Set when it is scheduled for deletion: the date that Secrets Manager shows for it.
    pub deleted: Option<Timestamp>,
    /// When a rotation last succeeded.
    pub last_rotated: Option<Timestamp>,
    /// When the next rotation is due at the latest.
    pub next_rotation: Option<Timestamp>,
    /// Which version has which staging label.
    pub stages: BTreeMap<String, VersionToken>,
    /// The ARN of the function that rotates it; none while rotation is off.
    pub rotator: Option<String>,
    /// The key that encrypts it, in the way in which it was given; none for the account's own.
    pub kms_key: Option<String>,
    /// The regions of its replicas.
    pub replicas: Vec<String>,
}

/// What a secret holds, without the secret half of any key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The user that the value names.
    pub user: UserName,
    /// The key that applications read.
    pub current: Option<AccessKeyId>,
    /// The key that a rotation under way has made.
    pub pending: Option<AccessKeyId>,
    /// The key before the current one.
    pub previous: Option<AccessKeyId>,
}

impl Secret {
    /// The version with a staging label.
    pub fn version(&self, stage: &str) -> Option<&VersionToken> {
        self.stages.get(stage)
    }

    /// The version of a rotation that has not come to its end.
    pub fn unfinished_rotation(&self) -> Option<&VersionToken> {
        self.version(PENDING).filter(|pending| self.version(CURRENT) != Some(pending))
    }

    /// The value of one of its tags.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key).map(String::as_str)
    }

    /// The user that keyturn bound it to; `None` when keyturn did not make it.
    pub fn user(&self) -> Option<UserName> {
        UserName::of_tag(self.tag(tag_keys::USER)?).ok()
    }

    /// When one of our rotations last succeeded: those before a secret was taken over were somebody else's.
    pub fn last_own_rotation(&self) -> Option<Timestamp> {
        let adopted = self.tag(tag_keys::ADOPTED).and_then(|at| at.parse::<Timestamp>().ok());
        self.last_rotated.filter(|at| adopted.is_none_or(|adopted| *at > adopted))
    }

    /// The mark of a key on its way out; `None` also for a mark that cannot be read, which the function reports.
    pub fn mark(&self, key: &AccessKeyId) -> Option<KeyMark> {
        KeyMark::parse(key, self.tag(&tag_keys::mark_of(key))?).ok()
    }

    /// How a person has given up a key, if one has.
    pub fn given_up(&self, key: &AccessKeyId) -> Option<GiveUp> {
        GiveUp::parse(key, self.tag(&tag_keys::give_up_of(key))?).ok()
    }

    /// The last attempt to make a key, if one is on record.
    pub fn attempt(&self) -> Option<Attempt> {
        Attempt::parse(self.tag(tag_keys::ATTEMPT)?).ok()
    }

    /// The keys on their way out, which the function has marked in the tags.
    pub fn marked_keys(&self) -> impl Iterator<Item = AccessKeyId> {
        let ids = self.tags.keys().filter_map(|key| key.strip_prefix(tag_keys::KEY_PREFIX));
        ids.filter_map(|id| AccessKeyId::new(id).ok())
    }
}

/// Looks a secret up by name or ARN; one that is scheduled for deletion is found too.
///
/// # Errors
/// [`CallError`], but not when there is no such secret.
pub async fn describe(clients: &Clients, id: &str) -> Result<Option<Secret>, CallError> {
    const OPERATION: &str = "secretsmanager:DescribeSecret";
    let answer = clients.secrets_manager.describe_secret().secret_id(id).send().await.map_err(reduce(OPERATION));
    let Some(answer) = found(answer)? else { return Ok(None) };
    let mut stages = BTreeMap::new();
    for (version, labels) in answer.version_ids_to_stages().into_iter().flatten() {
        let Ok(version) = VersionToken::new(version.as_str()) else { continue };
        stages.extend(labels.iter().map(|label| (label.clone(), version.clone())));
    }
    Ok(Some(Secret {
        arn: arn(OPERATION, answer.arn())?,
        name: answer.name().unwrap_or_default().to_owned(),
        tags: tags(answer.tags()),
        created: answer.created_date().and_then(moment),
        deleted: answer.deleted_date().and_then(moment),
        last_rotated: answer.last_rotated_date().and_then(moment),
        next_rotation: answer.next_rotation_date().and_then(moment),
        stages,
        rotator: answer.rotation_lambda_arn().filter(|_| answer.rotation_enabled() == Some(true)).map(str::to_owned),
        kms_key: answer.kms_key_id().map(str::to_owned),
        replicas: answer.replication_status().iter().filter_map(|it| it.region().map(str::to_owned)).collect(),
    }))
}

/// A secret as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its ARN.
    pub arn: SecretArn,
    /// Its name.
    pub name: String,
    /// The stack that it belongs to.
    pub cell: String,
    /// Whether it is scheduled for deletion.
    pub deleted: bool,
    /// Whose it is.
    pub user: Option<UserName>,
    /// Why its rotation stands still, when it does.
    pub blocked: Option<String>,
}

/// Lists the secrets that belong to a cell of a deployment by their tag, also those that are scheduled for deletion.
///
/// # Errors
/// [`CallError`].
pub async fn of_deployment(clients: &Clients, stack: &StackName) -> Result<Vec<Listed>, CallError> {
    let listed = of_keyturn(clients, Some(stack.as_str())).await?.into_iter();
    Ok(listed.filter(|secret| stack.cell_number(&secret.cell).is_some()).collect())
}

/// Lists the secrets of every deployment in the region by their tag, or of those whose stacks' names begin like that.
///
/// # Errors
/// [`CallError`].
pub async fn of_keyturn(clients: &Clients, beginning: Option<&str>) -> Result<Vec<Listed>, CallError> {
    const OPERATION: &str = "secretsmanager:ListSecrets";
    // The filters match beginnings, and key and value need not be of the same tag: the tags themselves decide.
    let filter = |name, value: &str| Filter::builder().key(name).values(value).build();
    let mut asked = clients.secrets_manager.list_secrets().include_planned_deletion(true);
    asked = asked.filters(filter(FilterNameStringType::TagKey, tag_keys::STACK));
    if let Some(beginning) = beginning {
        asked = asked.filters(filter(FilterNameStringType::TagValue, beginning));
    }
    let mut pages = asked.into_paginator().stop_on_duplicate_token(false).send();
    let mut secrets = Vec::new();
    let mut read = Pages::of(OPERATION);
    while let Some(page) = pages.next().await {
        read.one_more()?;
        let page = page.map_err(reduce(OPERATION))?;
        for entry in page.secret_list() {
            let tags = tags(entry.tags());
            let Some(cell) = tags.get(tag_keys::STACK) else { continue };
            secrets.push(Listed {
                arn: arn(OPERATION, entry.arn())?,
                name: entry.name().unwrap_or_default().to_owned(),
                cell: cell.clone(),
                deleted: entry.deleted_date().is_some(),
                user: tags.get(tag_keys::USER).and_then(|user| UserName::of_tag(user).ok()),
                blocked: tags.get(tag_keys::BLOCKED).cloned(),
            });
        }
    }
    Ok(secrets)
}

/// Whom a secret's value names, and the ids of the keys in its versions; `None` when it has no value. What is no
/// document of ours in the versions beside the current one holds no key of ours.
///
/// # Errors
/// [`CallError`]; inside, what is wrong with the current value.
pub async fn contents(
    clients: &Clients,
    secret: &Secret,
) -> Result<Option<Result<Contents, DocumentError>>, CallError> {
    let document = match document(clients, secret.arn.as_str(), CURRENT).await? {
        None => return Ok(None),
        Some(Err(error)) => return Ok(Some(Err(error))),
        Some(Ok(document)) => document,
    };
    let current = document.key.map(|key| key.id);
    let mut contents = Contents { user: document.user, current, pending: None, previous: None };
    if secret.unfinished_rotation().is_some() {
        contents.pending = beside(clients, &secret.arn, PENDING).await?;
    }
    if secret.version(PREVIOUS).is_some() {
        contents.previous = beside(clients, &secret.arn, PREVIOUS).await?;
    }
    Ok(Some(Ok(contents)))
}

/// The id of the key in a version beside the current one. What is no document of ours holds no key of ours.
async fn beside(clients: &Clients, secret: &SecretArn, stage: &str) -> Result<Option<AccessKeyId>, CallError> {
    let document = document(clients, secret.as_str(), stage).await?.and_then(Result::ok);
    Ok(document.and_then(|document| document.key).map(|key| key.id))
}

const VALUE: &str = "secretsmanager:GetSecretValue";

/// Reads the version with `stage` of a secret, named by name or ARN; `None` when there is no such version. This is the
/// only function whose answer holds a secret access key.
///
/// # Errors
/// [`CallError`]; inside, what is wrong with the value.
pub async fn document(
    clients: &Clients,
    secret: &str,
    stage: &str,
) -> Result<Option<Result<SecretDocument, DocumentError>>, CallError> {
    let asked = clients.secrets_manager.get_secret_value().secret_id(secret).version_stage(stage);
    let Some(answer) = found(asked.send().await.map_err(reduce(VALUE)))? else { return Ok(None) };
    Ok(Some(SecretDocument::parse(&SecretText::new(answer.secret_string().unwrap_or_default()))))
}

/// Sets tags; those with other keys stay as they are.
///
/// # Errors
/// [`CallError`].
pub async fn tag(clients: &Clients, secret: &str, tags: &BTreeMap<String, String>) -> Result<(), CallError> {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let asked = clients.secrets_manager.tag_resource().secret_id(secret).set_tags(Some(tags));
    asked.send().await.map_err(reduce("secretsmanager:TagResource"))?;
    Ok(())
}

/// Takes tags off; those that are not there need nothing.
///
/// # Errors
/// [`CallError`].
pub async fn untag(clients: &Clients, secret: &SecretArn, keys: Vec<String>) -> Result<(), CallError> {
    let asked = clients.secrets_manager.untag_resource().secret_id(secret.as_str()).set_tag_keys(Some(keys));
    asked.send().await.map_err(reduce("secretsmanager:UntagResource"))?;
    Ok(())
}

/// Starts a rotation, and gives the version that it makes.
///
/// # Errors
/// [`CallError`], see [`is_unfinished_rotation`].
pub async fn rotate(clients: &Clients, secret: &SecretArn) -> Result<VersionToken, CallError> {
    const OPERATION: &str = "secretsmanager:RotateSecret";
    let answer = clients.secrets_manager.rotate_secret().secret_id(secret.as_str()).send().await;
    let answer = answer.map_err(reduce(OPERATION))?;
    let version = answer.version_id().and_then(|version| VersionToken::new(version).ok());
    version.ok_or_else(|| CallError::incomplete(OPERATION, "VersionId"))
}

/// Whether a rotation was refused because the one before has not come to its end. Secrets Manager then goes on
/// with that one. It has no code of its own for this.
pub fn is_unfinished_rotation(error: &CallError) -> bool {
    error.message().is_some_and(|message| message.contains("previous rotation isn't complete"))
}

/// Has a rotation that stands still go on.
///
/// # Errors
/// [`CallError`].
pub async fn go_on(clients: &Clients, secret: &SecretArn) -> Result<(), CallError> {
    match rotate(clients, secret).await {
        Err(error) if is_unfinished_rotation(&error) => Ok(()),
        begun => begun.map(drop),
    }
}

/// Ends the schedule and any rotation under way; `false` when the secret is gone or rotation was off already.
///
/// # Errors
/// [`CallError`].
pub async fn cancel_rotation(clients: &Clients, secret: &SecretArn) -> Result<bool, CallError> {
    let asked = clients.secrets_manager.cancel_rotate_secret().secret_id(secret.as_str());
    let answer = asked.send().await.map_err(reduce("secretsmanager:CancelRotateSecret"));
    match found(answer) {
        Ok(answer) => Ok(answer.is_some()),
        Err(error) if error.code() == Some("InvalidRequestException") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes the label of a rotation that never came to its end off its version; nothing happens when the secret is gone.
///
/// # Errors
/// [`CallError`].
pub async fn clear_pending(clients: &Clients, secret: &SecretArn, version: &VersionToken) -> Result<(), CallError> {
    let asked = clients.secrets_manager.update_secret_version_stage().secret_id(secret.as_str());
    let asked = asked.version_stage(PENDING).remove_from_version_id(version.as_str());
    match found(asked.send().await.map_err(reduce("secretsmanager:UpdateSecretVersionStage"))) {
        Ok(_) => Ok(()),
        // Also the answer to a call that was done, and repeated because its answer got lost.
        Err(error) if error.code() == Some("InvalidParameterException") => {
            match describe(clients, secret.as_str()).await? {
                Some(secret) if secret.version(PENDING) == Some(version) => Err(error),
                _ => Ok(()),
            }
        }
        Err(error) => Err(error),
    }
}

/// Schedules a secret for deletion. One that is gone, or scheduled already, needs nothing.
///
/// # Errors
/// [`CallError`].
pub async fn delete(clients: &Clients, secret: &SecretArn, window_days: u8) -> Result<(), CallError> {
    let asked = clients.secrets_manager.delete_secret().secret_id(secret.as_str());
    let asked = asked.recovery_window_in_days(i64::from(window_days));
    match found(asked.send().await.map_err(reduce("secretsmanager:DeleteSecret"))) {
        Ok(_) => Ok(()),
        // Also the answer to a call that was done, and repeated because its answer got lost.
        Err(error) if error.code() == Some("InvalidRequestException") => {
            match describe(clients, secret.as_str()).await? {
                Some(secret) if secret.deleted.is_none() => Err(error),
                _ => Ok(()),
            }
        }
        Err(error) => Err(error),
    }
}

/// Removes the replicas in these regions, at once and for good. Secrets Manager deletes no secret that has some (API
/// reference, DeleteSecret).
///
/// # Errors
/// [`CallError`].
pub async fn remove_replicas(clients: &Clients, secret: &SecretArn, regions: &[String]) -> Result<(), CallError> {
    if regions.is_empty() {
        return Ok(());
    }
    let asked = clients.secrets_manager.remove_regions_from_replication().secret_id(secret.as_str());
    let answer = asked.set_remove_replica_regions(Some(regions.to_vec())).send().await;
    match found(answer.map_err(reduce("secretsmanager:RemoveRegionsFromReplication"))) {
        Ok(_) => Ok(()),
        // Also the answer to a call that was done, and repeated because its answer got lost.
        Err(error) if matches!(error.code(), Some("InvalidParameterException" | "InvalidRequestException")) => {
            match describe(clients, secret.as_str()).await? {
                Some(secret) if secret.replicas.iter().any(|region| regions.contains(region)) => Err(error),
                _ => Ok(()),
            }
        }
        Err(error) => Err(error),
    }
}

fn arn(operation: &'static str, arn: Option<&str>) -> Result<SecretArn, CallError> {
    arn.and_then(|arn| SecretArn::new(arn).ok()).ok_or_else(|| CallError::incomplete(operation, "ARN"))
}

fn tags(tags: &[Tag]) -> BTreeMap<String, String> {
    let pairs = tags.iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn found<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}
