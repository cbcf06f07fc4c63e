//! What is done in one account of a fleet: what the commands for a single account do, without a person to ask.

use std::time::Duration;

use contract::UserName;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::FleetError;
use super::functions::Functions;
use super::report::Outcome;
use crate::apply::{self, Applied, StackError, teardown};
use crate::artifact::Artifact;
use crate::aws::stacks::{self, Rest};
use crate::aws::{CallError, Clients, secrets, users};
use crate::concurrent::{self, Pace};
use crate::config::{Config, ConfiguredUser};
use crate::error::Error;
use crate::fleet::journal::{Done, Standing};
use crate::fleet::selection::{Exempted, Selected, Selection};
use crate::fleet::targets::Target;
use crate::plan::Options;
use crate::session::Session;
use crate::{commands, template};

/// How keys are looked up; as for users.
const PACE: Pace = Pace { at_once: 8, apart: Duration::from_millis(20) };

/// How long to wait before an account that is not ready is asked again: twice as long each time, up to half a minute.
const READY_AGAIN: Duration = Duration::from_secs(1);
const READY_AGAIN_AT_LAST: Duration = Duration::from_secs(30);

/// What is to be done in each account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Work {
    /// Look what would be done.
    Plan,
    /// Do it.
    Deploy,
    /// Look how everything is doing.
    Status,
    /// Take everything away, or only look what there is.
    TearDown { fate: teardown::Fate, force: bool, dry_run: bool },
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Visited {
    pub(super) outcome: Outcome,
    pub(super) exempted: Vec<Exempted>,
    /// How the account was left, when everything is done there.
    pub(super) done: Option<Done>,
}

/// An account that is worked on.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    pub(super) session: &'a Session,
    pub(super) target: &'a Target,
    pub(super) functions: &'a Functions,
    /// How it was left, if that is known.
    pub(super) known: Option<&'a Done>,
    pub(super) work: Work,
    pub(super) options: Options,
}

impl Visit<'_> {
    /// Does the work, as soon as AWS has made the account ready, but waits no longer than `ready_within`.
    ///
    /// # Errors
    /// [`Error`]; what was begun is whole by then, as after the command for a single account.
    pub(super) async fn run(&self, ready_within: Duration) -> Result<Visited, Error> {
        let (end, mut pause) = (Instant::now() + ready_within, READY_AGAIN);
        loop {
            match Box::pin(self.work()).await {
                Err(error) if self.may_become_ready(&error) && Instant::now() < end => {
                    self.session.interrupts.unless_pressed(tokio::time::sleep(pause)).await?;
                    pause = READY_AGAIN_AT_LAST.min(2 * pause);
                }
                worked => return worked,
            }
        }
    }

    /// Whether an error may go away by itself: no role of a new account can be assumed at first, and then services do not
    /// know it yet.
    fn may_become_ready(&self, error: &Error) -> bool {
        let (Error::Call(error) | Error::Stack(StackError::Call(error))) = error else { return false };
        error.is_not_ready() || self.target.is_new && matches!(error, CallError::NoCredentials { .. })
    }

    async fn work(&self) -> Result<Visited, Error> {
        let Self { session, target, work, .. } = *self;
        let mut config = target.wanted.config.clone();
        let mut exempted = Vec::new();
        if let (Some(selection), Work::Plan | Work::Deploy) = (&target.wanted.selection, work) {
            let selecting = Box::pin(select(&session.clients, &config, selection));
            let selected = session.interrupts.unless_pressed(selecting).await??;
            config.users = selected.users.into_iter().map(ConfiguredUser::named).collect();
            exempted = selected.exempted;
        }
        let (outcome, done) = match work {
            Work::Plan => (self.plan(&config).await?, None),
            Work::Deploy => self.deploy(&config).await?,
            Work::Status => {
                let report = Box::pin(commands::status::look(session, config, self.options.drift)).await?;
                (Outcome::Looked { status: Box::new(report) }, None)
            }
            Work::TearDown { fate, force, dry_run } => {
                let torn_down = Box::pin(commands::teardown::take_away(session, &config, fate, force, dry_run)).await?;
                (Outcome::TornDown { result: Box::new(torn_down) }, None)
            }
        };
        Ok(Visited { outcome, exempted, done })
    }

    fn artifact(&self, config: &Config) -> Result<&Artifact, FleetError> {
        let architecture = config.function.architecture;
        self.functions.of(architecture).ok_or(FleetError::NoFunction(architecture))
    }

    async fn plan(&self, config: &Config) -> Result<Outcome, Error> {
        let artifact = self.artifact(config)?;
        let (plan, _) = Box::pin(commands::pipeline::decide(self.session, config, artifact, self.options)).await?;
        Ok(Outcome::Planned { plan: Box::new(plan) })
    }

    async fn deploy(&self, config: &Config) -> Result<(Outcome, Option<Done>), Error> {
        let Self { session, .. } = *self;
        let artifact = self.artifact(config)?;
        let input = input(config, artifact)?;
        // A stack that is the one it was may have been changed past CloudFormation.
        if let Some(known) = self.known.filter(|known| known.input == input && !self.options.drift) {
            let names: Vec<String> = known.stacks.iter().map(|stack| stack.name.clone()).collect();
            let found = session.interrupts.unless_pressed(standings(&session.clients, &names)).await??;
            if found == known.stacks {
                return Ok((Outcome::Unchanged, Some(known.clone())));
            }
        }
        let (plan, cells) = Box::pin(commands::pipeline::decide(session, config, artifact, self.options)).await?;
        let applied = if plan.steps.is_empty() {
            Applied::default()
        } else {
            Box::pin(apply::apply(session, config, &plan, artifact)).await?
        };
        let is_done = applied.rotations.iter().all(|rotation| rotation.has_succeeded());
        let stacks = session.interrupts.unless_pressed(standings(&session.clients, &cells)).await??;
        let done = is_done.then_some(Done { input, stacks });
        let outcome = if plan.steps.is_empty() { Outcome::Unchanged } else { Outcome::Deployed { applied } };
        Ok((outcome, done))
    }
}

