//! `keyturn credentials`: prints the key that is current, in the form that the AWS CLI and the SDKs expect of a
//! `credential_process` (AWS CLI user guide, "Sourcing credentials with an external process"). It is the one command
//! whose stdout holds a secret, so stdout must not be a terminal, and nothing is written before all is well.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use contract::{AccessKeyId, DocumentError, KeyPair, SecretArn, SecretDocument, SecretText, UserName};
use jiff::Timestamp;
use serde::Serialize;

use crate::aws::secrets::{self, CURRENT};
use crate::aws::{CallError, is_served_by_keyturn};
use crate::error::{Error, Exit};
use crate::names::SecretName;
use crate::session::Session;

/// The longest that a key may be kept before it is asked for again: a quarter of a day, so that a working day sees
/// every rotation.
const LONGEST_REFRESH: Duration = Duration::from_hours(6);

/// The shortest: some SDKs ask a minute or more before the expiration, and would ask for every request below that.
const SHORTEST_REFRESH: Duration = Duration::from_secs(60);

/// Why no credentials were printed. No text quotes the secret's value.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Somebody would see the secret access key.
    #[error("stdout is a terminal, and the secret access key is not for people to see")]
    Terminal,
    /// The profile would run this command to find the credentials for this command.
    #[error("the profile `{0}` takes its credentials from `keyturn credentials` itself")]
    Circular(String),
    /// There is no such secret, or it has no current value.
    #[error("there is no secret `{secret}` in `{region}`, or it has no value yet")]
    NoSecret {
        /// Its name or ARN.
        secret: String,
        /// Where it was looked for.
        region: String,
    },
    /// It is scheduled for deletion.
    #[error("the secret `{0}` is scheduled for deletion")]
    Deleted(String),
    /// It holds the user's name only.
    #[error("the secret `{0}` holds no key yet")]
    NoKey(String),
    /// It holds something else.
    #[error("the secret `{secret}` cannot be used")]
    Unreadable {
        /// Its name or ARN.
        secret: String,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// It holds the key of somebody else.
    #[error("the secret `{secret}` is of the user `{found}`, not of `{asked}`")]
    OtherUser {
        /// Its name or ARN.
        secret: String,
        /// Whom the value names.
        found: UserName,
        /// Whom the command names.
        asked: UserName,
    },
}

impl CredentialsError {
    /// What to do now.
    pub fn hint(&self) -> String {
        match self {
            Self::Terminal => {
                "put the command into a profile of `~/.aws/config`: `credential_process = keyturn credentials …`"
            }
            Self::Circular(_) => "name another profile with `--profile`, one that may read the secret",
            Self::NoSecret { .. } => {
                "write the user as IAM does, or name the secret with `--secret`; `keyturn status` shows the names, `keyturn rotate` makes a first key"
            }
            Self::Deleted(_) => "restore it with `aws secretsmanager restore-secret`, then run `keyturn bootstrap`",
            Self::NoKey(_) => "run `keyturn bootstrap`, or `keyturn rotate` for this user",
            Self::Unreadable { .. } => {
                "look at the secret's value, and at `keyturn status`; is it the right secret?"
            }
            Self::OtherUser { .. } => "name the secret of this user with `--secret`, or the other user",
        }
        .to_owned()
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Terminal | Self::Circular(_) => Exit::Usage,
            Self::NoSecret { .. }
            | Self::Deleted(_)
            | Self::NoKey(_)
            | Self::Unreadable { .. }
            | Self::OtherUser { .. } => Exit::Error,
        }
    }
}

/// Which secret: by its name, or by its ARN, as a secret of another account is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretId {
    #[expect(missing_docs, reason = "the type says it")]
    Name(SecretName),
    #[expect(missing_docs, reason = "the type says it")]
    Arn(SecretArn),
}

impl SecretId {
    /// The name or ARN as AWS writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(name) => name.as_str(),
            Self::Arn(arn) => arn.as_str(),
        }
    }
}

impl std::str::FromStr for SecretId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("arn:") {
            let arn = SecretArn::new(text).map_err(|error| error.to_string())?;
            return arn.region().map(|_| Self::Arn(arn)).map_err(|error| error.to_string());
        }
        SecretName::new(text).map(Self::Name).map_err(|error| error.to_string())
    }
}

/// Reads how long a key may be kept.
///
/// # Errors
/// What is wrong with it, in words.
pub fn refresh(text: &str) -> Result<Duration, String> {
    let expected = "a duration from 1m to 6h, such as `30m`";
    let duration = crate::config::duration(text).ok_or_else(|| format!("this is not {expected}"))?;
    let fits = (SHORTEST_REFRESH..=LONGEST_REFRESH).contains(&duration);
    if fits { Ok(duration) } else { Err(format!("this is not {expected}")) }
}

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) user: &'a UserName,
    pub(super) secret: SecretId,
    pub(super) region: String,
    /// The profile of the credentials that read the secret.
    pub(super) profile: Option<&'a str>,
    /// How long the key may be kept.
    pub(super) refresh: Duration,
}

/// Refuses what needs no call to AWS to be refused.
pub(super) async fn check(profile: Option<&str>) -> Result<(), CredentialsError> {
    if io::stdout().is_terminal() {
        return Err(CredentialsError::Terminal);
    }
    match profile {
        Some(profile) if is_served_by_keyturn(profile).await => Err(CredentialsError::Circular(profile.to_owned())),
        _ => Ok(()),
    }
}

pub(super) async fn run(session: &Session, asked: &Asked<'_>) -> Result<Exit, Error> {
    check(asked.profile).await?;
    let read = secrets::document(&session.clients, asked.secret.as_str(), CURRENT);
    let document = session.interrupts.unless_pressed(read).await?.map_err(|error| deleted(asked, error))?;
    let key = key_of(asked, document)?;
    session.printer.secret(&process_output(&key, expiration(asked.refresh)))?;
    Ok(Exit::Done)
}

