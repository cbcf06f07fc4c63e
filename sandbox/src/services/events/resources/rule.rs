//! AWS::Events::Rule.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::bus::{self, DEFAULT};
use super::super::pattern::Pattern;
use super::super::rule::{Rule, When, arn_of, check_description, check_name, invalid};
use super::super::target::Target;
use super::super::{firing, rate};
use super::permit;
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set, tags};
use crate::services::cloudwatch;
use crate::{ApiError, World};

/// AWS wants a ScheduleExpression or an EventPattern, and takes both; the sandbox takes one of them.
pub(super) const SCHEMA: Schema = Schema {
    properties: &[
        "Name",
        "Description",
        "EventBusName",
        "EventPattern",
        "ScheduleExpression",
        "State",
        "Tags",
        "Targets",
    ],
    required: &[],
    create_only: &["Name", "EventBusName"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::None,
    readable: Some(&["Description", "EventPattern", "ScheduleExpression", "State", "Tags", "Targets"]),
};

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let mut rule = wanted(world, order)?;
    if rule.name.is_empty() {
        rule.name = order.generated_name(world, 64);
    }
    check_name("rule name", &rule.name)?;
    let arn = arn_of(&order.caller.account, &order.region, &rule.bus, &rule.name);
    permit(world, order, &arn, "events:PutRule")?;
    pass_roles(world, order, &rule)?;
    if !rule.tags.is_empty() {
        permit(world, order, &arn, "events:TagResource")?;
    }
    if !rule.targets.is_empty() {
        permit(world, order, &arn, "events:PutTargets")?;
    }
    let bus = bus::arn_of(&order.caller.account, &order.region, &rule.bus);
    if !bus::exists(world, &bus) {
        return Err(bus::not_found(&rule.bus));
    }
    if world.events.rules.contains_key(&arn) {
        let message = format!("{} already exists", rule.name);
        return Err(ApiError::new("ResourceAlreadyExistsException", message));
    }
    Ok(put(world, order, arn, rule))
}

pub(super) fn update(world: &mut World, order: &Order, id: &str) -> Result<Created, ApiError> {
    let rule = Rule { name: name_in(id).to_owned(), ..wanted(world, order)? };
    let arn = arn_in(order, id);
    let not_found = || ApiError::new("ResourceNotFoundException", format!("Rule {id} does not exist."));
    let present = world.events.rules.get(&arn).ok_or_else(not_found)?;
    let gives_up_target = present.targets.iter().any(|old| rule.targets.iter().all(|new| new.id != old.id));
    let gives_up_tag = present.tags.keys().any(|key| !rule.tags.contains_key(key));
    let tags = rule.tags.iter().any(|(key, value)| present.tags.get(key) != Some(value));
    permit(world, order, &arn, "events:PutRule")?;
    pass_roles(world, order, &rule)?;
    let further = [
        (!rule.targets.is_empty(), "events:PutTargets"),
        (gives_up_target, "events:RemoveTargets"),
        (tags, "events:TagResource"),
        (gives_up_tag, "events:UntagResource"),
    ];
    for (_, action) in further.iter().filter(|(is_needed, _)| *is_needed) {
        permit(world, order, &arn, action)?;
    }
    Ok(put(world, order, arn, rule))
}

/// A rule can be deleted only when it has no targets any more, so they go first.
pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    let arn = arn_in(order, id);
    if world.events.rules.get(&arn).is_some_and(|rule| !rule.targets.is_empty()) {
        permit(world, order, &arn, "events:RemoveTargets")?;
    }
    permit(world, order, &arn, "events:DeleteRule")?;
    world.events.rules.remove(&arn);
    firing::plan(world, &arn);
    Ok(())
}

pub(super) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    let rule = world.events.rules.get(&arn_in(order, id));
    let read = |rule: &Rule| {
        let targets: Vec<Value> = rule.targets.iter().map(Target::to_json).collect();
        let (schedule, pattern) = match &rule.when {
            When::Scheduled { expression, .. } => (Some(expression.as_str().into()), None),
            When::Matching(pattern) => (None, Some(pattern.given.clone())),
        };
        set([
            ("Description", rule.description.as_deref().map(Value::from)),
            ("EventPattern", pattern),
            ("ScheduleExpression", schedule),
            ("State", Some(if rule.enabled { "ENABLED" } else { "DISABLED" }.into())),
            ("Tags", tags(&rule.tags)),
            ("Targets", (!targets.is_empty()).then(|| targets.into())),
        ])
    };
    Ok(rule.map(read))
}

/// The rule that the properties describe; without a name when they leave that to CloudFormation.
fn wanted(world: &World, order: &Order) -> Result<Rule, ApiError> {
    let mut input = order.input()?;
    let (schedule, pattern) = (input.text("ScheduleExpression")?, input.value("EventPattern"));
    let when = match (schedule, pattern) {
        (Some(expression), None) => {
            When::Scheduled { interval: rate::parse(&expression)?, expression, next: world.now() }
        }
        (None, Some(pattern)) => When::Matching(Pattern::read(pattern)?),
        (Some(_), Some(_)) => return Err(ApiError::unknown("rule with a schedule and", "EventPattern")),
        (None, None) => return Err(invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")),
    };
    let rule = Rule {
        name: input.text("Name")?.unwrap_or_default(),
        bus: input.text("EventBusName")?.unwrap_or_else(|| DEFAULT.to_owned()),
        description: input.text("Description")?,
        when,
        enabled: match input.text("State")?.as_deref() {
            None | Some("ENABLED") => true,
            Some("DISABLED") => false,
            Some(other) => return Err(invalid(format!("the State `{other}` is neither ENABLED nor DISABLED"))),
        },
        targets: Target::take_all(input.items("Targets")?, &order.caller.account, &order.region)?,
        tags: input.tags("Tags")?,
    };
    input.finish()?;
    if rule.bus != DEFAULT && rule.pattern().is_none() {
        return Err(invalid("ScheduleExpression is supported only on the default event bus."));
    }
    check_description(rule.description.as_deref())?;
    Ok(rule)
}

/// Whoever gives a rule a role must be allowed to pass it on.
fn pass_roles(world: &mut World, order: &Order, rule: &Rule) -> Result<(), ApiError> {
    let service = ("iam:PassedToService".to_owned(), super::super::PRINCIPAL.to_owned());
    let context = BTreeMap::from([service]);
    let mut roles = rule.targets.iter().filter_map(|target| target.to.role());
    roles.try_for_each(|role| world.authorize(&order.caller, "iam:PassRole", role, &context))
}

/// The physical id: of a rule on a bus that somebody has made, it has the name of the bus in front.
fn id_of(rule: &Rule) -> String {
    if rule.bus == DEFAULT { rule.name.clone() } else { format!("{}|{}", rule.bus, rule.name) }
}

fn name_in(id: &str) -> &str {
    id.rsplit('|').next().unwrap_or_default()
}

fn arn_in(order: &Order, id: &str) -> String {
    let bus = id.split_once('|').map_or(DEFAULT, |(bus, _)| bus);
    arn_of(&order.caller.account, &order.region, bus, name_in(id))
}

/// Puts the rule in the place of the one that has its ARN, and begins its schedule.
fn put(world: &mut World, order: &Order, arn: String, rule: Rule) -> Created {
    let created = Created { physical_id: id_of(&rule), attributes: BTreeMap::from([("Arn".to_owned(), arn.clone())]) };
    let waits = rule.pattern().is_some();
    world.events.rules.insert(arn.clone(), rule);
    firing::plan(world, &arn);
    if waits {
        cloudwatch::watch(world, &order.caller.account, &order.region);
    }
    created
}
