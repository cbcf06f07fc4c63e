//! Stack sets, instances, operations and their results as the API describes them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::super::template::Template;
use super::super::operation::{Action, Operation, Work};
use super::super::set::{Instance, Permissions, Place, StackSet};
use crate::answer::Xml;

pub(super) fn set(set: &StackSet, template: &Template) -> Xml {
    let recipe = &set.recipe;
    let parameters = recipe.parameters.iter().map(|(name, value)| {
        let shown = template.parameters.get(name).map_or("", |parameter| parameter.shown(value));
        Xml::new().text("ParameterKey", name).text("ParameterValue", shown)
    });
    let tags = recipe.tags.iter().map(|(key, value)| Xml::new().text("Key", key).text("Value", value));
    let regions: BTreeSet<&String> = set.instances.keys().map(|place| &place.region).collect();
    let shown = named(set)
        .text("TemplateBody", &recipe.body)
        .members("Parameters", parameters)
        .members("Capabilities", recipe.capabilities.iter().map(Xml::plain))
        .members("Tags", tags)
        .text("StackSetARN", &set.arn)
        .members("Regions", regions.into_iter().map(Xml::plain));
    match &set.permissions {
        Permissions::ServiceManaged { units, .. } => {
            shown.members("OrganizationalUnitIds", units.keys().map(Xml::plain))
        }
        Permissions::SelfManaged { administration_role, execution_role } => {
            shown.text("AdministrationRoleARN", administration_role).text("ExecutionRoleName", execution_role)
        }
    }
}

pub(super) fn summary(set: &StackSet) -> Xml {
    named(set).text("DriftStatus", "NOT_CHECKED")
}

/// What a description and a summary have in common.
fn named(set: &StackSet) -> Xml {
    let shown = Xml::new()
        .text("StackSetName", &set.name)
        .text("StackSetId", &set.id)
        .optional("Description", set.description.as_ref())
        .text("Status", if set.deleted { "DELETED" } else { "ACTIVE" })
        .element("ManagedExecution", Xml::new().text("Active", set.managed_execution));
    match &set.permissions {
        Permissions::ServiceManaged { auto_deployment, .. } => {
            let retains = auto_deployment.enabled.then_some(auto_deployment.retains);
            let auto =
                Xml::new().text("Enabled", auto_deployment.enabled).optional("RetainStacksOnAccountRemoval", retains);
            shown.text("PermissionModel", "SERVICE_MANAGED").element("AutoDeployment", auto)
        }
        Permissions::SelfManaged { .. } => shown.text("PermissionModel", "SELF_MANAGED"),
    }
}

pub(super) fn instance(set: &StackSet, place: &Place, instance: &Instance) -> Xml {
    Xml::new()
        .text("StackSetId", &set.id)
        .text("Region", &place.region)
        .text("Account", &place.account)
        .optional("StackId", instance.stack.as_ref())
        .text("Status", instance.status.name())
        .optional("StatusReason", instance.reason.as_ref())
        .element("StackInstanceStatus", Xml::new().text("DetailedStatus", instance.detailed.name()))
        .optional("OrganizationalUnitId", instance.unit.as_ref())
        .text("DriftStatus", "NOT_CHECKED")
        .text("LastOperationId", &instance.last_operation)
}

pub(super) fn operation(set: &StackSet, operation: &Operation) -> Xml {
    let retain = match operation.action {
        Action::Delete { retain } => Some(retain),
        Action::Create { .. } | Action::Update { .. } => None,
    };
    let shown = operation_summary(operation)
        .text("StackSetId", &set.id)
        .optional("RetainStacks", retain)
        .element("DeploymentTargets", operation.targets.shown());
    match &set.permissions {
        Permissions::ServiceManaged { .. } => shown,
        Permissions::SelfManaged { administration_role, execution_role } => {
            shown.text("AdministrationRoleARN", administration_role).text("ExecutionRoleName", execution_role)
        }
    }
}

pub(super) fn operation_summary(operation: &Operation) -> Xml {
    let failures = Xml::new().text("FailedStackInstancesCount", operation.failures());
    Xml::new()
        .text("OperationId", &operation.id)
        .text("Action", operation.action.name())
        .text("Status", operation.status.name())
        .text("CreationTimestamp", time(operation.created))
        .optional("EndTimestamp", operation.ended.map(time))
        .element("OperationPreferences", operation.preferences.shown())
        .element("StatusDetails", failures)
}

pub(super) fn result(place: &Place, work: &Work) -> Xml {
    let gate = Xml::new()
        .text("Status", "SKIPPED")
        .text("StatusReason", format!("Function not found: the account {} has no account gate", place.account));
    Xml::new()
        .text("Account", &place.account)
        .text("Region", &place.region)
        .text("Status", work.progress.name())
        .optional("StatusReason", work.reason.as_ref())
        .element("AccountGateResult", gate)
        .optional("OrganizationalUnitId", work.unit.as_ref())
}

/// To the millisecond, as AWS gives it.
fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}
