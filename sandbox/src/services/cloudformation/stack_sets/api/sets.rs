//! CreateStackSet, UpdateStackSet, DeleteStackSet, DescribeStackSet and ListStackSets.

use std::collections::BTreeMap;

use super::super::super::api::drafts::DraftInput;
use super::super::super::blueprint::{Blueprint, Identity};
use super::super::super::invalid;
use super::super::access::{self, CallAs};
use super::super::operation::{Action, Change};
use super::super::set::{AutoDeployment, Permissions, Recipe, StackSet};
use super::super::{preferences::Preferences, targets::Targets};
use super::instances::{self, Wanted};
use super::{Page, alive, arn, authorize, authorized, descriptions, find, visible};
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Request;
use crate::{ApiError, World};

/// The roles of self-managed permissions, unless somebody names others.
const ADMINISTRATION_ROLE: &str = "AWSCloudFormationStackSetAdministrationRole";
const EXECUTION_ROLE: &str = "AWSCloudFormationStackSetExecutionRole";

/// The longest description.
const LONGEST_DESCRIPTION: usize = 1024;

/// What a request says of a set, apart from what its stacks are built from.
struct Settings {
    description: Option<String>,
    service_managed: Option<bool>,
    auto_deployment: Option<AutoDeployment>,
    administration_role: Option<String>,
    execution_role: Option<String>,
    managed_execution: Option<bool>,
}

impl Settings {
    fn take(input: &mut QueryInput) -> Result<Self, ApiError> {
        let service_managed = match input.text("PermissionModel").as_deref() {
            None => None,
            Some("SERVICE_MANAGED") => Some(true),
            Some("SELF_MANAGED") => Some(false),
            Some(other) => return Err(ApiError::unknown("permission model", other)),
        };
        let enabled = input.flag("AutoDeployment.Enabled")?;
        let auto_deployment = match (enabled, input.flag("AutoDeployment.RetainStacksOnAccountRemoval")?) {
            (None, None) => None,
            (Some(true), Some(retains)) => Some(AutoDeployment { enabled: true, retains }),
            (Some(false), None) => Some(AutoDeployment::default()),
            (Some(true), None) | (None | Some(false), Some(_)) => {
                return Err(invalid(
                    "RetainStacksOnAccountRemoval must be specified if AutoDeployment is enabled, and only then",
                ));
            }
        };
        let description = input.text("Description");
        if description.as_ref().is_some_and(|text| !(1..=LONGEST_DESCRIPTION).contains(&text.chars().count())) {
            return Err(invalid("Value at 'description' failed to satisfy constraint: 1 to 1024 characters"));
        }
        Ok(Self {
            description,
            service_managed,
            auto_deployment,
            administration_role: input.text("AdministrationRoleARN"),
            execution_role: input.text("ExecutionRoleName"),
            managed_execution: input.flag("ManagedExecution.Active")?,
        })
    }

    /// Refuses what belongs to the other kind of permissions.
    fn check(&self, service_managed: bool) -> Result<(), ApiError> {
        let has_role = self.administration_role.is_some() || self.execution_role.is_some();
        match service_managed {
            true if has_role => {
                Err(invalid("AdministrationRoleARN and ExecutionRoleName are for SELF_MANAGED stack sets"))
            }
            false if self.auto_deployment.is_some() => {
                Err(invalid("AutoDeployment is only supported for SERVICE_MANAGED stack sets"))
            }
            _ => Ok(()),
        }
    }

    /// Whoever has another role than the usual one used must be allowed to.
    fn permit_role(&self, world: &mut World, request: &Request) -> Result<(), ApiError> {
        let Some(role) = &self.administration_role else { return Ok(()) };
        let service = ("iam:PassedToService".to_owned(), "cloudformation.amazonaws.com".to_owned());
        world.authorize(&request.caller, "iam:PassRole", role, &BTreeMap::from([service]))
    }
}

