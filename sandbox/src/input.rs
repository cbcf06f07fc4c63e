//! The parameters of an API call, taken one by one. What is left at the end is a parameter that nobody knows, and
//! that is an error.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::ApiError;
use crate::request::HttpRequest;

/// The parameters of an awsQuery call: a flat form with dotted names.
#[derive(Debug)]
pub(crate) struct QueryInput(BTreeMap<String, String>);

impl QueryInput {
    pub(crate) fn new(http: &HttpRequest) -> Self {
        let mut fields: BTreeMap<String, String> =
            form_urlencoded::parse(&http.body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        fields.remove("Action");
        fields.remove("Version");
        Self(fields)
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(crate) fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.text(name).ok_or_else(|| missing(name))
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        let flag = |text: String| text.parse().map_err(|_| malformed(name, "a boolean"));
        self.text(name).map(flag).transpose()
    }

    /// A list of structures or of plain values: `name.member.1`, `name.member.1.Key`, …
    /// A plain value is found in its item under the empty name.
    pub(crate) fn items(&mut self, name: &str) -> Vec<QueryInput> {
        let prefix = format!("{name}.member.");
        let mut items: BTreeMap<usize, BTreeMap<String, String>> = BTreeMap::new();
        let taken: Vec<String> = self.0.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        for key in taken {
            let rest = key.strip_prefix(&prefix).unwrap_or_default();
            let (index, field) = rest.split_once('.').unwrap_or((rest, ""));
            if let (Ok(index), Some(value)) = (index.parse(), self.0.remove(&key)) {
                items.entry(index).or_default().insert(field.to_owned(), value);
            }
        }
        // An empty list is sent as the bare name.
        self.0.remove(name);
        items.into_values().map(QueryInput).collect()
    }

    /// A list of plain values.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
        self.items(name).into_iter().filter_map(|mut item| item.text("")).collect()
    }

    /// A map of texts: `name.entry.1.key`, `name.entry.1.value`, …
    pub(crate) fn entries(&mut self, name: &str) -> BTreeMap<String, String> {
        let entry = |index: usize, part: &str| format!("{name}.entry.{index}.{part}");
        let pair = |index| Some((self.0.remove(&entry(index, "key"))?, self.0.remove(&entry(index, "value"))?));
        (1..).map_while(pair).collect()
    }

    /// Refuses what has not been taken.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        self.0.into_keys().next().map_or(Ok(()), |name| Err(ApiError::unknown("parameter", &name)))
    }
}

/// The parameters of a JSON call.
#[derive(Debug, Default)]
pub(crate) struct JsonInput(Map<String, Value>);

impl JsonInput {
    pub(crate) fn new(http: &HttpRequest) -> Result<Self, ApiError> {
        if http.body.is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(&http.body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            _ => Err(ApiError::new("SerializationException", "the body is not a JSON object")),
        }
    }

    /// The fields of a structure that is at hand already.
    pub(crate) fn from_value(value: Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(malformed("Properties", "a structure")),
        }
    }

    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(name, "a string")),
        }
    }

    pub(crate) fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(malformed(name, "a boolean")),
        }
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        let number = |value: Value| value.as_i64().ok_or_else(|| malformed(name, "a whole number"));
        self.value(name).map(number).transpose()
    }

    /// A structure; its fields are taken, and finished, like the input's own.
    pub(crate) fn structure(&mut self, name: &str) -> Result<Option<JsonInput>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Self(fields))),
            Some(_) => Err(malformed(name, "a structure")),
        }
    }

    /// A list of structures.
    pub(crate) fn items(&mut self, name: &str) -> Result<Vec<JsonInput>, ApiError> {
        let item = |value| match value {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(malformed(name, "a list of structures")),
        };
        self.list(name)?.into_iter().map(item).collect()
    }

    /// A list of strings.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, ApiError> {
        let text = |value| match value {
            Value::String(text) => Ok(text),
            _ => Err(malformed(name, "a list of strings")),
        };
        self.list(name)?.into_iter().map(text).collect()
    }

    /// A list of tags, each with a Key and a Value.
    pub(crate) fn tags(&mut self, name: &str) -> Result<BTreeMap<String, String>, ApiError> {
        let mut tags = BTreeMap::new();
        for mut item in self.items(name)? {
            let (key, value) = (item.required("Key")?, item.required("Value")?);
            item.finish()?;
            if tags.insert(key.clone(), value).is_some() {
                return Err(ApiError::new("ValidationException", format!("the tag `{key}` is given twice")));
            }
        }
        Ok(tags)
    }

    fn list(&mut self, name: &str) -> Result<Vec<Value>, ApiError> {
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(malformed(name, "a list")),
        }
    }

    /// Refuses what has not been taken.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        self.0.into_iter().next().map_or(Ok(()), |(name, _)| Err(ApiError::unknown("parameter", &name)))
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::new("ValidationException", format!("the parameter `{name}` is required"))
}

fn malformed(name: &str, expected: &str) -> ApiError {
    ApiError::new("ValidationException", format!("the parameter `{name}` is not {expected}"))
}
