//! Drift: what somebody has made of a stack's resources past CloudFormation. A detection compares what is there with what
//! the template says, as far as it says something and the service tells it.

pub(super) mod detection;
mod difference;
mod live;

use jiff::Timestamp;
use serde_json::Value;

pub(super) use detection::Detection;
pub(super) use difference::Difference;
pub(super) use live::{Live, look, read, with_others};

/// What a detection has found of one resource.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drift {
    pub(super) status: Status,
    pub(super) at: Timestamp,
    /// Why nothing could be found.
    pub(super) reason: Option<String>,
    /// The readable properties as the template has them, and as they are.
    pub(super) expected: Option<Value>,
    pub(super) actual: Option<Value>,
    pub(super) differences: Vec<Difference>,
}

/// How a resource stands to its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InSync,
    Modified,
    Deleted,
    /// It could not be looked at.
    Unknown,
}

impl Status {
    /// The name in the API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InSync => "IN_SYNC",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Unknown => "UNKNOWN",
        }
    }
}
