//! Secrets Manager: the secret, its versions, labels and tags.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::operation::rotate_secret::RotateSecretError;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, RotationRulesType, Tag};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use contract::{SecretArn, SecretDocument, SecretText, UserId, UserName, VersionToken, tag_keys};
use jiff::Timestamp;

use super::clock::AnswerTime;
use super::pages::{OF_A_USER, OF_AN_ACCOUNT, Pages};
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

/// The same for a secret that may not be there, by its name or ARN.
pub(crate) async fn find(clients: &Clients, id: &str) -> Result<Option<(SecretArn, Description)>, RotationError> {
    let clock = AnswerTime::default();
    match clients.secrets.describe_secret().secret_id(id).customize().interceptor(clock.clone()).send().await {
        Ok(answer) => {
            let arn = answer.arn.as_deref().and_then(|arn| SecretArn::new(arn).ok());
            let arn = arn.ok_or(RotationError::Answer("ARN"))?;
            Ok(Some((arn, description(answer, clock.read()?)?)))
        }
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => Ok(None),
        Err(error) => Err(call_error("secretsmanager:DescribeSecret", &error).into()),
    }
}

/// A secret that is to be made.
#[derive(Debug)]
pub(crate) struct NewSecret<'a> {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) value: SecretText,
    pub(crate) token: VersionToken,
    pub(crate) kms_key: Option<&'a str>,
    pub(crate) tags: Vec<(String, String)>,
}

/// Makes a secret. `None` when there is one of that name by now.
pub(crate) async fn create(clients: &Clients, secret: NewSecret<'_>) -> Result<Option<SecretArn>, RotationError> {
    let call = clients
        .secrets
        .create_secret()
        .name(secret.name)
        .description(secret.description)
        .secret_string(secret.value.expose())
        .client_request_token(secret.token.as_str())
        .set_kms_key_id(secret.kms_key.map(str::to_owned))
        .set_tags(Some(tags_of(&secret.tags)));
    match call.send().await {
        Ok(answer) => {
            let arn = answer.arn.and_then(|arn| SecretArn::new(arn).ok());
            arn.map(Some).ok_or(RotationError::Answer("ARN"))
        }
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_exists_exception()) => Ok(None),
        Err(error) => Err(call_error("secretsmanager:CreateSecret", &error).into()),
    }
}

/// How a secret is to be rotated.
#[derive(Debug)]
pub(crate) struct Rotation<'a> {
    /// The ARN of the function.
    pub(crate) function: &'a str,
    pub(crate) schedule: &'a str,
    pub(crate) window: Option<u8>,
    /// Whether a rotation begins now, and not only when the schedule says so.
    pub(crate) at_once: bool,
    /// The same for requests that are the same.
    pub(crate) token: Option<VersionToken>,
}

/// Turns rotation on. While a rotation that has begun before is not complete Secrets Manager refuses, and goes on with
/// that one; where one was wanted at once that is as good.
pub(crate) async fn turn_on(clients: &Clients, secret: &SecretArn, rotation: &Rotation<'_>) -> Result<(), CallError> {
    let rules = RotationRulesType::builder()
        .schedule_expression(rotation.schedule)
        .set_duration(rotation.window.map(|hours| format!("{hours}h")));
    let call = clients
        .secrets
        .rotate_secret()
        .secret_id(secret.as_str())
        .rotation_lambda_arn(rotation.function)
        .rotation_rules(rules.build())
        .rotate_immediately(rotation.at_once)
        .set_client_request_token(rotation.token.as_ref().map(VersionToken::to_string));
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) if rotation.at_once && goes_on(&error) => Ok(()),
        Err(error) => Err(call_error("secretsmanager:RotateSecret", &error)),
    }
}

/// Turns rotation off. What is off already, or waits for its deletion, is as good as that.
pub(crate) async fn turn_off(clients: &Clients, secret: &SecretArn) -> Result<(), CallError> {
    match clients.secrets.cancel_rotate_secret().secret_id(secret.as_str()).send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_invalid_request_exception()) => Ok(()),
        Err(error) => Err(call_error("secretsmanager:CancelRotateSecret", &error)),
    }
}

