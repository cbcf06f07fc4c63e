//! The account that is lived in: how its API is asked, and how `keyturn` is run there.

use std::env::var_os;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};

use aws_credential_types::Credentials;
use aws_sdk_iam::config::{BehaviorVersion, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::SdkConfig;
use aws_types::region::Region;
use sandbox::Sandbox;
use tempfile::TempDir;

use crate::stage::REGION;

/// The user of the sandbox, and how the names of others begin.
pub(crate) const USER: &str = "keyturn-second-opinion";

/// What of the environment a run of `keyturn` gets: how AWS is reached, and as whom.
const PASSED_ON: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "HOME",
    "HTTPS_PROXY",
    "NO_PROXY",
];

pub(crate) struct Account {
    pub(crate) region: String,
    /// The one user that is made, and taken away in the end.
    pub(crate) user: String,
    pub(crate) config: SdkConfig,
    environment: Vec<(String, OsString)>,
    directory: TempDir,
}

/// How a run of `keyturn` ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Account {
    pub(crate) fn of_sandbox(sandbox: &Sandbox, administrator: &sandbox::Credentials) -> Self {
        let sandbox::Credentials { access_key_id, secret_access_key, .. } = administrator;
        let credentials = Credentials::from_keys(access_key_id, secret_access_key, None);
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(sandbox.endpoint())
            .http_client(http_client())
            .region(Region::new(REGION))
            .build();
        let environment = [
            ("AWS_ACCESS_KEY_ID", access_key_id.as_str()),
            ("AWS_SECRET_ACCESS_KEY", secret_access_key),
            ("AWS_ENDPOINT_URL", sandbox.endpoint()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.into())).to_vec();
        Self::new((REGION.to_owned(), USER.to_owned()), config, environment)
    }

    /// The account that the environment names, which must be that of the credentials.
    pub(crate) async fn of_environment() -> Self {
        let text = |name: &str| var_os(name).and_then(|value| value.into_string().ok());
        let wanted = text("KEYTURN_TEST_ACCOUNT").expect("KEYTURN_TEST_ACCOUNT names the account");
        let region = text("AWS_REGION").expect("AWS_REGION names the region");
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.clone()))
            .http_client(http_client());
        let mut environment: Vec<_> =
            PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), var_os(name)?))).collect();
        if let Some(endpoint) = text("KEYTURN_TEST_ENDPOINT") {
            loader = loader.endpoint_url(&endpoint);
            environment.push(("AWS_ENDPOINT_URL".to_owned(), endpoint.into()));
        }
        // The name of a secret is taken for some days after its deletion.
        let user = format!("{USER}-{:08x}", RandomState::new().build_hasher().finish() >> 32);
        let account = Self::new((region, user), loader.load().await, environment);
        let caller = aws_sdk_sts::Client::new(&account.config).get_caller_identity().send().await;
        let caller = caller.expect("the credentials work").account.unwrap_or_default();
        assert_eq!(caller, wanted, "the credentials are those of another account");
        account
    }

    fn new((region, user): (String, String), config: SdkConfig, environment: Vec<(String, OsString)>) -> Self {
        let directory = TempDir::new().unwrap();
        Self { region, user, config, environment, directory }
    }

    /// Writes `keyturn.yaml`.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.directory.path().join("keyturn.yaml"), text).unwrap();
    }

    /// Runs `keyturn` as whoever the credentials are of.
    pub(crate) async fn keyturn(&self, arguments: &[&str]) -> Run {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_keyturn"))
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output();
        let output = output.await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub(crate) fn iam(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.config)
    }

    pub(crate) fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    pub(crate) fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.config)
    }

    /// Who signs with a key, by ARN; nobody when AWS does not accept it.
    pub(crate) async fn owner(&self, id: &str, secret: &str) -> Option<String> {
        let credentials = SharedCredentialsProvider::new(Credentials::from_keys(id, secret, None));
        let config = self.config.to_builder().credentials_provider(credentials).build();
        aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.ok()?.arn
    }
}

fn http_client() -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
