//! The commands: one file each, named after it. What they share stands here.

mod bootstrap;
mod demo;
mod hold;
mod named;
mod order;
mod pipeline;
mod plan;
mod release;
mod revoke;
mod rollback;
mod rotate;
mod sandbox;
mod status;
mod teardown;
mod template;

use std::path::Path;

pub use demo::DemoError;
pub use order::OrderError;

use contract::{GiveUp, UserName};

use crate::aws::{Clients, Connection};
use crate::cli::{Cli, Command, Global};
use crate::config::{self, Config, ConfiguredUser};
use crate::error::{Error, Exit};
use crate::plan::{Refusal, Refusals, Unfit};
use crate::session::Session;
use crate::ui::{Interrupts, Printer};

/// The configuration that is read when none is named.
const DEFAULT_CONFIG: &str = "keyturn.yaml";

/// Runs a command. `seed` is the randomness of the run.
///
/// # Errors
/// [`Error`].
pub async fn run(cli: &Cli, printer: Printer, seed: u64) -> Result<Exit, Error> {
    let global = &cli.global;
    match &cli.command {
        Command::Plan { target, detailed_exitcode } => {
            let config = target.applied_to(configuration(global, &target.users)?)?;
            let session = connect(global, &config, printer, seed).await;
            Box::pin(plan::run(&session, &config, target.artifact.as_deref(), *detailed_exitcode)).await
        }
        Command::Bootstrap(target) => {
            let config = target.applied_to(configuration(global, &target.users)?)?;
            let session = connect(global, &config, printer, seed).await;
            Box::pin(bootstrap::run(&session, &config, target.artifact.as_deref())).await
        }
        Command::Status => {
            let config = configuration(global, &[])?;
            let session = connect(global, &config, printer, seed).await;
            Box::pin(status::run(&session, config)).await
        }
        Command::Rotate { users, keys, now } => {
            let config = keys.applied_to(configuration(global, users)?)?;
            let session = connect(global, &config, printer, seed).await;
            Box::pin(rotate::run(&session, &config, users, *now)).await
        }
        Command::Hold { users, reason } => {
            let config = configuration(global, users)?;
            let session = connect(global, &config, printer, seed).await;
            Box::pin(hold::run(&session, &config, users, reason)).await
        }
        Command::Release { users } => {
            let config = configuration(global, users)?;
            let session = connect(global, &config, printer, seed).await;
            Box::pin(release::run(&session, &config, users)).await
        }
        Command::Rollback { users } => {
            let config = configuration(global, users)?;
            let session = connect(global, &config, printer, seed).await;
            Box::pin(rollback::run(&session, &config, users)).await
        }
        Command::Revoke { users, key } => {
            let config = configuration(global, users)?;
            let session = connect(global, &config, printer, seed).await;
            Box::pin(revoke::run(&session, &config, users, key)).await
        }
        Command::Teardown { keys, recovery_window } => {
            let config = configuration(global, &[])?;
            let session = connect(global, &config, printer, seed).await;
            Box::pin(teardown::run(&session, &config, *keys, *recovery_window)).await
        }
        Command::Demo { artifact } => Box::pin(demo::run(printer, artifact.as_deref())).await,
        Command::Sandbox { delays, users } => Box::pin(sandbox::run(users, *delays)).await,
        Command::Template { which, artifact } => {
            let config = configuration(global, &[])?;
            let session = connect(global, &config, printer, seed).await;
            Box::pin(template::run(&session, &config, *which, artifact.as_deref())).await
        }
    }
}

/// Reads the configuration, or makes one for `users` when there is no file.
fn configuration(global: &Global, users: &[UserName]) -> Result<Config, Error> {
    let default = Path::new(DEFAULT_CONFIG);
    let file = global.config.as_deref().or_else(|| default.exists().then_some(default));
    match (file, &global.region) {
        (Some(path), region) => {
            let mut config = config::read(path)?;
            config.region = region.clone().unwrap_or(config.region);
            Ok(config)
        }
        (None, Some(region)) => Ok(Config::for_users(region.clone(), users.to_vec())?),
        (None, None) => Err(Error::NoConfig),
    }
}

async fn connect(global: &Global, config: &Config, printer: Printer, seed: u64) -> Session {
    let connection = Connection {
        region: config.region.clone(),
        profile: global.profile.clone(),
        endpoint_url: global.endpoint_url.clone(),
    };
    Session { clients: Clients::connect(&connection).await, printer, interrupts: Interrupts::listen(), seed }
}

impl crate::cli::Target {
    /// The configuration with what the command line says in place of what the file says.
    fn applied_to(&self, mut config: Config) -> Result<Config, Error> {
        if !self.users.is_empty() {
            // The same checks as for users in a file.
            let checked = Config::for_users(config.region.clone(), self.users.clone())?.users;
            let as_in_file = |named: ConfiguredUser| {
                let configured = config.users.iter().find(|configured| configured.name.is_same_user(&named.name));
                let configured = configured.unwrap_or(&named).clone();
                ConfiguredUser { name: named.name, ..configured }
            };
            config.users = checked.into_iter().map(as_in_file).collect();
            config.users_are_arguments = true;
        }
        config.artifact_bucket = self.artifact_bucket.clone().or(config.artifact_bucket);
        self.keys.applied_to(config)
    }
}

impl crate::cli::GivenUp {
    /// The configuration with the keys that are given up.
    fn applied_to(&self, mut config: Config) -> Result<Config, Error> {
        let twice = |key| Refusals(vec![Refusal::GiveUp { key, how: GiveUp::Reclaim, user: None, why: Unfit::Twice }]);
        config.given_up = self.keys().map_err(twice)?;
        Ok(config)
    }
}
