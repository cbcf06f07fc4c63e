//! The credentials that a program finds around itself: the usual chain of the SDKs without profiles.
//!
//! For `keyturn credentials`, which a profile runs: in its environment `AWS_PROFILE` often names that very profile, and
//! it would run itself without an end.

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;

/// The sources in the order of the usual chain.
pub(super) fn chain(sources: &ProviderConfig) -> CredentialsProviderChain {
    CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("WebIdentityToken", WebIdentityTokenCredentialsProvider::builder().configure(sources).build())
        .or_else("EcsContainer", EcsCredentialsProvider::builder().configure(sources).build())
        .or_else("Ec2InstanceMetadata", ImdsCredentialsProvider::builder().configure(sources).build())
}
