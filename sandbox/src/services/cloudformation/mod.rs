//! CloudFormation: stacks and change sets.

mod api;
mod blueprint;
mod change_set;
mod conditions;
mod diff;
mod drift;
mod effects;
mod events;
mod expression;
mod graph;
mod import;
mod inspect;
mod intrinsics;
mod long_form;
mod operation;
mod parameters;
mod passes;
pub(crate) mod resource;
mod stack;
mod status;
mod steps;
mod template;

use std::collections::BTreeMap;

use crate::{ApiError, World};

pub(crate) use api::handle;
pub use inspect::{On as StackAction, ResourceView, StackView};

/// What is due: see [`crate::agenda`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// A change set has been made.
    ChangeSetReady { stack: String, change_set: String },
    /// A step of a stack operation has had its time.
    StepDone { stack: String, pass: u64, step: usize },
    /// A detection of drift has had its time.
    DriftDetected { stack: String, detection: String },
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// By id. A stack that is at work is taken out meanwhile.
    stacks: BTreeMap<String, stack::Stack>,
    /// By id.
    change_sets: BTreeMap<String, change_set::ChangeSet>,
    /// By id.
    detections: BTreeMap<String, drift::Detection>,
    failures: Vec<inspect::OrderedFailure>,
    numbers: u64,
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

pub(crate) fn fire(world: &mut World, due: Due) {
    let (Due::ChangeSetReady { stack: id, .. }
    | Due::StepDone { stack: id, .. }
    | Due::DriftDetected { stack: id, .. }) = &due;
    let Some(mut stack) = world.cloudformation.stacks.remove(id) else { return };
    match &due {
        Due::ChangeSetReady { change_set, .. } => change_set::ready(world, &stack, change_set),
        Due::StepDone { pass, step, .. } => steps::finish(world, &mut stack, *pass, *step),
        Due::DriftDetected { detection, .. } => drift::detection::finish(world, &mut stack, detection),
    }
    world.cloudformation.stacks.insert(stack.identity.id.clone(), stack);
}

/// The error that most of CloudFormation's refusals are.
fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}
