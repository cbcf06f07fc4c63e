//! The conditions of a template: what parameters decide about it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expression::{Expression, single, text};
use super::intrinsics::Scope;
use super::invalid;
use crate::ApiError;

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Named(String),
    Equals(Expression, Expression),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

impl Condition {
    pub(super) fn parse(value: &Value) -> Result<Self, ApiError> {
        let malformed = || invalid(format!("Template error: {value} is not a condition"));
        let (name, argument) = value.as_object().and_then(single).ok_or_else(malformed)?;
        let arguments = argument.as_array().map_or(&[][..], Vec::as_slice);
        let all = || arguments.iter().map(Self::parse).collect::<Result<Vec<_>, _>>();
        match (name.as_str(), arguments) {
            ("Condition", []) => text(name, argument).map(Self::Named),
            ("Fn::Equals", [one, other]) => Ok(Self::Equals(Expression::parse(one)?, Expression::parse(other)?)),
            ("Fn::Not", [condition]) => Ok(Self::Not(Self::parse(condition)?.into())),
            // AWS takes two to ten.
            ("Fn::And", [_, _, ..]) if arguments.len() <= 10 => all().map(Self::And),
            ("Fn::Or", [_, _, ..]) if arguments.len() <= 10 => all().map(Self::Or),
            ("Condition" | "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or", _) => Err(malformed()),
            _ => Err(ApiError::unknown("intrinsic", name)),
        }
    }

    /// Decides; `path` holds the names that led here, so that a circle is noticed.
    fn holds(
        &self,
        all: &BTreeMap<String, Condition>,
        values: &BTreeMap<String, Value>,
        path: &[&str],
    ) -> Result<bool, ApiError> {
        match self {
            Self::Named(name) if path.contains(&name.as_str()) => {
                Err(invalid(format!("Template error: circular dependency of condition {name}")))
            }
            Self::Named(name) => {
                let condition = all
                    .get(name)
                    .ok_or_else(|| invalid(format!("Template error: unresolved condition dependency {name}")))?;
                condition.holds(all, values, &[path, &[name.as_str()]].concat())
            }
            Self::Equals(one, other) => {
                // Conditions are decided before anything else, so they see neither conditions nor resources.
                let scope = Scope { values, conditions: &BTreeMap::new(), resources: &BTreeMap::new() };
                Ok(scope.text(one)? == scope.text(other)?)
            }
            Self::Not(condition) => Ok(!condition.holds(all, values, path)?),
            Self::And(conditions) => {
                let mut all_hold = true;
                for condition in conditions {
                    all_hold &= condition.holds(all, values, path)?;
                }
                Ok(all_hold)
            }
            Self::Or(conditions) => {
                let mut any_holds = false;
                for condition in conditions {
                    any_holds |= condition.holds(all, values, path)?;
                }
                Ok(any_holds)
            }
        }
    }
}

/// Decides every condition of a template.
pub(super) fn decide(
    conditions: &BTreeMap<String, Condition>,
    values: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, bool>, ApiError> {
    let decide = |(name, condition): (&String, &Condition)| {
        Ok((name.clone(), condition.holds(conditions, values, &[name.as_str()])?))
    };
    conditions.iter().map(decide).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decided(conditions: Value) -> Result<BTreeMap<String, bool>, ApiError> {
        let parse = |(name, value): (&String, &Value)| Ok((name.clone(), Condition::parse(value)?));
        let conditions = conditions.as_object().unwrap().iter().map(parse).collect::<Result<_, ApiError>>()?;
        decide(&conditions, &BTreeMap::from([("Size".to_owned(), json!(3)), ("Key".to_owned(), json!(""))]))
    }

    #[test]
    fn conditions_are_decided_by_parameters() {
        let given = json!({
            "Three": {"Fn::Equals": [{"Ref": "Size"}, "3"]},
            "HasKey": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Key"}, ""]}]},
            "Both": {"Fn::And": [{"Condition": "Three"}, {"Condition": "HasKey"}]},
            "Either": {"Fn::Or": [{"Condition": "Three"}, {"Condition": "HasKey"}]},
        });
        let expected = [("Both", false), ("Either", true), ("HasKey", false), ("Three", true)];
        assert_eq!(decided(given).unwrap(), expected.map(|(name, holds)| (name.to_owned(), holds)).into());
    }

    #[test]
    fn wrong_conditions_are_named() {
        for (given, message) in [
            (json!({"A": {"Condition": "B"}, "B": {"Condition": "A"}}), "circular dependency of condition A"),
            (json!({"A": {"Condition": "B"}}), "unresolved condition dependency B"),
            (json!({"A": {"Fn::And": [{"Condition": "A"}]}}), "is not a condition"),
            (json!({"A": {"Fn::Contains": [1, 2]}}), "`Fn::Contains`"),
            (json!({"A": {"Fn::Equals": [{"Ref": "Role"}, ""]}}), "[Role]"),
        ] {
            let error = decided(given).unwrap_err();
            assert!(error.message.contains(message), "{error}");
        }
    }
}
