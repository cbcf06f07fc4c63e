//! The resource types of this service, for CloudFormation.

mod bus;
mod bus_policy;
mod rule;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::services::cloudformation::resource::{Created, Order, Schema};
use crate::{ApiError, World};

const BUS: &str = "AWS::Events::EventBus";
const BUS_POLICY: &str = "AWS::Events::EventBusPolicy";
const RULE: &str = "AWS::Events::Rule";

pub(crate) fn schema(kind: &str) -> Result<Schema, ApiError> {
    match kind {
        BUS => Ok(bus::SCHEMA),
        BUS_POLICY => Ok(bus_policy::SCHEMA),
        RULE => Ok(rule::SCHEMA),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        BUS => bus::create(world, order),
        BUS_POLICY => bus_policy::put(world, order),
        RULE => rule::create(world, order),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn update(world: &mut World, order: &Order, id: &str, _previous: &Value) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        BUS => bus::update(world, order, id),
        BUS_POLICY => bus_policy::put(world, order),
        RULE => rule::update(world, order, id),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    match order.kind.as_str() {
        BUS => bus::delete(world, order, id),
        BUS_POLICY => bus_policy::delete(world, order),
        RULE => rule::delete(world, order, id),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    match order.kind.as_str() {
        BUS => Ok(bus::read(world, order, id)),
        BUS_POLICY => bus_policy::read(world, order),
        RULE => rule::read(world, order, id),
        other => Err(ApiError::unknown("reading of", other)),
    }
}

pub(crate) fn find(_world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    Err(ApiError::unknown("import of", &order.kind))
}

fn permit(world: &mut World, order: &Order, arn: &str, action: &str) -> Result<(), ApiError> {
    world.authorize(&order.caller, action, arn, &BTreeMap::new())
}
