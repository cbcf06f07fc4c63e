//! Which accounts an operation is about, and how it goes about them.

use aws_sdk_cloudformation::types::{
    AccountFilterType, ConcurrencyMode, DeploymentTargets, StackSetOperationPreferences,
};
use contract::AccountId;
use serde::Serialize;

/// How many units an operation may name (CloudFormation API reference, CreateStackInstances).
pub const MOST_UNITS: usize = 50;

/// Which accounts an operation is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// All below these units, but for some accounts.
    Below {
        /// The units.
        units: Vec<String>,
        /// The accounts that are left out.
        except: Vec<AccountId>,
    },
    /// Those of these accounts that are below the units.
    Among {
        /// The units.
        units: Vec<String>,
        /// The accounts.
        accounts: Vec<AccountId>,
    },
    /// These accounts.
    Accounts(Vec<AccountId>),
}

impl Targets {
    pub(super) fn request(&self) -> DeploymentTargets {
        let targets = DeploymentTargets::builder();
        match self {
            Self::Below { units, except } if except.is_empty() => {
                targets.set_organizational_unit_ids(Some(units.clone()))
            }
            Self::Below { units, except } => targets
                .set_organizational_unit_ids(Some(units.clone()))
                .set_accounts(Some(numbers(except)))
                .account_filter_type(AccountFilterType::Difference),
            Self::Among { units, accounts } => targets
                .set_organizational_unit_ids(Some(units.clone()))
                .set_accounts(Some(numbers(accounts)))
                .account_filter_type(AccountFilterType::Intersection),
            Self::Accounts(accounts) => targets.set_accounts(Some(numbers(accounts))),
        }
        .build()
    }
}

/// Accounts as a request names them.
pub(super) fn numbers(accounts: &[AccountId]) -> Vec<String> {
    accounts.iter().map(ToString::to_string).collect()
}

/// How an operation goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preferences {
    /// How many accounts may fail before it ends.
    pub tolerated: Tolerated,
    /// How many are worked on at the same time.
    pub at_once: i32,
}

/// So many accounts, or so many in a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tolerated {
    Count(i32),
    Percent(i32),
}

impl Preferences {
    /// The number of accounts at the same time stays what it is when some fail: more than are tolerated may do so then.
    pub(super) fn request(self) -> StackSetOperationPreferences {
        let preferences = StackSetOperationPreferences::builder()
            .concurrency_mode(ConcurrencyMode::SoftFailureTolerance)
            .max_concurrent_count(self.at_once);
        match self.tolerated {
            Tolerated::Count(count) => preferences.failure_tolerance_count(count),
            Tolerated::Percent(percent) => preferences.failure_tolerance_percentage(percent),
        }
        .build()
    }
}
