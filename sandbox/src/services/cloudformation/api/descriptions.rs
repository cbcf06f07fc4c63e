//! Stacks, events, resources and change sets as the API describes them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::super::blueprint::Blueprint;
use super::super::change_set::{ChangeSet, Deployment, Kind};
use super::super::diff::{Change, Detail};
use super::super::drift::{Drift, Status};
use super::super::events::Event;
use super::super::operation::OnFailure;
use super::super::stack::{Stack, StackResource};
use super::super::template::Template;
use crate::answer::Xml;

pub(super) fn stack(stack: &Stack) -> Xml {
    let blueprint = stack.blueprint.as_ref();
    let outputs = stack.outputs.iter().map(|(name, (value, description))| {
        Xml::new().text("OutputKey", name).text("OutputValue", value).optional("Description", description.as_ref())
    });
    Xml::new()
        .text("StackId", &stack.identity.id)
        .text("StackName", &stack.identity.name)
        .optional("ChangeSetId", stack.change_set.as_ref())
        .optional("Description", blueprint.and_then(|blueprint| blueprint.template.description.as_ref()))
        .text("CreationTime", time(stack.created_at))
        .optional("LastUpdatedTime", stack.updated_at.map(time))
        .optional("DeletionTime", stack.deleted_at.map(time))
        .text("StackStatus", stack.status.name())
        .optional("StackStatusReason", stack.reason.as_ref())
        .text("DisableRollback", false)
        .text("EnableTerminationProtection", stack.protected)
        .element("DeploymentConfig", Xml::new().text("Mode", mode(stack.express)))
        .members("Outputs", outputs)
        .element("DriftInformation", stack_drift(stack))
        .element("RollbackConfiguration", Xml::new())
        .filled(blueprint)
}

fn stack_drift(stack: &Stack) -> Xml {
    let (status, at) = stack.drift.map_or(("NOT_CHECKED", None), |(status, at)| (status, Some(at)));
    Xml::new().text("StackDriftStatus", status).optional("LastCheckTimestamp", at.map(time))
}

fn resource_drift(resource: &StackResource) -> Xml {
    let drift = resource.drift.as_ref();
    Xml::new()
        .text("StackResourceDriftStatus", drift.map_or("NOT_CHECKED", |drift| drift.status.name()))
        .optional("LastCheckTimestamp", drift.map(|drift| time(drift.at)))
}

/// A resource that drift was looked for in.
pub(super) fn drift(stack: &Stack, name: &str, resource: &StackResource, drift: &Drift) -> Xml {
    let differences = drift.differences.iter().map(|difference| {
        let written = |value: &Option<Value>| value.as_ref().map_or_else(|| "null".to_owned(), shown);
        Xml::new()
            .text("PropertyPath", &difference.path)
            .text("ExpectedValue", written(&difference.expected))
            .text("ActualValue", written(&difference.actual))
            .text("DifferenceType", difference.kind())
    });
    Xml::new()
        .text("StackId", &stack.identity.id)
        .text("LogicalResourceId", name)
        .optional("PhysicalResourceId", resource.physical_id.as_ref())
        .text("ResourceType", &resource.kind)
        .optional("ExpectedProperties", drift.expected.as_ref())
        .optional("ActualProperties", drift.actual.as_ref())
        .members("PropertyDifferences", differences)
        .text("StackResourceDriftStatus", drift.status.name())
        .optional("DriftStatusReason", drift.reason.as_ref())
        .text("Timestamp", time(drift.at))
}

impl Xml {
    /// What fills in the template: parameters, tags and capabilities.
    fn filled(self, blueprint: Option<&Blueprint>) -> Self {
        let Some(blueprint) = blueprint else { return self };
        let parameters = blueprint.parameters.iter().map(|(name, value)| {
            let shown = blueprint.template.parameters.get(name).map_or("", |parameter| parameter.shown(value));
            Xml::new().text("ParameterKey", name).text("ParameterValue", shown)
        });
        let tags = blueprint.tags.iter().map(|(key, value)| Xml::new().text("Key", key).text("Value", value));
        self.members("Parameters", parameters)
            .members("Tags", tags)
            .members("Capabilities", blueprint.capabilities.iter().map(Xml::plain))
    }
}

/// What a template declares.
pub(super) fn template(template: &Template) -> Xml {
    let parameters = template.parameters.iter().map(|(name, parameter)| {
        Xml::new()
            .text("ParameterKey", name)
            .optional("DefaultValue", parameter.default())
            .text("ParameterType", parameter.kind())
            .text("NoEcho", parameter.is_hidden())
    });
    let kinds: BTreeSet<&str> = template.resources.values().map(|resource| resource.kind.as_str()).collect();
    Xml::new()
        .optional("Description", template.description.as_ref())
        .members("Parameters", parameters)
        .members("ResourceTypes", kinds.into_iter().map(Xml::plain))
}

pub(super) fn event(stack: &Stack, event: &Event) -> Xml {
    Xml::new()
        .text("StackId", &stack.identity.id)
        .text("StackName", &stack.identity.name)
        .text("EventId", &event.id)
        .text("LogicalResourceId", &event.logical_id)
        .text("PhysicalResourceId", event.physical_id.as_deref().unwrap_or_default())
        .text("ResourceType", &event.kind)
        .text("Timestamp", time(event.at))
        .text("ResourceStatus", &event.status)
        .optional("ResourceStatusReason", event.reason.as_ref())
        .optional("ClientRequestToken", event.token.as_ref())
}

