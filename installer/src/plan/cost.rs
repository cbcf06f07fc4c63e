//! What the deployment costs in a month, roughly: the figures are those of us-east-1 at the end of 2025, without taxes and
//! free allowances (AWS price lists of Secrets Manager, Lambda and CloudWatch).

use std::fmt;

use serde::Serialize;
use serde_json::Value as Json;

use crate::config::Config;
use crate::template::{Resource, Template};

/// A secret, and each of its replicas, in cents a month.
const SECRET: f64 = 40.0;

/// 10,000 calls of Secrets Manager, in cents.
const CALLS: f64 = 5.0;

/// The calls that a sweep makes for a user who is in order: the description, and the values of two versions.
const CALLS_PER_SWEEP: f64 = 3.0;

/// A metric of our own, one that an alarm looks at, and a dashboard, in cents a month.
const METRIC: f64 = 30.0;
const WATCHED_METRIC: f64 = 10.0;
const DASHBOARD: f64 = 300.0;

/// The metrics that a function writes: seven with each sweep, three about the ends of rotations.
const METRICS_PER_FUNCTION: f64 = 10.0;

/// A second of a GiB of memory on arm64, in cents.
const GIB_SECOND: f64 = 0.001_333_34;

/// How long the function is at work on one user, in seconds: some calls, and the pause between two users.
const SECONDS_PER_USER: f64 = 0.3;

/// A month.
const SECONDS: f64 = 30.0 * 86_400.0;

/// The estimate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// All of it, in US dollars a month.
    pub usd_per_month: f64,
    /// Of these for the secrets and their replicas.
    pub secrets: f64,
    /// For the calls to Secrets Manager that the sweeper makes.
    pub calls: f64,
    /// For the function.
    pub function: f64,
    /// For metrics, alarms and dashboards.
    pub monitoring: f64,
}

/// Estimates what these stacks cost.
pub(super) fn of<'a>(config: &Config, templates: impl Iterator<Item = &'a Template>) -> Cost {
    let (mut secrets, mut monitored) = (0.0, 0.0);
    for resource in templates.flat_map(|template| template.resources().into_values()) {
        match resource.kind.as_str() {
            "AWS::SecretsManager::Secret" => secrets += 1.0,
            "AWS::Lambda::Function" => monitored += METRICS_PER_FUNCTION * METRIC,
            "AWS::CloudWatch::Alarm" => monitored += WATCHED_METRIC * watched_metrics(&resource),
            "AWS::CloudWatch::Dashboard" => monitored += DASHBOARD,
            _ => {}
        }
    }
    let replicas = u32::try_from(config.replicas.len()).map_or(0.0, f64::from);
    let swept = secrets * SECONDS / config.settings.sweep_every.as_secs_f64().max(1.0);
    let cents = [
        secrets * (1.0 + replicas) * SECRET,
        swept * CALLS_PER_SWEEP / 10_000.0 * CALLS,
        swept * SECONDS_PER_USER * f64::from(config.function.memory_mib) / 1_024.0 * GIB_SECOND,
        monitored,
    ];
    let [secrets, calls, function, monitoring] = cents.map(|cents| cents.round() / 100.0);
    let usd_per_month = (cents.iter().sum::<f64>()).round() / 100.0;
    Cost { usd_per_month, secrets, calls, function, monitoring }
}

/// How many metrics an alarm looks at.
fn watched_metrics(alarm: &Resource) -> f64 {
    let metrics = alarm.properties.get("Metrics").and_then(Json::as_array);
    let count = metrics.map(|metrics| metrics.iter().filter(|metric| metric.get("MetricStat").is_some()).count());
    count.and_then(|count| u32::try_from(count).ok()).map_or(1.0, f64::from)
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { usd_per_month, secrets, calls, function, monitoring } = self;
        write!(
            f,
            "costs about {usd_per_month:.2} USD a month: secrets {secrets:.2}, their calls {calls:.2}, function {function:.2}, metrics, alarms and dashboards {monitoring:.2}"
        )
    }
}

#[cfg(test)]
mod tests {
    use contract::{Region, UserId, UserName};

    use super::*;
    use crate::template::{self, BoundUser, CodeLocation};

    fn cost(users: usize, change: impl Fn(&mut Config)) -> Cost {
        let mut config = Config::for_users(Region::new("eu-central-1").unwrap(), Vec::new()).unwrap();
        change(&mut config);
        let user = |number| BoundUser {
            name: UserName::new(format!("user-{number}")).unwrap(),
            id: UserId::new("AIDAAAAAAAAAAAAAAAAAA").unwrap(),
            arn: format!("arn:aws:iam::111122223333:user/user-{number}"),
        };
        let users: Vec<BoundUser> = (0..users).map(user).collect();
        let code = CodeLocation { bucket: "bucket".to_owned(), key: "key".to_owned() };
        of(&config, std::iter::once(&template::cell(&config, &users, &code).unwrap()))
    }

    #[test]
    fn most_of_it_is_for_the_secrets() {
        let cost = cost(10, |_| ());
        assert!((cost.secrets - 4.0).abs() < 0.01, "{cost}");
        // 720 sweeps of ten users, three calls each.
        assert!((cost.calls - 0.11).abs() < 0.01, "{cost}");
        assert!(cost.function < 0.05, "{cost}");
        // Ten metrics, six of them in five alarms, and a dashboard.
        assert!((cost.monitoring - 6.6).abs() < 0.01, "{cost}");
        let sum = cost.secrets + cost.calls + cost.function + cost.monitoring;
        assert!((cost.usd_per_month - sum).abs() < 0.03, "{cost}");
    }

    #[test]
    fn replicas_cost_as_much_as_the_secret_and_rare_sweeps_cost_less() {
        let replicated = cost(10, |config| config.replicas = vec![Region::new("eu-west-1").unwrap()]);
        assert!((replicated.secrets - 8.0).abs() < 0.01, "{replicated}");
        let daily = cost(10, |config| config.settings.sweep_every = std::time::Duration::from_secs(86_400));
        assert!(daily.calls < 0.02, "{daily}");
        assert!(cost(0, |_| ()).secrets < 0.01);
    }
}
