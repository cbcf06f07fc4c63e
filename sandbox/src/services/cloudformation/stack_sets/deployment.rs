//! The stack of one instance: how its work begins, and how it has ended.

use std::collections::BTreeMap;

use super::super::blueprint::{Blueprint, Identity};
use super::super::building::{self, BY_USER};
use super::super::events::STACK;
use super::super::operation::{Operation, Pass};
use super::super::stack::Stack;
use super::super::status::StackStatus;
use super::super::{change_set, diff, with_stack};
use super::operation::Action;
use super::roles;
use super::set::{Place, StackSet};
use crate::request::Caller;
use crate::services::organizations::AccountState;
use crate::{ApiError, World};

/// The longest name of a stack.
const LONGEST_NAME: usize = 128;

/// How the work of an instance has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begun {
    Running,
    /// There was nothing to do, for this reason.
    Done(Option<&'static str>),
    /// The account is suspended or closed.
    Skipped,
}

/// How the work of an instance has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    Succeeded,
    Failed(String),
    /// What a failed creation had left is gone; the stack can be made anew.
    Cleared,
}

/// Begins to build, update or delete the stack of an instance; the error is the reason why that fails at once.
pub(super) fn begin(world: &mut World, set: &mut StackSet, place: &Place, action: &Action) -> Result<Begun, String> {
    let stack = set.instances.get(place).and_then(|instance| instance.stack.clone());
    if let (Action::Delete { retain: true }, Some(id)) = (action, &stack) {
        with_stack(world, id, |_, stack| stack.stack_set = None);
        return Ok(Begun::Done(None));
    }
    if world.organizations.state_of(&place.account) != AccountState::Active {
        return Ok(Begun::Skipped);
    }
    let Some(id) = stack else {
        return match action {
            Action::Delete { .. } => Ok(Begun::Done(None)),
            Action::Create { .. } | Action::Update { .. } => create(world, set, place),
        };
    };
    let status = world.cloudformation.stacks.get(&id).map(|stack| stack.status);
    match (action, status) {
        (Action::Delete { .. }, None | Some(StackStatus::DeleteComplete)) => Ok(Begun::Done(None)),
        (_, None | Some(StackStatus::DeleteComplete)) => Err(format!("Stack [{id}] does not exist")),
        (Action::Delete { .. }, Some(status)) if status.cannot_be_deleted() => Err(busy(&id, status)),
        (Action::Delete { .. }, Some(_)) => delete(world, set, place, &id),
        // What a creation has left that failed is in the way of the next one.
        (_, Some(StackStatus::CreateFailed | StackStatus::RollbackComplete | StackStatus::RollbackFailed)) => {
            delete(world, set, place, &id)
        }
        (_, Some(status)) if status.can_be_updated() => update(world, set, place, &id),
        (_, Some(status)) => Err(busy(&id, status)),
    }
}

/// How the work of an instance has ended; `None` while it goes on.
pub(super) fn ended(world: &World, set: &StackSet, place: &Place, action: &Action) -> Option<Ended> {
    let id = set.instances.get(place).and_then(|instance| instance.stack.as_deref()).unwrap_or_default();
    let Some(stack) = world.cloudformation.stacks.get(id) else {
        return Some(Ended::Failed(format!("Stack [{id}] does not exist")));
    };
    match (action, stack.status) {
        (_, status) if status.name().ends_with("_IN_PROGRESS") => None,
        (Action::Delete { .. }, StackStatus::DeleteComplete) => Some(Ended::Succeeded),
        (_, StackStatus::DeleteComplete) => Some(Ended::Cleared),
        (Action::Create { .. } | Action::Update { .. }, StackStatus::CreateComplete | StackStatus::UpdateComplete) => {
            Some(Ended::Succeeded)
        }
        _ => Some(Ended::Failed(failure(stack))),
    }
}

