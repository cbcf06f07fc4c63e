//! Identities from outside: tokens of OIDC providers, and sessions of the access portal (IAM Identity Center).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::names::account_of;
use crate::{ApiError, World};

/// How long the tokens of the sandbox are.
const TOKEN_LENGTH: usize = 120;

/// What a token of an OIDC provider says.
#[derive(Debug)]
pub(crate) struct IdentityToken {
    issuer: String,
    subject: String,
    audience: String,
    expires: Timestamp,
}

/// Somebody who has signed in to the access portal, and the one role that is assigned to them.
#[derive(Debug)]
pub(crate) struct PortalSession {
    account: String,
    role: String,
    expires: Timestamp,
}

impl World {
    /// Lets an account trust an OIDC provider, such as `issuer.example.com`, and gives its ARN.
    ///
    /// # Errors
    /// `NoSuchEntity` for the account.
    pub fn create_oidc_provider(&mut self, account: &str, issuer: &str) -> Result<String, ApiError> {
        let arn = format!("arn:aws:iam::{account}:oidc-provider/{issuer}");
        self.iam.account_mut(account)?;
        self.iam.oidc_providers.insert(arn.clone());
        Ok(arn)
    }

    /// A token of an OIDC provider for somebody, as it would put it into a file.
    pub fn issue_identity_token(&mut self, issuer: &str, subject: &str, audience: &str, lasting: Duration) -> String {
        let token = self.random_secret(TOKEN_LENGTH);
        let [issuer, subject, audience] = [issuer, subject, audience].map(str::to_owned);
        let expires = self.agenda.after(lasting);
        self.iam.identity_tokens.insert(token.clone(), IdentityToken { issuer, subject, audience, expires });
        token
    }

    /// Signs somebody in to the access portal who may take on a role of an account, and gives the token that the AWS
    /// CLI would keep.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn sign_in_to_portal(&mut self, account: &str, role: &str, lasting: Duration) -> Result<String, ApiError> {
        let role = self.iam.role(account, role)?.name.clone();
        let token = self.random_secret(TOKEN_LENGTH);
        let session = PortalSession { account: account.to_owned(), role, expires: self.agenda.after(lasting) };
        self.iam.portal_sessions.insert(token.clone(), session);
        Ok(token)
    }
}

/// Whom a token stands for, and what of it the conditions of a trust policy may ask: the ARN of its provider in the
/// account of the role, and the condition keys.
pub(crate) fn read_identity_token(
    world: &World,
    role_arn: &str,
    token: &str,
) -> Result<(String, BTreeMap<String, String>), ApiError> {
    let invalid = |message: &str| ApiError::new("InvalidIdentityToken", message);
    let known = world.iam.identity_tokens.get(token);
    let IdentityToken { issuer, subject, audience, expires } =
        known.ok_or_else(|| invalid("Couldn't retrieve verification key from your identity provider"))?;
    if *expires <= world.now() {
        return Err(ApiError::new("ExpiredTokenException", "Token expired: current date/time is after its expiration"));
    }
    let provider = format!("arn:aws:iam::{}:oidc-provider/{issuer}", account_of(role_arn));
    if !world.iam.oidc_providers.contains(&provider) {
        return Err(invalid("No OpenIDConnect provider found in your account for the issuer of the token"));
    }
    let keys = [("aud", audience), ("sub", subject)].map(|(key, value)| (format!("{issuer}:{key}"), value.clone()));
    Ok((provider, BTreeMap::from(keys)))
}

/// The ARN of the role that a portal session may take on, when it is the one that is asked for.
pub(crate) fn portal_role(world: &World, token: &str, account: &str, role: &str) -> Result<String, ApiError> {
    let session = world.iam.portal_sessions.get(token).filter(|session| session.expires > world.now());
    let session = session
        .ok_or_else(|| ApiError::new("UnauthorizedException", "Session token not found or invalid").with_status(401))?;
    if session.account != account || session.role != role {
        return Err(ApiError::new("ForbiddenException", "No access").with_status(403));
    }
    Ok(world.iam.role(account, role)?.arn.clone())
}
