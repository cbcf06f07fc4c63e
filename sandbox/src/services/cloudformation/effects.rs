//! What steps do to resources: has the services create, update and delete them, and notes how that went. Each
//! function says whether it succeeded.

use std::collections::BTreeMap;

use serde_json::Value;

use super::inspect::On;
use super::operation::{Leftover, Operation, Writes};
use super::resource::{self, Created, Order};
use super::stack::{Stack, StackResource};
use super::status::{ResourceStatus, Stage, Verb};
use super::template::Policy;
use super::{drift, events, invalid};
use crate::call_log::Outcome;
use crate::{ApiError, World};

pub(super) fn create(world: &mut World, stack: &mut Stack, name: &str) -> bool {
    let Some(resource) = stack.resources.get(name).cloned() else { return true };
    let result = call(world, stack, On::Create, name, &resource, resource::create);
    match result {
        Ok(created) => {
            own(stack, name, created);
            let initiated = Some("Resource creation Initiated".to_owned());
            events::resource_is(world, stack, name, ResourceStatus(Verb::Create, Stage::InProgress), initiated);
            events::resource_is(world, stack, name, ResourceStatus(Verb::Create, Stage::Complete), None);
            true
        }
        Err(reason) => fail(world, stack, name, Verb::Create, reason),
    }
}

/// Takes over a resource that exists. CloudFormation changes nothing on it but adds the stack's tags.
pub(super) fn import(world: &mut World, stack: &mut Stack, name: &str) -> bool {
    let Some(resource) = stack.resources.get(name).cloned() else { return true };
    let gone = || invalid(format!("the resource to import as {name} does not exist"));
    let mut identified = resource.clone();
    let identifier = stack.operation.as_ref().and_then(|operation| operation.imports.get(name));
    identify(&mut identified.properties, identifier);
    let found = |world: &mut World, order: &Order| resource::find(world, order)?.ok_or_else(gone);
    let result = call(world, stack, On::Create, name, &identified, found);
    let created = match result {
        Ok(created) => created,
        Err(reason) => return fail(world, stack, name, Verb::Import, reason),
    };
    let id = created.physical_id.clone();
    own(stack, name, created);
    events::resource_is(world, stack, name, ResourceStatus(Verb::Import, Stage::Complete), None);
    let Some(untagged) = without_stack_tags(stack, &resource.properties) else { return true };
    let reason = Some("Apply stack-level tags to imported resource if applicable.".to_owned());
    events::resource_is(world, stack, name, ResourceStatus(Verb::Update, Stage::InProgress), reason);
    let result =
        call(world, stack, On::Update, name, &resource, |world, order| resource::update(world, order, &id, &untagged));
    match result {
        Ok(created) => complete_update(world, stack, name, created),
        Err(reason) => fail(world, stack, name, Verb::Update, reason),
    }
}

/// Adds what identifies an existing resource to its properties.
pub(super) fn identify(properties: &mut Value, identifier: Option<&BTreeMap<String, String>>) {
    if let (Some(properties), Some(identifier)) = (properties.as_object_mut(), identifier) {
        properties.extend(identifier.iter().map(|(key, value)| (key.clone(), value.clone().into())));
    }
}

/// The properties with only the tags that the template gives the resource itself; `None` when it has no tags.
fn without_stack_tags(stack: &Stack, properties: &Value) -> Option<Value> {
    let of_stack = &stack.blueprint.as_ref()?.tags;
    let mut properties = properties.clone();
    let tags = properties.get_mut("Tags")?.as_array_mut()?;
    tags.retain(|tag| tag.get("Key").and_then(Value::as_str).is_some_and(|key| !of_stack.contains_key(key)));
    Some(properties)
}

