//! Change sets: what CloudFormation says it would do, before it does it.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, DeploymentConfig, DeploymentConfigMode, DeploymentMode, OnStackFailure,
    Replacement, ResourceToImport, Tag, TemplateStage,
};
use contract::SecretArn;

use super::pages::Pages;
use super::stacks::found;
use super::{CallError, Clients, reduce};

/// What a change set is asked for.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The stack.
    pub stack: &'a str,
    /// The name of the change set, unique in the stack.
    pub name: &'a str,
    /// What it is for.
    pub kind: Kind<'a>,
    /// Whether what is configured counts as complete. Nothing is taken back then when it fails.
    pub express: bool,
    /// Whether nothing is taken back when it fails: a stack that has failed before takes nothing else.
    pub keeps_failure: bool,
    /// Whether what somebody has changed past CloudFormation is brought back to the template.
    pub reverts_drift: bool,
    /// Whether the template makes IAM resources.
    pub makes_roles: bool,
    /// The template.
    pub template: Source<'a>,
    /// The tags of the stack.
    pub tags: &'a BTreeMap<String, String>,
}

/// What a change set is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// To create the stack, which is deleted again should that fail.
    Create,
    /// To update it.
    Update,
    /// To have these secrets join it, by their logical ids. It is made if there is none.
    Import(&'a BTreeMap<String, SecretArn>),
}

/// Where CloudFormation finds a template.
#[derive(Debug, Clone)]
pub enum Source<'a> {
    /// In the request.
    Body(&'a str),
    /// In the artifact bucket.
    Url(String),
}

/// Asks for a change set, and gives the id of its stack, which is made for it if need be. It is ready when [`describe`]
/// says so.
///
/// # Errors
/// [`CallError`].
pub async fn create(clients: &Clients, order: &Order<'_>) -> Result<String, CallError> {
    const OPERATION: &str = "cloudformation:CreateChangeSet";
    let mut asked = clients
        .cloudformation
        .create_change_set()
        .stack_name(order.stack)
        .change_set_name(order.name)
        .client_token(order.name);
    asked = match order.kind {
        Kind::Create => asked.change_set_type(ChangeSetType::Create),
        Kind::Update => asked.change_set_type(ChangeSetType::Update),
        Kind::Import(secrets) => {
            secrets.iter().fold(asked.change_set_type(ChangeSetType::Import), |asked, (id, arn)| {
                asked.resources_to_import(secret(id, arn))
            })
        }
    };
    let config = DeploymentConfig::builder();
    asked = match order {
        // Off is what express mode has by itself; said here so that nobody has to know.
        Order { express: true, .. } => {
            asked.deployment_config(config.mode(DeploymentConfigMode::Express).disable_rollback(true).build())
        }
        Order { keeps_failure: true, .. } => asked.deployment_config(config.disable_rollback(true).build()),
        Order { kind: Kind::Create, .. } => asked.on_stack_failure(OnStackFailure::Delete),
        _ => asked,
    };
    if order.reverts_drift {
        asked = asked.deployment_mode(DeploymentMode::RevertDrift);
    }
    if order.makes_roles {
        asked = asked.capabilities(Capability::CapabilityNamedIam);
    }
    asked = match &order.template {
        Source::Body(text) => asked.template_body(*text),
        Source::Url(url) => asked.template_url(url),
    };
    for (key, value) in order.tags {
        asked = asked.tags(Tag::builder().key(key).value(value).build());
    }
    let answer = asked.send().await.map_err(reduce(OPERATION))?;
    answer.stack_id.ok_or_else(|| CallError::incomplete(OPERATION, "StackId"))
}

/// How CloudFormation is told which secret joins a stack. Its template names a secret, but only the ARN identifies one.
fn secret(logical_id: &str, arn: &SecretArn) -> ResourceToImport {
    ResourceToImport::builder()
        .resource_type("AWS::SecretsManager::Secret")
        .logical_resource_id(logical_id)
        .resource_identifier("Id", arn.as_str())
        .build()
}

