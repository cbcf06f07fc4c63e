//! What tests may see of CloudWatch: alarms and their states, who was told of them, and the metrics there are.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::alarm::{Alarm, Query, Subject};
use super::evaluation;
use super::metric::Series;
use crate::World;
use crate::services::sns;

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmState {
    /// Nothing is known yet.
    InsufficientData,
    /// All is well.
    Ok,
    /// It is not.
    Alarm,
}

/// An alarm as tests see it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmView {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its state now.
    pub state: AlarmState,
    /// Every state it has had, each with its beginning; the last is the present one.
    pub history: Vec<(Timestamp, AlarmState)>,
    /// The metrics it looks at: namespace, name and dimensions.
    pub metrics: Vec<(String, String, BTreeMap<String, String>)>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

/// A message of an alarm to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// When it was sent.
    pub at: Timestamp,
    /// The alarm.
    pub alarm: String,
    /// The state that it tells of.
    pub state: AlarmState,
    /// The ARN of the topic.
    pub topic: String,
    /// Whom it reached, or why the topic did not take it.
    pub delivered: Result<Vec<String>, String>,
}

impl AlarmState {
    /// The state as CloudWatch writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InsufficientData => "INSUFFICIENT_DATA",
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
        }
    }
}

impl World {
    /// The alarms of an account and region, by name.
    pub fn alarms(&self, account: &str, region: &str) -> Vec<AlarmView> {
        self.alarms_of(account, region).map(|(_, alarm)| self.view_alarm(alarm)).collect()
    }

    /// What the alarms of an account and region have sent, oldest first.
    pub fn notifications(&self, account: &str, region: &str) -> Vec<Notification> {
        let mut sent = Vec::new();
        for (arn, alarm) in self.alarms_of(account, region).filter(|(_, alarm)| alarm.actions_enabled) {
            for (at, state) in evaluation::states(alarm, &self.cloudwatch.metrics, self.now()).into_iter().skip(1) {
                for topic in alarm.actions.get(state.name()).into_iter().flatten() {
                    let delivered = sns::publish(self, "cloudwatch.amazonaws.com", arn, topic, at);
                    sent.push(Notification { at, alarm: alarm.name.clone(), state, topic: topic.clone(), delivered });
                }
            }
        }
        sent.sort_by_key(|notification| notification.at);
        sent
    }

    /// The metrics of an account and region that have a sample: namespace, name and dimensions, and their last value.
    pub fn metrics(&self, account: &str, region: &str) -> Vec<(String, String, BTreeMap<String, String>, f64)> {
        let series = self.cloudwatch.metrics.series();
        let own = series.filter(|(series, _)| series.account == account && series.region == region);
        let view = |(series, samples): (&Series, &[(Timestamp, f64)])| {
            let (namespace, name, dimensions) = shown(series);
            (namespace, name, dimensions, samples.last().map_or(f64::NAN, |(_, value)| *value))
        };
        own.map(view).collect()
    }

    /// The bodies of the dashboards of an account, by name.
    pub fn dashboards(&self, account: &str) -> BTreeMap<String, String> {
        let of_account = |arn: &str| arn.split(':').nth(4) == Some(account);
        let dashboards = self.cloudwatch.dashboards.iter().filter(|(arn, _)| of_account(arn));
        let name = |arn: &String| arn.rsplit('/').next().unwrap_or_default().to_owned();
        dashboards.map(|(arn, body)| (name(arn), body.clone())).collect()
    }

    fn alarms_of<'a>(&'a self, account: &'a str, region: &'a str) -> impl Iterator<Item = (&'a String, &'a Alarm)> {
        let is_own = move |arn: &str| {
            let mut fields = arn.split(':').skip(3);
            fields.next() == Some(region) && fields.next() == Some(account)
        };
        self.cloudwatch.alarms.iter().filter(move |(arn, _)| is_own(arn))
    }

    fn view_alarm(&self, alarm: &Alarm) -> AlarmView {
        let history = evaluation::states(alarm, &self.cloudwatch.metrics, self.now());
        let queries = match &alarm.subject {
            Subject::Metric(query) => vec![query],
            Subject::Difference(one, other) => vec![one, other],
        };
        AlarmView {
            name: alarm.name.clone(),
            description: alarm.description.clone().unwrap_or_default(),
            state: history.last().map_or(AlarmState::InsufficientData, |(_, state)| *state),
            history,
            metrics: queries.into_iter().map(|Query { series, .. }| shown(series)).collect(),
            tags: alarm.tags.clone(),
        }
    }
}

fn shown(series: &Series) -> (String, String, BTreeMap<String, String>) {
    (series.namespace.clone(), series.name.clone(), series.dimensions.clone())
}
