//! The secret's value: the JSON document that applications read and that rotation replaces.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::{AccessKeyId, Region, Renderings, SecretText, UserName};

/// Names of the fields that keyturn owns. The layout is the one that consumers of hand-made secrets already read.
const USER_NAME: &str = "UserName";
const ACCESS_KEY_ID: &str = "AccessKeyId";
const SECRET_ACCESS_KEY: &str = "SecretAccessKey";

/// An access key with both halves.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The public half.
    pub id: AccessKeyId,
    /// The secret half.
    pub secret: SecretText,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyPair").field(&self.id).finish_non_exhaustive()
    }
}

/// One version of a managed secret.
///
/// A fresh secret holds the user's name only (the placeholder that the stack creates); a rotated one holds a key too.
/// Any other field belongs to whoever put it there and is carried over to the next version, unless it is a
/// [`Rendering`](crate::Rendering) of the key.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretDocument {
    /// The IAM user whose key this is.
    pub user: UserName,
    /// The key, absent in the placeholder.
    pub key: Option<KeyPair>,
    /// The fields that are not keyturn's, as their JSON text: whoever wrote them gets them back to the letter. They
    /// may hold anything, also secrets.
    others: BTreeMap<String, SecretText>,
}

impl fmt::Debug for SecretDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretDocument").field("user", &self.user).field("key", &self.key).finish_non_exhaustive()
    }
}

/// Why a secret's value is not a document of ours. The text never quotes the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is not JSON, or not a JSON object.
    #[error("the secret's value is not a JSON object")]
    NotAnObject,
    /// A field is missing that must be there.
    #[error("the secret's value has no text field `{0}`")]
    Missing(&'static str),
    /// One half of the key is there without the other.
    #[error("the secret's value holds only one of `AccessKeyId` and `SecretAccessKey`")]
    HalfAKey,
    /// The user's name is malformed. It is not shown: people paste secrets into the wrong field.
    #[error("the secret's field `UserName` is malformed")]
    UserName,
    /// The access key id is malformed.
    #[error("the secret's field `AccessKeyId` is malformed")]
    AccessKeyId,
}

impl SecretDocument {
    /// The document of a user who has no managed key yet.
    pub fn placeholder(user: UserName) -> Self {
        Self { user, key: None, others: BTreeMap::new() }
    }

    /// Reads a secret's value.
    ///
    /// # Errors
    /// [`DocumentError`], which never quotes the value.
    pub fn parse(text: &SecretText) -> Result<Self, DocumentError> {
        // The parser's own message quotes what it read, so it is dropped here.
        let fields: Result<BTreeMap<String, Box<RawValue>>, _> = serde_json::from_str(text.expose());
        let Ok(mut fields) = fields else { return Err(DocumentError::NotAnObject) };
        let mut take = |name| fields.remove(name).map(|raw| serde_json::from_str::<String>(raw.get()));
        let Some(Ok(user)) = take(USER_NAME) else { return Err(DocumentError::Missing(USER_NAME)) };
        let user = UserName::new(user).map_err(|_| DocumentError::UserName)?;
        let key = match (take(ACCESS_KEY_ID), take(SECRET_ACCESS_KEY).map(|secret| secret.map(SecretText::new))) {
            (None, None) => None,
            (Some(Ok(id)), Some(Ok(secret))) if !secret.expose().is_empty() => {
                let id = AccessKeyId::new(id).map_err(|_| DocumentError::AccessKeyId)?;
                Some(KeyPair { id, secret })
            }
            _ => return Err(DocumentError::HalfAKey),
        };
        let others = fields.into_iter().map(|(name, raw)| (name, SecretText::new(raw.get())));
        Ok(Self { user, key, others: others.collect() })
    }

    /// The document that replaces this one: with another key, and its renderings for a secret in `region`.
    pub fn with_key(&self, key: KeyPair, renderings: &Renderings, region: &Region) -> Self {
        let mut others = self.others.clone();
        renderings.renew(&mut others, self.key.as_ref(), &key, region);
        Self { user: self.user.clone(), key: Some(key), others }
    }

    /// The text to store in Secrets Manager.
    pub fn to_text(&self) -> SecretText {
        let json = |text: &str| Value::from(text).to_string();
        let mut fields = vec![(USER_NAME, json(self.user.as_str()))];
        if let Some(key) = &self.key {
            fields.push((ACCESS_KEY_ID, json(key.id.as_str())));
            fields.push((SECRET_ACCESS_KEY, json(key.secret.expose())));
        }
        let others = self.others.iter().map(|(name, raw)| (name.as_str(), raw.expose().to_owned()));
        let fields = fields.into_iter().chain(others).map(|(name, value)| format!("{}:{value}", json(name)));
        SecretText::new(format!("{{{}}}", fields.collect::<Vec<_>>().join(",")))
    }
}

#[cfg(test)]
mod tests;
