//! AWS::Events::EventBusPolicy: one statement of a bus's policy.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::bus::{DEFAULT, arn_of, not_found};
use super::super::rule::{check_name, invalid};
use super::permit;
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set};
use crate::services::iam::check_resource_policy;
use crate::{ApiError, World};

/// The older way to say it, by `Action`, `Principal` and `Condition`, is left out.
pub(super) const SCHEMA: Schema = Schema {
    properties: &["EventBusName", "Statement", "StatementId"],
    required: &["EventBusName", "Statement", "StatementId"],
    create_only: &["EventBusName", "StatementId"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::None,
    readable: Some(&["Statement"]),
};

struct Wanted {
    bus: String,
    id: String,
    statement: Value,
}

/// Creates or replaces the statement.
pub(super) fn put(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let Wanted { bus, id, mut statement } = wanted(order)?;
    let arn = arn_of(&order.caller.account, &order.region, &bus);
    permit(world, order, &arn, "events:PutPermission")?;
    if statement.get("Resource").and_then(Value::as_str) != Some(arn.as_str()) {
        return Err(invalid(format!("the statement is about another resource than {arn}")));
    }
    let fields = statement.as_object_mut().ok_or_else(|| invalid("Statement is no object"))?;
    fields.insert("Sid".to_owned(), id.clone().into());
    check_resource_policy(&json!({ "Version": "2012-10-17", "Statement": [fields] }))?;
    let found = world.events.buses.get_mut(&arn).ok_or_else(|| not_found(&bus))?;
    found.statements.insert(id.clone(), statement);
    Ok(Created { physical_id: format!("{bus}|{id}"), attributes: BTreeMap::new() })
}

pub(super) fn delete(world: &mut World, order: &Order) -> Result<(), ApiError> {
    let Wanted { bus, id, .. } = wanted(order)?;
    let arn = arn_of(&order.caller.account, &order.region, &bus);
    permit(world, order, &arn, "events:RemovePermission")?;
    if let Some(bus) = world.events.buses.get_mut(&arn) {
        bus.statements.remove(&id);
    }
    Ok(())
}

pub(super) fn read(world: &World, order: &Order) -> Result<Option<Value>, ApiError> {
    let Wanted { bus, id, .. } = wanted(order)?;
    let bus = world.events.buses.get(&arn_of(&order.caller.account, &order.region, &bus));
    let statement = bus.and_then(|bus| bus.statements.get(&id)).map(|statement| {
        let mut statement = statement.clone();
        statement.as_object_mut().map(|fields| fields.remove("Sid"));
        set([("Statement", Some(statement))])
    });
    Ok(statement)
}

fn wanted(order: &Order) -> Result<Wanted, ApiError> {
    let mut input = order.input()?;
    let (bus, id) = (input.required("EventBusName")?, input.required("StatementId")?);
    let statement = input.value("Statement").ok_or_else(|| invalid("Statement is missing"))?;
    input.finish()?;
    check_name("statement id", &id)?;
    if bus == DEFAULT {
        return Err(ApiError::unknown("policy of the bus", DEFAULT));
    }
    Ok(Wanted { bus, id, statement })
}
