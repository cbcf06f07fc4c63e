//! AWS::Logs::ResourcePolicy: which services may write into log groups of the account.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::policy::{Policy, arn_of};
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set};
use crate::services::iam::check_resource_policy;
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &["PolicyDocument", "PolicyName"],
    required: &["PolicyDocument", "PolicyName"],
    create_only: &["PolicyName"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::None,
    readable: Some(&["PolicyDocument"]),
};

/// "Resource policies: up to 10 per Region per account" in AWS's quotas, and characters of one (API reference,
/// PutResourcePolicy).
const MOST: usize = 10;
const LONGEST: usize = 5120;

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let (name, policy) = wanted(order)?;
    permit(world, order, "logs:PutResourcePolicy")?;
    let arn = arn_of(&order.caller.account, &order.region, &name);
    if world.logs.policies.contains_key(&arn) {
        return Err(ApiError::new("AlreadyExists", format!("the resource policy {name} exists")));
    }
    let all = arn_of(&order.caller.account, &order.region, "");
    if world.logs.policies.keys().filter(|arn| arn.starts_with(&all)).count() >= MOST {
        return Err(ApiError::new("LimitExceededException", format!("there are {MOST} resource policies already")));
    }
    world.logs.policies.insert(arn, policy);
    Ok(Created { physical_id: name, attributes: BTreeMap::new() })
}

pub(super) fn update(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let (name, policy) = wanted(order)?;
    permit(world, order, "logs:PutResourcePolicy")?;
    world.logs.policies.insert(arn_of(&order.caller.account, &order.region, &name), policy);
    Ok(Created { physical_id: name, attributes: BTreeMap::new() })
}

pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    permit(world, order, "logs:DeleteResourcePolicy")?;
    world.logs.policies.remove(&arn_of(&order.caller.account, &order.region, id));
    Ok(())
}

pub(super) fn read(world: &World, order: &Order, id: &str) -> Option<Value> {
    let policy = world.logs.policies.get(&arn_of(&order.caller.account, &order.region, id))?;
    Some(set([("PolicyDocument", Some(policy.text.as_str().into()))]))
}

/// The policy is a text, not an object.
fn wanted(order: &Order) -> Result<(String, Policy), ApiError> {
    let mut input = order.input()?;
    let (name, text) = (input.required("PolicyName")?, input.required("PolicyDocument")?);
    input.finish()?;
    let document: Option<Value> = serde_json::from_str(&text).ok().filter(|_| text.chars().count() <= LONGEST);
    let invalid = || ApiError::new("InvalidParameterException", "Syntax error in the policy document.");
    let document = document.ok_or_else(invalid)?;
    check_resource_policy(&document)?;
    Ok((name, Policy { text, document }))
}

/// It knows no narrower resource than all policies of the account.
fn permit(world: &mut World, order: &Order, action: &str) -> Result<(), ApiError> {
    world.authorize(&order.caller, action, "*", &BTreeMap::new())
}
