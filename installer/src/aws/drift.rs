//! Drift: what CloudFormation says that somebody has changed past it.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{
    StackDriftDetectionStatus, StackResourceDrift, StackResourceDriftStatus as DriftStatus,
};
use serde_json::Value as Json;

use super::pages::Pages;
use super::{CallError, Clients, reduce};

/// A resource that is not as its template says, or of which nobody can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drifted {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name in AWS.
    pub physical_id: String,
    /// Its type.
    pub kind: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was changed.
    Changed(Difference),
    /// It was deleted.
    Deleted,
    /// CloudFormation could not look at it, and says why.
    Unknown(String),
}

/// How the properties of a resource differ from what the template says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// The properties that the template gives it, without intrinsics.
    pub expected: Json,
    /// The same properties as they are.
    pub actual: Json,
    /// The single values that differ.
    pub values: Vec<DifferentValue>,
}

/// A single value that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferentValue {
    /// Where in the properties: `/Environment/Variables/NAME`.
    pub path: String,
    /// What the template says; `None` when it says nothing.
    pub expected: Option<Json>,
    /// What there is; `None` when it is not set.
    pub actual: Option<Json>,
}

/// How far a detection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detection {
    /// CloudFormation is still looking.
    UnderWay,
    /// It has looked at everything that it can look at.
    Complete,
    /// It could not look at some resources; of the others the results are there.
    Failed(String),
}

/// Begins to look for drift in a stack, and gives the id of the detection; `None` while another one is under way.
///
/// # Errors
/// [`CallError`].
pub async fn detect(clients: &Clients, stack: &str) -> Result<Option<String>, CallError> {
    const OPERATION: &str = "cloudformation:DetectStackDrift";
    match clients.cloudformation.detect_stack_drift().stack_name(stack).send().await.map_err(reduce(OPERATION)) {
        // CloudFormation has no code of its own for it.
        Err(CallError::Refused { message, .. }) if message.contains("already in progress") => Ok(None),
        Err(error) => Err(error),
        Ok(answer) => {
            let id = answer.stack_drift_detection_id().map(str::to_owned);
            id.map(Some).ok_or_else(|| CallError::incomplete(OPERATION, "StackDriftDetectionId"))
        }
    }
}

/// Says how far a detection is.
///
/// # Errors
/// [`CallError`].
pub async fn detection(clients: &Clients, id: &str) -> Result<Detection, CallError> {
    const OPERATION: &str = "cloudformation:DescribeStackDriftDetectionStatus";
    let asked = clients.cloudformation.describe_stack_drift_detection_status().stack_drift_detection_id(id);
    let answer = asked.send().await.map_err(reduce(OPERATION))?;
    match answer.detection_status() {
        Some(StackDriftDetectionStatus::DetectionInProgress) => Ok(Detection::UnderWay),
        Some(StackDriftDetectionStatus::DetectionComplete) => Ok(Detection::Complete),
        Some(StackDriftDetectionStatus::DetectionFailed) => Ok(Detection::Failed(
            answer.detection_status_reason().unwrap_or("CloudFormation gave no reason").to_owned(),
        )),
        _ => Err(CallError::incomplete(OPERATION, "DetectionStatus")),
    }
}

/// The resources in which the last detection has found something, or nothing because it could not look.
///
/// # Errors
/// [`CallError`].
pub async fn found(clients: &Clients, stack: &str) -> Result<Vec<Drifted>, CallError> {
    const OPERATION: &str = "cloudformation:DescribeStackResourceDrifts";
    let (mut found, mut next) = (Vec::new(), None);
    let mut read = Pages::of(OPERATION);
    loop {
        read.one_more()?;
        let asked = clients
            .cloudformation
            .describe_stack_resource_drifts()
            .stack_name(stack)
            .stack_resource_drift_status_filters(DriftStatus::Modified)
            .stack_resource_drift_status_filters(DriftStatus::Deleted)
            .stack_resource_drift_status_filters(DriftStatus::UnknownValue);
        let page = asked.set_next_token(next).send().await.map_err(reduce(OPERATION))?;
        found.extend(page.stack_resource_drifts().iter().filter_map(drifted));
        match page.next_token() {
            Some(token) => next = Some(token.to_owned()),
            None => return Ok(found),
        }
    }
}

fn drifted(drift: &StackResourceDrift) -> Option<Drifted> {
    let fate = match drift.stack_resource_drift_status()? {
        DriftStatus::Modified => Fate::Changed(Difference {
            expected: properties(drift.expected_properties()),
            actual: properties(drift.actual_properties()),
            values: drift
                .property_differences()
                .iter()
                .map(|difference| DifferentValue {
                    path: difference.property_path().unwrap_or_default().to_owned(),
                    expected: value(difference.expected_value()),
                    actual: value(difference.actual_value()),
                })
                .collect(),
        }),
        DriftStatus::Deleted => Fate::Deleted,
        DriftStatus::UnknownValue => {
            Fate::Unknown(drift.drift_status_reason().unwrap_or("CloudFormation gave no reason").to_owned())
        }
        _ => return None,
    };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Some(Drifted {
        logical_id: text(drift.logical_resource_id()),
        physical_id: text(drift.physical_resource_id()),
        kind: text(drift.resource_type()),
        fate,
    })
}

fn properties(text: Option<&str>) -> Json {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// A value as CloudFormation writes it: structures as JSON, texts as they are, and `null` for what is not set.
fn value(text: Option<&str>) -> Option<Json> {
    let text = text.filter(|text| *text != "null")?;
    Some(match serde_json::from_str(text) {
        Ok(structure @ (Json::Object(_) | Json::Array(_) | Json::Number(_) | Json::Bool(_))) => structure,
        _ => Json::String(text.to_owned()),
    })
}

/// The tags of properties, by their keys.
pub fn tags(properties: &Json) -> BTreeMap<String, String> {
    let tags = properties.get("Tags").and_then(Json::as_array).into_iter().flatten();
    let text = |tag: &Json, name: &str| tag.get(name).and_then(Json::as_str).map(str::to_owned);
    tags.filter_map(|tag| Some((text(tag, "Key")?, text(tag, "Value")?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_as_they_were_meant() {
        for (text, expected) in [
            ("128", Some(json!(128))),
            ("true", Some(json!(true))),
            ("{\"a\":1}", Some(json!({ "a": 1 }))),
            ("rate(5 minutes)", Some(json!("rate(5 minutes)"))),
            ("", Some(json!(""))),
            ("null", None),
        ] {
            assert_eq!(value(Some(text)), expected, "{text}");
        }
        assert_eq!((value(None), properties(Some("no json"))), (None, Json::Null));
    }
}
