//! Many accounts at once: which ones, as whom, which users in each, and in which order. What is done in each account is
//! what the commands for one account do.

pub mod engine;
pub mod enrolment;
pub mod journal;
mod manifest;
pub mod selection;
pub mod stack_sets;
pub mod targets;
pub mod waves;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::{AccountId, Enrolment};

use crate::config::{self, Config, ConfigError};
use engine::{Engine, StackSets};
#[cfg(test)]
pub(crate) use manifest::parse;
use selection::Selection;
use waves::Wave;

/// What somebody wants in many accounts: `fleet.yaml`, version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// The file that says so.
    pub file: PathBuf,
    /// Who brings the stacks into the accounts, unless the command line says another.
    pub engine: Engine,
    /// How StackSets is asked, if it is.
    pub stack_sets: StackSets,
    /// As whom the accounts are entered.
    pub access: Access,
    /// The accounts that are named, in the order of the file, with what is wanted in each.
    pub accounts: Vec<(AccountId, Wanted)>,
    /// The organizational units, and roots, whose accounts belong to the fleet, those of the units below included.
    pub units: Vec<String>,
    /// The accounts that do not belong to it, whatever else is said.
    pub except: BTreeSet<AccountId>,
    /// What is wanted in accounts about which nothing else is said.
    pub defaults: Wanted,
    /// Where the events and alarms of all accounts come together; nowhere when nobody says.
    pub central: Option<Central>,
    /// The waves, one after the other.
    pub waves: Vec<Wave>,
    /// How many accounts are worked on at the same time.
    pub at_once: usize,
    /// How long to wait for an account that AWS has not made ready yet.
    pub ready_within: Duration,
}

/// Where the events and alarms of all accounts come together: a stack in the caller's account, in the region of the
/// fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Central {
    /// The addresses that are told of alarms.
    pub emails: Vec<String>,
    /// The ARN of a topic that is told too.
    pub topic: Option<String>,
    /// How long the log of all events is kept.
    pub log_retention_days: u16,
}

/// As whom the accounts of a fleet are entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The role in each account, with its path: `keyturn-rollout`, `ops/keyturn-rollout`.
    pub role: String,
    /// What the owner of the role wants to be told.
    pub external_id: Option<String>,
    /// The name of the sessions, as the logs of the accounts show it.
    pub session_name: String,
    /// The tags of the sessions.
    pub tags: BTreeMap<String, String>,
}

/// What is wanted in one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// As `keyturn.yaml` would say it. Its users are empty when they are to be selected.
    pub config: Config,
    /// How the users are selected, when they are not named.
    pub selection: Option<Selection>,
}

/// Reads a fleet.
///
/// # Errors
/// [`ConfigError`] names the file, the line and the field.
pub fn read(path: &Path) -> Result<Fleet, ConfigError> {
    manifest::parse(path, &config::text(path)?)
}

/// Reads a fleet whose users are not looked for by us: in every account the function does that by itself.
///
/// # Errors
/// [`ConfigError`] names the file, the line and the field, also of what one template cannot say for all accounts.
pub fn read_enrolling(path: &Path) -> Result<(Fleet, Enrolment), ConfigError> {
    manifest::parse_enrolling(path, &config::text(path)?)
}

impl Access {
    /// The ARN of the role in an account.
    pub fn role_arn(&self, partition: &str, account: &AccountId) -> String {
        format!("arn:{partition}:iam::{account}:role/{}", self.role)
    }
}
