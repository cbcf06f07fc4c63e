//! The states of an alarm, from its samples: a pure function, so that nothing has to happen while nobody looks.
//!
//! CloudWatch evaluates an alarm every minute over a window that slides. Here it is evaluated at the end of every period,
//! and a period begins at a multiple of its length.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::alarm::{Alarm, Comparison, Missing, Query, Subject};
use super::metric::Metrics;
use super::view::AlarmState;

/// Every state that the alarm has had until `now`, each with its beginning.
pub(super) fn states(alarm: &Alarm, metrics: &Metrics, now: Timestamp) -> Vec<(Timestamp, AlarmState)> {
    let mut states = vec![(alarm.created, AlarmState::InsufficientData)];
    // What lies before the alarm counts too: an alarm on missing data goes off at once.
    let first = floor(alarm.created, alarm.period);
    let look = i64::try_from(alarm.periods).unwrap_or(i64::MAX).saturating_mul(alarm.period);
    let (mut end, mut window) = (first.saturating_sub(look).saturating_add(alarm.period), VecDeque::new());
    while end <= now.as_second() {
        window.push_back(is_too_much(alarm, metrics, end));
        if window.len() > alarm.periods {
            window.pop_front();
        }
        if window.len() == alarm.periods {
            let at = alarm.created.max(instant(end));
            let before = states.last().map_or(AlarmState::InsufficientData, |(_, state)| *state);
            let state = evaluated(alarm, &window).unwrap_or(before);
            if state != before {
                states.push((at, state));
            }
        }
        end = end.saturating_add(alarm.period);
    }
    states
}

/// Whether the period that ends there is too much; `None` when it has no figure.
fn is_too_much(alarm: &Alarm, metrics: &Metrics, end: i64) -> Option<bool> {
    let figure = |query: &Query| {
        metrics.figure(&query.series, query.statistic, instant(end.saturating_sub(alarm.period)), instant(end))
    };
    let figure = match &alarm.subject {
        Subject::Metric(query) => figure(query),
        Subject::Difference(one, other) => figure(one).map(|one| one - figure(other).unwrap_or(0.0)),
    }?;
    Some(match alarm.comparison {
        Comparison::Above => figure > alarm.threshold,
        Comparison::AtLeast => figure >= alarm.threshold,
        Comparison::Below => figure < alarm.threshold,
        Comparison::AtMost => figure <= alarm.threshold,
    })
}

/// The state by the last periods; `None` when they leave it as it is (CloudWatch user guide, "Configuring how CloudWatch
/// alarms treat missing data").
fn evaluated(alarm: &Alarm, window: &VecDeque<Option<bool>>) -> Option<AlarmState> {
    let count = |wanted: Option<bool>| window.iter().filter(|period| **period == wanted).count();
    let (too_much, without) = (count(Some(true)), count(None));
    let state = |is_alarm| if is_alarm { AlarmState::Alarm } else { AlarmState::Ok };
    match alarm.missing {
        Missing::Breaching => Some(state(too_much + without >= alarm.to_alarm)),
        Missing::NotBreaching => Some(state(too_much >= alarm.to_alarm)),
        Missing::NoData if without == window.len() => Some(AlarmState::InsufficientData),
        Missing::Ignore | Missing::NoData => {
            let is_decided = too_much >= alarm.to_alarm || too_much + without < alarm.to_alarm;
            is_decided.then(|| state(too_much >= alarm.to_alarm))
        }
    }
}

pub(super) fn floor(time: Timestamp, period: i64) -> i64 {
    time.as_second() - time.as_second().rem_euclid(period)
}

pub(super) fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::metric::{Series, Statistic};
    use super::*;

    const HOUR: i64 = 3_600;

    fn series(name: &str) -> Series {
        let text = |text: &str| text.to_owned();
        let (account, region, namespace) = (text("1"), text("eu-central-1"), text("shop"));
        Series { account, region, namespace, name: text(name), dimensions: BTreeMap::new() }
    }

    fn query(name: &str) -> Query {
        Query { series: series(name), statistic: Statistic::Maximum }
    }

    /// More than 0 in two of two hours, created in the middle of the first hour.
    fn alarm(subject: Subject, missing: Missing) -> Alarm {
        Alarm {
            name: "alarm".to_owned(),
            description: None,
            actions_enabled: true,
            actions: BTreeMap::new(),
            subject,
            period: HOUR,
            comparison: Comparison::Above,
            threshold: 0.0,
            periods: 2,
            to_alarm: 2,
            missing,
            tags: BTreeMap::new(),
            created: instant(HOUR / 2),
            told: None,
            given: serde_json::Value::Null,
        }
    }

    /// The hours at whose end each state began, for one value per hour; a space is an hour without a sample.
    fn history(missing: Missing, values: &str) -> Vec<(i64, AlarmState)> {
        let mut metrics = Metrics::default();
        for (hour, value) in (0..).zip(values.chars()) {
            if let Some(value) = value.to_digit(10) {
                metrics.record(series("Orders"), instant(hour * HOUR + HOUR - 60), f64::from(value));
            }
        }
        let end = instant(i64::try_from(values.len()).unwrap() * HOUR);
        let states = states(&alarm(Subject::Metric(query("Orders")), missing), &metrics, end);
        states.into_iter().skip(1).map(|(at, state)| (at.as_second() / HOUR, state)).collect()
    }

    #[test]
    fn two_periods_make_an_alarm_and_one_ends_it() {
        use AlarmState::{Alarm, InsufficientData, Ok};
        assert_eq!(history(Missing::Ignore, "00110"), [(1, Ok), (4, Alarm), (5, Ok)]);
        assert_eq!(history(Missing::Ignore, "0101"), [(1, Ok)]);
        // A gap keeps the state.
        assert_eq!(history(Missing::Ignore, "0011   "), [(1, Ok), (4, Alarm)]);
        assert_eq!(history(Missing::NotBreaching, "0011   "), [(0, Ok), (4, Alarm), (5, Ok)]);
        assert_eq!(history(Missing::NoData, "0011   "), [(1, Ok), (4, Alarm), (6, InsufficientData)]);
        // Before anything came, everything was missing.
        assert_eq!(history(Missing::Breaching, "00  0"), [(0, Alarm), (1, Ok), (4, Alarm), (5, Ok)]);
    }

    #[test]
    fn a_difference_takes_the_other_metric_for_0_where_it_is_missing() {
        let mut metrics = Metrics::default();
        for (hour, orders, tests) in [(0, 1.0, Some(1.0)), (1, 1.0, Some(1.0)), (2, 1.0, None), (3, 2.0, Some(1.0))] {
            let at = instant(hour * HOUR + HOUR - 60);
            metrics.record(series("Orders"), at, orders);
            if let Some(tests) = tests {
                metrics.record(series("Tests"), at, tests);
            }
        }
        let alarm = alarm(Subject::Difference(query("Orders"), query("Tests")), Missing::NotBreaching);
        let states: Vec<_> = states(&alarm, &metrics, instant(4 * HOUR)).into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, [AlarmState::InsufficientData, AlarmState::Ok, AlarmState::Alarm]);
    }
}
