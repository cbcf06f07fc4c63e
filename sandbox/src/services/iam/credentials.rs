//! What a request can be signed with: a user's access keys, and the sessions of roles.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::services::lambda::InstanceId;

/// What a client signs its requests with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA…` for a user's key, `ASIA…` for a session.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: String,
    /// What a session's requests carry besides.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// A user's access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Both halves.
    pub credentials: Credentials,
    /// The account of the user.
    pub account: String,
    /// The name of the user, as it was written when the user was created.
    pub user: String,
    /// Whether requests may be signed with it.
    pub status: KeyStatus,
    /// When it was created.
    pub created: Timestamp,
    /// When it last proved a request; `None` when never.
    pub last_used: Option<LastUse>,
    /// From when on it is known everywhere.
    pub(crate) known_from: Timestamp,
}

impl AccessKey {
    /// The public half.
    pub fn id(&self) -> &str {
        &self.credentials.access_key_id
    }
}

/// Whether an access key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// It may.
    Active,
    /// It may not, until somebody sets it to Active again.
    Inactive,
}

impl KeyStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Inactive",
        }
    }
}

/// The last request that an access key has proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// The service that was asked, such as `s3`.
    pub service: String,
    /// The region the request was signed for.
    pub region: String,
}

/// An assumed role.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) credentials: Credentials,
    pub(crate) account: String,
    pub(crate) role: String,
    /// A session ends with its role, also when another role takes the name.
    pub(crate) role_id: String,
    pub(crate) name: String,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
    /// What AssumeRole was told besides; conditions know them as `aws:PrincipalTag/…`.
    pub(crate) tags: BTreeMap<String, String>,
    /// The function instance it was opened for.
    pub(crate) instance: Option<InstanceId>,
}
