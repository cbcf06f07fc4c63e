//! The events of a stack: every transition of the stack and of its resources.

use jiff::Timestamp;

use super::stack::Stack;
use super::status::{ResourceStatus, StackStatus};
use crate::World;

/// The type of a stack in its own events.
pub(super) const STACK: &str = "AWS::CloudFormation::Stack";

/// One transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) logical_id: String,
    pub(super) physical_id: Option<String>,
    pub(super) kind: String,
    pub(super) at: Timestamp,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) token: Option<String>,
}

/// Gives a stack a status, and notes it.
pub(super) fn stack_is(world: &mut World, stack: &mut Stack, status: StackStatus, reason: Option<String>) {
    stack.status = status;
    stack.reason.clone_from(&reason);
    let event = Event {
        id: world.random_uuid(),
        logical_id: stack.identity.name.clone(),
        physical_id: Some(stack.identity.id.clone()),
        kind: STACK.to_owned(),
        at: world.now(),
        status: status.name().to_owned(),
        reason,
        token: token(stack),
    };
    stack.events.push(event);
}

/// Gives a resource a status, and notes it.
pub(super) fn resource_is(
    world: &mut World,
    stack: &mut Stack,
    logical_id: &str,
    status: ResourceStatus,
    reason: Option<String>,
) {
    let Some(resource) = stack.resources.get_mut(logical_id) else { return };
    resource.status = status;
    resource.reason.clone_from(&reason);
    resource.changed_at = world.now();
    let (kind, physical_id) = (resource.kind.clone(), resource.physical_id.clone());
    note(world, stack, (logical_id, &kind, physical_id), status, reason);
}

/// Notes a transition of something that is no longer a resource of the stack, or not its present one.
pub(super) fn note(
    world: &mut World,
    stack: &mut Stack,
    (logical_id, kind, physical_id): (&str, &str, Option<String>),
    status: ResourceStatus,
    reason: Option<String>,
) {
    let event = Event {
        id: format!("{logical_id}-{status}-{}", world.random_uuid()),
        logical_id: logical_id.to_owned(),
        physical_id,
        kind: kind.to_owned(),
        at: world.now(),
        status: status.to_string(),
        reason,
        token: token(stack),
    };
    stack.events.push(event);
}

fn token(stack: &Stack) -> Option<String> {
    stack.operation.as_ref().and_then(|operation| operation.token.clone())
}
