//! What the published API models say of a request. A request that AWS would not understand must not get through here
//! either: what is unknown, missing, of the wrong type, too long, or not of the required form is refused.
//!
//! `sandbox/models` holds what the models say of the operations that the sandbox answers; `.ci/api-models` writes those
//! files, and compares them with what AWS publishes.

mod shape;
mod wire;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::ApiError;
use crate::answer::Protocol;
use crate::request::HttpRequest;
use shape::Shapes;

/// The operations of a service.
#[derive(Debug, Deserialize)]
struct Model {
    operations: BTreeMap<String, Operation>,
    shapes: Shapes,
}

#[derive(Debug, Deserialize)]
struct Operation {
    method: String,
    /// Where it is found; `{Name}` stands for a member, `{Name+}` for one that may contain slashes.
    uri: String,
    /// The shape of its input, if it has one.
    input: Option<String>,
}

macro_rules! models {
    ($($service:literal),*) => {
        /// The models, each read when its service is called for the first time.
        fn model(service: &str) -> Option<&'static Model> {
            match service {
                $($service => {
                    static MODEL: LazyLock<Model> = LazyLock::new(|| {
                        let text = include_str!(concat!("../../models/", $service, ".json"));
                        serde_json::from_str(text).unwrap_or_else(|error| panic!("the model of {}: {error}", $service))
                    });
                    Some(&MODEL)
                })*
                _ => None,
            }
        }

        #[cfg(test)]
        const SERVICES: &[&str] = &[$($service),*];
    };
}

models!("cloudformation", "iam", "lambda", "organizations", "s3", "secretsmanager", "sso", "sts");

/// Checks a request against the model of the operation that it asks for.
pub(crate) fn check(service: &str, operation: &str, protocol: Protocol, http: &HttpRequest) -> Result<(), ApiError> {
    let model = model(service).ok_or_else(|| ApiError::unknown("service", service))?;
    let described = model.operations.get(operation).ok_or_else(|| ApiError::unknown("operation", operation))?;
    let checked = wire::read(&model.shapes, described, protocol, http).and_then(|input| match &described.input {
        Some(shape) => model.shapes.check(shape, &input, ""),
        None => Ok(()),
    });
    checked.map_err(|violation| refusal(service, protocol, format!("1 validation error detected: {violation}")))
}

fn refusal(service: &str, protocol: Protocol, message: String) -> ApiError {
    let code = match (service, protocol) {
        // Its reasons are those that a model has, such as INVALID_PATTERN.
        ("organizations", _) => "InvalidInputException",
        (_, Protocol::Query) => "ValidationError",
        _ => "ValidationException",
    };
    ApiError::new(code, message)
}

#[cfg(test)]
mod tests;
