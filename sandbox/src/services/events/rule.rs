//! A rule: when it fires, and whom it calls.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::input::JsonInput;
use crate::services::cloudformation::resource::set;
use crate::{ApiError, partition};

/// "Targets per rule: 5" in AWS's quotas.
const MOST_TARGETS: usize = 5;

/// Characters of a name and of a target's id (API reference, PutRule and Target).
const LONGEST_NAME: usize = 64;

/// Characters of a description (API reference, PutRule).
const LONGEST_DESCRIPTION: usize = 512;

/// Characters of what a target is given (API reference, Target).
const LONGEST_INPUT: usize = 8192;

/// How often, and for how many seconds, a delivery may be tried again (API reference, RetryPolicy).
const RETRY_ATTEMPTS: std::ops::RangeInclusive<i64> = 0..=185;
const RETRY_SECONDS: std::ops::RangeInclusive<i64> = 60..=86_400;

/// A rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) interval: Duration,
    /// The same as it was written.
    pub(super) schedule: String,
    pub(super) enabled: bool,
    pub(super) targets: Vec<Target>,
    pub(super) tags: BTreeMap<String, String>,
    /// When it fires next, if it is enabled.
    pub(super) next: Timestamp,
}

/// A function that a rule calls.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) id: String,
    /// The ARN of the function.
    pub(super) function: String,
    /// What it is given in place of the event.
    pub(super) input: Option<String>,
    retry_policy: Option<Value>,
}

impl Target {
    /// A target of a rule in this account and region.
    ///
    /// Its RetryPolicy is checked and then of no account: it is about the delivery, and what is delivered here is
    /// queued by Lambda at once.
    fn take(mut item: JsonInput, account: &str, region: &str) -> Result<Self, ApiError> {
        let (id, function, input) = (item.required("Id")?, item.required("Arn")?, item.text("Input")?);
        let retry_policy = item.value("RetryPolicy");
        if let Some(mut policy) = retry_policy.clone().map(JsonInput::from_value).transpose()? {
            within(policy.number("MaximumRetryAttempts")?, RETRY_ATTEMPTS, "MaximumRetryAttempts")?;
            within(policy.number("MaximumEventAgeInSeconds")?, RETRY_SECONDS, "MaximumEventAgeInSeconds")?;
            policy.finish()?;
        }
        item.finish()?;
        check_name("target id", &id)?;
        let functions = format!("arn:{}:lambda:{region}:{account}:function:", partition::of(region));
        if function.strip_prefix(&functions).is_none_or(|name| name.is_empty() || name.contains(':')) {
            return Err(ApiError::unknown("rule target", &function));
        }
        if let Some(input) = &input {
            check_input(&id, input)?;
        }
        Ok(Self { id, function, input, retry_policy })
    }

    /// The form that it has in the properties of a rule.
    pub(super) fn to_json(&self) -> Value {
        set([
            ("Id", Some(self.id.as_str().into())),
            ("Arn", Some(self.function.as_str().into())),
            ("Input", self.input.as_deref().map(Value::from)),
            ("RetryPolicy", self.retry_policy.clone()),
        ])
    }

    /// The targets of a rule, each with an id of its own.
    pub(super) fn take_all(items: Vec<JsonInput>, account: &str, region: &str) -> Result<Vec<Self>, ApiError> {
        let targets = items.into_iter().map(|item| Self::take(item, account, region)).collect::<Result<Vec<_>, _>>()?;
        if targets.len() > MOST_TARGETS {
            let message = format!("The requested resource exceeds the maximum number of targets: {MOST_TARGETS}");
            return Err(ApiError::new("LimitExceededException", message));
        }
        let ids: BTreeSet<&str> = targets.iter().map(|target| target.id.as_str()).collect();
        if ids.len() < targets.len() {
            return Err(invalid("two targets have the same Id"));
        }
        Ok(targets)
    }
}

/// The ARN of a rule on the default event bus.
pub(super) fn arn_of(account: &str, region: &str, name: &str) -> String {
    format!("arn:{}:events:{region}:{account}:rule/{name}", partition::of(region))
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

fn check_input(id: &str, input: &str) -> Result<(), ApiError> {
    if input.chars().count() > LONGEST_INPUT {
        return Err(invalid(format!("the Input of target {id} has more than {LONGEST_INPUT} characters")));
    }
    match serde_json::from_str::<Value>(input) {
        Ok(_) => Ok(()),
        Err(_) => Err(invalid(format!("JSON syntax error in input for target {id}"))),
    }
}

fn within(number: Option<i64>, range: std::ops::RangeInclusive<i64>, name: &str) -> Result<(), ApiError> {
    match number {
        Some(number) if !range.contains(&number) => {
            Err(invalid(format!("{name} is {number}; it is {} to {}", range.start(), range.end())))
        }
        _ => Ok(()),
    }
}
