//! AWS::Logs::LogGroup.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::group::{LogGroup, arn_of, check_name, check_retention};
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set, tags};
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &["LogGroupName", "RetentionInDays", "KmsKeyId", "Tags"],
    required: &[],
    create_only: &["LogGroupName"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::Property("LogGroupName"),
    readable: Some(&["RetentionInDays", "Tags"]),
};

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let wanted = wanted(order)?;
    let name = match wanted.name.is_empty() {
        true => order.generated_name(world, 512),
        false => wanted.name.clone(),
    };
    check_name(&name)?;
    permit(world, order, &name, "logs:CreateLogGroup")?;
    if wanted.retention.is_some() {
        permit(world, order, &name, "logs:PutRetentionPolicy")?;
    }
    if !wanted.tags.is_empty() {
        permit(world, order, &name, "logs:TagResource")?;
    }
    let arn = arn_of(&order.caller.account, &order.region, &name);
    if world.logs.groups.contains_key(&arn) {
        return Err(ApiError::new("ResourceAlreadyExistsException", "The specified log group already exists"));
    }
    world.logs.groups.insert(arn, LogGroup { name: name.clone(), ..wanted });
    Ok(created(order, &name))
}

pub(super) fn update(world: &mut World, order: &Order, id: &str) -> Result<Created, ApiError> {
    let wanted = wanted(order)?;
    let action = if wanted.retention.is_some() { "logs:PutRetentionPolicy" } else { "logs:DeleteRetentionPolicy" };
    permit(world, order, id, action)?;
    let arn = arn_of(&order.caller.account, &order.region, id);
    let group = world
        .logs
        .groups
        .get_mut(&arn)
        .ok_or_else(|| ApiError::new("ResourceNotFoundException", "The specified log group does not exist."))?;
    (group.retention, group.key, group.tags) = (wanted.retention, wanted.key, wanted.tags);
    Ok(created(order, id))
}

pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    permit(world, order, id, "logs:DeleteLogGroup")?;
    world.logs.groups.remove(&arn_of(&order.caller.account, &order.region, id));
    Ok(())
}

pub(super) fn read(world: &World, order: &Order, id: &str) -> Option<Value> {
    let group = world.logs.groups.get(&arn_of(&order.caller.account, &order.region, id));
    let read =
        |group: &LogGroup| set([("RetentionInDays", group.retention.map(Value::from)), ("Tags", tags(&group.tags))]);
    group.map(read)
}

pub(super) fn find(world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    let name = wanted(order)?.name;
    permit(world, order, &name, "logs:DescribeLogGroups")?;
    let arn = arn_of(&order.caller.account, &order.region, &name);
    Ok(world.logs.groups.contains_key(&arn).then(|| created(order, &name)))
}

/// The log group that the properties describe; without a name when they leave that to CloudFormation.
fn wanted(order: &Order) -> Result<LogGroup, ApiError> {
    let mut input = order.input()?;
    let group = LogGroup {
        name: input.text("LogGroupName")?.unwrap_or_default(),
        retention: input.number("RetentionInDays")?,
        key: input.text("KmsKeyId")?,
        tags: input.tags("Tags")?,
        ..LogGroup::default()
    };
    input.finish()?;
    check_retention(group.retention)?;
    Ok(group)
}

fn permit(world: &mut World, order: &Order, name: &str, action: &str) -> Result<(), ApiError> {
    let arn = arn_of(&order.caller.account, &order.region, name);
    world.authorize(&order.caller, action, &arn, &BTreeMap::new())
}

/// `Fn::GetAtt` of a log group's Arn ends in `:*`, for use in policies.
fn created(order: &Order, name: &str) -> Created {
    let arn = format!("{}:*", arn_of(&order.caller.account, &order.region, name));
    Created { physical_id: name.to_owned(), attributes: BTreeMap::from([("Arn".to_owned(), arn)]) }
}
