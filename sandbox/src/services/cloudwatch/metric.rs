//! Metrics: samples by namespace, name and dimensions, each at the moment at which it came in.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::World;

/// Which samples belong together. CloudWatch takes two sets of dimensions for two metrics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) dimensions: BTreeMap<String, String>,
}

/// How the samples of a period become one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statistic {
    Average,
    Maximum,
    Minimum,
    SampleCount,
    Sum,
}

/// The samples of every series, oldest first.
#[derive(Debug, Default)]
pub(super) struct Metrics(BTreeMap<Series, Vec<(Timestamp, f64)>>);

impl Metrics {
    pub(super) fn record(&mut self, series: Series, at: Timestamp, value: f64) {
        self.0.entry(series).or_default().push((at, value));
    }

    pub(super) fn series(&self) -> impl Iterator<Item = (&Series, &[(Timestamp, f64)])> {
        self.0.iter().map(|(series, samples)| (series, samples.as_slice()))
    }

    /// The figure of the period from `from` to before `to`; `None` when it has no sample.
    pub(super) fn figure(&self, series: &Series, statistic: Statistic, from: Timestamp, to: Timestamp) -> Option<f64> {
        let samples = self.0.get(series)?;
        let position = |time| samples.partition_point(|(at, _)| *at < time);
        let samples = samples.get(position(from)..position(to)).filter(|samples| !samples.is_empty())?;
        let values = samples.iter().map(|(_, value)| *value);
        let count = f64::from(u32::try_from(samples.len()).unwrap_or(u32::MAX));
        Some(match statistic {
            Statistic::Average => values.sum::<f64>() / count,
            Statistic::Maximum => values.fold(f64::MIN, f64::max),
            Statistic::Minimum => values.fold(f64::MAX, f64::min),
            Statistic::SampleCount => count,
            Statistic::Sum => values.sum(),
        })
    }
}

/// Counts the end of an invocation, as Lambda does (Lambda developer guide, "Types of metrics for Lambda functions").
pub(crate) fn count_invocation(world: &mut World, function: &str, has_failed: bool) {
    record_for_function(world, function, "Invocations", 1.0);
    record_for_function(world, function, "Errors", f64::from(u8::from(has_failed)));
}

/// Counts an invocation that was refused for want of concurrency.
pub(crate) fn count_throttle(world: &mut World, function: &str) {
    record_for_function(world, function, "Throttles", 1.0);
}

fn record_for_function(world: &mut World, function: &str, name: &str, value: f64) {
    let part = |index| function.split(':').nth(index).unwrap_or_default().to_owned();
    let series = Series {
        account: part(4),
        region: part(3),
        namespace: "AWS/Lambda".to_owned(),
        name: name.to_owned(),
        dimensions: BTreeMap::from([("FunctionName".to_owned(), part(6))]),
    };
    let now = world.now();
    world.cloudwatch.metrics.record(series, now, value);
}
