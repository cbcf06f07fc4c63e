//! The commands: one file each, named after it. What they share stands here.

mod bootstrap;
mod completions;
mod credentials;
mod demo;
mod doctor;
mod fleet;
mod hold;
mod man;
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
use std::time::Duration;

pub use credentials::{CredentialsError, SecretId, refresh};
pub use demo::DemoError;
pub use fleet::FleetError;
pub use order::OrderError;

use contract::{GiveUp, Region, UserName};
use fleet::{Manner as Fleetwide, Rehearsal, Work};
use pipeline::Manner;

use crate::aws::{Clients, Connection, Source, identity};
use crate::cli::{Cli, Command, Global, Over, Rehearse, Target, Which};
use crate::config::{self, Config, ConfiguredUser};
use crate::error::{Error, Exit};
use crate::fleet::engine::Engine;
use crate::plan::{Options, Refusal, Refusals, Unfit};
use crate::session::Session;
use crate::ui::{Interrupts, Printer};

/// The configuration that is read when none is named.
const DEFAULT_CONFIG: &str = "keyturn.yaml";

/// Runs a command. `seed` is the randomness of the run.
///
/// # Errors
/// [`Error`].
pub async fn run(cli: &Cli, printer: Printer, seed: u64) -> Result<Exit, Error> {
    match &cli.command {
        Command::Plan { target, out, over: Over { fleet: Some(fleet), .. }, .. } => {
            check_fleetwide(target, out.as_deref())?;
            over_fleet(cli, fleet, Work::Plan, printer, seed).await
        }
        Command::Status { over: Over { fleet: Some(fleet), .. }, .. } => {
            over_fleet(cli, fleet, Work::Status, printer, seed).await
        }
        Command::Teardown { keys, recovery_window, force, dry_run, over: Over { fleet: Some(fleet), .. }, .. } => {
            let (keys, recovery_days, force, dry_run) = (*keys, *recovery_window, *force, *dry_run);
            let fate = teardown::Manner { keys, recovery_days, force, dry_run }.fate();
            over_fleet(cli, fleet, Work::TearDown { fate, force, dry_run }, printer, seed).await
        }
        _ => Box::pin(run_one(cli, printer, seed)).await,
    }
}

/// Refuses what is only for the plan of a single account.
fn check_fleetwide(target: &Target, out: Option<&Path>) -> Result<(), FleetError> {
    let refused = [
        ("USER", !target.users.is_empty()),
        ("--out", out.is_some()),
        ("--artifact-bucket", target.artifact_bucket.is_some()),
        ("--reclaim", !target.keys.reclaim.is_empty()),
        ("--retire", !target.keys.retire.is_empty()),
    ];
    match refused.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(FleetError::NotOverFleet { option }),
        None => Ok(()),
    }
}

/// Runs a command that is about one account, or none, or that is always about many.
async fn run_one(cli: &Cli, printer: Printer, seed: u64) -> Result<Exit, Error> {
    let global = &cli.global;
    match &cli.command {
        Command::Plan { target, out, detailed_exitcode, drift, express, .. } => {
            let config = target.applied_to(configuration(global, &target.users)?)?;
            let session = connect(global, &config, printer, seed).await?;
            let manner = manner(target, *drift, *express);
            Box::pin(plan::run(&session, &config, manner, out.as_deref(), *detailed_exitcode)).await
        }
        Command::Bootstrap { target, drift, express, plan } => {
            let config = target.applied_to(configuration(global, &target.users)?)?;
            let session = connect(global, &config, printer, seed).await?;
            let manner = manner(target, *drift, *express);
            Box::pin(bootstrap::run(&session, &config, manner, plan.as_deref())).await
        }
        Command::Status { drift, detailed_exitcode, .. } => {
            let config = configuration(global, &[])?;
            let session = connect(global, &config, printer, seed).await?;
            Box::pin(status::run(&session, config, *drift, *detailed_exitcode)).await
        }
        Command::Rotate { users, keys, now } => {
            let config = keys.applied_to(configuration(global, users)?)?;
            let session = connect(global, &config, printer, seed).await?;
            Box::pin(rotate::run(&session, &config, users, *now)).await
        }
        Command::Hold { users, reason } => {
            let config = configuration(global, users)?;
            let session = connect(global, &config, printer, seed).await?;
            Box::pin(hold::run(&session, &config, users, reason)).await
        }
        Command::Release { users } => {
            let config = configuration(global, users)?;
            let session = connect(global, &config, printer, seed).await?;
            Box::pin(release::run(&session, &config, users)).await
        }
        Command::Rollback { users } => {
            let config = configuration(global, users)?;
            let session = connect(global, &config, printer, seed).await?;
            Box::pin(rollback::run(&session, &config, users)).await
        }
        Command::Revoke { users, key } => {
            let config = configuration(global, users)?;
            let session = connect(global, &config, printer, seed).await?;
            Box::pin(revoke::run(&session, &config, users, key)).await
        }
        Command::Credentials { user, secret, refresh } => {
            let (region, secret, refresh) = current_key(global, user, secret.as_ref(), *refresh)?;
            Box::pin(show_credentials(global, (user, secret), region, refresh, (printer, seed))).await
        }
        Command::Rollout { fleet, rehearsal, .. } => roll_out(cli, fleet, rehearsal, printer, seed).await,
        Command::Teardown { keys, recovery_window, force, dry_run, .. } => {
            let (keys, recovery_days, force, dry_run) = (*keys, *recovery_window, *force, *dry_run);
            let manner = teardown::Manner { keys, recovery_days, force, dry_run };
            let config = configuration(global, &[])?;
            let session = connect(global, &config, printer, seed).await?;
            Box::pin(teardown::run(&session, &config, manner)).await
        }
        Command::Doctor(target) => Box::pin(examine(global, target, printer, seed)).await,
        Command::Completions { shell } => completions::run(printer, *shell),
        Command::Man { directory } => man::run(printer, directory.as_deref()),
        Command::Demo { artifact } => Box::pin(demo::run(printer, artifact.as_deref(), seed)).await,
        Command::Sandbox { delays, accounts, users } => Box::pin(sandbox::run(users, *delays, *accounts, seed)).await,
        Command::Template { which, fleet, drift, artifact } => {
            Box::pin(show_template(global, *which, fleet, artifact.as_deref(), *drift, (printer, seed))).await
        }
    }
}

