//! Why a stack is not what it should be: what, why, what is left, and what to do now.

use super::super::history::Cause;
use crate::aws::CallError;
use crate::aws::stacks::Status;
use crate::ui::{Interrupted, Unconfirmed};

/// Why a stack is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Ctrl-C.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// CloudFormation would do more than the plan said, and nobody agreed to it.
    #[error(transparent)]
    Unconfirmed(#[from] Unconfirmed),
    /// CloudFormation does not accept the template, or takes too long over it.
    #[error("CloudFormation has no change set for the stack `{stack}`: {reason}")]
    ChangeSet {
        /// The stack.
        stack: String,
        /// Why.
        reason: String,
    },
    /// CloudFormation would do more than the plan said, and there is nobody to ask about it.
    #[error("CloudFormation would do more with the stack `{stack}` than the plan said: {}", more.join("; "))]
    Unplanned {
        /// The stack.
        stack: String,
        /// What it would do.
        more: Vec<String>,
    },
    /// Somebody else was faster.
    #[error("somebody else has deployed the stack `{stack}` meanwhile: it is {status}")]
    Overtaken {
        /// The stack.
        stack: String,
        /// Its status now.
        status: Status,
    },
    /// CloudFormation began, and it went wrong.
    #[error("the stack `{stack}` was not {done}: {}{}", caused(cause.as_deref()), left(*status, kept))]
    Failed {
        /// The stack.
        stack: String,
        /// What was to be done.
        done: &'static str,
        /// Its status now.
        status: Status,
        /// The first thing that failed.
        cause: Option<Box<Cause>>,
        /// The resources that were given up and still exist.
        kept: Vec<String>,
    },
}

impl StackError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Call(error) => error.hint(),
            Self::Interrupted(_) => Some("run the same command again; it goes on from what is there".to_owned()),
            Self::Unconfirmed(_) => None,
            Self::Unplanned { .. } => Some(
                "nothing was changed; somebody may have changed the stack meanwhile: look at a new plan. `--yes` does not count here, a person at a terminal can agree"
                    .to_owned(),
            ),
            Self::Overtaken { .. } => Some("run the same command again; it goes on from what is there".to_owned()),
            Self::ChangeSet { .. } => {
                Some("nothing was changed; mend the cause and run the same command again".to_owned())
            }
            Self::Failed { status: Status::UpdateRollbackFailed, .. } => {
                Some("mend the cause, then `keyturn bootstrap` goes on with the rollback".to_owned())
            }
            Self::Failed { status: Status::DeleteFailed, .. } => {
                Some("mend the cause and run the same command again; `keyturn teardown --force` gives up what cannot be deleted".to_owned())
            }
            Self::Failed { status: Status::CreateFailed | Status::UpdateFailed, stack, .. } => Some(format!(
                "mend the cause, then `keyturn bootstrap` goes on from there; or have it taken back: `aws cloudformation rollback-stack --stack-name {stack}`"
            )),
            Self::Failed { .. } => Some("mend the cause and run the same command again".to_owned()),
        }
    }
}

fn caused(cause: Option<&Cause>) -> String {
    cause.map_or_else(
        || "CloudFormation gave no reason".to_owned(),
        |Cause { resource, reason }| format!("{resource}: {reason}"),
    )
}

fn left(status: Status, kept: &[String]) -> String {
    match status {
        Status::DeleteComplete if kept.is_empty() => "; nothing is left of it".to_owned(),
        Status::DeleteComplete => format!("; nothing is left of it but {}", kept.join(", ")),
        Status::RollbackComplete => "; it is an empty shell now".to_owned(),
        Status::UpdateRollbackComplete => "; it is as it was before".to_owned(),
        Status::CreateFailed | Status::UpdateFailed => {
            format!("; it is {status} now, and nothing was taken back: what was made stays as it is")
        }
        other => format!("; it is {other} now"),
    }
}
