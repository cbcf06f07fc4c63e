//! What can be done with a stack beside its change sets: DeleteStack, CancelUpdateStack, ContinueUpdateRollback,
//! RollbackStack and UpdateTerminationProtection.

use super::super::building::{self, BY_USER};
use super::super::invalid;
use super::super::operation::{Operation, Pass};
use super::super::passes;
use super::super::stack::Stack;
use super::super::status::{ResourceStatus, StackStatus, Stage, Verb};
use super::{authorized, missing, nothing, with_stack};
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Request;
use crate::{ApiError, World};

pub(super) fn delete(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, token) = (input.required("StackName")?, input.text("ClientRequestToken"));
    let retained = input.texts("RetainResources");
    let forced = match input.text("DeletionMode").as_deref() {
        None | Some("STANDARD") => false,
        Some("FORCE_DELETE_STACK") => true,
        Some(other) => return Err(ApiError::unknown("deletion mode", other)),
    };
    input.finish()?;
    // A stack that does not exist counts as deleted.
    let Some(id) = authorized(world, request, &name)? else { return nothing() };
    let Some(stack) = world.cloudformation.stacks.get(&id) else { return nothing() };
    if matches!(stack.status, StackStatus::DeleteComplete | StackStatus::DeleteInProgress) {
        return nothing();
    }
    check_deletion(stack, &retained, forced)?;
    with_stack(world, &id, |world, stack| {
        let mut operation = Operation::new(request.caller.clone(), token, Pass::Deleting);
        (operation.retained, operation.forced) = (retained.into_iter().collect(), forced);
        building::delete(world, stack, operation);
    })?;
    nothing()
}

fn check_deletion(stack: &Stack, retained: &[String], forced: bool) -> Result<(), ApiError> {
    let (name, status) = (&stack.identity.name, stack.status);
    if stack.protected {
        return Err(invalid(format!("Stack [{name}] cannot be deleted while TerminationProtection is enabled")));
    }
    if status.cannot_be_deleted() {
        let what = format!("Stack [{name}] cannot be deleted while in status {}", status.name());
        return Err(invalid(what));
    }
    if (forced || !retained.is_empty()) && status != StackStatus::DeleteFailed {
        let what = "The specified resources can be retained, or the deletion forced, only in status DELETE_FAILED";
        return Err(invalid(format!("Invalid operation on stack [{name}]. {what}")));
    }
    match retained.iter().find(|logical_id| !stack.resources.contains_key(*logical_id)) {
        Some(stranger) => Err(invalid(format!("The following resource is not in the stack: [{stranger}]"))),
        None => Ok(()),
    }
}

pub(super) fn cancel_update(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, token) = (input.required("StackName")?, input.text("ClientRequestToken"));
    input.finish()?;
    let id = in_status(world, request, &name, &[StackStatus::UpdateInProgress])?;
    with_stack(world, &id, |world, stack| {
        take_over(stack, request, token);
        passes::cancel(world, stack);
        passes::begin(world, stack, Pass::RollingBackUpdate, Some(BY_USER.to_owned()));
    })?;
    nothing()
}

pub(super) fn continue_rollback(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, token) = (input.required("StackName")?, input.text("ClientRequestToken"));
    let skipped = input.texts("ResourcesToSkip");
    input.finish()?;
    let id = in_status(world, request, &name, &[StackStatus::UpdateRollbackFailed])?;
    let stack = world.cloudformation.stacks.get(&id).ok_or_else(|| missing(&name))?;
    let failed = |name: &String| stack.resources.get(name).is_some_and(|it| it.status.1 == Stage::Failed);
    if let Some(other) = skipped.iter().find(|name| !failed(name)) {
        return Err(invalid(format!("The resource {other} cannot be skipped: its update has not failed")));
    }
    with_stack(world, &id, |world, stack| {
        take_over(stack, request, token);
        skip(stack, &skipped);
        passes::begin(world, stack, Pass::RollingBackUpdate, Some(BY_USER.to_owned()));
    })?;
    nothing()
}

/// Takes resources for rolled back, whatever they are.
fn skip(stack: &mut Stack, skipped: &[String]) {
    let before = stack.operation.as_ref().and_then(|operation| operation.before.as_ref());
    for name in skipped {
        let earlier = before.and_then(|before| before.resources.get(name));
        if let (Some(earlier), Some(resource)) = (earlier, stack.resources.get_mut(name)) {
            resource.properties = earlier.properties.clone();
            resource.status = ResourceStatus(Verb::Update, Stage::Complete);
        }
    }
}

pub(super) fn roll_back(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, token) = (input.required("StackName")?, input.text("ClientRequestToken"));
    input.finish()?;
    let id = in_status(world, request, &name, &[StackStatus::CreateFailed, StackStatus::UpdateFailed])?;
    with_stack(world, &id, |world, stack| {
        let pass = match stack.status {
            StackStatus::CreateFailed => Pass::RollingBackCreation,
            _ => Pass::RollingBackUpdate,
        };
        take_over(stack, request, token);
        passes::begin(world, stack, pass, Some(BY_USER.to_owned()));
    })?;
    Ok(Xml::new().text("StackId", id))
}

pub(super) fn protect(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let name = input.required("StackName")?;
    let protected = input.flag("EnableTerminationProtection")?;
    input.finish()?;
    let id = authorized(world, request, &name)?.ok_or_else(|| missing(&name))?;
    with_stack(world, &id, |_, stack| stack.protected = protected.unwrap_or_default())?;
    Ok(Xml::new().text("StackId", id))
}

/// The stack's operation goes on in the name of another caller.
fn take_over(stack: &mut Stack, request: &Request, token: Option<String>) {
    if let Some(operation) = &mut stack.operation {
        (operation.caller, operation.token) = (request.caller.clone(), token);
    }
}

/// Checks the permission on a stack, and that it is in one of these states.
fn in_status(world: &mut World, request: &Request, name: &str, wanted: &[StackStatus]) -> Result<String, ApiError> {
    let id = authorized(world, request, name)?.ok_or_else(|| missing(name))?;
    let status = world.cloudformation.stacks.get(&id).map(|stack| stack.status);
    match status {
        Some(status) if wanted.contains(&status) => Ok(id),
        status => {
            let status = status.map_or("UNKNOWN", StackStatus::name);
            let what = format!("{} cannot be called from current stack status {status}", request.operation);
            Err(invalid(what))
        }
    }
}
