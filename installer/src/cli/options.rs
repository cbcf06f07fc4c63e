//! Options that several commands share, and the values that options take.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use contract::{AccessKeyId, GiveUp, UserName};

use crate::config::is_bucket_name;
use crate::fleet::engine::Engine;

/// Whether a command is about many accounts, and how it reports of them.
#[derive(Debug, Clone, Default, Args)]
pub struct Over {
    /// Every account of this fleet, instead of one account.
    #[arg(long, value_name = "FILE")]
    pub fleet: Option<PathBuf>,
    /// Who brings the stacks into the accounts, instead of what the fleet's file says.
    #[arg(long, value_enum, requires = "fleet")]
    pub engine: Option<Engine>,
    /// Write the report of the fleet as CSV, too.
    #[arg(long, value_name = "FILE", requires = "fleet")]
    pub csv: Option<PathBuf>,
    /// Write the report of the fleet as one HTML page, too, which needs no network.
    #[arg(long, value_name = "FILE", requires = "fleet")]
    pub html: Option<PathBuf>,
}

/// The options of a rehearsal.
#[derive(Debug, Clone, Default, Args)]
pub struct Rehearse {
    /// Rehearse: read the accounts, their users and what is deployed there, copy all of it into a sandbox, and roll out there,
    /// with some accounts failing. Nothing is changed in AWS.
    #[arg(long, conflicts_with_all = ["resume", "journal"])]
    pub sandbox: bool,
    /// How many of a hundred accounts fail in the rehearsal.
    #[arg(long, value_name = "PERCENT", default_value_t = 5, requires = "sandbox", value_parser = clap::value_parser!(u8).range(..=100))]
    pub failures: u8,
    /// Which accounts fail, and how: another number gives another rehearsal, the same one the same.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "sandbox")]
    pub failure_seed: u64,
}

/// What to deploy; what is not said here comes from the configuration.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The users whose keys are to be rotated, instead of those of the configuration.
    #[arg(value_name = "USER")]
    pub users: Vec<UserName>,
    /// A function that was built before: the executable or the zip.
    #[arg(long, value_name = "FILE")]
    pub artifact: Option<PathBuf>,
    /// A bucket that exists, instead of one that is made.
    #[arg(long, value_name = "NAME", value_parser = bucket)]
    pub artifact_bucket: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the options say it")]
    pub keys: GivenUp,
}

/// Keys that are in the way of a new one: IAM lets a user have two.
#[derive(Debug, Clone, Default, Args)]
pub struct GivenUp {
    /// An Inactive key that nobody needs: it is deleted to make room. Can be given several times.
    #[arg(long, value_name = "KEY")]
    pub reclaim: Vec<AccessKeyId>,
    /// An Active key that is given up: it is deactivated at once, and deleted after `retire.delete_after`. Can be given
    /// several times.
    #[arg(long, value_name = "KEY")]
    pub retire: Vec<AccessKeyId>,
}

impl GivenUp {
    /// Each key, and how it is given up.
    ///
    /// # Errors
    /// The key that is given up in both ways.
    pub fn keys(&self) -> Result<BTreeMap<AccessKeyId, GiveUp>, AccessKeyId> {
        let mut keys: BTreeMap<_, _> = self.reclaim.iter().map(|key| (key.clone(), GiveUp::Reclaim)).collect();
        for key in &self.retire {
            if keys.insert(key.clone(), GiveUp::Retire) == Some(GiveUp::Reclaim) {
                return Err(key.clone());
            }
        }
        Ok(keys)
    }
}

/// What `teardown` does with the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Keys {
    /// They stay Active, and their secrets stay.
    Keep,
    /// They are deactivated and deleted, and their secrets too.
    Revoke,
}

/// The smallest and the largest factor for the delays of the sandbox: a deployment takes a second or some minutes.
const DELAYS: RangeInclusive<f64> = 0.01..=10.0;

pub(super) fn delays(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor| DELAYS.contains(factor));
    factor.ok_or_else(|| format!("not a number from {} to {}", DELAYS.start(), DELAYS.end()))
}

/// The same check as for `artifact_bucket` in a file.
fn bucket(name: &str) -> Result<String, String> {
    let is_name = is_bucket_name(name);
    is_name.then(|| name.to_owned()).ok_or_else(|| "not the name of a bucket".to_owned())
}

/// A template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// The function, its permissions, and what each user needs.
    Cell,
    /// The bucket for the function's code.
    Artifacts,
    /// The role by which `rollout` enters the accounts of a fleet, with the permissions that it needs there.
    RolloutRole,
}