fn manner(target: &Target, drift: bool, express: bool) -> Manner<'_> {
    Manner { prebuilt: target.artifact.as_deref(), options: Options { drift, express } }
}

/// Runs a command over the accounts of a fleet.
async fn over_fleet(cli: &Cli, file: &Path, work: Work, printer: Printer, seed: u64) -> Result<Exit, Error> {
    let fleet = crate::fleet::read(file)?;
    let manner = Fleetwide::of(&cli.command);
    match cli.command.engine().unwrap_or(fleet.engine) {
        Engine::Direct => {
            let session = connect(&cli.global, &fleet.defaults.config, printer, seed).await?;
            Box::pin(fleet::run(session, &fleet, work, &manner)).await
        }
        Engine::Stacksets => {
            // The same file, read as what one template can say.
            let (fleet, enrolment) = crate::fleet::read_enrolling(file)?;
            fleet::stack_sets::check(work, &manner)?;
            let session = connect(&cli.global, &fleet.defaults.config, printer, seed).await?;
            Box::pin(fleet::stack_sets::run(session, &fleet, &enrolment, work, &manner)).await
        }
    }
}

/// Prints a template.
async fn show_template(
    global: &Global,
    which: Which,
    fleet: &Path,
    artifact: Option<&Path>,
    drift: bool,
    (printer, seed): (Printer, u64),
) -> Result<Exit, Error> {
    if which == Which::RolloutRole {
        let fleet = crate::fleet::read(fleet)?;
        let session = connect(global, &fleet.defaults.config, printer, seed).await?;
        return template::rollout_role(&session, &fleet, drift).await;
    }
    let config = configuration(global, &[])?;
    let session = connect(global, &config, printer, seed).await?;
    match which {
        Which::Artifacts => template::artifacts(&session),
        Which::Cell | Which::RolloutRole => template::cell(&session, &config, artifact).await,
    }
}

/// Rolls out, or rehearses that.
async fn roll_out(cli: &Cli, file: &Path, how: &Rehearse, printer: Printer, seed: u64) -> Result<Exit, Error> {
    if !how.sandbox {
        return over_fleet(cli, file, Work::Deploy, printer, seed).await;
    }
    let manner = Fleetwide::of(&cli.command);
    let mut fleet = crate::fleet::read(file)?;
    let mut enrolment = None;
    if cli.command.engine().unwrap_or(fleet.engine) == Engine::Stacksets {
        let (enrolling, found) = crate::fleet::read_enrolling(file)?;
        fleet::stack_sets::check(Work::Deploy, &manner)?;
        (fleet, enrolment) = (enrolling, Some(found));
    }
    let session = connect(&cli.global, &fleet.defaults.config, printer, seed).await?;
    let rehearsal = Rehearsal { failures: how.failures, seed: how.failure_seed };
    Box::pin(fleet::rehearse(session, (&fleet, enrolment.as_ref()), &manner, rehearsal)).await
}

