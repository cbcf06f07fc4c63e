//! An alarm: what it looks at, and when that is too much.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::metric::{Series, Statistic};
use crate::ApiError;
use crate::input::JsonInput;
use crate::services::cloudformation::resource::Order;

/// Characters of a name and of a description (API reference, PutMetricAlarm).
const LONGEST_NAME: usize = 255;
const LONGEST_DESCRIPTION: usize = 1024;

/// Actions for each state, and dimensions of a metric (API reference, PutMetricAlarm).
const MOST_ACTIONS: usize = 5;
const MOST_DIMENSIONS: usize = 30;

/// How long an alarm may look back, in seconds: a week, and a day when its periods are shorter than an hour (API
/// reference, PutMetricAlarm).
const LONGEST_LOOK: i64 = 604_800;
const LONGEST_LOOK_AT_SHORT_PERIODS: i64 = 86_400;

/// An alarm.
#[derive(Debug)]
pub(super) struct Alarm {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) actions_enabled: bool,
    /// The ARNs of the topics that are told of a state, by [`super::AlarmState::name`].
    pub(super) actions: BTreeMap<&'static str, Vec<String>>,
    pub(super) subject: Subject,
    pub(super) period: i64,
    pub(super) comparison: Comparison,
    pub(super) threshold: f64,
    pub(super) periods: usize,
    /// How many of the periods must be too much.
    pub(super) to_alarm: usize,
    pub(super) missing: Missing,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) created: Timestamp,
    /// How many of its states EventBridge knows of, while rules wait for them.
    pub(super) told: Option<usize>,
    /// The properties that it was made of, for whoever reads it back.
    pub(super) given: Value,
}

/// What an alarm looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Metric(Query),
    /// `m1 - FILL(m2, 0)`, the one expression that the sandbox knows: a metric without what another one counts.
    Difference(Query, Query),
}

/// A figure for each period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) series: Series,
    pub(super) statistic: Statistic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// What a period without a sample counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Breaching,
    NotBreaching,
    Ignore,
    NoData,
}

/// The ARN of an alarm.
pub(super) fn arn_of(order: &Order, name: &str) -> String {
    let (partition, account) = (order.caller.partition(), &order.caller.account);
    format!("arn:{partition}:cloudwatch:{}:{account}:alarm:{name}", order.region)
}

impl Alarm {
    /// The alarm that the properties describe; without a name when they leave that to CloudFormation.
    pub(super) fn take(order: &Order, created: Timestamp) -> Result<Self, ApiError> {
        let mut input = order.input()?;
        let (subject, period) = subject(&mut input, order)?;
        let periods = count(&mut input, "EvaluationPeriods")?.ok_or_else(|| invalid("EvaluationPeriods is missing"))?;
        let to_alarm = count(&mut input, "DatapointsToAlarm")?.unwrap_or(periods);
        let [alarm, ok, insufficient] =
            ["AlarmActions", "OKActions", "InsufficientDataActions"].map(|name| actions(&mut input, name, order));
        let made = Self {
            name: input.text("AlarmName")?.unwrap_or_default(),
            description: input.text("AlarmDescription")?,
            actions_enabled: input.flag("ActionsEnabled")?.unwrap_or(true),
            actions: BTreeMap::from([("ALARM", alarm?), ("OK", ok?), ("INSUFFICIENT_DATA", insufficient?)]),
            subject,
            period,
            comparison: comparison(&input.required("ComparisonOperator")?)?,
            threshold: threshold(&mut input)?,
            periods,
            to_alarm,
            missing: missing(input.text("TreatMissingData")?.as_deref())?,
            tags: input.tags("Tags")?,
            created,
            told: None,
            given: order.properties.clone(),
        };
        input.finish()?;
        made.check()?;
        Ok(made)
    }

    fn check(&self) -> Result<(), ApiError> {
        let look = self.period.saturating_mul(i64::try_from(self.periods).unwrap_or(i64::MAX));
        let longest = if self.period < 3_600 { LONGEST_LOOK_AT_SHORT_PERIODS } else { LONGEST_LOOK };
        if self.name.len() > LONGEST_NAME || self.name.contains(|c: char| c.is_control() || c == ':') {
            return Err(invalid(format!("`{}` is not the name of an alarm", self.name)));
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION) {
            return Err(invalid(format!("an AlarmDescription has up to {LONGEST_DESCRIPTION} characters")));
        }
        if self.to_alarm > self.periods {
            return Err(invalid("DatapointsToAlarm must not be more than EvaluationPeriods"));
        }
        if look > longest {
            return Err(invalid(format!("EvaluationPeriods times Period is {look} s, and may be {longest} s")));
        }
        Ok(())
    }
}

