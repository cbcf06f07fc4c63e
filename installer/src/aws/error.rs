//! What went wrong with one call to AWS, reduced to what a person can act on.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::CredentialError;

/// The codes that say that the credentials themselves are at fault, whatever was asked for.
const BAD_CREDENTIALS: [&str; 11] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

/// Where AWS begins to quote the request when a signature does not fit: among its headers is the session token (R9).
const QUOTED_REQUEST: [&str; 3] = ["The Canonical String", "The String-to-Sign", "Authorization="];

/// The codes that say that the caller may not do what was asked for.
const DENIED: [&str; 4] = ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"];

/// The codes that say that a service does not know an account yet: those of CloudFormation, of Lambda and Secrets
/// Manager, and of S3.
const NOT_READY: [&str; 3] = ["OptInRequired", "SubscriptionRequiredException", "NotSignedUp"];

/// Why a call to AWS did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The chain of credential sources came up empty, or one of them failed.
    #[error("no AWS credentials: {cause}")]
    NoCredentials {
        /// Which source failed, and why.
        cause: String,
        /// What to do about it.
        hint: String,
    },
    /// AWS does not accept the credentials.
    #[error("AWS does not accept the credentials, said `{operation}`: {message} ({code})")]
    BadCredentials {
        /// The operation that found out.
        operation: &'static str,
        /// The error code.
        code: String,
        /// The error message.
        message: String,
    },
    /// The caller lacks a permission.
    #[error("`{action}` is not allowed: {message}")]
    Denied {
        /// The IAM action that was denied.
        action: String,
        /// The error message.
        message: String,
    },
    /// AWS refused for another reason.
    #[error("`{operation}` was refused: {message} ({code})")]
    Refused {
        /// The operation.
        operation: &'static str,
        /// The error code.
        code: String,
        /// The error message.
        message: String,
    },
    /// There was no answer, or none that can be read.
    #[error("`{operation}` got no usable answer: {cause}")]
    NoAnswer {
        /// The operation.
        operation: &'static str,
        /// What was wrong with the answer or the connection.
        cause: String,
    },
}

/// How CloudFormation refuses the second of two runs: the stack is there by now, or executing the other one's change set
/// has taken this one's away.
const LOST_RACES: [&str; 3] = ["AlreadyExistsException", "ChangeSetNotFound", "InvalidChangeSetStatus"];

/// What CloudFormation refuses when there are too many stack sets, or stacks of one (CloudFormation quotas).
const BEYOND_QUOTAS: [&str; 2] = ["cloudformation:CreateStackSet", "cloudformation:CreateStackInstances"];

impl CallError {
    /// The error code, when AWS refused for a reason that the caller may know how to deal with.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::NoCredentials { .. } | Self::BadCredentials { .. } | Self::Denied { .. } | Self::NoAnswer { .. } => {
                None
            }
        }
    }

    /// Whether a service does not know the account yet, which takes new accounts some minutes.
    pub fn is_not_ready(&self) -> bool {
        self.code().is_some_and(|code| NOT_READY.contains(&code))
    }

    /// What AWS said, when it refused.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Refused { message, .. } => Some(message),
            Self::NoCredentials { .. } | Self::BadCredentials { .. } | Self::Denied { .. } | Self::NoAnswer { .. } => {
                None
            }
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoCredentials { hint, .. } => Some(hint.clone()),
            Self::BadCredentials { .. } => Some(
                "sign in again, or choose another profile with `--profile`; then run the same command again".to_owned(),
            ),
            Self::Denied { action, .. } => {
                Some(format!("let the caller do `{action}`, then run the same command again"))
            }
            Self::Refused { code, .. } if LOST_RACES.contains(&code.as_str()) => {
                Some("somebody else is at it too; run the same command again, it goes on from what is there".to_owned())
            }
            Self::Refused { code, .. } if NOT_READY.contains(&code.as_str()) => Some(
                "a new account takes some minutes until all services know it; run the same command again then"
                    .to_owned(),
            ),
            Self::Refused { operation, code, .. }
                if code == "LimitExceededException" && BEYOND_QUOTAS.contains(operation) =>
            {
                Some(
                    "an account may have 1,000 stack sets, and a set 100,000 stacks, if nobody has changed that: have the quota raised in Service Quotas, or divide the fleet into files, each with a `stack` of its own; then run the same command again"
                        .to_owned(),
                )
            }
            Self::Refused { .. } => None,
            // What rustls says when nobody it trusts has signed the certificate.
            Self::NoAnswer { cause, .. } if cause.contains("UnknownIssuer") => Some(
                "name the certificates of your own authority in `AWS_CA_BUNDLE`; then run the same command again"
                    .to_owned(),
            ),
            Self::NoAnswer { .. } => {
                Some("check the network, the region and `--endpoint-url`; then run the same command again".to_owned())
            }
        }
    }

    /// Whether the cause is the credentials or a permission.
    pub fn is_about_credentials(&self) -> bool {
        match self {
            Self::NoCredentials { .. } | Self::BadCredentials { .. } | Self::Denied { .. } => true,
            Self::Refused { .. } | Self::NoAnswer { .. } => false,
        }
    }

    /// An answer that lacks a field which AWS always sends.
    pub(crate) fn incomplete(operation: &'static str, field: &str) -> Self {
        Self::NoAnswer { operation, cause: format!("the answer has no valid `{field}`") }
    }
}

