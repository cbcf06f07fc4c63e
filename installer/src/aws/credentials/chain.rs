//! Decides where the credentials of a profile come from: the source it ends at, and the roles that are assumed one
//! after the other from there.
//!
//! The SDK has such a chain too, but it cannot ask for an MFA code, and it leaves `duration_seconds` out.

use std::time::Duration;

use aws_config::profile::{Profile, ProfileSet};
use aws_credential_types::Credentials;

use super::profile_error::ProfileError;
use crate::environment::WebIdentity;

/// How long a session may last (STS API reference, AssumeRole, DurationSeconds).
const DURATIONS: std::ops::RangeInclusive<u64> = 900..=43_200;

/// Where credentials come from.
#[derive(Debug)]
pub(super) struct Chain {
    /// The profile that names the source.
    pub(super) profile: String,
    pub(super) source: Source,
    /// The roles, in the order in which they are assumed.
    pub(super) hops: Vec<Hop>,
}

/// What a chain begins with.
pub(super) enum Source {
    Key(Credentials),
    /// The keys in the environment.
    Environment,
    /// The role of the container that this runs in.
    Container,
    /// The role of the EC2 instance that this runs on.
    Instance,
    WebIdentity(WebIdentity),
    /// The command, whose arguments may be secret.
    Process(String),
    Sso(Sso),
}

/// A role of the access portal (IAM Identity Center).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sso {
    pub(super) session: Option<String>,
    pub(super) start_url: String,
    pub(super) region: String,
    pub(super) account: String,
    pub(super) role: String,
}

/// One role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) profile: String,
    pub(super) role_arn: String,
    pub(super) external_id: Option<String>,
    pub(super) session_name: Option<String>,
    pub(super) lasting: Option<Duration>,
    pub(super) mfa_serial: Option<String>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Environment => "Environment",
            Self::Container => "Container",
            Self::Instance => "Instance",
            Self::WebIdentity(_) => "WebIdentity",
            Self::Process(_) => "Process",
            Self::Sso(_) => "Sso",
        })
    }
}

/// Follows the profiles from the selected one on; `None` when it has no credentials of its own.
pub(super) fn resolve(profiles: &ProfileSet) -> Result<Option<Chain>, ProfileError> {
    let mut name = profiles.selected_profile();
    let mut visited: Vec<&str> = Vec::new();
    let mut hops = Vec::new();
    loop {
        let from = visited.last().map(|name| (*name).to_owned());
        let Some(profile) = profiles.get_profile(name) else {
            // Nobody has to have a default profile.
            return if from.is_none() && name == "default" {
                Ok(None)
            } else {
                Err(ProfileError::Unknown { profile: name.to_owned(), from })
            };
        };
        if visited.contains(&name) {
            let round = visited.iter().chain([&name]).map(|name| (*name).to_owned()).collect();
            return Err(ProfileError::Loop { profiles: round });
        }
        visited.push(name);
        // A profile that others build upon is asked for its key first (AWS SDKs and tools reference, "Assume role
        // credential provider").
        let own_key = if from.is_some() { key(profile)? } else { None };
        let next = if own_key.is_some() { None } else { role(profile, &mut hops)? };
        match next {
            Some(next) if next != name => name = next,
            _ => {
                let source = own_key.map_or_else(|| source(profiles, profile), |key| Ok(Some(Source::Key(key))))?;
                hops.reverse();
                return match source {
                    Some(source) => Ok(Some(Chain { profile: name.to_owned(), source, hops })),
                    None if hops.is_empty() => Ok(None),
                    None => Err(ProfileError::Empty { profile: name.to_owned() }),
                };
            }
        }
    }
}

/// Notes the role that a profile names, and says in which profile to go on; its own name means that the rest of the
/// profile is the source.
fn role<'a>(profile: &'a Profile, hops: &mut Vec<Hop>) -> Result<Option<&'a str>, ProfileError> {
    let (Some(role_arn), None) = (profile.get("role_arn"), profile.get("web_identity_token_file")) else {
        return Ok(None);
    };
    let next = match (profile.get("source_profile"), profile.get("credential_source")) {
        (Some(next), None) => next,
        (None, Some(_)) => profile.name(),
        (Some(_), Some(_)) => return Err(ProfileError::TwoSources { profile: profile.name().to_owned() }),
        (None, None) => return Err(ProfileError::NoSource { profile: profile.name().to_owned() }),
    };
    let text = |name: &str| profile.get(name).map(str::to_owned);
    hops.push(Hop {
        profile: profile.name().to_owned(),
        role_arn: role_arn.to_owned(),
        external_id: text("external_id"),
        session_name: text("role_session_name"),
        lasting: duration(profile)?,
        mfa_serial: text("mfa_serial"),
    });
    Ok(Some(next))
}

