//! CreateChangeSet, DescribeChangeSet, ExecuteChangeSet, DeleteChangeSet.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::blueprint::Blueprint;
use super::super::building::BY_USER;
use super::super::change_set::{ChangeSet, Deployment, Execution, Kind, Status};
use super::super::operation::{OnFailure, Operation, Pass};
use super::super::stack::Stack;
use super::super::status::StackStatus;
use super::super::{Due, State, building, events, import, invalid};
use super::drafts::DraftInput;
use super::{authorize, authorized, busy, descriptions, find, identity, nothing, pages, with_stack};
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Request;
use crate::{ApiError, World, agenda};

/// How long AWS takes to make a change set, as measured.
const CREATION_TAKES: Duration = Duration::from_secs(6);

/// The parameters of CreateChangeSet, apart from those of the blueprint.
struct Wanted {
    stack: String,
    name: String,
    is_creation: bool,
    kind: Kind,
    description: Option<String>,
    token: Option<String>,
    on_failure: Option<OnFailure>,
    reverts: bool,
    deployment: Deployment,
}

pub(super) fn create(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let draft = DraftInput::take(&mut input)?;
    let wanted = Wanted::take(&mut input)?;
    input.finish()?;
    let existing = find(&world.cloudformation, request, &wanted.stack).map(|stack| stack.identity.clone());
    let (is_new, identity) = match existing {
        Some(identity) => (false, identity),
        None => {
            let unique = world.random_uuid();
            (true, identity(request, &wanted.stack, &unique))
        }
    };
    authorize(world, request, &identity.id)?;
    if is_new && !wanted.is_creation && !wanted.is_import() {
        return Err(invalid(format!("Stack [{}] does not exist", wanted.stack)));
    }
    let before = world.cloudformation.stacks.get(&identity.id);
    if let Some(stack) = before {
        wanted.check(stack)?;
        if let Some(answer) = repeated(&world.cloudformation, stack, &wanted)? {
            return Ok(answer);
        }
    }
    let before = before.and_then(|stack| stack.blueprint.clone());
    let draft = draft.read(world, request, before.as_ref())?;
    let blueprint = Blueprint::draw(&identity, draft, before.as_ref())?;
    if is_new {
        let mut stack = Stack::new(identity.clone(), world.now());
        events::stack_is(world, &mut stack, StackStatus::ReviewInProgress, Some(BY_USER.to_owned()));
        world.cloudformation.stacks.insert(identity.id.clone(), stack);
    }
    let change_set = wanted.enter(world, request, &identity.id, blueprint);
    Ok(Xml::new().text("Id", change_set).text("StackId", identity.id))
}

impl Wanted {
    fn take(input: &mut QueryInput) -> Result<Self, ApiError> {
        let imports_existing = input.flag("ImportExistingResources")?.unwrap_or_default();
        let to_import = import::take(input)?;
        let (is_creation, kind) = match (input.text("ChangeSetType").as_deref(), to_import.is_empty()) {
            (Some("CREATE"), true) => (true, Kind::Change { imports_existing }),
            (None | Some("UPDATE"), true) => (false, Kind::Change { imports_existing }),
            (Some("IMPORT"), false) if !imports_existing => (false, Kind::Import(to_import)),
            (None | Some("CREATE" | "UPDATE" | "IMPORT"), _) => {
                return Err(invalid("ResourcesToImport belongs to change sets of type IMPORT, and to these only"));
            }
            (Some(other), _) => return Err(ApiError::unknown("change set type", other)),
        };
        let wanted = Self {
            stack: input.required("StackName")?,
            name: input.required("ChangeSetName")?,
            is_creation,
            kind,
            description: input.text("Description"),
            token: input.text("ClientToken"),
            on_failure: match input.text("OnStackFailure").as_deref() {
                None => None,
                Some("ROLLBACK") => Some(OnFailure::Rollback),
                Some("DELETE") => Some(OnFailure::Delete),
                Some("DO_NOTHING") => Some(OnFailure::Nothing),
                Some(other) => return Err(ApiError::unknown("value of OnStackFailure", other)),
            },
            reverts: match input.text("DeploymentMode").as_deref() {
                None => false,
                Some("REVERT_DRIFT") => true,
                Some(other) => return Err(ApiError::unknown("deployment mode", other)),
            },
            deployment: deployment(input)?,
        };
        if input.flag("IncludeNestedStacks")? == Some(true) {
            return Err(ApiError::unknown("parameter", "IncludeNestedStacks"));
        }
        if wanted.on_failure.is_some() && wanted.is_import() {
            return Err(invalid("OnStackFailure is not valid for change sets of type IMPORT"));
        }
        if wanted.on_failure == Some(OnFailure::Delete) && !wanted.is_creation {
            return Err(invalid("OnStackFailure DELETE is only valid for change sets of type CREATE"));
        }
        // AWS documents neither of the two; whoever needs one of them should not rely on it.
        if wanted.on_failure.is_some() && wanted.deployment.disable_rollback.is_some() {
            return Err(invalid("OnStackFailure must not be specified together with DisableRollback"));
        }
        if wanted.reverts && wanted.is_creation {
            return Err(invalid("DeploymentMode REVERT_DRIFT is only valid for change sets of type UPDATE"));
        }
        if !wanted.stack.starts_with("arn:") {
            check_name("stackName", &wanted.stack)?;
        }
        check_name("changeSetName", &wanted.name)?;
        Ok(wanted)
    }

