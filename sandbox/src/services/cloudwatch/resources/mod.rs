//! The resource types of this service, for CloudFormation.

mod alarm;
mod dashboard;

use serde_json::Value;

use crate::services::cloudformation::resource::{Created, Order, Schema};
use crate::{ApiError, World};

const ALARM: &str = "AWS::CloudWatch::Alarm";
const DASHBOARD: &str = "AWS::CloudWatch::Dashboard";

pub(crate) fn schema(kind: &str) -> Result<Schema, ApiError> {
    match kind {
        ALARM => Ok(alarm::SCHEMA),
        DASHBOARD => Ok(dashboard::SCHEMA),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        ALARM => alarm::create(world, order),
        DASHBOARD => dashboard::create(world, order),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn update(world: &mut World, order: &Order, id: &str, _previous: &Value) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        ALARM => alarm::update(world, order, id),
        DASHBOARD => dashboard::update(world, order, id),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    match order.kind.as_str() {
        ALARM => alarm::delete(world, order, id),
        DASHBOARD => dashboard::delete(world, order, id),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    match order.kind.as_str() {
        ALARM => Ok(alarm::read(world, order, id)),
        DASHBOARD => Ok(dashboard::read(world, order, id)),
        other => Err(ApiError::unknown("reading of", other)),
    }
}

pub(crate) fn find(_world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    Err(ApiError::unknown("import of", &order.kind))
}
