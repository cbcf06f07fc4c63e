//! Policy documents. They are read once, when they are stored: what is wrong with them, or unknown to the sandbox, is
//! an error there and never a statement that silently does not apply.

mod condition;
mod pattern;
mod statement;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::need::Grant;
use crate::ApiError;
pub(crate) use statement::Principal;
use statement::Statement;

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    /// As it was written.
    pub(crate) document: Value,
    statements: Vec<Statement>,
    /// Its length as IAM's quotas count it: in characters, without white space.
    pub(crate) length: usize,
}

/// What a policy is attached to, which decides what it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To a user or a role: it says what they may do.
    Identity,
    /// To a role: it says who may assume it.
    Trust,
    /// To any other resource: it says who may do what with it.
    Resource,
}

/// What is asked of a policy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    /// The condition keys of the request.
    pub(crate) context: &'a BTreeMap<String, String>,
}

/// What policies say, from weak to strong: what the strongest of them says, holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Silent,
    Allow,
    Deny,
}

impl Policy {
    /// Reads a policy out of JSON text.
    pub(crate) fn read(kind: Kind, text: &str) -> Result<Self, ApiError> {
        let document = serde_json::from_str(text).map_err(|_| malformed("This policy contains invalid Json"))?;
        Self::new(kind, &document)
    }

    /// Reads a policy out of a JSON value.
    pub(crate) fn new(kind: Kind, document: &Value) -> Result<Self, ApiError> {
        let mut fields = fields(document)?;
        match fields.remove("Version").as_ref().and_then(Value::as_str) {
            Some("2012-10-17") => {}
            version => return Err(ApiError::unknown("policy version", version.unwrap_or_default())),
        }
        // An id has no effect.
        fields.remove("Id");
        let statements: Vec<Statement> = match fields.remove("Statement") {
            Some(Value::Array(items)) => {
                items.iter().map(|item| Statement::new(kind, item)).collect::<Result<_, ApiError>>()?
            }
            Some(item) => vec![Statement::new(kind, &item)?],
            None => return Err(malformed("Missing required field Statement")),
        };
        nothing_left(&fields)?;
        let mut ids = BTreeSet::new();
        if !statements.iter().filter_map(|statement| statement.id.as_deref()).all(|id| ids.insert(id)) {
            return Err(malformed("Statement IDs (SID) in a single policy must be unique."));
        }
        let length = document.to_string().chars().filter(|c| !c.is_whitespace()).count();
        Ok(Self { document: document.clone(), statements, length })
    }

    /// What an identity policy says.
    pub(crate) fn verdict(&self, question: &Question<'_>) -> Verdict {
        self.verdict_on(|_| true, question)
    }

    /// What a trust or resource policy says of the principals that `is_meant` picks.
    pub(crate) fn verdict_for(&self, is_meant: impl Fn(&Principal) -> bool, question: &Question<'_>) -> Verdict {
        self.verdict_on(|statement| statement.principals.iter().any(&is_meant), question)
    }

    /// Whether it lets anybody in at all.
    pub(crate) fn is_public(&self) -> bool {
        self.statements.iter().any(Statement::is_public)
    }

    /// The condition keys that the statements on an action ask for.
    pub(crate) fn condition_keys<'a>(&'a self, action: &str) -> impl Iterator<Item = &'a str> {
        let action = action.to_ascii_lowercase();
        let about = self.statements.iter().filter(move |statement| statement.is_about(&action));
        about.flat_map(Statement::condition_keys)
    }

    /// Every action, with a resource, that lets a request through.
    pub(crate) fn grants(&self, question: &Question<'_>) -> Vec<Grant> {
        let allowing = self.statements.iter().filter(|statement| statement.effect == Verdict::Allow);
        allowing.enumerate().flat_map(|(nth, statement)| statement.grants(&name(nth, statement), question)).collect()
    }

    /// The statements that allow anything, with their actions and resources.
    pub(crate) fn allowing(&self) -> Vec<(String, &[String], &[String])> {
        let allowing = self.statements.iter().filter(|statement| statement.effect == Verdict::Allow);
        allowing.enumerate().map(|(nth, statement)| statement.allows(name(nth, statement))).collect()
    }

    fn verdict_on(&self, concerns: impl Fn(&Statement) -> bool, question: &Question<'_>) -> Verdict {
        let applying = self.statements.iter().filter(|statement| concerns(statement) && statement.applies_to(question));
        applying.map(|statement| statement.effect).max().unwrap_or(Verdict::Silent)
    }
}

fn name(nth: usize, statement: &Statement) -> String {
    statement.id.clone().unwrap_or_else(|| format!("statement {nth}"))
}

fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::new("MalformedPolicyDocument", message)
}

fn fields(value: &Value) -> Result<Map<String, Value>, ApiError> {
    value.as_object().cloned().ok_or_else(|| malformed("Syntax errors in policy."))
}

/// Refuses the elements that nobody has taken. IAM knows some of them; the sandbox does not.
fn nothing_left(fields: &Map<String, Value>) -> Result<(), ApiError> {
    fields.keys().next().map_or(Ok(()), |name| Err(ApiError::unknown("policy element", name)))
}

/// One text or a list of them: policies may always write either. A boolean counts as its word.
fn texts(value: &Value) -> Result<Vec<String>, ApiError> {
    match value {
        Value::String(text) if text.contains("${") => Err(ApiError::unknown("policy variable in", text)),
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Bool(flag) => Ok(vec![flag.to_string()]),
        Value::Array(items) if items.iter().all(|item| !item.is_array()) => {
            Ok(items.iter().map(texts).collect::<Result<Vec<_>, _>>()?.concat())
        }
        _ => Err(malformed("Syntax errors in policy.")),
    }
}

#[cfg(test)]
mod tests;
