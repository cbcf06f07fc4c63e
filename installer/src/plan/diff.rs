//! The difference between two templates, property by property.

use std::collections::{BTreeMap, BTreeSet};

use contract::SecretArn;
use serde::Serialize;
use serde_json::Value as Json;

use super::{DriftKind, effect};
use crate::template::{Resource, Template};

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResourceChange {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name in AWS, when the template gives it one.
    pub name: Option<String>,
    /// What happens.
    pub change: Verb,
    /// How its properties change; empty unless it is changed.
    pub properties: Vec<PropertyChange>,
    /// Whether a new resource takes its place.
    pub replaces: bool,
    /// Whether somebody may do more afterwards.
    pub broadens: bool,
    /// What became of it past CloudFormation, when that is brought back.
    pub drift: Option<DriftKind>,
    /// Whether somebody may do more now than the template has said.
    pub broadened: bool,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// It is made.
    Add,
    /// It exists already and joins the stack.
    Import,
    /// It is changed.
    Modify,
    /// It leaves the template.
    Remove,
    /// It was deleted past CloudFormation, and is made anew.
    Recreate,
}

/// How one property changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PropertyChange {
    /// Where in the resource's properties: `Environment.Variables.NAME`.
    pub path: String,
    /// What it is now; `None` when it is not set.
    pub before: Option<Json>,
    /// What it will be; `None` when it will not be set.
    pub after: Option<Json>,
    /// Whether somebody has made it what it is past CloudFormation.
    pub drifted: bool,
}

/// What changes from one template, if there is one, to another. `imports` names the resources that exist already.
pub fn resources(
    before: Option<&Template>,
    after: &Template,
    imports: &BTreeMap<String, SecretArn>,
) -> Vec<ResourceChange> {
    changes(before.map(Template::resources).unwrap_or_default(), after, imports)
}

/// What changes from these resources to those of a template.
pub(super) fn changes(
    before: BTreeMap<String, Resource>,
    after: &Template,
    imports: &BTreeMap<String, SecretArn>,
) -> Vec<ResourceChange> {
    let after = after.resources();
    let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changes = Vec::new();
    for id in ids {
        let (verb, resource, properties) = match (before.get(id), after.get(id)) {
            (Some(before), Some(after)) if before == after => continue,
            (Some(before), Some(after)) => (Verb::Modify, after, modified(before, after)),
            (None, Some(after)) if imports.contains_key(id) => (Verb::Import, after, Vec::new()),
            (None, Some(after)) => (Verb::Add, after, Vec::new()),
            (Some(before), None) => (Verb::Remove, before, Vec::new()),
            (None, None) => continue,
        };
        changes.push(ResourceChange {
            replaces: effect::replaces(&resource.kind, &properties),
            broadens: effect::broadens(before.get(id), after.get(id)),
            properties,
            ..ResourceChange::of(id, resource, verb)
        });
    }
    changes
}

impl ResourceChange {
    /// A change of a resource, with nothing said of its properties.
    pub(super) fn of(id: &str, resource: &Resource, change: Verb) -> Self {
        Self {
            logical_id: id.to_owned(),
            kind: resource.kind.clone(),
            name: resource.properties.get("Name").and_then(Json::as_str).map(str::to_owned),
            change,
            properties: Vec::new(),
            replaces: false,
            broadens: false,
            drift: None,
            broadened: false,
        }
    }
}

fn modified(before: &Resource, after: &Resource) -> Vec<PropertyChange> {
    let mut changes = Vec::new();
    compare("", Some(&before.properties), Some(&after.properties), &mut changes);
    changes
}

/// Goes down where both sides are objects, or lists of the same length; anything else is one change.
fn compare(path: &str, before: Option<&Json>, after: Option<&Json>, changes: &mut Vec<PropertyChange>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Json::Object(before)), Some(Json::Object(after))) => {
            for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, before.get(key), after.get(key), changes);
            }
        }
        (Some(Json::Array(before)), Some(Json::Array(after))) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(&format!("{path}[{index}]"), Some(before), Some(after), changes);
            }
        }
        (before, after) => {
            let (path, before, after) = (path.to_owned(), before.cloned(), after.cloned());
            changes.push(PropertyChange { path, before, after, drifted: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(before: Json, after: Json) -> Vec<(String, Option<Json>, Option<Json>)> {
        let mut changes = Vec::new();
        compare("", Some(&before), Some(&after), &mut changes);
        changes.into_iter().map(|change| (change.path, change.before, change.after)).collect()
    }

    #[test]
    fn a_property_that_is_equal_is_no_change() {
        let value = json!({ "a": [1, { "b": "c" }] });
        assert_eq!(changes(value.clone(), value), []);
    }

    #[test]
    fn a_change_names_the_innermost_property() {
        let before = json!({ "Environment": { "Variables": { "A": "1", "B": "2" } }, "Old": true });
        let after = json!({ "Environment": { "Variables": { "A": "1", "B": "3" } }, "New": [1] });
        let expected = [
            ("Environment.Variables.B".to_owned(), Some(json!("2")), Some(json!("3"))),
            ("New".to_owned(), None, Some(json!([1]))),
            ("Old".to_owned(), Some(json!(true)), None),
        ];
        assert_eq!(changes(before, after), expected);
    }

    #[test]
    fn lists_of_different_length_change_as_a_whole() {
        let path = |changes: Vec<(String, _, _)>| changes.into_iter().map(|(path, ..)| path).collect::<Vec<_>>();
        assert_eq!(path(changes(json!({ "l": [1, 2] }), json!({ "l": [1, 3] }))), ["l[1]"]);
        assert_eq!(path(changes(json!({ "l": [1, 2] }), json!({ "l": [1] }))), ["l"]);
    }
}