/// Reads the configuration, or makes one for `users` when there is no file. The region of a file is the home of what it
/// says: its users would be rotated in two regions, and its keys, topics and replicas were checked for that one.
fn configuration(global: &Global, users: &[UserName]) -> Result<Config, Error> {
    match (file(global), &global.region) {
        (Some(path), region) => {
            let config = config::read(path)?;
            match region.clone().filter(|region| *region != config.region) {
                Some(given) => Err(Error::OtherRegion { file: path.to_owned(), in_file: config.region, given }),
                None => Ok(config),
            }
        }
        (None, Some(region)) => Ok(Config::for_users(region.clone(), users.to_vec())?),
        (None, None) => match &global.environment.region {
            Some(region) => {
                Ok(Config::for_users(Region::new(region.as_str()).map_err(Error::Region)?, users.to_vec())?)
            }
            None => Err(Error::NoConfig),
        },
    }
}

/// The configuration file, if there is one.
fn file(global: &Global) -> Option<&Path> {
    let default = Path::new(DEFAULT_CONFIG);
    global.config.as_deref().or_else(|| default.exists().then_some(default))
}

/// Runs `doctor`, which has something to say of a configuration that cannot be used too.
async fn examine(global: &Global, target: &Target, printer: Printer, seed: u64) -> Result<Exit, Error> {
    match configuration(global, &target.users).and_then(|config| target.applied_to(config)) {
        Ok(config) => {
            let source = global.profile.clone().map_or(Source::Chain, Source::Profile);
            // Another account than the file's is a finding among others.
            let session = connect_as(global, &config.region, source, printer, seed).await?;
            Box::pin(doctor::run(&session, &config, target.artifact.as_deref())).await
        }
        Err(error) => doctor::without_configuration(printer, &error),
    }
}

/// Runs `credentials`, for which no profile is used that is not named.
async fn show_credentials(
    global: &Global,
    (user, secret): (&UserName, SecretId),
    region: Region,
    refresh: Duration,
    (printer, seed): (Printer, u64),
) -> Result<Exit, Error> {
    let profile = global.profile.as_deref();
    let source = profile.map_or(Source::Surroundings, |profile| Source::Profile(profile.to_owned()));
    let session = connect_as(global, &region, source, printer, seed).await?;
    let asked = credentials::Asked { user, secret, region: region.to_string(), profile, refresh };
    credentials::run(&session, &asked).await
}

/// Where a user's key is, and how long it may be kept. A file is needed only for what the command line does not say.
fn current_key(
    global: &Global,
    user: &UserName,
    secret: Option<&SecretId>,
    refresh: Duration,
) -> Result<(Region, SecretId, Duration), Error> {
    let region = match (&global.region, secret) {
        (Some(region), _) => Some(region.clone()),
        (None, Some(SecretId::Arn(arn))) => arn.region().ok(),
        (None, _) => None,
    };
    if let (None, Some(region), Some(secret)) = (&global.config, region, secret) {
        return Ok((region, secret.clone(), refresh));
    }
    // Whoever reads a replica names another region than that of the file.
    let config = match (file(global), &global.region) {
        (Some(path), Some(region)) => Config { region: region.clone(), ..config::read(path)? },
        _ => configuration(global, &[])?,
    };
    let secret = secret.cloned().unwrap_or_else(|| SecretId::Name(config.secret_name(user)));
    Ok((config.region, secret, credentials::within(refresh, config.settings.deactivate_after)))
}

/// Connects, and goes no further when the configuration is meant for another account.
async fn connect(global: &Global, config: &Config, printer: Printer, seed: u64) -> Result<Session, Error> {
    let source = global.profile.clone().map_or(Source::Chain, Source::Profile);
    let session = connect_as(global, &config.region, source, printer, seed).await?;
    if let Some(wanted) = config.account.clone() {
        let found = session.interrupts.unless_pressed(identity::account(&session.clients)).await??;
        if found != wanted {
            return Err(Error::OtherAccount { wanted, found });
        }
    }
    Ok(session)
}

async fn connect_as(
    global: &Global,
    region: &Region,
    source: Source,
    printer: Printer,
    seed: u64,
) -> Result<Session, Error> {
    let connection = Connection {
        region: region.clone(),
        source,
        endpoint_url: global.endpoint_url.clone(),
        assume_role: global.assume_role.clone(),
        external_id: global.external_id.clone(),
        environment: global.environment.clone(),
    };
    let interrupts = Interrupts::listen();
    let clients = Box::pin(interrupts.unless_pressed(Clients::connect(&connection))).await??;
    if clients.are_exposed() {
        printer.say(
            "warning: the endpoint is on another machine and without TLS (`http://`): whoever is on the way reads session tokens \
             and users' keys",
        );
    }
    Ok(Session { clients, printer, interrupts, seed })
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
