//! AWS::SecretsManager::RotationSchedule: CloudFormation calls RotateSecret for it, and CancelRotateSecret at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::api::rotate;
use super::super::error::{marked_for_deletion, not_found};
use crate::input::JsonInput;
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set};
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &["SecretId", "RotationLambdaARN", "RotationRules", "RotateImmediatelyOnUpdate"],
    required: &["SecretId"],
    create_only: &["SecretId"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::None,
    readable: Some(&["RotationLambdaARN", "RotationRules"]),
};

/// Turns rotation on, or changes it. Unless the template says otherwise, either rotates the secret at once.
pub(super) fn put(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let mut request = order.properties.clone();
    if let Some(fields) = request.as_object_mut() {
        let immediately = fields.remove("RotateImmediatelyOnUpdate").unwrap_or(true.into());
        fields.insert("RotateImmediately".into(), immediately);
        fields.insert("ClientRequestToken".into(), world.random_uuid().into());
    }
    let input = JsonInput::from_value(request)?;
    let made = rotate::rotate_secret(world, &order.caller, &order.region, input)?;
    let arn = made.get("ARN").and_then(Value::as_str).unwrap_or_default();
    Ok(Created { physical_id: arn.to_owned(), attributes: BTreeMap::from([("Id".to_owned(), arn.to_owned())]) })
}

/// A secret that is not rotated has no schedule.
pub(super) fn read(world: &World, id: &str) -> Option<Value> {
    let secret = world.secrets_manager.secrets.get(id).filter(|secret| secret.deletion.is_none())?;
    let rotation = secret.rotation.as_ref().filter(|rotation| rotation.enabled)?;
    Some(set([
        ("RotationLambdaARN", Some(rotation.function.as_str().into())),
        ("RotationRules", rotation.rules.as_ref().map(|rules| rules.to_json())),
    ]))
}

/// A secret that is gone, on its way to deletion, or no longer rotated has no schedule left to delete.
pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    let secret = world.secrets_manager.secrets.get(id);
    if secret.and_then(|secret| secret.rotation.as_ref()).is_none_or(|rotation| !rotation.enabled) {
        return Ok(());
    }
    let input = JsonInput::from_value(json!({ "SecretId": id }))?;
    match rotate::cancel_rotate_secret(world, &order.caller, &order.region, input) {
        Err(error) if error == not_found() || error == marked_for_deletion() => Ok(()),
        result => result.map(drop),
    }
}
