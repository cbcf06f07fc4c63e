//! AWS::SecretsManager::Secret. CloudFormation calls the API for it, with one exception: it deletes without a
//! recovery window.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::error::not_found;
use super::super::lookup::{alive, permitted, permitted_with};
use super::super::secret::Replica;
use super::super::{api, check};
use crate::input::JsonInput;
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set, tags as stack_tags};
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &["Name", "Description", "SecretString", "KmsKeyId", "ReplicaRegions", "Tags"],
    required: &[],
    create_only: &["Name"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::ReadOnly("Id"),
    readable: Some(&["Description", "ReplicaRegions", "Tags"]),
};

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let (tags, system_tags) = tags(order)?;
    let mut request = order.properties.clone();
    if let Some(fields) = request.as_object_mut() {
        let name = order.generated_name(world, 512);
        fields.entry("Name").or_insert(name.into());
        fields.insert("ClientRequestToken".into(), world.random_uuid().into());
        if let Some(regions) = fields.remove("ReplicaRegions") {
            fields.insert("AddReplicaRegions".into(), regions);
        }
        let tags = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
        fields.insert("Tags".into(), tags.collect());
    }
    let input = JsonInput::from_value(request)?;
    let made = api::create::create_secret(world, &order.caller, &order.region, input)?;
    let arn = made.get("ARN").and_then(Value::as_str).unwrap_or_default();
    alive(world, arn)?.tags.extend(system_tags);
    Ok(created(arn))
}

pub(super) fn update(world: &mut World, order: &Order, id: &str, previous: &Value) -> Result<Created, ApiError> {
    let (tags, system_tags) = tags(order)?;
    check::tag_count(&tags)?;
    let mut input = order.input()?;
    let value = check::value(&mut input)?;
    let (description, key) = (input.text("Description")?, input.text("KmsKeyId")?);
    let replicas = api::replicas::take(input.items("ReplicaRegions")?, &order.region)?;
    permitted(world, &order.caller, &order.region, id, "UpdateSecret")?;
    let before = alive(world, id)?.tags.clone();
    if tags.iter().any(|(key, value)| before.get(key) != Some(value)) {
        let context = api::tags::requested(&tags);
        permitted_with(world, &order.caller, &order.region, id, "TagResource", context)?;
    }
    // Tags that others have put there are not the stack's to remove.
    let given_before = tag_keys(previous);
    if given_before.iter().any(|key| !key.starts_with("aws:") && !tags.contains_key(key)) {
        permitted(world, &order.caller, &order.region, id, "UntagResource")?;
    }

    let present = alive(world, id)?.replicas.clone();
    if replicas.iter().any(|replica| !present.contains(replica)) {
        permitted(world, &order.caller, &order.region, id, "ReplicateSecretToRegions")?;
    }
    if present.iter().any(|replica| !replicas.contains(replica)) {
        permitted(world, &order.caller, &order.region, id, "RemoveRegionsFromReplication")?;
    }
    let (now, token) = (world.now(), world.random_uuid());
    let secret = alive(world, id)?;
    secret.tags.retain(|key, _| !given_before.contains(key));
    secret.tags.extend(tags.into_iter().chain(system_tags));
    (secret.description, secret.kms_key_id, secret.replicas) = (description, key, replicas);
    secret.changed = now;
    // A changed SecretString becomes a new current version; an unchanged one leaves alone what others have put there.
    if order.properties.get("SecretString") != previous.get("SecretString")
        && let Some(value) = value
    {
        secret.put(&token, value, &Default::default(), now)?;
    }
    Ok(created(id))
}

pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    match permitted(world, &order.caller, &order.region, id, "DeleteSecret") {
        Ok(arn) => {
            api::delete::remove(world, &arn);
            Ok(())
        }
        Err(error) if error == not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// One that is marked for deletion counts as gone.
pub(super) fn read(world: &World, id: &str) -> Option<Value> {
    let secret = world.secrets_manager.secrets.get(id).filter(|secret| secret.deletion.is_none())?;
    let replica = |replica: &Replica| {
        let key = replica.kms_key_id.as_deref().map(Value::from);
        set([("Region", Some(replica.region.as_str().into())), ("KmsKeyId", key)])
    };
    let replicas: Vec<Value> = secret.replicas.iter().map(replica).collect();
    Some(set([
        ("Description", secret.description.as_deref().map(Value::from)),
        ("ReplicaRegions", (!replicas.is_empty()).then(|| replicas.into())),
        ("Tags", stack_tags(&secret.tags)),
    ]))
}

/// The secret with this ARN, for an import. One that is marked for deletion cannot be read.
pub(super) fn find(world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    let Some(arn) = order.input()?.text("Id")? else { return Ok(None) };
    match permitted(world, &order.caller, &order.region, &arn, "DescribeSecret") {
        Err(error) if error == not_found() => return Ok(None),
        Err(error) => return Err(error),
        Ok(found) if found != arn => return Ok(None),
        Ok(_) => {}
    }
    alive(world, &arn).map(|secret| Some(created(&secret.arn)))
}

type Tags = BTreeMap<String, String>;

/// The tags of the template and of the stack, and those that CloudFormation adds, which nobody else may set.
fn tags(order: &Order) -> Result<(Tags, Tags), ApiError> {
    let all = order.input()?.tags("Tags")?;
    let (system, own) = all.into_iter().partition::<Tags, _>(|(key, _)| key.starts_with("aws:"));
    own.iter().try_for_each(|(key, value)| check::tag(key, value))?;
    Ok((own, system))
}

fn tag_keys(properties: &Value) -> Vec<String> {
    let tags = properties.get("Tags").and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| tag.get("Key").and_then(Value::as_str)).map(str::to_owned).collect()
}

/// `Ref` of a secret is its ARN, and so is its attribute Id.
fn created(arn: &str) -> Created {
    let attributes = BTreeMap::from([("Id".to_owned(), arn.to_owned())]);
    Created { physical_id: arn.to_owned(), attributes }
}