fn duration(profile: &Profile) -> Result<Option<Duration>, ProfileError> {
    let Some(text) = profile.get("duration_seconds") else { return Ok(None) };
    let seconds = text.parse().ok().filter(|seconds| DURATIONS.contains(seconds));
    let wrong = || ProfileError::wrong(profile, "duration_seconds", "a number of seconds from 900 to 43200");
    seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(wrong)
}

/// What a profile itself says of its credentials, in the order in which all AWS SDKs look.
fn source(profiles: &ProfileSet, profile: &Profile) -> Result<Option<Source>, ProfileError> {
    if let Some(source) = profile.get("credential_source") {
        let expected = "`Environment`, `EcsContainer` or `Ec2InstanceMetadata`";
        return match source.to_ascii_lowercase().as_str() {
            "environment" => Ok(Some(Source::Environment)),
            "ecscontainer" => Ok(Some(Source::Container)),
            "ec2instancemetadata" => Ok(Some(Source::Instance)),
            _ => Err(ProfileError::wrong(profile, "credential_source", expected)),
        };
    }
    if let Some(file) = profile.get("web_identity_token_file") {
        let role_arn = required(profile, "role_arn")?;
        let session_name = profile.get("role_session_name").map(str::to_owned);
        return Ok(Some(Source::WebIdentity(WebIdentity { role_arn, token_file: file.into(), session_name })));
    }
    if let Some(sso) = sso(profiles, profile)? {
        return Ok(Some(Source::Sso(sso)));
    }
    if profile.get("login_session").is_some() {
        return Err(ProfileError::Login { profile: profile.name().to_owned() });
    }
    if let Some(command) = profile.get("credential_process") {
        return Ok(Some(Source::Process(command.to_owned())));
    }
    Ok(key(profile)?.map(Source::Key))
}

fn key(profile: &Profile) -> Result<Option<Credentials>, ProfileError> {
    let (id, secret) = (profile.get("aws_access_key_id"), profile.get("aws_secret_access_key"));
    if id.is_none() && secret.is_none() {
        return Ok(None);
    }
    let (id, secret) = (required(profile, "aws_access_key_id")?, required(profile, "aws_secret_access_key")?);
    let token = profile.get("aws_session_token").map(str::to_owned);
    Ok(Some(Credentials::new(id, secret, token, None, "profile")))
}

fn sso(profiles: &ProfileSet, profile: &Profile) -> Result<Option<Sso>, ProfileError> {
    const FIELDS: [&str; 5] = ["sso_session", "sso_start_url", "sso_region", "sso_account_id", "sso_role_name"];
    if FIELDS.iter().all(|field| profile.get(field).is_none()) {
        return Ok(None);
    }
    let session = profile.get("sso_session");
    let (start_url, region) = match session {
        Some(name) => {
            let unknown =
                || ProfileError::UnknownSession { profile: profile.name().to_owned(), session: name.to_owned() };
            let section = profiles.sso_session(name).ok_or_else(unknown)?;
            let field = |field: &'static str| {
                let lacking = || ProfileError::SessionLacks { session: name.to_owned(), field };
                section.get(field).map(str::to_owned).ok_or_else(lacking)
            };
            (field("sso_start_url")?, field("sso_region")?)
        }
        None => (required(profile, "sso_start_url")?, required(profile, "sso_region")?),
    };
    let (account, role) = (required(profile, "sso_account_id")?, required(profile, "sso_role_name")?);
    Ok(Some(Sso { session: session.map(str::to_owned), start_url, region, account, role }))
}

fn required(profile: &Profile, field: &'static str) -> Result<String, ProfileError> {
    let lacking = || ProfileError::Lacks { profile: profile.name().to_owned(), field };
    profile.get(field).map(str::to_owned).ok_or_else(lacking)
}

#[cfg(test)]
mod tests;