pub(super) fn update(world: &mut World, stack: &mut Stack, name: &str, properties: Value, writes: Writes) -> bool {
    let Some(mut resource) = stack.resources.get(name).cloned() else { return true };
    let id = resource.owned.as_ref().map_or_else(String::new, |owned| owned.physical_id.clone());
    let written = written(world, stack, name, &properties, &writes);
    let (previous, written) = match written {
        Ok(both) => both,
        Err(error) => return fail(world, stack, name, Verb::Update, error.message),
    };
    let previous = stack.with_system_tags(name, &resource.kind, &previous);
    resource.properties = written;
    let result =
        call(world, stack, On::Update, name, &resource, |world, order| resource::update(world, order, &id, &previous));
    // A failed update may have changed something: the next one starts from what was attempted.
    if let Some(resource) = stack.resources.get_mut(name) {
        resource.properties = properties;
    }
    match result {
        Ok(created) => complete_update(world, stack, name, created),
        Err(reason) => fail(world, stack, name, Verb::Update, reason),
    }
}

/// What the service is told that the resource has now, and what it is to have.
fn written(
    world: &World,
    stack: &Stack,
    name: &str,
    properties: &Value,
    writes: &Writes,
) -> Result<(Value, Value), ApiError> {
    let (Some(resource), Some(operation)) = (stack.resources.get(name), &stack.operation) else {
        return Ok((properties.clone(), properties.clone()));
    };
    let schema = resource::schema(&resource.kind)?;
    let live = drift::look(world, stack, &operation.caller, name)?;
    Ok(match writes {
        Writes::Changes => {
            let previous = resource.properties.clone();
            let written = live.updated(&schema, &previous, properties);
            (previous, written)
        }
        Writes::Reversion(found) => (found.clone(), live.reverted(&resource.properties, properties)),
        Writes::Undo(found) => (resource.properties.clone(), live.reverted(&resource.properties, found)),
    })
}

/// Creates the new one; the old one is left over for the clean-up.
pub(super) fn replace(world: &mut World, stack: &mut Stack, name: &str, properties: Value) -> bool {
    let Some(old) = stack.resources.get(name).cloned() else { return true };
    let new = StackResource { properties: properties.clone(), ..old.clone() };
    let result = call(world, stack, On::Update, name, &new, resource::create);
    match result {
        Ok(created) => {
            adopt_description(stack, name);
            let keep = stack.resources.get(name).is_some_and(|new| new.update_replace_policy != Policy::Delete);
            if let Some(operation) = &mut stack.operation {
                operation.leftovers.extend(Leftover::of(name, &old, keep));
            }
            if let Some(resource) = stack.resources.get_mut(name) {
                resource.properties = properties;
            }
            complete_update(world, stack, name, created)
        }
        Err(reason) => fail(world, stack, name, Verb::Update, reason),
    }
}

pub(super) fn delete(world: &mut World, stack: &mut Stack, leftover: &Leftover) -> bool {
    let Some(Operation { caller, forced, .. }) = &stack.operation else { return true };
    let (caller, forced) = (caller.clone(), *forced);
    let order = stack.order(&caller, &leftover.logical_id, &leftover.kind, &leftover.properties);
    let result =
        perform(world, stack, On::Delete, &order, |world, order| resource::delete(world, order, &leftover.physical_id));
    match result {
        Ok(()) => {
            disown(stack, leftover);
            deletion_is(world, stack, leftover, Stage::Complete, None);
            true
        }
        Err(reason) if forced => {
            disown(stack, leftover);
            deletion_is(world, stack, leftover, Stage::Skipped, Some(reason));
            true
        }
        Err(reason) => {
            deletion_is(world, stack, leftover, Stage::Failed, Some(reason));
            false
        }
    }
}

fn complete_update(world: &mut World, stack: &mut Stack, name: &str, created: Created) -> bool {
    own(stack, name, created);
    adopt_description(stack, name);
    events::resource_is(world, stack, name, ResourceStatus(Verb::Update, Stage::Complete), None);
    true
}

fn fail(world: &mut World, stack: &mut Stack, name: &str, verb: Verb, reason: String) -> bool {
    events::resource_is(world, stack, name, ResourceStatus(verb, Stage::Failed), Some(reason));
    false
}

fn own(stack: &mut Stack, name: &str, created: Created) {
    if let Some(resource) = stack.resources.get_mut(name) {
        resource.own(created);
    }
}

