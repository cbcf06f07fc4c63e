//! Newtypes for every identifier that could be swapped with another one, each validated at the door.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What the name of a user's secret begins with.
pub const SECRET_PREFIX: &str = "keyturn/";

/// An identifier that does not have the form AWS gives it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {expected}")]
pub struct NameError {
    value: String,
    expected: &'static str,
}

impl NameError {
    fn new(value: &str, expected: &'static str) -> Self {
        // Whoever mistypes an argument may have pasted anything, also something long.
        let value = value.chars().take(80).flat_map(char::escape_debug).collect();
        Self { value, expected }
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the form of `value`.
            ///
            /// # Errors
            /// [`NameError`] says what was expected.
            pub fn new(value: impl Into<String>) -> Result<Self, NameError> {
                let value = value.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&value) { Ok(Self(value)) } else { Err(NameError::new(&value, $expected)) }
            }

            /// The identifier as AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(value: &str) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(value: String) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

name!(
    /// A 12-digit AWS account number.
    AccountId,
    "an AWS account number of 12 digits",
    |value| value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit())
);

name!(
    /// The friendly name of an IAM user: 1 to 64 of `[\w+=,.@-]` (IAM API reference, CreateUser).
    UserName,
    "an IAM user name (1 to 64 letters, digits or `_+=,.@-`)",
    |value| (1..=64).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
);

name!(
    /// The unique id of an IAM user, `AIDA…`. It changes when a user is deleted and created again under the same name.
    UserId,
    "an IAM unique id (`AIDA…`)",
    |value| (16..=128).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric())
);

name!(
    /// The public half of an access key, `AKIA…`.
    AccessKeyId,
    "an access key id (`AKIA…`)",
    |value| (16..=128).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
);

name!(
    /// An AWS region, such as `eu-central-1`.
    Region,
    "an AWS region such as `eu-central-1`",
    |value| (4..=32).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);

name!(
    /// The ARN of a secret, with the six characters that Secrets Manager appends to its name.
    SecretArn,
    "the ARN of a secret",
    |value| {
        let fields: Vec<&str> = value.splitn(7, ':').collect();
        matches!(fields.as_slice(), ["arn", _, "secretsmanager", _, _, "secret", name] if !name.is_empty())
            && value.len() <= 2048
            && value.bytes().all(|b| b.is_ascii_graphic())
    }
);

name!(
    /// A ClientRequestToken, which is also the id of the secret version it creates: 32 to 64 characters
    /// (Secrets Manager API reference, PutSecretValue).
    VersionToken,
    "a ClientRequestToken of 32 to 64 characters",
    |value| (32..=64).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
);

impl SecretArn {
    /// The region that the secret is in.
    ///
    /// # Errors
    /// [`NameError`] when what stands there is none.
    pub fn region(&self) -> Result<Region, NameError> {
        Region::new(self.0.split(':').nth(3).unwrap_or_default())
    }
}

