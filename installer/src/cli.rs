//! The command line.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use contract::{AccessKeyId, GiveUp, Region, UserName};

use crate::ui::Format;

/// Rotates the access keys of IAM users with AWS Secrets Manager.
///
/// Exit codes: 0 done or nothing to do, 1 error, 2 the plan has changes (with --detailed-exitcode), 3 some users
/// are not done, 4 a stack failed and was rolled back, 5 credentials or permissions, 6 interrupted, 64 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "keyturn", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the options say it")]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The configuration; `keyturn.yaml` when that exists.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The region that holds the secrets and the function.
    #[arg(long, global = true)]
    pub region: Option<Region>,
    /// A profile of the AWS configuration.
    #[arg(long, global = true)]
    pub profile: Option<String>,
    /// An endpoint to use instead of those of AWS.
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// How to print the result.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: Format,
    /// Answer every question with yes.
    #[arg(long, short, global = true)]
    pub yes: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what `bootstrap` would do, and do nothing.
    Plan {
        #[command(flatten)]
        #[expect(missing_docs, reason = "the options say it")]
        target: Target,
        /// Exit with 2 when there is something to do.
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Deploy what rotates the users' keys, and give each user its first managed key.
    Bootstrap(Target),
    /// Show how each user and stack is doing.
    Status,
    /// Rotate the keys of users now.
    Rotate {
        /// The users.
        #[arg(required = true, value_name = "USER")]
        users: Vec<UserName>,
        #[command(flatten)]
        #[expect(missing_docs, reason = "the options say it")]
        keys: GivenUp,
        /// Do not wait for a superseded key that is in the way: it is deactivated and deleted at once, whoever still
        /// uses it. Asks first.
        #[arg(long)]
        now: bool,
    },
    /// Stop the rotation of users, until they are released.
    ///
    /// A rotation that is under way stops before its next step, and goes on after the release. Superseded keys are left
    /// alone too. Everything that exists goes on working.
    Hold {
        /// The users.
        #[arg(required = true, value_name = "USER")]
        users: Vec<UserName>,
        /// Why, for whoever looks at `keyturn status`.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// End a hold: the users are rotated again on schedule.
    Release {
        /// The users.
        #[arg(required = true, value_name = "USER")]
        users: Vec<UserName>,
    },
    /// Make the keys from before the last rotation current again.
    ///
    /// The key that is current now stays Active and is retired later. A second rollback does nothing.
    Rollback {
        /// The users.
        #[arg(required = true, value_name = "USER")]
        users: Vec<UserName>,
    },
    /// Deactivate the keys of users at once, and make new ones: for keys that have leaked.
    ///
    /// All keys that keyturn knows of are deactivated, the current one too: whoever uses one is refused until it fetches
    /// the new key. Other keys of the user are not touched, but told.
    Revoke {
        /// The users.
        #[arg(required = true, value_name = "USER")]
        users: Vec<UserName>,
        /// Only this key of the one user who is named. Can be given several times.
        #[arg(long, value_name = "KEY")]
        key: Vec<AccessKeyId>,
    },
    /// Take everything away again.
    Teardown {
        /// What happens to the keys: `keep` leaves them Active and their secrets in place.
        #[arg(long, value_enum, default_value = "keep")]
        keys: Keys,
        /// How long a deleted secret can be brought back.
        #[arg(long, value_name = "DAYS", default_value = "30", value_parser = clap::value_parser!(u8).range(7..=30))]
        recovery_window: u8,
    },
    /// Print the CloudFormation template that `bootstrap` would deploy.
    Template {
        /// Which one.
        #[arg(value_enum, default_value = "cell")]
        which: Which,
        /// A function that was built before: the executable or the zip.
        #[arg(long, value_name = "FILE")]
        artifact: Option<PathBuf>,
    },
    /// Show the main job from end to end in a sandbox: no AWS account is needed, and none is touched.
    Demo {
        /// A function that was built before: the executable or the zip.
        #[arg(long, value_name = "FILE")]
        artifact: Option<PathBuf>,
    },
    /// Start a sandbox, AWS in miniature on loopback, to try keyturn by hand.
    ///
    /// Prints the environment for another terminal, then takes orders on stdin, one a line: `advance 30d` moves the
    /// clock and does whatever falls due, `calls` lists the calls since the last time, `report` gives them, the stacks
    /// and the time as JSON, `bucket NAME REGION` makes a bucket, and `fail STACK RESOURCE` has the next attempt to
    /// create a resource of a stack fail. It ends with its input.
    Sandbox {
        /// Take this many seconds for each one that AWS takes, 0.01 to 10, and let the clock run on at that pace from
        /// the present; without it stacks take a twentieth of their time, and the clock stands still in between.
        #[arg(long, value_name = "FACTOR", value_parser = delays)]
        delays: Option<f64>,
        /// The IAM users to begin with, each without a key.
        #[arg(value_name = "USER", default_values = ["alice", "bob"])]
        users: Vec<UserName>,
    },
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
    #[arg(long, value_name = "NAME")]
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

fn delays(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor| DELAYS.contains(factor));
    factor.ok_or_else(|| format!("not a number from {} to {}", DELAYS.start(), DELAYS.end()))
}

/// A template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// The function, its permissions, and what each user needs.
    Cell,
    /// The bucket for the function's code.
    Artifacts,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_on_either_side_of_the_command() {
        for line in ["keyturn --yes --output json plan alice", "keyturn plan alice --output json --yes"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert!(cli.global.yes && cli.global.output == Format::Json, "{line}");
        }
    }

    #[test]
    fn wrong_values_are_refused() {
        for line in [
            "keyturn rotate",
            "keyturn plan a/b",
            "keyturn --region Frankfurt! status",
            "keyturn teardown --recovery-window 6",
            "keyturn sandbox --delays 0",
            "keyturn sandbox --delays NaN",
            "keyturn sandbox --delays soon",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