fn call<T>(
    world: &mut World,
    stack: &Stack,
    on: On,
    name: &str,
    resource: &StackResource,
    effect: impl FnOnce(&mut World, &Order) -> Result<T, ApiError>,
) -> Result<T, String> {
    let Some(operation) = &stack.operation else { return Err(String::new()) };
    let order = stack.order(&operation.caller, name, &resource.kind, &resource.properties);
    perform(world, stack, on, &order, effect)
}

/// Has a service do something for CloudFormation, on the caller's behalf and in the call log; the error is the reason
/// in CloudFormation's words.
fn perform<T>(
    world: &mut World,
    stack: &Stack,
    on: On,
    order: &Order,
    effect: impl FnOnce(&mut World, &Order) -> Result<T, ApiError>,
) -> Result<T, String> {
    if let Some(reason) = world.cloudformation.strike(&stack.identity, &order.logical_id, on) {
        return Err(reason);
    }
    let result = effect(world, order);
    let outcome = result.as_ref().map_or_else(|error| Outcome::Refused(error.code.clone()), |_| Outcome::Done);
    world.note_call(&order.caller.arn, &format!("cloudformation:{on:?} {}", order.kind), outcome);
    result.map_err(|error| reason(world, &order.kind, &error))
}

/// An error of a service in the form that stack events show.
fn reason(world: &mut World, kind: &str, error: &ApiError) -> String {
    let service = kind.split("::").nth(1).unwrap_or_default();
    let handler_code = match error.code.as_str() {
        code if code.starts_with("AccessDenied") => "AccessDenied",
        code if code.contains("Exist") || code.contains("Conflict") => "AlreadyExists",
        code if code.contains("NotFound") || code.starts_with("NoSuch") => "NotFound",
        code if code.contains("Limit") => "ServiceLimitExceeded",
        code if code.contains("Invalid") || code.contains("Malformed") => "InvalidRequest",
        _ => "GeneralServiceException",
    };
    let (request, token) = (world.random_uuid(), world.random_uuid());
    let ApiError { status, message, .. } = error;
    let told = format!("{message} (Service: {service}, Status Code: {status}, Request ID: {request})");
    let codes = format!("(RequestToken: {token}, HandlerErrorCode: {handler_code})");
    format!("Resource handler returned message: \"{told}\" {codes}")
}

/// The resource is the stack's no longer, if it still was.
pub(super) fn disown(stack: &mut Stack, leftover: &Leftover) {
    let resource = stack.resources.get_mut(&leftover.logical_id);
    if let Some(resource) = resource.filter(|resource| is_of(resource, leftover)) {
        resource.owned = None;
    }
}

fn is_of(resource: &StackResource, leftover: &Leftover) -> bool {
    resource.physical_id.as_ref() == Some(&leftover.physical_id)
}

/// Notes a deletion, on the resource itself unless it has been replaced meanwhile.
pub(super) fn deletion_is(
    world: &mut World,
    stack: &mut Stack,
    leftover: &Leftover,
    stage: Stage,
    reason: Option<String>,
) {
    let (name, status) = (leftover.logical_id.as_str(), ResourceStatus(Verb::Delete, stage));
    if stack.resources.get(name).is_some_and(|resource| is_of(resource, leftover)) {
        events::resource_is(world, stack, name, status, reason);
    } else {
        let what = (name, leftover.kind.as_str(), Some(leftover.physical_id.clone()));
        events::note(world, stack, what, status, reason);
    }
}

/// Takes over what the blueprint says about a resource beside its properties.
pub(super) fn adopt_description(stack: &mut Stack, name: &str) {
    let Some(blueprint) = &stack.blueprint else { return };
    if let (Some(described), Some(resource)) = (blueprint.resource(name), stack.resources.get_mut(name)) {
        resource.deletion_policy = described.deletion_policy;
        resource.update_replace_policy = described.update_replace_policy;
        resource.depends_on = blueprint.dependencies.get(name).cloned().unwrap_or_default();
    }
}