/// A resource; the two operations that describe one differ in the name of its time.
pub(super) fn resource(name: &str, resource: &StackResource, time_name: &str) -> Xml {
    Xml::new()
        .text("LogicalResourceId", name)
        .optional("PhysicalResourceId", resource.physical_id.as_ref())
        .text("ResourceType", &resource.kind)
        .text(time_name, time(resource.changed_at))
        .text("ResourceStatus", resource.status)
        .optional("ResourceStatusReason", resource.reason.as_ref())
        .element("DriftInformation", resource_drift(resource))
}

pub(super) fn change_set(change_set: &ChangeSet, stack: &Stack, changes: &[Change], with_values: bool) -> Xml {
    let on_failure = change_set.on_failure.map(|on_failure| match on_failure {
        OnFailure::Rollback => "ROLLBACK",
        OnFailure::Delete => "DELETE",
        OnFailure::Nothing => "DO_NOTHING",
    });
    let changes = changes.iter().map(|change| {
        Xml::new().text("Type", "Resource").element("ResourceChange", resource_change(change, with_values))
    });
    Xml::new()
        .text("ChangeSetName", &change_set.name)
        .text("ChangeSetId", &change_set.id)
        .text("StackId", &stack.identity.id)
        .text("StackName", &stack.identity.name)
        .optional("Description", change_set.description.as_ref())
        .text("CreationTime", time(change_set.created_at))
        .text("ExecutionStatus", change_set.execution.name())
        .text("Status", change_set.status.name())
        .optional("StatusReason", change_set.reason.as_ref())
        .optional("OnStackFailure", on_failure)
        .optional("DeploymentMode", change_set.reverts.then_some("REVERT_DRIFT"))
        .element("DeploymentConfig", deployment(&change_set.deployment))
        .text("ImportExistingResources", matches!(change_set.kind, Kind::Change { imports_existing: true }))
        .text("IncludeNestedStacks", false)
        .members("Changes", changes)
        .filled(Some(&change_set.blueprint))
}

fn deployment(deployment: &Deployment) -> Xml {
    Xml::new().text("Mode", mode(deployment.express)).optional("DisableRollback", deployment.disable_rollback)
}

fn mode(express: bool) -> &'static str {
    if express { "EXPRESS" } else { "STANDARD" }
}

fn resource_change(change: &Change, with_values: bool) -> Xml {
    let mut scope: Vec<_> = change.details.iter().map(|detail| detail.attribute).collect();
    scope.sort_unstable();
    scope.dedup();
    let mut details = change.details.clone();
    if !with_values {
        for detail in &mut details {
            (detail.path, detail.before, detail.after) = (String::new(), None, None);
        }
        // Several differences inside of one property look the same now.
        details.dedup();
    }
    let state = |state: &Option<Value>| state.as_ref().filter(|_| with_values).map(Value::to_string);
    Xml::new()
        .text("Action", change.action)
        .text("LogicalResourceId", &change.logical_id)
        .optional("PhysicalResourceId", change.physical_id.as_ref())
        .text("ResourceType", &change.kind)
        .optional("Replacement", change.replacement)
        .optional("PolicyAction", change.policy_action)
        .optional("ResourceDriftStatus", change.drift.map(Status::name))
        .members("Scope", scope.into_iter().map(Xml::plain))
        .members("Details", details.iter().map(|it| detail(it, with_values, change.drift.is_some())))
        .optional("BeforeContext", state(&change.before))
        .optional("AfterContext", state(&change.after))
}

fn detail(detail: &Detail, with_values: bool, is_drift_aware: bool) -> Xml {
    let mut target = Xml::new()
        .text("Attribute", detail.attribute)
        .optional("Name", detail.name.as_ref())
        .text("RequiresRecreation", if detail.always_recreates { "Always" } else { "Never" });
    if with_values {
        let kind = match (&detail.before, &detail.after) {
            (None, _) => "Add",
            (Some(_), None) => "Remove",
            (Some(_), Some(_)) => "Modify",
        };
        target = target
            .text("Path", &detail.path)
            .optional("BeforeValue", detail.before.as_ref().map(shown))
            .optional("AfterValue", detail.after.as_ref().map(shown))
            .text("AttributeChangeType", kind);
        if is_drift_aware {
            let from = if detail.drifted_from.is_some() { "ACTUAL_STATE" } else { "PREVIOUS_DEPLOYMENT_STATE" };
            target = target.text("BeforeValueFrom", from).text("AfterValueFrom", "TEMPLATE");
        }
        if let Some(previous) = &detail.drifted_from {
            let drift = Xml::new()
                .text("PreviousValue", shown(previous))
                .optional("ActualValue", detail.before.as_ref().map(shown));
            target = target.element("Drift", drift);
        }
    }
    Xml::new()
        .element("Target", target)
        .text("Evaluation", if detail.dynamic { "Dynamic" } else { "Static" })
        .text("ChangeSource", detail.source)
        .optional("CausingEntity", detail.causing_entity.as_ref())
}

/// Texts as they are, anything else as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// To the millisecond, as AWS gives it.
fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}
