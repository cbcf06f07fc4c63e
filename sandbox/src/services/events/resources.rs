//! The resource type of this service, for CloudFormation: AWS::Events::Rule.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::rule::{Rule, Target, arn_of, check_description, check_name, invalid};
use super::{firing, rate};
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set, tags};
use crate::{ApiError, World};

/// AWS wants a ScheduleExpression or an EventPattern; the sandbox knows no patterns.
const RULE: Schema = Schema {
    properties: &["Name", "Description", "ScheduleExpression", "State", "Tags", "Targets"],
    required: &["ScheduleExpression"],
    create_only: &["Name"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::None,
    readable: Some(&["Description", "ScheduleExpression", "State", "Tags", "Targets"]),
};

pub(crate) fn schema(kind: &str) -> Result<Schema, ApiError> {
    match kind {
        "AWS::Events::Rule" => Ok(RULE),
        other => Err(ApiError::unknown("resource type", other)),
    }
}

pub(crate) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let mut rule = wanted(world, order)?;
    if rule.name.is_empty() {
        rule.name = order.generated_name(world, 64);
    }
    check_name("rule name", &rule.name)?;
    let arn = arn_of(&order.caller.account, &order.region, &rule.name);
    permit(world, order, &arn, "events:PutRule")?;
    if !rule.tags.is_empty() {
        permit(world, order, &arn, "events:TagResource")?;
    }
    if !rule.targets.is_empty() {
        permit(world, order, &arn, "events:PutTargets")?;
    }
    if world.events.rules.contains_key(&arn) {
        let message = format!("{} already exists", rule.name);
        return Err(ApiError::new("ResourceAlreadyExistsException", message));
    }
    Ok(put(world, arn, rule))
}

pub(crate) fn update(world: &mut World, order: &Order, id: &str, _previous: &Value) -> Result<Created, ApiError> {
    let rule = Rule { name: id.to_owned(), ..wanted(world, order)? };
    let arn = arn_of(&order.caller.account, &order.region, id);
    let not_found = || ApiError::new("ResourceNotFoundException", format!("Rule {id} does not exist."));
    let present = world.events.rules.get(&arn).ok_or_else(not_found)?;
    let gives_up_target = present.targets.iter().any(|old| rule.targets.iter().all(|new| new.id != old.id));
    let gives_up_tag = present.tags.keys().any(|key| !rule.tags.contains_key(key));
    let tags = rule.tags.iter().any(|(key, value)| present.tags.get(key) != Some(value));
    permit(world, order, &arn, "events:PutRule")?;
    let further = [
        (!rule.targets.is_empty(), "events:PutTargets"),
        (gives_up_target, "events:RemoveTargets"),
        (tags, "events:TagResource"),
        (gives_up_tag, "events:UntagResource"),
    ];
    for (_, action) in further.iter().filter(|(is_needed, _)| *is_needed) {
        permit(world, order, &arn, action)?;
    }
    Ok(put(world, arn, rule))
}

/// A rule can be deleted only when it has no targets any more, so they go first.
pub(crate) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    let arn = arn_of(&order.caller.account, &order.region, id);
    if world.events.rules.get(&arn).is_some_and(|rule| !rule.targets.is_empty()) {
        permit(world, order, &arn, "events:RemoveTargets")?;
    }
    permit(world, order, &arn, "events:DeleteRule")?;
    world.events.rules.remove(&arn);
    firing::plan(world, &arn);
    Ok(())
}

pub(crate) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    let rule = world.events.rules.get(&arn_of(&order.caller.account, &order.region, id));
    let read = |rule: &Rule| {
        let targets: Vec<Value> = rule.targets.iter().map(Target::to_json).collect();
        set([
            ("Description", rule.description.as_deref().map(Value::from)),
            ("ScheduleExpression", Some(rule.schedule.as_str().into())),
            ("State", Some(if rule.enabled { "ENABLED" } else { "DISABLED" }.into())),
            ("Tags", tags(&rule.tags)),
            ("Targets", (!targets.is_empty()).then(|| targets.into())),
        ])
    };
    Ok(rule.map(read))
}

pub(crate) fn find(_world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    Err(ApiError::unknown("import of", &order.kind))
}

/// The rule that the properties describe; without a name when they leave that to CloudFormation.
fn wanted(world: &World, order: &Order) -> Result<Rule, ApiError> {
    let mut input = order.input()?;
    let schedule = input.required("ScheduleExpression")?;
    let rule = Rule {
        name: input.text("Name")?.unwrap_or_default(),
        description: input.text("Description")?,
        interval: rate::parse(&schedule)?,
        schedule,
        enabled: match input.text("State")?.as_deref() {
            None | Some("ENABLED") => true,
            Some("DISABLED") => false,
            Some(other) => return Err(invalid(format!("the State `{other}` is neither ENABLED nor DISABLED"))),
        },
        targets: Target::take_all(input.items("Targets")?, &order.caller.account, &order.region)?,
        tags: input.tags("Tags")?,
        next: world.now(),
    };
    input.finish()?;
    check_description(rule.description.as_deref())?;
    Ok(rule)
}

/// Puts the rule in the place of the one that has its ARN, and begins its schedule.
fn put(world: &mut World, arn: String, rule: Rule) -> Created {
    let created =
        Created { physical_id: rule.name.clone(), attributes: BTreeMap::from([("Arn".to_owned(), arn.clone())]) };
    world.events.rules.insert(arn.clone(), rule);
    firing::plan(world, &arn);
    created
}

fn permit(world: &mut World, order: &Order, arn: &str, action: &str) -> Result<(), ApiError> {
    world.authorize(&order.caller, action, arn, &BTreeMap::new())
}
