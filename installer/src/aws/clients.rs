//! The SDK clients of a run: credentials from the usual chain, one HTTP stack, and the clock that they all feed.

use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::identity::IdentityCache;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use contract::{AccountId, Region};
use tokio::sync::OnceCell;

use super::answers::AnswerLimit;
use super::roles::Assumption;
use super::{CallError, Clock, NetworkError, credentials, network};
use crate::environment::Environment;

/// How long to wait for a connection; the endpoints of AWS answer within a second from anywhere.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How often a call is tried. Every call of the installer may be repeated: those that start something carry a token, or are
/// refused the second time in a way that is understood.
const ATTEMPTS: u32 = 5;

/// How long finding credentials may take: several roles after one another, each with its retries.
const CREDENTIALS_WITHIN: Duration = Duration::from_secs(60);

/// Where and as whom to connect.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The region of everything that is not global.
    pub region: Region,
    /// Where the credentials come from.
    pub source: Source,
    /// Another endpoint than AWS's own, for every service.
    pub endpoint_url: Option<String>,
    /// A role to assume on top of the credentials that are found.
    pub assume_role: Option<String>,
    /// What the owner of that role wants to be told.
    pub external_id: Option<String>,
    /// What the environment says of the way to AWS.
    pub environment: Environment,
}

/// Why there are no clients.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the inner types say it")]
pub enum ConnectError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Credentials(#[from] CallError),
}

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Wherever the usual chain of the SDKs finds some.
    Chain,
    /// This profile of the shared configuration.
    Profile(String),
    /// The environment, container or machine: the usual chain without any profile.
    Surroundings,
}

/// The clients of one account and region.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are named after the services")]
pub struct Clients {
    pub cloudformation: aws_sdk_cloudformation::Client,
    pub iam: aws_sdk_iam::Client,
    pub lambda: aws_sdk_lambda::Client,
    pub organizations: aws_sdk_organizations::Client,
    pub s3: aws_sdk_s3::Client,
    pub secrets_manager: aws_sdk_secretsmanager::Client,
    pub sts: aws_sdk_sts::Client,
    /// The clock of AWS, as their answers show it.
    pub clock: Clock,
    /// The account of the credentials, once STS has told it.
    pub(super) account: Arc<OnceCell<AccountId>>,
    /// The endpoint that stands in for AWS's own.
    pub(super) endpoint_url: Option<String>,
    /// What they were made of.
    config: aws_types::SdkConfig,
}

impl Clients {
    /// Prepares the clients. Credentials are looked for when the first call is made, but an MFA code is asked for now.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(connection: &Connection) -> Result<Self, ConnectError> {
        let environment = &connection.environment;
        let endpoint_url = connection.endpoint_url.as_deref().or(environment.endpoint_url.as_deref());
        let http = network::client(environment, endpoint_url)?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_WITHIN)
            .operation_attempt_timeout(network::try_within(environment)?)
            .build();
        let region = aws_types::region::Region::new(connection.region.to_string());
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(region.clone())
            .http_client(http.clone())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::adaptive().with_max_attempts(ATTEMPTS))
            .no_credentials();
        if let Source::Profile(profile) = &connection.source {
            loader = loader.profile_name(profile);
        }
        if let Some(url) = &connection.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = loader.load().await;
        let sources = ProviderConfig::without_region().with_region(Some(region)).with_http_client(http);
        let found = credentials::find(connection, &config, &sources).await.map_err(CallError::from)?;
        let cache = IdentityCache::lazy().load_timeout(CREDENTIALS_WITHIN).build();
        Ok(Self::over(&config.to_builder().credentials_provider(found).identity_cache(cache).build()))
    }

    /// The clients over a configuration that is complete.
    pub(crate) fn over(config: &aws_types::SdkConfig) -> Self {
        Self::build(config, None)
    }

    /// The clients of somebody in a sandbox, whatever else there is in this environment.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn in_sandbox(endpoint_url: &str, region: &Region, key: &sandbox::Credentials) -> Result<Self, NetworkError> {
        let credentials = Credentials::builder()
            .access_key_id(&key.access_key_id)
            .secret_access_key(&key.secret_access_key)
            .provider_name("sandbox")
            .build();
        let config = aws_types::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint_url)
            .http_client(network::client(&Environment::default(), Some(endpoint_url))?)
            .region(aws_types::region::Region::new(region.to_string()))
            .retry_config(RetryConfig::adaptive().with_max_attempts(ATTEMPTS))
            .build();
        Ok(Self::over(&config))
    }

    /// The same in another region.
    pub fn in_region(&self, region: &Region) -> Self {
        let region = aws_types::region::Region::new(region.to_string());
        if self.config.region() == Some(&region) {
            return self.clone();
        }
        Self::build(&self.config.to_builder().region(region).build(), None)
    }

    /// The same in another account, by a role of it. Its session is opened with the first call, is shared by the
    /// clients of all services, and is renewed before it ends.
    ///
    /// The HTTP client is the same one. Throttling is not: the SDK keeps what it has learned of it by service and
    /// region, for the whole process, but AWS counts the calls of each account; so each account has its own.
    pub fn of_account(&self, assumption: Assumption) -> Self {
        let role = assumption.role_arn.clone();
        let session = credentials::session(self.sts.clone(), assumption);
        let cache = IdentityCache::lazy().load_timeout(CREDENTIALS_WITHIN).build();
        let config = self.config.to_builder().credentials_provider(session).identity_cache(cache).build();
        Self::build(&config, Some(&role))
    }

    /// Whether what goes to the endpoint, and comes from it, can be read by whoever is on the way.
    pub fn are_exposed(&self) -> bool {
        self.endpoint_url.as_deref().is_some_and(network::is_exposed)
    }

    /// `partition` names what is kept of throttling for these clients alone.
    fn build(config: &aws_types::SdkConfig, partition: Option<&str>) -> Self {
        let clock = Clock::default();
        // `AWS_ENDPOINT_URL` has arrived here too.
        let endpoint_url = config.endpoint_url().map(str::to_owned);
        macro_rules! builder {
            ($sdk:ident) => {{
                let mut builder =
                    $sdk::config::Builder::from(config).interceptor(clock.clone()).interceptor(AnswerLimit);
                let own = |name: &str| $sdk::config::retry::RetryPartition::custom(name.to_owned()).build();
                builder.set_retry_partition(partition.map(own));
                builder
            }};
        }
        macro_rules! client {
            ($sdk:ident) => {
                $sdk::Client::from_conf(builder!($sdk).build())
            };
        }
        // Names of buckets resolve on AWS's own endpoint only.
        let s3 = builder!(aws_sdk_s3).force_path_style(endpoint_url.is_some()).build();
        Self {
            cloudformation: client!(aws_sdk_cloudformation),
            iam: client!(aws_sdk_iam),
            lambda: client!(aws_sdk_lambda),
            organizations: client!(aws_sdk_organizations),
            s3: aws_sdk_s3::Client::from_conf(s3),
            secrets_manager: client!(aws_sdk_secretsmanager),
            sts: client!(aws_sdk_sts),
            clock,
            account: Arc::default(),
            endpoint_url,
            config: config.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
