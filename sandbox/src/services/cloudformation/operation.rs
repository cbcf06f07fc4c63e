//! A stack operation as data: the pass it is in, and what is to be done with which resource.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::blueprint::Blueprint;
use super::graph::{self, Dependencies};
use super::stack::{Stack, StackResource};
use super::status::{StackStatus, Verb};
use super::template::Policy;
use crate::request::Caller;

/// What is being done with a stack.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) caller: Caller,
    /// The ClientRequestToken, for the events.
    pub(super) token: Option<String>,
    pub(super) on_failure: OnFailure,
    pub(super) pass: Pass,
    /// Tells the work of this pass from that of an earlier one, which may still be on the agenda.
    pub(super) number: u64,
    pub(super) steps: Vec<Step>,
    /// Resources that exist already and become the stack's, with what identifies them beside their properties.
    pub(super) imports: BTreeMap<String, BTreeMap<String, String>>,
    /// What an update that fails returns to.
    pub(super) before: Option<Before>,
    /// What replacements have left over, for the next clean-up.
    pub(super) leftovers: Vec<Leftover>,
    /// Resources that the caller wants kept.
    pub(super) retained: BTreeSet<String>,
    /// Whether a resource that cannot be deleted is simply left.
    pub(super) forced: bool,
    /// Whether what is there is brought to the template, and not only what the template before said.
    pub(super) reverts: bool,
    /// Whether a resource counts as complete as soon as it is configured.
    pub(super) express: bool,
    /// What resources were before this operation reverted them, for a rollback.
    pub(super) reverted: BTreeMap<String, Value>,
}

/// What follows a failure to create or update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnFailure {
    Rollback,
    Delete,
    Nothing,
}

/// A stack as it was.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) blueprint: Blueprint,
    pub(super) resources: BTreeMap<String, StackResource>,
}

/// The passes that operations consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Creating,
    RollingBackCreation,
    Updating,
    Importing,
    RollingBackImport,
    CleaningUp,
    RollingBackUpdate,
    CleaningUpRollback,
    Deleting,
}

/// One resource's part in a pass.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) logical_id: String,
    pub(super) action: Action,
    /// The resources whose steps must be done first.
    pub(super) waits_for: BTreeSet<String>,
    pub(super) progress: Progress,
}

/// What a step does.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Create,
    Import,
    /// Brings a resource in line with the blueprint. When the step starts it turns out to be nothing, an update or a
    /// replacement.
    Converge,
    Update {
        properties: Value,
        writes: Writes,
    },
    Replace {
        properties: Value,
    },
    /// Brings a resource back to what it was; turns out to be nothing or an update.
    Restore,
    Delete(Leftover),
}

/// What an update writes.
#[derive(Debug, Clone)]
pub(super) enum Writes {
    /// What differs from the template before.
    Changes,
    /// What differs from these properties, which the resource has.
    Reversion(Value),
    /// These properties, which the resource had before it was reverted.
    Undo(Value),
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Waiting,
    Running,
    Done,
    Failed,
}

/// Something that exists and that the stack gives up.
#[derive(Debug, Clone)]
pub(super) struct Leftover {
    pub(super) logical_id: String,
    pub(super) kind: String,
    pub(super) physical_id: String,
    pub(super) properties: Value,
    pub(super) depends_on: BTreeSet<String>,
    /// Whether it stays behind.
    pub(super) keep: bool,
}

impl Operation {
    pub(super) fn new(caller: Caller, token: Option<String>, pass: Pass) -> Self {
        Self {
            caller,
            token,
            on_failure: OnFailure::Rollback,
            pass,
            number: 0,
            steps: Vec::new(),
            imports: BTreeMap::new(),
            before: None,
            leftovers: Vec::new(),
            retained: BTreeSet::new(),
            forced: false,
            reverts: false,
            express: false,
            reverted: BTreeMap::new(),
        }
    }

    /// The next step that waits for nothing any more.
    pub(super) fn next_ready(&self) -> Option<usize> {
        let unfinished: BTreeSet<&str> = self
            .steps
            .iter()
            .filter(|step| step.progress != Progress::Done)
            .map(|step| step.logical_id.as_str())
            .collect();
        let is_ready = |step: &Step| {
            step.progress == Progress::Waiting && !step.waits_for.iter().any(|name| unfinished.contains(name.as_str()))
        };
        self.steps.iter().position(is_ready)
    }

    pub(super) fn is_running(&self) -> bool {
        self.steps.iter().any(|step| step.progress == Progress::Running)
    }

    /// Which resources have failed, in AWS's words; `None` when none has.
    pub(super) fn failures(&self) -> Option<String> {
        let mut text = String::new();
        for (verb, what) in
            [(Verb::Create, "create"), (Verb::Import, "import"), (Verb::Update, "update"), (Verb::Delete, "delete")]
        {
            let failed =
                self.steps.iter().filter(|step| step.progress == Progress::Failed && step.action.verb() == verb);
            let names: Vec<_> = failed.map(|step| step.logical_id.as_str()).collect();
            if !names.is_empty() {
                text.push_str(&format!("The following resource(s) failed to {what}: [{}]. ", names.join(", ")));
            }
        }
        Some(text).filter(|text| !text.is_empty())
    }
}

