//! The credentials of a profile that was named on the command line.

use std::collections::BTreeSet;

use aws_config::profile::{self, ProfileFileCredentialsProvider};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_types::os_shim_internal::{Env, Fs};

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

/// Whether a profile, or one that it has its credentials from, runs `keyturn credentials` for them: that command would
/// then run itself without an end. A configuration that cannot be read is told by whoever needs it.
pub async fn is_served_by_keyturn(name: &str) -> bool {
    let Ok(profiles) = profile::load(&Fs::default(), &Env::default(), &Default::default(), None).await else {
        return false;
    };
    let (mut next, mut seen) = (Some(name), BTreeSet::new());
    while let Some(profile) = next.filter(|name| seen.insert(*name)).and_then(|name| profiles.get_profile(name)) {
        let command = profile.get("credential_process").unwrap_or_default();
        if command.contains("keyturn") && command.split_whitespace().any(|word| word == "credentials") {
            return true;
        }
        next = profile.get("source_profile");
    }
    false
}
