//! The firing of rules with a schedule: when it is due, and the event that it sends.

use serde_json::json;

use super::rule::When;
use super::{Due, Event, delivery};
use crate::{World, agenda};

/// Fires a rule on its schedule, and enters the next time.
pub(crate) fn fire(world: &mut World, due: Due) {
    let Due(arn) = due;
    let Some(When::Scheduled { next, interval, .. }) = world.events.rules.get_mut(&arn).map(|rule| &mut rule.when)
    else {
        return;
    };
    let Ok(after) = next.checked_add(*interval) else { return };
    *next = after;
    world.agenda.appoint(after, agenda::Due::Events(Due(arn.clone())));
    if !world.events.paused {
        send(world, &arn);
    }
}

/// Begins the schedule of a rule anew: an enabled rule fires an interval from now, a disabled one not at all.
pub(super) fn plan(world: &mut World, arn: &str) {
    let due = agenda::Due::Events(Due(arn.to_owned()));
    world.agenda.cancel(|present| *present == due);
    let Some(interval) = world.events.rules.get(arn).and_then(super::rule::Rule::interval) else { return };
    let at = world.agenda.after(interval);
    let Some(rule) = world.events.rules.get_mut(arn) else { return };
    if let When::Scheduled { next, .. } = &mut rule.when {
        *next = at;
    }
    if rule.enabled {
        world.agenda.appoint(at, due);
    }
}

/// Sends the event of a rule with a schedule to its targets.
pub(super) fn send(world: &mut World, arn: &str) {
    let part = |index| arn.split(':').nth(index).unwrap_or_default().to_owned();
    let event = Event {
        account: part(4),
        region: part(3),
        source: "aws.events".to_owned(),
        detail_type: "Scheduled Event".to_owned(),
        resources: vec![arn.to_owned()],
        detail: json!({}),
    };
    let event = event.envelope(world);
    delivery::deliver(world, arn, &event, true);
}
