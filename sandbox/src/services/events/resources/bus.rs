//! AWS::Events::EventBus.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::bus::{Bus, arn_of, check, not_found};
use super::super::rule::invalid;
use super::permit;
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set, tags};
use crate::{ApiError, World};

/// Its `Policy` is left out: that is what [`super::BUS_POLICY`] is for.
pub(super) const SCHEMA: Schema = Schema {
    properties: &["Name", "Description", "Tags"],
    required: &["Name"],
    create_only: &["Name"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::None,
    readable: Some(&["Description", "Tags"]),
};

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let (name, bus) = wanted(order)?;
    let arn = arn_of(&order.caller.account, &order.region, &name);
    permit(world, order, &arn, "events:CreateEventBus")?;
    if !bus.tags.is_empty() {
        permit(world, order, &arn, "events:TagResource")?;
    }
    if world.events.buses.contains_key(&arn) {
        let message = format!("Event bus {name} already exists.");
        return Err(ApiError::new("ResourceAlreadyExistsException", message));
    }
    world.events.buses.insert(arn.clone(), bus);
    Ok(created(name, arn))
}

pub(super) fn update(world: &mut World, order: &Order, id: &str) -> Result<Created, ApiError> {
    let (_, wanted) = wanted(order)?;
    let arn = arn_of(&order.caller.account, &order.region, id);
    let present = world.events.buses.get(&arn).ok_or_else(|| not_found(id))?;
    let gives_up_tag = present.tags.keys().any(|key| !wanted.tags.contains_key(key));
    let sets_tag = wanted.tags.iter().any(|(key, value)| present.tags.get(key) != Some(value));
    let needed = [
        (present.description != wanted.description, "events:UpdateEventBus"),
        (sets_tag, "events:TagResource"),
        (gives_up_tag, "events:UntagResource"),
    ];
    for (_, action) in needed.iter().filter(|(is_needed, _)| *is_needed) {
        permit(world, order, &arn, action)?;
    }
    if let Some(bus) = world.events.buses.get_mut(&arn) {
        (bus.description, bus.tags) = (wanted.description, wanted.tags);
    }
    Ok(created(id.to_owned(), arn))
}

/// A bus with rules on it cannot be deleted.
pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    let arn = arn_of(&order.caller.account, &order.region, id);
    permit(world, order, &arn, "events:DeleteEventBus")?;
    let rules = super::super::rule::arn_of(&order.caller.account, &order.region, id, "");
    if world.events.rules.keys().any(|rule| rule.starts_with(&rules)) {
        return Err(invalid("Event bus can't be deleted since it has rules."));
    }
    world.events.buses.remove(&arn);
    Ok(())
}

pub(super) fn read(world: &World, order: &Order, id: &str) -> Option<Value> {
    let bus = world.events.buses.get(&arn_of(&order.caller.account, &order.region, id))?;
    Some(set([("Description", bus.description.as_deref().map(Value::from)), ("Tags", tags(&bus.tags))]))
}

fn wanted(order: &Order) -> Result<(String, Bus), ApiError> {
    let mut input = order.input()?;
    let name = input.required("Name")?;
    let bus = Bus { description: input.text("Description")?, tags: input.tags("Tags")?, statements: BTreeMap::new() };
    input.finish()?;
    check(&name, &bus)?;
    Ok((name, bus))
}

fn created(name: String, arn: String) -> Created {
    let attributes = BTreeMap::from([("Arn".to_owned(), arn), ("Name".to_owned(), name.clone())]);
    Created { physical_id: name, attributes }
}
