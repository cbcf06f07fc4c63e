//! A target of a rule: whom it tells, and what.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bus;
use super::rule::{check_name, invalid};
use super::transformer::Transformer;
use crate::input::JsonInput;
use crate::services::cloudformation::resource::set;
use crate::{ApiError, partition};

/// "Targets per rule: 5" in AWS's quotas.
const MOST_TARGETS: usize = 5;

/// Characters of what a target is given (API reference, Target).
const LONGEST_INPUT: usize = 8192;

/// How often, and for how many seconds, a delivery may be tried again (API reference, RetryPolicy).
const RETRY_ATTEMPTS: std::ops::RangeInclusive<i64> = 0..=185;
const RETRY_SECONDS: std::ops::RangeInclusive<i64> = 60..=86_400;

/// A target.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) id: String,
    pub(super) to: Recipient,
    pub(super) input: Input,
    retry_policy: Option<Value>,
}

/// Whom a rule tells, by ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Recipient {
    Function(String),
    /// A bus, on which the event is put as this role.
    Bus {
        arn: String,
        role: String,
    },
    LogGroup(String),
    Topic(String),
}

/// What the recipient is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// The event.
    Event,
    /// Always the same.
    Constant(String),
    /// The event in words of the rule's own.
    Transformed(Transformer),
}

impl Recipient {
    /// Which service of which region it is in decides. A bus may be in any account and region; everything else is the
    /// account's own, in the rule's region.
    fn of(arn: String, role: Option<String>, account: &str, region: &str) -> Result<Self, ApiError> {
        let own =
            |service: &str, rest: &str| format!("arn:{}:{service}:{region}:{account}:{rest}", partition::of(region));
        let name = |prefix: String| arn.strip_prefix(&prefix).filter(|name| !name.is_empty() && !name.contains(':'));
        if bus::is_bus(&arn) && partition::in_arn(&arn) == partition::of(region) {
            // AWS does without a role where the bus lets the account in by its number. Its user guide says to give one
            // always, and a bus that is open to an organization needs it.
            let role = role.ok_or_else(|| invalid("RoleArn is required for target event-bus"))?;
            return Ok(Self::Bus { arn, role });
        }
        if role.is_some() {
            return Err(invalid(format!("RoleArn is not supported for target {arn}")));
        }
        if name(own("lambda", "function:")).is_some() {
            Ok(Self::Function(arn))
        } else if name(own("logs", "log-group:")).is_some_and(|name| name.starts_with("/aws/events/")) {
            Ok(Self::LogGroup(arn))
        } else if name(own("sns", "")).is_some() {
            Ok(Self::Topic(arn))
        } else {
            Err(ApiError::unknown("rule target", &arn))
        }
    }

    pub(super) fn arn(&self) -> &str {
        match self {
            Self::Function(arn) | Self::Bus { arn, .. } | Self::LogGroup(arn) | Self::Topic(arn) => arn,
        }
    }

    /// The role that the rule acts as.
    pub(super) fn role(&self) -> Option<&str> {
        match self {
            Self::Bus { role, .. } => Some(role),
            Self::Function(_) | Self::LogGroup(_) | Self::Topic(_) => None,
        }
    }
}

impl Target {
    /// A target of a rule in this account and region.
    ///
    /// Its RetryPolicy is checked and then of no account: what is delivered here arrives, or is refused for good.
    fn take(mut item: JsonInput, account: &str, region: &str) -> Result<Self, ApiError> {
        let (id, arn, role) = (item.required("Id")?, item.required("Arn")?, item.text("RoleArn")?);
        let (constant, transformer) = (item.text("Input")?, item.structure("InputTransformer")?);
        let retry_policy = item.value("RetryPolicy");
        if let Some(mut policy) = retry_policy.clone().map(JsonInput::from_value).transpose()? {
            within(policy.number("MaximumRetryAttempts")?, RETRY_ATTEMPTS, "MaximumRetryAttempts")?;
            within(policy.number("MaximumEventAgeInSeconds")?, RETRY_SECONDS, "MaximumEventAgeInSeconds")?;
            policy.finish()?;
        }
        item.finish()?;
        check_name("target id", &id)?;
        let to = Recipient::of(arn, role, account, region)?;
        let input = match (constant, transformer) {
            (None, None) => Input::Event,
            (Some(text), None) => {
                check_input(&id, &text)?;
                Input::Constant(text)
            }
            (None, Some(transformer)) => Input::Transformed(Transformer::take(transformer)?),
            (Some(_), Some(_)) => {
                return Err(invalid(format!(
                    "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
                )));
            }
        };
        match (&to, &input) {
            (Recipient::Bus { .. } | Recipient::LogGroup(_), Input::Constant(_) | Input::Transformed(_)) => {
                Err(ApiError::unknown("input of the target", to.arn()))
            }
            _ => Ok(Self { id, to, input, retry_policy }),
        }
    }

    /// The form that it has in the properties of a rule.
    pub(super) fn to_json(&self) -> Value {
        let (constant, transformer) = match &self.input {
            Input::Event => (None, None),
            Input::Constant(text) => (Some(text.as_str().into()), None),
            Input::Transformed(transformer) => (None, Some(transformer.to_json())),
        };
        set([
            ("Id", Some(self.id.as_str().into())),
            ("Arn", Some(self.to.arn().into())),
            ("RoleArn", self.to.role().map(Value::from)),
            ("Input", constant),
            ("InputTransformer", transformer),
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