    fn is_import(&self) -> bool {
        matches!(self.kind, Kind::Import(_))
    }

    /// Whether the stack is in a state for it.
    fn check(&self, stack: &Stack) -> Result<(), ApiError> {
        match (self.is_creation, stack.status) {
            (true, StackStatus::ReviewInProgress) => Ok(()),
            (false, StackStatus::ReviewInProgress) if self.is_import() => Ok(()),
            (true, _) => {
                let (id, name) = (&stack.identity.id, &self.name);
                let what =
                    format!("Stack [{id}] already exists and cannot be created again with the changeSet [{name}].");
                Err(ApiError::new("AlreadyExistsException", what))
            }
            (false, status) if status.can_be_updated() || status.can_be_gone_on_with() => Ok(()),
            (false, _) => Err(busy(stack)),
        }
    }

    /// Puts the change set into the world, where it is made while time passes.
    fn enter(self, world: &mut World, request: &Request, stack: &str, blueprint: Blueprint) -> String {
        let unique = world.random_uuid();
        let (region, account) = (&request.region, &request.caller.account);
        let partition = request.caller.partition();
        let id = format!("arn:{partition}:cloudformation:{region}:{account}:changeSet/{}/{unique}", self.name);
        let change_set = ChangeSet {
            id: id.clone(),
            name: self.name,
            stack: stack.to_owned(),
            description: self.description,
            created_at: world.now(),
            caller: request.caller.clone(),
            blueprint,
            on_failure: self.on_failure,
            kind: self.kind,
            reverts: self.reverts,
            deployment: self.deployment,
            status: Status::InProgress,
            reason: None,
            execution: Execution::Unavailable,
            token: self.token,
            execution_token: None,
            changes: Vec::new(),
            imports: BTreeMap::new(),
        };
        world.cloudformation.change_sets.insert(id.clone(), change_set);
        let due = Due::ChangeSetReady { stack: stack.to_owned(), change_set: id.clone() };
        world.agenda.work_after(CREATION_TAKES, agenda::Due::CloudFormation(due));
        id
    }
}

fn deployment(input: &mut QueryInput) -> Result<Deployment, ApiError> {
    let express = match input.text("DeploymentConfig.Mode").as_deref() {
        None | Some("STANDARD") => false,
        Some("EXPRESS") => true,
        Some(other) => return Err(ApiError::unknown("deployment mode", other)),
    };
    Ok(Deployment { express, disable_rollback: input.flag("DeploymentConfig.DisableRollback")? })
}

