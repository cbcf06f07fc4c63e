//! The two resources of a user: the secret, and its rotation.

use std::collections::BTreeMap;

use contract::{SecretDocument, tag_keys};
use serde::Serialize;

use super::BoundUser;
use super::resource::{Intrinsic, Resource};
use crate::config::{Config, Schedule};
use crate::names::SecretName;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Secret {
    name: String,
    description: String,
    secret_string: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replica_regions: Vec<BTreeMap<&'static str, String>>,
    tags: Vec<Tag>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: &'static str,
    value: TagValue,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum TagValue {
    Text(String),
    Known(Intrinsic),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RotationSchedule {
    secret_id: Intrinsic,
    #[serde(rename = "RotationLambdaARN")]
    rotation_lambda_arn: Intrinsic,
    rotate_immediately_on_update: bool,
    rotation_rules: RotationRules,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RotationRules {
    schedule_expression: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
}

/// The secret of a user.
///
/// It is retained also when its creation is rolled back. CloudFormation deletes secrets at once and for good, and
/// a rotation that has begun meanwhile, or the import of an existing secret, has put the only copy of a live key into
/// it. What a failed stack leaves behind is taken back by the next one, with an import.
pub(super) fn secret(config: &Config, user: &BoundUser, name: &SecretName) -> Resource<Secret> {
    let replica = |region: &contract::Region| BTreeMap::from([("Region", region.to_string())]);
    let tag = |key, value: &str| Tag { key, value: TagValue::Text(value.to_owned()) };
    let mut tags = vec![
        tag(tag_keys::USER, &user.name.to_tag()),
        tag(tag_keys::USER_ID, user.id.as_str()),
        Tag { key: tag_keys::STACK, value: TagValue::Known(Intrinsic::Ref("AWS::StackName".to_owned())) },
    ];
    tags.extend(config.renderings(&user.name).to_tag().map(|names| tag(tag_keys::RENDER, &names)));
    let properties = Secret {
        name: name.to_string(),
        description: format!("The access key of the IAM user {}, rotated by keyturn", user.name),
        // When this text changes, CloudFormation writes it over the live key. So nothing but the user's name is in it.
        secret_string: SecretDocument::placeholder(user.name.clone()).to_text().expose().to_owned(),
        kms_key_id: config.kms_key.clone(),
        replica_regions: config.replicas.iter().map(replica).collect(),
        tags,
    };
    Resource::new("AWS::SecretsManager::Secret", properties).retained()
}

/// The rotation of the secret with this logical id.
///
/// It comes after everything that the function needs, because Secrets Manager calls the function as soon as there is
/// a schedule.
pub(super) fn rotation(schedule: &Schedule, secret: String, after: Vec<String>) -> Resource<RotationSchedule> {
    let properties = RotationSchedule {
        secret_id: Intrinsic::Ref(secret),
        rotation_lambda_arn: Intrinsic::GetAtt("Function.Arn"),
        // Else every key would be rotated when the stack is created, and again whenever a schedule is edited.
        rotate_immediately_on_update: false,
        rotation_rules: RotationRules {
            schedule_expression: schedule.expression.clone(),
            duration: schedule.window.map(|hours| format!("{hours}h")),
        },
    };
    Resource::new("AWS::SecretsManager::RotationSchedule", properties).after(after)
}
