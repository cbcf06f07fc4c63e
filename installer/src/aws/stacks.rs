//! Stacks: their state, template, resources and events.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudformation::types::{
    DeletionMode, DeploymentConfigMode, StackEvent, StackResourceDriftStatus, StackResourceSummary, TemplateStage,
};
use jiff::Timestamp;
use serde::Serialize;

use super::pages::Pages;
use super::{CallError, Clients, moment, reduce};

mod status;
pub use status::{Rest, Status, UnknownStatus};

/// What CloudFormation says of resources that a stack has no more.
const LEFT: [&str; 2] = ["DELETE_COMPLETE", "DELETE_SKIPPED"];

/// A stack that exists, or that is described by its id after its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Its ARN, which also names it after its deletion.
    pub id: String,
    /// Where it stands.
    pub status: Status,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether somebody has protected it from being deleted.
    pub protected: bool,
    /// When it was last updated, or made.
    pub changed: Option<Timestamp>,
    /// Whether CloudFormation was last told not to wait until what it made is ready.
    pub express: bool,
}

/// Looks a stack up by name or id.
///
/// # Errors
/// [`CallError`], also for a status that this version does not know; not when there is no such stack.
pub async fn describe(clients: &Clients, stack: &str) -> Result<Option<Stack>, CallError> {
    const OPERATION: &str = "cloudformation:DescribeStacks";
    let answer = clients.cloudformation.describe_stacks().stack_name(stack).send().await.map_err(reduce(OPERATION));
    let Some(answer) = found(answer)? else { return Ok(None) };
    let Some(stack) = answer.stacks().first() else { return Ok(None) };
    let id = stack.stack_id().ok_or_else(|| CallError::incomplete(OPERATION, "StackId"))?;
    let status = stack.stack_status().map(|status| status.as_str()).unwrap_or_default();
    let tags = stack.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())));
    let protected = stack.enable_termination_protection() == Some(true);
    let changed = stack.last_updated_time().or(stack.creation_time()).and_then(moment);
    let mode = stack.deployment_config().and_then(|config| config.mode());
    let express = mode == Some(&DeploymentConfigMode::Express);
    let (id, status, tags) = (id.to_owned(), known(OPERATION, status)?, tags.collect());
    Ok(Some(Stack { id, status, tags, protected, changed, express }))
}

/// The template of a stack as it was handed in; a stack that was never deployed has none.
///
/// # Errors
/// [`CallError`].
pub async fn template(clients: &Clients, stack: &str) -> Result<Option<String>, CallError> {
    let asked = clients.cloudformation.get_template().stack_name(stack).template_stage(TemplateStage::Original);
    let answer = found(asked.send().await.map_err(reduce("cloudformation:GetTemplate")))?;
    Ok(answer.and_then(|answer| answer.template_body().map(str::to_owned)))
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub kind: String,
    /// What CloudFormation last did with it, such as `CREATE_COMPLETE`.
    pub status: String,
    /// Why, in CloudFormation's words.
    pub reason: Option<String>,
    /// Whether it ever had a name in AWS: what could not be created has none.
    pub is_named: bool,
    /// Whether the last detection of drift has looked at it.
    pub is_checked: bool,
}

/// Lists the resources of a stack; none for a stack that does not exist.
///
/// # Errors
/// [`CallError`].
pub async fn resources(clients: &Clients, stack: &str) -> Result<Vec<Resource>, CallError> {
    let resource = |entry: StackResourceSummary| Resource {
        is_named: entry.physical_resource_id().is_some_and(|id| !id.is_empty()),
        is_checked: entry
            .drift_information()
            .and_then(|drift| drift.stack_resource_drift_status())
            .is_some_and(|status| *status != StackResourceDriftStatus::NotChecked),
        logical_id: entry.logical_resource_id.unwrap_or_default(),
        kind: entry.resource_type.unwrap_or_default(),
        status: entry.resource_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: entry.resource_status_reason,
    };
    Ok(summaries(clients, stack).await?.into_iter().map(resource).collect())
}

async fn summaries(clients: &Clients, stack: &str) -> Result<Vec<StackResourceSummary>, CallError> {
    const OPERATION: &str = "cloudformation:ListStackResources";
    let mut pages = clients
        .cloudformation
        .list_stack_resources()
        .stack_name(stack)
        .into_paginator()
        .stop_on_duplicate_token(false)
        .send();
    let (mut summaries, mut read) = (Vec::new(), Pages::of(OPERATION));
    while let Some(page) = pages.next().await {
        read.one_more()?;
        let Some(page) = found(page.map_err(reduce(OPERATION)))? else { return Ok(Vec::new()) };
        summaries.extend(page.stack_resource_summaries.unwrap_or_default());
    }
    Ok(summaries)
}

/// What stands in AWS for the resources of a stack, by their logical ids; nothing for a stack that does not exist.
///
/// # Errors
/// [`CallError`].
pub async fn physical_ids(clients: &Clients, stack: &str) -> Result<BTreeMap<String, String>, CallError> {
    let mut pages = clients.cloudformation.list_stack_resources().stack_name(stack).into_paginator().items().send();
    let mut ids = BTreeMap::new();
    while let Some(entry) = pages.next().await {
        let Some(entry) = found(entry.map_err(reduce("cloudformation:ListStackResources")))? else { break };
        ids.extend(entry.logical_resource_id.zip(entry.physical_resource_id));
    }
    Ok(ids)
}

