//! The shapes that requests are made of, and whether a value is of a shape.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::Value;

/// The shapes of a service, by name.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Shapes(BTreeMap<String, Shape>);

/// What a value may be.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Shape {
    Structure {
        #[serde(default)]
        required: Vec<String>,
        #[serde(default)]
        members: BTreeMap<String, Member>,
        /// The member that the body is.
        payload: Option<String>,
    },
    List {
        member: Member,
        #[serde(flatten)]
        size: Size,
        /// In a form, the items stand without `member` between them and their list.
        #[serde(default)]
        flattened: bool,
    },
    Map {
        key: Member,
        value: Member,
        #[serde(flatten)]
        size: Size,
    },
    String {
        #[serde(flatten)]
        size: Size,
        pattern: Option<Pattern>,
        #[serde(default, rename = "enum")]
        variants: Vec<String>,
    },
    Integer(Size),
    Blob(Size),
    Double,
    Boolean,
    Timestamp,
}

/// A member of a structure, the items of a list, or the keys or values of a map.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Member {
    /// It stands in the body, under its own name.
    Plain(String),
    Placed {
        shape: String,
        location: Option<Location>,
        #[serde(rename = "locationName")]
        name: Option<String>,
    },
}

/// Where in an HTTP request a member stands, when not in its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Location {
    Uri,
    Querystring,
    Header,
    /// All headers that begin alike.
    Headers,
}

/// The limits of a number, or of a length: of a text in characters, of a blob in bytes, of a list or a map in items.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Size {
    min: Option<i64>,
    max: Option<i64>,
}

/// A pattern that the whole of a text must have.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub(super) struct Pattern {
    text: String,
    compiled: OnceLock<Regex>,
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self { text, compiled: OnceLock::new() }
    }
}

impl Pattern {
    #[expect(clippy::panic, reason = "the models are part of the program, and a test reads all of them")]
    pub(super) fn regex(&self) -> &Regex {
        self.compiled.get_or_init(|| {
            Regex::new(&format!("^(?:{})$", self.text)).unwrap_or_else(|error| panic!("{}: {error}", self.text))
        })
    }
}

impl Member {
    pub(super) fn shape(&self) -> &str {
        match self {
            Self::Plain(shape) | Self::Placed { shape, .. } => shape,
        }
    }

    pub(super) fn location(&self) -> Option<Location> {
        match self {
            Self::Plain(_) => None,
            Self::Placed { location, .. } => *location,
        }
    }

    /// What it is called in a request.
    pub(super) fn name<'a>(&'a self, own: &'a str) -> &'a str {
        match self {
            Self::Plain(_) => own,
            Self::Placed { name, .. } => name.as_deref().unwrap_or(own),
        }
    }
}

impl Size {
    fn check(self, size: usize, what: &str) -> Result<(), String> {
        self.check_value(i64::try_from(size).unwrap_or(i64::MAX), what)
    }

    fn check_value(self, value: i64, what: &str) -> Result<(), String> {
        match (self.min, self.max) {
            (Some(min), _) if value < min => Err(format!("must have {what} greater than or equal to {min}")),
            (_, Some(max)) if value > max => Err(format!("must have {what} less than or equal to {max}")),
            _ => Ok(()),
        }
    }
}

impl Shapes {
    /// The shape of that name. The models name none that they do not describe.
    #[expect(clippy::panic, reason = "the models are part of the program, and a test reads all of them")]
    pub(super) fn get(&self, name: &str) -> &Shape {
        self.0.get(name).unwrap_or_else(|| panic!("the model has no shape `{name}`"))
    }

    /// Whether `value` is of the shape `name`; if it is not, what is wrong, and where. A value itself is never told, it
    /// may be a secret.
    pub(super) fn check(&self, name: &str, value: &Value, at: &str) -> Result<(), String> {
        let wrong = |problem: String| format!("value at '{at}' failed to satisfy constraint: Member {problem}");
        let inside = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        match (self.get(name), value) {
            (Shape::Structure { required, members, .. }, Value::Object(fields)) => {
                if let Some(missing) = required.iter().find(|name| fields.get(*name).is_none_or(Value::is_null)) {
                    return Err(format!("'{}' must not be null", inside(missing)));
                }
                fields.iter().filter(|(_, value)| !value.is_null()).try_for_each(|(name, value)| {
                    match members.get(name) {
                        Some(member) => self.check(member.shape(), value, &inside(name)),
                        None => Err(format!("there is no member '{}'", inside(name))),
                    }
                })
            }
            (Shape::List { member, size, .. }, Value::Array(items)) => {
                size.check(items.len(), "length").map_err(wrong)?;
                let mut numbered = (1..).zip(items);
                numbered.try_for_each(|(nth, item)| self.check(member.shape(), item, &inside(&nth.to_string())))
            }
            (Shape::Map { key, value, size }, Value::Object(entries)) => {
                size.check(entries.len(), "length").map_err(wrong)?;
                entries.iter().try_for_each(|(name, inner)| {
                    self.check(key.shape(), &Value::String(name.clone()), &inside("key"))?;
                    self.check(value.shape(), inner, &inside("value"))
                })
            }
            (Shape::String { size, pattern, variants }, Value::String(text)) => {
                size.check(text.chars().count(), "length").map_err(wrong)?;
                if let Some(pattern) = pattern.as_ref().filter(|pattern| !pattern.regex().is_match(text)) {
                    return Err(wrong(format!("must satisfy regular expression pattern: {}", pattern.text)));
                }
                let is_known = variants.is_empty() || variants.contains(text);
                if is_known { Ok(()) } else { Err(wrong(format!("must satisfy enum value set: {variants:?}"))) }
            }
            (Shape::Blob(size), Value::String(text)) => {
                let bytes = BASE64_STANDARD.decode(text).map_err(|_| wrong("must be base64".to_owned()))?;
                size.check(bytes.len(), "length").map_err(wrong)
            }
            (Shape::Integer(size), Value::Number(number)) => match number.as_i64() {
                Some(number) => size.check_value(number, "value").map_err(wrong),
                None => Err(wrong("must be a whole number".to_owned())),
            },
            (Shape::Double, Value::Number(_)) | (Shape::Boolean, Value::Bool(_)) => Ok(()),
            // JSON has seconds since 1970, a form a date.
            (Shape::Timestamp, Value::Number(_)) => Ok(()),
            (Shape::Timestamp, Value::String(text)) if text.parse::<jiff::Timestamp>().is_ok() => Ok(()),
            (expected, _) => Err(wrong(format!("must be {}", expected.noun()))),
        }
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Shape> {
        self.0.values()
    }
}

impl Shape {
    fn noun(&self) -> &'static str {
        match self {
            Self::Structure { .. } => "a structure",
            Self::List { .. } => "a list",
            Self::Map { .. } => "a map",
            Self::String { .. } => "a string",
            Self::Integer(_) => "a whole number",
            Self::Blob(_) => "base64",
            Self::Double => "a number",
            Self::Boolean => "a boolean",
            Self::Timestamp => "a time",
        }
    }
}
