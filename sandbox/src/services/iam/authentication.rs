//! Who sent a request, as its signature proves it.
//!
//! The date of a request is not compared with any clock: the sandbox's clock is a virtual one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::account::State;
use super::credentials::{KeyStatus, Session};
use super::names::account_of;
use super::signature::Claim;
use crate::request::{Caller, HttpRequest, Principal};
use crate::services::organizations;
use crate::{ApiError, World};

/// What passes on the virtual clock, at least, when a key is refused because it is too new. Whoever is refused waits and
/// asks again, but waits on a real clock; without this the virtual one would stand still and the key stay new for ever.
const WAIT_AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// A key is refused so many times at most: whoever doubles the pauses between the tries would wait for minutes.
const MOST_REFUSALS: u32 = 4;

/// The header that carries a session's token.
const TOKEN: &str = "x-amz-security-token";

/// Why nobody stands behind a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The key is deleted, Inactive, not known yet, or has never been there.
    UnknownKey,
    WrongSignature,
    ExpiredSession,
}

/// Proves who sent a request by its signature; also gives the region it was signed for.
///
/// The proof counts as a use of the key, whatever becomes of the request.
pub(crate) fn authenticate(world: &mut World, http: &HttpRequest) -> Result<(Caller, String), ApiError> {
    let claim = Claim::read(http)?;
    let proven = if world.iam.keys.contains_key(&claim.key_id) {
        by_key(world, &claim, http)?
    } else {
        by_session(world, &claim, http)?
    };
    match proven {
        // The credentials of an account that is closed or suspended are like those that nobody knows.
        Ok(caller) if !organizations::admits_sessions(world, &caller.account) => {
            Err(Refusal::UnknownKey.in_words_of(&claim.service))
        }
        Ok(caller) => Ok((caller, claim.region)),
        Err(refusal) => Err(refusal.in_words_of(&claim.service)),
    }
}

fn by_key(world: &mut World, claim: &Claim, http: &HttpRequest) -> Result<Result<Caller, Refusal>, ApiError> {
    let now = world.now();
    let Some(key) = world.iam.keys.get(&claim.key_id) else { return Ok(Err(Refusal::UnknownKey)) };
    if key.status == KeyStatus::Inactive || http.headers.contains_key(TOKEN) {
        return Ok(Err(Refusal::UnknownKey));
    }
    if now < key.known_from {
        let while_new = key.known_from.duration_since(key.created).unsigned_abs();
        world.agenda.pass(WAIT_AFTER_REFUSAL.max(while_new / MOST_REFUSALS));
        return Ok(Err(Refusal::UnknownKey));
    }
    if !claim.is_proven_by(&key.credentials.secret_access_key, http)? {
        return Ok(Err(Refusal::WrongSignature));
    }
    let caller = user_of(&world.iam, &key.account, &key.user)?;
    world.record_use(&claim.key_id, &claim.service, &claim.region)?;
    Ok(Ok(caller))
}

fn by_session(world: &World, claim: &Claim, http: &HttpRequest) -> Result<Result<Caller, Refusal>, ApiError> {
    let token = http.headers.get(TOKEN);
    let session = world.iam.sessions.get(&claim.key_id);
    let Some(session) = session.filter(|session| session.credentials.session_token.as_ref() == token) else {
        return Ok(Err(Refusal::UnknownKey));
    };
    if session.expires <= world.now() {
        return Ok(Err(Refusal::ExpiredSession));
    }
    if !claim.is_proven_by(&session.credentials.secret_access_key, http)? {
        return Ok(Err(Refusal::WrongSignature));
    }
    Ok(role_of(&world.iam, session).ok_or(Refusal::UnknownKey))
}

/// A user as a caller.
pub(super) fn user_of(iam: &State, account: &str, name: &str) -> Result<Caller, ApiError> {
    let user = iam.user(account, name)?;
    Ok(Caller {
        account: account.to_owned(),
        arn: user.arn.clone(),
        user_id: user.id.clone(),
        principal: Principal::User(user.name.clone()),
        instance: None,
        session_tags: BTreeMap::new(),
        issued: None,
    })
}

/// A service in a session of a role, for which there are no credentials.
pub(crate) fn as_role(iam: &State, role_arn: &str, session: &str) -> Result<Caller, ApiError> {
    let role = iam.role_by_arn(role_arn)?;
    Ok(Caller {
        account: account_of(role_arn).to_owned(),
        arn: role.session_arn(session),
        user_id: role.session_id(session),
        principal: Principal::Role(role.name.clone()),
        instance: None,
        session_tags: BTreeMap::new(),
        issued: None,
    })
}

/// The caller in a session; `None` when the role it was opened for is gone.
fn role_of(iam: &State, session: &Session) -> Option<Caller> {
    let Session { account, name, .. } = session;
    let role = iam.role(account, &session.role).ok().filter(|role| role.id == session.role_id)?;
    Some(Caller {
        account: account.clone(),
        arn: role.session_arn(name),
        user_id: role.session_id(name),
        principal: Principal::Role(role.name.clone()),
        instance: session.instance,
        session_tags: session.tags.clone(),
        issued: Some(session.issued),
    })
}

impl Refusal {
    /// The error as `service` answers it: S3 and the JSON services have words of their own.
    fn in_words_of(self, service: &str) -> ApiError {
        let (code, status) = match (service, self) {
            ("s3", Self::UnknownKey) => ("InvalidAccessKeyId", 403),
            ("s3", Self::ExpiredSession) => ("ExpiredToken", 400),
            ("organizations" | "secretsmanager" | "lambda", _) => {
                let code = match self {
                    Self::UnknownKey => "UnrecognizedClientException",
                    Self::WrongSignature => "InvalidSignatureException",
                    Self::ExpiredSession => "ExpiredTokenException",
                };
                (code, if service == "lambda" { 403 } else { 400 })
            }
            (_, Self::UnknownKey) => ("InvalidClientTokenId", 403),
            (_, Self::WrongSignature) => ("SignatureDoesNotMatch", 403),
            (_, Self::ExpiredSession) => ("ExpiredToken", 403),
        };
        let message = match self {
            Self::UnknownKey => "The security token included in the request is invalid.",
            Self::WrongSignature => {
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details."
            }
            Self::ExpiredSession => "The security token included in the request is expired",
        };
        ApiError::new(code, message).with_status(status)
    }
}
