//! The state machine of a stack operation: begins a pass, goes on with it, and says what follows its end.

use super::change_set::Execution;
use super::events;
use super::operation::{self, OnFailure, Pass, Progress};
use super::stack::Stack;
use super::status::{ResourceStatus, StackStatus, Stage, Verb};
use super::{stack_sets, steps};
use crate::World;

/// Begins a pass of the stack's operation, and does what can be done at once.
pub(super) fn begin(world: &mut World, stack: &mut Stack, pass: Pass, reason: Option<String>) {
    let number = world.cloudformation.next_number();
    if pass == Pass::RollingBackUpdate
        && let Some(before) = stack.operation.as_ref().and_then(|operation| operation.before.as_ref())
    {
        stack.blueprint = Some(before.blueprint.clone());
    }
    let steps = operation::steps(stack, pass);
    if pass == Pass::RollingBackImport {
        let before = stack.operation.as_ref().and_then(|operation| operation.before.as_ref());
        stack.blueprint = before.map(|before| before.blueprint.clone());
    }
    let Some(operation) = &mut stack.operation else { return };
    // A failed update takes back what it has replaced, and one that goes on after a failure still has it; the other passes
    // have made steps of what was left over.
    if pass != Pass::Updating && (operation.pass == Pass::Updating || pass != Pass::RollingBackUpdate) {
        operation.leftovers.clear();
    }
    (operation.pass, operation.number, operation.steps) = (pass, number, steps);
    events::stack_is(world, stack, pass.status(), reason);
    go_on(world, stack);
}

/// Starts every step that waits for nothing any more; ends the pass when nothing is left to wait for.
pub(super) fn go_on(world: &mut World, stack: &mut Stack) {
    while let Some(operation) = &stack.operation {
        if operation.pass.stops_at_failure() && operation.failures().is_some() {
            cancel(world, stack);
            return end(world, stack);
        }
        match operation.next_ready() {
            Some(step) => steps::start(world, stack, step),
            None if operation.is_running() => return,
            None => return end(world, stack),
        }
    }
}

/// Gives up the steps under way.
pub(super) fn cancel(world: &mut World, stack: &mut Stack) {
    let Some(operation) = &mut stack.operation else { return };
    let mut cancelled = Vec::new();
    for step in operation.steps.iter_mut().filter(|step| step.progress == Progress::Running) {
        step.progress = Progress::Failed;
        cancelled.push((step.logical_id.clone(), step.action.verb()));
    }
    for (logical_id, verb) in cancelled {
        let what = match verb {
            Verb::Create => "creation",
            Verb::Import => "import",
            Verb::Update => "update",
            Verb::Delete => "deletion",
        };
        let status = ResourceStatus(verb, Stage::Failed);
        events::resource_is(world, stack, &logical_id, status, Some(format!("Resource {what} cancelled")));
    }
}

/// What follows a pass.
fn end(world: &mut World, stack: &mut Stack) {
    let Some(operation) = &stack.operation else { return };
    let (pass, on_failure) = (operation.pass, operation.on_failure);
    let failures = operation.failures().or_else(|| show_outputs(stack, pass));
    match (pass, failures) {
        (Pass::Creating, None) => close(world, stack, StackStatus::CreateComplete, None),
        (Pass::Creating, Some(failures)) => match on_failure {
            OnFailure::Rollback => {
                let reason = format!("{failures}Rollback requested by user.");
                begin(world, stack, Pass::RollingBackCreation, Some(reason));
            }
            OnFailure::Delete => {
                let reason = format!("{failures}Delete requested by user.");
                begin(world, stack, Pass::Deleting, Some(reason));
            }
            OnFailure::Nothing => stop(world, stack, StackStatus::CreateFailed, failures),
        },
        (Pass::Updating, None) => begin(world, stack, Pass::CleaningUp, None),
        (Pass::Updating, Some(failures)) => match on_failure {
            OnFailure::Nothing => stop(world, stack, StackStatus::UpdateFailed, failures),
            OnFailure::Rollback | OnFailure::Delete => begin(world, stack, Pass::RollingBackUpdate, Some(failures)),
        },
        (Pass::Importing, None) => close(world, stack, StackStatus::ImportComplete, None),
        (Pass::Importing, Some(failures)) => begin(world, stack, Pass::RollingBackImport, Some(failures)),
        (Pass::RollingBackImport, _) => close(world, stack, StackStatus::ImportRollbackComplete, None),
        (Pass::RollingBackUpdate, None) => begin(world, stack, Pass::CleaningUpRollback, None),
        (Pass::RollingBackUpdate, Some(failures)) => stop(world, stack, StackStatus::UpdateRollbackFailed, failures),
        // What a clean-up cannot delete is left behind; the events tell.
        (Pass::CleaningUp, _) => close(world, stack, StackStatus::UpdateComplete, None),
        (Pass::CleaningUpRollback, _) => close(world, stack, StackStatus::UpdateRollbackComplete, None),
        (Pass::RollingBackCreation, None) => close(world, stack, StackStatus::RollbackComplete, None),
        (Pass::RollingBackCreation, Some(failures)) => stop(world, stack, StackStatus::RollbackFailed, failures),
        (Pass::Deleting, None) => close(world, stack, StackStatus::DeleteComplete, None),
        (Pass::Deleting, Some(failures)) => stop(world, stack, StackStatus::DeleteFailed, failures),
    }
}

/// Sets the outputs of what has been built; says what is wrong with them.
fn show_outputs(stack: &mut Stack, pass: Pass) -> Option<String> {
    let blueprint = stack.blueprint.as_ref().filter(|_| pass.stops_at_failure())?;
    match blueprint.outputs(&stack.referents()) {
        Ok(outputs) => {
            stack.outputs = outputs;
            None
        }
        Err(error) => Some(format!("{} ", error.message)),
    }
}

/// The operation is over.
fn close(world: &mut World, stack: &mut Stack, status: StackStatus, reason: Option<String>) {
    events::stack_is(world, stack, status, reason);
    stack.operation = None;
    stack.drift = None;
    stack.resources.values_mut().for_each(|resource| resource.drift = None);
    match status {
        StackStatus::DeleteComplete => {
            stack.deleted_at = Some(world.now());
            world.cloudformation.change_sets.retain(|_, change_set| change_set.stack != stack.identity.id);
        }
        // What was rolled back stays visible in the stack that is left of it.
        StackStatus::RollbackComplete => {}
        _ => {
            let blueprint = stack.blueprint.as_ref();
            stack
                .resources
                .retain(|name, _| blueprint.is_some_and(|blueprint| blueprint.dependencies.contains_key(name)));
        }
    }
    let execution = match status {
        StackStatus::CreateComplete | StackStatus::UpdateComplete | StackStatus::ImportComplete => Execution::Complete,
        _ => Execution::Failed,
    };
    settle_change_set(world, stack, execution);
    stack_sets::stack_ended(world, stack);
}

/// The operation has failed and waits for somebody to go on with it.
fn stop(world: &mut World, stack: &mut Stack, status: StackStatus, reason: String) {
    events::stack_is(world, stack, status, Some(reason));
    settle_change_set(world, stack, Execution::Failed);
    stack_sets::stack_ended(world, stack);
}

fn settle_change_set(world: &mut World, stack: &Stack, execution: Execution) {
    let change_set = stack.change_set.as_ref().and_then(|id| world.cloudformation.change_sets.get_mut(id));
    if let Some(change_set) = change_set.filter(|change_set| change_set.execution == Execution::InProgress) {
        change_set.execution = execution;
    }
}
