//! Event patterns: which events a rule is about. The sandbox knows exact values and `prefix`, and no other comparison.

use serde_json::{Map, Value};

use super::rule::invalid;
use crate::ApiError;

/// Characters of a pattern ("Event pattern size" in AWS's quotas).
const LONGEST: usize = 2048;

/// The fields that an event has at its top.
const FIELDS: &[&str] = &["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"];

/// A pattern: every field that it names must fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    fields: Vec<(String, Wanted)>,
    /// The same as it was written.
    pub(super) given: Value,
}

/// What a field must be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// One of these, or a list with one of these in it.
    OneOf(Vec<Comparison>),
    Inner(Vec<(String, Wanted)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Comparison {
    Exactly(Value),
    Prefix(String),
}

impl Pattern {
    pub(super) fn read(given: Value) -> Result<Self, ApiError> {
        if given.to_string().chars().count() > LONGEST {
            return Err(invalid(format!("Event pattern is not valid. Reason: it has more than {LONGEST} characters")));
        }
        let fields = fields(&given)?;
        match fields.iter().find(|(name, _)| !FIELDS.contains(&name.as_str())) {
            Some((name, _)) => Err(ApiError::unknown("field of events", name)),
            None => Ok(Self { fields, given }),
        }
    }

    pub(super) fn matches(&self, event: &Value) -> bool {
        all_match(&self.fields, event)
    }
}

fn fields(value: &Value) -> Result<Vec<(String, Wanted)>, ApiError> {
    let not_valid = |why: &str| invalid(format!("Event pattern is not valid. Reason: {why}"));
    let fields: &Map<_, _> =
        value.as_object().filter(|it| !it.is_empty()).ok_or_else(|| not_valid("it has no fields"))?;
    let field = |(name, wanted): (&String, &Value)| {
        let wanted = match wanted {
            // `$or` and whatever else has a meaning of its own.
            _ if name.starts_with('$') => return Err(ApiError::unknown("event pattern operator", name)),
            Value::Array(values) if values.is_empty() => return Err(not_valid("Empty arrays are not allowed")),
            Value::Array(values) => Wanted::OneOf(values.iter().map(comparison).collect::<Result<_, _>>()?),
            Value::Object(_) => Wanted::Inner(self::fields(wanted)?),
            _ => return Err(not_valid(&format!("\"{name}\" must be an object or an array"))),
        };
        Ok((name.clone(), wanted))
    };
    fields.iter().map(field).collect()
}

fn comparison(value: &Value) -> Result<Comparison, ApiError> {
    let Some(operator) = value.as_object() else {
        let is_plain = value.is_string() || value.is_boolean() || value.is_null() || value.is_number();
        let exactly = || Comparison::Exactly(value.clone());
        return is_plain.then(exactly).ok_or_else(|| invalid("Event pattern is not valid. Reason: a list in a list"));
    };
    match (operator.len(), operator.get("prefix")) {
        (1, Some(Value::String(prefix))) => Ok(Comparison::Prefix(prefix.clone())),
        _ => Err(ApiError::unknown("event pattern operator", &value.to_string())),
    }
}

fn all_match(fields: &[(String, Wanted)], value: &Value) -> bool {
    fields.iter().all(|(name, wanted)| value.get(name).is_some_and(|found| wanted.matches(found)))
}

impl Wanted {
    fn matches(&self, found: &Value) -> bool {
        match (self, found) {
            (Self::Inner(fields), found) => all_match(fields, found),
            (Self::OneOf(wanted), Value::Array(found)) => {
                found.iter().any(|found| wanted.iter().any(|wanted| wanted.fits(found)))
            }
            (Self::OneOf(wanted), found) => wanted.iter().any(|wanted| wanted.fits(found)),
        }
    }
}

impl Comparison {
    fn fits(&self, found: &Value) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == found,
            Self::Prefix(prefix) => found.as_str().is_some_and(|text| text.starts_with(prefix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_must_fit_and_one_of_its_values_is_enough() {
        let event = json!({
            "source": "aws.cloudwatch", "resources": ["arn:1", "arn:2"],
            "detail": { "name": "keyturn-age", "state": { "value": "ALARM" }, "count": 1 },
        });
        let table = [
            (json!({ "source": ["aws.cloudwatch"] }), true),
            (json!({ "source": ["aws.s3", "aws.cloudwatch"] }), true),
            (json!({ "source": ["aws.s3"] }), false),
            (json!({ "source": [{ "prefix": "aws." }] }), true),
            (json!({ "source": [{ "prefix": "aws.s" }] }), false),
            (json!({ "resources": ["arn:2"] }), true),
            (json!({ "resources": ["arn:3"] }), false),
            (json!({ "detail": { "state": { "value": ["ALARM"] } } }), true),
            (json!({ "detail": { "state": { "value": ["ALARM"] }, "count": [2] } }), false),
            (json!({ "detail": { "count": [1] } }), true),
            (json!({ "detail": { "absent": ["x"] } }), false),
            (json!({ "account": ["1"] }), false),
        ];
        for (pattern, expected) in table {
            assert_eq!(Pattern::read(pattern.clone()).unwrap().matches(&event), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_and_what_is_unknown_is_named() {
        let status = |pattern: Value| Pattern::read(pattern).unwrap_err().status;
        let wrong = [json!({}), json!({ "source": "aws.s3" }), json!({ "source": [] }), json!({ "source": [["a"]] })];
        assert!(wrong.into_iter().all(|pattern| status(pattern) == 400));
        let unknown = [
            json!({ "sources": ["aws.s3"] }),
            json!({ "$or": [{ "source": ["a"] }] }),
            json!({ "source": [{ "suffix": "a" }] }),
            json!({ "source": [{ "prefix": { "equals-ignore-case": "a" } }] }),
        ];
        assert!(unknown.into_iter().all(|pattern| status(pattern) == 501));
        assert_eq!(status(json!({ "source": ["a".repeat(LONGEST)] })), 400);
    }
}
