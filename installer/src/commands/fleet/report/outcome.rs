//! What came of one account of a fleet, in a word, a line, and for machines as a whole.

use std::fmt::Write as _;

use serde::Serialize;

use crate::apply::Applied;
use crate::apply::rotations::Outcome as RotationOutcome;
use crate::aws::stack_sets::{Instance, InstanceStatus};
use crate::commands::status::Report as StatusReport;
use crate::commands::teardown::TornDown;
use crate::error::Error;
use crate::fleet::stack_sets::Change;
use crate::fleet::targets::Why;
use crate::names::printable;
use crate::plan::Plan;

/// What came of an account.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub(in crate::commands) enum Outcome {
    /// It is as it should be.
    Unchanged,
    /// A run before has done it, and nobody has looked again.
    DoneBefore,
    /// This would be done.
    Planned { plan: Box<Plan> },
    /// This was done. Users can be among it whose rotation failed.
    Deployed { applied: Applied },
    /// This is how everything is doing.
    Looked { status: Box<StatusReport> },
    /// This was taken away, and this is left.
    TornDown { result: Box<TornDown> },
    /// A stack set would do this.
    InSet {
        #[serde(flatten)]
        change: Change,
    },
    /// This is how the stack of a stack set is doing, none when there is none; and how its users are, or why nobody knows.
    Instance {
        instance: Option<Instance>,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<Box<StatusReport>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        unread: Option<Unread>,
    },
    /// The stack of a stack set was taken away, and these secrets stay.
    GivenUp { kept: Vec<String> },
    /// It failed.
    Failed { cause: String, hint: Option<String>, exit_code: u8 },
    /// It was done, but some time later something was wrong.
    Unsound { cause: String },
    /// It was not begun.
    NotReached,
    /// The fleet leaves it out.
    LeftOut {
        #[serde(flatten)]
        why: Why,
    },
}

/// Why nobody could look at the users of an account.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Unread {
    cause: String,
    hint: &'static str,
}

impl Outcome {
    /// What an error makes of an account.
    pub(in crate::commands::fleet) fn failed(error: &Error) -> Self {
        Self::Failed { cause: told(error), hint: error.hint(), exit_code: error.exit() as u8 }
    }

    /// How users are doing, where somebody has looked.
    pub(in crate::commands::fleet) fn status(&self) -> Option<&StatusReport> {
        match self {
            Self::Looked { status } | Self::Instance { status: Some(status), .. } => Some(status),
            _ => None,
        }
    }

    /// What to do about it, if something can be said beside what it says itself.
    pub(in crate::commands::fleet) fn hint(&self) -> Option<&str> {
        match self {
            Self::Failed { hint, .. } => hint.as_deref(),
            Self::Instance { unread: Some(unread), .. } => Some(unread.hint),
            _ => None,
        }
    }

    /// Whether it counts as a failure.
    pub(in crate::commands::fleet) fn has_failed(&self) -> bool {
        match self {
            Self::Failed { .. } | Self::Unsound { .. } => true,
            Self::Deployed { applied } => !applied.rotations.iter().all(|rotation| rotation.has_succeeded()),
            Self::TornDown { result } => !result.is_clean(),
            Self::Unchanged
            | Self::DoneBefore
            | Self::Planned { .. }
            | Self::InSet { .. }
            | Self::Looked { .. }
            | Self::Instance { .. }
            | Self::GivenUp { .. }
            | Self::NotReached
            | Self::LeftOut { .. } => false,
        }
    }

