//! The operations on a stack set, and what comes of them in each account.

use aws_sdk_cloudformation::types::StackSetOperationAction;
use contract::AccountId;

use super::statuses::{OperationStatus, ResultStatus, known};
use super::{Name, found};
use crate::aws::pages::Pages;
use crate::aws::{CallError, Clients, reduce};

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// What it does, in CloudFormation's word: `CREATE`, `UPDATE`, `DELETE`.
    pub action: String,
    /// Where it stands.
    pub status: OperationStatus,
}

/// What came of it in one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationResult {
    /// The account.
    pub account: AccountId,
    /// What came of it.
    pub status: ResultStatus,
    /// Why, in CloudFormation's words.
    pub reason: Option<String>,
}

/// The operations that are not over yet, oldest first.
///
/// # Errors
/// [`CallError`].
pub async fn active(clients: &Clients, name: &Name) -> Result<Vec<Operation>, CallError> {
    const OPERATION: &str = "cloudformation:ListStackSetOperations";
    // Newest first, and no set has more than a page of them that are not over.
    let asked = clients.cloudformation.list_stack_set_operations().stack_set_name(&name.name);
    let answer = asked.set_call_as(name.call_as()).send().await.map_err(reduce(OPERATION));
    let Some(answer) = found(answer)? else { return Ok(Vec::new()) };
    let mut operations = Vec::new();
    for entry in answer.summaries.unwrap_or_default().into_iter().rev() {
        let status: OperationStatus = known(OPERATION, entry.status.as_ref().map_or("", |status| status.as_str()))?;
        if status.is_active() {
            operations.push(read(OPERATION, entry.operation_id, entry.action, status)?);
        }
    }
    Ok(operations)
}

/// Looks an operation up.
///
/// # Errors
/// [`CallError`].
pub async fn operation(clients: &Clients, name: &Name, id: &str) -> Result<Operation, CallError> {
    const OPERATION: &str = "cloudformation:DescribeStackSetOperation";
    let asked = clients.cloudformation.describe_stack_set_operation().stack_set_name(&name.name).operation_id(id);
    let answer = asked.set_call_as(name.call_as()).send().await.map_err(reduce(OPERATION))?;
    let answer = answer.stack_set_operation.ok_or_else(|| CallError::incomplete(OPERATION, "StackSetOperation"))?;
    let status = known(OPERATION, answer.status.as_ref().map_or("", |status| status.as_str()))?;
    read(OPERATION, answer.operation_id, answer.action, status)
}

/// What has come of an operation so far, in each account that it has got to.
///
/// # Errors
/// [`CallError`].
pub async fn results(clients: &Clients, name: &Name, id: &str) -> Result<Vec<OperationResult>, CallError> {
    const OPERATION: &str = "cloudformation:ListStackSetOperationResults";
    let asked = clients.cloudformation.list_stack_set_operation_results().stack_set_name(&name.name).operation_id(id);
    let mut pages = asked.set_call_as(name.call_as()).into_paginator().stop_on_duplicate_token(false).send();
    let (mut results, mut read) = (Vec::new(), Pages::of(OPERATION));
    while let Some(page) = pages.next().await {
        read.one_more()?;
        for entry in page.map_err(reduce(OPERATION))?.summaries.unwrap_or_default() {
            let account = entry.account.and_then(|account| AccountId::new(account).ok());
            results.push(OperationResult {
                account: account.ok_or_else(|| CallError::incomplete(OPERATION, "Account"))?,
                status: known(OPERATION, entry.status.as_ref().map_or("", |status| status.as_str()))?,
                reason: entry.status_reason.filter(|reason| !reason.is_empty()),
            });
        }
    }
    Ok(results)
}

/// Asks for an operation to begin nothing more. One that is over by then needs nothing.
///
/// # Errors
/// [`CallError`].
pub async fn stop(clients: &Clients, name: &Name, id: &str) -> Result<(), CallError> {
    let asked = clients.cloudformation.stop_stack_set_operation().stack_set_name(&name.name).operation_id(id);
    match asked.set_call_as(name.call_as()).send().await.map_err(reduce("cloudformation:StopStackSetOperation")) {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("InvalidOperationException") => Ok(()),
        Err(error) => Err(error),
    }
}

fn read(
    operation: &'static str,
    id: Option<String>,
    action: Option<StackSetOperationAction>,
    status: OperationStatus,
) -> Result<Operation, CallError> {
    let id = id.ok_or_else(|| CallError::incomplete(operation, "OperationId"))?;
    let action = action.map(|action| action.as_str().to_owned()).unwrap_or_default();
    Ok(Operation { id, action, status })
}
