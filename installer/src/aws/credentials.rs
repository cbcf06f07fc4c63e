//! As whom to call: the key in the environment, a profile, a token in a file, or the role of this machine, in the order
//! of the AWS SDK for Rust. A profile that was named on the command line comes before all of them.

mod chain;
mod error;
mod profile_error;
mod provider;

use std::borrow::Cow;

use aws_config::credential_process::CredentialProcessProvider;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileSet;
use aws_config::provider_config::ProviderConfig;
use aws_config::sso::SsoCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::SdkConfig;
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::region::Region;

use self::chain::{Chain, Hop, Source, Sso};
use self::provider::{Named, Roles, Session, Token};
use super::roles::Assumption;
use super::{Connection, Source as From};
use crate::ui;

pub use error::CredentialError;
pub use profile_error::ProfileError;

/// What is put in place of a session name that nobody gave: it shows in the logs of the account.
const SESSION_NAME: &str = "keyturn";

/// Finds the source of the credentials. The roles of a profile are assumed when the first call is made, but for those
/// behind an MFA code: that is asked for now, once, and the session is kept in memory only.
///
/// # Errors
/// [`CredentialError`].
pub(super) async fn find(
    connection: &Connection,
    config: &SdkConfig,
    sources: &ProviderConfig,
) -> Result<SharedCredentialsProvider, CredentialError> {
    let (base, mut hops) = base(connection, config, sources).await?;
    hops.extend(connection.assume_role.as_ref().map(|role| Hop {
        profile: "--assume-role".to_owned(),
        role_arn: role.clone(),
        external_id: connection.external_id.clone(),
        session_name: None,
        lasting: None,
        mfa_serial: None,
    }));
    sign_in(base, hops, config).await
}

/// A session of one role, which is opened by a client that has credentials already: whatever that client keeps of its
/// own is not looked for again.
pub(super) fn session(sts: aws_sdk_sts::Client, assumption: Assumption) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Session::new(sts, assumption))
}

async fn base(
    connection: &Connection,
    config: &SdkConfig,
    sources: &ProviderConfig,
) -> Result<(SharedCredentialsProvider, Vec<Hop>), CredentialError> {
    if !matches!(connection.source, From::Profile(_)) {
        if let Some((there, missing)) = connection.environment.half_key {
            return Err(CredentialError::HalfKey { there, missing });
        }
        match EnvironmentVariableCredentialsProvider::new().provide_credentials().await {
            Ok(key) => return Ok((SharedCredentialsProvider::new(key), Vec::new())),
            Err(CredentialsError::CredentialsNotLoaded(_)) => {}
            Err(error) => return Err(CredentialError::of("the environment", &error, CredentialError::SIGN_IN)),
        }
    }
    let (named, chain) = match &connection.source {
        From::Surroundings => (None, None),
        From::Chain => (None, chain::resolve(&profiles(None).await?)?),
        From::Profile(name) => (Some(name), chain::resolve(&profiles(Some(name.clone())).await?)?),
    };
    match (chain, named, &connection.environment.web_identity) {
        (Some(chain), ..) => {
            let Chain { profile, source, hops } = chain;
            Ok((provider_of(source, &profile, config, sources), hops))
        }
        (None, Some(profile), _) => Err(ProfileError::Empty { profile: profile.clone() }.into()),
        (None, None, Some(identity)) => {
            Ok((SharedCredentialsProvider::new(Token::new(identity.clone(), config)), Vec::new()))
        }
        (None, None, None) => Ok((machine(sources), Vec::new())),
    }
}

async fn profiles(selected: Option<String>) -> Result<ProfileSet, ProfileError> {
    let files = EnvConfigFiles::default();
    let loaded = aws_config::profile::load(&Fs::real(), &Env::real(), &files, selected.map(Cow::Owned)).await;
    loaded.map_err(|error| ProfileError::Unreadable(error::innermost(&error)))
}

