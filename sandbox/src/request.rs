//! An HTTP request as it arrived, and the API call it stands for.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::partition;
use crate::services::lambda::InstanceId;

/// An HTTP request, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    /// The path as sent, still percent-encoded.
    pub(crate) path: String,
    /// The query string as sent, without the question mark.
    pub(crate) query: String,
    /// Header names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// Who calls, as proven by the request's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: String,
    /// `arn:aws:iam::…:user/…` or `arn:aws:sts::…:assumed-role/…/…`.
    pub(crate) arn: String,
    /// What GetCallerIdentity calls UserId.
    pub(crate) user_id: String,
    pub(crate) principal: Principal,
    /// The function instance whose credentials these are.
    pub(crate) instance: Option<InstanceId>,
    /// The tags that the session was opened with.
    pub(crate) session_tags: BTreeMap<String, String>,
    /// When the session was opened; a key of a user has no such time.
    pub(crate) issued: Option<Timestamp>,
}

/// Whose policies decide what the caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principal {
    User(String),
    Role(String),
}

impl Caller {
    /// The partition of the caller's account; there is no way to call from one into another.
    pub(crate) fn partition(&self) -> &str {
        partition::in_arn(&self.arn)
    }

    /// The name of the calling user; `None` when a role calls.
    pub(crate) fn user(&self) -> Option<&str> {
        match &self.principal {
            Principal::User(name) => Some(name),
            Principal::Role(_) => None,
        }
    }
}

/// An authenticated API call.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) caller: Caller,
    /// The region the request was signed for.
    pub(crate) region: String,
    /// The operation's name in the service's model, such as `CreateAccessKey`.
    pub(crate) operation: String,
    pub(crate) http: HttpRequest,
}

/// A path, unlike a form, leaves the plus sign as it is.
pub(crate) fn percent_decoded(path: &str) -> String {
    let form = path.replace('+', "%2B");
    form_urlencoded::parse(form.as_bytes())
        .map(|(name, value)| match value.is_empty() {
            true => name.into_owned(),
            false => format!("{name}={value}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded() {
        for (encoded, key) in [("a/b.zip", "a/b.zip"), ("a%20b", "a b"), ("a+b", "a+b"), ("a%2Fb%3D", "a/b=")] {
            assert_eq!(percent_decoded(encoded), key);
        }
    }
}
