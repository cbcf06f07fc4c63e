//! DescribeStackSetOperation, ListStackSetOperations, ListStackSetOperationResults and StopStackSetOperation, and the
//! access to an organization.

use super::super::super::invalid;
use super::super::access::{self, CallAs};
use super::super::operation::{Operation, Status};
use super::super::set::StackSet;
use super::super::{notice, rounds, with_set};
use super::{Page, authorize, authorized, descriptions, filters};
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Request;
use crate::services::organizations;
use crate::{ApiError, World};

pub(super) fn describe(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, id) = (input.required("StackSetName")?, input.required("OperationId")?);
    let call_as = CallAs::take(&mut input)?;
    input.finish()?;
    let (set, operation) = existing(world, request, &name, &id, call_as)?;
    Ok(Xml::new().element("StackSetOperation", descriptions::operation(set, operation)))
}

/// Newest first.
pub(super) fn list(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, call_as, page) = (input.required("StackSetName")?, CallAs::take(&mut input)?, Page::take(&mut input)?);
    input.finish()?;
    let id = authorized(world, request, &name, call_as)?;
    let set = world.cloudformation.sets.sets.get(&id).ok_or_else(|| super::not_found(&name))?;
    page.of(set.operations.iter().rev().map(descriptions::operation_summary).collect())
}

pub(super) fn results(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, id) = (input.required("StackSetName")?, input.required("OperationId")?);
    let (call_as, page) = (CallAs::take(&mut input)?, Page::take(&mut input)?);
    let filters = filters(&mut input, &["OPERATION_RESULT_STATUS"])?;
    input.finish()?;
    let (_, operation) = existing(world, request, &name, &id, call_as)?;
    let wanted = filters.get("OPERATION_RESULT_STATUS");
    let work = operation.work.iter();
    let shown = work.filter(|(_, work)| wanted.is_none_or(|status| status == work.progress.name()));
    page.of(shown.map(|(place, work)| descriptions::result(place, work)).collect())
}

/// What is under way goes on to its end.
pub(super) fn stop(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, id) = (input.required("StackSetName")?, input.required("OperationId")?);
    let call_as = CallAs::take(&mut input)?;
    input.finish()?;
    let (set, operation) = existing(world, request, &name, &id, call_as)?;
    let (set, status) = (set.id.clone(), operation.status);
    if !matches!(status, Status::Queued | Status::Running) {
        let message = format!("Operation {id} is in {} state and cannot be stopped", status.name());
        return Err(ApiError::new("InvalidOperationException", message));
    }
    with_set(world, &set, |world, set| rounds::stop(world, set, &id));
    notice(world, &set);
    Ok(Xml::new())
}

pub(super) fn activate_access(world: &mut World, request: &Request, input: QueryInput) -> Result<Xml, ApiError> {
    input.finish()?;
    authorize(world, request, "*")?;
    let account = &request.caller.account;
    if organizations::management_of(world, account).as_ref() != Some(account) {
        let message = "Only the management account of an organization can activate organizations access";
        return Err(ApiError::new("InvalidOperationException", message));
    }
    access::activate(world, account);
    Ok(Xml::new())
}

pub(super) fn describe_access(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let call_as = CallAs::take(&mut input)?;
    input.finish()?;
    authorize(world, request, "*")?;
    let home = call_as.home(world, request)?;
    if organizations::management_of(world, &home).as_ref() != Some(&home) {
        return Err(invalid("Account is not a management account or a delegated administrator of an organization"));
    }
    let status = if access::is_activated(world, &home) { "ENABLED" } else { "DISABLED" };
    Ok(Xml::new().text("Status", status))
}

fn existing<'a>(
    world: &'a mut World,
    request: &Request,
    name: &str,
    id: &str,
    call_as: CallAs,
) -> Result<(&'a StackSet, &'a Operation), ApiError> {
    let set = authorized(world, request, name, call_as)?;
    let set = world.cloudformation.sets.sets.get(&set).ok_or_else(|| super::not_found(name))?;
    let missing = || ApiError::new("OperationNotFoundException", format!("Operation {id} not found")).with_status(404);
    let operation = set.operations.iter().find(|operation| operation.id == id).ok_or_else(missing)?;
    Ok((set, operation))
}
