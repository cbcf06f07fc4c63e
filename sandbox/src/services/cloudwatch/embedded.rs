//! Metrics in the embedded metric format: a log line that says which of its own fields are metrics (CloudWatch user
//! guide, "Specification: Embedded metric format").
//!
//! Where CloudWatch would only count an EMFValidationError, the call log has a refusal that says what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::metric::Series;
use crate::{Outcome, World};

/// What the specification allows in one document.
const MOST_METRICS: usize = 100;
const MOST_DIMENSIONS: usize = 30;

/// Characters of a namespace, of a metric's name and of a dimension's value, and of a dimension's name.
const LONGEST_NAME: usize = 1024;
const LONGEST_DIMENSION: usize = 250;

/// A metric that a line holds.
#[derive(Debug, PartialEq)]
struct Sample {
    namespace: String,
    name: String,
    dimensions: BTreeMap<String, String>,
    value: f64,
}

/// Takes the metrics out of a line of a log, if it holds any. They count from now on, whatever their Timestamp says:
/// functions are real processes, and their clock is not the sandbox's.
pub(crate) fn take_in(world: &mut World, account: &str, region: &str, line: &str) {
    match samples(line) {
        Ok(samples) => {
            let now = world.now();
            for Sample { namespace, name, dimensions, value } in samples {
                let (account, region) = (account.to_owned(), region.to_owned());
                let series = Series { account, region, namespace, name, dimensions };
                world.cloudwatch.metrics.record(series, now, value);
            }
        }
        Err(why) => {
            let outcome = Outcome::Refused(format!("EMFValidationError: {why}"));
            world.note_call("logs.amazonaws.com", "cloudwatch:PutMetricData", outcome);
        }
    }
}

/// The metrics of a line. One that does not name itself as a document of the format has none.
fn samples(line: &str) -> Result<Vec<Sample>, String> {
    let Ok(Value::Object(root)) = serde_json::from_str(line) else { return Ok(Vec::new()) };
    let Some(metadata) = root.get("_aws") else { return Ok(Vec::new()) };
    let metadata = fields(metadata, "_aws", &["Timestamp", "CloudWatchMetrics"])?;
    if !metadata.get("Timestamp").is_some_and(Value::is_u64) {
        return Err("Timestamp is not a whole number of milliseconds".to_owned());
    }
    let mut samples = Vec::new();
    for directive in list(metadata, "CloudWatchMetrics")? {
        samples.extend(of_directive(&root, directive)?);
    }
    Ok(samples)
}

fn of_directive(root: &Map<String, Value>, directive: &Value) -> Result<Vec<Sample>, String> {
    let directive = fields(directive, "a MetricDirective", &["Namespace", "Dimensions", "Metrics"])?;
    let namespace = text(directive.get("Namespace"), "Namespace", LONGEST_NAME)?;
    if namespace.starts_with("AWS/") {
        return Err(format!("the namespace {namespace} is one of AWS's own"));
    }
    let sets = list(directive, "Dimensions")?.iter().map(|set| dimensions(root, set)).collect::<Result<Vec<_>, _>>()?;
    let definitions = list(directive, "Metrics")?;
    if definitions.len() > MOST_METRICS {
        return Err(format!("there are more than {MOST_METRICS} metrics"));
    }
    let (mut names, mut samples) = (BTreeSet::new(), Vec::new());
    for definition in definitions {
        let definition = fields(definition, "a MetricDefinition", &["Name", "Unit"])?;
        let name = text(definition.get("Name"), "Name", LONGEST_NAME)?;
        if !names.insert(name.clone()) {
            return Err(format!("the metric {name} is defined twice"));
        }
        if let Some(unit) =
            definition.get("Unit").filter(|unit| !["Count", "None", "Seconds"].map(Value::from).contains(unit))
        {
            return Err(format!("the sandbox knows no unit {unit}"));
        }
        let value = root.get(&name).and_then(Value::as_f64);
        let value = value.ok_or_else(|| format!("the metric {name} is no number of the document"))?;
        let sample = |set: &BTreeMap<String, String>| Sample {
            namespace: namespace.clone(),
            name: name.clone(),
            dimensions: set.clone(),
            value,
        };
        samples.extend(sets.iter().map(sample));
    }
    Ok(samples)
}

