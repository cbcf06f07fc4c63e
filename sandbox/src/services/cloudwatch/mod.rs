//! CloudWatch: the metrics that functions have, or write into their logs, and alarms and dashboards on them.

mod alarm;
mod embedded;
mod evaluation;
mod metric;
pub(crate) mod resources;
mod view;
mod watch;

use std::collections::BTreeMap;

pub(crate) use embedded::take_in;
pub(crate) use metric::{count_invocation, count_throttle};
pub use view::{AlarmState, AlarmView, Notification};
pub(crate) use watch::{evaluate, watch};

/// What is due, see [`crate::agenda`]: the alarm with this ARN is evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due(String);

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Every alarm, by its ARN.
    alarms: BTreeMap<String, alarm::Alarm>,
    /// The body of every dashboard, by its ARN.
    dashboards: BTreeMap<String, String>,
    metrics: metric::Metrics,
}

impl State {
    /// The ARNs of the alarms.
    pub(crate) fn alarm_arns(&self) -> impl Iterator<Item = &String> {
        self.alarms.keys()
    }

    /// The ARNs of the dashboards.
    pub(crate) fn dashboard_arns(&self) -> impl Iterator<Item = &String> {
        self.dashboards.keys()
    }
}