/// Secrets Manager has no code of its own for this.
fn deleted(asked: &Asked<'_>, error: CallError) -> Error {
    let is_deleted = error.message().is_some_and(|message| message.contains("marked for deletion"));
    if is_deleted { CredentialsError::Deleted(asked.secret.as_str().to_owned()).into() } else { error.into() }
}

/// The key of the user, if the secret holds it.
fn key_of(
    asked: &Asked<'_>,
    document: Option<Result<SecretDocument, DocumentError>>,
) -> Result<KeyPair, CredentialsError> {
    let secret = || asked.secret.as_str().to_owned();
    let document = match document {
        None => return Err(CredentialsError::NoSecret { secret: secret(), region: asked.region.clone() }),
        Some(Err(source)) => return Err(CredentialsError::Unreadable { secret: secret(), source }),
        Some(Ok(document)) => document,
    };
    if !document.user.is_same_user(asked.user) {
        let (found, asked) = (document.user, asked.user.clone());
        return Err(CredentialsError::OtherUser { secret: secret(), found, asked });
    }
    document.key.ok_or_else(|| CredentialsError::NoKey(secret()))
}

/// Until when the key may be kept, by the clock of this machine: whoever asked will compare it with that one.
#[expect(clippy::disallowed_methods, reason = "the caller on this machine compares it with this machine's clock")]
fn expiration(refresh: Duration) -> Timestamp {
    let now = Timestamp::now();
    now.saturating_add(refresh).unwrap_or(now)
}

/// How long a key may be kept under these settings: from now it may be superseded at any time, and must have been
/// fetched anew long before `deactivate_after` is over. Without a configuration what was asked for holds: see `docs/guide.md`.
pub(super) fn within(refresh: Duration, deactivate_after: Duration) -> Duration {
    refresh.min(deactivate_after / 2).max(SHORTEST_REFRESH)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessOutput<'a> {
    version: u8,
    access_key_id: &'a AccessKeyId,
    secret_access_key: &'a str,
    expiration: String,
}

fn process_output(key: &KeyPair, expiration: Timestamp) -> SecretText {
    let output = ProcessOutput {
        version: 1,
        access_key_id: &key.id,
        secret_access_key: key.secret.expose(),
        expiration: expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    };
    // Texts and a number: this cannot fail, and an empty line would be no credentials either.
    SecretText::new(serde_json::to_string(&output).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";

    fn answer(value: Option<&str>) -> Result<KeyPair, String> {
        let user = UserName::new("alice").unwrap();
        let secret: SecretId = "keyturn/alice".parse().unwrap();
        let region = "eu-central-1".to_owned();
        let asked = Asked { user: &user, secret, region, profile: None, refresh: SHORTEST_REFRESH };
        let document = value.map(|value| SecretDocument::parse(&SecretText::new(value)));
        key_of(&asked, document).map_err(|error| format!("{error} ({error:?}) {}", error.hint()))
    }

    #[test]
    fn only_a_key_of_the_user_is_one() {
        let value = |user: &str| {
            format!(r#"{{"UserName":"{user}","AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"{SECRET}"}}"#)
        };
        assert!(answer(Some(&value("alice"))).is_ok());
        assert!(answer(Some(&value("ALICE"))).is_ok(), "IAM compares names without case");
        let half = format!(r#"{{"UserName":"alice","SecretAccessKey":"{SECRET}"}}"#);
        let table = [
            (None, "there is no secret `keyturn/alice` in `eu-central-1`"),
            (Some(value("bob")), "is of the user `bob`, not of `alice`"),
            (Some(r#"{"UserName":"alice"}"#.to_owned()), "holds no key yet"),
            (Some(half), "HalfAKey"),
            (Some(SECRET.to_owned()), "NotAnObject"),
            (Some(String::new()), "NotAnObject"),
        ];
        for (value, expected) in table {
            let error = answer(value.as_deref()).unwrap_err();
            assert!(error.contains(expected) && !error.contains(SECRET), "{error}");
        }
    }

    #[test]
    fn the_document_is_the_one_that_sdks_read() {
        let key = answer(Some(&format!(
            r#"{{"UserName":"alice","AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"{SECRET}","Else":"x"}}"#
        )));
        let at = Timestamp::new(1_767_225_600, 999).unwrap();
        assert_eq!(
            process_output(&key.unwrap(), at).expose(),
            format!(
                r#"{{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"{SECRET}","Expiration":"2026-01-01T00:00:00Z"}}"#
            )
        );
    }

    #[test]
    fn a_key_is_fetched_anew_long_before_it_can_be_deactivated() {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_hours(1));
        assert_eq!(within(hour / 2, 168 * hour), hour / 2);
        assert_eq!(within(6 * hour, 4 * hour), 2 * hour);
        assert_eq!(within(hour, Duration::ZERO), minute, "one key only");
        for (text, expected) in [("1m", Some(minute)), ("6h", Some(6 * hour)), ("59s", None), ("7h", None), ("", None)]
        {
            assert_eq!(refresh(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_secret_has_a_name_or_an_arn_with_a_region() {
        let arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/alice-AbCdEf";
        assert!(matches!(arn.parse(), Ok(SecretId::Arn(_))));
        assert!(matches!("prod/alice".parse(), Ok(SecretId::Name(_))));
        for wrong in ["", "a b", "arn:aws:iam::111122223333:user/a", "arn:aws:secretsmanager::1:secret:a"] {
            assert!(wrong.parse::<SecretId>().is_err(), "{wrong}");
        }
    }
}
