//! The errors of Secrets Manager that more than one operation answers with.

use crate::ApiError;

pub(super) fn not_found() -> ApiError {
    ApiError::new("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

pub(super) fn no_version(id: &str) -> ApiError {
    let message = format!("Secrets Manager can't find the specified secret version: {id}");
    ApiError::new("ResourceNotFoundException", message)
}

pub(super) fn no_value(which: &str) -> ApiError {
    let message = format!("Secrets Manager can't find the specified secret value for {which}");
    ApiError::new("ResourceNotFoundException", message)
}

pub(super) fn marked_for_deletion() -> ApiError {
    invalid_request("You can't perform this operation on the secret because it was marked for deletion.")
}

pub(super) fn invalid_request(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidRequestException", message)
}

pub(super) fn invalid_parameter(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterException", message)
}

pub(super) fn limit_exceeded(message: impl Into<String>) -> ApiError {
    ApiError::new("LimitExceededException", message)
}
