//! Everything that can go wrong for whoever runs a command: what, why, what to do now, and the exit code.

use std::error::Error as _;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use contract::{AccountId, Region};

use crate::apply::{FunctionError, StackError};
use crate::artifact::ArtifactError;
use crate::aws::{CallError, ConnectError, NetworkError};
use crate::commands::{CredentialsError, DemoError, FleetError, OrderError};
use crate::config::ConfigError;
use crate::fleet::journal::JournalError;
use crate::names::printable;
use crate::plan::{PlanError, Refusals, SavedPlanError};
use crate::template::TemplateError;
use crate::ui::{Interrupted, Unconfirmed};

/// How a command ended. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// An error that has no number of its own.
    Error = 1,
    /// The plan has changes, and it was asked to say so.
    Changes = 2,
    /// Some users failed, or something is left that should not be.
    SomeFailed = 3,
    /// A stack failed.
    StackFailed = 4,
    /// Credentials or permissions.
    Credentials = 5,
    /// Ctrl-C.
    Interrupted = 6,
    /// Wrong usage.
    Usage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not come to its end.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the inner types say it")]
pub enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("no configuration: `keyturn.yaml` does not exist here, and no region is given")]
    NoConfig,
    #[error("the region in `AWS_REGION` or `AWS_DEFAULT_REGION` is none")]
    Region(#[source] contract::NameError),
    #[error("`--region` is {given}, and `{}` is for {in_file}", file.display())]
    OtherRegion { file: PathBuf, in_file: Region, given: Region },
    #[error("the configuration is for the account {wanted}, and these credentials are of {found}")]
    OtherAccount { wanted: AccountId, found: AccountId },
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Refused(#[from] Refusals),
    #[error(transparent)]
    SavedPlan(#[from] SavedPlanError),
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error(transparent)]
    Function(#[from] FunctionError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Unconfirmed(#[from] Unconfirmed),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error("cannot write the result")]
    Output(#[from] std::io::Error),
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Fleet(#[from] FleetError),
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Refused(refusals) => Self::Refused(refusals),
            PlanError::Template(error) => Self::Template(error),
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Network(error) => Self::Network(error),
            ConnectError::Credentials(error) => Self::Call(error),
        }
    }
}

impl Error {
    /// What to do now.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => Some(error.hint()),
            Self::NoConfig => Some(
                "name a file with `--config`, or give `--region` and the users: `keyturn bootstrap alice --region eu-central-1`"
                    .to_owned(),
            ),
            Self::Region(_) => Some("correct it, or give `--region`".to_owned()),
            Self::OtherRegion { in_file, .. } => Some(format!(
                "leave `--region` out, or name another configuration with `--config`; to move to another region, `keyturn teardown` in {in_file} first"
            )),
            Self::OtherAccount { .. } => {
                Some("choose another profile with `--profile`, or correct `account` in the configuration".to_owned())
            }
            Self::Artifact(error) => Some(error.hint()),
            Self::Template(error) => Some(error.hint()),
            Self::Call(error) => error.hint(),
            Self::Network(error) => Some(error.hint()),
            Self::Refused(refusals) => Some(refusals.hint()),
            Self::SavedPlan(error) => Some(error.hint().to_owned()),
            Self::Stack(error) => error.hint(),
            Self::Function(error) => Some(error.hint()),
            Self::Order(error) => Some(error.hint()),
            Self::Credentials(error) => Some(error.hint()),
            Self::Unconfirmed(Unconfirmed::Declined) => None,
            Self::Unconfirmed(Unconfirmed::NobodyToAsk) => Some("look at what is said above, then pass `--yes`".to_owned()),
            Self::Interrupted(_) => Some("run the same command again; it goes on from what is there".to_owned()),
            Self::Output(_) => None,
            Self::Journal(error) => Some(error.hint().to_owned()),
            Self::Fleet(error) => Some(error.hint()),
            Self::Demo(DemoError::Interrupted) => None,
            Self::Demo(_) => Some("please report it, with everything that is printed above".to_owned()),
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Call(error) if error.is_about_credentials() => Exit::Credentials,
            Self::Stack(StackError::Call(error)) | Self::Function(FunctionError::Call(error))
                if error.is_about_credentials() =>
            {
                Exit::Credentials
            }
            Self::Credentials(error) => error.exit(),
            Self::OtherAccount { .. } => Exit::Credentials,
            Self::Stack(StackError::Failed { .. }) => Exit::StackFailed,
            Self::Stack(StackError::Interrupted(_)) | Self::Interrupted(_) | Self::Demo(DemoError::Interrupted) => {
                Exit::Interrupted
            }
            Self::Stack(StackError::Unconfirmed(Unconfirmed::NobodyToAsk))
            | Self::Unconfirmed(Unconfirmed::NobodyToAsk)
            | Self::Fleet(FleetError::NotWithStackSets { .. } | FleetError::NotOverFleet { .. })
            | Self::NoConfig
            | Self::Region(_)
            | Self::OtherRegion { .. } => Exit::Usage,
            Self::Config(_)
            | Self::Artifact(_)
            | Self::Template(_)
            | Self::Call(_)
            | Self::Network(_)
            | Self::Refused(_)
            | Self::SavedPlan(_)
            | Self::Stack(_)
            | Self::Function(_)
            | Self::Order(_)
            | Self::Unconfirmed(_)
            | Self::Journal(_)
            | Self::Fleet(_)
            | Self::Output(_)
            | Self::Demo(_) => Exit::Error,
        }
    }

    /// The error as it goes to stderr: what happened, why, and what to do now.
    pub fn render(&self) -> String {
        let mut text = format!("error: {}", indented(&self.to_string()));
        let mut cause = self.source();
        while let Some(error) = cause {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  because: {}", indented(&error.to_string()));
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            let _ = write!(text, "\n  to do: {}", indented(&hint));
        }
        text
    }
}

