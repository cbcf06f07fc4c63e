//! Reads template text: YAML, of which JSON is a part, with the short forms of intrinsics written out.

use serde_json::{Map, Number, Value};
use serde_yaml::Value as Yaml;
use serde_yaml::value::TaggedValue;

use super::invalid;
use crate::ApiError;

/// The text as one value, in which `!Sub x` has become `{"Fn::Sub": "x"}`.
pub(super) fn read(text: &str) -> Result<Value, ApiError> {
    let yaml = serde_yaml::from_str(text).map_err(|error| invalid(format!("Template format error: {error}")))?;
    long(yaml)
}

fn long(yaml: Yaml) -> Result<Value, ApiError> {
    match yaml {
        Yaml::Null => Ok(Value::Null),
        Yaml::Bool(flag) => Ok(flag.into()),
        Yaml::Number(number) => number_of(&number),
        Yaml::String(text) => Ok(text.into()),
        Yaml::Sequence(items) => items.into_iter().map(long).collect::<Result<_, _>>().map(Value::Array),
        Yaml::Mapping(fields) => {
            let field = |(name, value): (Yaml, Yaml)| Ok((key_of(&name)?, long(value)?));
            fields.into_iter().map(field).collect::<Result<Map<_, _>, ApiError>>().map(Value::Object)
        }
        Yaml::Tagged(tagged) => intrinsic(*tagged),
    }
}

/// `!GetAtt a.b` and `!Condition c` have long forms of their own; the others only change their name.
fn intrinsic(TaggedValue { tag, value }: TaggedValue) -> Result<Value, ApiError> {
    let tag = tag.to_string();
    let name = tag.trim_start_matches('!');
    let value = long(value)?;
    let (name, value) = match (name, value) {
        ("Ref" | "Condition", value) => (name.to_owned(), value),
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').unwrap_or((&path, ""));
            ("Fn::GetAtt".to_owned(), Value::from(vec![resource, attribute]))
        }
        (_, value) => (format!("Fn::{name}"), value),
    };
    Ok(Value::Object(Map::from_iter([(name, value)])))
}

fn number_of(number: &serde_yaml::Number) -> Result<Value, ApiError> {
    let whole = number.as_i64().map(Number::from).or_else(|| number.as_u64().map(Number::from));
    let number = whole.or_else(|| number.as_f64().and_then(Number::from_f64));
    number.map(Value::Number).ok_or_else(|| invalid("Template format error: a number is not finite"))
}

fn key_of(name: &Yaml) -> Result<String, ApiError> {
    match name {
        Yaml::String(text) => Ok(text.clone()),
        // Account ids and dates stand as keys without quotes.
        Yaml::Number(number) => Ok(number.to_string()),
        _ => Err(invalid("Template format error: a key is not a string")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn short_forms_are_written_out() {
        for (text, value) in [
            ("a: !Ref b", json!({"a": {"Ref": "b"}})),
            ("a: !GetAtt b.c.d", json!({"a": {"Fn::GetAtt": ["b", "c.d"]}})),
            ("a: !GetAtt [b, c]", json!({"a": {"Fn::GetAtt": ["b", "c"]}})),
            ("a: !Sub 'x${y}'", json!({"a": {"Fn::Sub": "x${y}"}})),
            ("a: !If [c, !Ref d, 1]", json!({"a": {"Fn::If": ["c", {"Ref": "d"}, 1]}})),
            ("a: !Not [!Condition c]", json!({"a": {"Fn::Not": [{"Condition": "c"}]}})),
            ("Version: 2012-10-17", json!({"Version": "2012-10-17"})),
            (r#"{"a": {"Ref": "b"}, "n": 1.5}"#, json!({"a": {"Ref": "b"}, "n": 1.5})),
        ] {
            assert_eq!(super::read(text).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn a_key_may_stand_only_once() {
        assert!(super::read("a: 1\na: 2").unwrap_err().message.contains("duplicate"));
        assert!(super::read(r#"{"a": 1, "a": 2}"#).unwrap_err().message.contains("duplicate"));
    }
}
