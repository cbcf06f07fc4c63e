//! Every status that a stack can have, and what each one means for whoever wants to work on the stack.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

macro_rules! statuses {
    ($($variant:ident = $text:literal => $rest:ident,)*) => {
        /// The status of a stack (CloudFormation API reference, Stack).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are CloudFormation's")]
        pub enum Status {
            $($variant,)*
        }

        impl Status {
            /// Every status.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The status as CloudFormation writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// What the status means for the next operation.
            pub fn rest(self) -> Rest {
                match self {
                    $(Self::$variant => Rest::$rest,)*
                }
            }
        }

        impl FromStr for Status {
            type Err = UnknownStatus;
            fn from_str(text: &str) -> Result<Self, UnknownStatus> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    other => Err(UnknownStatus(other.to_owned())),
                }
            }
        }
    };
}

statuses! {
    CreateInProgress = "CREATE_IN_PROGRESS" => Busy,
    CreateFailed = "CREATE_FAILED" => HalfMade,
    CreateComplete = "CREATE_COMPLETE" => Usable,
    RollbackInProgress = "ROLLBACK_IN_PROGRESS" => Busy,
    RollbackFailed = "ROLLBACK_FAILED" => HalfMade,
    RollbackComplete = "ROLLBACK_COMPLETE" => Shell,
    DeleteInProgress = "DELETE_IN_PROGRESS" => Busy,
    DeleteFailed = "DELETE_FAILED" => HalfMade,
    DeleteComplete = "DELETE_COMPLETE" => Gone,
    UpdateInProgress = "UPDATE_IN_PROGRESS" => Busy,
    UpdateCompleteCleanupInProgress = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => Busy,
    UpdateComplete = "UPDATE_COMPLETE" => Usable,
    UpdateFailed = "UPDATE_FAILED" => Stuck,
    UpdateRollbackInProgress = "UPDATE_ROLLBACK_IN_PROGRESS" => Busy,
    UpdateRollbackFailed = "UPDATE_ROLLBACK_FAILED" => Stuck,
    UpdateRollbackCompleteCleanupInProgress = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" => Busy,
    UpdateRollbackComplete = "UPDATE_ROLLBACK_COMPLETE" => Usable,
    ReviewInProgress = "REVIEW_IN_PROGRESS" => Review,
    ImportInProgress = "IMPORT_IN_PROGRESS" => Busy,
    ImportComplete = "IMPORT_COMPLETE" => Usable,
    ImportRollbackInProgress = "IMPORT_ROLLBACK_IN_PROGRESS" => Busy,
    ImportRollbackFailed = "IMPORT_ROLLBACK_FAILED" => Stuck,
    ImportRollbackComplete = "IMPORT_ROLLBACK_COMPLETE" => Usable,
}

/// What a status means for whoever wants to work on the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// An operation is under way.
    Busy,
    /// The stack is deployed and can be updated.
    Usable,
    /// Its creation was taken back: it holds nothing, but its name is taken until it is deleted.
    Shell,
    /// It has never been deployed: a change set waits, or nothing at all.
    Review,
    /// Creation or deletion stopped half-way and left resources.
    HalfMade,
    /// An update stopped half-way, and only an operation meant for that gets it going again.
    Stuck,
    /// It does not exist any more.
    Gone,
}

/// A status that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a stack status that this version knows")]
pub struct UnknownStatus(String);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::StackStatus;

    use super::*;

    #[test]
    fn every_status_of_the_published_model_is_known() {
        for text in StackStatus::values() {
            assert_eq!(text.parse::<Status>().map(Status::as_str), Ok(*text));
        }
        assert_eq!(StackStatus::values().len(), Status::ALL.len());
        assert!("PAUSED".parse::<Status>().is_err());
    }

    #[test]
    fn a_stack_is_busy_exactly_while_something_is_in_progress() {
        for status in Status::ALL.iter().filter(|status| **status != Status::ReviewInProgress) {
            assert_eq!(status.rest() == Rest::Busy, status.as_str().ends_with("IN_PROGRESS"), "{status}");
        }
    }
}
