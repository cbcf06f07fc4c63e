//! Turns template values into JSON, with intrinsics in the long form.

use serde_json::{Map, Value as Json};
use serde_yaml::Value;

/// The value as JSON. `!Ref X` becomes `{"Ref": "X"}`, `!GetAtt X.Y` becomes `{"Fn::GetAtt": ["X", "Y"]}`.
pub(super) fn of(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Number(number) => serde_json::to_value(number).unwrap_or(Json::Null),
        Value::String(text) => Json::String(text.clone()),
        Value::Sequence(values) => values.iter().map(of).collect(),
        Value::Mapping(mapping) => Json::Object(mapping.iter().map(|(key, value)| (name(key), of(value))).collect()),
        Value::Tagged(tagged) => intrinsic(&tagged.tag.to_string(), &tagged.value),
    }
}

fn intrinsic(tag: &str, value: &Value) -> Json {
    let tag = tag.trim_start_matches('!');
    let (name, value) = match (tag, value) {
        ("Ref" | "Condition", value) => (tag.to_owned(), of(value)),
        ("GetAtt", Value::String(path)) => ("Fn::GetAtt".to_owned(), path.splitn(2, '.').collect()),
        (tag, value) => (format!("Fn::{tag}"), of(value)),
    };
    Json::Object(Map::from_iter([(name, value)]))
}

/// The name of a field; a number is one too, as CloudFormation takes it.
fn name(key: &Value) -> String {
    match of(key) {
        Json::String(name) => name,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_forms_are_the_same() {
        let short: Value = serde_yaml::from_str("[!Ref A, !GetAtt A.B.C, !Sub '${A}', {1: !Join ['', [!Ref B]]}]")
            .expect("it is YAML");
        let long = serde_json::json!([
            { "Ref": "A" },
            { "Fn::GetAtt": ["A", "B.C"] },
            { "Fn::Sub": "${A}" },
            { "1": { "Fn::Join": ["", [{ "Ref": "B" }]] } },
        ]);
        assert_eq!(of(&short), long);
        assert_eq!(of(&serde_yaml::to_value(&long).expect("it is YAML too")), long);
    }
}