fn provider_of(
    source: Source,
    profile: &str,
    config: &SdkConfig,
    sources: &ProviderConfig,
) -> SharedCredentialsProvider {
    let named = |how: &str| format!("{how} of the profile `{profile}`");
    match source {
        Source::Key(key) => SharedCredentialsProvider::new(key),
        Source::Environment => {
            let hint = "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, which this profile builds upon".to_owned();
            let provider = EnvironmentVariableCredentialsProvider::new();
            SharedCredentialsProvider::new(Named::new(named("the environment"), hint, provider))
        }
        Source::Container | Source::Instance => machine(sources),
        Source::WebIdentity(identity) => SharedCredentialsProvider::new(Token::new(identity, config)),
        Source::Process(command) => {
            let hint = "run the command by hand and see what it prints; it must be the JSON of a credential process";
            let provider = CredentialProcessProvider::new(command);
            SharedCredentialsProvider::new(Named::new(named("`credential_process`"), hint.to_owned(), provider))
        }
        Source::Sso(sso) => {
            let hint = format!("sign in: `aws sso login --profile {profile}`; then run the same command again");
            SharedCredentialsProvider::new(Named::new(named("the SSO session"), hint, portal(sso, sources)))
        }
    }
}

fn portal(sso: Sso, sources: &ProviderConfig) -> SsoCredentialsProvider {
    let mut builder = SsoCredentialsProvider::builder()
        .configure(sources)
        .start_url(sso.start_url)
        .region(Region::new(sso.region))
        .account_id(sso.account)
        .role_name(sso.role);
    builder.set_session_name(sso.session);
    builder.build()
}

/// The role of the container or of the EC2 instance that this runs in.
fn machine(sources: &ProviderConfig) -> SharedCredentialsProvider {
    let container = EcsCredentialsProvider::builder().configure(sources).build();
    let instance = ImdsCredentialsProvider::builder().configure(sources).build();
    let either =
        CredentialsProviderChain::first_try("EcsContainer", container).or_else("Ec2InstanceMetadata", instance);
    SharedCredentialsProvider::new(Named::new("this machine".to_owned(), CredentialError::SIGN_IN.to_owned(), either))
}

/// Goes through the roles up to the last one behind an MFA code at once, and leaves the others for later.
async fn sign_in(
    base: SharedCredentialsProvider,
    mut hops: Vec<Hop>,
    config: &SdkConfig,
) -> Result<SharedCredentialsProvider, CredentialError> {
    let Some(last) = hops.iter().rposition(|hop| hop.mfa_serial.is_some()) else {
        return Ok(SharedCredentialsProvider::new(Roles::new(base, hops, config)));
    };
    let later = hops.split_off(last + 1);
    let mut key = base.provide_credentials().await.map_err(CredentialError::from_provider)?;
    for hop in &hops {
        let code = match &hop.mfa_serial {
            Some(serial) => Some((serial.clone(), code(hop, serial).await?)),
            None => None,
        };
        key = provider::assume(config, key, hop, code).await?;
    }
    // Without its end: nobody could renew it but who has the device, so AWS shall say when it is over.
    let key = Credentials::new(
        key.access_key_id(),
        key.secret_access_key(),
        key.session_token().map(str::to_owned),
        None,
        "session",
    );
    Ok(SharedCredentialsProvider::new(Roles::new(SharedCredentialsProvider::new(key), later, config)))
}

async fn code(hop: &Hop, serial: &str) -> Result<contract::SecretText, CredentialError> {
    let (profile, serial) = (hop.profile.clone(), serial.to_owned());
    let question = format!("MFA code of {serial}, for the profile `{profile}`: ");
    let code = ui::ask_secret(&question).await.map_err(|_| CredentialError::NobodyToAsk { profile, serial })?;
    // STS API reference, AssumeRole, TokenCode.
    let is_code = code.expose().len() == 6 && code.expose().bytes().all(|byte| byte.is_ascii_digit());
    if is_code { Ok(code) } else { Err(CredentialError::NotACode) }
}
