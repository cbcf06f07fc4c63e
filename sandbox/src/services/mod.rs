//! The services, one module each, and which of them a request is for.

pub(crate) mod cloudformation;
pub(crate) mod cloudwatch;
pub(crate) mod events;
pub(crate) mod iam;
pub(crate) mod lambda;
pub(crate) mod logs;
pub(crate) mod organizations;
pub(crate) mod s3;
pub(crate) mod secrets_manager;
pub(crate) mod ses;
pub(crate) mod sns;
pub(crate) mod sts;
pub(crate) mod unsigned;

use crate::answer::{Answer, Protocol};
use crate::input::{JsonInput, QueryInput};
use crate::request::{HttpRequest, Request};
use crate::{ApiError, World, model};

/// A service that the sandbox answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    CloudFormation,
    Iam,
    Lambda,
    Organizations,
    S3,
    SecretsManager,
    Sts,
}

impl Service {
    /// The service that a request is for, by the scope of its signature:
    /// `Credential=<key>/<date>/<region>/<service>/aws4_request`.
    pub(crate) fn of(http: &HttpRequest) -> Result<Self, ApiError> {
        let scope = http
            .headers
            .get("authorization")
            .and_then(|header| header.split_once("Credential="))
            .and_then(|(_, credential)| credential.split([',', ' ']).next())
            .and_then(|credential| credential.split('/').nth(3))
            .ok_or_else(|| {
                ApiError::new("MissingAuthenticationToken", "Request is missing Authentication Token").with_status(403)
            })?;
        match scope {
            "cloudformation" => Ok(Self::CloudFormation),
            "iam" => Ok(Self::Iam),
            "lambda" => Ok(Self::Lambda),
            "organizations" => Ok(Self::Organizations),
            "s3" => Ok(Self::S3),
            "secretsmanager" => Ok(Self::SecretsManager),
            "sts" => Ok(Self::Sts),
            other => Err(ApiError::unknown("service", other)),
        }
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::CloudFormation | Self::Iam | Self::Sts => Protocol::Query,
            Self::Organizations | Self::SecretsManager => Protocol::Json,
            Self::Lambda => Protocol::RestJson,
            Self::S3 => Protocol::RestXml,
        }
    }

    /// The service's prefix in IAM actions.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::CloudFormation => "cloudformation",
            Self::Iam => "iam",
            Self::Lambda => "lambda",
            Self::Organizations => "organizations",
            Self::S3 => "s3",
            Self::SecretsManager => "secretsmanager",
            Self::Sts => "sts",
        }
    }

    /// The error for calls that come too fast.
    pub(crate) fn throttled(self) -> ApiError {
        match self {
            // It has words of its own (API reference, "Common Errors" and the errors of each operation).
            Self::Organizations => ApiError::new("TooManyRequestsException", "You have sent too many requests."),
            _ => self.protocol().throttled(),
        }
    }

    /// The name of the operation that is asked for.
    pub(crate) fn operation(self, http: &HttpRequest) -> Result<String, ApiError> {
        let missing = || ApiError::new("MissingAction", "the request names no operation");
        match self.protocol() {
            Protocol::Query => form_urlencoded::parse(&http.body)
                .find(|(name, _)| name == "Action")
                .map(|(_, action)| action.into_owned())
                .ok_or_else(missing),
            Protocol::Json => http
                .headers
                .get("x-amz-target")
                .and_then(|target| target.rsplit('.').next())
                .map(str::to_owned)
                .ok_or_else(missing),
            Protocol::RestJson => lambda::operation(http).map(str::to_owned),
            Protocol::RestXml => s3::operation(http).map(str::to_owned),
        }
    }

    /// Whom or what a request is about: a user by name, also when a key of theirs is meant, or a secret by name or ARN.
    pub(crate) fn subject(self, world: &World, request: &Request) -> Option<String> {
        match self {
            Self::Iam => {
                let mut input = QueryInput::new(&request.http);
                let user_of = |id: String| world.iam.keys.get(&id).map(|key| key.user.clone());
                input.text("UserName").or_else(|| input.text("AccessKeyId").and_then(user_of))
            }
            Self::SecretsManager => JsonInput::new(&request.http).ok()?.text("SecretId").ok()?,
            Self::Sts => request.caller.user().map(str::to_owned),
            Self::CloudFormation | Self::Lambda | Self::Organizations | Self::S3 => None,
        }
    }

    pub(crate) fn handle(self, world: &mut World, request: &Request) -> Result<Answer, ApiError> {
        model::check(self.prefix(), &request.operation, self.protocol(), &request.http)?;
        match self {
            Self::CloudFormation => cloudformation::handle(world, request),
            Self::Iam => iam::handle(world, request),
            Self::Lambda => lambda::handle(world, request),
            Self::Organizations => organizations::handle(world, request),
            Self::S3 => s3::handle(world, request),
            Self::SecretsManager => secrets_manager::handle(world, request),
            Self::Sts => sts::handle(world, request),
        }
    }
}
