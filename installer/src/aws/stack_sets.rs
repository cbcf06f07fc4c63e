//! Stack sets: what there is of one, and the operations on its instances. An operation gets its id from us, so that one
//! whose answer got lost is not begun a second time.

mod operations;
mod statuses;
mod targets;

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{
    AutoDeployment, CallAs, Capability, ManagedExecution, OrganizationStatus, PermissionModels, StackSetStatus, Tag,
};
use contract::AccountId;
use serde::Serialize;

use super::change_sets::Source;
use super::pages::Pages;
use super::{CallError, Clients, reduce};

pub use operations::{Operation, OperationResult, active, operation, results, stop};
pub use statuses::{DetailedStatus, InstanceStatus, OperationStatus, ResultStatus};
pub use targets::{MOST_UNITS, Preferences, Targets, Tolerated};

/// Which stack set, and on whose behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name, unique in its account and region.
    pub name: String,
    /// Whether the caller acts for the organization as its delegated administrator.
    pub is_delegate: bool,
}

impl Name {
    fn call_as(&self) -> Option<CallAs> {
        self.is_delegate.then_some(CallAs::DelegatedAdmin)
    }
}

/// With whose permissions the stacks of a set are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "permissions")]
pub enum Permissions {
    /// Those of a role that StackSets has in every account of the organization.
    ServiceManaged {
        /// Whether accounts that come into the units get their stack by themselves, and those that leave lose it.
        follows_accounts: bool,
    },
    /// Those of a role that somebody has made in every account.
    SelfManaged {
        /// The role that enters the accounts, as an ARN; the usual one when nobody says.
        administration_role: Option<String>,
        /// The role in each account, by its name; the usual one when nobody says.
        execution_role: Option<String>,
    },
}

impl Permissions {
    fn model(&self) -> PermissionModels {
        match self {
            Self::ServiceManaged { .. } => PermissionModels::ServiceManaged,
            Self::SelfManaged { .. } => PermissionModels::SelfManaged,
        }
    }

    fn auto_deployment(&self) -> Option<AutoDeployment> {
        match self {
            Self::ServiceManaged { follows_accounts: true } => {
                Some(AutoDeployment::builder().enabled(true).retain_stacks_on_account_removal(false).build())
            }
            Self::ServiceManaged { follows_accounts: false } => Some(AutoDeployment::builder().enabled(false).build()),
            Self::SelfManaged { .. } => None,
        }
    }

    fn roles(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::ServiceManaged { .. } => (None, None),
            Self::SelfManaged { administration_role, execution_role } => {
                (administration_role.clone(), execution_role.clone())
            }
        }
    }
}

/// What a set is to be.
#[derive(Debug, Clone)]
pub struct Wish<'a> {
    /// What it is for, in a sentence.
    pub description: &'a str,
    /// The template of every instance.
    pub template: Source<'a>,
    /// The tags of the set and of its stacks.
    pub tags: &'a BTreeMap<String, String>,
    /// With whose permissions.
    pub permissions: &'a Permissions,
}

/// What a set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// The template, as it was handed in.
    pub template: String,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// With whose permissions.
    pub permissions: Permissions,
    /// Whether operations that do not get into each other's way may run at the same time, and others wait.
    pub queues: bool,
    /// The units that were named for it, whose accounts it may follow.
    pub units: Vec<String>,
}

/// A stack of a set in an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// The account.
    pub account: AccountId,
    /// How it compares with the set.
    pub status: InstanceStatus,
    /// What came of the last operation on it.
    pub detailed: Option<DetailedStatus>,
    /// Why it is not as it should be, in CloudFormation's words.
    pub reason: Option<String>,
    /// The unit for which the account has it.
    pub unit: Option<String>,
    /// The id of the stack.
    pub stack: Option<String>,
}

/// What a request says that makes a set, or makes it another one. The SDK has a type of its own for each.
macro_rules! describing {
    ($asked:expr, $name:expr, $wish:expr) => {{
        let Wish { description, tags, permissions, .. } = $wish;
        let (administration_role, execution_role) = permissions.roles();
        $asked
            .stack_set_name(&$name.name)
            .set_call_as($name.call_as())
            .description(*description)
            .set_tags(Some(self::tags(tags)))
            .capabilities(Capability::CapabilityIam)
            .permission_model(permissions.model())
            .set_auto_deployment(permissions.auto_deployment())
            .set_administration_role_arn(administration_role)
            .set_execution_role_name(execution_role)
            .managed_execution(ManagedExecution::builder().active(true).build())
    }};
}

