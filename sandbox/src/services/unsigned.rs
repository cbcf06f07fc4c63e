//! The operations that carry a token in place of a signature, because whoever calls them has no key yet.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::{iam, sts};
use crate::answer::{Answer, Protocol};
use crate::input::QueryInput;
use crate::request::HttpRequest;
use crate::{ApiError, World, model};

/// How long a session from the access portal lasts: the default of a permission set (IAM Identity Center user guide,
/// "Set session duration").
const PORTAL_SESSION: Duration = Duration::from_hours(1);

/// An operation without a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// AssumeRoleWithWebIdentity of STS.
    WebIdentity,
    /// GetRoleCredentials of the access portal.
    RoleCredentials,
}

impl Unsigned {
    /// Which one a request is for; `None` when it is signed, or names none of them.
    pub(crate) fn of(http: &HttpRequest) -> Option<Self> {
        if http.headers.contains_key("authorization") {
            return None;
        }
        let action = form_urlencoded::parse(&http.body).find(|(name, _)| name == "Action").map(|(_, action)| action);
        match (http.method.as_str(), http.path.as_str(), action.as_deref()) {
            ("POST", "/", Some("AssumeRoleWithWebIdentity")) => Some(Self::WebIdentity),
            ("GET", "/federation/credentials", None) => Some(Self::RoleCredentials),
            _ => None,
        }
    }

    /// Its name in the log of calls.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebIdentity => "sts:AssumeRoleWithWebIdentity",
            Self::RoleCredentials => "sso:GetRoleCredentials",
        }
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::WebIdentity => Protocol::Query,
            Self::RoleCredentials => Protocol::RestJson,
        }
    }

    pub(crate) fn handle(self, world: &mut World, http: &HttpRequest) -> Result<Answer, ApiError> {
        let (service, operation) = self.name().split_once(':').unwrap_or_default();
        model::check(service, operation, self.protocol(), http)?;
        match self {
            Self::WebIdentity => sts::assume_role_with_web_identity(world, QueryInput::new(http)).map(Answer::Xml),
            Self::RoleCredentials => role_credentials(world, http),
        }
    }
}

fn role_credentials(world: &mut World, http: &HttpRequest) -> Result<Answer, ApiError> {
    let (mut account, mut role) = (None, None);
    for (name, value) in form_urlencoded::parse(http.query.as_bytes()) {
        match name.as_ref() {
            "account_id" => account = Some(value.into_owned()),
            "role_name" => role = Some(value.into_owned()),
            other => return Err(ApiError::unknown("parameter", other)),
        }
    }
    let token = http.headers.get("x-amz-sso_bearer_token");
    let (Some(account), Some(role), Some(token)) = (account, role, token) else {
        return Err(ApiError::new("InvalidRequestException", "account, role and token are required"));
    };
    let arn = iam::portal_role(world, token, &account, &role)?;
    let expires = world.agenda.after(PORTAL_SESSION);
    let credentials = iam::open_session(world, &arn, "person", None, PORTAL_SESSION, BTreeMap::new())?;
    Ok(Answer::Json(json!({ "roleCredentials": {
        "accessKeyId": credentials.access_key_id,
        "secretAccessKey": credentials.secret_access_key,
        "sessionToken": credentials.session_token,
        "expiration": expires.as_millisecond(),
    } })))
}
