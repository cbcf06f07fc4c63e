//! Decides what brings one stack to its template.

use std::collections::BTreeMap;

use contract::SecretArn;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::drift::{self, drifted};
use super::{Action, Desired, ResourceChange, Verb, diff, stacks};
use crate::observe::ObservedStack;
use crate::template::{self, Template, TemplateError};

/// The longest template that a request may hold, in bytes (CloudFormation user guide, quotas).
const LONGEST_INLINE: usize = 51_200;

/// A stack to be brought to its template.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deployment {
    /// The name of the stack.
    pub stack: String,
    /// How.
    #[serde(flatten)]
    pub action: Action,
    /// Why.
    pub reason: String,
    /// Whether that is done in express mode: what is configured counts as complete, and nothing is taken back.
    pub express: bool,
    /// What it changes.
    pub changes: Vec<ResourceChange>,
    /// The stack's tags.
    pub tags: BTreeMap<String, String>,
    /// The text of the template.
    #[serde(skip)]
    pub template: String,
    /// The template's key in the bucket, when it is too long for a request.
    pub template_key: Option<String>,
    /// Whether the template makes IAM resources, which CloudFormation wants to be told.
    pub makes_roles: bool,
    /// What joins the stack before anything else is done with it.
    pub joins: Option<Joining>,
}

impl Deployment {
    /// Whether the stack is there, and nothing but secrets that join it, when its template is deployed.
    pub fn updates(&self) -> bool {
        !self.action.creates() || self.joins.is_some()
    }

    /// Whether what somebody has changed past CloudFormation is brought back.
    pub fn reverts_drift(&self) -> bool {
        self.changes.iter().any(|change| change.drift.is_some())
    }

    /// Whether nothing is taken back when it fails. A stack that has failed before takes nothing else.
    pub fn keeps_failure(&self) -> bool {
        self.express || matches!(self.action, Action::Resume { .. })
    }
}

/// Secrets that exist already and join a stack. CloudFormation takes them in an operation of its own, in which nothing
/// else may change, and wants to know their ARNs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Joining {
    /// Their ARNs, by logical id.
    pub resources: BTreeMap<String, SecretArn>,
    /// The text of the template: what the stack has now, and the secrets.
    #[serde(skip)]
    pub template: String,
    /// The template's key in the bucket, when it is too long for a request.
    pub template_key: Option<String>,
    /// The stack's tags meanwhile.
    #[serde(skip)]
    pub tags: BTreeMap<String, String>,
}

/// The template that a stack has now; none when it must be made anew, or was never made.
///
/// # Errors
/// [`TemplateError`] when it cannot be read.
pub fn deployed(stack: &ObservedStack) -> Result<Option<Template>, TemplateError> {
    stack.template.as_deref().map(Template::parse).transpose()
}

/// What brings a stack to its template; `None` when it is there already.
pub(super) fn of(
    stack: &str,
    desired: &Desired<'_>,
    wanted: &Template,
    current: Option<&ObservedStack>,
    action: Action,
    imports: &BTreeMap<String, SecretArn>,
) -> Result<Option<Deployment>, TemplateError> {
    let text = wanted.to_text();
    let (tags, express) = (desired.config.tags.clone(), desired.express);
    let deployed = current.map(deployed).transpose()?.flatten();
    let is_deployed = deployed.as_ref().is_some_and(|deployed| deployed.to_text() == text);
    let mut before = deployed.as_ref().map(Template::resources).unwrap_or_default();
    if let Some(made) = current.and_then(stacks::made) {
        before.retain(|id, _| made.contains(id.as_str()));
    }
    let mut changes = diff::changes(before, wanted, imports);
    let differs = !changes.is_empty();
    let drift = current.and_then(|current| current.drift.as_ref());
    let drifted = drift.map(|drift| drifted(drift, deployed.as_ref())).unwrap_or_default();
    let without = changes.clone();
    drift::join(&mut changes, &drifted, wanted);
    if drift::changes_secrets(&changes) {
        changes = without;
    }
    let has_drifted = changes.iter().any(|change| change.drift.is_some());
    let reason = match (&action, current) {
        (Action::Create, _) => "there is none",
        (Action::CreateAnew { status, .. }, _) => &format!("the one that is there holds nothing: {status}"),
        (Action::Resume { status, failed }, _) => &format!("it is {status}, and goes on from there{}", listed(failed)),
        (Action::Update, _) if has_drifted && differs => "its template differs, and it was changed past CloudFormation",
        (Action::Update, _) if has_drifted => "it was changed past CloudFormation",
        (Action::Update, Some(current)) if current.stack.tags == tags && is_deployed => return Ok(None),
        (Action::Update, _) if differs => "its template differs",
        (Action::Update, _) if !is_deployed => "its template differs outside of the resources",
        (Action::Update, _) => "its tags differ",
    };
    let reason = reason.to_owned();
    let joins = joining(&changes, imports, wanted, deployed.as_ref())?.map(|joining| Joining {
        tags: deployed.as_ref().and(current).map_or_else(|| tags.clone(), |current| current.stack.tags.clone()),
        ..joining
    });
    let template_key = template_key(&text);
    let makes_roles = wanted.resources().values().any(|resource| resource.kind.starts_with("AWS::IAM::"));
    let stack = stack.to_owned();
    Ok(Some(Deployment {
        stack,
        action,
        reason,
        express,
        changes,
        tags,
        template: text,
        template_key,
        makes_roles,
        joins,
    }))
}

/// The secrets among the changes that join the stack.
fn joining(
    changes: &[ResourceChange],
    imports: &BTreeMap<String, SecretArn>,
    wanted: &Template,
    deployed: Option<&Template>,
) -> Result<Option<Joining>, TemplateError> {
    let joining = changes.iter().filter(|change| change.change == Verb::Import);
    let resources: BTreeMap<String, SecretArn> = joining
        .filter_map(|change| imports.get_key_value(&change.logical_id))
        .map(|(id, arn)| (id.clone(), arn.clone()))
        .collect();
    if resources.is_empty() {
        return Ok(None);
    }
    let template = template::with(deployed, wanted, resources.keys())?.to_text();
    Ok(Some(Joining { resources, template_key: template_key(&template), template, tags: BTreeMap::new() }))
}

/// The key in the bucket of a template that is too long for a request.
pub fn template_key(text: &str) -> Option<String> {
    (text.len() > LONGEST_INLINE).then(|| format!("keyturn/templates/{}.yaml", digest(text)))
}

/// What has failed, for the end of a line.
fn listed(failed: &[String]) -> String {
    if failed.is_empty() { String::new() } else { format!(": {}", failed.join(", ")) }
}

/// What whoever decides should know of the drift in a stack.
pub(super) fn remarks(
    stack: &str,
    current: Option<&ObservedStack>,
    deployment: Option<&Deployment>,
) -> Result<Vec<String>, TemplateError> {
    let Some(drift) = current.and_then(|current| current.drift.as_ref()) else { return Ok(Vec::new()) };
    let deployed = current.map(deployed).transpose()?.flatten();
    let drifted = drifted(drift, deployed.as_ref());
    let mut remarks = drift::remarks(stack, drift, &drifted);
    let is_kept = drift::is_reversible(&drifted) && !deployment.is_some_and(Deployment::reverts_drift);
    remarks.extend(is_kept.then(|| drift::kept(stack)));
    Ok(remarks)
}

/// What names a template among others: its content.
fn digest(template: &str) -> String {
    Sha256::digest(template).iter().map(|byte| format!("{byte:02x}")).collect()
}
