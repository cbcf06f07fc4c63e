//! A rule: when it fires, and whom it tells.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::bus;
use super::pattern::Pattern;
use super::target::Target;
use crate::{ApiError, partition};

/// Characters of a name and of a target's id (API reference, PutRule and Target).
const LONGEST_NAME: usize = 64;

/// Characters of a description (API reference, PutRule).
const LONGEST_DESCRIPTION: usize = 512;

/// A rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    /// The name of its bus.
    pub(super) bus: String,
    pub(super) description: Option<String>,
    pub(super) when: When,
    pub(super) enabled: bool,
    pub(super) targets: Vec<Target>,
    pub(super) tags: BTreeMap<String, String>,
}

/// When a rule fires.
#[derive(Debug)]
pub(super) enum When {
    Scheduled {
        interval: Duration,
        /// The same as it was written.
        expression: String,
        /// When it fires next, if it is enabled.
        next: Timestamp,
    },
    /// An event on its bus fits.
    Matching(Pattern),
}

impl Rule {
    /// What lies between two firings, for a rule with a schedule.
    pub(super) fn interval(&self) -> Option<Duration> {
        match &self.when {
            When::Scheduled { interval, .. } => Some(*interval),
            When::Matching(_) => None,
        }
    }

    pub(super) fn pattern(&self) -> Option<&Pattern> {
        match &self.when {
            When::Scheduled { .. } => None,
            When::Matching(pattern) => Some(pattern),
        }
    }
}

/// The ARN of a rule. That of one on the default bus does not say so.
pub(super) fn arn_of(account: &str, region: &str, bus: &str, name: &str) -> String {
    let bus = if bus == bus::DEFAULT { String::new() } else { format!("{bus}/") };
    format!("arn:{}:events:{region}:{account}:rule/{bus}{name}", partition::of(region))
}

/// Names of rules and ids of targets: 1 to 64 letters, digits and `.-_`.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), ApiError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(legal) {
        return Ok(());
    }
    Err(invalid(format!("`{name}` is not a {what}: 1 to {LONGEST_NAME} letters, digits, . - and _")))
}

pub(super) fn check_description(description: Option<&str>) -> Result<(), ApiError> {
    match description {
        Some(text) if text.chars().count() > LONGEST_DESCRIPTION => {
            Err(invalid(format!("the description has more than {LONGEST_DESCRIPTION} characters")))
        }
        _ => Ok(()),
    }
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}