fn description(answer: DescribeSecretOutput, now: Timestamp) -> Result<Description, RotationError> {
    let labels = answer.version_ids_to_stages.unwrap_or_default().into_iter();
    let labels = labels.map(|(token, labels)| Ok((token_of(token)?, labels)));
    Ok(Description {
        now,
        name: answer.name.ok_or(RotationError::Answer("Name"))?,
        deleted: answer.deleted_date.is_some(),
        rotation_enabled: answer.rotation_enabled,
        last_rotated: answer.last_rotated_date.as_ref().map(timestamp).transpose()?,
        next_rotation: answer.next_rotation_date.as_ref().map(timestamp).transpose()?,
        labels: labels.collect::<Result<_, RotationError>>()?,
        tags: tag_map(answer.tags.unwrap_or_default()),
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
    const OPERATION: &str = "secretsmanager:ListSecretVersionIds";
    let call = clients.secrets.list_secret_version_ids().secret_id(secret.as_str()).include_deprecated(true);
    let mut pages = call.into_paginator().stop_on_duplicate_token(false).send();
    let mut tokens = Vec::new();
    let mut read = Pages::of(OPERATION, OF_A_USER);
    while let Some(page) = pages.next().await {
        read.one_more()?;
        let page = page.map_err(|error| call_error(OPERATION, &error))?;
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

/// A secret of the stack, as a listing shows it. Listings may be minutes old (API reference, ListSecrets), so nothing
/// is decided on them.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) arn: SecretArn,
    pub(crate) name: String,
    pub(crate) user: Option<UserName>,
    pub(crate) user_id: Option<UserId>,
    /// Whether it has a schedule.
    pub(crate) is_rotated: bool,
    /// The value of the tag that says where a pass was cut off.
    pub(crate) bookmark: Option<String>,
    /// The value of the tag that says since when its user is no longer enrolled.
    pub(crate) left: Option<String>,
    /// The value of the tag that says which schedule it was given.
    pub(crate) schedule: Option<String>,
}

impl Listed {
    /// A secret that is rotated, with no tag that this is about.
    #[cfg(test)]
    pub(crate) fn rotated(name: String, arn: SecretArn) -> Self {
        let (user, user_id, bookmark, left, schedule) = Default::default();
        Self { arn, name, user, user_id, is_rotated: true, bookmark, left, schedule }
    }

    /// Whether the function has turned the rotation off, because the user is no longer enrolled.
    pub(crate) fn has_left(&self) -> bool {
        self.left.is_some() && !self.is_rotated
    }
}

/// The secrets of a stack, but for those that wait for their deletion.
pub(crate) async fn of_stack(clients: &Clients, stack: &str) -> Result<Vec<Listed>, RotationError> {
    const OPERATION: &str = "secretsmanager:ListSecrets";
    // The filters match beginnings, and key and value need not be of the same tag: the tags themselves decide.
    let filter = |name, value: &str| Filter::builder().key(name).values(value).build();
    let call = clients.secrets.list_secrets().filters(filter(FilterNameStringType::TagKey, tag_keys::STACK));
    let mut pages = call
        .filters(filter(FilterNameStringType::TagValue, stack))
        .into_paginator()
        .stop_on_duplicate_token(false)
        .send();
    let mut secrets = Vec::new();
    let mut read = Pages::of(OPERATION, OF_AN_ACCOUNT);
    while let Some(page) = pages.next().await {
        read.one_more()?;
        let page = page.map_err(|error| call_error(OPERATION, &error))?;
        for secret in page.secret_list.unwrap_or_default() {
            let tags: BTreeMap<String, String> = tag_map(secret.tags.unwrap_or_default());
            if tags.get(tag_keys::STACK).map(String::as_str) == Some(stack) {
                let arn = secret.arn.and_then(|arn| SecretArn::new(arn).ok());
                secrets.push(Listed {
                    arn: arn.ok_or(RotationError::Answer("ARN"))?,
                    name: secret.name.ok_or(RotationError::Answer("Name"))?,
                    user: tags.get(tag_keys::USER).and_then(|user| UserName::of_tag(user).ok()),
                    is_rotated: secret.rotation_enabled == Some(true),
                    user_id: tags.get(tag_keys::USER_ID).and_then(|id| UserId::new(id).ok()),
                    bookmark: tags.get(tag_keys::SWEPT).cloned(),
                    left: tags.get(tag_keys::LEFT).cloned(),
                    schedule: tags.get(tag_keys::SCHEDULE).cloned(),
                });
            }
        }
    }
    Ok(secrets)
}

fn tags_of(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn tag_map(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}

/// Asks Secrets Manager to rotate. While the rotation before is not complete it refuses, and goes on with that one,
/// which is as good.
pub(crate) async fn rotate(clients: &Clients, secret: &SecretArn) -> Result<(), CallError> {
    match clients.secrets.rotate_secret().secret_id(secret.as_str()).send().await {
        Ok(_) => Ok(()),
        Err(error) if goes_on(&error) => Ok(()),
        Err(error) => Err(call_error("secretsmanager:RotateSecret", &error)),
    }
}

/// Whether a rotation was refused because Secrets Manager goes on with the one before.
fn goes_on(error: &SdkError<RotateSecretError, Response>) -> bool {
    let message = error.as_service_error().and_then(ProvideErrorMetadata::message).unwrap_or_default();
    message.contains("previous rotation isn't complete")
}

/// Sets a tag.
pub(crate) async fn tag(clients: &Clients, secret: &SecretArn, key: &str, value: &str) -> Result<(), CallError> {
    tag_all(clients, secret, &[(key.to_owned(), value.to_owned())]).await
}

/// Sets tags, all or none.
pub(crate) async fn tag_all(clients: &Clients, secret: &SecretArn, tags: &[(String, String)]) -> Result<(), CallError> {
    let answer = clients.secrets.tag_resource().secret_id(secret.as_str()).set_tags(Some(tags_of(tags))).send().await;
    answer.map(drop).map_err(|error| call_error("secretsmanager:TagResource", &error))
}

/// Removes tags; those that are not there are no error.
pub(crate) async fn untag(clients: &Clients, secret: &SecretArn, keys: Vec<String>) -> Result<(), CallError> {
    let answer = clients.secrets.untag_resource().secret_id(secret.as_str()).set_tag_keys(Some(keys)).send().await;
    answer.map(drop).map_err(|error| call_error("secretsmanager:UntagResource", &error))
}
