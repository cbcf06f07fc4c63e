//! The resource types of this service, for CloudFormation.

mod log_group;
mod resource_policy;

use serde_json::Value;

use crate::services::cloudformation::resource::{Created, Order, Schema};
use crate::{ApiError, World};

const LOG_GROUP: &str = "AWS::Logs::LogGroup";
const RESOURCE_POLICY: &str = "AWS::Logs::ResourcePolicy";

pub(crate) fn schema(kind: &str) -> Result<Schema, ApiError> {
    match kind {
        LOG_GROUP => Ok(log_group::SCHEMA),
        RESOURCE_POLICY => Ok(resource_policy::SCHEMA),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        LOG_GROUP => log_group::create(world, order),
        RESOURCE_POLICY => resource_policy::create(world, order),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn update(world: &mut World, order: &Order, id: &str, _previous: &Value) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        LOG_GROUP => log_group::update(world, order, id),
        RESOURCE_POLICY => resource_policy::update(world, order),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    match order.kind.as_str() {
        LOG_GROUP => log_group::delete(world, order, id),
        RESOURCE_POLICY => resource_policy::delete(world, order, id),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    match order.kind.as_str() {
        LOG_GROUP => Ok(log_group::read(world, order, id)),
        RESOURCE_POLICY => Ok(resource_policy::read(world, order, id)),
        other => Err(ApiError::unknown("reading of", other)),
    }
}

pub(crate) fn find(world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    match order.kind.as_str() {
        LOG_GROUP => log_group::find(world, order),
        other => Err(ApiError::unknown("import of", other)),
    }
}
