//! How operations go on: what has ended is taken down, what there is room for is begun, and what is over is closed.

use super::deployment::{self, Begun, Ended};
use super::operation::{Action, Change, Operation, Progress, Status};
use super::set::{Detailed, Instance, InstanceStatus, Permissions, Place, StackSet};
use super::{notice, with_set};
use crate::World;

/// Why the rest of an operation is not done any more, in AWS's words.
const BEYOND_TOLERANCE: &str = "Cancelled since failure tolerance has exceeded";
const STOPPED: &str = "Cancelled since the operation was stopped";

/// Enters an operation: it begins, or waits for the earlier ones that are in its way.
pub(super) fn enter(world: &mut World, set: &mut StackSet, mut operation: Operation) {
    let waits = set.unfinished().any(|earlier| earlier.conflicts_with(&operation));
    if waits {
        operation.status = Status::Queued;
    } else {
        start(set, &mut operation);
    }
    set.operations.push(operation);
    notice(world, &set.id);
}

/// Goes on with every operation of a set that can.
pub(in super::super) fn go_on(world: &mut World, id: &str) {
    with_set(world, id, |world, set| {
        for index in 0..set.operations.len() {
            let mut operation = set.operations.remove(index);
            let earlier = set.operations.get(..index).unwrap_or_default();
            let waits = earlier.iter().any(|it| !it.status.is_final() && it.conflicts_with(&operation));
            if operation.status == Status::Queued && !waits {
                start(set, &mut operation);
            }
            if matches!(operation.status, Status::Running | Status::Stopping) {
                advance(world, set, &mut operation);
            }
            set.operations.insert(index, operation);
        }
    });
}

/// Begins nothing more of an operation.
pub(super) fn stop(world: &World, set: &mut StackSet, id: &str) {
    let Some(operation) = set.operations.iter_mut().find(|operation| operation.id == id) else { return };
    match operation.status {
        Status::Queued => {
            (operation.status, operation.ended) = (Status::Stopped, Some(world.now()));
            for work in operation.work.values_mut() {
                (work.progress, work.reason) = (Progress::Cancelled, Some(STOPPED.to_owned()));
            }
        }
        Status::Running => operation.status = Status::Stopping,
        Status::Stopping | Status::Stopped | Status::Succeeded | Status::Failed => {}
    }
}

/// The set, and the instances that the operation is about, become what it wants of them.
fn start(set: &mut StackSet, operation: &mut Operation) {
    operation.status = Status::Running;
    match &operation.action {
        Action::Create { overrides } => {
            for (place, work) in &operation.work {
                let planned = || Instance::planned(work.unit.clone(), &operation.id);
                let instance = set.instances.entry(place.clone()).or_insert_with(planned);
                instance.unit.clone_from(&work.unit);
                instance.overrides.clone_from(overrides);
            }
        }
        Action::Update { overrides, change } => {
            change.iter().for_each(|change| apply(set, change));
            let outdates_all = change.as_ref().is_some_and(|change| change.outdates_all);
            for (place, instance) in &mut set.instances {
                let is_meant = operation.work.contains_key(place);
                if (outdates_all || is_meant) && instance.status != InstanceStatus::Inoperable {
                    instance.status = InstanceStatus::Outdated;
                }
                if let Some(overrides) = overrides.as_ref().filter(|_| is_meant) {
                    instance.overrides.clone_from(overrides);
                }
            }
        }
        Action::Delete { .. } => {}
    }
    // An operation that it waited for may have deleted some.
    operation.work.retain(|place, _| set.instances.contains_key(place));
    for place in operation.work.keys() {
        if let Some(instance) = set.instances.get_mut(place) {
            (instance.detailed, instance.reason) = (Detailed::Pending, None);
            instance.last_operation.clone_from(&operation.id);
        }
    }
}

fn apply(set: &mut StackSet, change: &Change) {
    set.recipe.clone_from(&change.recipe);
    set.description.clone_from(&change.description);
    set.managed_execution = change.managed_execution.unwrap_or(set.managed_execution);
    match &mut set.permissions {
        Permissions::ServiceManaged { auto_deployment, .. } => {
            *auto_deployment = change.auto_deployment.unwrap_or(*auto_deployment);
        }
        Permissions::SelfManaged { administration_role, execution_role } => {
            if let Some(role) = &change.administration_role {
                administration_role.clone_from(role);
            }
            if let Some(role) = &change.execution_role {
                execution_role.clone_from(role);
            }
        }
    }
}

