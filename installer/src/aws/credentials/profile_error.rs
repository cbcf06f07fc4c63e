//! What can be wrong with the profiles in `~/.aws/config` and `~/.aws/credentials`.

use aws_config::profile::Profile;

/// A profile that leads to no credentials. No value of a field is shown: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ProfileError {
    #[error("the AWS configuration cannot be read: {0}")]
    Unreadable(String),
    #[error("there is no profile `{profile}`{}", from.as_ref().map(|from| format!(", which the profile `{from}` names as its source")).unwrap_or_default())]
    Unknown { profile: String, from: Option<String> },
    #[error("the profiles name each other as their source: {}", profiles.join(" -> "))]
    Loop { profiles: Vec<String> },
    #[error("the profile `{profile}` has no credentials")]
    Empty { profile: String },
    #[error("the profile `{profile}` has both `source_profile` and `credential_source`")]
    TwoSources { profile: String },
    #[error("the profile `{profile}` has `role_arn`, but neither `source_profile` nor `credential_source`")]
    NoSource { profile: String },
    #[error("the profile `{profile}` lacks `{field}`")]
    Lacks { profile: String, field: &'static str },
    #[error("`{field}` of the profile `{profile}` is not {expected}")]
    Wrong { profile: String, field: &'static str, expected: &'static str },
    #[error("there is no `sso-session {session}`, which the profile `{profile}` names")]
    UnknownSession { profile: String, session: String },
    #[error("the `sso-session {session}` lacks `{field}`")]
    SessionLacks { session: String, field: &'static str },
    #[error("the profile `{profile}` has `login_session`, which keyturn does not support")]
    Login { profile: String },
}

impl ProfileError {
    pub(super) fn wrong(profile: &Profile, field: &'static str, expected: &'static str) -> Self {
        Self::Wrong { profile: profile.name().to_owned(), field, expected }
    }

    /// What to do now.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { .. } | Self::Empty { .. } => {
                "see `aws configure list-profiles`, and choose one with `--profile`".to_owned()
            }
            Self::Login { profile } => format!(
                "hand its session over: `eval \"$(aws configure export-credentials --profile {profile} --format env)\"`"
            ),
            _ => "correct it in `~/.aws/config` or `~/.aws/credentials`".to_owned(),
        }
    }
}
