//! Secrets and their rotation. Secret values pass through here on one way only: to the id of the key they hold.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, Tag};
use contract::{AccessKeyId, SecretArn, SecretDocument, SecretText, UserName, VersionToken, tag_keys};
use jiff::Timestamp;

use super::{CallError, Clients, moment, reduce};

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
    }))
}

/// A secret as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its ARN.
    pub arn: SecretArn,
    /// Its name.
    pub name: String,
    /// Whether it is scheduled for deletion.
    pub deleted: bool,
}

/// Lists the secrets that carry a tag with a value, also those that are scheduled for deletion.
///
/// # Errors
/// [`CallError`].
pub async fn tagged(clients: &Clients, key: &str, value: &str) -> Result<Vec<Listed>, CallError> {
    const OPERATION: &str = "secretsmanager:ListSecrets";
    // The filters match beginnings, and key and value need not be of the same tag: the tags themselves decide.
    let filter = |name, value: &str| Filter::builder().key(name).values(value).build();
    let mut pages = clients
        .secrets_manager
        .list_secrets()
        .filters(filter(FilterNameStringType::TagKey, key))
        .filters(filter(FilterNameStringType::TagValue, value))
        .include_planned_deletion(true)
        .into_paginator()
        .send();
    let mut secrets = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(reduce(OPERATION))?;
        for entry in page.secret_list().iter().filter(|entry| tags(entry.tags()).get(key).is_some_and(|v| v == value)) {
            secrets.push(Listed {
                arn: arn(OPERATION, entry.arn())?,
                name: entry.name().unwrap_or_default().to_owned(),
                deleted: entry.deleted_date().is_some(),
            });
        }
    }
    Ok(secrets)
}

/// The id of the key that the version with `stage` holds: `None` when there is no such version or it holds no key.
///
/// # Errors
/// [`CallError`], also for a value that keyturn did not write.
pub async fn key_id(clients: &Clients, secret: &SecretArn, stage: &str) -> Result<Option<AccessKeyId>, CallError> {
    const OPERATION: &str = "secretsmanager:GetSecretValue";
    let asked = clients.secrets_manager.get_secret_value().secret_id(secret.as_str()).version_stage(stage);
    let Some(answer) = found(asked.send().await.map_err(reduce(OPERATION)))? else { return Ok(None) };
    let value = SecretText::new(answer.secret_string().unwrap_or_default());
    let document = SecretDocument::parse(&value)
        .map_err(|error| CallError::NoAnswer { operation: OPERATION, cause: format!("{error} ({secret}, {stage})") })?;
    Ok(document.key.map(|key| key.id))
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
    found(asked.send().await.map_err(reduce("secretsmanager:UpdateSecretVersionStage")))?;
    Ok(())
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