    /// One word for it.
    pub(in crate::commands::fleet) fn word(&self) -> &'static str {
        match self {
            _ if self.has_failed() && !matches!(self, Self::Failed { .. } | Self::Unsound { .. }) => "incomplete",
            Self::Unchanged | Self::DoneBefore => "unchanged",
            Self::Planned { plan } if plan.steps.is_empty() => "unchanged",
            Self::InSet { change: Change::None } => "unchanged",
            Self::InSet { change: Change::Stuck { .. } } => "stuck",
            Self::Planned { .. } | Self::InSet { .. } => "changes",
            Self::Deployed { .. } => "deployed",
            Self::Looked { status } if status.wants_a_person() => "look",
            Self::Instance { instance, .. } if !instance.as_ref().is_some_and(is_in_order) => "look",
            Self::Instance { unread: Some(_), .. } => "look",
            Self::Instance { status: Some(status), .. } if status.wants_a_person() => "look",
            Self::Looked { .. } | Self::Instance { .. } => "in order",
            Self::TornDown { .. } | Self::GivenUp { .. } => "taken away",
            Self::Failed { .. } => "failed",
            Self::Unsound { .. } => "unsound",
            Self::NotReached => "not reached",
            Self::LeftOut { .. } => "left out",
        }
    }

    /// What else there is to say in one line.
    pub(in crate::commands::fleet) fn detail(&self) -> String {
        match self {
            Self::Unchanged | Self::NotReached => String::new(),
            Self::DoneBefore => "by the run before".to_owned(),
            Self::Planned { plan } => planned(plan),
            Self::Deployed { applied } => deployed(applied),
            Self::Looked { status } => status.in_short(),
            Self::TornDown { result } => result.in_short(),
            Self::InSet { change } => in_set(change),
            Self::Instance { instance, status, unread } => {
                let stack = instance.as_ref().map_or_else(|| "it has no stack".to_owned(), of_instance);
                let users = status.iter().map(|status| status.in_short());
                let unread = unread.iter().map(|unread| format!("nobody can look at its users: {}", unread.cause));
                [stack].into_iter().chain(users).chain(unread).collect::<Vec<_>>().join("; ")
            }
            Self::GivenUp { kept } if kept.is_empty() => String::new(),
            Self::GivenUp { kept } => format!("kept: {}", kept.join(", ")),
            Self::Failed { cause, .. } | Self::Unsound { cause } => cause.clone(),
            Self::LeftOut { why } => why.to_string(),
        }
    }
}

impl Unread {
    /// What an error makes of the users of an account.
    pub(in crate::commands::fleet) fn of(error: &Error) -> Self {
        let hint = "let the role in `access` be assumed and look at users and secrets, then run the same command again";
        Self { cause: told(error), hint }
    }
}

/// An error in one line, with what has caused it.
pub(in crate::commands::fleet) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    printable(&text).replace('\n', " ")
}

fn is_in_order(instance: &Instance) -> bool {
    instance.status == InstanceStatus::Current
}

fn in_set(change: &Change) -> String {
    match change {
        Change::Add => "gets its stack".to_owned(),
        Change::Update => "its stack is updated".to_owned(),
        Change::Mend => "its stack is brought to what it should have been".to_owned(),
        Change::None => String::new(),
        Change::Stuck { reason } => reason.clone().unwrap_or_default(),
    }
}

fn of_instance(Instance { status, detailed, reason, .. }: &Instance) -> String {
    let detailed = detailed.map(|detailed| format!(", {detailed}")).unwrap_or_default();
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{status}{detailed}{reason}")
}

fn planned(plan: &Plan) -> String {
    let stacks = plan.steps.iter().filter_map(|step| step.as_deployment());
    let changes: usize = stacks.clone().map(|stack| stack.changes.len()).sum();
    let names: Vec<String> = stacks.map(|stack| format!("`{}`", stack.stack)).collect();
    if names.is_empty() { String::new() } else { format!("{changes} resources in {}", names.join(", ")) }
}

fn deployed(applied: &Applied) -> String {
    let rotated = applied.rotations.iter().filter(|rotation| rotation.has_succeeded()).count();
    let mut parts = Vec::new();
    if !applied.stacks.is_empty() {
        let names: Vec<String> = applied.stacks.iter().map(|stack| format!("`{stack}`")).collect();
        parts.push(names.join(", "));
    }
    if rotated > 0 {
        parts.push(if rotated == 1 { "1 new key".to_owned() } else { format!("{rotated} new keys") });
    }
    for rotation in applied.rotations.iter().filter(|rotation| !rotation.has_succeeded()) {
        let why = match &rotation.outcome {
            RotationOutcome::Rotated { .. } => continue,
            RotationOutcome::Waiting { key, .. } => format!("waits for the key {key}"),
            RotationOutcome::Failed { reason } => reason.clone(),
        };
        parts.push(format!("{}: {why}", rotation.user));
    }
    parts.join("; ")
}
