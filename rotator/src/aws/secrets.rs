//! Secrets Manager: the secret, its versions, labels and tags.

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::Tag;
use contract::{SecretArn, SecretDocument, SecretText, VersionToken};
use jiff::Timestamp;

use super::clock::AnswerTime;
use super::{Clients, call_error, timestamp};
use crate::error::{CallError, RotationError};
use crate::observed::{CURRENT, Description, PENDING};

/// The secret without its values, and the time by the clock of AWS.
pub(crate) async fn describe(clients: &Clients, secret: &SecretArn) -> Result<Description, RotationError> {
    let clock = AnswerTime::default();
    let call = clients.secrets.describe_secret().secret_id(secret.as_str());
    let answer = call.customize().interceptor(clock.clone()).send().await;
    let answer = answer.map_err(|error| call_error("secretsmanager:DescribeSecret", &error))?;
    description(answer, clock.read()?)
}

fn description(answer: DescribeSecretOutput, now: Timestamp) -> Result<Description, RotationError> {
    let labels = answer.version_ids_to_stages.unwrap_or_default().into_iter();
    let labels = labels.map(|(token, labels)| Ok((token_of(token)?, labels)));
    let tags = answer.tags.unwrap_or_default().into_iter();
    Ok(Description {
        now,
        deleted: answer.deleted_date.is_some(),
        rotation_enabled: answer.rotation_enabled,
        last_rotated: answer.last_rotated_date.as_ref().map(timestamp).transpose()?,
        labels: labels.collect::<Result<_, RotationError>>()?,
        tags: tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect(),
    })
}

fn token_of(token: String) -> Result<VersionToken, RotationError> {
    VersionToken::new(token).map_err(|_| RotationError::Answer("VersionId"))
}

/// A version's value as stored, and when the version was created.
#[derive(Debug)]
pub(crate) struct StoredValue {
    /// `None`: the value is binary.
    pub(crate) text: Option<SecretText>,
    pub(crate) created: Timestamp,
}

impl StoredValue {
    /// The value as a document of ours.
    pub(crate) fn document(&self, label: &'static str) -> Result<SecretDocument, RotationError> {
        let not_text = RotationError::Document { label, source: contract::DocumentError::NotAnObject };
        let text = self.text.as_ref().ok_or(not_text)?;
        SecretDocument::parse(text).map_err(|source| RotationError::Document { label, source })
    }
}

/// The value of one version; `None` when the version has none.
pub(crate) async fn value(
    clients: &Clients,
    secret: &SecretArn,
    version: &VersionToken,
) -> Result<Option<StoredValue>, RotationError> {
    let call = clients.secrets.get_secret_value().secret_id(secret.as_str()).version_id(version.as_str());
    match call.send().await {
        Ok(answer) => Ok(Some(StoredValue {
            text: answer.secret_string.map(SecretText::new),
            created: timestamp(&answer.created_date.ok_or(RotationError::Answer("CreatedDate"))?)?,
        })),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => Ok(None),
        Err(error) => Err(call_error("secretsmanager:GetSecretValue", &error).into()),
    }
}

/// The value that applications read at this moment.
pub(crate) async fn current_value(clients: &Clients, secret: &SecretArn) -> Result<SecretDocument, RotationError> {
    let call = clients.secrets.get_secret_value().secret_id(secret.as_str()).version_stage(CURRENT);
    let answer = call.send().await.map_err(|error| call_error("secretsmanager:GetSecretValue", &error))?;
    let text = answer.secret_string.map(SecretText::new);
    let created = timestamp(&answer.created_date.ok_or(RotationError::Answer("CreatedDate"))?)?;
    StoredValue { text, created }.document(CURRENT)
}

/// The ids of all versions, also of those without a label.
pub(crate) async fn versions(clients: &Clients, secret: &SecretArn) -> Result<Vec<VersionToken>, RotationError> {
    let call = clients.secrets.list_secret_version_ids().secret_id(secret.as_str()).include_deprecated(true);
    let mut pages = call.into_paginator().send();
    let mut tokens = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| call_error("secretsmanager:ListSecretVersionIds", &error))?;
        for version in page.versions.unwrap_or_default() {
            tokens.push(token_of(version.version_id.ok_or(RotationError::Answer("VersionId"))?)?);
        }
    }
    Ok(tokens)
}

/// How the storing of a value can end without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Done,
    /// The version has another value already: another attempt was faster.
    OtherValue,
}

/// Stores the pending value. The token makes it a compare-and-swap: a version's value is never replaced (R3).
pub(crate) async fn put_pending(
    clients: &Clients,
    secret: &SecretArn,
    token: &VersionToken,
    rotation_token: Option<&SecretText>,
    value: &SecretText,
) -> Result<Stored, CallError> {
    let call = clients
        .secrets
        .put_secret_value()
        .secret_id(secret.as_str())
        .client_request_token(token.as_str())
        .set_rotation_token(rotation_token.map(|token| token.expose().to_owned()))
        .secret_string(value.expose())
        .version_stages(PENDING);
    match call.send().await {
        Ok(_) => Ok(Stored::Done),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_exists_exception()) => {
            Ok(Stored::OtherValue)
        }
        Err(error) => Err(call_error("secretsmanager:PutSecretValue", &error)),
    }
}

/// Moves `AWSCURRENT` from one version to another; refused by Secrets Manager when it is not on `from`.
pub(crate) async fn move_current(
    clients: &Clients,
    secret: &SecretArn,
    from: &VersionToken,
    to: &VersionToken,
) -> Result<(), RotationError> {
    let call = clients.secrets.update_secret_version_stage().secret_id(secret.as_str()).version_stage(CURRENT);
    match call.remove_from_version_id(from.as_str()).move_to_version_id(to.as_str()).send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_invalid_parameter_exception()) => {
            Err(RotationError::CurrentMoved)
        }
        Err(error) => Err(call_error("secretsmanager:UpdateSecretVersionStage", &error).into()),
    }
}

/// Takes `AWSPENDING` off a version.
pub(crate) async fn drop_pending(clients: &Clients, secret: &SecretArn, from: &VersionToken) -> Result<(), CallError> {
    let call = clients.secrets.update_secret_version_stage().secret_id(secret.as_str()).version_stage(PENDING);
    let answer = call.remove_from_version_id(from.as_str()).send().await;
    answer.map(drop).map_err(|error| call_error("secretsmanager:UpdateSecretVersionStage", &error))
}

/// Sets a tag.
pub(crate) async fn tag(clients: &Clients, secret: &SecretArn, key: &str, value: &str) -> Result<(), CallError> {
    let tag = Tag::builder().key(key).value(value).build();
    let answer = clients.secrets.tag_resource().secret_id(secret.as_str()).tags(tag).send().await;
    answer.map(drop).map_err(|error| call_error("secretsmanager:TagResource", &error))
}

/// Removes tags; those that are not there are no error.
pub(crate) async fn untag(clients: &Clients, secret: &SecretArn, keys: Vec<String>) -> Result<(), CallError> {
    let answer = clients.secrets.untag_resource().secret_id(secret.as_str()).set_tag_keys(Some(keys)).send().await;
    answer.map(drop).map_err(|error| call_error("secretsmanager:UntagResource", &error))
}
