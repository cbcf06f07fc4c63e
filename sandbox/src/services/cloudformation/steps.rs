//! One step of a stack operation: how it starts, and how it ends when its time has passed.

use std::time::Duration;

use super::drift::Live;
use super::operation::{Action, Leftover, Progress, Writes};
use super::stack::{Stack, StackResource};
use super::status::{ResourceStatus, Stage, Verb};
use super::template::Policy;
use super::{Due, drift, effects, events, passes, resource};
use crate::services::lambda;
use crate::{ApiError, World, agenda};

/// How long a deletion takes. Nothing depends on it, so one number does for all types.
const DELETION_TAKES: Duration = Duration::from_secs(1);

/// How long it takes in express mode until a resource is configured.
const CONFIGURED_AFTER: Duration = Duration::from_secs(1);

/// Starts a step: notes it, and enters its end on the agenda. A step with nothing to do is done at once.
pub(super) fn start(world: &mut World, stack: &mut Stack, index: usize) {
    let Some(step) = stack.operation.as_ref().and_then(|operation| operation.steps.get(index)) else { return };
    let (logical_id, action) = (step.logical_id.clone(), step.action.clone());
    let verb = action.verb();
    let begun = match action {
        Action::Create | Action::Import => plan_creation(world, stack, &logical_id, action),
        Action::Converge => converge(world, stack, &logical_id),
        Action::Restore => Ok(restore(world, stack, &logical_id)),
        Action::Delete(leftover) => Ok(give_up(world, stack, leftover)),
        Action::Update { .. } | Action::Replace { .. } => Ok(None),
    };
    let progress = match begun {
        Ok(Some((action, takes))) => {
            enter(world, stack, index, takes);
            set_action(stack, index, action);
            Progress::Running
        }
        Ok(None) => Progress::Done,
        Err(error) => {
            let status = ResourceStatus(verb, Stage::Failed);
            events::resource_is(world, stack, &logical_id, status, Some(error.message));
            Progress::Failed
        }
    };
    set_progress(stack, index, progress);
}

/// Does what a step was started for, and goes on with the pass.
pub(super) fn finish(world: &mut World, stack: &mut Stack, pass: u64, index: usize) {
    let operation = stack.operation.as_ref().filter(|operation| operation.number == pass);
    let Some(step) = operation.and_then(|operation| operation.steps.get(index)).cloned() else { return };
    if step.progress != Progress::Running {
        return;
    }
    let name = step.logical_id.as_str();
    let done = match step.action {
        Action::Create => effects::create(world, stack, name),
        Action::Import => effects::import(world, stack, name),
        Action::Update { properties, writes } => effects::update(world, stack, name, properties, writes),
        Action::Replace { properties } => effects::replace(world, stack, name, properties),
        Action::Delete(leftover) => effects::delete(world, stack, &leftover),
        Action::Converge | Action::Restore => true,
    };
    if done && stack.operation.as_ref().is_some_and(|operation| operation.express) {
        let _ = settle_later(world, stack, name);
    }
    set_progress(stack, index, if done { Progress::Done } else { Progress::Failed });
    passes::go_on(world, stack);
}

/// In express mode a resource is complete before it is ready: the rest of its time is still to pass.
fn settle_later(world: &mut World, stack: &Stack, name: &str) -> Option<()> {
    let resource = stack.resources.get(name)?;
    let owned = resource.owned.as_ref()?;
    let rest = resource::schema(&resource.kind).ok()?.creation_takes.saturating_sub(CONFIGURED_AFTER);
    let ready = world.agenda.after(rest);
    match resource.kind.as_str() {
        "AWS::IAM::ManagedPolicy" => drop(world.iam.unsettled.insert(owned.physical_id.clone(), ready)),
        "AWS::Lambda::Function" => lambda::is_ready_at(world, owned.attributes.get("Arn")?, ready),
        _ => {}
    }
    Some(())
}

type Begun = Option<(Action, Duration)>;

fn plan_creation(world: &mut World, stack: &mut Stack, name: &str, action: Action) -> Result<Begun, ApiError> {
    let Some(blueprint) = &stack.blueprint else { return Ok(None) };
    let Some(described) = blueprint.resource(name) else { return Ok(None) };
    let properties = blueprint.properties(described, &stack.referents());
    let depends_on = blueprint.dependencies.get(name).cloned().unwrap_or_default();
    let known = properties.as_ref().ok().cloned().unwrap_or_default();
    let planned = StackResource::planned(described, known, depends_on, world.now());
    let takes = resource::schema(&planned.kind)?.creation_takes;
    stack.resources.insert(name.to_owned(), planned);
    events::resource_is(world, stack, name, ResourceStatus(action.verb(), Stage::InProgress), None);
    properties.map(|_| Some((action, takes)))
}

