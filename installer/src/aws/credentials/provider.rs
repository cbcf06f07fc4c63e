//! Where the SDK asks for credentials: a source with a name of its own, a token in a file, and roles on top of either.

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{
    ProvideCredentials, Result as Provided, SharedCredentialsProvider, error::CredentialsError, future,
};
use aws_types::SdkConfig;
use contract::SecretText;

use super::chain::Hop;
use super::{CredentialError, SESSION_NAME};
use crate::aws::roles::{self, Assumption};
use crate::environment::WebIdentity;

/// A source of the SDK, whose errors are told with where they come from and what to do.
#[derive(Debug)]
pub(super) struct Named<P> {
    name: String,
    hint: String,
    provider: P,
}

impl<P: ProvideCredentials> Named<P> {
    pub(super) fn new(name: String, hint: String, provider: P) -> Self {
        Self { name, hint, provider }
    }
}

impl<P: ProvideCredentials> ProvideCredentials for Named<P> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let named = |error| CredentialsError::provider_error(CredentialError::of(&self.name, &error, &self.hint));
            self.provider.provide_credentials().await.map_err(named)
        })
    }
}

/// A role that a token in a file opens.
#[derive(Debug)]
pub(super) struct Token {
    identity: WebIdentity,
    sts: aws_sdk_sts::Client,
}

impl Token {
    pub(super) fn new(identity: WebIdentity, config: &SdkConfig) -> Self {
        Self { identity, sts: aws_sdk_sts::Client::new(config) }
    }

    async fn open(&self) -> Result<Credentials, CredentialError> {
        let WebIdentity { role_arn, token_file, session_name } = &self.identity;
        // Read anew for each session: whoever runs this puts a fresh token there before the old one ends.
        let token = std::fs::read_to_string(token_file)
            .map_err(|error| CredentialError::TokenFile { path: token_file.clone(), cause: error.to_string() })?;
        let name = session_name.as_deref().unwrap_or(SESSION_NAME);
        let session = roles::assume_by_token(&self.sts, role_arn, name, &SecretText::new(token.trim())).await;
        session.map_err(|error| CredentialError::of_role(role_arn, error))
    }
}

impl ProvideCredentials for Token {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.open().await.map_err(CredentialsError::provider_error) })
    }
}

/// A role that a client with credentials of its own assumes.
#[derive(Debug)]
pub(super) struct Session {
    sts: aws_sdk_sts::Client,
    assumption: Assumption,
}

impl Session {
    pub(super) fn new(sts: aws_sdk_sts::Client, assumption: Assumption) -> Self {
        Self { sts, assumption }
    }

    async fn open(&self) -> Result<Credentials, CredentialError> {
        let opened = roles::assume(&self.sts, &self.assumption).await;
        opened.map_err(|error| CredentialError::of_role(&self.assumption.role_arn, error))
    }
}

impl ProvideCredentials for Session {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.open().await.map_err(CredentialsError::provider_error) })
    }
}

/// Roles that are assumed one after the other, beginning with the credentials of another source.
#[derive(Debug)]
pub(super) struct Roles {
    base: SharedCredentialsProvider,
    hops: Vec<Hop>,
    config: SdkConfig,
}

impl Roles {
    pub(super) fn new(base: SharedCredentialsProvider, hops: Vec<Hop>, config: &SdkConfig) -> Self {
        Self { base, hops, config: config.clone() }
    }

    async fn open(&self) -> Provided {
        let mut key = self.base.provide_credentials().await?;
        for hop in &self.hops {
            let opened = assume(&self.config, key, hop, None).await;
            key = opened.map_err(CredentialsError::provider_error)?;
        }
        Ok(key)
    }
}

impl ProvideCredentials for Roles {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.open())
    }
}

/// Assumes one role with the credentials of the one before.
pub(super) async fn assume(
    config: &SdkConfig,
    key: Credentials,
    hop: &Hop,
    mfa: Option<(String, SecretText)>,
) -> Result<Credentials, CredentialError> {
    let config = config.to_builder().credentials_provider(SharedCredentialsProvider::new(key)).build();
    let assumption = Assumption {
        role_arn: hop.role_arn.clone(),
        session_name: hop.session_name.clone().unwrap_or_else(|| SESSION_NAME.to_owned()),
        external_id: hop.external_id.clone(),
        lasting: hop.lasting,
        mfa,
        tags: BTreeMap::new(),
    };
    let opened = roles::assume(&aws_sdk_sts::Client::new(&config), &assumption).await;
    opened.map_err(|error| CredentialError::of_role(&hop.role_arn, error))
}
