//! DescribeSecret, and the form of a secret without its value.

use serde_json::{Map, Value, json};

use super::super::error;
use super::super::lookup::permitted;
use super::super::secret::{Secret, Version};
use super::{object, time};
use crate::input::JsonInput;
use crate::request::Caller;
use crate::{ApiError, World};

pub(in super::super) fn describe_secret(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let id = input.required("SecretId")?;
    input.finish()?;
    let arn = permitted(world, caller, region, &id, "DescribeSecret")?;
    let secret = world.secrets_manager.secrets.get(&arn).ok_or_else(error::not_found)?;
    let mut description = metadata(secret, "VersionIdsToStages");
    if let (Some(fields), Some(replication)) = (description.as_object_mut(), replication(secret)) {
        fields.insert("ReplicationStatus".into(), replication);
    }
    Ok(description)
}

/// What DescribeSecret and ListSecrets say of a secret; they differ in the name of one field.
pub(super) fn metadata(secret: &Secret, versions_field: &str) -> Value {
    let rotation = secret.rotation.as_ref();
    let rules = rotation.and_then(|rotation| rotation.rules.as_ref());
    // Versions without a label are deprecated and not shown.
    let versions = secret.versions.iter().filter(|version| !version.labels.is_empty());
    let versions: Map<String, Value> = versions.map(|version| (version.id.clone(), labels(version))).collect();
    let tags: Vec<Value> = secret.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    object([
        ("ARN", Some(secret.arn.as_str().into())),
        ("Name", Some(secret.name.as_str().into())),
        ("Description", secret.description.as_deref().map(Value::from)),
        ("KmsKeyId", secret.kms_key_id.as_deref().map(Value::from)),
        ("RotationEnabled", rotation.map(|rotation| rotation.enabled.into())),
        ("RotationLambdaARN", rotation.map(|rotation| rotation.function.as_str().into())),
        ("RotationRules", rules.map(|rules| rules.to_json())),
        ("LastRotatedDate", secret.rotated.map(time)),
        ("LastChangedDate", Some(time(secret.changed))),
        ("LastAccessedDate", secret.accessed.map(time)),
        ("DeletedDate", secret.deletion.map(time)),
        // The last second in which the rotation may happen.
        ("NextRotationDate", rotation.and_then(|rotation| rotation.next).map(|window| time(window.closes - SECOND))),
        ("Tags", Some(tags.into())),
        (versions_field, Some(versions.into())),
        ("CreatedDate", Some(time(secret.created))),
    ])
}

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

/// The labels of a version.
pub(super) fn labels(version: &Version) -> Value {
    version.labels.iter().map(|label| Value::from(label.as_str())).collect()
}

/// The regions that the secret is replicated to.
pub(super) fn replication(secret: &Secret) -> Option<Value> {
    let replicas = secret.replicas.iter().map(|replica| {
        object([
            ("Region", Some(replica.region.as_str().into())),
            ("KmsKeyId", replica.kms_key_id.as_deref().map(Value::from)),
            ("Status", Some("InSync".into())),
        ])
    });
    (!secret.replicas.is_empty()).then(|| replicas.collect())
}
