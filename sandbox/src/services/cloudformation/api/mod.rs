//! The operations of the API. Each takes its parameters, checks the permission, and only then does something.

mod change_sets;
mod descriptions;
pub(super) mod drafts;
mod drifts;
mod operations;
pub(super) mod pages;
mod stacks;

use std::collections::BTreeMap;

use super::blueprint::Identity;
use super::stack::Stack;
use super::status::StackStatus;
use super::{State, invalid, stack_sets};
use crate::answer::{Answer, Xml};
use crate::input::QueryInput;
use crate::request::Request;
use crate::{ApiError, World};

pub(crate) fn handle(world: &mut World, request: &Request) -> Result<Answer, ApiError> {
    let input = QueryInput::new(&request.http);
    let operation = match request.operation.as_str() {
        "CreateChangeSet" => change_sets::create,
        "DescribeChangeSet" => change_sets::describe,
        "ExecuteChangeSet" => change_sets::execute,
        "DeleteChangeSet" => change_sets::delete,
        "DescribeStacks" => stacks::describe,
        "DescribeStackEvents" => stacks::events,
        "DescribeStackResources" => stacks::resources,
        "ListStackResources" => stacks::list_resources,
        "GetTemplate" => stacks::template,
        "GetTemplateSummary" => stacks::template_summary,
        "DetectStackDrift" => drifts::detect,
        "DescribeStackDriftDetectionStatus" => drifts::status,
        "DescribeStackResourceDrifts" => drifts::resources,
        "DeleteStack" => operations::delete,
        "CancelUpdateStack" => operations::cancel_update,
        "ContinueUpdateRollback" => operations::continue_rollback,
        "RollbackStack" => operations::roll_back,
        "UpdateTerminationProtection" => operations::protect,
        other => match stack_sets::api::handler(other) {
            Some(of_stack_sets) => of_stack_sets,
            None => return Err(ApiError::unknown("operation", other)),
        },
    };
    operation(world, request, input).map(Answer::Xml)
}

/// Checks the permission for the request's operation on a stack's ARN.
fn authorize(world: &mut World, request: &Request, arn: &str) -> Result<(), ApiError> {
    let action = format!("cloudformation:{}", request.operation);
    world.authorize(&request.caller, &action, arn, &BTreeMap::new())
}

/// Checks the permission on the stack with this name or id, and finds the stack.
fn authorized(world: &mut World, request: &Request, stack: &str) -> Result<Option<String>, ApiError> {
    let id = find(&world.cloudformation, request, stack).map(|stack| stack.identity.id.clone());
    let arn = id.clone().unwrap_or_else(|| match stack.starts_with("arn:") {
        true => stack.to_owned(),
        false => stack_arn(request, stack, "*"),
    });
    authorize(world, request, &arn)?;
    Ok(id)
}

/// The stack with this id, or the one with this name that is not deleted.
fn find<'a>(state: &'a State, request: &Request, stack: &str) -> Option<&'a Stack> {
    let here = |it: &&Stack| it.identity.account == request.caller.account && it.identity.region == request.region;
    let meant = |it: &&Stack| {
        it.identity.id == stack || (it.identity.name == stack && it.status != StackStatus::DeleteComplete)
    };
    state.stacks.values().filter(here).find(meant)
}

/// Takes a stack out of the world while something is done with it.
fn with_stack<T>(world: &mut World, id: &str, work: impl FnOnce(&mut World, &mut Stack) -> T) -> Result<T, ApiError> {
    super::with_stack(world, id, work).ok_or_else(|| missing(id))
}

fn identity(request: &Request, name: &str, unique: &str) -> Identity {
    Identity {
        partition: request.caller.partition().to_owned(),
        account: request.caller.account.clone(),
        region: request.region.clone(),
        name: name.to_owned(),
        id: stack_arn(request, name, unique),
    }
}

fn stack_arn(request: &Request, name: &str, unique: &str) -> String {
    let (region, account) = (&request.region, &request.caller.account);
    format!("arn:{}:cloudformation:{region}:{account}:stack/{name}/{unique}", request.caller.partition())
}

fn missing(stack: &str) -> ApiError {
    invalid(format!("Stack with id {stack} does not exist"))
}

fn busy(stack: &Stack) -> ApiError {
    let (id, status) = (&stack.identity.id, stack.status.name());
    invalid(format!("Stack:{id} is in {status} state and can not be updated."))
}

/// The answer of an operation that only does something.
fn nothing() -> Result<Xml, ApiError> {
    Ok(Xml::new())
}
