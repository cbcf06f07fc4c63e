//! DeleteSecret and RestoreSecret.

use std::time::Duration;

use serde_json::Value;

use super::super::error::{invalid_parameter, invalid_request, not_found};
use super::super::lookup::permitted;
use super::super::{Due, cancel, rotation};
use super::{object, time};
use crate::input::JsonInput;
use crate::request::Caller;
use crate::{ApiError, World};

/// The recovery window when none is asked for, in days.
const DEFAULT_WINDOW: i64 = 30;

pub(in super::super) fn delete_secret(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let id = input.required("SecretId")?;
    let days = input.number("RecoveryWindowInDays")?;
    let force = input.flag("ForceDeleteWithoutRecovery")?.unwrap_or(false);
    input.finish()?;
    if force && days.is_some() {
        return Err(invalid_parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ));
    }
    let days = days.unwrap_or(DEFAULT_WINDOW);
    let hours = u64::try_from(days * 24)
        .ok()
        .filter(|_| (7..=30).contains(&days))
        .ok_or_else(|| invalid_parameter("RecoveryWindowInDays must be between 7 and 30 days (inclusive)."))?;
    let arn = permitted(world, caller, region, &id, "DeleteSecret")?;

    let window = if force { Duration::ZERO } else { Duration::from_hours(hours) };
    let (now, end) = (world.now(), world.agenda.after(window));
    let secret = world.secrets_manager.secrets.get_mut(&arn).ok_or_else(not_found)?;
    if secret.deletion.is_some() && !force {
        return Err(invalid_request(
            "You can't perform this operation on the secret because it was already scheduled for deletion.",
        ));
    }
    if !secret.replicas.is_empty() {
        return Err(invalid_request("You can't delete a secret that still has replicas in other regions."));
    }
    secret.deletion = Some(end);
    secret.changed = now;
    let name = secret.name.clone();
    rotation::stop(world, &arn);
    if force {
        remove(world, &arn);
    } else {
        world.agenda.appoint(end, Due::Deletion(arn.clone()).into());
    }
    Ok(object([("ARN", Some(arn.into())), ("Name", Some(name.into())), ("DeletionDate", Some(time(end)))]))
}

/// Removes a secret at once and for good.
pub(in super::super) fn remove(world: &mut World, arn: &str) {
    rotation::stop(world, arn);
    cancel(world, Due::Deletion(arn.to_owned()));
    world.secrets_manager.secrets.remove(arn);
}

pub(in super::super) fn restore_secret(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let id = input.required("SecretId")?;
    input.finish()?;
    let arn = permitted(world, caller, region, &id, "RestoreSecret")?;
    let now = world.now();
    cancel(world, Due::Deletion(arn.clone()));
    let secret = world.secrets_manager.secrets.get_mut(&arn).ok_or_else(not_found)?;
    secret.deletion = None;
    secret.changed = now;
    let name = secret.name.clone();
    rotation::plan_next(world, &arn);
    Ok(object([("ARN", Some(arn.into())), ("Name", Some(name.into()))]))
}