pub(super) fn create(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, call_as) = (input.required("StackSetName")?, CallAs::take(&mut input)?);
    let token = input.text("ClientRequestToken");
    let draft = DraftInput::take(&mut input)?;
    let settings = Settings::take(&mut input)?;
    input.finish()?;
    check_name(&name)?;
    let service_managed = settings.service_managed.unwrap_or_default();
    settings.check(service_managed)?;
    let home = call_as.home(world, request)?;
    // Neither CreateStackSet nor ListStackSets knows a resource (service authorization reference).
    authorize(world, request, "*")?;
    settings.permit_role(world, request)?;
    if service_managed {
        access::check(world, &home)?;
        settings
            .auto_deployment
            .ok_or_else(|| invalid("AutoDeployment must be specified for SERVICE_MANAGED stack sets"))?;
    } else if call_as == CallAs::DelegatedAdministrator {
        return Err(invalid("DELEGATED_ADMIN cannot be used with SELF_MANAGED stack sets"));
    }
    if let Some(present) = find(world, request, (&home, call_as), &name) {
        if token.is_some() && present.token == token {
            return Ok(Xml::new().text("StackSetId", &present.id));
        }
        let message = format!("StackSet {name} already exists");
        return Err(ApiError::new("NameAlreadyExistsException", message).with_status(409));
    }
    let is_beside = |set: &&StackSet| !set.deleted && set.account == home && set.region == request.region;
    let there_are = world.cloudformation.sets.sets.values().filter(is_beside).count();
    world.cloudformation.sets.quotas.check_sets(there_are)?;
    let id = format!("{name}:{}", world.random_uuid());
    let arn = arn(request, &home, &id);
    let identity = identity(request, &home, &name, &arn);
    let recipe = recipe(world, request, &identity, draft, None)?;
    let set = StackSet {
        id: id.clone(),
        arn,
        name,
        region: request.region.clone(),
        description: settings.description.clone(),
        permissions: permissions(request, &home, settings.auto_deployment.filter(|_| service_managed), &settings),
        account: home,
        recipe,
        managed_execution: settings.managed_execution.unwrap_or_default(),
        token,
        deleted: false,
        instances: BTreeMap::new(),
        operations: Vec::new(),
    };
    world.cloudformation.sets.sets.insert(id.clone(), set);
    Ok(Xml::new().text("StackSetId", id))
}

fn permissions(
    request: &Request,
    home: &str,
    auto_deployment: Option<AutoDeployment>,
    settings: &Settings,
) -> Permissions {
    let usual = || format!("arn:{}:iam::{home}:role/{ADMINISTRATION_ROLE}", request.caller.partition());
    match auto_deployment {
        Some(auto_deployment) => Permissions::ServiceManaged { auto_deployment, units: BTreeMap::new() },
        None => Permissions::SelfManaged {
            administration_role: settings.administration_role.clone().unwrap_or_else(usual),
            execution_role: settings.execution_role.clone().unwrap_or_else(|| EXECUTION_ROLE.to_owned()),
        },
    }
}

/// The set becomes another one when the operation begins, also if that then fails.
pub(super) fn update(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, id, call_as) = (input.required("StackSetName")?, input.text("OperationId"), CallAs::take(&mut input)?);
    let draft = DraftInput::take(&mut input)?;
    let settings = Settings::take(&mut input)?;
    let (targets, regions) = (Targets::take(&mut input)?, input.texts("Regions"));
    let preferences = Preferences::take(&mut input)?;
    input.finish()?;
    let set_id = alive(world, request, &name, call_as)?;
    settings.permit_role(world, request)?;
    let set = world.cloudformation.sets.sets.get(&set_id).ok_or_else(|| super::not_found(&name))?;
    settings.check(set.is_service_managed())?;
    if settings.service_managed.is_some_and(|wanted| wanted != set.is_service_managed()) {
        return Err(invalid("The permission model of a stack set cannot be changed"));
    }
    if settings.managed_execution.is_some_and(|wanted| wanted != set.managed_execution)
        && set.unfinished().next().is_some()
    {
        return Err(instances::in_progress());
    }
    let identity = identity(request, &set.account, &set.name, &set.arn);
    let before = set.recipe.blueprint(&identity, &BTreeMap::new(), None)?;
    let outdates_all = draft.is_new();
    let recipe = recipe(world, request, &identity, draft, Some(&before))?;
    let set = world.cloudformation.sets.sets.get(&set_id).ok_or_else(|| super::not_found(&name))?;
    let change = Change {
        recipe,
        outdates_all,
        description: settings.description.or_else(|| set.description.clone()),
        auto_deployment: settings.auto_deployment,
        administration_role: settings.administration_role,
        execution_role: settings.execution_role,
        managed_execution: settings.managed_execution,
    };
    let action = Action::Update { overrides: None, change: Some(Box::new(change)) };
    let wanted = Wanted { targets, regions, preferences, id };
    let operation = instances::operate(world, request, &set_id, wanted, action)?;
    Ok(Xml::new().text("OperationId", operation))
}