/// The answer to a request that has been sent before: the same token, the same answer.
fn repeated(state: &State, stack: &Stack, wanted: &Wanted) -> Result<Option<Xml>, ApiError> {
    let Some(twin) = locate(state, stack, &wanted.name) else { return Ok(None) };
    if twin.token.is_some() && twin.token == wanted.token {
        return Ok(Some(Xml::new().text("Id", &twin.id).text("StackId", &twin.stack)));
    }
    let what = format!("ChangeSet {} cannot be created: one with this name exists", wanted.name);
    Err(ApiError::new("AlreadyExistsException", what))
}

pub(super) fn describe(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, stack) = names(&mut input)?;
    let token = input.text("NextToken");
    let with_values = input.flag("IncludePropertyValues")?.unwrap_or_default();
    input.finish()?;
    let id = authorized_change_set(world, request, &name, stack.as_deref())?.ok_or_else(|| absent(&name))?;
    let state = &world.cloudformation;
    let change_set = state.change_sets.get(&id).ok_or_else(|| absent(&name))?;
    let stack = state.stacks.get(&change_set.stack).ok_or_else(|| absent(&name))?;
    let (changes, next) = pages::page(&change_set.changes, token.as_deref())?;
    Ok(descriptions::change_set(change_set, stack, changes, with_values).optional("NextToken", next))
}

pub(super) fn execute(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, stack) = names(&mut input)?;
    let token = input.text("ClientRequestToken");
    let keeps_failure = input.flag("DisableRollback")?;
    input.finish()?;
    let id = authorized_change_set(world, request, &name, stack.as_deref())?.ok_or_else(|| absent(&name))?;
    let change_set = world.cloudformation.change_sets.get(&id).ok_or_else(|| absent(&name))?;
    if token.is_some() && change_set.execution_token == token {
        return nothing();
    }
    if let Some(status) = obstacle(change_set) {
        let what = format!("ChangeSet [{}] cannot be executed in its current {status}", change_set.id);
        return Err(ApiError::new("InvalidChangeSetStatus", what));
    }
    if keeps_failure.is_some() && change_set.on_failure.is_some() {
        return Err(invalid("DisableRollback must not be specified for a change set that has OnStackFailure"));
    }
    let stack = change_set.stack.clone();
    let on_failure = on_failure(change_set, keeps_failure);
    let (reverts, express) = (change_set.reverts, change_set.deployment.express);
    let mut operation = Operation::new(request.caller.clone(), token.clone(), Pass::Updating);
    (operation.on_failure, operation.reverts, operation.express) = (on_failure, reverts, express);
    let identifier = |name: &String| match &change_set.kind {
        Kind::Import(wanted) => wanted.get(name).map(|wanted| wanted.identifier.clone()).unwrap_or_default(),
        Kind::Change { .. } => BTreeMap::new(),
    };
    operation.imports = change_set.imports.keys().map(|name| (name.clone(), identifier(name))).collect();
    if matches!(change_set.kind, Kind::Import(_)) {
        operation.pass = Pass::Importing;
    }
    let blueprint = change_set.blueprint.clone();
    let status = world.cloudformation.stacks.get(&stack).map(|stack| stack.status);
    let goes_on = status.is_some_and(StackStatus::can_be_gone_on_with);
    if goes_on && on_failure != OnFailure::Nothing {
        let status = status.map_or("UNKNOWN", StackStatus::name);
        return Err(invalid(format!(
            "This stack is currently in a non-terminal [{status}] state. To update the stack from this state, please use the disable-rollback parameter. To rollback to the last known good state, use the rollback-stack API"
        )));
    }
    if !goes_on && !status.is_some_and(|status| status == StackStatus::ReviewInProgress || status.can_be_updated()) {
        return Err(world.cloudformation.stacks.get(&stack).map_or_else(|| absent(&name), busy));
    }
    // The others were compared with a stack that is about to be another one.
    world.cloudformation.change_sets.retain(|other, change_set| *other == id || change_set.stack != stack);
    if let Some(change_set) = world.cloudformation.change_sets.get_mut(&id) {
        (change_set.execution, change_set.execution_token) = (Execution::InProgress, token);
    }
    with_stack(world, &stack, |world, stack| {
        (stack.express, stack.change_set) = (express, Some(id));
        building::begin(world, stack, blueprint, operation)
    })?;
    nothing()
}