/// What a request says that makes instances, or takes them away.
macro_rules! aimed {
    ($asked:expr, $name:expr, $id:expr, $place:expr, $preferences:expr) => {{
        let (targets, region) = $place;
        let asked = $asked.stack_set_name(&$name.name).set_call_as($name.call_as()).operation_id($id);
        let asked = asked.operation_preferences($preferences.request()).regions(region);
        match targets {
            Targets::Accounts(accounts) => asked.set_accounts(Some(targets::numbers(accounts))),
            Targets::Below { .. } | Targets::Among { .. } => asked.deployment_targets(targets.request()),
        }
    }};
}

/// Looks a set up.
///
/// # Errors
/// [`CallError`].
pub async fn describe(clients: &Clients, name: &Name) -> Result<Option<Set>, CallError> {
    const OPERATION: &str = "cloudformation:DescribeStackSet";
    let asked = clients.cloudformation.describe_stack_set().stack_set_name(&name.name).set_call_as(name.call_as());
    let Some(answer) = found(asked.send().await.map_err(reduce(OPERATION)))? else { return Ok(None) };
    let set = answer.stack_set.ok_or_else(|| CallError::incomplete(OPERATION, "StackSet"))?;
    let permissions = match set.permission_model() {
        Some(PermissionModels::ServiceManaged) => Permissions::ServiceManaged {
            follows_accounts: set.auto_deployment().and_then(|auto| auto.enabled()) == Some(true),
        },
        Some(PermissionModels::SelfManaged) | None => Permissions::SelfManaged {
            administration_role: set.administration_role_arn().map(str::to_owned),
            execution_role: set.execution_role_name().map(str::to_owned),
        },
        Some(_) => return Err(CallError::incomplete(OPERATION, "PermissionModel")),
    };
    let tags = set.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())));
    Ok(Some(Set {
        tags: tags.collect(),
        permissions,
        queues: set.managed_execution().and_then(|managed| managed.active()) == Some(true),
        units: set.organizational_unit_ids().to_vec(),
        template: set.template_body.unwrap_or_default(),
    }))
}

/// The instances in a region, by account; none when there is no such set.
///
/// # Errors
/// [`CallError`].
pub async fn instances(
    clients: &Clients,
    name: &Name,
    region: &str,
) -> Result<BTreeMap<AccountId, Instance>, CallError> {
    const OPERATION: &str = "cloudformation:ListStackInstances";
    let asked = clients.cloudformation.list_stack_instances().stack_set_name(&name.name);
    let asked = asked.stack_instance_region(region).set_call_as(name.call_as());
    let mut pages = asked.into_paginator().stop_on_duplicate_token(false).send();
    let (mut entries, mut read) = (Vec::new(), Pages::of(OPERATION));
    while let Some(page) = pages.next().await {
        read.one_more()?;
        let Some(page) = found(page.map_err(reduce(OPERATION)))? else { break };
        entries.extend(page.summaries.unwrap_or_default());
    }
    let mut instances = BTreeMap::new();
    for entry in entries {
        let account = entry.account.and_then(|account| AccountId::new(account).ok());
        let account = account.ok_or_else(|| CallError::incomplete(OPERATION, "Account"))?;
        let status = entry.status.as_ref().map(|status| status.as_str()).unwrap_or_default();
        let detailed = entry.stack_instance_status.and_then(|status| status.detailed_status);
        let instance = Instance {
            status: statuses::known(OPERATION, status)?,
            detailed: detailed.map(|detailed| statuses::known(OPERATION, detailed.as_str())).transpose()?,
            reason: entry.status_reason.filter(|reason| !reason.is_empty()),
            unit: entry.organizational_unit_id,
            stack: entry.stack_id,
            account: account.clone(),
        };
        instances.insert(account, instance);
    }
    Ok(instances)
}

/// The descriptions of all sets that there are.
///
/// # Errors
/// [`CallError`].
pub async fn descriptions(clients: &Clients, is_delegate: bool) -> Result<BTreeMap<String, String>, CallError> {
    const OPERATION: &str = "cloudformation:ListStackSets";
    let name = Name { name: String::new(), is_delegate };
    let asked = clients.cloudformation.list_stack_sets().set_call_as(name.call_as());
    let asked = asked.status(StackSetStatus::Active);
    let mut pages = asked.into_paginator().stop_on_duplicate_token(false).send();
    let (mut sets, mut read) = (BTreeMap::new(), Pages::of(OPERATION));
    while let Some(page) = pages.next().await {
        read.one_more()?;
        let entries = page.map_err(reduce(OPERATION))?.summaries.unwrap_or_default().into_iter();
        sets.extend(entries.filter_map(|entry| Some((entry.stack_set_name?, entry.description.unwrap_or_default()))));
    }
    Ok(sets)
}

