//! The resource types of IAM, for CloudFormation.

mod managed_policy;
mod role;
mod role_policy;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::account::tag_context;
use crate::request::Caller;
use crate::services::cloudformation::resource::{Created, Order, Schema};
use crate::{ApiError, World};

const ROLE: &str = "AWS::IAM::Role";
const MANAGED_POLICY: &str = "AWS::IAM::ManagedPolicy";
const ROLE_POLICY: &str = "AWS::IAM::RolePolicy";

pub(crate) fn schema(kind: &str) -> Result<Schema, ApiError> {
    match kind {
        ROLE => Ok(role::SCHEMA),
        MANAGED_POLICY => Ok(managed_policy::SCHEMA),
        ROLE_POLICY => Ok(role_policy::SCHEMA),
        _ => Err(ApiError::unknown("resource type", kind)),
    }
}

pub(crate) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        ROLE => role::create(world, order),
        MANAGED_POLICY => managed_policy::create(world, order),
        ROLE_POLICY => role_policy::create(world, order),
        kind => Err(ApiError::unknown("resource type", kind)),
    }
}

pub(crate) fn update(world: &mut World, order: &Order, id: &str, previous: &Value) -> Result<Created, ApiError> {
    match order.kind.as_str() {
        ROLE => role::update(world, order, id, previous),
        MANAGED_POLICY => managed_policy::update(world, order, id, previous),
        ROLE_POLICY => role_policy::update(world, order),
        kind => Err(ApiError::unknown("resource type", kind)),
    }
}

pub(crate) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    match order.kind.as_str() {
        ROLE => role::delete(world, order, id),
        MANAGED_POLICY => managed_policy::delete(world, order, id),
        ROLE_POLICY => role_policy::delete(world, order),
        kind => Err(ApiError::unknown("resource type", kind)),
    }
}

pub(crate) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    match order.kind.as_str() {
        ROLE => Ok(role::read(world, order, id)),
        MANAGED_POLICY => Ok(managed_policy::read(world, order, id)),
        kind => Err(ApiError::unknown("reading of", kind)),
    }
}

pub(crate) fn find(world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    match order.kind.as_str() {
        ROLE => role::find(world, order),
        kind => Err(ApiError::unknown("import of", kind)),
    }
}

/// How long AWS takes to create a policy, and for the services to know it.
const POLICY_TAKES: Duration = Duration::from_secs(10);

/// The actions whose requests say which boundary the role has (service authorization reference, IAM).
const SAYING_BOUNDARY: [&str; 5] = [
    "iam:AttachRolePolicy",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePolicy",
];

/// Checks that the caller may do something with a role that is there, for `policy` if it is about one.
fn permit(world: &mut World, caller: &Caller, action: &str, role: &str, policy: Option<&str>) -> Result<(), ApiError> {
    let boundary = world.iam.role(&caller.account, role)?.permissions.boundary.clone();
    let boundary = boundary.filter(|_| SAYING_BOUNDARY.contains(&action));
    let about = about_boundary(boundary.as_deref()).into_iter().chain(about_policy(policy)).collect();
    permit_about(world, caller, action, role, about)
}

/// Checks the same for a request that says something besides.
fn permit_about(
    world: &mut World,
    caller: &Caller,
    action: &str,
    role: &str,
    about: BTreeMap<String, String>,
) -> Result<(), ApiError> {
    let role = world.iam.role(&caller.account, role)?;
    let (arn, mut context) = (role.arn.clone(), tag_context(&role.tags));
    context.extend(about);
    world.authorize(caller, action, &arn, &context)
}

/// The condition key that says which managed policy a request is about.
fn about_policy(arn: Option<&str>) -> BTreeMap<String, String> {
    arn.map(|arn| ("iam:PolicyARN".to_owned(), arn.to_owned())).into_iter().collect()
}

/// The condition key that says which boundary a role has, or gets.
fn about_boundary(arn: Option<&str>) -> BTreeMap<String, String> {
    arn.map(|arn| ("iam:PermissionsBoundary".to_owned(), arn.to_owned())).into_iter().collect()
}

#[cfg(test)]
mod tests;
