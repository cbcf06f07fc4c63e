//! The parameters of a template: what it declares, and the values that a caller gives.

use std::collections::BTreeMap;

use serde_json::Value;

use super::invalid;
use super::template::Fields;
use crate::ApiError;

/// A parameter as a template declares it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parameter {
    kind: Kind,
    default: Option<String>,
    no_echo: bool,
    allowed_values: Vec<String>,
    allowed_pattern: Option<String>,
    length: Bounds,
    value: Bounds,
    constraint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    String,
    Number,
    CommaDelimitedList,
}

/// Smallest and largest, each included.
#[derive(Debug, Clone, PartialEq)]
struct Bounds {
    least: Option<f64>,
    most: Option<f64>,
}

/// What a caller says about one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    Value(String),
    Previous,
}

impl Parameter {
    pub(super) fn parse(name: &str, value: Value) -> Result<Self, ApiError> {
        let mut fields = Fields::of(name, value)?;
        let kind = match fields.text("Type")?.as_deref() {
            Some("String") => Kind::String,
            Some("Number") => Kind::Number,
            Some("CommaDelimitedList") => Kind::CommaDelimitedList,
            other => return Err(ApiError::unknown("parameter type", other.unwrap_or_default())),
        };
        let written = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let allowed_values = match fields.value("AllowedValues") {
            Some(Value::Array(values)) => values.into_iter().map(written).collect(),
            _ => Vec::new(),
        };
        // For the console only.
        fields.value("Description");
        let parameter = Self {
            kind,
            default: fields.value("Default").map(written),
            no_echo: fields.value("NoEcho").is_some_and(|flag| written(flag) == "true"),
            allowed_values,
            allowed_pattern: fields.text("AllowedPattern")?,
            length: bounds(&mut fields, "MinLength", "MaxLength")?,
            value: bounds(&mut fields, "MinValue", "MaxValue")?,
            constraint: fields.text("ConstraintDescription")?,
        };
        fields.finish()?;
        Ok(parameter)
    }

    /// What `DescribeStacks` shows of a value.
    pub(super) fn shown<'a>(&self, value: &'a str) -> &'a str {
        if self.no_echo { "****" } else { value }
    }

    pub(super) fn default(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// The type by its name in templates.
    pub(super) fn kind(&self) -> &'static str {
        match self.kind {
            Kind::String => "String",
            Kind::Number => "Number",
            Kind::CommaDelimitedList => "CommaDelimitedList",
        }
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.no_echo
    }

    /// The value that `Ref` gives.
    fn accept(&self, name: &str, text: &str) -> Result<Value, ApiError> {
        let value = match self.kind {
            Kind::String => Value::from(text),
            Kind::Number => serde_json::from_str(text).ok().filter(Value::is_number).ok_or_else(|| {
                invalid(format!(
                    "Parameter validation failed: parameter value {text} for parameter name {name} is not a number"
                ))
            })?,
            Kind::CommaDelimitedList => text.split(',').map(|item| Value::from(item.trim())).collect(),
        };
        if !self.allowed_values.is_empty() && !self.allowed_values.iter().any(|allowed| allowed == text) {
            return Err(invalid(format!("Parameter '{name}' must be one of AllowedValues")));
        }
        let number = value.as_f64().unwrap_or_default();
        // A pattern or length that holds for any list is not something the sandbox can say about its items.
        let length = f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX));
        let fits = self.length.hold(length) && self.value.hold(number) && self.matches(text)?;
        if !fits {
            let constraint = self.constraint.as_deref().unwrap_or("its constraints are not met");
            return Err(invalid(format!("Parameter '{name}' failed to satisfy constraint: {constraint}")));
        }
        Ok(value)
    }

    fn matches(&self, text: &str) -> Result<bool, ApiError> {
        let Some(pattern) = &self.allowed_pattern else { return Ok(true) };
        let pattern = regex_lite::Regex::new(&format!("^(?:{pattern})$"))
            .map_err(|_| ApiError::unknown("pattern syntax of", pattern))?;
        Ok(pattern.is_match(text))
    }
}

impl Bounds {
    fn hold(&self, number: f64) -> bool {
        self.least.is_none_or(|least| number >= least) && self.most.is_none_or(|most| number <= most)
    }
}

