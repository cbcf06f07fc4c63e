//! An error answer of AWS: code, HTTP status and message, in whatever protocol the service speaks.

use std::fmt;

/// What a service answers instead of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The error code as the service's model names it, such as `LimitExceeded`.
    pub code: String,
    /// The text for people.
    pub message: String,
}

impl ApiError {
    /// An error with status 400, which most of AWS's errors have.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.into() }
    }

    /// The same error with another HTTP status.
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Whether it has this code.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// The answer to something that AWS may well have and the sandbox has not: never passed over in silence.
    pub(crate) fn unknown(what: &str, name: &str) -> Self {
        Self::new("SandboxUnsupported", format!("the sandbox does not know the {what} `{name}`")).with_status(501)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ApiError {}