/// What follows a failure. Express mode takes nothing back unless it is told to.
fn on_failure(change_set: &ChangeSet, keeps_failure: Option<bool>) -> OnFailure {
    let Deployment { express, disable_rollback } = change_set.deployment;
    let keeps = keeps_failure.or(disable_rollback).unwrap_or(express);
    change_set.on_failure.unwrap_or(if keeps { OnFailure::Nothing } else { OnFailure::Rollback })
}

/// Why a change set cannot be executed, if so.
fn obstacle(change_set: &ChangeSet) -> Option<String> {
    match (change_set.status, change_set.execution) {
        (Status::Complete, Execution::Available) => None,
        (Status::Complete, execution) => Some(format!("execution status of [{}]", execution.name())),
        (status, _) => Some(format!("status of [{}]", status.name())),
    }
}

pub(super) fn delete(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, stack) = names(&mut input)?;
    input.finish()?;
    // One that does not exist counts as deleted.
    let Some(id) = authorized_change_set(world, request, &name, stack.as_deref())? else { return nothing() };
    let change_set = world.cloudformation.change_sets.get(&id);
    if change_set.is_some_and(|change_set| change_set.execution == Execution::InProgress) {
        let what = format!("ChangeSet [{id}] cannot be deleted while it is executed");
        return Err(ApiError::new("InvalidChangeSetStatus", what));
    }
    world.cloudformation.change_sets.remove(&id);
    nothing()
}

fn names(input: &mut QueryInput) -> Result<(String, Option<String>), ApiError> {
    let (name, stack) = (input.required("ChangeSetName")?, input.text("StackName"));
    if stack.is_none() && !name.starts_with("arn:") {
        return Err(invalid("StackName must be specified if ChangeSetName is not specified as an ARN."));
    }
    Ok((name, stack))
}

/// What a change set of a stack would deploy.
pub(super) fn blueprint(world: &mut World, request: &Request, name: &str, stack: &str) -> Result<Blueprint, ApiError> {
    let id = authorized_change_set(world, request, name, Some(stack))?;
    let change_set = id.and_then(|id| world.cloudformation.change_sets.get(&id));
    Ok(change_set.ok_or_else(|| absent(name))?.blueprint.clone())
}

/// Checks the permission on a change set's stack, and finds the change set's id.
fn authorized_change_set(
    world: &mut World,
    request: &Request,
    name: &str,
    stack: Option<&str>,
) -> Result<Option<String>, ApiError> {
    let of_change_set = world.cloudformation.change_sets.get(name).map(|change_set| change_set.stack.clone());
    let wanted = stack.map(str::to_owned).or(of_change_set).unwrap_or_else(|| "*".to_owned());
    let id = authorized(world, request, &wanted)?;
    let state = &world.cloudformation;
    match id.as_ref().and_then(|id| state.stacks.get(id)) {
        Some(stack) => Ok(locate(state, stack, name).map(|change_set| change_set.id.clone())),
        None if stack.is_some() => Err(invalid(format!("Stack [{wanted}] does not exist"))),
        None => Ok(None),
    }
}

fn locate<'a>(state: &'a State, stack: &Stack, name: &str) -> Option<&'a ChangeSet> {
    let of_stack = state.change_sets.values().filter(|change_set| change_set.stack == stack.identity.id);
    of_stack.into_iter().find(|change_set| change_set.id == name || change_set.name == name)
}

fn absent(name: &str) -> ApiError {
    ApiError::new("ChangeSetNotFound", format!("ChangeSet [{name}] does not exist")).with_status(404)
}

/// A letter, then letters, digits and hyphens, 128 in all.
fn check_name(parameter: &str, name: &str) -> Result<(), ApiError> {
    let legal = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        && name.len() <= 128;
    if legal {
        return Ok(());
    }
    let what = format!("Value '{name}' at '{parameter}' failed to satisfy constraint");
    Err(invalid(format!(
        "1 validation error detected: {what}: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
    )))
}