/// Selects the users. Nobody is selected when IAM does not tell everything that the selection asks for.
async fn select(clients: &Clients, config: &Config, selection: &Selection) -> Result<Selected, CallError> {
    let people = users::population(clients).await?;
    let mut selected = selection.among(&people);
    if selection.select.key_older_than.is_none() {
        return Ok(selected);
    }
    let managed = managed(clients, config).await?;
    let look = |user| {
        let clients = clients.clone();
        async move { users::access_keys(&clients, &user).await.map(|keys| (user, keys)) }
    };
    let keys = concurrent::for_each(std::mem::take(&mut selected.users), PACE, look).await;
    let keys = keys.into_iter().collect::<Result<Vec<_>, _>>()?;
    let now = clients.clock.now().ok_or_else(|| CallError::incomplete("iam:ListAccessKeys", "Date"))?;
    let is_due = |(user, keys): &(_, Vec<_>)| managed.contains(user) || selection.select.is_due(keys, now);
    selected.users = keys.into_iter().filter(is_due).map(|(user, _)| user).collect();
    Ok(selected)
}

/// The users whose keys are rotated already.
async fn managed(clients: &Clients, config: &Config) -> Result<Vec<UserName>, CallError> {
    let listed = secrets::of_deployment(clients, &config.stack).await?;
    Ok(listed.into_iter().filter(|secret| !secret.deleted).filter_map(|secret| secret.user).collect())
}

/// What everything in an account depends on but the account itself.
fn input(config: &Config, artifact: &Artifact) -> Result<String, Error> {
    let code = template::CodeLocation { bucket: String::new(), key: artifact.object_key() };
    let made = template::cell(config, &[], &code)?.to_text();
    let input = format!("{} {made} {config:?}", env!("CARGO_PKG_VERSION"));
    Ok(Sha256::digest(input).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What tells one state of stacks from another.
async fn standings(clients: &Clients, names: &[String]) -> Result<Vec<Standing>, CallError> {
    let mut standings = Vec::new();
    for name in names {
        let Some(stack) = stacks::describe(clients, name).await? else { continue };
        // One that somebody is working on is never as it was.
        let updated = match stack.status.rest() {
            Rest::Usable => stack.changed.map(|changed| changed.to_string()).unwrap_or_default(),
            _ => continue,
        };
        standings.push(Standing { name: name.clone(), id: stack.id, status: stack.status.to_string(), updated });
    }
    Ok(standings)
}
