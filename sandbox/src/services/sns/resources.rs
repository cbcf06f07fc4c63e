//! The resource types of this service, for CloudFormation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{subscription, topic};
use crate::services::cloudformation::resource::{Created, Order, Schema};
use crate::{ApiError, World};

const SUBSCRIPTION: &str = "AWS::SNS::Subscription";
const TOPIC: &str = "AWS::SNS::Topic";
const TOPIC_POLICY: &str = "AWS::SNS::TopicPolicy";

pub(crate) fn schema(kind: &str) -> Result<Schema, ApiError> {
    match kind {
        SUBSCRIPTION => Ok(subscription::SUBSCRIPTION),
        TOPIC => Ok(topic::TOPIC),
        TOPIC_POLICY => Ok(topic::POLICY),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        SUBSCRIPTION => subscription::create(world, order),
        TOPIC => topic::create(world, order),
        TOPIC_POLICY => topic::put_policy(world, order),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn update(world: &mut World, order: &Order, id: &str, _previous: &Value) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        TOPIC => topic::update(world, order, id),
        TOPIC_POLICY => topic::put_policy(world, order),
        other => Err(ApiError::unknown("update of", other)),
    }
}

pub(crate) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    match order.kind.as_str() {
        SUBSCRIPTION => subscription::delete(world, order, id),
        TOPIC => topic::delete(world, order, id),
        TOPIC_POLICY => topic::delete_policy(world, order),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    match order.kind.as_str() {
        SUBSCRIPTION => Ok(subscription::read(world, id)),
        TOPIC => Ok(topic::read(world, id)),
        other => Err(ApiError::unknown("reading of", other)),
    }
}

pub(crate) fn find(_world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    Err(ApiError::unknown("import of", &order.kind))
}

pub(super) fn permit(world: &mut World, order: &Order, operation: &str, arn: &str) -> Result<(), ApiError> {
    world.authorize(&order.caller, &format!("sns:{operation}"), arn, &BTreeMap::new())
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameter", message)
}