/// What a stack has made and still has, by its name or ARN in AWS; nothing for a stack that does not exist.
///
/// # Errors
/// [`CallError`].
pub async fn members(clients: &Clients, stack: &str) -> Result<BTreeSet<String>, CallError> {
    let has_left =
        |entry: &StackResourceSummary| entry.resource_status().is_some_and(|status| LEFT.contains(&status.as_str()));
    let entries = summaries(clients, stack).await?.into_iter().filter(|entry| !has_left(entry));
    Ok(entries.filter_map(|entry| entry.physical_resource_id).collect())
}

/// Whether a resource failed only because another one had failed before, by CloudFormation's reason.
pub fn is_cancellation(reason: &str) -> bool {
    reason.starts_with("Resource creation cancelled") || reason.starts_with("Resource update cancelled")
}

/// One event of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Option<Timestamp>,
    /// The resource it is about.
    pub logical_id: String,
    /// The name in AWS of that resource; for an event of the stack itself, the stack's id.
    pub physical_id: String,
    /// The type of that resource.
    #[serde(rename = "type_name")]
    pub kind: String,
    /// What happened, such as `CREATE_FAILED`.
    pub status: String,
    /// Why, in CloudFormation's words.
    pub reason: Option<String>,
}

/// The events after the one with the id `last_seen`, oldest first; pages are read newest first, and no further back
/// than needed.
///
/// # Errors
/// [`CallError`].
pub async fn events_after(clients: &Clients, stack: &str, last_seen: Option<&str>) -> Result<Vec<Event>, CallError> {
    const OPERATION: &str = "cloudformation:DescribeStackEvents";
    let mut pages = clients
        .cloudformation
        .describe_stack_events()
        .stack_name(stack)
        .into_paginator()
        .stop_on_duplicate_token(false)
        .send();
    let (mut events, mut read) = (Vec::new(), Pages::of(OPERATION));
    while let Some(page) = pages.next().await {
        read.one_more()?;
        let Some(page) = found(page.map_err(reduce(OPERATION)))? else { break };
        let page = page.stack_events.unwrap_or_default();
        let new = page.iter().position(|event| event.event_id() == last_seen).unwrap_or(page.len());
        let is_last = new < page.len();
        events.extend(page.into_iter().take(new).map(event));
        if is_last {
            break;
        }
    }
    events.reverse();
    Ok(events)
}

fn event(event: StackEvent) -> Event {
    Event {
        at: event.timestamp().and_then(moment),
        id: event.event_id.unwrap_or_default(),
        logical_id: event.logical_resource_id.unwrap_or_default(),
        physical_id: event.physical_resource_id.unwrap_or_default(),
        kind: event.resource_type.unwrap_or_default(),
        status: event.resource_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: event.resource_status_reason,
    }
}

/// The id of the newest event of a stack, from which its next operation is followed.
///
/// # Errors
/// [`CallError`].
pub async fn newest_event(clients: &Clients, stack: &str) -> Result<Option<String>, CallError> {
    let asked = clients.cloudformation.describe_stack_events().stack_name(stack);
    let answer = found(asked.send().await.map_err(reduce("cloudformation:DescribeStackEvents")))?;
    let events = answer.as_ref().map(|answer| answer.stack_events()).unwrap_or_default();
    Ok(events.first().and_then(|event| event.event_id()).map(str::to_owned))
}

/// Begins to delete a stack. With `force`, resources that cannot be deleted are given up; only a stack whose deletion has
/// failed before takes that.
///
/// # Errors
/// [`CallError`].
pub async fn delete(clients: &Clients, stack: &str, force: bool) -> Result<(), CallError> {
    let mode = force.then_some(DeletionMode::ForceDeleteStack);
    let asked = clients.cloudformation.delete_stack().stack_name(stack).set_deletion_mode(mode);
    asked.send().await.map_err(reduce("cloudformation:DeleteStack"))?;
    Ok(())
}

/// Asks CloudFormation to go on with a rollback of an update that has failed.
///
/// # Errors
/// [`CallError`].
pub async fn continue_rollback(clients: &Clients, stack: &str) -> Result<(), CallError> {
    let asked = clients.cloudformation.continue_update_rollback().stack_name(stack);
    asked.send().await.map_err(reduce("cloudformation:ContinueUpdateRollback"))?;
    Ok(())
}

/// Asks CloudFormation to take back the update that is under way.
///
/// # Errors
/// [`CallError`], also when no update is under way.
pub async fn cancel_update(clients: &Clients, stack: &str) -> Result<(), CallError> {
    let asked = clients.cloudformation.cancel_update_stack().stack_name(stack);
    asked.send().await.map_err(reduce("cloudformation:CancelUpdateStack"))?;
    Ok(())
}

fn known(operation: &'static str, status: &str) -> Result<Status, CallError> {
    status.parse().map_err(|error: UnknownStatus| CallError::NoAnswer { operation, cause: error.to_string() })
}

/// CloudFormation has no code of its own for a stack that does not exist.
pub(super) fn found<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(CallError::Refused { code, message, .. })
            if code == "ValidationError" && message.contains("does not exist") =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