/// Whether StackSets may work in the accounts of the organization.
///
/// # Errors
/// [`CallError`].
pub async fn is_activated(clients: &Clients, is_delegate: bool) -> Result<bool, CallError> {
    let name = Name { name: String::new(), is_delegate };
    let asked = clients.cloudformation.describe_organizations_access().set_call_as(name.call_as());
    let answer = asked.send().await.map_err(reduce("cloudformation:DescribeOrganizationsAccess"))?;
    Ok(answer.status() == Some(&OrganizationStatus::Enabled))
}

/// Makes a set without instances. The same token again makes no other one.
///
/// # Errors
/// [`CallError`].
pub async fn create(clients: &Clients, name: &Name, token: &str, wish: &Wish<'_>) -> Result<(), CallError> {
    let asked = describing!(clients.cloudformation.create_stack_set(), name, wish).client_request_token(token);
    let asked = match &wish.template {
        Source::Body(text) => asked.template_body(*text),
        Source::Url(url) => asked.template_url(url),
    };
    Box::pin(asked.send()).await.map_err(reduce("cloudformation:CreateStackSet"))?;
    Ok(())
}

/// Begins to make the set another one, and all of its instances; or to bring those of some accounts to what the set is.
///
/// # Errors
/// [`CallError`], with the code `OperationInProgressException` while another operation is in the way.
pub async fn update(
    clients: &Clients,
    name: &Name,
    id: &str,
    wish: &Wish<'_>,
    preferences: Preferences,
    only: Option<(&[AccountId], &str)>,
) -> Result<(), CallError> {
    let asked = describing!(clients.cloudformation.update_stack_set(), name, wish);
    let asked = asked.operation_id(id).operation_preferences(preferences.request());
    let asked = match &wish.template {
        // A template that is named outdates the others too, also when it is the same.
        _ if only.is_some() => asked.use_previous_template(true),
        Source::Body(text) => asked.template_body(*text),
        Source::Url(url) => asked.template_url(url),
    };
    let is_service_managed = matches!(wish.permissions, Permissions::ServiceManaged { .. });
    let asked = match only {
        None => asked,
        Some((accounts, region)) if is_service_managed => {
            asked.deployment_targets(Targets::Accounts(accounts.to_vec()).request()).regions(region)
        }
        Some((accounts, region)) => asked.set_accounts(Some(targets::numbers(accounts))).regions(region),
    };
    accepted(Box::pin(asked.send()).await.map_err(reduce("cloudformation:UpdateStackSet")))
}

/// Begins to make instances.
///
/// # Errors
/// As for [`update`].
pub async fn add(
    clients: &Clients,
    name: &Name,
    id: &str,
    place: (&Targets, &str),
    preferences: Preferences,
) -> Result<(), CallError> {
    let asked = aimed!(clients.cloudformation.create_stack_instances(), name, id, place, preferences);
    accepted(asked.send().await.map_err(reduce("cloudformation:CreateStackInstances")))
}

/// Begins to delete instances and their stacks, or only to forget about these.
///
/// # Errors
/// As for [`update`].
pub async fn remove(
    clients: &Clients,
    name: &Name,
    id: &str,
    place: (&Targets, &str),
    preferences: Preferences,
    retains: bool,
) -> Result<(), CallError> {
    let asked = aimed!(clients.cloudformation.delete_stack_instances(), name, id, place, preferences);
    accepted(asked.retain_stacks(retains).send().await.map_err(reduce("cloudformation:DeleteStackInstances")))
}

/// Deletes a set without instances. One that is gone needs nothing.
///
/// # Errors
/// [`CallError`].
pub async fn delete(clients: &Clients, name: &Name) -> Result<(), CallError> {
    let asked = clients.cloudformation.delete_stack_set().stack_set_name(&name.name).set_call_as(name.call_as());
    found(asked.send().await.map_err(reduce("cloudformation:DeleteStackSet"))).map(drop)
}

fn tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// An operation with an id that is known was accepted before.
fn accepted<T>(answer: Result<T, CallError>) -> Result<(), CallError> {
    match answer {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("OperationIdAlreadyExistsException") => Ok(()),
        Err(error) => Err(error),
    }
}

/// `None` when there is no such set.
fn found<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code() == Some("StackSetNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}
