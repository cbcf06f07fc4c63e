//! CreateStackInstances, UpdateStackInstances, DeleteStackInstances, DescribeStackInstance and ListStackInstances.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::invalid;
use super::super::super::template::Template;
use super::super::access::{self, CallAs};
use super::super::operation::{Action, Operation, Status, Work};
use super::super::preferences::Preferences;
use super::super::set::{Place, StackSet};
use super::super::targets::Targets;
use super::super::{quotas, rounds, with_set};
use super::{Page, alive, authorize, authorized, descriptions, filters};
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Request;
use crate::{ApiError, World};

/// What an operation is about, and how it is to go about it.
pub(super) struct Wanted {
    pub(super) targets: Targets,
    pub(super) regions: Vec<String>,
    pub(super) preferences: Preferences,
    pub(super) id: Option<String>,
}

impl Wanted {
    fn take(input: &mut QueryInput) -> Result<Self, ApiError> {
        Ok(Self {
            targets: Targets::take(input)?,
            regions: input.texts("Regions"),
            preferences: Preferences::take(input)?,
            id: input.text("OperationId"),
        })
    }
}

pub(super) fn create(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let overrides = overrides(&mut input)?.unwrap_or_default();
    about_instances(world, request, input, Action::Create { overrides })
}

pub(super) fn update(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let overrides = overrides(&mut input)?;
    about_instances(world, request, input, Action::Update { overrides, change: None })
}

pub(super) fn delete(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let retain = input.flag("RetainStacks")?.ok_or_else(|| invalid("RetainStacks must be specified"))?;
    about_instances(world, request, input, Action::Delete { retain })
}

fn about_instances(
    world: &mut World,
    request: &Request,
    mut input: QueryInput,
    action: Action,
) -> Result<Xml, ApiError> {
    let (name, call_as) = (input.required("StackSetName")?, CallAs::take(&mut input)?);
    let wanted = Wanted::take(&mut input)?;
    input.finish()?;
    let set = alive(world, request, &name, call_as)?;
    if wanted.targets.is_empty() || wanted.regions.is_empty() {
        return Err(invalid("Accounts or DeploymentTargets, and Regions, must be specified"));
    }
    let operation = operate(world, request, &set, wanted, action)?;
    Ok(Xml::new().text("OperationId", operation))
}

/// Checks an operation and enters it; gives its id.
pub(super) fn operate(
    world: &mut World,
    request: &Request,
    set: &str,
    wanted: Wanted,
    action: Action,
) -> Result<String, ApiError> {
    permit(world, request, set, &wanted.targets, &action)?;
    quotas::check_units(&wanted.targets)?;
    let random = world.random_uuid();
    let entered = with_set(world, set, |world, set| {
        let id = wanted.id.clone().unwrap_or(random);
        check(world, set, &wanted, &id)?;
        let work = work(world, set, &wanted, &action)?;
        match &action {
            Action::Create { overrides } => {
                let new = work.keys().filter(|place| !set.instances.contains_key(place)).count();
                world.cloudformation.sets.quotas.check_instances(set.instances.len() + new)?;
                check_overrides(set, overrides)?;
                set.cover(&wanted.targets, &wanted.regions);
            }
            Action::Update { overrides, .. } => check_overrides(set, &overrides.clone().unwrap_or_default())?,
            Action::Delete { .. } => set.uncover(&wanted.targets, &wanted.regions),
        }
        let operation = Operation {
            id: id.clone(),
            action,
            status: Status::Running,
            preferences: wanted.preferences,
            targets: wanted.targets,
            created: world.now(),
            ended: None,
            work,
        };
        rounds::enter(world, set, operation);
        Ok(id)
    });
    entered.ok_or_else(|| super::not_found(set))?
}

