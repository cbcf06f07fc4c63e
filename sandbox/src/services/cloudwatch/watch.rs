//! Tells EventBridge of the states of alarms, where a rule waits for events. Elsewhere nothing has to happen while nobody
//! looks.

use jiff::Timestamp;
use serde_json::json;

use super::alarm::Alarm;
use super::view::AlarmState;
use super::{Due, evaluation};
use crate::services::events::{self, Event};
use crate::{World, agenda};

/// How CloudWatch writes a moment in its events.
const MOMENT: &str = "%Y-%m-%dT%H:%M:%S%.3f+0000";

/// A rule waits for events from now on: what becomes of the alarms of its account and region by then is no event.
pub(crate) fn watch(world: &mut World, account: &str, region: &str) {
    let is_own = |arn: &str| arn.split(':').skip(3).take(2).eq([region, account]);
    let unwatched = world.cloudwatch.alarms.iter().filter(|(arn, alarm)| alarm.told.is_none() && is_own(arn));
    let unwatched: Vec<_> = unwatched.map(|(arn, alarm)| (arn.clone(), states(world, alarm).len())).collect();
    for (arn, known) in unwatched {
        set_told(world, &arn, Some(known));
        appoint(world, &arn);
    }
}

/// An alarm is there from now on. Its first state is none that it has changed to.
pub(super) fn begin(world: &mut World, arn: &str) {
    set_told(world, arn, Some(1));
    evaluate(world, Due(arn.to_owned()));
}

/// Evaluates an alarm at the end of a period, and tells what is new.
pub(crate) fn evaluate(world: &mut World, Due(arn): Due) {
    let mut fields = arn.split(':').skip(3).map(str::to_owned);
    let (region, account) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    if !events::are_awaited(world, &account, &region) {
        return set_told(world, &arn, None);
    }
    let Some(alarm) = world.cloudwatch.alarms.get(&arn) else { return };
    let (states, known) = (states(world, alarm), alarm.told.unwrap_or(1));
    let changes: Vec<Event> = states
        .windows(2)
        .skip(known.saturating_sub(1))
        .filter_map(|pair| <[_; 2]>::try_from(pair).ok())
        .map(|[before, after]| Event {
            account: account.clone(),
            region: region.clone(),
            source: "aws.cloudwatch".to_owned(),
            detail_type: "CloudWatch Alarm State Change".to_owned(),
            resources: vec![arn.clone()],
            detail: json!({
                "alarmName": alarm.name,
                "configuration": { "description": alarm.description },
                "previousState": shown(alarm, before),
                "state": shown(alarm, after),
            }),
        })
        .collect();
    set_told(world, &arn, Some(states.len()));
    appoint(world, &arn);
    for change in changes {
        events::publish(world, change);
    }
}

/// A state as its events have it.
fn shown(alarm: &Alarm, (since, state): (Timestamp, AlarmState)) -> serde_json::Value {
    let periods = format!("{} out of the last {} datapoints", alarm.to_alarm, alarm.periods);
    let reason = match state {
        AlarmState::InsufficientData => "Unchecked: Initial alarm creation".to_owned(),
        AlarmState::Ok => format!("Threshold Crossed: fewer than {periods} were beyond {}.", alarm.threshold),
        AlarmState::Alarm => format!("Threshold Crossed: {periods} were beyond {}.", alarm.threshold),
    };
    json!({ "value": state.name(), "reason": reason, "timestamp": since.strftime(MOMENT).to_string() })
}

fn states(world: &World, alarm: &Alarm) -> Vec<(Timestamp, AlarmState)> {
    evaluation::states(alarm, &world.cloudwatch.metrics, world.now())
}

fn set_told(world: &mut World, arn: &str, told: Option<usize>) {
    if let Some(alarm) = world.cloudwatch.alarms.get_mut(arn) {
        alarm.told = told;
    }
}

/// Enters the end of the present period.
fn appoint(world: &mut World, arn: &str) {
    let Some(period) = world.cloudwatch.alarms.get(arn).map(|alarm| alarm.period) else { return };
    let end = evaluation::floor(world.now(), period).saturating_add(period);
    let due = agenda::Due::CloudWatch(Due(arn.to_owned()));
    world.agenda.cancel(|present| *present == due);
    world.agenda.appoint(evaluation::instant(end), due);
}
