//! An access key as it is shown to whoever has to choose between two.

use std::fmt;

use contract::AccessKeyId;
use jiff::Timestamp;
use serde::Serialize;

use crate::aws::users::{AccessKey, KeyStatus, LastUse};
use crate::observe::ObservedUser;
use crate::ui::{age, date};

/// An access key, as it is shown to whoever has to choose between two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyReport {
    /// Its id.
    pub id: AccessKeyId,
    /// Whether it may be used.
    pub status: KeyStatus,
    /// How old it is, in words.
    pub age: String,
    /// When and for what it was last used; `None` when it never was.
    pub last_use: Option<LastUse>,
}

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.facts())
    }
}

impl KeyReport {
    /// A key of a user, as it was found.
    pub(crate) fn of(user: &ObservedUser, key: &AccessKey, now: Timestamp) -> Self {
        let age = age(key.created, now);
        Self { id: key.id.clone(), status: key.status, age, last_use: user.last_uses.get(&key.id).cloned() }
    }

    /// The key and what is known of it, for the middle of a line.
    pub(crate) fn in_brackets(&self) -> String {
        format!("{} ({})", self.id, self.facts())
    }

    fn facts(&self) -> String {
        let status = match self.status {
            KeyStatus::Active => "Active",
            KeyStatus::Inactive => "Inactive",
        };
        let used = match &self.last_use {
            None => "never used".to_owned(),
            Some(LastUse { at, service, region }) => format!("last used on {} for {service} in {region}", date(*at)),
        };
        format!("{status}, {} old, {used}", self.age)
    }
}