fn dimensions(root: &Map<String, Value>, set: &Value) -> Result<BTreeMap<String, String>, String> {
    let names = set.as_array().ok_or("a DimensionSet is not a list")?;
    if names.len() > MOST_DIMENSIONS {
        return Err(format!("there are more than {MOST_DIMENSIONS} dimensions"));
    }
    let dimension = |name: &Value| {
        let name = text(Some(name), "the name of a dimension", LONGEST_DIMENSION)?;
        let value = text(root.get(&name), &name, LONGEST_NAME)?;
        Ok((name, value))
    };
    names.iter().map(dimension).collect()
}

fn fields<'a>(value: &'a Value, what: &str, known: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let fields = value.as_object().ok_or_else(|| format!("{what} is not an object"))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("{what} has the member {name}")),
        None => Ok(fields),
    }
}

fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a Vec<Value>, String> {
    fields.get(name).and_then(Value::as_array).ok_or_else(|| format!("{name} is not a list"))
}

fn text(value: Option<&Value>, what: &str, longest: usize) -> Result<String, String> {
    let text = value.and_then(Value::as_str).filter(|text| (1..=longest).contains(&text.len()));
    text.map(str::to_owned).ok_or_else(|| format!("{what} is not a text of 1 to {longest} characters"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "_aws": {
                "Timestamp": 1_767_225_600_000_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "shop",
                    "Dimensions": [["Stack"], []],
                    "Metrics": [{ "Name": "Orders", "Unit": "Count" }],
                }],
            },
            "Stack": "cell",
            "Orders": 3,
            "message": "sold",
        })
    }

    #[test]
    fn a_document_has_a_sample_for_every_metric_and_set_of_dimensions() {
        let sample = |dimensions: &[(&str, &str)]| Sample {
            namespace: "shop".to_owned(),
            name: "Orders".to_owned(),
            dimensions: dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            value: 3.0,
        };
        assert_eq!(samples(&document().to_string()), Ok(vec![sample(&[("Stack", "cell")]), sample(&[])]));
    }

    #[test]
    fn other_lines_hold_no_metrics() {
        for line in ["", "START", "7", r#"{"message":"sold"}"#, &format!("x{}", document())] {
            assert_eq!(samples(line), Ok(Vec::new()), "{line}");
        }
    }

    #[test]
    fn what_the_specification_forbids_is_named() {
        let error = |change: fn(&mut Value)| {
            let mut document = document();
            change(&mut document);
            samples(&document.to_string()).unwrap_err()
        };
        type Change = fn(&mut Value);
        let table: [(Change, &str); 9] = [
            (|document| document["_aws"] = json!([]), "_aws is not an object"),
            (|document| document["_aws"]["Timestamp"] = json!("now"), "Timestamp is not a whole number"),
            (|document| document["_aws"]["Unknown"] = json!(1), "_aws has the member Unknown"),
            (
                |document| document["_aws"]["CloudWatchMetrics"][0]["Namespace"] = json!("AWS/Lambda"),
                "one of AWS's own",
            ),
            (|document| document["_aws"]["CloudWatchMetrics"][0]["Namespace"] = json!(""), "Namespace is not a text"),
            (|document| document["Orders"] = json!("3"), "the metric Orders is no number"),
            (|document| document["Stack"] = json!(3), "Stack is not a text"),
            (
                |document| {
                    document["_aws"]["CloudWatchMetrics"][0]["Metrics"] = vec![json!({ "Name": "Orders" }); 2].into()
                },
                "defined twice",
            ),
            (
                |document| {
                    let many = (0..31).map(|number| format!("D{number}")).collect::<Vec<_>>();
                    document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] = json!([many]);
                },
                "more than 30 dimensions",
            ),
        ];
        for (change, expected) in table {
            let error = error(change);
            assert!(error.contains(expected), "{error}");
        }
    }
}