impl Pass {
    /// The stack's status during the pass.
    pub(super) fn status(self) -> StackStatus {
        match self {
            Self::Creating => StackStatus::CreateInProgress,
            Self::RollingBackCreation => StackStatus::RollbackInProgress,
            Self::Updating => StackStatus::UpdateInProgress,
            Self::Importing => StackStatus::ImportInProgress,
            Self::RollingBackImport => StackStatus::ImportRollbackInProgress,
            Self::CleaningUp => StackStatus::UpdateCompleteCleanupInProgress,
            Self::RollingBackUpdate => StackStatus::UpdateRollbackInProgress,
            Self::CleaningUpRollback => StackStatus::UpdateRollbackCompleteCleanupInProgress,
            Self::Deleting => StackStatus::DeleteInProgress,
        }
    }

    /// Whether the first failure ends the pass. Otherwise all is done that can be done.
    pub(super) fn stops_at_failure(self) -> bool {
        matches!(self, Self::Creating | Self::Updating | Self::Importing)
    }
}

impl Action {
    /// The verb in a resource's status.
    pub(super) fn verb(&self) -> Verb {
        match self {
            Self::Create => Verb::Create,
            Self::Import => Verb::Import,
            Self::Converge | Self::Update { .. } | Self::Replace { .. } | Self::Restore => Verb::Update,
            Self::Delete(_) => Verb::Delete,
        }
    }
}

/// What a pass has to do.
pub(super) fn steps(stack: &Stack, pass: Pass) -> Vec<Step> {
    let (Some(operation), Some(blueprint)) = (&stack.operation, &stack.blueprint) else { return Vec::new() };
    match pass {
        Pass::Creating | Pass::Updating => {
            let action = |name: &String| {
                let exists = stack.resources.get(name).is_some_and(|resource| resource.owned.is_some());
                match exists {
                    true => Action::Converge,
                    false if operation.imports.contains_key(name) => Action::Import,
                    false => Action::Create,
                }
            };
            let steps = blueprint.dependencies.iter();
            steps.map(|(name, waits_for)| Step::new(name, action(name), waits_for.clone())).collect()
        }
        Pass::Importing => {
            let steps = operation.imports.keys();
            steps.map(|name| Step::new(name, Action::Import, BTreeSet::new())).collect()
        }
        Pass::RollingBackImport => {
            let imported = operation.imports.keys().filter_map(|name| stack.resources.get_key_value(name));
            deletions(imported.filter_map(|(name, resource)| Leftover::of(name, resource, true)).collect())
        }
        Pass::RollingBackUpdate => {
            let steps = blueprint.dependencies.iter();
            steps.map(|(name, waits_for)| Step::new(name, Action::Restore, waits_for.clone())).collect()
        }
        Pass::CleaningUp | Pass::CleaningUpRollback => {
            let given_up = stack.resources.iter().filter(|(name, _)| !blueprint.dependencies.contains_key(*name));
            let left = given_up
                .filter_map(|(name, resource)| Leftover::of(name, resource, keeps(operation, pass, name, resource)));
            deletions(operation.leftovers.iter().cloned().chain(left).collect())
        }
        Pass::RollingBackCreation | Pass::Deleting => {
            let left = stack
                .resources
                .iter()
                .filter_map(|(name, resource)| Leftover::of(name, resource, keeps(operation, pass, name, resource)));
            deletions(operation.leftovers.iter().cloned().chain(left).collect())
        }
    }
}

/// Whether a resource that the stack gives up stays behind.
fn keeps(operation: &Operation, pass: Pass, logical_id: &str, resource: &StackResource) -> bool {
    // Whether the operation that is being undone is the one that created the resource.
    let is_undone = match pass {
        Pass::RollingBackCreation | Pass::CleaningUpRollback => true,
        Pass::Deleting => operation.on_failure == OnFailure::Delete,
        _ => false,
    };
    let by_policy = match resource.deletion_policy {
        Policy::Delete => false,
        Policy::Retain => true,
        Policy::RetainExceptOnCreate => !is_undone,
    };
    // What was there before the stack outlives an import that is undone.
    by_policy || operation.retained.contains(logical_id) || operation.imports.contains_key(logical_id)
}

impl Step {
    fn new(logical_id: &str, action: Action, waits_for: BTreeSet<String>) -> Self {
        Self { logical_id: logical_id.to_owned(), action, waits_for, progress: Progress::Waiting }
    }
}

impl Leftover {
    /// `None` when there is nothing of the resource.
    pub(super) fn of(logical_id: &str, resource: &StackResource, keep: bool) -> Option<Self> {
        Some(Self {
            logical_id: logical_id.to_owned(),
            kind: resource.kind.clone(),
            physical_id: resource.owned.as_ref()?.physical_id.clone(),
            properties: resource.properties.clone(),
            depends_on: resource.depends_on.clone(),
            keep,
        })
    }
}

/// Deletions wait for those of the resources that depend on theirs.
fn deletions(leftovers: Vec<Leftover>) -> Vec<Step> {
    let forwards: Dependencies =
        leftovers.iter().map(|leftover| (leftover.logical_id.clone(), leftover.depends_on.clone())).collect();
    let backwards = graph::reversed(&forwards);
    let step = |leftover: Leftover| {
        let waits_for = backwards.get(&leftover.logical_id).cloned().unwrap_or_default();
        Step::new(&leftover.logical_id.clone(), Action::Delete(leftover), waits_for)
    };
    leftovers.into_iter().map(step).collect()
}
