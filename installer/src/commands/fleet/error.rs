//! What can go wrong in a run over a fleet, beside what goes wrong in an account.

use std::io;
use std::path::PathBuf;

use crate::config::Architecture;

/// What can go wrong beside what goes wrong in an account.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// There is no function for an account, because nobody knew that it would need one.
    #[error("there is no function for {0}")]
    NoFunction(Architecture),
    /// There is nobody whose events could come together.
    #[error("the file has `central`, and this account is in no organization")]
    NoOrganization,
    /// A report cannot be written.
    #[error("cannot write the report to {}", path.display())]
    Report {
        /// Where to.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl FleetError {
    /// What to do now.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoFunction(_) => "run the same command again",
            Self::NoOrganization => "leave `central` out, or use credentials of an account in the organization",
            Self::Report { .. } => "the accounts are as the run has left them; choose another place for the report",
        }
    }
}
