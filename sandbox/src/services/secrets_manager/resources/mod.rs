//! The resource types of this service, for CloudFormation.

mod rotation_schedule;
mod secret;

use serde_json::Value;

use crate::services::cloudformation::resource::{Created, Order, Schema};
use crate::{ApiError, World};

const SECRET: &str = "AWS::SecretsManager::Secret";
const ROTATION_SCHEDULE: &str = "AWS::SecretsManager::RotationSchedule";

pub(crate) fn schema(kind: &str) -> Result<Schema, ApiError> {
    match kind {
        SECRET => Ok(secret::SCHEMA),
        ROTATION_SCHEDULE => Ok(rotation_schedule::SCHEMA),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        SECRET => secret::create(world, order),
        ROTATION_SCHEDULE => rotation_schedule::put(world, order),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn update(world: &mut World, order: &Order, id: &str, previous: &Value) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        SECRET => secret::update(world, order, id, previous),
        ROTATION_SCHEDULE => rotation_schedule::put(world, order),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    match order.kind.as_str() {
        SECRET => secret::delete(world, order, id),
        ROTATION_SCHEDULE => rotation_schedule::delete(world, order, id),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    match order.kind.as_str() {
        SECRET => Ok(secret::read(world, id)),
        ROTATION_SCHEDULE => Ok(rotation_schedule::read(world, id)),
        other => Err(ApiError::unknown("reading of", other)),
    }
}

pub(crate) fn find(world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    match order.kind.as_str() {
        SECRET => secret::find(world, order),
        other => Err(ApiError::unknown("import of", other)),
    }
}
