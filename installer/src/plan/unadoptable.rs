//! Why a secret that keyturn did not make cannot be taken over, and what to do about it.

use contract::{AccessKeyId, AccountId, DocumentError, UserName};

/// Why a secret that keyturn did not make cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unadoptable {
    /// It has no value.
    #[error("it has no value")]
    NoValue,
    /// Its value has another form.
    #[error("{0}")]
    Document(DocumentError),
    /// It is somebody else's.
    #[error("its value names the user `{0}`")]
    OtherUser(UserName),
    /// There is nothing to take over.
    #[error("it holds no access key")]
    NoKey,
    /// Its value does not fit together.
    #[error("its key {key} is one of the user `{owner}`")]
    KeyOfAnother {
        /// The key.
        key: AccessKeyId,
        /// Whose it is.
        owner: UserName,
    },
    /// Its key is none of this account.
    #[error("its key {key} is one of the account {account}")]
    KeyOfAnotherAccount {
        /// The key.
        key: AccessKeyId,
        /// Whose it is.
        account: AccountId,
    },
    /// Nobody could say whose its key is, and so not whether it is gone.
    #[error("its key {0} is none of the user's, and AWS does not tell whose it is")]
    KeyOfUnknown(AccessKeyId),
    /// Somebody else manages it.
    #[error("the stack `{0}` manages it")]
    OtherStack(String),
    /// The function could not read it.
    #[error("it is encrypted with `{0}`")]
    KmsKey(String),
}

impl Unadoptable {
    /// What to do about it.
    pub(super) fn hint(&self, user: &UserName) -> String {
        let otherwise = format!("give `{user}` another secret name in the configuration (`secret: …`)");
        match self {
            Self::NoValue | Self::Document(_) | Self::NoKey => format!(
                "put `UserName`, `AccessKeyId` and `SecretAccessKey` into it as JSON, or {otherwise}, or move the secret away"
            ),
            Self::OtherUser(_) | Self::KeyOfAnother { .. } => {
                format!("put `{user}` and a key of that user into it if they belong there, or {otherwise}")
            }
            Self::KeyOfAnotherAccount { .. } => {
                format!("put a key of `{user}` of this account into it, or {otherwise}")
            }
            Self::KeyOfUnknown(_) => {
                format!(
                    "let the caller do `iam:GetAccessKeyLastUsed` for all users and `sts:GetAccessKeyInfo`; or {otherwise}"
                )
            }
            Self::OtherStack(stack) => {
                format!("take it out of the stack `{stack}` first (with `DeletionPolicy: Retain`), or {otherwise}")
            }
            Self::KmsKey(_) => {
                "name that key in the configuration (`kms_key: …`, its ARN), so that the function may use it".to_owned()
            }
        }
    }
}