/// What is looked at, and the period.
fn subject(input: &mut JsonInput, order: &Order) -> Result<(Subject, i64), ApiError> {
    let queries = input.items("Metrics")?;
    if queries.is_empty() {
        let period = period(input)?;
        return Ok((
            Subject::Metric(Query { series: series(input, order)?, statistic: statistic(input, "Statistic")? }),
            period,
        ));
    }
    let (mut expression, mut metrics) = (None, BTreeMap::new());
    for mut query in queries {
        let (id, returns) = (query.required("Id")?, query.flag("ReturnData")?.unwrap_or(true));
        match (query.text("Expression")?, query.structure("MetricStat")?) {
            (Some(text), None) if returns => expression = Some(text),
            (None, Some(mut stat)) if !returns => {
                let mut metric = stat.structure("Metric")?.ok_or_else(|| invalid("MetricStat has no Metric"))?;
                let series = series(&mut metric, order)?;
                metric.finish()?;
                let looked_at = (Query { series, statistic: statistic(&mut stat, "Stat")? }, period(&mut stat)?);
                stat.finish()?;
                metrics.insert(id, looked_at);
            }
            _ => return Err(invalid("one expression returns data, and metrics do not")),
        }
        query.text("Label")?;
        query.finish()?;
    }
    let expression = expression.unwrap_or_default();
    let unknown = || ApiError::unknown("metric expression", &expression);
    let (one, other) = expression.split_once(" - FILL(").ok_or_else(unknown)?;
    let other = other.strip_suffix(", 0)").ok_or_else(unknown)?;
    match (metrics.remove(one), metrics.remove(other)) {
        (Some((one, period)), Some((other, same))) if period == same && metrics.is_empty() => {
            Ok((Subject::Difference(one, other), period))
        }
        _ => Err(unknown()),
    }
}

fn series(input: &mut JsonInput, order: &Order) -> Result<Series, ApiError> {
    let mut dimensions = BTreeMap::new();
    for mut item in input.items("Dimensions")? {
        dimensions.insert(item.required("Name")?, item.required("Value")?);
        item.finish()?;
    }
    if dimensions.len() > MOST_DIMENSIONS {
        return Err(invalid(format!("a metric has up to {MOST_DIMENSIONS} dimensions")));
    }
    let (account, region) = (order.caller.account.clone(), order.region.clone());
    let (namespace, name) = (input.required("Namespace")?, input.required("MetricName")?);
    Ok(Series { account, region, namespace, name, dimensions })
}

fn period(input: &mut JsonInput) -> Result<i64, ApiError> {
    // Shorter ones are for metrics of high resolution.
    let period = input.number("Period")?.filter(|period| *period > 0 && period % 60 == 0);
    period.ok_or_else(|| invalid("Period is not a multiple of 60"))
}

fn count(input: &mut JsonInput, name: &str) -> Result<Option<usize>, ApiError> {
    let positive = |number: i64| usize::try_from(number).ok().filter(|number| *number > 0);
    let number = input.number(name)?;
    number.map(|number| positive(number).ok_or_else(|| invalid(format!("{name} is not at least 1")))).transpose()
}

fn threshold(input: &mut JsonInput) -> Result<f64, ApiError> {
    let number = input.value("Threshold").and_then(|value| value.as_f64());
    number.ok_or_else(|| invalid("Threshold is not a number"))
}

fn statistic(input: &mut JsonInput, name: &str) -> Result<Statistic, ApiError> {
    match input.required(name)?.as_str() {
        "Average" => Ok(Statistic::Average),
        "Maximum" => Ok(Statistic::Maximum),
        "Minimum" => Ok(Statistic::Minimum),
        "SampleCount" => Ok(Statistic::SampleCount),
        "Sum" => Ok(Statistic::Sum),
        other => Err(ApiError::unknown("statistic", other)),
    }
}

fn comparison(operator: &str) -> Result<Comparison, ApiError> {
    match operator {
        "GreaterThanThreshold" => Ok(Comparison::Above),
        "GreaterThanOrEqualToThreshold" => Ok(Comparison::AtLeast),
        "LessThanThreshold" => Ok(Comparison::Below),
        "LessThanOrEqualToThreshold" => Ok(Comparison::AtMost),
        other => Err(ApiError::unknown("comparison operator", other)),
    }
}

fn missing(word: Option<&str>) -> Result<Missing, ApiError> {
    match word {
        None | Some("missing") => Ok(Missing::NoData),
        Some("breaching") => Ok(Missing::Breaching),
        Some("notBreaching") => Ok(Missing::NotBreaching),
        Some("ignore") => Ok(Missing::Ignore),
        Some(other) => Err(invalid(format!("TreatMissingData is `{other}`"))),
    }
}

/// Topics of the alarm's own region; AWS knows other actions, and the sandbox does not.
fn actions(input: &mut JsonInput, name: &str, order: &Order) -> Result<Vec<String>, ApiError> {
    let arns = input.texts(name)?;
    let topics = format!("arn:{}:sns:{}:", order.caller.partition(), order.region);
    if arns.len() > MOST_ACTIONS {
        return Err(invalid(format!("{name} has up to {MOST_ACTIONS} items")));
    }
    match arns.iter().find(|arn| !arn.starts_with(&topics)) {
        Some(other) => Err(ApiError::unknown("alarm action", other)),
        None => Ok(arns),
    }
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}
