//! The function as Lambda sees it.

use super::{CallError, Clients, reduce};

/// What tells whether a function runs the code that it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// `Active` when it can be invoked.
    pub state: String,
    /// `Successful` when the last change of code or configuration has arrived.
    pub last_update: String,
    /// SHA-256 of the zip, in base64.
    pub code_sha256: String,
}

/// Looks a function up.
///
/// # Errors
/// [`CallError`], but not when there is no such function.
pub async fn describe(clients: &Clients, name: &str) -> Result<Option<Function>, CallError> {
    let asked = clients.lambda.get_function_configuration().function_name(name);
    match asked.send().await.map_err(reduce("lambda:GetFunctionConfiguration")) {
        Ok(answer) => Ok(Some(Function {
            state: answer.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
            last_update: answer.last_update_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            code_sha256: answer.code_sha256().unwrap_or_default().to_owned(),
        })),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}