/// Beside the one on the set, an operation needs the permission on each target that it names and on each type of resource
/// (service authorization reference, and the user guide's example of a policy for stack sets).
fn permit(world: &mut World, request: &Request, set: &str, targets: &Targets, action: &Action) -> Result<(), ApiError> {
    let Some(set) = world.cloudformation.sets.sets.get(set) else { return Ok(()) };
    let body = match action {
        Action::Update { change: Some(change), .. } => &change.recipe.body,
        _ => &set.recipe.body,
    };
    let resources = Template::parse(body)?.resources;
    let kinds: BTreeSet<String> = resources.into_values().map(|resource| resource.kind.replace("::", "-")).collect();
    let start = format!("arn:{}:cloudformation:{}", request.caller.partition(), request.region);
    let named = targets.units.iter().chain(&targets.accounts);
    let targets = named.map(|target| format!("{start}:{}:stackset-target/{}/{target}", set.account, set.id));
    let kinds = kinds.iter().map(|kind| format!("{start}::type/resource/{kind}"));
    let arns: Vec<String> = targets.chain(kinds).collect();
    arns.iter().try_for_each(|arn| authorize(world, request, arn))
}

fn check(world: &World, set: &StackSet, wanted: &Wanted, id: &str) -> Result<(), ApiError> {
    let is_legal = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if id.is_empty() || id.len() > 128 || id.starts_with('-') || !is_legal(id) {
        return Err(invalid(format!(
            "Value '{id}' at 'operationId' failed to satisfy constraint: [a-zA-Z0-9][-a-zA-Z0-9]*"
        )));
    }
    if set.operations.iter().any(|operation| operation.id == id) {
        let message = format!("Operation {id} already exists");
        return Err(ApiError::new("OperationIdAlreadyExistsException", message).with_status(409));
    }
    if !set.managed_execution && set.unfinished().next().is_some() {
        return Err(in_progress());
    }
    if let Some(wrong) = wanted.regions.iter().find(|region| !is_legal(region) || region.is_empty()) {
        return Err(invalid(format!("Value '{wrong}' at 'regions' is not a region")));
    }
    if wanted.regions.iter().collect::<BTreeSet<_>>().len() < wanted.regions.len() {
        return Err(invalid("Regions are specified more than once"));
    }
    if wanted.targets.is_empty() != wanted.regions.is_empty() {
        return Err(invalid("Regions and accounts must be specified together"));
    }
    if set.is_service_managed() { access::check(world, &set.account) } else { Ok(()) }
}

/// The places that an operation is about.
fn work(
    world: &World,
    set: &StackSet,
    Wanted { targets, regions, .. }: &Wanted,
    action: &Action,
) -> Result<BTreeMap<Place, Work>, ApiError> {
    let unit_of = |place: &Place| set.instances.get(place).and_then(|instance| instance.unit.clone());
    if targets.is_empty() {
        return Ok(set.operable().map(|place| (place.clone(), Work::pending(unit_of(place)))).collect());
    }
    let is_update = matches!(action, Action::Update { .. });
    match set.is_service_managed() {
        true if targets.units.is_empty() && !is_update => {
            return Err(invalid("OrganizationalUnitIds are required for SERVICE_MANAGED stack sets"));
        }
        false if !targets.units.is_empty() => {
            return Err(invalid("OrganizationalUnitIds are not supported for SELF_MANAGED stack sets"));
        }
        _ => {}
    }
    let accounts = match set.is_service_managed() {
        true => targets.resolve(world, &set.account, !matches!(action, Action::Create { .. }))?,
        false => targets.accounts.iter().map(|account| (account.clone(), None)).collect(),
    };
    let mut work = BTreeMap::new();
    for (account, unit) in accounts {
        for region in regions {
            let place = Place { account: account.clone(), region: region.clone() };
            let exists = set.instances.contains_key(&place);
            match action {
                Action::Update { .. } if !exists && unit.is_none() => return Err(no_instance(set, &place)),
                Action::Update { .. } | Action::Delete { .. } if !exists => continue,
                _ => {}
            }
            let unit = unit.clone().or_else(|| unit_of(&place));
            work.insert(place, Work::pending(unit));
        }
    }
    if matches!(action, Action::Delete { .. }) {
        // Also those whose account has left the unit meanwhile.
        let left = set.instances.iter().filter(|(place, instance)| {
            let of_unit = instance.unit.as_ref().is_some_and(|unit| targets.units.contains(unit));
            of_unit && regions.contains(&place.region) && targets.extent().covers(&place.account)
        });
        work.extend(left.map(|(place, instance)| (place.clone(), Work::pending(instance.unit.clone()))));
    }
    Ok(work)
}

