//! RotateSecret and CancelRotateSecret.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::check;
use super::super::error::invalid_request;
use super::super::lookup::{alive, permitted};
use super::super::rotation::{self, Extent, Rotation};
use super::super::schedule::Rules;
use super::super::secret::Secret;
use super::object;
use crate::input::JsonInput;
use crate::request::Caller;
use crate::{ApiError, World};

pub(in super::super) fn rotate_secret(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let id = input.required("SecretId")?;
    let token = check::token(&mut input)?;
    let function = input.text("RotationLambdaARN")?;
    let rules = input.structure("RotationRules")?.map(Rules::take).transpose()?;
    let immediately = input.flag("RotateImmediately")?.unwrap_or(true);
    input.finish()?;
    let arn = permitted(world, caller, region, &id, "RotateSecret")?;

    let secret = alive(world, &arn)?;
    if secret.version(&token).is_some() {
        // The same request once more.
        return Ok(answer(secret, Some(&token)));
    }
    let configured = secret.rotation.as_ref();
    let function = function
        .or_else(|| configured.map(|rotation| rotation.function.clone()))
        .ok_or_else(|| invalid_request("No Lambda rotation function ARN is associated with this secret."))?;
    let rules = rules.or_else(|| configured.and_then(|rotation| rotation.rules.clone()));
    if rules.is_none() {
        // AWS does not say what it does then; keyturn always has rules.
        return Err(invalid_request("You must specify RotationRules to turn on rotation."));
    }
    world.authorize(caller, "lambda:InvokeFunction", &function, &BTreeMap::new())?;
    rotation::check_function(world, &arn, &function)?;
    if alive(world, &arn)?.incomplete().is_some() {
        rotation::reattempt(world, &arn);
        return Err(invalid_request("A previous rotation isn't complete. That rotation will be reattempted."));
    }

    let secret = alive(world, &arn)?;
    secret.rotation = Some(Rotation::new(function, rules));
    rotation::plan_next(world, &arn);
    rotation::start(world, &arn, &token, if immediately { Extent::Full } else { Extent::Test })?;
    Ok(answer(alive(world, &arn)?, Some(&token)))
}

pub(in super::super) fn cancel_rotate_secret(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let id = input.required("SecretId")?;
    input.finish()?;
    let arn = permitted(world, caller, region, &id, "CancelRotateSecret")?;
    cancel(world, &arn)?;
    let secret = alive(world, &arn)?;
    let pending = secret.incomplete().map(|version| version.id.clone());
    Ok(answer(secret, pending.as_deref()))
}

/// Turns rotation off, and ends the one under way.
pub(in super::super) fn cancel(world: &mut World, arn: &str) -> Result<(), ApiError> {
    let now = world.now();
    let secret = alive(world, arn)?;
    let Some(rotation) = secret.rotation.as_mut().filter(|rotation| rotation.enabled) else {
        return Err(invalid_request("You can't cancel rotation for a secret that does not have rotation enabled."));
    };
    rotation.enabled = false;
    secret.changed = now;
    rotation::stop(world, arn);
    Ok(())
}

fn answer(secret: &Secret, version: Option<&str>) -> Value {
    object([
        ("ARN", Some(secret.arn.as_str().into())),
        ("Name", Some(secret.name.as_str().into())),
        ("VersionId", version.map(Value::from)),
    ])
}
