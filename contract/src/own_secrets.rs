//! Which secret is whose. The name decides: tags and value may have been written by anybody who may write that one secret,
//! and a name is there for good.

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::settings::variables;
use crate::{SettingsError, UserName};

/// The hexadecimal digits of one digest: 64 bits, against which somebody would have to find a name that fits a user's.
/// The environment of a function has room for those of a full cell.
pub const DIGEST_DIGITS: usize = 16;

/// The users whose secret has a name of its own, each as a digest of user and secret: the names themselves would not fit
/// into the environment of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnSecrets(BTreeSet<String>);

impl OwnSecrets {
    /// Those of these users and their secrets whose secret is not called after the user.
    pub fn of<'a>(secrets: impl IntoIterator<Item = (&'a UserName, &'a str)>) -> Self {
        let others = secrets.into_iter().filter(|(user, secret)| user.secret_name() != *secret);
        Self(others.map(|(user, secret)| digest(user, secret)).collect())
    }

    /// Reads the environment of a function; `variable` looks one variable up. Where it is not set nobody has such a secret.
    ///
    /// # Errors
    /// [`SettingsError::Malformed`].
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let text = variable(variables::OWN_SECRETS).unwrap_or_default();
        let is_digits = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !is_digits || !text.len().is_multiple_of(DIGEST_DIGITS) {
            let expected = "a row of digests of 16 hexadecimal digits each";
            return Err(SettingsError::Malformed { variable: variables::OWN_SECRETS, expected });
        }
        let digests = text.as_bytes().chunks(DIGEST_DIGITS);
        Ok(Self(digests.map(|digest| String::from_utf8_lossy(digest).into_owned()).collect()))
    }

    /// Whether the secret of this name is the user's, who is named as IAM spells it: it is called after the user, or the
    /// configuration says so.
    pub fn belongs(&self, user: &UserName, secret: &str) -> bool {
        user.secret_name() == secret || self.is_own(user, secret)
    }

    /// Whether the configuration says that this is the user's secret.
    pub fn is_own(&self, user: &UserName, secret: &str) -> bool {
        self.0.contains(&digest(user, secret))
    }
}

/// The value of the variable that [`OwnSecrets::read`] reads back.
impl fmt::Display for OwnSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digest| f.write_str(digest))
    }
}

/// Neither name can hold the character between them.
fn digest(user: &UserName, secret: &str) -> String {
    let digest = Sha256::digest(format!("{user}\0{secret}"));
    digest.iter().take(DIGEST_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        UserName::new(name).unwrap()
    }

    fn read(text: &str) -> Result<OwnSecrets, SettingsError> {
        OwnSecrets::read(|name| (name == variables::OWN_SECRETS).then(|| text.to_owned()))
    }

    #[test]
    fn the_name_says_whose_a_secret_is() {
        let (alice, bob, comma) = (user("alice"), user("bob"), user("smith,john"));
        let own = OwnSecrets::of([(&alice, "prod/alice"), (&bob, "keyturn/bob")]);
        let table = [
            (&alice, "prod/alice", true),
            (&alice, "keyturn/alice", true),
            (&bob, "keyturn/bob", true),
            (&comma, "keyturn/smith//john", true),
            (&bob, "keyturn/alice", false),
            (&bob, "prod/alice", false),
            (&alice, "keyturn/bob", false),
            (&alice, "prod/alicE", false),
            (&alice, "keyturn/Alice", false),
            // IAM knows no two users whose names differ in case only, but Secrets Manager knows such secrets.
            (&user("Alice"), "keyturn/alice", false),
            (&user("Alice"), "prod/alice", false),
        ];
        for (user, secret, belongs) in table {
            assert_eq!(own.belongs(user, secret), belongs, "{user}: {secret}");
        }
        assert!(own.is_own(&alice, "prod/alice") && !own.is_own(&bob, "keyturn/bob"));
    }

    #[test]
    fn the_variable_reads_back() {
        let (alice, bob) = (user("alice"), user("bob"));
        let own = OwnSecrets::of([(&alice, "prod/alice"), (&bob, "prod/bob")]);
        assert_eq!(own.to_string().len(), 2 * DIGEST_DIGITS);
        assert_eq!(read(&own.to_string()), Ok(own));
        assert_eq!(OwnSecrets::read(|_| None), Ok(OwnSecrets::default()));
        assert_eq!(read(""), Ok(OwnSecrets::of([(&alice, "keyturn/alice")])));
        for wrong in ["0", "0123456789abcdeX", "0123456789ABCDEF", "0123456789abcdef;", "ééééééééé"] {
            assert!(matches!(read(wrong), Err(SettingsError::Malformed { .. })), "{wrong}");
        }
    }
}