/// Finds out what an existing resource needs: nothing, an update, or a replacement.
fn converge(world: &mut World, stack: &mut Stack, name: &str) -> Result<Begun, ApiError> {
    let (Some(blueprint), Some(operation)) = (&stack.blueprint, &stack.operation) else { return Ok(None) };
    let (Some(described), Some(resource)) = (blueprint.resource(name), stack.resources.get(name)) else {
        return Ok(None);
    };
    let properties = blueprint.properties(described, &stack.referents())?;
    let schema = resource::schema(&resource.kind)?;
    // What failed before is tried again, whatever the template says, and from what is there.
    let has_failed = resource.status.1 == Stage::Failed;
    let live = match operation.reverts || has_failed {
        true => drift::look(world, stack, &operation.caller, name)?,
        false => Live::Unknown,
    };
    let now = match &live {
        Live::There(actual) => drift::with_others(&schema, &resource.properties, &properties, actual),
        Live::Unknown | Live::Gone => resource.properties.clone(),
    };
    if properties == now && !has_failed {
        effects::adopt_description(stack, name);
        if let Some(resource) = stack.resources.get_mut(name) {
            resource.properties = properties;
        }
        return Ok(None);
    }
    let differs = |name: &&str| properties.get(*name) != now.get(*name);
    let (action, reason) = if schema.create_only.iter().any(differs) {
        let reason = "Requested update requires the creation of a new physical resource; hence creating one.";
        (Action::Replace { properties }, Some(reason.to_owned()))
    } else if let Live::There(_) = live {
        if let Some(operation) = &mut stack.operation {
            operation.reverted.insert(name.to_owned(), now.clone());
        }
        (Action::Update { properties, writes: Writes::Reversion(now) }, None)
    } else {
        (Action::Update { properties, writes: Writes::Changes }, None)
    };
    events::resource_is(world, stack, name, ResourceStatus(Verb::Update, Stage::InProgress), reason);
    Ok(Some((action, schema.creation_takes)))
}

/// Finds out what has to be undone on a resource: nothing, a replacement, or an update.
fn restore(world: &mut World, stack: &mut Stack, name: &str) -> Begun {
    let operation = stack.operation.as_mut()?;
    let earlier = operation.before.as_ref()?.resources.get(name)?.clone();
    let physical_id = |resource: &StackResource| resource.owned.as_ref().map(|owned| owned.physical_id.clone());
    let now = stack.resources.get(name)?;
    if physical_id(now) != physical_id(&earlier) {
        let keep = now.deletion_policy == Policy::Retain;
        operation.leftovers.extend(Leftover::of(name, now, keep));
        stack.resources.insert(name.to_owned(), earlier);
        events::resource_is(world, stack, name, ResourceStatus(Verb::Update, Stage::Complete), None);
        return None;
    }
    let reverted = operation.reverted.remove(name);
    if reverted.is_none() && now.properties == earlier.properties && now.status.1 != Stage::Failed {
        stack.resources.insert(name.to_owned(), earlier);
        return None;
    }
    let takes = resource::schema(&earlier.kind).map_or(Duration::ZERO, |schema| schema.creation_takes);
    events::resource_is(world, stack, name, ResourceStatus(Verb::Update, Stage::InProgress), None);
    let writes = reverted.map_or(Writes::Changes, Writes::Undo);
    Some((Action::Update { properties: earlier.properties, writes }, takes))
}

/// Starts a deletion, unless the resource stays behind.
fn give_up(world: &mut World, stack: &mut Stack, leftover: Leftover) -> Begun {
    if leftover.keep {
        effects::deletion_is(world, stack, &leftover, Stage::Skipped, None);
        effects::disown(stack, &leftover);
        return None;
    }
    effects::deletion_is(world, stack, &leftover, Stage::InProgress, None);
    Some((Action::Delete(leftover), DELETION_TAKES))
}

fn enter(world: &mut World, stack: &Stack, index: usize, takes: Duration) {
    let Some(operation) = &stack.operation else { return };
    let takes = if operation.express { takes.min(CONFIGURED_AFTER) } else { takes };
    let due = Due::StepDone { stack: stack.identity.id.clone(), pass: operation.number, step: index };
    world.agenda.work_after(takes, agenda::Due::CloudFormation(due));
}

fn set_action(stack: &mut Stack, index: usize, action: Action) {
    if let Some(step) = stack.operation.as_mut().and_then(|operation| operation.steps.get_mut(index)) {
        step.action = action;
    }
}

fn set_progress(stack: &mut Stack, index: usize, progress: Progress) {
    if let Some(step) = stack.operation.as_mut().and_then(|operation| operation.steps.get_mut(index)) {
        step.progress = progress;
    }
}
