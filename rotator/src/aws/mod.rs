//! The edge: real SDK clients, and one thin function per question or change, in this crate's own types.
//!
//! Lists are read with `stop_on_duplicate_token(false)`: where the same token comes twice, the SDK would take what it has for
//! everything. Their number has a limit (`pages.rs`): an answer without an end is an error.

pub(crate) mod iam;
pub(crate) mod secrets;
pub(crate) mod sts;

mod clock;
mod https;
mod pages;

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_iam::config::BehaviorVersion;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::request_id::RequestId;
use jiff::Timestamp;

use crate::error::{CallError, RotationError};

/// The longest that one try of a call may take. IAM's slow answers take a few seconds.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest that a call may take with all its tries.
const CALL_TIMEOUT: Duration = Duration::from_secs(25);

/// The clients of one function instance.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    /// What a client for another key is made from.
    pub(crate) config: SdkConfig,
}

/// What the environment of a function instance lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable `{0}` is not set")]
pub(crate) struct MissingVariable(&'static str);

impl Clients {
    /// Clients with the region and the role's credentials that Lambda puts into the environment.
    ///
    /// There is no chain of credential providers: in a function there is exactly one place to look.
    pub(crate) fn new(variable: impl Fn(&str) -> Option<String>) -> Result<Self, MissingVariable> {
        let required = |name| variable(name).ok_or(MissingVariable(name));
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            variable("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(TRY_TIMEOUT).operation_timeout(CALL_TIMEOUT);
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(https::client(variable("SSL_CERT_FILE")))
            .region(Region::new(required("AWS_REGION")?))
            .timeout_config(timeouts.build());
        config.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
        let config = config.build();
        Ok(Self {
            iam: aws_sdk_iam::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            config,
        })
    }
}

/// Reduces an SDK error to what may be shown.
pub(crate) fn call_error<E: ProvideErrorMetadata>(operation: &'static str, error: &SdkError<E, Response>) -> CallError {
    let no_answer = |code: &str, definite| {
        let (message, request) = (String::new(), String::new());
        CallError { operation, code: code.into(), message, request, definite }
    };
    match error {
        SdkError::ConstructionFailure(_) => no_answer("the request could not be built", true),
        SdkError::TimeoutError(_) => no_answer("no answer in time", false),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => no_answer("no answer in time", false),
        SdkError::DispatchFailure(_) => no_answer("no connection", false),
        SdkError::ResponseError(_) => no_answer("an answer that cannot be read", false),
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("an error without a code").to_owned();
            let is_denial = code.starts_with("AccessDenied");
            let message = service.err().message().filter(|_| is_denial).map(|text| format!(": {text}"));
            let definite = service.raw().status().is_client_error();
            let request = error.request_id().map(|id| format!(" (request {id})"));
            let (message, request) = (message.unwrap_or_default(), request.unwrap_or_default());
            CallError { operation, code, message, request, definite }
        }
        _ => no_answer("an unknown failure", false),
    }
}

/// A point in time out of an answer.
pub(crate) fn timestamp(time: &DateTime) -> Result<Timestamp, RotationError> {
    let nanoseconds = i32::try_from(time.subsec_nanos()).unwrap_or_default();
    Timestamp::new(time.secs(), nanoseconds).map_err(|_| RotationError::Answer("time"))
}
