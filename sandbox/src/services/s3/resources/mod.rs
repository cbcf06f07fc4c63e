//! The resource types of this service, for CloudFormation.

mod bucket;
mod bucket_policy;

use serde_json::Value;

pub(super) use self::bucket::open;
use crate::services::cloudformation::resource::{Created, Order, Schema};
use crate::{ApiError, World};

const BUCKET: &str = "AWS::S3::Bucket";
const BUCKET_POLICY: &str = "AWS::S3::BucketPolicy";

pub(crate) fn schema(kind: &str) -> Result<Schema, ApiError> {
    match kind {
        BUCKET => Ok(bucket::SCHEMA),
        BUCKET_POLICY => Ok(bucket_policy::SCHEMA),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        BUCKET => bucket::create(world, order),
        BUCKET_POLICY => bucket_policy::put(world, order),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn update(world: &mut World, order: &Order, id: &str, _previous: &Value) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        BUCKET => bucket::update(world, order, id),
        BUCKET_POLICY => bucket_policy::put(world, order),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    match order.kind.as_str() {
        BUCKET => bucket::delete(world, order, id),
        BUCKET_POLICY => bucket_policy::delete(world, order, id),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    match order.kind.as_str() {
        BUCKET => Ok(bucket::read(world, order, id)),
        BUCKET_POLICY => Ok(bucket_policy::read(world, order, id)),
        other => Err(ApiError::unknown("reading of", other)),
    }
}

pub(crate) fn find(world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    match order.kind.as_str() {
        BUCKET => bucket::find(world, order),
        other => Err(ApiError::unknown("import of", other)),
    }
}