fn bounds(fields: &mut Fields, least: &str, most: &str) -> Result<Bounds, ApiError> {
    let mut number = |name: &str| {
        let text = fields.value(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let number = text
            .map(|text| text.parse().map_err(|_| invalid(format!("Template format error: {name} must be a number"))));
        number.transpose()
    };
    Ok(Bounds { least: number(least)?, most: number(most)? })
}

/// The text of every declared parameter: as given, as before, or its default.
pub(super) fn fill(
    declared: &BTreeMap<String, Parameter>,
    given: &BTreeMap<String, Given>,
    before: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let strangers: Vec<_> = given.keys().filter(|name| !declared.contains_key(*name)).map(String::as_str).collect();
    if !strangers.is_empty() {
        return Err(invalid(format!("Parameters: [{}] do not exist in the template", strangers.join(", "))));
    }
    let mut texts = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, parameter) in declared {
        let text = match given.get(name) {
            Some(Given::Value(text)) => Some(text.clone()),
            Some(Given::Previous) => before.get(name).cloned(),
            None => parameter.default.clone(),
        };
        match text {
            Some(text) => drop(texts.insert(name.clone(), text)),
            None => missing.push(name.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(invalid(format!("Parameters: [{}] must have values", missing.join(", "))));
    }
    Ok(texts)
}

/// What `Ref` gives for every parameter, checked against its constraints.
pub(super) fn values(
    declared: &BTreeMap<String, Parameter>,
    texts: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, ApiError> {
    let value = |(name, text): (&String, &String)| match declared.get(name) {
        Some(parameter) => Ok((name.clone(), parameter.accept(name, text)?)),
        None => Err(invalid(format!("Parameters: [{name}] do not exist in the template"))),
    };
    texts.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_checked_against_their_constraints() {
        for (declared, text, expected) in [
            (json!({"Type": "String"}), "a", Ok(json!("a"))),
            (json!({"Type": "Number"}), "30", Ok(json!(30))),
            (json!({"Type": "Number"}), "x", Err("parameter value x for parameter name P is not a number")),
            (json!({"Type": "Number", "MinValue": 1, "MaxValue": 5}), "6", Err("'P' failed to satisfy constraint")),
            (json!({"Type": "CommaDelimitedList"}), "a, b", Ok(json!(["a", "b"]))),
            (
                json!({"Type": "String", "AllowedValues": ["x86_64", "arm64"]}),
                "mips",
                Err("'P' must be one of AllowedValues"),
            ),
            (
                json!({"Type": "String", "AllowedPattern": "[a-z]+", "ConstraintDescription": "letters"}),
                "a1",
                Err("constraint: letters"),
            ),
            (json!({"Type": "String", "AllowedPattern": "[a-z]+"}), "abc", Ok(json!("abc"))),
            (json!({"Type": "String", "MinLength": 1}), "", Err("'P' failed to satisfy constraint")),
        ] {
            let declared = BTreeMap::from([("P".to_owned(), Parameter::parse("P", declared).unwrap())]);
            let accepted = values(&declared, &BTreeMap::from([("P".to_owned(), text.to_owned())]));
            match expected {
                Ok(expected) => assert_eq!(accepted.unwrap()["P"], expected),
                Err(message) => assert!(accepted.unwrap_err().message.contains(message), "{message}"),
            }
        }
    }

    #[test]
    fn a_value_is_given_or_kept_or_the_default() {
        let parse = |default: Option<&str>| {
            let mut declaration = json!({"Type": "String"});
            if let Some(default) = default {
                declaration["Default"] = default.into();
            }
            Parameter::parse("P", declaration).unwrap()
        };
        let declared = BTreeMap::from([("A".to_owned(), parse(Some("default"))), ("B".to_owned(), parse(None))]);
        let before = BTreeMap::from([("A".to_owned(), "old".to_owned()), ("B".to_owned(), "kept".to_owned())]);
        let given = BTreeMap::from([("B".to_owned(), Given::Previous)]);
        let texts = fill(&declared, &given, &before).unwrap();
        assert_eq!((texts["A"].as_str(), texts["B"].as_str()), ("default", "kept"));
        let missing = fill(&declared, &BTreeMap::new(), &before).unwrap_err();
        assert_eq!(missing.message, "Parameters: [B] must have values");
        let stranger = BTreeMap::from([("C".to_owned(), Given::Previous)]);
        let stranger = fill(&declared, &stranger, &before).unwrap_err();
        assert_eq!(stranger.message, "Parameters: [C] do not exist in the template");
    }
}
