//! The operations of the API, and the forms they share.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod describe;
pub(super) mod list;
pub(super) mod replicas;
pub(super) mod rotate;
pub(super) mod tags;
pub(super) mod value;
pub(super) mod versions;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::ApiError;
use crate::input::JsonInput;

/// A moment in the form of the JSON protocols: seconds since 1970.
fn time(at: Timestamp) -> Value {
    Value::from(at.as_duration().as_secs_f64())
}

/// An object of the fields that have a value.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
}

/// Which part of a list is asked for.
struct Page {
    start: usize,
    size: usize,
}

impl Page {
    /// Takes MaxResults (1 to 100, the model says) and NextToken.
    fn take(input: &mut JsonInput) -> Result<Self, ApiError> {
        let size = input.number("MaxResults")?.unwrap_or(100);
        let size = usize::try_from(size)
            .ok()
            .filter(|size| (1..=100).contains(size))
            .ok_or_else(|| super::error::invalid_parameter("MaxResults must be between 1 and 100."))?;
        let start = match input.text("NextToken")? {
            None => 0,
            Some(token) => token.strip_prefix("from-").and_then(|start| start.parse().ok()).ok_or_else(|| {
                ApiError::new("InvalidNextTokenException", "You provided an invalid NextToken value.")
            })?,
        };
        Ok(Self { start, size })
    }

    /// The part of `items`, and the token for the part that follows.
    fn of<T>(&self, items: impl Iterator<Item = T>) -> (Vec<T>, Option<Value>) {
        let mut rest = items.skip(self.start).peekable();
        let page = rest.by_ref().take(self.size).collect();
        let next = rest.peek().map(|_| Value::from(format!("from-{}", self.start + self.size)));
        (page, next)
    }
}
