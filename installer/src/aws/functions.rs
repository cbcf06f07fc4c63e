//! The function as Lambda sees it.

use std::time::Duration;

use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use super::{CallError, Clients, reduce};
use crate::config::Architecture;
use crate::names::STACK_TAG;

/// What to add to a function's own timeout: it may have to wait for its turn, and to start.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// What tells whether a function runs the code that it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// `Active` when it can be invoked.
    pub state: String,
    /// `Successful` when the last change of code or configuration has arrived.
    pub last_update: String,
    /// SHA-256 of the zip, in base64.
    pub code_sha256: String,
}

/// Looks a function up.
///
/// # Errors
/// [`CallError`], but not when there is no such function.
pub async fn describe(clients: &Clients, name: &str) -> Result<Option<Function>, CallError> {
    let asked = clients.lambda.get_function_configuration().function_name(name);
    match asked.send().await.map_err(reduce("lambda:GetFunctionConfiguration")) {
        Ok(answer) => Ok(Some(Function {
            state: answer.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
            last_update: answer.last_update_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            code_sha256: answer.code_sha256().unwrap_or_default().to_owned(),
        })),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives a function the code in a bucket. Where the function is being changed right now, whoever does that comes first.
///
/// # Errors
/// [`CallError`].
pub async fn put_code(
    clients: &Clients,
    name: &str,
    bucket: &str,
    key: &str,
    architecture: Architecture,
) -> Result<(), CallError> {
    let asked = clients.lambda.update_function_code().function_name(name).s3_bucket(bucket).s3_key(key);
    let asked = asked.architectures(architecture.to_string().as_str().into());
    match asked.send().await.map_err(reduce("lambda:UpdateFunctionCode")) {
        Err(error) if error.code() == Some("ResourceConflictException") => Ok(()),
        answer => answer.map(|_| ()),
    }
}

/// The stack that has made a function, by CloudFormation's tag on it; `None` also when there is no such function.
///
/// # Errors
/// [`CallError`].
pub async fn stack_of(clients: &Clients, name: &str) -> Result<Option<String>, CallError> {
    let asked = clients.lambda.get_function().function_name(name);
    match asked.send().await.map_err(reduce("lambda:GetFunction")) {
        Ok(answer) => Ok(answer.tags().and_then(|tags| tags.get(STACK_TAG).cloned())),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Invoked {
    /// With this answer.
    Answered(Value),
    /// With an error of the function.
    Failed {
        /// Its kind.
        kind: String,
        /// What it says.
        message: String,
    },
    /// There is no such function.
    Missing,
}

/// Invokes a function and waits for its answer. It may be invoked again when an answer gets lost.
///
/// # Errors
/// [`CallError`], but not when the function itself fails.
pub async fn invoke(clients: &Clients, name: &str, event: &Value, timeout: Duration) -> Result<Invoked, CallError> {
    const OPERATION: &str = "lambda:InvokeFunction";
    let within = TimeoutConfig::builder().operation_attempt_timeout(timeout.saturating_add(STARTS_WITHIN)).build();
    let asked = clients.lambda.invoke().function_name(name).payload(Blob::new(event.to_string()));
    let asked = asked.customize().config_override(aws_sdk_lambda::config::Config::builder().timeout_config(within));
    let answer = match asked.send().await.map_err(reduce(OPERATION)) {
        Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(Invoked::Missing),
        answer => answer?,
    };
    let payload = answer.payload().and_then(|payload| serde_json::from_slice::<Value>(payload.as_ref()).ok());
    let payload = payload.ok_or_else(|| CallError::incomplete(OPERATION, "Payload"))?;
    if answer.function_error().is_none() {
        return Ok(Invoked::Answered(payload));
    }
    let text = |field| payload.get(field).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    Ok(Invoked::Failed { kind: text("errorType"), message: text("errorMessage") })
}