fn create(world: &mut World, set: &mut StackSet, place: &Place) -> Result<Begun, String> {
    let caller = roles::worker(world, set, &place.account)?;
    let (unique, id) = (world.random_uuid(), world.random_uuid());
    let room = LONGEST_NAME - "StackSet--".len() - unique.len();
    let name = format!("StackSet-{}-{unique}", set.name.chars().take(room).collect::<String>());
    let (partition, Place { account, region }) = (caller.partition().to_owned(), place);
    let id = format!("arn:{partition}:cloudformation:{region}:{account}:stack/{name}/{id}");
    let identity = Identity { partition, account: account.clone(), region: region.clone(), name, id: id.clone() };
    let blueprint = blueprint(set, place, &identity, None)?;
    let mut stack = Stack::new(identity, world.now());
    stack.stack_set = Some(set.id.clone());
    world.cloudformation.stacks.insert(id.clone(), stack);
    if let Some(instance) = set.instances.get_mut(place) {
        instance.stack = Some(id.clone());
    }
    build(world, &id, caller, blueprint, Pass::Creating);
    Ok(Begun::Running)
}

fn update(world: &mut World, set: &StackSet, place: &Place, id: &str) -> Result<Begun, String> {
    let caller = roles::worker(world, set, &place.account)?;
    let Some(stack) = world.cloudformation.stacks.get(id) else { return Ok(Begun::Done(None)) };
    let blueprint = blueprint(set, place, &stack.identity, stack.blueprint.as_ref())?;
    if !differs(stack, &blueprint).map_err(|error| error.message)? {
        return Ok(Begun::Done(Some("No updates are to be performed.")));
    }
    build(world, id, caller, blueprint, Pass::Updating);
    Ok(Begun::Running)
}

fn delete(world: &mut World, set: &StackSet, place: &Place, id: &str) -> Result<Begun, String> {
    let caller = roles::worker(world, set, &place.account)?;
    if world.cloudformation.stacks.get(id).is_some_and(|stack| stack.protected) {
        return Err(format!("Stack [{id}] cannot be deleted while TerminationProtection is enabled"));
    }
    let operation = Operation::new(caller, None, Pass::Deleting);
    with_stack(world, id, |world, stack| building::delete(world, stack, operation));
    Ok(Begun::Running)
}

fn build(world: &mut World, id: &str, caller: Caller, blueprint: Blueprint, pass: Pass) {
    let operation = Operation::new(caller, None, pass);
    with_stack(world, id, |world, stack| building::begin(world, stack, blueprint, operation));
}

fn blueprint(
    set: &StackSet,
    place: &Place,
    identity: &Identity,
    before: Option<&Blueprint>,
) -> Result<Blueprint, String> {
    let overrides = set.instances.get(place).map(|instance| instance.overrides.clone()).unwrap_or_default();
    let drawn = set.recipe.blueprint(identity, &overrides, before).and_then(|blueprint| {
        let names = blueprint.dependencies.keys();
        let mut resources = names.filter_map(|name| Some((name, blueprint.resource(name)?)));
        resources.try_for_each(|(name, described)| change_set::check_properties(name, described))?;
        Ok(blueprint)
    });
    drawn.map_err(|error| error.message)
}

fn differs(stack: &Stack, new: &Blueprint) -> Result<bool, ApiError> {
    let changes = diff::changes(stack, new, &BTreeMap::new(), &BTreeMap::new())?;
    let tags_differ = stack.blueprint.as_ref().is_none_or(|old| old.tags != new.tags);
    let outputs_differ = || new.outputs(&stack.referents()).is_ok_and(|outputs| outputs != stack.outputs);
    Ok(!changes.is_empty() || tags_differ || outputs_differ())
}

/// What failed first since the stack's operation was begun, in the words of StackSets.
fn failure(stack: &Stack) -> String {
    let begins = |reason: &Option<String>| reason.as_deref() == Some(BY_USER);
    let begun = stack.events.iter().rposition(|event| event.kind == STACK && begins(&event.reason)).unwrap_or_default();
    let events = stack.events.get(begun..).unwrap_or_default();
    let first = events.iter().find(|event| event.kind != STACK && event.status.ends_with("_FAILED"));
    match first {
        Some(event) => format!(
            "ResourceLogicalId:{}, ResourceType:{}, ResourceStatusReason:{}.",
            event.logical_id,
            event.kind,
            event.reason.as_deref().unwrap_or_default()
        ),
        None => format!("Stack {} is in {}", stack.identity.id, stack.status.name()),
    }
}

fn busy(id: &str, status: StackStatus) -> String {
    format!("Stack:{id} is in {} state and can not be updated.", status.name())
}
