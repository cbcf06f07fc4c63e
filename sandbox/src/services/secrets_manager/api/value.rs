//! GetSecretValue and PutSecretValue.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::error::{invalid_parameter, invalid_request, no_value};
use super::super::lookup::{alive, permit_key, permitted};
use super::super::secret::{CURRENT, Secret, SecretValue, Version};
use super::super::{check, rotation};
use super::{describe, object, time};
use crate::input::JsonInput;
use crate::request::Caller;
use crate::{ApiError, World};

pub(in super::super) fn get_secret_value(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let secret_id = input.required("SecretId")?;
    let (id, stage) = (input.text("VersionId")?, input.text("VersionStage")?);
    input.finish()?;
    let asked_stage = stage.as_deref().or(id.is_none().then_some(CURRENT));
    let arn = permitted(world, caller, region, &secret_id, "GetSecretValue")?;
    let key = alive(world, &arn)?.kms_key_id.clone();
    permit_key(world, caller, region, key.as_deref(), &["kms:Decrypt"])?;

    let now = world.now();
    let secret = alive(world, &arn)?;
    let id = select(secret, id.as_deref(), asked_stage)?.id.clone();
    secret.accessed = Some(now);
    let (arn, name) = (secret.arn.clone(), secret.name.clone());
    let version = secret.version_mut(&id).ok_or_else(|| no_value(&id))?;
    version.accessed = Some(now);
    let value = version.value.as_ref().map(SecretValue::expose);
    Ok(object([
        ("ARN", Some(arn.into())),
        ("Name", Some(name.into())),
        ("VersionId", Some(version.id.as_str().into())),
        ("SecretString", value.map(Value::from)),
        ("VersionStages", Some(describe::labels(version))),
        ("CreatedDate", Some(time(version.created))),
    ]))
}

/// The version that is asked for by id, by label, or by both. Versions without a label are found by their id.
fn select<'a>(secret: &'a Secret, id: Option<&str>, label: Option<&str>) -> Result<&'a Version, ApiError> {
    let version = match (id, label) {
        (Some(id), _) => secret.version(id).ok_or_else(|| no_value(&format!("VersionId: {id}")))?,
        (None, label) => {
            let label = label.unwrap_or(CURRENT);
            secret.labelled(label).ok_or_else(|| no_value(&format!("staging label: {label}")))?
        }
    };
    if label.is_some_and(|label| !version.labels.contains(label)) {
        return Err(invalid_request("You provided a VersionStage that is not associated to the provided VersionId."));
    }
    let which =
        id.map_or_else(|| format!("staging label: {}", label.unwrap_or(CURRENT)), |id| format!("VersionId: {id}"));
    version.value.is_some().then_some(version).ok_or_else(|| no_value(&which))
}

pub(in super::super) fn put_secret_value(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let secret_id = input.required("SecretId")?;
    let token = check::token(&mut input)?;
    let value = check::value(&mut input)?.ok_or_else(|| invalid_parameter("You must provide a SecretString."))?;
    let labels: BTreeSet<String> = input.texts("VersionStages")?.into_iter().collect();
    let rotation_token = input.text("RotationToken")?;
    input.finish()?;
    let arn = permitted(world, caller, region, &secret_id, "PutSecretValue")?;
    let key = alive(world, &arn)?.kms_key_id.clone();
    permit_key(world, caller, region, key.as_deref(), &["kms:GenerateDataKey", "kms:Decrypt"])?;

    let now = world.now();
    let secret = alive(world, &arn)?;
    if let Some(rotation_token) = &rotation_token
        && !rotation::accepts(secret, rotation_token)
    {
        return Err(invalid_parameter("The RotationToken is not that of a rotation under way."));
    }
    let current = secret.labelled(CURRENT).map(|version| version.id.clone());
    secret.put(&token, value, &labels, now)?;
    if let Some(version) = secret.version_mut(&token).filter(|_| rotation_token.is_some()) {
        version.is_vouched_for = true;
    }
    let answer = object([
        ("ARN", Some(secret.arn.as_str().into())),
        ("Name", Some(secret.name.as_str().into())),
        ("VersionId", Some(token.as_str().into())),
        ("VersionStages", secret.version(&token).map(describe::labels)),
    ]);
    if secret.labelled(CURRENT).map(|version| &version.id) != current.as_ref() {
        // "Manually updating the secret value … is considered a valid rotation" for the next rotation's date.
        rotation::plan_next(world, &arn);
    }
    Ok(answer)
}
