//! AWS::CloudWatch::Alarm.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::alarm::{Alarm, arn_of};
use super::super::watch;
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, tags};
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &[
        "ActionsEnabled",
        "AlarmActions",
        "AlarmDescription",
        "AlarmName",
        "ComparisonOperator",
        "DatapointsToAlarm",
        "Dimensions",
        "EvaluationPeriods",
        "InsufficientDataActions",
        "MetricName",
        "Metrics",
        "Namespace",
        "OKActions",
        "Period",
        "Statistic",
        "Tags",
        "Threshold",
        "TreatMissingData",
    ],
    required: &["ComparisonOperator", "EvaluationPeriods"],
    create_only: &["AlarmName"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::None,
    readable: Some(&[
        "ActionsEnabled",
        "AlarmActions",
        "AlarmDescription",
        "ComparisonOperator",
        "DatapointsToAlarm",
        "Dimensions",
        "EvaluationPeriods",
        "InsufficientDataActions",
        "MetricName",
        "Metrics",
        "Namespace",
        "OKActions",
        "Period",
        "Statistic",
        "Tags",
        "Threshold",
        "TreatMissingData",
    ]),
};

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let mut alarm = Alarm::take(order, world.now())?;
    if alarm.name.is_empty() {
        alarm.name = order.generated_name(world, 255);
    }
    let arn = arn_of(order, &alarm.name);
    permit_put(world, order, &arn, &alarm)?;
    if world.cloudwatch.alarms.contains_key(&arn) {
        let message = format!("Alarm {} already exists", alarm.name);
        return Err(ApiError::new("ResourceAlreadyExists", message));
    }
    let created = put(world, arn.clone(), alarm);
    watch::begin(world, &arn);
    Ok(created)
}

/// An alarm keeps its state when it is changed, so it also keeps its beginning.
pub(super) fn update(world: &mut World, order: &Order, id: &str) -> Result<Created, ApiError> {
    let arn = arn_of(order, id);
    let not_found = || ApiError::new("ResourceNotFound", format!("Alarm {id} does not exist"));
    let present = world.cloudwatch.alarms.get(&arn).map(|alarm| (alarm.created, alarm.told));
    let (created, told) = present.ok_or_else(not_found)?;
    let alarm = Alarm { name: id.to_owned(), told, ..Alarm::take(order, created)? };
    permit_put(world, order, &arn, &alarm)?;
    Ok(put(world, arn, alarm))
}

pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    let arn = arn_of(order, id);
    world.authorize(&order.caller, "cloudwatch:DeleteAlarms", &arn, &BTreeMap::new())?;
    world.cloudwatch.alarms.remove(&arn);
    Ok(())
}

pub(super) fn read(world: &World, order: &Order, id: &str) -> Option<Value> {
    let alarm = world.cloudwatch.alarms.get(&arn_of(order, id))?;
    let mut properties = alarm.given.clone();
    if let Some(fields) = properties.as_object_mut() {
        fields.remove("Tags");
        fields.extend(tags(&alarm.tags).map(|tags| ("Tags".to_owned(), tags)));
    }
    Some(properties)
}

fn permit_put(world: &mut World, order: &Order, arn: &str, alarm: &Alarm) -> Result<(), ApiError> {
    world.authorize(&order.caller, "cloudwatch:PutMetricAlarm", arn, &BTreeMap::new())?;
    match alarm.tags.is_empty() {
        true => Ok(()),
        false => world.authorize(&order.caller, "cloudwatch:TagResource", arn, &BTreeMap::new()),
    }
}

fn put(world: &mut World, arn: String, alarm: Alarm) -> Created {
    let attributes = BTreeMap::from([("Arn".to_owned(), arn.clone())]);
    let created = Created { physical_id: alarm.name.clone(), attributes };
    world.cloudwatch.alarms.insert(arn, alarm);
    created
}