pub(super) fn delete(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, call_as) = (input.required("StackSetName")?, CallAs::take(&mut input)?);
    input.finish()?;
    let id = authorized(world, request, &name, call_as)?;
    let set = world.cloudformation.sets.sets.get_mut(&id).ok_or_else(|| super::not_found(&name))?;
    if set.unfinished().next().is_some() {
        return Err(instances::in_progress());
    }
    if !set.instances.is_empty() {
        let message = "StackSet is not empty";
        return Err(ApiError::new("StackSetNotEmptyException", message).with_status(409));
    }
    set.deleted = true;
    Ok(Xml::new())
}

pub(super) fn describe(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, call_as) = (input.required("StackSetName")?, CallAs::take(&mut input)?);
    input.finish()?;
    let id = authorized(world, request, &name, call_as)?;
    let set = world.cloudformation.sets.sets.get(&id).ok_or_else(|| super::not_found(&name))?;
    let identity = identity(request, &set.account, &set.name, &set.arn);
    let blueprint = set.recipe.blueprint(&identity, &BTreeMap::new(), None)?;
    Ok(Xml::new().element("StackSet", descriptions::set(set, &blueprint.template)))
}

pub(super) fn list(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (status, call_as, page) = (input.text("Status"), CallAs::take(&mut input)?, Page::take(&mut input)?);
    input.finish()?;
    let wanted = match status.as_deref() {
        None => None,
        Some("ACTIVE") => Some(false),
        Some("DELETED") => Some(true),
        Some(other) => return Err(ApiError::unknown("status of stack sets", other)),
    };
    let home = call_as.home(world, request)?;
    authorize(world, request, "*")?;
    let is_wanted = |set: &&StackSet| wanted.is_none_or(|deleted| set.deleted == deleted);
    let sets = visible(world, request, (&home, call_as));
    page.of(sets.filter(is_wanted).map(descriptions::summary).collect())
}

/// What the stacks are built from, once it has been seen that they can be.
fn recipe(
    world: &mut World,
    request: &Request,
    identity: &Identity,
    draft: DraftInput,
    before: Option<&Blueprint>,
) -> Result<Recipe, ApiError> {
    let draft = draft.read(world, request, before)?;
    let Blueprint { body, parameters, tags, capabilities, .. } = Blueprint::draw(identity, draft, before)?;
    Ok(Recipe { body, parameters, tags, capabilities })
}

/// A set is no stack; but what its template says can be filled in for one.
fn identity(request: &Request, account: &str, name: &str, arn: &str) -> Identity {
    Identity {
        partition: request.caller.partition().to_owned(),
        account: account.to_owned(),
        region: request.region.clone(),
        name: name.to_owned(),
        id: arn.to_owned(),
    }
}

/// A letter, then letters, digits and hyphens, 128 in all.
fn check_name(name: &str) -> Result<(), ApiError> {
    let legal = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        && name.len() <= 128;
    let what = format!("1 validation error detected: Value '{name}' at 'stackSetName' failed to satisfy constraint");
    let what = format!("{what}: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*");
    if legal { Ok(()) } else { Err(invalid(what)) }
}
