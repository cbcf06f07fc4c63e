//! Metrics, as a part of the log line that tells the same in words: CloudWatch Logs takes them out of it, so the function
//! needs no call and no permission for them (CloudWatch user guide, "Specification: Embedded metric format").

use std::time::{SystemTime, UNIX_EPOCH};

use contract::metrics::{self, DIMENSION, Metric, NAMESPACE};
use serde_json::{Value, json};

use crate::enroller;
use crate::error::RotationError;
use crate::rotate::Done;
use crate::sweeper::Report;

/// A metric and its value.
pub(crate) type Sample = (Metric, Value);

/// What a pass over all users has come to. What is not known of anybody has no sample: 0 would be wrong.
pub(crate) fn of_pass(report: &Report) -> Vec<Sample> {
    let counts = [
        (metrics::USERS_SWEPT, report.swept),
        (metrics::USERS_FAILED, report.failed),
        (metrics::USERS_BLOCKED, report.wanting_a_person),
        (metrics::ROTATIONS_STUCK, report.stuck),
        (metrics::KEYS_OVER_AGE, report.over_age),
    ];
    let counts = counts.into_iter().map(|(metric, count)| (metric, json!(count)));
    let oldest = report.oldest_key_days.map(|days| (metrics::OLDEST_KEY_DAYS, json!(days)));
    let next = report.next_step_seconds.map(|seconds| (metrics::DAYS_TO_NEXT_STEP, in_days(seconds)));
    counts.chain(oldest).chain(next).collect()
}

/// What a pass over the users to be enrolled has come to. Where somebody is meant and cannot be enrolled, a person has to
/// look, as at those whom the sweeper counts.
pub(crate) fn of_enrolment(report: &enroller::Report) -> Vec<Sample> {
    vec![
        (metrics::USERS_ENROLLED, json!(report.enrolled)),
        (metrics::ENROLMENTS_FAILED, json!(report.failed)),
        (metrics::USERS_BLOCKED, json!(report.blocked.values().sum::<usize>())),
    ]
}

/// What a step of a rotation has come to; nothing when the rotation just goes on.
pub(crate) fn of_step(result: &Result<Done, RotationError>) -> Vec<Sample> {
    let metric = match result {
        Ok(Done::Promoted) => metrics::ROTATIONS_FINISHED,
        Ok(Done::Complete | Done::Stored(_) | Done::Checked | Done::NothingToTest | Done::Proven) => return Vec::new(),
        Err(RotationError::Blocked(_)) => metrics::ROTATIONS_BLOCKED,
        Err(_) => metrics::ROTATIONS_FAILED,
    };
    vec![(metric, json!(1))]
}

/// Days with one decimal.
fn in_days(seconds: u64) -> Value {
    const TENTH: u64 = 8_640;
    let tenths = u32::try_from(seconds / TENTH).unwrap_or(u32::MAX);
    json!(f64::from(tenths) / 10.0)
}

