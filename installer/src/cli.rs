//! The command line.

mod help;
mod options;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;
use contract::{AccessKeyId, Region, UserName};

use crate::commands::{SecretId, refresh};
use crate::environment::Environment;
use crate::fleet::engine::Engine;
use crate::ui::Format;

pub(crate) use help::examples;
pub use help::{EXAMPLES, command};
use options::delays;
pub use options::{GivenUp, Keys, Over, Rehearse, Target, Which};

/// What `--version` says; `-V` says the number alone.
const LONG_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nfunction: ", env!("KEYTURN_FUNCTION"));

/// Rotates the access keys of IAM users with AWS Secrets Manager.
///
/// Exit codes: 0 done or nothing to do, 1 error, 2 the plan has changes (with --detailed-exitcode), 3 some users
/// are not done, 4 a stack failed and was rolled back (with --express: stays as it is), 5 credentials or permissions, 6 interrupted, 64 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "keyturn", version, long_version = LONG_VERSION, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the options say it")]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the arguments of this program.
    ///
    /// # Errors
    /// What clap says, which may also be the help that was asked for.
    pub fn read() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&command().try_get_matches()?)
    }
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
    /// A role to assume with the credentials that are found.
    #[arg(long, global = true, value_name = "ARN")]
    pub assume_role: Option<String>,
    /// What the owner of that role wants to be told.
    #[arg(long, global = true, value_name = "ID", requires = "assume_role")]
    pub external_id: Option<String>,
    /// An endpoint to use instead of those of AWS.
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// How to print the result.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: Format,
    /// Answer every question with yes.
    #[arg(long, short, global = true)]
    pub yes: bool,
    /// What the environment says of the way to AWS.
    #[arg(skip)]
    pub environment: Environment,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Look for whatever would stand in the way of `bootstrap`, and change nothing.
    ///
    /// Looks at the configuration, the credentials, the function, the users, quotas, stacks, and asks IAM whether the
    /// caller may do all that is needed. Exits with 1 when there is a problem, and with 5 without credentials.
    Doctor(Target),
    /// Show what `bootstrap` would do, and do nothing.
    Plan {
        #[command(flatten)]
        #[expect(missing_docs, reason = "the options say it")]
        target: Target,
        /// Keep the plan in this file, for `bootstrap --plan`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Exit with 2 when there is something to do.
        #[arg(long)]
        detailed_exitcode: bool,
        /// Also look for what somebody has changed past CloudFormation, and show how it would be brought back. Takes CloudFormation some time.
        #[arg(long)]
        drift: bool,
        /// Show what `bootstrap --express` would do.
        #[arg(long)]
        express: bool,
        #[command(flatten)]
        #[expect(missing_docs, reason = "the options say it")]
        over: Over,
    },
    /// Deploy what rotates the users' keys, and give each user its first managed key.
    Bootstrap {
        #[command(flatten)]
        #[expect(missing_docs, reason = "the options say it")]
        target: Target,
        /// Also look for what somebody has changed past CloudFormation, and bring it back. Takes CloudFormation some time.
        #[arg(long)]
        drift: bool,
        /// Deploy stacks in CloudFormation's express mode: what is configured counts as complete, and nothing is taken back
        /// when it fails. keyturn itself waits until the function can work.
        #[arg(long)]
        express: bool,
        /// Do what this plan says without asking, or nothing when something else is to be done by now. Takes the same
        /// users and options as the `plan --out` that has written it.
        #[arg(long, value_name = "FILE")]
        plan: Option<PathBuf>,
    },
    /// Show how each user and stack is doing.
    Status {
        /// Also look for what somebody has changed past CloudFormation in the stacks. Takes CloudFormation some time.
        #[arg(long)]
        drift: bool,
        /// Exit with 3 when a user is blocked or otherwise not in sync, a current key is older than
        /// `retire.max_key_age`, or a stack has drifted, for monitoring. A hold alone is no reason.
        #[arg(long)]
        detailed_exitcode: bool,
        #[command(flatten)]
        #[expect(missing_docs, reason = "the options say it")]
        over: Over,
    },
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
    /// Print the current key of a user for the AWS CLI and SDKs, as a `credential_process`.
    ///
    /// For a profile of an application, which then needs no code to follow rotation. Needs secretsmanager:GetSecretValue
    /// on the secret and nothing else. The credentials for that come from --profile, or else from the environment, the
    /// container or the machine, never from AWS_PROFILE. Refuses to write to a terminal.
    Credentials {
        /// The user, as IAM spells it.
        #[arg(value_name = "USER")]
        user: UserName,
        /// The name or ARN of the secret, where it is not that of the configuration or `keyturn/<user>`.
        #[arg(long, value_name = "NAME")]
        secret: Option<SecretId>,
        /// How long an SDK may keep the key before it asks again, from 1m to 6h. Some ask up to 15 minutes earlier.
        #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = refresh)]
        refresh: Duration,
    },
    /// Take everything away again.
    Teardown {
        /// What happens to the keys: `keep` leaves them Active and their secrets in place.
        #[arg(long, value_enum, default_value = "keep")]
        keys: Keys,
        /// How long a deleted secret can be brought back.
        #[arg(long, value_name = "DAYS", default_value = "30", value_parser = clap::value_parser!(u8).range(7..=30))]
        recovery_window: u8,
        /// Give up resources that CloudFormation has failed to delete before.
        #[arg(long)]
        force: bool,
        /// Say what would be taken away, and do nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        #[expect(missing_docs, reason = "the options say it")]
        over: Over,
        /// Where it is noted what was done in which account; beside the fleet's file when nobody says.
        #[arg(long, value_name = "FILE", requires = "fleet")]
        journal: Option<PathBuf>,
    },
    /// Do in every account of a fleet what `bootstrap` does in one, wave after wave.
    ///
    /// The fleet's file says which accounts, which users in each, and in which waves. The plan for the first account is
    /// shown, and one question asked. A wave begins when the one before is done and no more accounts have failed than it
    /// tolerates. Ctrl-C lets the accounts under way come to their end and begins no other.
    ///
    /// Exits with 3 when accounts have failed but no more than tolerated, and with 4 when it was stopped for more.
    Rollout {
        /// The fleet.
        #[arg(long, value_name = "FILE", default_value = "fleet.yaml")]
        fleet: PathBuf,
        /// Who brings the stacks into the accounts, instead of what the fleet's file says: keyturn itself, or
        /// CloudFormation StackSets.
        #[arg(long, value_enum)]
        engine: Option<Engine>,
        /// A function that was built before: the executable or the zip.
        #[arg(long, value_name = "FILE")]
        artifact: Option<PathBuf>,
        /// Go on with the last rollout, where it has stopped: accounts in which it has done everything are not looked at.
        #[arg(long)]
        resume: bool,
        /// Begin no wave behind this one, counted from 1.
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
        waves: Option<u16>,
        /// Where it is noted what was done in which account; beside the fleet's file when nobody says.
        #[arg(long, value_name = "FILE")]
        journal: Option<PathBuf>,
        /// Also look for what somebody has changed past CloudFormation, and bring it back. Takes CloudFormation some time.
        #[arg(long, conflicts_with = "sandbox")]
        drift: bool,
        /// Deploy stacks in CloudFormation's express mode, as `bootstrap --express` does.
        #[arg(long)]
        express: bool,
        /// Write the report as CSV, too.
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
        /// Write the report as one HTML page, too, which needs no network.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        #[command(flatten)]
        #[expect(missing_docs, reason = "the options say it")]
        rehearsal: Rehearse,
    },
    /// Print the CloudFormation template that `bootstrap` would deploy.
    Template {
        /// Which one.
        #[arg(value_enum, default_value = "cell")]
        which: Which,
        /// The fleet, for the role.
        #[arg(long, value_name = "FILE", default_value = "fleet.yaml")]
        fleet: PathBuf,
        /// Let the role look for drift, too.
        #[arg(long)]
        drift: bool,
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
        /// Make the account the management account of an organization with so many others, each with the same users, and
        /// print the unit that these are in, for `units` of a fleet.
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=5000))]
        accounts: Option<u16>,
        /// The IAM users to begin with, each without a key.
        #[arg(value_name = "USER", default_values = ["alice", "bob"])]
        users: Vec<UserName>,
    },
    /// Print what a shell needs to complete command lines of keyturn.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write manual pages, one for each command.
    Man {
        /// The directory for them; without one, the page of keyturn itself is printed.
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}

impl Command {
    /// Who brings stacks into the accounts of a fleet, as far as it says so.
    pub fn engine(&self) -> Option<Engine> {
        match self {
            Self::Rollout { engine, .. }
            | Self::Plan { over: Over { engine, .. }, .. }
            | Self::Status { over: Over { engine, .. }, .. }
            | Self::Teardown { over: Over { engine, .. }, .. } => *engine,
            _ => None,
        }
    }

    /// Whether what it prints has a form that another program prescribes, whatever `--output` says.
    pub fn has_own_form(&self) -> bool {
        matches!(self, Self::Credentials { .. } | Self::Completions { .. } | Self::Man { .. })
    }
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
            "keyturn plan --artifact-bucket My_Bucket",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
