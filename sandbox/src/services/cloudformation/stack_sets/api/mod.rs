//! The operations of the API for stack sets.

mod descriptions;
mod instances;
mod operations;
mod sets;

use std::collections::BTreeMap;

use super::super::api::pages;
use super::super::invalid;
use super::access::CallAs;
use super::set::StackSet;
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Request;
use crate::{ApiError, World};

/// Answers one operation.
type Handler = fn(&mut World, &Request, QueryInput) -> Result<Xml, ApiError>;

/// Who answers the operation with this name; `None` when it is not about stack sets.
pub(in super::super) fn handler(operation: &str) -> Option<Handler> {
    let handler: Handler = match operation {
        "ActivateOrganizationsAccess" => operations::activate_access,
        "CreateStackInstances" => instances::create,
        "CreateStackSet" => sets::create,
        "DeleteStackInstances" => instances::delete,
        "DeleteStackSet" => sets::delete,
        "DescribeOrganizationsAccess" => operations::describe_access,
        "DescribeStackInstance" => instances::describe,
        "DescribeStackSet" => sets::describe,
        "DescribeStackSetOperation" => operations::describe,
        "ListStackInstances" => instances::list,
        "ListStackSetOperationResults" => operations::results,
        "ListStackSetOperations" => operations::list,
        "ListStackSets" => sets::list,
        "StopStackSetOperation" => operations::stop,
        "UpdateStackInstances" => instances::update,
        "UpdateStackSet" => sets::update,
        _ => return None,
    };
    Some(handler)
}

/// Checks the permission on the set with this name or id, and finds its id.
fn authorized(world: &mut World, request: &Request, name: &str, call_as: CallAs) -> Result<String, ApiError> {
    let home = call_as.home(world, request)?;
    let found = find(world, request, (&home, call_as), name);
    let (id, arn) = match found {
        Some(set) => (Some(set.id.clone()), set.arn.clone()),
        None => (None, arn(request, &home, &format!("{name}:*"))),
    };
    authorize(world, request, &arn)?;
    id.ok_or_else(|| not_found(name))
}

/// The same for a set that is not deleted.
fn alive(world: &mut World, request: &Request, name: &str, call_as: CallAs) -> Result<String, ApiError> {
    let id = authorized(world, request, name, call_as)?;
    let is_alive = world.cloudformation.sets.sets.get(&id).is_some_and(|set| !set.deleted);
    if is_alive { Ok(id) } else { Err(not_found(name)) }
}

fn authorize(world: &mut World, request: &Request, arn: &str) -> Result<(), ApiError> {
    let action = format!("cloudformation:{}", request.operation);
    world.authorize(&request.caller, &action, arn, &BTreeMap::new())
}

/// The set with this id, or the one with this name that is not deleted.
fn find<'a>(world: &'a World, request: &Request, whose: (&str, CallAs), name: &str) -> Option<&'a StackSet> {
    visible(world, request, whose).find(|set| set.id == name || (set.name == name && !set.deleted))
}

/// The sets of an account in the region. Whoever speaks for the organization sees what belongs to the organization.
fn visible<'a>(
    world: &'a World,
    request: &Request,
    (home, call_as): (&str, CallAs),
) -> impl Iterator<Item = &'a StackSet> {
    let here = move |set: &&StackSet| set.account == home && set.region == request.region;
    let sets = world.cloudformation.sets.sets.values().filter(here);
    sets.filter(move |set| call_as == CallAs::Own || set.is_service_managed())
}

fn arn(request: &Request, account: &str, id: &str) -> String {
    format!("arn:{}:cloudformation:{}:{account}:stackset/{id}", request.caller.partition(), request.region)
}

fn not_found(name: &str) -> ApiError {
    ApiError::new("StackSetNotFoundException", format!("StackSet {name} not found")).with_status(404)
}

/// Which part of a list is asked for.
struct Page {
    size: usize,
    token: Option<String>,
}

impl Page {
    /// Takes MaxResults (1 to 100) and NextToken.
    fn take(input: &mut QueryInput) -> Result<Self, ApiError> {
        let size = match input.text("MaxResults").map(|text| text.parse()) {
            None => pages::PAGE,
            Some(Ok(size)) if (1..=pages::PAGE).contains(&size) => size,
            Some(_) => return Err(invalid("Value at 'maxResults' failed to satisfy constraint: 1 to 100")),
        };
        Ok(Self { size, token: input.text("NextToken") })
    }

    fn of(&self, items: Vec<Xml>) -> Result<Xml, ApiError> {
        let (page, next) = pages::sized(&items, self.token.as_deref(), self.size)?;
        Ok(Xml::new().members("Summaries", page.iter().cloned()).optional("NextToken", next))
    }
}

/// What a list is filtered by: the value of each filter by its name.
fn filters(input: &mut QueryInput, known: &[&str]) -> Result<BTreeMap<String, String>, ApiError> {
    let mut filters = BTreeMap::new();
    for mut item in input.items("Filters") {
        let (name, value) = (item.required("Name")?, item.required("Values")?);
        item.finish()?;
        if !known.contains(&name.as_str()) {
            return Err(ApiError::unknown("filter", &name));
        }
        filters.insert(name, value);
    }
    Ok(filters)
}