/// Reduces an SDK error of `operation`, which is named like an IAM action: `iam:GetUser`.
pub(super) fn reduce<E>(operation: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    move |error| match error {
        SdkError::ServiceError(refusal) => {
            let code = refusal.err().code().unwrap_or_default();
            let message = refusal.err().message().unwrap_or_default();
            classify(operation, code, message, refusal.raw().status().as_u16())
        }
        other => no_answer(operation, &other),
    }
}

/// Says what kind of refusal it is. A refusal of a HEAD request has no body, so only its status tells.
fn classify(operation: &'static str, code: &str, message: &str, status: u16) -> CallError {
    let code = if code.is_empty() { format!("HTTP {status}") } else { code.to_owned() };
    let message = without_request(message);
    let message = if message.is_empty() { "AWS gave no reason".to_owned() } else { message.to_owned() };
    if BAD_CREDENTIALS.contains(&code.as_str()) {
        CallError::BadCredentials { operation, code, message }
    } else if NOT_READY.contains(&code.as_str()) {
        CallError::Refused { operation, code, message }
    } else if DENIED.contains(&code.as_str()) || status == 403 {
        let action = denied_action(&message).unwrap_or(operation).to_owned();
        CallError::Denied { action, message }
    } else {
        CallError::Refused { operation, code, message }
    }
}

/// What AWS says before it quotes the request.
pub(super) fn without_request(message: &str) -> &str {
    let quotes = QUOTED_REQUEST.iter().filter_map(|quote| message.find(quote)).min();
    quotes.and_then(|start| message.get(..start)).unwrap_or(message).trim_end()
}

/// The action that a message names: the one that was asked for may need others.
fn denied_action(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    rest.split_whitespace().next()
}

fn no_answer<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
where
    E: StdError + Send + Sync + 'static,
{
    if let Some(found) = CredentialError::within(error) {
        return found.into();
    }
    let mut causes: Vec<String> = Vec::new();
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if causes.last() != Some(&text) {
            causes.push(text);
        }
        next = cause.source();
    }
    // The innermost cause is what happened; the outer ones say which layer of the SDK noticed.
    let cause = causes.pop().unwrap_or_else(|| error.to_string());
    let cause = without_request(&cause).to_owned();
    CallError::NoAnswer { operation, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_names_the_action_that_lacks() {
        let message =
            "User: arn:aws:iam::111122223333:user/me is not authorized to perform: iam:PassRole on resource: x";
        let error = classify("lambda:UpdateFunctionCode", "AccessDeniedException", message, 400);
        assert!(matches!(&error, CallError::Denied { action, .. } if action == "iam:PassRole"), "{error:?}");
        assert!(error.is_about_credentials());
        assert_eq!(error.hint().as_deref(), Some("let the caller do `iam:PassRole`, then run the same command again"));
    }

    #[test]
    fn a_lost_race_is_told_as_one() {
        for code in LOST_RACES {
            let hint = classify("cloudformation:ExecuteChangeSet", code, "it is gone", 400).hint();
            assert!(hint.is_some_and(|hint| hint.contains("run the same command again")), "{code}");
        }
        assert_eq!(classify("cloudformation:ExecuteChangeSet", "ValidationError", "no", 400).hint(), None);
    }

    #[test]
    fn a_denial_without_a_body_names_the_operation() {
        let error = classify("s3:HeadObject", "", "", 403);
        assert!(matches!(&error, CallError::Denied { action, .. } if action == "s3:HeadObject"), "{error:?}");
    }

    #[test]
    fn bad_credentials_are_told_from_lacking_permissions() {
        for code in BAD_CREDENTIALS {
            let error = classify("iam:GetUser", code, "no", 403);
            assert!(matches!(error, CallError::BadCredentials { .. }), "{code}");
        }
    }

    #[test]
    fn an_account_that_is_not_ready_is_told_from_lacking_permissions() {
        for code in NOT_READY {
            let error = classify("s3:HeadBucket", code, "not yet", 403);
            assert!(error.is_not_ready() && !error.is_about_credentials() && error.hint().is_some(), "{code}");
        }
        assert!(!classify("s3:HeadBucket", "AccessDenied", "no", 403).is_not_ready());
    }

    #[test]
    fn a_request_that_aws_quotes_is_not_repeated() {
        let said = "The request signature we calculated does not match the signature you provided.";
        let quoted = format!(
            "{said}\n\nThe Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:THETOKEN\n'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256'"
        );
        for code in ["SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"] {
            let error = classify("secretsmanager:DescribeSecret", code, &quoted, 403);
            let shown = error.to_string();
            assert!(shown.contains(said) && !shown.contains("Canonical") && !shown.contains("THETOKEN"), "{shown}");
            assert!(matches!(error, CallError::BadCredentials { .. }), "{code}");
        }
        let header = "Authorization header requires 'Credential' parameter. Authorization=AWS4-HMAC-SHA256 Signature=x";
        assert_eq!(without_request(header), "Authorization header requires 'Credential' parameter.");
        assert_eq!(without_request("no such user"), "no such user");
    }

    #[test]
    fn other_refusals_keep_their_code() {
        let error = classify("iam:GetUser", "NoSuchEntity", "no such user", 404);
        assert_eq!(error.code(), Some("NoSuchEntity"));
        assert_eq!(error.to_string(), "`iam:GetUser` was refused: no such user (NoSuchEntity)");
        assert!(!error.is_about_credentials());
    }
}
