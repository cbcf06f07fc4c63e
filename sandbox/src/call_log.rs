//! The log of every request: who asked for what, what was checked, and how it ended.

use jiff::Timestamp;

/// One request to the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When, on the virtual clock.
    pub at: Timestamp,
    /// The ARN of the caller, or `anonymous`.
    pub principal: String,
    /// Service and operation, such as `iam:CreateAccessKey`.
    pub operation: String,
    /// The permissions that were checked on the way.
    pub checks: Vec<Check>,
    /// How it ended.
    pub outcome: Outcome,
}

/// One permission that was needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The IAM action.
    pub action: String,
    /// The ARN it was needed on.
    pub resource: String,
    /// Whether the caller's policies allow it.
    pub allowed: bool,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused, with this error code.
    Refused(String),
    /// It was done, and a fault kept the answer from the caller.
    AnswerLost,
    /// A fault kept it from being done.
    NotDone,
}

impl Call {
    /// Whether the operation changes anything. Reading operations are named after what they do, throughout AWS.
    pub fn is_write(&self) -> bool {
        let operation = self.operation.split_once(':').map_or(self.operation.as_str(), |(_, name)| name);
        let reading = ["Get", "List", "Describe", "Head", "Validate", "Simulate", "Detect", "Read "];
        !reading.iter().any(|read| operation.starts_with(read))
    }

    /// Whether the caller's policies did not allow something.
    pub fn is_denied(&self) -> bool {
        self.checks.iter().any(|check| !check.allowed)
    }
}
