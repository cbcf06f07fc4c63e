//! The errors of S3 that more than one operation answers with.

use crate::ApiError;

pub(super) fn no_such_bucket() -> ApiError {
    ApiError::new("NoSuchBucket", "The specified bucket does not exist").with_status(404)
}

pub(super) fn no_such_key() -> ApiError {
    ApiError::new("NoSuchKey", "The specified key does not exist.").with_status(404)
}

pub(super) fn no_such_version() -> ApiError {
    ApiError::new("NoSuchVersion", "The specified version does not exist.").with_status(404)
}

pub(super) fn access_denied() -> ApiError {
    ApiError::new("AccessDenied", "Access Denied").with_status(403)
}

pub(super) fn invalid_argument(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidArgument", message)
}
