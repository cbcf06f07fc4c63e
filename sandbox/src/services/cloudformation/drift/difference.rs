//! How properties differ from what the template says, value by value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// One value that is not as the template says.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Difference {
    /// `/Environment/Variables/NAME`.
    pub(in super::super) path: String,
    pub(in super::super) expected: Option<Value>,
    pub(in super::super) actual: Option<Value>,
}

impl Difference {
    /// The type of the difference, by its name in the API.
    pub(in super::super) fn kind(&self) -> &'static str {
        match (&self.expected, &self.actual) {
            (None, _) => "ADD",
            (Some(_), None) => "REMOVE",
            (Some(_), Some(_)) => "NOT_EQUAL",
        }
    }
}

/// Every difference between the two.
pub(super) fn differences(expected: &Value, actual: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(expected), Some(actual), &mut found);
    found
}

/// Whether two values mean the same: numbers may be written as texts, and lists of texts are sets.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| other.get(key).is_some_and(|it| same(value, it)))
        }
        (Value::Array(one), Value::Array(other)) => match (texts(one), texts(other)) {
            (Some(one), Some(other)) => one == other,
            _ if is_tags(one) && is_tags(other) => tags(one) == tags(other),
            _ => one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other)),
        },
        (one, other) => one == other || text(one).is_some_and(|one| Some(one) == text(other)),
    }
}

fn compare(path: String, expected: Option<&Value>, actual: Option<&Value>, found: &mut Vec<Difference>) {
    match (expected, actual) {
        (Some(expected), Some(actual)) if same(expected, actual) => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                compare(format!("{path}/{name}"), old.get(name), new.get(name), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for (position, (old, new)) in paired(old, new).into_iter().enumerate() {
                compare(format!("{path}/{position}"), old, new, found);
            }
        }
        (None, None) => {}
        (expected, actual) => {
            found.push(Difference { path, expected: expected.cloned(), actual: actual.cloned() });
        }
    }
}

/// The items of two lists side by side: tags by their keys, texts as sets, and others as they stand.
fn paired<'a>(old: &'a [Value], new: &'a [Value]) -> Vec<(Option<&'a Value>, Option<&'a Value>)> {
    let like = |one: &Value, other: &Value| match is_tags(old) && is_tags(new) {
        true => one.get("Key") == other.get("Key"),
        false => same(one, other),
    };
    if texts(old).is_none() && !(is_tags(old) && is_tags(new)) {
        let longest = old.len().max(new.len());
        return (0..longest).map(|position| (old.get(position), new.get(position))).collect();
    }
    let known = old.iter().map(|item| (Some(item), new.iter().find(|other| like(item, other))));
    let added = new.iter().filter(|item| !old.iter().any(|other| like(item, other)));
    known.chain(added.map(|item| (None, Some(item)))).collect()
}

/// Whether a list is one of tags.
pub(super) fn is_tags(items: &[Value]) -> bool {
    let is_tag = |item: &Value| item.get("Key").is_some() && item.get("Value").is_some();
    !items.is_empty() && items.iter().all(is_tag)
}

/// Tags by their keys.
pub(super) fn tags(items: &[Value]) -> BTreeMap<String, String> {
    let tag = |item: &Value| Some((text(item.get("Key")?)?, text(item.get("Value")?)?));
    items.iter().filter_map(tag).collect()
}

/// The items of a list of texts, sorted; `None` for any other list.
fn texts(items: &[Value]) -> Option<Vec<String>> {
    let mut texts = items.iter().map(text).collect::<Option<Vec<_>>>()?;
    texts.sort();
    Some(texts)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(expected: Value, actual: Value) -> Vec<(String, &'static str)> {
        differences(&expected, &actual).into_iter().map(|found| (found.path.clone(), found.kind())).collect()
    }

    #[test]
    fn values_are_compared_by_what_they_mean() {
        for (one, other, expected) in [
            (json!(128), json!("128"), true),
            (json!(["a", "b"]), json!(["b", "a"]), true),
            (json!(["a", "b"]), json!(["a"]), false),
            (
                json!([{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": 2 }]),
                json!([{ "Key": "b", "Value": "2" }, { "Key": "a", "Value": "1" }]),
                true,
            ),
            (json!([{ "Id": 1 }, { "Id": 2 }]), json!([{ "Id": 2 }, { "Id": 1 }]), false),
            (json!({ "a": { "b": true } }), json!({ "a": { "b": "true" } }), true),
            (json!({ "a": 1 }), json!({ "a": 1, "b": 2 }), false),
            (json!(null), json!("null"), false),
        ] {
            assert_eq!(same(&one, &other), expected, "{one} {other}");
        }
    }

    #[test]
    fn a_difference_names_the_innermost_value_and_what_became_of_it() {
        let expected = json!({ "Memory": 128, "Variables": { "A": "1", "B": "2" }, "Roles": ["r"], "Tags": [{ "Key": "a", "Value": "1" }] });
        let actual = json!({ "Memory": 256, "Variables": { "A": "1", "C": "3" }, "Roles": ["s"], "Tags": [{ "Key": "b", "Value": "2" }, { "Key": "a", "Value": "3" }] });
        let differences = [
            ("/Memory", "NOT_EQUAL"),
            ("/Roles/0", "REMOVE"),
            ("/Roles/1", "ADD"),
            ("/Tags/0/Value", "NOT_EQUAL"),
            ("/Tags/1", "ADD"),
            ("/Variables/B", "REMOVE"),
            ("/Variables/C", "ADD"),
        ];
        assert_eq!(found(expected.clone(), actual), differences.map(|(path, kind)| (path.to_owned(), kind)));
        assert_eq!(found(expected.clone(), expected), []);
    }
}