fn overrides(input: &mut QueryInput) -> Result<Option<BTreeMap<String, String>>, ApiError> {
    let mut overrides = BTreeMap::new();
    let items = input.items("ParameterOverrides");
    if items.is_empty() {
        return Ok(None);
    }
    for mut item in items {
        let (name, value) = (item.required("ParameterKey")?, item.required("ParameterValue")?);
        item.finish()?;
        overrides.insert(name, value);
    }
    Ok(Some(overrides))
}

fn check_overrides(set: &StackSet, overrides: &BTreeMap<String, String>) -> Result<(), ApiError> {
    match overrides.keys().find(|name| !set.recipe.parameters.contains_key(*name)) {
        Some(stranger) => Err(invalid(format!("Parameters: [{stranger}] do not exist in the template"))),
        None => Ok(()),
    }
}

pub(super) fn describe(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, call_as) = (input.required("StackSetName")?, CallAs::take(&mut input)?);
    let place =
        Place { account: input.required("StackInstanceAccount")?, region: input.required("StackInstanceRegion")? };
    input.finish()?;
    let id = authorized(world, request, &name, call_as)?;
    let set = world.cloudformation.sets.sets.get(&id).ok_or_else(|| super::not_found(&name))?;
    let instance = set.instances.get(&place).ok_or_else(|| no_instance(set, &place))?;
    let overrides = instance.overrides.iter();
    let overrides = overrides.map(|(key, value)| Xml::new().text("ParameterKey", key).text("ParameterValue", value));
    let shown = descriptions::instance(set, &place, instance).members("ParameterOverrides", overrides);
    Ok(Xml::new().element("StackInstance", shown))
}

pub(super) fn list(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, call_as, page) = (input.required("StackSetName")?, CallAs::take(&mut input)?, Page::take(&mut input)?);
    let (account, region) = (input.text("StackInstanceAccount"), input.text("StackInstanceRegion"));
    let filters = filters(&mut input, &["DETAILED_STATUS", "LAST_OPERATION_ID"])?;
    input.finish()?;
    let id = authorized(world, request, &name, call_as)?;
    let set = world.cloudformation.sets.sets.get(&id).ok_or_else(|| super::not_found(&name))?;
    let is_here = |place: &Place| {
        account.as_ref().is_none_or(|account| *account == place.account)
            && region.as_ref().is_none_or(|region| *region == place.region)
    };
    let fits = |name: &str, value: &str| filters.get(name).is_none_or(|wanted| wanted == value);
    let shown = set.instances.iter().filter(|(place, instance)| {
        let (detailed, last) = (instance.detailed.name(), &instance.last_operation);
        is_here(place) && fits("DETAILED_STATUS", detailed) && fits("LAST_OPERATION_ID", last)
    });
    page.of(shown.map(|(place, instance)| descriptions::instance(set, place, instance)).collect())
}

pub(super) fn in_progress() -> ApiError {
    let message = "Another Operation on StackSet is in progress";
    ApiError::new("OperationInProgressException", message).with_status(409)
}

fn no_instance(set: &StackSet, Place { account, region }: &Place) -> ApiError {
    let message =
        format!("Stack instance not found for StackSet {} in account {account} and region {region}", set.name);
    ApiError::new("StackInstanceNotFoundException", message).with_status(404)
}
