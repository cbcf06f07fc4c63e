//! The managed policies of the account, and what they say.

use aws_sdk_iam::types::PolicyScopeType;

use super::pages::Pages;
use super::{CallError, Clients, reduce};

/// A managed policy of the account's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Its document, as JSON.
    pub document: String,
}

/// The policies that are attached to somebody and whose names are `wanted`, with their documents.
///
/// # Errors
/// [`CallError`].
pub async fn attached(clients: &Clients, wanted: impl Fn(&str) -> bool) -> Result<Vec<Policy>, CallError> {
    const OPERATION: &str = "iam:ListPolicies";
    let pages = clients.iam.list_policies().scope(PolicyScopeType::Local).only_attached(true);
    let mut pages = pages.into_paginator().stop_on_duplicate_token(false).send();
    let (mut policies, mut read) = (Vec::new(), Pages::of(OPERATION));
    while let Some(page) = pages.next().await {
        read.one_more()?;
        for policy in page.map_err(reduce(OPERATION))?.policies() {
            let Some(name) = policy.policy_name().filter(|name| wanted(name)) else { continue };
            let (Some(arn), Some(version)) = (policy.arn(), policy.default_version_id()) else { continue };
            if let Some(document) = document(clients, arn, version).await? {
                policies.push(Policy { name: name.to_owned(), document });
            }
        }
    }
    Ok(policies)
}

/// The text of a policy; none when it went away meanwhile.
async fn document(clients: &Clients, arn: &str, version: &str) -> Result<Option<String>, CallError> {
    let asked = clients.iam.get_policy_version().policy_arn(arn).version_id(version);
    match asked.send().await.map_err(reduce("iam:GetPolicyVersion")) {
        Ok(answer) => Ok(answer.policy_version().and_then(|version| version.document()).map(percent_decoded)),
        Err(error) if error.code() == Some("NoSuchEntity") => Ok(None),
        Err(error) => Err(error),
    }
}

/// A text as IAM hands it out, percent-encoded after RFC 3986. What is no code stands for itself.
fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = code.and(after.get(2..)).unwrap_or(after);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_decoded() {
        for (encoded, text) in [
            ("%7B%22a%22%3A%20%22b+c%22%7D", r#"{"a": "b+c"}"#),
            ("%C3%BC%2", "ü%2"),
            ("100%", "100%"),
            ("%zz%", "%zz%"),
        ] {
            assert_eq!(percent_decoded(encoded), text);
        }
    }
}