/// The line with the samples in it, and with what tells CloudWatch that they are some. A function without a stack, or
/// a line without samples, has no metrics.
pub(crate) fn embed(mut line: Value, stack: Option<&str>, samples: &[Sample], now: SystemTime) -> Value {
    let Some(stack) = stack.filter(|stack| !stack.is_empty() && !samples.is_empty()) else { return line };
    let Some(fields) = line.as_object_mut() else { return line };
    let milliseconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let definitions: Vec<_> =
        samples.iter().map(|(metric, _)| json!({ "Name": metric.name, "Unit": metric.unit })).collect();
    let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": definitions });
    let timestamp = u64::try_from(milliseconds).unwrap_or(u64::MAX);
    fields.insert("_aws".to_owned(), json!({ "Timestamp": timestamp, "CloudWatchMetrics": [directive] }));
    fields.insert(DIMENSION.to_owned(), json!(stack));
    fields.extend(samples.iter().map(|(metric, value)| (metric.name.to_owned(), value.clone())));
    line
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::blocked::Blocked;

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_767_225_600_123)
    }

    fn report() -> Report {
        Report {
            swept: 7,
            failed: 1,
            wanting_a_person: 2,
            stuck: 3,
            over_age: 4,
            oldest_key_days: Some(29),
            next_step_seconds: Some(93_000),
            ..Report::default()
        }
    }

    /// Checks what the specification says a document must be, and gives its metrics.
    fn assert_is_embedded(document: &Value) -> BTreeSet<String> {
        let text = |value: &Value, longest: usize| {
            let text = value.as_str().unwrap_or_else(|| panic!("{value} is no text"));
            assert!((1..=longest).contains(&text.len()) && text.is_ascii(), "{text}");
            text.to_owned()
        };
        let metadata = document["_aws"].as_object().unwrap();
        assert_eq!(metadata.keys().collect::<Vec<_>>(), ["CloudWatchMetrics", "Timestamp"]);
        assert!(metadata["Timestamp"].as_u64().is_some());
        let mut names = BTreeSet::new();
        for directive in metadata["CloudWatchMetrics"].as_array().unwrap() {
            assert!(!text(&directive["Namespace"], 1024).starts_with("AWS/"));
            for set in directive["Dimensions"].as_array().unwrap() {
                let set = set.as_array().unwrap();
                assert!(set.len() <= 30);
                for dimension in set {
                    text(&document[text(dimension, 250)], 1024);
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            for metric in metrics {
                let name = text(&metric["Name"], 1024);
                assert!(document[&name].is_number(), "{name} is {}", document[&name]);
                assert!(["Count", "None"].contains(&metric["Unit"].as_str().unwrap()));
                assert!(names.insert(name), "a metric is there twice");
            }
        }
        names
    }

    #[test]
    fn a_pass_and_the_ends_of_rotations_are_documents_of_the_format() {
        let pass = embed(json!({ "message": "sweep" }), Some("keyturn"), &of_pass(&report()), at());
        let mut names = assert_is_embedded(&pass);
        assert_eq!(pass["_aws"]["Timestamp"], 1_767_225_600_123_u64);
        assert_eq!((&pass["Stack"], &pass["message"]), (&json!("keyturn"), &json!("sweep")));
        let values =
            ["UsersSwept", "UsersFailed", "UsersBlocked", "RotationsStuck", "KeysOverAge"].map(|name| &pass[name]);
        assert_eq!(values, [7, 1, 2, 3, 4]);
        assert_eq!((&pass["OldestKeyDays"], &pass["DaysToNextStep"]), (&json!(29), &json!(1.0)));

        let ends = [Ok(Done::Promoted), Err(RotationError::OutOfTime), Err(RotationError::Blocked(Blocked::Held))];
        for end in &ends {
            names.extend(assert_is_embedded(&embed(json!({}), Some("keyturn"), &of_step(end), at())));
        }
        assert_eq!(names, metrics::ALL.iter().map(|metric| metric.name.to_owned()).collect());

        let report =
            enroller::Report { enrolled: 5, failed: 1, blocked: [("renamed", 2)].into(), ..Default::default() };
        let pass = embed(json!({ "message": "enrolment" }), Some("keyturn"), &of_enrolment(&report), at());
        let names = assert_is_embedded(&pass);
        assert!(metrics::OF_ENROLMENT.iter().all(|metric| names.contains(metric.name)), "{names:?}");
        let values = ["UsersEnrolled", "EnrolmentsFailed", "UsersBlocked"].map(|name| &pass[name]);
        assert_eq!(values, [5, 1, 2]);
    }

    #[test]
    fn what_is_not_known_has_no_sample() {
        let nobody = embed(json!({}), Some("keyturn"), &of_pass(&Report::default()), at());
        let names = assert_is_embedded(&nobody);
        assert!(names.contains("UsersSwept") && !names.contains("OldestKeyDays") && !names.contains("DaysToNextStep"));
        assert_eq!(nobody["UsersSwept"], 0);
    }

    #[test]
    fn a_line_without_samples_or_stack_stays_as_it_is() {
        let line = json!({ "message": "step" });
        assert_eq!(embed(line.clone(), Some("keyturn"), &of_step(&Ok(Done::Proven)), at()), line);
        assert_eq!(embed(line.clone(), Some(""), &of_pass(&report()), at()), line);
        assert_eq!(embed(line.clone(), None, &of_pass(&report()), at()), line);
    }
}
