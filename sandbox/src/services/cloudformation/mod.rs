//! CloudFormation: stacks, change sets, and stack sets.

mod api;
mod blueprint;
mod building;
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
mod population;
pub(crate) mod resource;
mod stack;
mod stack_sets;
mod status;
mod steps;
mod template;

use std::collections::BTreeMap;

use crate::{ApiError, World};

pub(crate) use api::handle;
pub use inspect::{On as StackAction, ResourceView, StackView};
pub(crate) use stack_sets::{MEMBER_ROLE, account_left, account_moved};
pub use stack_sets::{StackInstanceView, StackSetView};

/// What is due: see [`crate::agenda`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// A change set has been made.
    ChangeSetReady { stack: String, change_set: String },
    /// A step of a stack operation has had its time.
    StepDone { stack: String, pass: u64, step: usize },
    /// A detection of drift has had its time.
    DriftDetected { stack: String, detection: String },
    /// The operations of a stack set go on: it has been noticed that something is done.
    StackSetGoesOn { set: String },
    /// It has been noticed that an account has come into an organization, has left it, or has moved in it.
    AccountMoved { account: String, management: String },
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// By id. A stack that is at work is taken out meanwhile.
    stacks: BTreeMap<String, stack::Stack>,
    /// By id.
    change_sets: BTreeMap<String, change_set::ChangeSet>,
    /// By id.
    detections: BTreeMap<String, drift::Detection>,
    sets: stack_sets::State,
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
    match due {
        Due::ChangeSetReady { stack, change_set } => {
            with_stack(world, &stack, |world, stack| change_set::ready(world, stack, &change_set));
        }
        Due::StepDone { stack, pass, step } => {
            with_stack(world, &stack, |world, stack| steps::finish(world, stack, pass, step));
        }
        Due::DriftDetected { stack, detection } => {
            with_stack(world, &stack, |world, stack| drift::detection::finish(world, stack, &detection));
        }
        Due::StackSetGoesOn { set } => stack_sets::go_on(world, &set),
        Due::AccountMoved { account, management } => stack_sets::follow(world, &account, &management),
    }
}

/// Takes a stack out of the world while something is done with it; `None` when it is not there.
fn with_stack<T>(world: &mut World, id: &str, work: impl FnOnce(&mut World, &mut stack::Stack) -> T) -> Option<T> {
    let mut stack = world.cloudformation.stacks.remove(id)?;
    let result = work(world, &mut stack);
    world.cloudformation.stacks.insert(id.to_owned(), stack);
    Some(result)
}

/// The error that most of CloudFormation's refusals are.
fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}
