//! Other forms of an access key, for consumers that cannot read the usual fields: which of them a secret's value
//! holds, and which its next version will hold.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{KeyPair, Region, SecretText, TagError, tag_keys};

/// A form in which the secret's value holds the key once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rendering {
    /// `SmtpUserName` and `SmtpPassword`, for the SMTP interface of Amazon SES in the secret's region.
    Smtp,
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, for tools that turn fields into environment variables.
    Environment,
    /// `CredentialsFile`, the text of a shared credentials file with the profile `default`.
    CredentialsFile,
}

impl Rendering {
    /// All of them, each under the name that the configuration and the tag use.
    pub const ALL: [(&'static str, Self); 3] =
        [("smtp", Self::Smtp), ("environment", Self::Environment), ("credentials-file", Self::CredentialsFile)];

    /// The name in the configuration and in the tag.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Environment => "environment",
            Self::CredentialsFile => "credentials-file",
        }
    }

    /// The fields, and what they hold for a key. `region` is the secret's.
    fn fields(self, key: &KeyPair, region: &Region) -> Vec<(&'static str, SecretText)> {
        let id = SecretText::new(key.id.as_str());
        match self {
            Self::Smtp => vec![("SmtpUserName", id), ("SmtpPassword", smtp_password(&key.secret, region))],
            Self::Environment => vec![("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", key.secret.clone())],
            Self::CredentialsFile => vec![("CredentialsFile", credentials_file(key))],
        }
    }
}

/// Which renderings the next version of a secret holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Renderings {
    /// Nobody has said: those that the version before holds.
    #[default]
    AsFound,
    /// These and no others.
    Exactly(BTreeSet<Rendering>),
}

/// The value of the tag for no rendering at all: tags may be empty, but who reads one would take that for a mistake.
const NONE: &str = "none";

impl Renderings {
    /// The value of [`tag_keys::RENDER`], the names with spaces between them; `None`: the tag is not there.
    pub fn to_tag(&self) -> Option<String> {
        match self {
            Self::AsFound => None,
            Self::Exactly(these) if these.is_empty() => Some(NONE.to_owned()),
            Self::Exactly(these) => Some(these.iter().map(|these| these.name()).collect::<Vec<_>>().join(" ")),
        }
    }

    /// Reads the tag.
    ///
    /// # Errors
    /// [`TagError`] when the value is not one that [`Renderings::to_tag`] writes.
    pub fn of_tag(value: Option<&str>) -> Result<Self, TagError> {
        let named = |name| Rendering::ALL.iter().find(|(known, _)| *known == name).map(|(_, rendering)| *rendering);
        match value {
            None => Ok(Self::AsFound),
            Some(NONE) => Ok(Self::Exactly(BTreeSet::new())),
            Some(names) => {
                let these: Option<BTreeSet<Rendering>> = names.split(' ').map(named).collect();
                these.map(Self::Exactly).ok_or_else(|| TagError::of(tag_keys::RENDER))
            }
        }
    }

    /// Brings the fields of a document, as their JSON text, from one key to the next.
    ///
    /// The fields of a rendering belong together. They are renewed or dropped only if all of them that are there are
    /// the rendering of the old key: else somebody put something of their own there, and half of it would be of another
    /// key than the other half.
    pub(crate) fn renew(
        &self,
        fields: &mut BTreeMap<String, SecretText>,
        old: Option<&KeyPair>,
        new: &KeyPair,
        region: &Region,
    ) {
        for (_, rendering) in Rendering::ALL {
            let is_held = old.is_some_and(|old| is_held(fields, &rendering.fields(old, region)));
            for (name, text) in rendering.fields(new, region) {
                let is_wanted = match self {
                    Self::AsFound => is_held && fields.contains_key(name),
                    Self::Exactly(these) => these.contains(&rendering),
                };
                if is_wanted {
                    fields.insert(name.to_owned(), json(&text));
                } else if is_held {
                    // A stale secret beside the new one helps nobody.
                    fields.remove(name);
                }
            }
        }
    }
}

/// Whether the document holds a rendering: at least one of its fields, and none with another value.
fn is_held(fields: &BTreeMap<String, SecretText>, rendered: &[(&'static str, SecretText)]) -> bool {
    let found = || rendered.iter().filter_map(|(name, text)| fields.get(*name).map(|found| (found, text)));
    let is_same = |(found, text): (&SecretText, &SecretText)| {
        let found = serde_json::from_str::<String>(found.expose()).map(Zeroizing::new);
        found.is_ok_and(|found| found.as_str() == text.expose())
    };
    found().next().is_some() && found().all(is_same)
}

fn json(text: &SecretText) -> SecretText {
    SecretText::new(Value::from(text.expose()).to_string())
}

/// The password for the SMTP interface of Amazon SES in one region, as the developer guide of SES describes it under
/// "Obtaining your Amazon SES SMTP credentials": a signature of fixed words, and in front of it the version of the
/// algorithm. The user name is the id of the access key.
fn smtp_password(secret: &SecretText, region: &Region) -> SecretText {
    const VERSION: u8 = 0x04;
    let key = Zeroizing::new(format!("AWS4{}", secret.expose()).into_bytes());
    let words = ["11111111", region.as_str(), "ses", "aws4_request", "SendRawEmail"];
    let signature = words.into_iter().fold(key, |key, word| signed(&key, word));
    let with_version = Zeroizing::new([&[VERSION], signature.as_slice()].concat());
    SecretText::new(BASE64_STANDARD.encode(with_version.as_slice()))
}

fn signed(key: &[u8], word: &str) -> Zeroizing<Vec<u8>> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(word.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

/// The text of a credentials file (AWS SDKs and Tools reference guide, "Shared config and credentials files").
fn credentials_file(key: &KeyPair) -> SecretText {
    let (id, secret) = (&key.id, key.secret.expose());
    SecretText::new(format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"))
}

#[cfg(test)]
mod tests;