/// Puts the further lines of a text under its first one. Parts of it come from files and from AWS.
fn indented(text: &str) -> String {
    printable(text).replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> CallError {
        CallError::Refused { operation: "iam:GetUser", code: code.to_owned(), message: "no".to_owned() }
    }

    fn denied() -> CallError {
        CallError::Denied { action: "iam:GetUser".to_owned(), message: "User: x is not authorized".to_owned() }
    }

    #[test]
    fn every_kind_of_failure_has_its_exit_code() {
        let left = "nothing".to_owned();
        let failed = StackError::Failed {
            stack: "keyturn".to_owned(),
            done: "created",
            status: crate::aws::stacks::Status::DeleteComplete,
            cause: None,
            kept: Vec::new(),
        };
        let table: [(Error, Exit); 9] = [
            (Error::NoConfig, Exit::Usage),
            (refused("NoSuchEntity").into(), Exit::Error),
            (denied().into(), Exit::Credentials),
            (StackError::Call(denied()).into(), Exit::Credentials),
            (FunctionError::Call(denied()).into(), Exit::Credentials),
            (failed.into(), Exit::StackFailed),
            (Interrupted { left: left.clone() }.into(), Exit::Interrupted),
            (StackError::Interrupted(Interrupted { left }).into(), Exit::Interrupted),
            (Unconfirmed::NobodyToAsk.into(), Exit::Usage),
        ];
        for (error, exit) in table {
            assert_eq!(error.exit(), exit, "{error}");
        }
    }

    #[test]
    fn an_error_is_told_with_its_cause_and_what_to_do() {
        let file = std::io::Error::other("no space left");
        assert_eq!(Error::Output(file).render(), "error: cannot write the result\n  because: no space left");
        let expected = "error: `iam:GetUser` is not allowed: User: x is not authorized\n  to do: let the caller do `iam:GetUser`, then run the same command again";
        assert_eq!(Error::from(denied()).render(), expected);
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        let message = "\x1b[2Jgone\nand\ta tab".to_owned();
        let error = CallError::Refused { operation: "iam:GetUser", code: "Odd".to_owned(), message };
        let shown = Error::from(error).render();
        assert!(shown.contains("\\u{1b}[2Jgone\n    and\\ta tab"), "{shown}");
    }
}
