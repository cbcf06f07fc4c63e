//! Input transformers: what a target is told of an event, in words of the rule's own.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rule::invalid;
use crate::ApiError;
use crate::input::JsonInput;

/// Variables of a transformer, and characters of its template (API reference, InputTransformer).
const MOST_VARIABLES: usize = 100;
const LONGEST_TEMPLATE: usize = 8192;

/// A template, and where its variables are in the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transformer {
    paths: BTreeMap<String, Vec<String>>,
    /// Lines, each in quotes: the form in which a target gets plain text. The sandbox knows no other.
    template: String,
    given: Value,
}

impl Transformer {
    pub(super) fn take(mut input: JsonInput) -> Result<Self, ApiError> {
        let map = input.value("InputPathsMap").unwrap_or_else(|| json!({}));
        let template = input.required("InputTemplate")?;
        input.finish()?;
        let entries = map.as_object().ok_or_else(|| invalid("InputPathsMap is no map"))?;
        let paths = entries.iter().map(|(name, path)| Ok((name.clone(), steps(path)?)));
        let paths: BTreeMap<_, _> = paths.collect::<Result<_, ApiError>>()?;
        if paths.len() > MOST_VARIABLES || template.chars().count() > LONGEST_TEMPLATE {
            return Err(invalid("the InputTransformer is too large"));
        }
        let lines = template.lines().map(str::trim).filter(|line| !line.is_empty());
        if lines.clone().count() == 0 || !lines.clone().all(is_quoted) {
            return Err(invalid("Invalid InputTemplate: each line of the text must be in quotes"));
        }
        if let Some(unknown) = variables(&template).find(|name| !paths.contains_key(*name)) {
            return Err(invalid(format!("InputTemplate contains invalid placeholder {unknown}")));
        }
        Ok(Self { given: json!({ "InputPathsMap": map, "InputTemplate": template.clone() }), paths, template })
    }

    /// What is told of an event. A variable that the event does not have is empty.
    pub(super) fn told(&self, event: &Value) -> String {
        let mut text = self.template.clone();
        for (name, steps) in &self.paths {
            let found = steps.iter().try_fold(event, |value, step| value.get(step));
            let found =
                found.map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), escaped));
            text = text.replace(&format!("<{name}>"), &found);
        }
        text
    }

    pub(super) fn to_json(&self) -> Value {
        self.given.clone()
    }
}

/// A text as it stands between quotes.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned()
}

/// The steps of a path such as `$.detail.state.value`.
fn steps(path: &Value) -> Result<Vec<String>, ApiError> {
    let text = path.as_str().unwrap_or_default();
    let legal = |step: &str| !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    match text.strip_prefix("$.") {
        Some(steps) if steps.split('.').all(legal) => Ok(steps.split('.').map(str::to_owned).collect()),
        _ => Err(ApiError::unknown("path into an event", text)),
    }
}

fn is_quoted(line: &str) -> bool {
    serde_json::from_str::<String>(line).is_ok()
}

/// What stands between `<` and `>`.
fn variables(template: &str) -> impl Iterator<Item = &str> {
    template.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transformer(paths: Value, template: &str) -> Result<Transformer, ApiError> {
        let value = json!({ "InputPathsMap": paths, "InputTemplate": template });
        Transformer::take(JsonInput::from_value(value)?)
    }

    #[test]
    fn variables_are_written_out() {
        let paths = json!({ "account": "$.account", "why": "$.detail.state.reason", "none": "$.detail.none" });
        let made = transformer(paths, "\"In <account>:\"\n\"<why><none>\"").unwrap();
        let event = json!({ "account": "1", "detail": { "state": { "reason": "a \"b\"" } } });
        assert_eq!(made.told(&event), "\"In 1:\"\n\"a \\\"b\\\"\"");
    }

    #[test]
    fn what_aws_would_not_take_is_refused() {
        let table = [
            (json!({}), "\"<absent>\"", 400),
            (json!({}), "not in quotes", 400),
            (json!({}), "", 400),
            (json!({ "a": "$.b[0]" }), "\"<a>\"", 501),
            (json!({ "a": "b" }), "\"<a>\"", 501),
        ];
        for (paths, template, status) in table {
            assert_eq!(transformer(paths, template).unwrap_err().status, status, "{template}");
        }
    }
}
