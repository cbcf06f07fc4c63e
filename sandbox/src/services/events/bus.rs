//! An event bus, and who may put events on it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rule::invalid;
use crate::{ApiError, World, partition};

/// The bus that every account has in every region.
pub(super) const DEFAULT: &str = "default";

/// Characters of a name and of a description (API reference, CreateEventBus).
const LONGEST_NAME: usize = 256;
const LONGEST_DESCRIPTION: usize = 512;

/// A bus that somebody has made.
#[derive(Debug, Default)]
pub(super) struct Bus {
    pub(super) description: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    /// The statements of its policy, by their ids.
    pub(super) statements: BTreeMap<String, Value>,
}

impl Bus {
    /// The policy that its statements are together; `None` without any: then only its own account may use it.
    pub(super) fn policy(&self) -> Option<Value> {
        let statements: Vec<&Value> = self.statements.values().collect();
        (!statements.is_empty()).then(|| json!({ "Version": "2012-10-17", "Statement": statements }))
    }
}

/// The ARN of a bus.
pub(super) fn arn_of(account: &str, region: &str, name: &str) -> String {
    format!("arn:{}:events:{region}:{account}:event-bus/{name}", partition::of(region))
}

/// Whether an ARN is that of a bus.
pub(super) fn is_bus(arn: &str) -> bool {
    arn.split(':').nth(2) == Some("events") && arn.split(':').nth(5).is_some_and(|name| name.starts_with("event-bus/"))
}

/// Whether there is a bus with this ARN.
pub(super) fn exists(world: &World, arn: &str) -> bool {
    world.events.buses.contains_key(arn) || is_bus(arn) && arn.ends_with(":event-bus/default")
}

/// The policy of the bus with this ARN, if that is one.
pub(crate) fn policy_on(world: &World, arn: &str) -> Option<Value> {
    world.events.buses.get(arn)?.policy()
}

/// Names of buses: not the default one's, and none with a slash, which those of partners have.
pub(super) fn check(name: &str, bus: &Bus) -> Result<(), ApiError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if !(1..=LONGEST_NAME).contains(&name.len()) || !name.chars().all(legal) || name == DEFAULT {
        return Err(invalid(format!(
            "`{name}` is not the name of a bus: 1 to {LONGEST_NAME} letters, digits, . - and _"
        )));
    }
    match &bus.description {
        Some(text) if text.chars().count() > LONGEST_DESCRIPTION => {
            Err(invalid(format!("the description has more than {LONGEST_DESCRIPTION} characters")))
        }
        _ => Ok(()),
    }
}

pub(super) fn not_found(name: &str) -> ApiError {
    ApiError::new("ResourceNotFoundException", format!("Event bus {name} does not exist."))
}
