//! A change set: a blueprint, what it would change in its stack, and whether it can be executed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::blueprint::Blueprint;
use super::diff::{self, Change};
use super::drift::{self, Live};
use super::expression::Expression;
use super::intrinsics::Referent;
use super::operation::OnFailure;
use super::resource::{self, Created, Identifier};
use super::stack::Stack;
use super::template::{Policy, Resource};
use super::{State, effects, import, invalid};
use crate::call_log::Outcome;
use crate::request::Caller;
use crate::{ApiError, World};

/// What AWS says when there is nothing to do.
const NO_CHANGES: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";

/// A change set.
#[derive(Debug)]
pub(super) struct ChangeSet {
    pub(super) id: String,
    pub(super) name: String,
    /// The id of its stack.
    pub(super) stack: String,
    pub(super) description: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) caller: Caller,
    pub(super) blueprint: Blueprint,
    pub(super) on_failure: Option<OnFailure>,
    pub(super) kind: Kind,
    /// Whether drift is reverted.
    pub(super) reverts: bool,
    pub(super) deployment: Deployment,
    pub(super) status: Status,
    pub(super) reason: Option<String>,
    pub(super) execution: Execution,
    /// The token that it was created with.
    pub(super) token: Option<String>,
    /// The token that it was executed with.
    pub(super) execution_token: Option<String>,
    pub(super) changes: Vec<Change>,
    pub(super) imports: BTreeMap<String, Created>,
}

/// What a change set is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// To create or to update a stack.
    Change {
        /// Whether new resources that exist already under a name of their own join it.
        imports_existing: bool,
    },
    /// To have these resources join it, and nothing else.
    Import(BTreeMap<String, ToImport>),
}

/// A resource that exists and is to join a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToImport {
    pub(super) kind: String,
    /// The property that identifies it, and its value.
    pub(super) identifier: BTreeMap<String, String>,
}

/// How the change set is to be executed, as DeploymentConfig says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Deployment {
    /// EXPRESS: what is configured counts as complete.
    pub(super) express: bool,
    pub(super) disable_rollback: Option<bool>,
}

/// How far the making of a change set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Complete,
    Failed,
}

/// Whether it can be executed, or has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Execution {
    Unavailable,
    Available,
    InProgress,
    Complete,
    Failed,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InProgress => "CREATE_IN_PROGRESS",
            Self::Complete => "CREATE_COMPLETE",
            Self::Failed => "FAILED",
        }
    }
}

impl Execution {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "UNAVAILABLE",
            Self::Available => "AVAILABLE",
            Self::InProgress => "EXECUTE_IN_PROGRESS",
            Self::Complete => "EXECUTE_COMPLETE",
            Self::Failed => "EXECUTE_FAILED",
        }
    }
}

/// The time that making it takes has passed: says what it would change, or why it failed.
pub(super) fn ready(world: &mut World, stack: &Stack, id: &str) {
    // A change set can be deleted while it is being made.
    let Some(mut change_set) = world.cloudformation.change_sets.remove(id) else { return };
    match compare(world, stack, &change_set) {
        Ok((changes, imports)) => {
            (change_set.changes, change_set.imports) = (changes, imports);
            (change_set.status, change_set.execution) = (Status::Complete, Execution::Available);
        }
        Err(error) => (change_set.status, change_set.reason) = (Status::Failed, Some(error.message)),
    }
    world.cloudformation.change_sets.insert(id.to_owned(), change_set);
}

type Compared = (Vec<Change>, BTreeMap<String, Created>);

fn compare(world: &mut World, stack: &Stack, change_set: &ChangeSet) -> Result<Compared, ApiError> {
    let new = &change_set.blueprint;
    let resources = new.dependencies.keys().filter_map(|name| Some((name, new.resource(name)?)));
    let mut imports = BTreeMap::new();
    for (name, described) in resources {
        check_properties(name, described)?;
        let is_new = stack.resources.get(name).is_none_or(|resource| resource.owned.is_none());
        if is_new && let Some(found) = find(world, stack, change_set, name, described)? {
            imports.insert(name.clone(), found);
        }
    }
    let live = if change_set.reverts { live(world, stack, change_set)? } else { BTreeMap::new() };
    let changes = diff::changes(stack, new, &imports, &live)?;
    if let Kind::Import(wanted) = &change_set.kind {
        import::check(stack, new, wanted, &changes)?;
    }
    let tags_differ = stack.blueprint.as_ref().is_some_and(|old| old.tags != new.tags);
    let outputs_differ = || new.outputs(&stack.referents()).is_ok_and(|outputs| outputs != stack.outputs);
    if changes.is_empty() && !tags_differ && !outputs_differ() {
        return Err(invalid(NO_CHANGES));
    }
    Ok((changes, imports))
}

