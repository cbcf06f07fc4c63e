//! The conditions of a statement: operators and keys that keyturn's templates use, and no others.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{fields, malformed, pattern, texts};
use crate::ApiError;

/// One key of one operator, with the values it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    operator: Operator,
    /// Whether it holds also where nobody supplies the key.
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    StringEquals,
    StringLike,
    /// ArnEquals too: IAM evaluates both alike.
    ArnLike,
    Bool,
    DateLessThan,
    Null,
}

/// The condition keys that somebody supplies: `decide` itself, or the service that asks for the permission. What is
/// not supplied with a request counts as absent, so a key nobody ever supplies must not be in this list.
const KEYS: &[&str] = &[
    "aws:MultiFactorAuthPresent",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:ResourceAccount",
    "aws:ResourceOrgID",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:TokenIssueTime",
    "iam:PassedToService",
    "iam:PermissionsBoundary",
    "iam:PolicyARN",
    "kms:ViaService",
    "lambda:SourceFunctionArn",
    "organizations:ServicePrincipal",
    "sts:ExternalId",
    "sts:RoleSessionName",
];

/// Keys that tell who somebody is: a policy for anyone is not public when one of them must have a fixed value (S3 user
/// guide, "The meaning of public"; of the organization's id it speaks as of a principal).
const IDENTIFYING_KEYS: &[&str] =
    &["aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalOrgID", "aws:SourceAccount", "aws:SourceArn"];

/// Keys that go on with the key of a tag.
const TAG_KEYS: &[&str] =
    &["aws:PrincipalTag/", "aws:RequestTag/", "aws:ResourceTag/", "iam:ResourceTag/", "secretsmanager:ResourceTag/"];

/// What a token of an OIDC provider says, as keys after the provider's name: `example.com:sub`.
const TOKEN_KEYS: &[&str] = &[":aud", ":sub"];

impl Condition {
    /// All conditions of a statement; every one of them must hold.
    pub(super) fn all(block: Option<&Value>) -> Result<Vec<Self>, ApiError> {
        let mut conditions = Vec::new();
        for (operator, keys) in block.map(fields).transpose()?.into_iter().flatten() {
            // IAM user guide, "...IfExists condition operators": every operator but Null.
            let (name, if_exists) = match operator.strip_suffix("IfExists") {
                Some(name) if name != "Null" => (name, true),
                _ => (operator.as_str(), false),
            };
            let operator = Operator::new(name)?;
            for (key, values) in fields(&keys)? {
                if !is_known(&key) {
                    return Err(ApiError::unknown("condition key", &key));
                }
                conditions.push(Self { operator, if_exists, key, values: operator.checked(texts(&values)?)? });
            }
        }
        Ok(conditions)
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether it says who somebody must be.
    pub(super) fn identifies(&self) -> bool {
        let compares = matches!(self.operator, Operator::StringEquals | Operator::StringLike | Operator::ArnLike);
        let is_fixed = self.values.iter().all(|value| !value.contains(['*', '?']));
        compares && is_fixed && IDENTIFYING_KEYS.iter().any(|key| key.eq_ignore_ascii_case(&self.key))
    }

    pub(super) fn holds(&self, context: &BTreeMap<String, String>) -> bool {
        let actual = context.iter().find(|(key, _)| key.eq_ignore_ascii_case(&self.key)).map(|(_, value)| value);
        let mut values = self.values.iter();
        match (self.operator, actual) {
            (Operator::Null, actual) => values.any(|value| value.eq_ignore_ascii_case("true") == actual.is_none()),
            (_, None) => self.if_exists,
            (Operator::StringEquals, Some(actual)) => values.any(|value| value == actual),
            (Operator::StringLike, Some(actual)) => values.any(|value| pattern::matches(value, actual)),
            (Operator::ArnLike, Some(actual)) => values.any(|value| pattern::matches_arn(value, actual)),
            (Operator::DateLessThan, Some(actual)) => {
                let actual = time(actual);
                values.any(|value| actual.zip(time(value)).is_some_and(|(actual, value)| actual < value))
            }
            (Operator::Bool, Some(actual)) => values.any(|value| value.eq_ignore_ascii_case(actual)),
        }
    }
}

impl Operator {
    fn new(name: &str) -> Result<Self, ApiError> {
        match name {
            "StringEquals" => Ok(Self::StringEquals),
            "StringLike" => Ok(Self::StringLike),
            "ArnEquals" | "ArnLike" => Ok(Self::ArnLike),
            "Bool" => Ok(Self::Bool),
            "DateLessThan" => Ok(Self::DateLessThan),
            "Null" => Ok(Self::Null),
            _ => Err(ApiError::unknown("condition operator", name)),
        }
    }

    fn checked(self, values: Vec<String>) -> Result<Vec<String>, ApiError> {
        let is_word = |value: &String| value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
        let (fits, needed) = match self {
            Self::Bool | Self::Null => (values.iter().all(is_word), "true or false"),
            Self::DateLessThan => (values.iter().all(|value| time(value).is_some()), "a time as in ISO 8601"),
            Self::StringEquals | Self::StringLike | Self::ArnLike => (true, "a text"),
        };
        if fits { Ok(values) } else { Err(malformed(format!("Syntax errors in policy: a condition needs {needed}."))) }
    }
}

/// Of the forms that IAM takes, the one with a time and a zone; seconds since 1970 and mere dates are refused.
fn time(value: &str) -> Option<Timestamp> {
    value.parse().ok()
}

fn is_known(key: &str) -> bool {
    let begins_with = |prefix: &&str| {
        let start = key.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        start && key.len() > prefix.len()
    };
    let is_of_token = TOKEN_KEYS.iter().filter_map(|end| key.strip_suffix(end)).any(|issuer| issuer.contains('.'));
    KEYS.iter().any(|known| known.eq_ignore_ascii_case(key)) || TAG_KEYS.iter().any(begins_with) || is_of_token
}