fn advance(world: &mut World, set: &mut StackSet, operation: &mut Operation) {
    let running = operation.work.iter().filter(|(_, work)| work.progress == Progress::Running);
    for place in running.map(|(place, _)| place.clone()).collect::<Vec<_>>() {
        match deployment::ended(world, set, &place, &operation.action) {
            None => {}
            Some(Ended::Succeeded) => settle(set, operation, &place, Ok(None)),
            Some(Ended::Failed(reason)) => settle(set, operation, &place, Err(reason)),
            Some(Ended::Cleared) => {
                if let Some(instance) = set.instances.get_mut(&place) {
                    instance.stack = None;
                }
                begin(world, set, operation, &place);
            }
        }
    }
    while let Some(place) = operation.next() {
        begin(world, set, operation, &place);
    }
    let reason = match operation.status {
        Status::Stopping => Some(STOPPED),
        _ if operation.is_beyond_tolerance() => Some(BEYOND_TOLERANCE),
        _ => None,
    };
    if let Some(reason) = reason {
        cancel_the_rest(set, operation, reason);
    }
    let is_open = |progress: Progress| matches!(progress, Progress::Pending | Progress::Running);
    if !operation.work.values().any(|work| is_open(work.progress)) {
        operation.ended = Some(world.now());
        operation.status = match operation.status {
            Status::Stopping => Status::Stopped,
            _ if operation.is_beyond_tolerance() => Status::Failed,
            _ => Status::Succeeded,
        };
    }
}

fn begin(world: &mut World, set: &mut StackSet, operation: &mut Operation, place: &Place) {
    match deployment::begin(world, set, place, &operation.action) {
        Ok(Begun::Running) => {
            note(set, operation, place, Progress::Running, None);
            if let Some(instance) = set.instances.get_mut(place) {
                instance.detailed = Detailed::Running;
            }
        }
        Ok(Begun::Done(reason)) => settle(set, operation, place, Ok(reason)),
        Ok(Begun::Skipped) => {
            let reason = format!("Skipped: account {} is suspended", place.account);
            note(set, operation, place, Progress::Cancelled, Some(reason));
            if let Some(instance) = set.instances.get_mut(place) {
                instance.detailed = Detailed::SkippedSuspendedAccount;
            }
        }
        Err(reason) => settle(set, operation, place, Err(reason)),
    }
}

/// The work in a place is over.
fn settle(set: &mut StackSet, operation: &mut Operation, place: &Place, result: Result<Option<&str>, String>) {
    let deletes = matches!(operation.action, Action::Delete { .. });
    let (progress, reason) = match result {
        Ok(reason) => (Progress::Succeeded, reason.map(str::to_owned)),
        Err(reason) => (Progress::Failed, Some(reason)),
    };
    note(set, operation, place, progress, reason);
    if deletes && progress == Progress::Succeeded {
        set.instances.remove(place);
    } else if let Some(instance) = set.instances.get_mut(place) {
        (instance.status, instance.detailed) = match progress {
            Progress::Succeeded => (InstanceStatus::Current, Detailed::Succeeded),
            _ if deletes || instance.status == InstanceStatus::Inoperable => {
                (InstanceStatus::Inoperable, Detailed::Inoperable)
            }
            _ => (InstanceStatus::Outdated, Detailed::Failed),
        };
    }
}

fn cancel_the_rest(set: &mut StackSet, operation: &mut Operation, reason: &str) {
    let pending = operation.work.iter().filter(|(_, work)| work.progress == Progress::Pending);
    for place in pending.map(|(place, _)| place.clone()).collect::<Vec<_>>() {
        note(set, operation, &place, Progress::Cancelled, Some(reason.to_owned()));
        if let Some(instance) = set.instances.get_mut(&place) {
            instance.detailed = Detailed::Cancelled;
        }
    }
}

fn note(set: &mut StackSet, operation: &mut Operation, place: &Place, progress: Progress, reason: Option<String>) {
    if let Some(work) = operation.work.get_mut(place) {
        (work.progress, work.reason) = (progress, reason.clone());
    }
    if let Some(instance) = set.instances.get_mut(place) {
        instance.reason = reason;
    }
}
