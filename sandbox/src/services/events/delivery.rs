//! What becomes of an event: the rules of its bus that it fits pass it on to their targets.

use std::collections::BTreeMap;

use serde_json::Value;

use super::target::{Input, Recipient};
use super::{Event, PRINCIPAL, bus};
use crate::services::{iam, lambda, logs, sns};
use crate::{Outcome, World};

/// Puts an event of an AWS service on the default bus of its account and region. Those that CloudTrail brings come there
/// at AWS only while a trail logs in that region; here one always does.
pub(crate) fn publish(world: &mut World, event: Event) {
    if are_awaited(world, &event.account, &event.region) {
        let bus = bus::arn_of(&event.account, &event.region, bus::DEFAULT);
        let event = event.envelope(world);
        route(world, &bus, &event, true);
    }
}

/// Whether an event on the default bus of an account and region could mean something to anybody.
pub(crate) fn are_awaited(world: &World, account: &str, region: &str) -> bool {
    rules_of(world, &bus::arn_of(account, region, bus::DEFAULT)).next().is_some()
}

/// The enabled rules of a bus that have a pattern.
fn rules_of<'a>(world: &'a World, bus: &'a str) -> impl Iterator<Item = (&'a String, &'a super::rule::Rule)> {
    let mut fields = bus.split(':').skip(3);
    let (region, account) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let name = bus.rsplit('/').next().unwrap_or_default();
    let is_own = move |arn: &str| arn.split(':').skip(3).take(2).eq([region, account]);
    let rules = world.events.rules.iter();
    rules.filter(move |(arn, rule)| rule.enabled && rule.pattern().is_some() && rule.bus == name && is_own(arn))
}

/// Has the rules of a bus deal with an event. What came from another bus goes no further (EventBridge user guide,
/// "Sending and receiving events between AWS accounts").
pub(super) fn route(world: &mut World, bus: &str, event: &Value, may_go_on: bool) {
    let fits = |rule: &super::rule::Rule| rule.pattern().is_some_and(|pattern| pattern.matches(event));
    let fitting: Vec<String> =
        rules_of(world, bus).filter(|(_, rule)| fits(rule)).map(|(arn, _)| arn.clone()).collect();
    for rule in fitting {
        deliver(world, &rule, event, may_go_on);
    }
}

/// Sends an event to the targets of a rule. A target that does not let EventBridge in does not get it, and nobody is
/// told: that is only in the call log.
pub(super) fn deliver(world: &mut World, rule: &str, event: &Value, may_go_on: bool) {
    let Some(targets) = world.events.rules.get(rule).map(|rule| rule.targets.clone()) else { return };
    for target in targets {
        let told = match &target.input {
            Input::Event => event.to_string(),
            Input::Constant(text) => text.clone(),
            Input::Transformed(transformer) => transformer.told(event),
        };
        match &target.to {
            Recipient::Function(arn) => lambda::send_for(world, PRINCIPAL, rule, arn, told.into_bytes()),
            Recipient::Bus { arn, role } if may_go_on => forward(world, (rule, role), arn, event),
            Recipient::Bus { .. } => refuse(world, PRINCIPAL, "events:PutEvents", "EventForwardedAlready"),
            Recipient::LogGroup(arn) => {
                let result = logs::write_for(world, PRINCIPAL, rule, arn, &format!("{told}\n"));
                note(world, PRINCIPAL, "logs:PutLogEvents", result);
            }
            Recipient::Topic(arn) => {
                let result = sns::deliver(world, PRINCIPAL, rule, arn, &told);
                note(world, PRINCIPAL, "sns:Publish", result);
            }
        }
    }
}

/// Puts an event on another bus, as a role of the rule's account: the role's policies and the bus's decide.
fn forward(world: &mut World, (rule, role): (&str, &str), bus: &str, event: &Value) {
    if !iam::trusts_service(world, role, PRINCIPAL).unwrap_or_default() {
        return refuse(world, PRINCIPAL, "sts:AssumeRole", "AccessDenied");
    }
    let Ok(caller) = iam::as_role(&world.iam, role, "eventbridge") else { return };
    let context = BTreeMap::from([("aws:SourceArn".to_owned(), rule.to_owned())]);
    let allowed = world.authorize(&caller, "events:PutEvents", bus, &context);
    let known = allowed.map_err(|error| error.code).and_then(|()| match bus::exists(world, bus) {
        true => Ok(()),
        false => Err("ResourceNotFoundException".to_owned()),
    });
    let is_put = known.is_ok();
    note(world, &caller.arn, "events:PutEvents", known);
    if is_put {
        route(world, bus, event, false);
    }
}

fn note(world: &mut World, principal: &str, operation: &str, result: Result<(), String>) {
    world.note_call(principal, operation, result.map_or_else(Outcome::Refused, |()| Outcome::Done));
}

fn refuse(world: &mut World, principal: &str, operation: &str, code: &str) {
    note(world, principal, operation, Err(code.to_owned()));
}
