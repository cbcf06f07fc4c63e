//! What the functions of stacks run.

use super::{ObservedStack, stack};
use crate::aws::stacks::Rest;
use crate::aws::{CallError, Clients, functions};

/// What a function runs. CloudFormation does not see when somebody exchanges it: it can read no code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Running {
    /// Nothing: there is no such function.
    Nothing,
    /// The zip with this SHA-256, in base64.
    Code(String),
}

/// Looks at the stack of a function, and at what the function runs.
///
/// # Errors
/// [`CallError`].
pub async fn cell(clients: &Clients, name: &str) -> Result<Option<ObservedStack>, CallError> {
    match stack(clients, name).await? {
        Some(found) => with_function(clients, name, found).await.map(Some),
        None => Ok(None),
    }
}

/// Looks at what the function of a stack runs too.
///
/// # Errors
/// [`CallError`].
pub async fn with_function(clients: &Clients, name: &str, found: ObservedStack) -> Result<ObservedStack, CallError> {
    match found.stack.status.rest() {
        Rest::Usable => Ok(ObservedStack { running: Some(running(clients, name).await?), ..found }),
        _ => Ok(found),
    }
}

/// Looks at what a function runs.
///
/// # Errors
/// [`CallError`].
pub async fn running(clients: &Clients, name: &str) -> Result<Running, CallError> {
    let function = functions::describe(clients, name).await?;
    Ok(function.map_or(Running::Nothing, |function| Running::Code(function.code_sha256)))
}
