//! `keyturn demo`: the main job from end to end. It sets up a sandboxed account and runs the commands that a person
//! would run there, as processes of their own, with nothing in their environment but the sandbox's credentials.

mod account;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sandbox::{Credentials, Options, Sandbox};
use tempfile::TempDir;
use tokio::process::Command;

use crate::artifact::Origin;
use crate::config::Architecture;
use crate::error::{Error, Exit};
use crate::ui::Printer;

/// Real seconds for each second that AWS takes: enough to watch it happen.
const PACE: f64 = 0.04;

const DAY: Duration = Duration::from_hours(24);

/// How long the keys have been there before anybody thought of rotating them.
const AGE_OF_KEYS: Duration = Duration::from_hours(24 * 800);

/// What the demo's owner of the account has written down.
const CONFIG: &str = "\
version: 1
region: eu-central-1
users: [deployer, backups, reporting]
schedule: { every: 30d }
retire: { foreign: retire, sweep_every: 12h }
";

/// A demo that does not show what it should.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum DemoError {
    #[error("the demo cannot set up its sandbox")]
    Start(#[source] std::io::Error),
    #[error("the sandbox refuses the demo's account")]
    Account(#[from] sandbox::ApiError),
    #[error("the demo cannot run `keyturn {arguments}`")]
    Run {
        arguments: String,
        #[source]
        source: std::io::Error,
    },
    #[error("`keyturn {arguments}` ended with {status}")]
    Ended { arguments: String, status: std::process::ExitStatus },
    #[error("interrupted")]
    Interrupted,
    #[error("the demo did not show what it should: {0}")]
    Unexpected(String),
}

/// The stage of the demo: the account, and the directory with the configuration and the function.
struct Demo {
    printer: Printer,
    sandbox: Sandbox,
    administrator: Credentials,
    directory: TempDir,
    /// This program, to be run again.
    keyturn: PathBuf,
}

pub(super) async fn run(printer: Printer, prebuilt: Option<&Path>, seed: u64) -> Result<Exit, Error> {
    let architecture = if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 };
    let origin = Origin::of(prebuilt, architecture);
    if origin == Origin::Sources {
        printer.say("building the rotation function; the first time takes several minutes");
    }
    let function = origin.take(architecture).await?;
    let demo = Demo::set_up(printer, &function.bytes, seed).await?;
    let played = tokio::select! {
        played = demo.play() => played,
        _ = tokio::signal::ctrl_c() => Err(DemoError::Interrupted),
    };
    demo.sandbox.stop().await;
    played?;
    Ok(Exit::Done)
}

impl Demo {
    async fn set_up(printer: Printer, function: &[u8], seed: u64) -> Result<Self, DemoError> {
        let directory = TempDir::new().map_err(DemoError::Start)?;
        let write = |name, content: &[u8]| std::fs::write(directory.path().join(name), content);
        write("keyturn.yaml", CONFIG.as_bytes())
            .and_then(|()| write("function.zip", function))
            .map_err(DemoError::Start)?;
        let options = Options { pace: PACE, seed, ..Options::default() };
        let sandbox = Sandbox::start(options).await.map_err(DemoError::Start)?;
        let administrator = sandbox.visit(account::populate).await?;
        sandbox.advance(AGE_OF_KEYS).await;
        let keyturn = std::env::current_exe().map_err(DemoError::Start)?;
        Ok(Self { printer, sandbox, administrator, directory, keyturn })
    }

    async fn play(&self) -> Result<(), DemoError> {
        self.scene("A sandboxed AWS account with three IAM users, two of them with an access key that is years old");
        self.show_users().await;
        self.printer.say(format!("\nkeyturn.yaml:\n{}", indented(CONFIG)));

        self.scene("What would be done?");
        self.keyturn(&["plan", "--artifact", "function.zip"]).await?;

        self.scene("Do it: CloudFormation deploys, then Secrets Manager calls the function for every user");
        self.keyturn(&["bootstrap", "--artifact", "function.zip", "--yes"]).await?;
        self.show_users().await;
        self.expect_current_keys(1).await?;

        self.scene("8 days later nobody uses the keys from before keyturn any more: the sweeper has deactivated them");
        self.sandbox.advance(8 * DAY).await;
        self.show_users().await;

        self.scene("A month after the first rotations they are deleted, and Secrets Manager has rotated by itself");
        self.sandbox.advance(22 * DAY + DAY / 24).await;
        self.keyturn(&["status"]).await?;
        self.show_users().await;
        self.expect_current_keys(2).await?;

        self.scene("Another two weeks later the superseded keys are gone too, and every user has one key again");
        self.sandbox.advance(15 * DAY).await;
        self.show_users().await;
        self.expect_single_keys().await?;

        self.scene("Take it all away, the keys too");
        self.keyturn(&["teardown", "--keys", "revoke", "--yes"]).await?;
        self.sandbox.advance(31 * DAY).await;
        self.show_users().await;
        self.expect_nothing_left().await?;
        self.sum_up().await
    }

    fn scene(&self, title: &str) {
        self.printer.say(format!("\n━━ {title}\n"));
    }

    /// Runs `keyturn` as the account's administrator would, from a shell.
    async fn keyturn(&self, arguments: &[&str]) -> Result<(), DemoError> {
        self.printer.say(format!("$ keyturn {}", arguments.join(" ")));
        let failed = |source| DemoError::Run { arguments: arguments.join(" "), source };
        let status = Command::new(&self.keyturn)
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("HOME", self.directory.path())
            .env("AWS_ACCESS_KEY_ID", &self.administrator.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &self.administrator.secret_access_key)
            .env("AWS_ENDPOINT_URL", self.sandbox.endpoint())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await
            .map_err(failed)?;
        if status.success() { Ok(()) } else { Err(DemoError::Ended { arguments: arguments.join(" "), status }) }
    }

    async fn show_users(&self) {
        self.printer.say(self.sandbox.visit(|world| account::users(world)).await);
    }

    /// Every user has gone through so many rotations, and its current key works and was proven.
    async fn expect_current_keys(&self, rotations: usize) -> Result<(), DemoError> {
        let problem = self.sandbox.visit(move |world| account::problem_with_keys(world, rotations)).await;
        problem.map_or(Ok(()), |problem| Err(DemoError::Unexpected(problem)))
    }

    async fn expect_single_keys(&self) -> Result<(), DemoError> {
        let problem = self.sandbox.visit(|world| account::problem_with_count(world)).await;
        problem.map_or(Ok(()), |problem| Err(DemoError::Unexpected(problem)))
    }

    async fn expect_nothing_left(&self) -> Result<(), DemoError> {
        let left = self.sandbox.visit(|world| account::left(world)).await;
        if left.is_empty() {
            self.printer.say("nothing is left: no stack, role, policy, function, log group, bucket, secret or key");
            return Ok(());
        }
        Err(DemoError::Unexpected(format!("this is left: {}", left.join(", "))))
    }

    async fn sum_up(&self) -> Result<(), DemoError> {
        let (calls, denied) = self.sandbox.visit(|world| account::calls(world)).await;
        self.printer.say(format!("\n{calls} calls to the sandbox, {} of them denied", denied.len()));
        if denied.is_empty() { Ok(()) } else { Err(DemoError::Unexpected(format!("denied: {}", denied.join(", ")))) }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
