//! The detection of drift: begun by a call, done some time later.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::Due;
use super::super::resource;
use super::super::stack::Stack;
use super::difference::differences;
use super::live::{Live, read};
use super::{Drift, Status};
use crate::request::Caller;
use crate::{ApiError, World, agenda};

/// How long a detection takes. AWS says "several minutes, depending on the number of resources"; nothing depends on it.
const TAKES: Duration = Duration::from_secs(20);

/// A detection that was asked for.
#[derive(Debug, Clone)]
pub(in super::super) struct Detection {
    /// The id of the stack.
    pub(in super::super) stack: String,
    pub(in super::super) caller: Caller,
    pub(in super::super) began: Timestamp,
    /// `None` while it is under way.
    pub(in super::super) result: Option<Found>,
}

/// What a detection has found.
#[derive(Debug, Clone)]
pub(in super::super) struct Found {
    pub(in super::super) drifted: usize,
    /// Why it failed for at least one resource.
    pub(in super::super) failure: Option<String>,
}

/// Begins a detection, and gives its id.
pub(in super::super) fn begin(world: &mut World, stack: &str, caller: Caller) -> String {
    let (id, began) = (world.random_uuid(), world.now());
    let detection = Detection { stack: stack.to_owned(), caller, began, result: None };
    world.cloudformation.detections.insert(id.clone(), detection);
    let due = Due::DriftDetected { stack: stack.to_owned(), detection: id.clone() };
    world.agenda.work_after(TAKES, agenda::Due::CloudFormation(due));
    id
}

/// The time that a detection takes has passed.
pub(in super::super) fn finish(world: &mut World, stack: &mut Stack, id: &str) {
    let Some(detection) = world.cloudformation.detections.get(id).cloned() else { return };
    let (mut drifted, mut failed) = (0, Vec::new());
    for name in stack.resources.keys().cloned().collect::<Vec<_>>() {
        let drift = detect(world, stack, &detection.caller, &name);
        let Some(drift) = drift.transpose() else { continue };
        let drift = drift.unwrap_or_else(|error| unknown(world.now(), error.message));
        drifted += usize::from(matches!(drift.status, Status::Modified | Status::Deleted));
        if drift.status == Status::Unknown {
            failed.push(name.clone());
        }
        if let Some(resource) = stack.resources.get_mut(&name) {
            resource.drift = Some(drift);
        }
    }
    let failure = (!failed.is_empty()).then(|| format!("Failed to detect drift on resource [{}]", failed.join(", ")));
    stack.drift = Some((if drifted > 0 { "DRIFTED" } else { "IN_SYNC" }, world.now()));
    if let Some(detection) = world.cloudformation.detections.get_mut(id) {
        detection.result = Some(Found { drifted, failure });
    }
}

fn unknown(at: Timestamp, reason: String) -> Drift {
    let (expected, actual, differences) = (None, None, Vec::new());
    Drift { status: Status::Unknown, at, reason: Some(reason), expected, actual, differences }
}

/// Looks at one resource; `None` for a type that cannot be looked at.
fn detect(world: &mut World, stack: &Stack, caller: &Caller, name: &str) -> Result<Option<Drift>, ApiError> {
    let Some(resource) = stack.resources.get(name) else { return Ok(None) };
    let Some(readable) = resource::schema(&resource.kind)?.readable else { return Ok(None) };
    let at = world.now();
    let drift = |status, expected, actual, differences| {
        Ok(Some(Drift { status, at, reason: None, expected, actual, differences }))
    };
    match read(world, stack, caller, name)? {
        Live::Unknown => Ok(None),
        Live::Gone => drift(Status::Deleted, None, None, Vec::new()),
        Live::There(actual) => {
            let fields = resource.properties.as_object().into_iter().flatten();
            let expected: Map<String, Value> = fields
                .filter(|(property, _)| readable.contains(&property.as_str()))
                .map(|(property, value)| (property.clone(), value.clone()))
                .collect();
            // What the template does not say is nobody's to compare.
            let actual = actual.as_object().into_iter().flatten();
            let actual: Map<String, Value> = actual
                .filter(|(property, _)| expected.contains_key(*property))
                .map(|(property, value)| (property.clone(), value.clone()))
                .collect();
            let (expected, actual) = (expected.into(), actual.into());
            let differences = differences(&expected, &actual);
            let status = if differences.is_empty() { Status::InSync } else { Status::Modified };
            drift(status, Some(expected), Some(actual), differences)
        }
    }
}
