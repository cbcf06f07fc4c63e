//! What IAM says of calls that nobody makes: SimulatePrincipalPolicy.

use std::collections::BTreeMap;

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};

use super::pages::Pages;
use super::{CallError, Clients, reduce};

/// How a simulation of one action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// The action.
    pub action: String,
    /// What the policies say.
    pub decision: Decision,
    /// The condition keys that policies ask for and nobody can tell beforehand.
    pub missing: Vec<String>,
}

/// What policies say of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is allowed.
    Allowed,
    /// No policy allows it.
    NotAllowed,
    /// A policy denies it.
    Denied,
}

/// Asks what the policies of a user or role say of actions on one resource. With several resources in one request an
/// answer has two forms, with one it has one.
///
/// # Errors
/// [`CallError`], in particular when the caller may not ask.
pub async fn simulate(
    clients: &Clients,
    principal: &str,
    actions: &[&str],
    resource: &str,
    context: &BTreeMap<&'static str, String>,
) -> Result<Vec<Simulated>, CallError> {
    const OPERATION: &str = "iam:SimulatePrincipalPolicy";
    let entry = |(name, value): (&&'static str, &String)| {
        let entry = ContextEntry::builder().context_key_name(*name).context_key_values(value);
        entry.context_key_type(ContextKeyTypeEnum::String).build()
    };
    let mut pages = clients
        .iam
        .simulate_principal_policy()
        .policy_source_arn(principal)
        .set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()))
        .resource_arns(resource)
        .set_context_entries((!context.is_empty()).then(|| context.iter().map(entry).collect()))
        .into_paginator()
        .stop_on_duplicate_token(false)
        .send();
    let mut simulated = Vec::new();
    let mut read = Pages::of(OPERATION);
    while let Some(page) = pages.next().await {
        read.one_more()?;
        for result in page.map_err(reduce(OPERATION))?.evaluation_results() {
            simulated.push(Simulated {
                action: result.eval_action_name().to_owned(),
                decision: match result.eval_decision() {
                    PolicyEvaluationDecisionType::Allowed => Decision::Allowed,
                    PolicyEvaluationDecisionType::ExplicitDeny => Decision::Denied,
                    _ => Decision::NotAllowed,
                },
                missing: result.missing_context_values().to_vec(),
            });
        }
    }
    let is_complete = actions.iter().all(|action| simulated.iter().any(|simulated| simulated.action == *action));
    if is_complete { Ok(simulated) } else { Err(CallError::incomplete(OPERATION, "EvaluationResults")) }
}

/// The ARN of a role, with its path; `None` when there is no such role.
///
/// # Errors
/// [`CallError`].
pub async fn role_arn(clients: &Clients, name: &str) -> Result<Option<String>, CallError> {
    match clients.iam.get_role().role_name(name).send().await.map_err(reduce("iam:GetRole")) {
        Ok(answer) => Ok(answer.role().map(|role| role.arn().to_owned())),
        Err(error) if error.code() == Some("NoSuchEntity") => Ok(None),
        Err(error) => Err(error),
    }
}
