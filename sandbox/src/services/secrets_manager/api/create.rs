//! CreateSecret.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::error::invalid_request;
use super::super::lookup::{arn_prefix, by_name, permit_key};
use super::super::secret::Secret;
use super::super::{check, error};
use super::object;
use crate::input::JsonInput;
use crate::request::Caller;
use crate::{ApiError, World};

/// The characters at the end of a secret's ARN are letters and digits.
const ARN_END: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

pub(in super::super) fn create_secret(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let name = input.required("Name")?;
    let token = check::token(&mut input)?;
    let value = check::value(&mut input)?;
    let description = input.text("Description")?;
    let key = input.text("KmsKeyId")?;
    let tags = check::tags(&mut input, "Tags")?;
    let replicas = super::replicas::take(input.items("AddReplicaRegions")?, region)?;
    input.finish()?;
    check::name(&name)?;
    check::tag_count(&tags)?;

    permit(world, caller, region, &name, &tags)?;
    if !replicas.is_empty() {
        let arn = format!("{}{name}-??????", arn_prefix(&caller.account, region));
        world.authorize(caller, "secretsmanager:ReplicateSecretToRegions", &arn, &BTreeMap::new())?;
    }
    permit_key(world, caller, region, key.as_deref(), &["kms:GenerateDataKey", "kms:Decrypt"])?;
    let now = world.now();
    if let Some(present) = by_name(world, &caller.account, region, &name) {
        let repeated = present.version(&token).is_some_and(|version| version.value == value);
        if repeated && present.deletion.is_none() {
            return Ok(created(present, Some(&token)));
        }
    }
    let arn = open(world, &caller.account, region, &name)?;
    let secret = world.secrets_manager.secrets.get_mut(&arn).ok_or_else(error::not_found)?;
    secret.description = description;
    secret.kms_key_id = key;
    secret.tags = tags;
    secret.replicas = replicas;
    let version = value.is_some().then_some(token);
    if let (Some(id), Some(value)) = (&version, value) {
        secret.put(id, value, &BTreeSet::new(), now)?;
    }
    Ok(created(secret, version.as_deref()))
}

/// Opens an empty secret under a name that is free; gives its ARN.
pub(in super::super) fn open(world: &mut World, account: &str, region: &str, name: &str) -> Result<String, ApiError> {
    check::name(name)?;
    match by_name(world, account, region, name) {
        Some(present) if present.deletion.is_some() => {
            return Err(invalid_request(
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
            ));
        }
        Some(_) => {
            let message = format!("The operation failed because the secret {name} already exists.");
            return Err(ApiError::new("ResourceExistsException", message));
        }
        None => {}
    }
    let arn = format!("{}{name}-{}", arn_prefix(account, region), world.random_text(ARN_END, 6));
    let now = world.now();
    let secret = Secret {
        arn: arn.clone(),
        name: name.to_owned(),
        description: None,
        kms_key_id: None,
        replicas: Vec::new(),
        tags: BTreeMap::new(),
        versions: Vec::new(),
        rotation: None,
        created: now,
        changed: now,
        accessed: None,
        rotated: None,
        deletion: None,
    };
    world.secrets_manager.secrets.insert(arn.clone(), secret);
    Ok(arn)
}

/// A new secret has no ARN yet; policies are asked about one that it might get. Tags need a permission of their own.
fn permit(
    world: &mut World,
    caller: &Caller,
    region: &str,
    name: &str,
    tags: &BTreeMap<String, String>,
) -> Result<(), ApiError> {
    let arn = format!("{}{name}-??????", arn_prefix(&caller.account, region));
    let context = super::tags::requested(tags);
    world.authorize(caller, "secretsmanager:CreateSecret", &arn, &context)?;
    if !tags.is_empty() {
        world.authorize(caller, "secretsmanager:TagResource", &arn, &context)?;
    }
    Ok(())
}

fn created(secret: &Secret, version: Option<&str>) -> Value {
    object([
        ("ARN", Some(Value::from(secret.arn.as_str()))),
        ("Name", Some(Value::from(secret.name.as_str()))),
        ("VersionId", version.map(Value::from)),
        ("ReplicationStatus", super::describe::replication(secret)),
    ])
}
