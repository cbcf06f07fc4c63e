//! The resource types of this service, for CloudFormation.

mod configuration;
mod function;
mod permission;

use serde_json::Value;

use crate::services::cloudformation::resource::{Created, Order, Schema};
use crate::{ApiError, World};

const FUNCTION: &str = "AWS::Lambda::Function";
const PERMISSION: &str = "AWS::Lambda::Permission";

pub(crate) fn schema(kind: &str) -> Result<Schema, ApiError> {
    match kind {
        FUNCTION => Ok(function::SCHEMA),
        PERMISSION => Ok(permission::SCHEMA),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        FUNCTION => function::create(world, order),
        PERMISSION => permission::create(world, order),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn update(world: &mut World, order: &Order, id: &str, previous: &Value) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        FUNCTION => function::update(world, order, id, previous),
        other => Err(ApiError::unknown("update of", other)),
    }
}

pub(crate) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    match order.kind.as_str() {
        FUNCTION => function::delete(world, order, id),
        PERMISSION => permission::delete(world, order, id),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    match order.kind.as_str() {
        FUNCTION => Ok(function::read(world, order, id)),
        PERMISSION => permission::read(world, order, id),
        other => Err(ApiError::unknown("reading of", other)),
    }
}

pub(crate) fn find(world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    match order.kind.as_str() {
        FUNCTION => function::find(world, order),
        other => Err(ApiError::unknown("import of", other)),
    }
}
