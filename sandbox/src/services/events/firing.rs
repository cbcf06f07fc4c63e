//! The firing of rules: when it is due, and the events that it sends.

use serde_json::json;

use super::Due;
use crate::services::lambda;
use crate::{World, agenda};

/// The principal that calls the targets.
const PRINCIPAL: &str = "events.amazonaws.com";

/// Fires a rule on its schedule, and enters the next time.
pub(crate) fn fire(world: &mut World, due: Due) {
    let Due(arn) = due;
    let Some(rule) = world.events.rules.get_mut(&arn) else { return };
    let Ok(next) = rule.next.checked_add(rule.interval) else { return };
    rule.next = next;
    world.agenda.appoint(next, agenda::Due::Events(Due(arn.clone())));
    if !world.events.paused {
        send(world, &arn);
    }
}

/// Begins the schedule of a rule anew: an enabled rule fires an interval from now, a disabled one not at all.
pub(super) fn plan(world: &mut World, arn: &str) {
    let due = agenda::Due::Events(Due(arn.to_owned()));
    world.agenda.cancel(|present| *present == due);
    let Some(rule) = world.events.rules.get_mut(arn) else { return };
    rule.next = world.agenda.after(rule.interval);
    if rule.enabled {
        world.agenda.appoint(rule.next, due);
    }
}

/// Sends the event of a rule to its targets. A target that does not let EventBridge in does not get it, and nobody is
/// told: that is only in the call log.
pub(super) fn send(world: &mut World, arn: &str) {
    let Some(rule) = world.events.rules.get(arn) else { return };
    for target in rule.targets.clone() {
        let payload = target.input.unwrap_or_else(|| event(world, arn));
        lambda::send_for(world, PRINCIPAL, arn, &target.function, payload.into_bytes());
    }
}

/// What a target gets that has no Input.
fn event(world: &mut World, arn: &str) -> String {
    let part = |index| arn.split(':').nth(index).unwrap_or_default();
    json!({
        "version": "0",
        "id": world.random_uuid(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": part(4),
        "time": world.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": part(3),
        "resources": [arn],
        "detail": {},
    })
    .to_string()
}
