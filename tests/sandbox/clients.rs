//! SDK clients for the sandbox: real ones, with fixed credentials and nothing from the environment.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::SdkConfig;
use aws_types::region::Region;

/// The account and region that the contracts are tried in.
pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-central-1";

/// A configuration for clients of `endpoint` that sign with the given key. Nothing is retried: a contract is about
/// one call.
pub(crate) fn config(endpoint: &str, id: &str, secret: &str, token: Option<&str>) -> SdkConfig {
    let credentials = Credentials::new(id, secret, token.map(str::to_owned), None, "test");
    SdkConfig::builder()
        .behavior_version(aws_sdk_iam::config::BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .http_client(
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
        )
        .region(Region::new(REGION))
        .retry_config(aws_types::sdk_config::RetryConfig::disabled())
        .build()
}

/// S3 needs its bucket in the path: names do not resolve on loopback.
pub(crate) fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}
