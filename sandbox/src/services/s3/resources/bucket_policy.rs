//! AWS::S3::BucketPolicy.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::bucket::of_account;
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set};
use crate::services::iam;
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &["Bucket", "PolicyDocument"],
    required: &["Bucket", "PolicyDocument"],
    create_only: &["Bucket"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::None,
    readable: Some(&["PolicyDocument"]),
};

/// Creates or replaces the policy.
pub(super) fn put(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let mut input = order.input()?;
    let name = input.required("Bucket")?;
    let policy = input.value("PolicyDocument");
    input.finish()?;
    permit(world, order, &name, "s3:PutBucketPolicy")?;
    let is_public = policy.as_ref().map(iam::is_public).transpose()?.unwrap_or_default();
    let bucket = of_account(world, &order.caller.account, &name)?;
    if is_public && bucket.settings.blocks_public_policies() {
        let message = "public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.";
        return Err(ApiError::new("AccessDenied", message).with_status(403));
    }
    bucket.policy = policy;
    Ok(Created { physical_id: name, attributes: BTreeMap::new() })
}

pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    permit(world, order, id, "s3:DeleteBucketPolicy")?;
    if let Ok(bucket) = of_account(world, &order.caller.account, id) {
        bucket.policy = None;
    }
    Ok(())
}

pub(super) fn read(world: &World, order: &Order, id: &str) -> Option<Value> {
    let bucket = world.s3.buckets.get(id).filter(|bucket| bucket.account == order.caller.account)?;
    bucket.policy.as_ref().map(|policy| set([("PolicyDocument", Some(policy.clone()))]))
}

fn permit(world: &mut World, order: &Order, name: &str, action: &str) -> Result<(), ApiError> {
    let arn = format!("arn:{}:s3:::{name}", order.caller.partition());
    world.authorize(&order.caller, action, &arn, &BTreeMap::new())
}
