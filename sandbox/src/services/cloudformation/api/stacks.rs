//! What can be read of stacks: DescribeStacks, DescribeStackEvents, DescribeStackResources, ListStackResources,
//! GetTemplate and GetTemplateSummary.

use super::super::invalid;
use super::super::stack::Stack;
use super::super::status::StackStatus;
use super::{authorize, authorized, descriptions, missing, pages, stack_arn};
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Request;
use crate::{ApiError, World};

pub(super) fn describe(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, token) = (input.text("StackName"), input.text("NextToken"));
    input.finish()?;
    if let Some(name) = name {
        let stack = existing(world, request, &name)?;
        return Ok(Xml::new().members("Stacks", [descriptions::stack(stack)]));
    }
    authorize(world, request, &stack_arn(request, "*", "*"))?;
    let mut stacks: Vec<_> = world
        .cloudformation
        .stacks
        .values()
        .filter(|stack| stack.identity.account == request.caller.account && stack.identity.region == request.region)
        .filter(|stack| stack.status != StackStatus::DeleteComplete)
        .collect();
    stacks.sort_by_key(|stack| std::cmp::Reverse(stack.created_at));
    let (page, next) = pages::page(&stacks, token.as_deref())?;
    Ok(Xml::new().members("Stacks", page.iter().map(|stack| descriptions::stack(stack))).optional("NextToken", next))
}

/// Newest first. A token stays valid while events are added: it counts the events that are older than its page.
pub(super) fn events(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, token) = (input.required("StackName")?, input.text("NextToken"));
    input.finish()?;
    let id = authorized(world, request, &name)?;
    let stack = id.and_then(|id| world.cloudformation.stacks.get(&id));
    let stack = stack.ok_or_else(|| invalid(format!("Stack [{name}] does not exist")))?;
    let end = match token.map(|token| token.parse::<usize>()) {
        None => stack.events.len(),
        Some(Ok(end)) if end <= stack.events.len() => end,
        Some(_) => return Err(invalid("The specified NextToken is not valid")),
    };
    let start = end.saturating_sub(EVENTS_IN_A_PAGE);
    let page = stack.events.get(start..end).unwrap_or_default().iter().rev();
    let next = Some(start).filter(|start| *start > 0);
    Ok(Xml::new()
        .members("StackEvents", page.map(|event| descriptions::event(stack, event)))
        .optional("NextToken", next))
}

/// How many events DescribeStackEvents gives at once.
const EVENTS_IN_A_PAGE: usize = 100;

/// How many resources DescribeStackResources gives; it has no second page.
const MOST_RESOURCES_DESCRIBED: usize = 100;

pub(super) fn resources(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, logical_id) = (input.required("StackName")?, input.text("LogicalResourceId"));
    input.finish()?;
    let stack = existing(world, request, &name)?;
    let wanted = stack.resources.iter().filter(|(name, _)| logical_id.as_ref().is_none_or(|wanted| wanted == *name));
    let described: Vec<_> = wanted
        .take(MOST_RESOURCES_DESCRIBED)
        .map(|(name, resource)| {
            descriptions::resource(name, resource, "Timestamp")
                .text("StackId", &stack.identity.id)
                .text("StackName", &stack.identity.name)
        })
        .collect();
    if let (Some(logical_id), true) = (&logical_id, described.is_empty()) {
        return Err(invalid(format!("Resource {logical_id} does not exist for stack {name}")));
    }
    Ok(Xml::new().members("StackResources", described))
}

pub(super) fn list_resources(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, token) = (input.required("StackName")?, input.text("NextToken"));
    input.finish()?;
    let stack = existing(world, request, &name)?;
    let resources: Vec<_> = stack.resources.iter().collect();
    let (page, next) = pages::page(&resources, token.as_deref())?;
    let listed = page.iter().map(|(name, resource)| descriptions::resource(name, resource, "LastUpdatedTimestamp"));
    Ok(Xml::new().members("StackResourceSummaries", listed).optional("NextToken", next))
}

pub(super) fn template(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, stage) = (input.required("StackName")?, input.text("TemplateStage"));
    let change_set = input.text("ChangeSetName");
    input.finish()?;
    if let Some(stage) = stage.filter(|stage| stage != "Original") {
        return Err(ApiError::unknown("template stage", &stage));
    }
    let stack = existing(world, request, &name)?;
    let own = stack.blueprint.clone();
    let blueprint = match change_set {
        Some(change_set) => Some(super::change_sets::blueprint(world, request, &change_set, &name)?),
        None => own,
    };
    let body = blueprint.as_ref().map_or("", |blueprint| &blueprint.body);
    Ok(Xml::new().text("TemplateBody", body).members("StagesAvailable", [Xml::plain("Original")]))
}

/// The summary of a stack's template; that of a template in the request is another parameter, which nobody takes.
pub(super) fn template_summary(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let name = input.required("StackName")?;
    input.finish()?;
    let stack = existing(world, request, &name)?;
    // A stack that was never built has no template yet; what AWS would say of it is not known.
    let blueprint = stack.blueprint.as_ref().ok_or_else(|| missing(&name))?;
    Ok(descriptions::template(&blueprint.template))
}

fn existing<'a>(world: &'a mut World, request: &Request, name: &str) -> Result<&'a Stack, ApiError> {
    let id = authorized(world, request, name)?;
    id.and_then(|id| world.cloudformation.stacks.get(&id)).ok_or_else(|| missing(name))
}
