//! Credentials that cannot be had, and what to do about it.

use std::error::Error;
use std::path::PathBuf;

use aws_credential_types::provider::error::CredentialsError;

use super::ProfileError;
use crate::aws::CallError;
use crate::aws::error::without_request;

/// How much of what somebody else's program says is repeated.
const LONGEST_CAUSE: usize = 300;

/// What STS says of a code that is wrong, used up, or of another device.
const WRONG_CODE: &str = "MultiFactorAuthentication failed";

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CredentialError {
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("the environment holds half a key: `{there}` without `{missing}`")]
    HalfKey { there: &'static str, missing: &'static str },
    #[error("there are none in the environment and none in a profile, and this machine has no role")]
    Nowhere,
    #[error("{from}: {cause}")]
    Source { from: String, cause: String, hint: String },
    #[error("the token in `{}` cannot be read: {cause}", path.display())]
    TokenFile { path: PathBuf, cause: String },
    #[error("the role `{role_arn}` cannot be assumed: {cause}")]
    Role { role_arn: String, cause: Box<CallError> },
    #[error("the profile `{profile}` asks for an MFA code of {serial}, and there is no terminal to ask on")]
    NobodyToAsk { profile: String, serial: String },
    #[error("an MFA code has six digits, and this was something else")]
    NotACode,
}

impl CredentialError {
    /// What to do when nothing else is known.
    pub(super) const SIGN_IN: &str = "sign in (`aws sso login`, `aws configure`), choose a profile with `--profile`, or set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`";

    /// What a source of the SDK says.
    pub(super) fn of(from: &str, error: &CredentialsError, hint: &str) -> Self {
        if matches!(error, CredentialsError::CredentialsNotLoaded(_)) && from == "this machine" {
            return Self::Nowhere;
        }
        let cause: String = innermost(error).trim().chars().take(LONGEST_CAUSE).collect();
        Self::Source { from: from.to_owned(), cause, hint: hint.to_owned() }
    }

    /// An error of our own that went through the SDK.
    pub(super) fn from_provider(error: CredentialsError) -> Self {
        Self::within(&error).unwrap_or_else(|| Self::of("the credentials", &error, Self::SIGN_IN))
    }

    pub(super) fn of_role(role_arn: &str, cause: CallError) -> Self {
        Self::Role { role_arn: role_arn.to_owned(), cause: Box::new(cause) }
    }

    /// The error of ours that another one was made of, when there is one.
    pub(in crate::aws) fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found.clone());
            }
            next = error.source();
        }
        None
    }

    /// What to do now.
    pub fn hint(&self) -> String {
        match self {
            Self::Profile(error) => error.hint(),
            Self::HalfKey { there, missing } => {
                format!("set `{missing}` too, or take `{there}` out of the environment")
            }
            Self::Nowhere => Self::SIGN_IN.to_owned(),
            Self::Source { hint, .. } => hint.clone(),
            Self::TokenFile { .. } => {
                "name the file of the token in `AWS_WEB_IDENTITY_TOKEN_FILE`, or in the profile".to_owned()
            }
            Self::Role { cause, .. } => role_hint(cause),
            Self::NobodyToAsk { profile, .. } => format!(
                "run it on a terminal, or hand a session over: `eval \"$(aws configure export-credentials --profile {profile} --format env)\"`"
            ),
            Self::NotACode => "run the same command again, and type the code that the device shows".to_owned(),
        }
    }
}

fn role_hint(cause: &CallError) -> String {
    let wrong_code = cause.to_string().contains(WRONG_CODE);
    let by_token = cause.to_string().contains("sts:AssumeRoleWithWebIdentity");
    match cause {
        _ if by_token => "put a fresh token into the file, and let the role's trust policy accept it".to_owned(),
        _ if wrong_code => "run the same command again with the code that the device shows by then; each counts once, and only for its own device".to_owned(),
        CallError::Denied { .. } => "let the caller assume the role, and let the role's trust policy name the caller; a role that wants MFA needs `mfa_serial` in the profile, and one that wants an external id `external_id`".to_owned(),
        _ => cause.hint().unwrap_or_else(|| "correct the profile or the role".to_owned()),
    }
}

/// The innermost cause is what happened; the outer ones say which layer noticed.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    without_request(&innermost.to_string()).to_owned()
}

impl From<CredentialError> for CallError {
    fn from(error: CredentialError) -> Self {
        match &error {
            // The network is at fault, and nobody's credentials.
            CredentialError::Role { cause, .. } if matches!(**cause, Self::NoAnswer { .. }) => (**cause).clone(),
            _ => Self::NoCredentials { cause: error.to_string(), hint: error.hint() },
        }
    }
}
