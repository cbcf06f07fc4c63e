//! Sessions of roles.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_sts::types::{Credentials as SessionCredentials, Tag};
use contract::SecretText;

use super::{CallError, reduce};

/// Which role to assume, and how.
#[derive(Debug, Clone)]
pub struct Assumption {
    /// The role.
    pub role_arn: String,
    /// The name of the session, as the logs of the account show it.
    pub session_name: String,
    /// What the owner of a role in another account wants to be told.
    pub external_id: Option<String>,
    /// How long the session lasts; an hour when nobody says.
    pub lasting: Option<Duration>,
    /// The serial number of an MFA device, and the code it shows.
    pub mfa: Option<(String, SecretText)>,
    /// The tags of the session, as policies and logs of the account know it. The role must let itself be tagged.
    pub tags: BTreeMap<String, String>,
}

/// Assumes a role.
///
/// # Errors
/// [`CallError`].
pub async fn assume(sts: &aws_sdk_sts::Client, assumption: &Assumption) -> Result<Credentials, CallError> {
    const OPERATION: &str = "sts:AssumeRole";
    let (serial, code) = assumption.mfa.clone().unzip();
    let seconds = assumption.lasting.and_then(|lasting| i32::try_from(lasting.as_secs()).ok());
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    let tags = assumption.tags.iter().map(tag).collect::<Result<Vec<_>, _>>();
    let tags = tags.map_err(|_| CallError::incomplete(OPERATION, "Tags"))?;
    let call = sts
        .assume_role()
        .role_arn(&assumption.role_arn)
        .role_session_name(&assumption.session_name)
        .set_external_id(assumption.external_id.clone())
        .set_duration_seconds(seconds)
        .set_tags((!tags.is_empty()).then_some(tags))
        .set_serial_number(serial)
        .set_token_code(code.map(|code| code.expose().to_owned()));
    let answer = call.send().await.map_err(reduce(OPERATION))?;
    session(OPERATION, answer.credentials)
}

/// Assumes a role by a token of an identity provider. Nobody signs this call.
///
/// # Errors
/// [`CallError`].
pub async fn assume_by_token(
    sts: &aws_sdk_sts::Client,
    role_arn: &str,
    session_name: &str,
    token: &SecretText,
) -> Result<Credentials, CallError> {
    const OPERATION: &str = "sts:AssumeRoleWithWebIdentity";
    let call = sts.assume_role_with_web_identity().role_arn(role_arn).role_session_name(session_name);
    let answer = call.web_identity_token(token.expose()).send().await.map_err(reduce(OPERATION))?;
    session(OPERATION, answer.credentials)
}

fn session(operation: &'static str, credentials: Option<SessionCredentials>) -> Result<Credentials, CallError> {
    let incomplete = || CallError::incomplete(operation, "Credentials");
    let credentials = credentials.ok_or_else(incomplete)?;
    let expires = SystemTime::try_from(credentials.expiration).map_err(|_| incomplete())?;
    Ok(Credentials::new(
        credentials.access_key_id,
        credentials.secret_access_key,
        Some(credentials.session_token),
        Some(expires),
        "role",
    ))
}
