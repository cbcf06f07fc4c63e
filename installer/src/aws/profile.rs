//! The credentials of a profile that was named on the command line.

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

/// Takes credentials from this profile and from nowhere else: the default chain would take a key from the environment
/// first, and that may be of another account.
#[derive(Debug)]
pub(super) struct NamedProfile {
    name: String,
    file: ProfileFileCredentialsProvider,
}

impl NamedProfile {
    pub(super) fn new(name: &str, sources: &ProviderConfig) -> Self {
        let file = ProfileFileCredentialsProvider::builder().configure(sources).profile_name(name).build();
        Self { name: name.to_owned(), file }
    }
}

impl ProvideCredentials for NamedProfile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.file.provide_credentials().await.map_err(|error| match error {
                CredentialsError::CredentialsNotLoaded(_) => {
                    let name = &self.name;
                    CredentialsError::not_loaded(format!("there is no profile `{name}`, or it has no credentials"))
                }
                other => other,
            })
        })
    }
}
