//! Every status that instances, operations and their results can have.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::aws::CallError;

macro_rules! statuses {
    ($(#[$about:meta] $name:ident { $($variant:ident = $text:literal,)* })*) => {$(
        #[$about]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are CloudFormation's")]
        pub enum $name {
            $($variant,)*
        }

        impl $name {
            /// Every status.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The status as CloudFormation writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    other => Err(format!("`{other}` is not a status that this version knows")),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    )*};
}

statuses! {
    /// How an instance compares with its set (CloudFormation API reference, StackInstance).
    InstanceStatus {
        Current = "CURRENT",
        Outdated = "OUTDATED",
        Inoperable = "INOPERABLE",
    }
    /// What came of the last operation on an instance (StackInstanceComprehensiveStatus).
    DetailedStatus {
        Pending = "PENDING",
        Running = "RUNNING",
        Succeeded = "SUCCEEDED",
        Failed = "FAILED",
        Cancelled = "CANCELLED",
        Inoperable = "INOPERABLE",
        SkippedSuspendedAccount = "SKIPPED_SUSPENDED_ACCOUNT",
        FailedImport = "FAILED_IMPORT",
    }
    /// Where an operation stands (StackSetOperation).
    OperationStatus {
        Running = "RUNNING",
        Queued = "QUEUED",
        Stopping = "STOPPING",
        Stopped = "STOPPED",
        Succeeded = "SUCCEEDED",
        Failed = "FAILED",
    }
    /// What came of an operation in one account (StackSetOperationResultSummary).
    ResultStatus {
        Pending = "PENDING",
        Running = "RUNNING",
        Succeeded = "SUCCEEDED",
        Failed = "FAILED",
        Cancelled = "CANCELLED",
    }
}

impl OperationStatus {
    /// Whether it is not over yet.
    pub fn is_active(self) -> bool {
        match self {
            Self::Running | Self::Queued | Self::Stopping => true,
            Self::Stopped | Self::Succeeded | Self::Failed => false,
        }
    }
}

impl ResultStatus {
    /// Whether it does not change any more.
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// A status of an answer.
pub(super) fn known<T: FromStr<Err = String>>(operation: &'static str, status: &str) -> Result<T, CallError> {
    status.parse().map_err(|cause| CallError::NoAnswer { operation, cause })
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::{
        StackInstanceDetailedStatus, StackInstanceStatus, StackSetOperationResultStatus, StackSetOperationStatus,
    };

    use super::*;

    fn check<T: FromStr<Err = String> + fmt::Display>(published: &[&str], known: usize) {
        for text in published {
            assert_eq!(text.parse::<T>().map(|status| status.to_string()), Ok((*text).to_owned()));
        }
        assert_eq!(published.len(), known);
        assert!("PAUSED".parse::<T>().is_err());
    }

    #[test]
    fn every_status_of_the_published_model_is_known() {
        check::<InstanceStatus>(StackInstanceStatus::values(), InstanceStatus::ALL.len());
        check::<DetailedStatus>(StackInstanceDetailedStatus::values(), DetailedStatus::ALL.len());
        check::<OperationStatus>(StackSetOperationStatus::values(), OperationStatus::ALL.len());
        check::<ResultStatus>(StackSetOperationResultStatus::values(), ResultStatus::ALL.len());
    }
}
