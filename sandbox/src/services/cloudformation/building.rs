//! How the building of a stack begins, and its deletion: whoever asks for it, a person or a stack set.

use super::blueprint::Blueprint;
use super::operation::{Before, Operation, Pass};
use super::stack::Stack;
use super::{drift, passes};
use crate::World;

/// What the reason of an operation's first event says.
pub(super) const BY_USER: &str = "User Initiated";

/// Begins to build a stack, or to bring it to another blueprint.
pub(super) fn begin(world: &mut World, stack: &mut Stack, blueprint: Blueprint, mut operation: Operation) {
    let before = stack.blueprint.replace(blueprint);
    let pass = match (operation.pass, &before) {
        (Pass::Importing, _) => Pass::Importing,
        (_, Some(_)) => Pass::Updating,
        (_, None) => Pass::Creating,
    };
    operation.before = before.map(|blueprint| Before { blueprint, resources: stack.resources.clone() });
    // What a failed operation has replaced is still to be cleaned up.
    operation.leftovers = stack.operation.take().map(|failed| failed.leftovers).unwrap_or_default();
    if operation.reverts {
        disown_what_is_gone(world, stack, &operation);
    }
    stack.operation = Some(operation);
    if pass == Pass::Updating {
        stack.updated_at = Some(world.now());
    }
    passes::begin(world, stack, pass, Some(BY_USER.to_owned()));
}

/// Begins to delete a stack.
pub(super) fn delete(world: &mut World, stack: &mut Stack, mut operation: Operation) {
    // What an unfinished rollback has not cleaned up goes with the stack.
    let unfinished = stack.operation.take();
    operation.leftovers = unfinished.map(|unfinished| unfinished.leftovers).unwrap_or_default();
    stack.operation = Some(operation);
    passes::begin(world, stack, Pass::Deleting, Some(BY_USER.to_owned()));
}

/// What somebody has deleted past CloudFormation is made anew.
fn disown_what_is_gone(world: &World, stack: &mut Stack, operation: &Operation) {
    for name in stack.resources.keys().cloned().collect::<Vec<_>>() {
        if drift::look(world, stack, &operation.caller, &name) == Ok(drift::Live::Gone)
            && let Some(resource) = stack.resources.get_mut(&name)
        {
            resource.owned = None;
        }
    }
}