/// How far a change set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// CloudFormation is still working it out.
    Making,
    /// It can be executed.
    Ready(Vec<Change>),
    /// There is nothing to change.
    Empty,
    /// CloudFormation refuses it.
    Failed(String),
}

/// What CloudFormation would do with one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub kind: String,
    /// `Add`, `Modify`, `Remove`, `Import` or `Dynamic`.
    pub action: String,
    /// Whether a new resource takes the place of the old one, as far as CloudFormation knows.
    pub replaces: Replaces,
}

/// Whether a change replaces the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// It is changed in place.
    No,
    /// That depends on values that are known only later.
    Perhaps,
    /// A new one takes its place.
    Yes,
}

/// Looks at a change set.
///
/// # Errors
/// [`CallError`].
pub async fn describe(clients: &Clients, stack: &str, name: &str) -> Result<Progress, CallError> {
    const OPERATION: &str = "cloudformation:DescribeChangeSet";
    let (mut changes, mut next) = (Vec::new(), None);
    let mut read = Pages::of(OPERATION);
    loop {
        read.one_more()?;
        let asked = clients.cloudformation.describe_change_set().stack_name(stack).change_set_name(name);
        let page = asked.set_next_token(next).send().await.map_err(reduce(OPERATION))?;
        let reason = page.status_reason().unwrap_or_default();
        match page.status() {
            Some(ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress) => return Ok(Progress::Making),
            Some(ChangeSetStatus::CreateComplete) => {}
            Some(ChangeSetStatus::Failed) if is_without_changes(reason) => return Ok(Progress::Empty),
            _ => return Ok(Progress::Failed(reason.to_owned())),
        }
        changes.extend(page.changes().iter().filter_map(|change| change.resource_change()).map(|change| Change {
            logical_id: change.logical_resource_id().unwrap_or_default().to_owned(),
            kind: change.resource_type().unwrap_or_default().to_owned(),
            action: change.action().map(|action| action.as_str().to_owned()).unwrap_or_default(),
            replaces: match change.replacement() {
                Some(Replacement::True) => Replaces::Yes,
                Some(Replacement::Conditional) => Replaces::Perhaps,
                _ => Replaces::No,
            },
        }));
        match page.next_token() {
            Some(token) => next = Some(token.to_owned()),
            None => return Ok(Progress::Ready(changes)),
        }
    }
}

/// The template of a change set, as CloudFormation has read it.
///
/// # Errors
/// [`CallError`].
pub async fn template(clients: &Clients, stack: &str, name: &str) -> Result<Option<String>, CallError> {
    let asked = clients.cloudformation.get_template().stack_name(stack).change_set_name(name);
    let answer = asked.template_stage(TemplateStage::Original).send().await;
    Ok(answer.map_err(reduce("cloudformation:GetTemplate"))?.template_body)
}

/// Executes a change set; `false` when it is gone, or the stack.
///
/// # Errors
/// [`CallError`].
pub async fn execute(clients: &Clients, stack: &str, name: &str) -> Result<bool, CallError> {
    let asked = clients.cloudformation.execute_change_set().stack_name(stack).change_set_name(name);
    let answer = asked.client_request_token(name).send().await.map_err(reduce("cloudformation:ExecuteChangeSet"));
    match found(answer) {
        Err(error) if error.code() == Some("ChangeSetNotFound") => Ok(false),
        answer => Ok(answer?.is_some()),
    }
}

/// Deletes a change set that nobody wants any more.
///
/// # Errors
/// [`CallError`], but not when it is gone already.
pub async fn delete(clients: &Clients, stack: &str, name: &str) -> Result<(), CallError> {
    let asked = clients.cloudformation.delete_change_set().stack_name(stack).change_set_name(name);
    found(asked.send().await.map_err(reduce("cloudformation:DeleteChangeSet")))?;
    Ok(())
}

/// CloudFormation says only in words that a change set failed because there is nothing to change.
fn is_without_changes(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}
