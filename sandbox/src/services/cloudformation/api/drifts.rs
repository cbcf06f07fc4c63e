//! DetectStackDrift, DescribeStackDriftDetectionStatus and DescribeStackResourceDrifts.

use super::super::drift::detection;
use super::super::invalid;
use super::{authorize, authorized, descriptions, missing, pages};
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Request;
use crate::{ApiError, World};

pub(super) fn detect(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let name = input.required("StackName")?;
    input.finish()?;
    let id = authorized(world, request, &name)?.ok_or_else(|| missing(&name))?;
    let stack = world.cloudformation.stacks.get(&id).ok_or_else(|| missing(&name))?;
    if !stack.status.can_be_looked_at() {
        let status = stack.status.name();
        return Err(invalid(format!("Drift detection cannot be performed on stack [{id}] while in {status} state")));
    }
    let mut under_way = world.cloudformation.detections.values().filter(|it| it.result.is_none());
    if under_way.any(|it| it.stack == id) {
        return Err(invalid(format!("Drift detection is already in progress for stack [{id}]")));
    }
    // The read permissions of the resources are asked for when they are looked at; this one at once.
    let context = std::collections::BTreeMap::new();
    world.authorize(&request.caller, "cloudformation:DetectStackResourceDrift", &id, &context)?;
    let detection = detection::begin(world, &id, request.caller.clone());
    Ok(Xml::new().text("StackDriftDetectionId", detection))
}

/// The permission for this one is on no stack in particular.
pub(super) fn status(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let id = input.required("StackDriftDetectionId")?;
    input.finish()?;
    authorize(world, request, "*")?;
    let state = &world.cloudformation;
    let known = state.detections.get(&id).filter(|it| it.caller.account == request.caller.account);
    let detection = known.ok_or_else(|| invalid(format!("Drift detection id [{id}] does not exist")))?;
    let (status, reason) = match &detection.result {
        None => ("DETECTION_IN_PROGRESS", None),
        Some(found) if found.failure.is_some() => ("DETECTION_FAILED", found.failure.clone()),
        Some(_) => ("DETECTION_COMPLETE", None),
    };
    let drifted = detection.result.as_ref().map(|found| found.drifted);
    let of_stack = drifted.map(|drifted| if drifted > 0 { "DRIFTED" } else { "IN_SYNC" });
    Ok(Xml::new()
        .text("StackId", &detection.stack)
        .text("StackDriftDetectionId", &id)
        .optional("StackDriftStatus", of_stack)
        .text("DetectionStatus", status)
        .optional("DetectionStatusReason", reason)
        .optional("DriftedStackResourceCount", drifted)
        .text("Timestamp", format!("{:.3}", detection.began)))
}

pub(super) fn resources(world: &mut World, request: &Request, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (name, token) = (input.required("StackName")?, input.text("NextToken"));
    let wanted = input.texts("StackResourceDriftStatusFilters");
    input.finish()?;
    const STATUSES: [&str; 6] = ["IN_SYNC", "MODIFIED", "DELETED", "NOT_CHECKED", "UNKNOWN", "UNSUPPORTED"];
    if let Some(other) = wanted.iter().find(|status| !STATUSES.contains(&status.as_str())) {
        return Err(invalid(format!("Value '{other}' at 'stackResourceDriftStatusFilters' is not a drift status")));
    }
    let id = authorized(world, request, &name)?.ok_or_else(|| missing(&name))?;
    let stack = world.cloudformation.stacks.get(&id).ok_or_else(|| missing(&name))?;
    let checked = stack.resources.iter().filter_map(|(name, it)| Some((name, it, it.drift.as_ref()?)));
    let is_wanted = |status: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == status);
    let found: Vec<_> = checked.filter(|(_, _, drift)| is_wanted(drift.status.name())).collect();
    let (page, next) = pages::page(&found, token.as_deref())?;
    let drifts = page.iter().map(|(name, resource, drift)| descriptions::drift(stack, name, resource, drift));
    Ok(Xml::new().members("StackResourceDrifts", drifts).optional("NextToken", next))
}
