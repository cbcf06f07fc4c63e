//! What can go wrong with a fleet, beside what goes wrong in one of its accounts.

use std::io;
use std::path::PathBuf;

use contract::AccountId;

use crate::config::Architecture;
use crate::fleet::stack_sets::StackSetError;

/// What can go wrong beside what goes wrong in an account.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// There is no function for an account, because nobody knew that it would need one.
    #[error("there is no function for {0}")]
    NoFunction(Architecture),
    /// StackSets is not asked like that.
    #[error("`{option}` is not for a fleet that StackSets serves")]
    NotWithStackSets {
        /// The option.
        option: &'static str,
    },
    /// A fleet is not asked like that.
    #[error("`{option}` is about a single account, and not for a fleet")]
    NotOverFleet {
        /// The option.
        option: &'static str,
    },
    /// There is nobody whose events could come together.
    #[error("the file has `central`, and this account is in no organization")]
    NobodyToTell,
    /// There is no organization whose accounts StackSets could serve.
    #[error("the account {0} is in no organization")]
    NoOrganization(AccountId),
    /// StackSets is to be asked from another account.
    #[error(
        "the fleet is for the management account {management} of the organization, and these credentials are of {caller}"
    )]
    NotManagement {
        /// The management account.
        management: AccountId,
        /// The caller's.
        caller: AccountId,
    },
    /// The management account is no delegated administrator.
    #[error("the fleet is for a delegated administrator, and these credentials are of the management account {0}")]
    NotDelegate(AccountId),
    /// StackSets may not work in the accounts.
    #[error("StackSets has no access to the accounts of the organization")]
    NotActivated,
    /// There is no plan for the stack set.
    #[error(transparent)]
    StackSet(#[from] StackSetError),
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
    pub fn hint(&self) -> String {
        match self {
            Self::NoFunction(_) => "run the same command again",
            Self::NotOverFleet { .. } => "leave it out; what holds for all accounts, or for one of them, says the fleet's file",
            Self::NobodyToTell => "leave `central` out, or use credentials of an account in the organization",
            Self::NotWithStackSets { option: "--keys revoke" } => {
                "leave it out, so that no function is left; then `keyturn teardown --engine direct --keys revoke` with the same `--fleet` enters every account"
            }
            Self::NotWithStackSets { option: "--drift" } => {
                "leave it out: `aws cloudformation detect-stack-set-drift` looks for what was changed past CloudFormation, and no operation of StackSets brings it back"
            }
            Self::NotWithStackSets { option: "--express" } => "leave it out: StackSets knows no such mode",
            Self::NotWithStackSets { .. } => {
                "leave it out, or choose `--engine direct`: whatever StackSets has begun is gone on with anyway"
            }
            Self::NoOrganization(_) => {
                "use an account of the organization; or `permissions: self-managed` and, as `artifact_bucket`, a bucket that the accounts can read"
            }
            Self::NotManagement { .. } => {
                "use the credentials of the management account, or set `stacksets.as: delegated-administrator`"
            }
            Self::NotDelegate(_) => "leave `stacksets.as` out, or use the credentials of the delegated administrator",
            Self::NotActivated => {
                "in the management account: `aws cloudformation activate-organizations-access`; then run the same command again"
            }
            Self::StackSet(error) => return error.hint(),
            Self::Report { .. } => "the accounts are as the run has left them; choose another place for the report",
        }
        .to_owned()
    }
}
