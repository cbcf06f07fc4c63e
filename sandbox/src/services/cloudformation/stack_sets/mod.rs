//! StackSets: stacks of one template in many accounts and regions. The stacks are real ones, built like any other, by a
//! role in the account that they are in.

mod access;
pub(super) mod api;
mod auto_deployment;
mod deployment;
mod operation;
mod preferences;
mod quotas;
mod roles;
mod rounds;
mod set;
mod targets;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Due;
use super::stack::Stack;
use crate::{World, agenda};

pub(super) use auto_deployment::follow;
pub(crate) use auto_deployment::{account_left, account_moved};
pub(crate) use roles::MEMBER_ROLE;
pub(super) use rounds::go_on;
pub use view::{StackInstanceView, StackSetView};

/// How long it takes until StackSets has noticed that something can go on: an operation that was asked for, or a stack
/// that is done. Not measured.
const NOTICED_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct State {
    /// By id. One that is at work is taken out meanwhile.
    sets: BTreeMap<String, set::StackSet>,
    /// The management accounts that have activated the access to their organizations.
    activated: BTreeSet<String>,
    quotas: quotas::Quotas,
}

/// A stack has come to the end of what was being done with it.
pub(super) fn stack_ended(world: &mut World, stack: &Stack) {
    if let Some(set) = &stack.stack_set {
        notice(world, set);
    }
}

/// Has the operations of a set go on when it has been noticed that they can.
fn notice(world: &mut World, set: &str) {
    let due = Due::StackSetGoesOn { set: set.to_owned() };
    world.agenda.work_after(NOTICED_AFTER, agenda::Due::CloudFormation(due));
}

/// Takes a set out of the world while something is done with it; `None` when it is not there.
fn with_set<T>(world: &mut World, id: &str, work: impl FnOnce(&mut World, &mut set::StackSet) -> T) -> Option<T> {
    let mut set = world.cloudformation.sets.sets.remove(id)?;
    let result = work(world, &mut set);
    world.cloudformation.sets.sets.insert(id.to_owned(), set);
    Some(result)
}