/// What there is of the resources of the stack. Of what the caller may not look at, the template before is told.
fn live(world: &mut World, stack: &Stack, change_set: &ChangeSet) -> Result<BTreeMap<String, Live>, ApiError> {
    let mut live = BTreeMap::new();
    for name in stack.resources.keys() {
        match drift::read(world, stack, &change_set.caller, name) {
            Err(error) if error.code.starts_with("AccessDenied") => drop(live.insert(name.clone(), Live::Unknown)),
            read => drop(live.insert(name.clone(), read?)),
        }
    }
    Ok(live)
}

/// Every property must be one that the sandbox knows, and those that the type requires must be there.
pub(super) fn check_properties(name: &str, described: &Resource) -> Result<(), ApiError> {
    let schema = resource::schema(&described.kind)?;
    let extraneous = described.properties.keys().find(|property| !schema.properties.contains(&property.as_str()));
    let missing = schema.required.iter().find(|property| !described.properties.contains_key(**property));
    let problem = match (extraneous, missing) {
        (Some(property), _) => format!("#: extraneous key [{property}] is not permitted"),
        (None, Some(property)) => format!("#: required key [{property}] not found"),
        (None, None) => return Ok(()),
    };
    Err(invalid(format!("Properties validation failed for resource {name} with message: {problem}")))
}

/// The existing resource that a new one of the template stands for: one that the change set names, or one with a name
/// of its own, written out.
fn find(
    world: &mut World,
    stack: &Stack,
    change_set: &ChangeSet,
    name: &str,
    described: &Resource,
) -> Result<Option<Created>, ApiError> {
    let identifier = match &change_set.kind {
        Kind::Import(wanted) => wanted.get(name).map(|wanted| &wanted.identifier),
        Kind::Change { imports_existing: false } => return Ok(None),
        Kind::Change { imports_existing: true } => None,
    };
    let by_name = match resource::schema(&described.kind)?.identifier {
        Identifier::Property(key) => described.properties.get(key),
        Identifier::ReadOnly(_) | Identifier::None => None,
    };
    if identifier.is_none() && !matches!(by_name, Some(Expression::Literal(_))) {
        return Ok(None);
    }
    let new = &change_set.blueprint;
    let mut referents: BTreeMap<_, _> = new.dependencies.keys().map(|name| (name.as_str(), Referent::Later)).collect();
    referents.extend(stack.referents());
    let mut properties = new.properties(described, &referents)?;
    effects::identify(&mut properties, identifier);
    let order = stack.order(&change_set.caller, name, &described.kind, &properties);
    let found = resource::find(world, &order);
    let outcome = found.as_ref().map_or_else(|error| Outcome::Refused(error.code.clone()), |_| Outcome::Done);
    world.note_call(&order.caller.arn, &format!("cloudformation:Describe {}", described.kind), outcome);
    let Some(found) = found? else { return Ok(None) };
    if described.deletion_policy == Policy::Delete {
        let what = "Resources to import must have a DeletionPolicy of Retain or RetainExceptOnCreate";
        return Err(invalid(format!("{what} specified in the template: [{name}]")));
    }
    if let Some(owner) = owner(&world.cloudformation, &described.kind, &found.physical_id) {
        let what = format!("Resource {} of {name} already exists in stack {owner}", found.physical_id);
        return Err(invalid(what));
    }
    Ok(Some(found))
}

/// The stack that a resource belongs to.
fn owner<'a>(state: &'a State, kind: &str, physical_id: &str) -> Option<&'a str> {
    let owns = |stack: &&Stack| {
        let mut resources = stack.resources.values().filter(|resource| resource.kind == kind);
        resources.any(|resource| resource.owned.as_ref().is_some_and(|owned| owned.physical_id == physical_id))
    };
    state.stacks.values().find(owns).map(|stack| stack.identity.id.as_str())
}