impl VersionToken {
    /// A token that is the same for the same words, so that a request that is made again is the same request.
    pub fn derived(words: &[&str]) -> Self {
        let digest = Sha256::digest(words.join("\n"));
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Whether the name of a secret ends in a hyphen and six characters: a search by a part of the ARN could take it for
/// another secret.
pub fn looks_like_an_arn(secret: &str) -> bool {
    secret.bytes().rev().nth(6) == Some(b'-')
}

impl UserName {
    /// The name of the user's secret when nobody gives another one: `keyturn/<user>`, made legal.
    ///
    /// Different users get different names: a user's name holds no slash, so that only a comma gives an even run of
    /// slashes and only the appendix a single one.
    pub fn secret_name(&self) -> String {
        let mut name = format!("{SECRET_PREFIX}{}", self.0.replace(',', "//"));
        while looks_like_an_arn(&name) {
            name.push_str("/user");
        }
        name
    }

    /// Whether both names mean the same user: IAM compares user names without case.
    pub fn is_same_user(&self, other: &UserName) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// The name as the value of a tag, which cannot hold a comma; it can hold a slash, which no name has.
    pub fn to_tag(&self) -> String {
        self.0.replace(',', "/")
    }

    /// Reads the value of a tag.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn of_tag(value: &str) -> Result<Self, NameError> {
        Self::new(value.replace('/', ","))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn user_names_take_every_legal_character() {
        assert!(UserName::new("a_B9+=,.@-").is_ok());
        for wrong in ["", "a b", "a/b", "ü", "a:b", &"x".repeat(65)] {
            assert!(UserName::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn user_names_are_compared_without_case() -> Result<(), NameError> {
        assert!(UserName::new("Alice")?.is_same_user(&UserName::new("aLICE")?));
        Ok(())
    }

    #[test]
    fn user_names_survive_being_a_tag() -> Result<(), NameError> {
        let name = UserName::new("a_B9+=,.@-,")?;
        assert_eq!(name.to_tag(), "a_B9+=/.@-/");
        assert_eq!(UserName::of_tag(&name.to_tag())?, name);
        Ok(())
    }

    #[test]
    fn a_derived_token_depends_on_every_word() {
        let token = |words: &[&str]| VersionToken::derived(words);
        assert_eq!(token(&["enrol", "alice"]), token(&["enrol", "alice"]));
        for other in [["enrol", "bob"], ["enroll", "alice"], ["alice", "enrol"]] {
            assert_ne!(token(&["enrol", "alice"]), token(&other));
        }
        assert!(VersionToken::new(token(&[]).as_str()).is_ok());
    }

    #[test]
    fn secret_arns_need_all_their_parts() {
        assert!(SecretArn::new("arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/a-AbCdEf").is_ok());
        for wrong in ["keyturn/a", "arn:aws:iam::111122223333:user/a", "arn:aws:secretsmanager:r:a:secret:"] {
            assert!(SecretArn::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_arn_names_its_region() -> Result<(), NameError> {
        let arn = SecretArn::new("arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/a-AbCdEf")?;
        assert_eq!(arn.region()?, Region::new("eu-central-1")?);
        assert!(SecretArn::new("arn:aws:secretsmanager::111122223333:secret:keyturn/a-AbCdEf")?.region().is_err());
        Ok(())
    }

    #[test]
    fn errors_show_a_bounded_and_escaped_value() {
        let shown = UserId::new("\u{1b}[31m".repeat(100)).map_err(|error| error.to_string());
        assert!(shown.is_err_and(|text| text.len() < 1200 && !text.contains('\u{1b}')));
    }

    proptest! {
        #[test]
        fn a_name_is_taken_as_it_is_or_refused_in_one_line(text in prop_oneof![any::<String>(), "[ -~]{1,130}"]) {
            fn check<T: std::fmt::Display>(name: Result<T, NameError>, text: &str) -> Result<(), TestCaseError> {
                match name {
                    Ok(name) => prop_assert_eq!(name.to_string(), text),
                    Err(error) => {
                        let error = error.to_string();
                        prop_assert!(error.len() < 1200 && !error.chars().any(char::is_control), "{}", error);
                    }
                }
                Ok(())
            }
            check(AccountId::new(text.as_str()), &text)?;
            check(UserName::new(text.as_str()), &text)?;
            check(UserId::new(text.as_str()), &text)?;
            check(AccessKeyId::new(text.as_str()), &text)?;
            check(Region::new(text.as_str()), &text)?;
            check(SecretArn::new(text.as_str()), &text)?;
            check(VersionToken::new(text.as_str()), &text)?;
            check(UserName::of_tag(&text).map(|name| name.to_tag()), &text.replace(',', "/"))?;
        }

        #[test]
        fn every_user_name_survives_being_a_tag(name in "[a-zA-Z0-9_+=,.@-]{1,64}") {
            let name = UserName::new(name).unwrap();
            prop_assert!(!name.to_tag().contains(','));
            prop_assert_eq!(UserName::of_tag(&name.to_tag()), Ok(name));
        }
    }
}
