//! S3: versioned buckets and their objects.

mod api;
mod bucket;
mod checksum;
mod delete_list;
mod error;
pub(crate) mod resources;
mod route;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::answer::Answer;
use crate::request::{Caller, Request};
use crate::{ApiError, World};

pub(crate) use route::operation;
pub use view::{BucketView, ObjectView};
pub(crate) use view::{buckets_of, texts};

/// Every bucket, by its name: names are global.
#[derive(Debug, Default)]
pub(crate) struct State {
    buckets: BTreeMap<String, bucket::Bucket>,
}

pub(crate) fn handle(world: &mut World, request: &Request) -> Result<Answer, ApiError> {
    let call = route::Call::take(request)?;
    match request.operation.as_str() {
        "DeleteObject" => api::delete_object(world, request, call),
        "DeleteObjects" => api::delete_objects(world, request, call),
        "GetBucketLocation" => api::get_bucket_location(world, request, call),
        "GetObject" | "HeadObject" => api::get_object(world, request, call),
        "HeadBucket" => api::head_bucket(world, request, call),
        "ListObjectVersions" => api::list_object_versions(world, request, call),
        "PutObject" => api::put_object(world, request, call),
        other => Err(ApiError::unknown("operation", other)),
    }
}

/// The account that the bucket in an ARN belongs to: the ARN itself does not tell.
pub(crate) fn owner_of<'a>(world: &'a World, arn: &str) -> Option<&'a str> {
    bucket_in(world, arn).map(|bucket| bucket.account.as_str())
}

/// The policy of the bucket in an ARN.
pub(crate) fn policy_on<'a>(world: &'a World, arn: &str) -> Option<&'a Value> {
    bucket_in(world, arn)?.policy.as_ref()
}

fn bucket_in<'a>(world: &'a World, arn: &str) -> Option<&'a bucket::Bucket> {
    let path = arn.strip_prefix("arn:")?.split_once(":s3:::")?.1;
    world.s3.buckets.get(path.split('/').next().unwrap_or_default())
}

/// Reads an object with the permissions of `caller`, for CloudFormation's TemplateURL.
pub(crate) fn read(world: &mut World, caller: &Caller, bucket: &str, key: &str) -> Result<Vec<u8>, ApiError> {
    world.authorize(
        caller,
        "s3:GetObject",
        &format!("arn:{}:s3:::{bucket}/{key}", caller.partition()),
        &BTreeMap::new(),
    )?;
    let bucket = bucket::named(world, bucket)?;
    Ok(bucket.latest(key).and_then(|version| version.body.as_deref()).ok_or_else(error::no_such_key)?.to_vec())
}

/// Reads an object for a service in `region`, which reads no bucket of another region.
pub(crate) fn read_in_region(
    world: &mut World,
    caller: &Caller,
    region: &str,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Result<Arc<[u8]>, ApiError> {
    let action = if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    world.authorize(caller, action, &format!("arn:{}:s3:::{bucket}/{key}", caller.partition()), &BTreeMap::new())?;
    let bucket = bucket::named(world, bucket)?;
    bucket.check_region(region)?;
    let found = match version {
        Some(id) => bucket.version(key, id),
        None => bucket.latest(key),
    };
    found.and_then(|version| version.body.clone()).ok_or_else(error::no_such_key)
}
