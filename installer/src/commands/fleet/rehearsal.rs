//! `keyturn rollout --sandbox`: the rollout over a sandboxed copy of the organization, some of whose accounts fail. AWS is
//! only read.

mod failures;
mod original;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use sandbox::{Options, Sandbox};
use tempfile::TempDir;

pub(super) use self::failures::Injected;
use self::original::Original;
use super::{Manner, Work, look};
use crate::aws::Clients;
use crate::commands::DemoError;
use crate::error::{Error, Exit};
use crate::fleet::Fleet;
use crate::fleet::targets::{Targets, choose};
use crate::session::Session;
use crate::ui::Interrupted;

/// Real seconds for each second that AWS takes: an account takes two or three.
const PACE: f64 = 0.02;

/// How long to wait for an account that is not ready: no account gets ready in a copy.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// How a rehearsal is done.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands) struct Rehearsal {
    /// How many of a hundred accounts fail.
    pub(in crate::commands) failures: u8,
    /// Which ones, and how.
    pub(in crate::commands) seed: u64,
}

/// What a run in a rehearsal has beside it.
#[derive(Debug)]
pub(super) struct Stage {
    sandbox: Arc<Sandbox>,
    /// What goes wrong, and where.
    pub(super) injected: Vec<Injected>,
}

impl Stage {
    /// Lets time pass there.
    pub(super) async fn pass(&self, time: Duration) {
        self.sandbox.advance(time).await;
    }
}

/// Rehearses the rollout of a fleet.
pub(in crate::commands) async fn rehearse(
    session: Session,
    fleet: &Fleet,
    manner: &Manner,
    rehearsal: Rehearsal,
) -> Result<Exit, Error> {
    let original = copy(&session, fleet).await?;
    let injected = failures::draw(&original.accounts(), rehearsal.failures, rehearsal.seed);
    session.printer.say(format!(
        "rehearsal: {} accounts and {} users are copied into a sandbox; nothing is changed in AWS",
        original.members.len(),
        original.users()
    ));
    for failure in &injected {
        session.printer.say(format!("  {failure}"));
    }
    #[expect(clippy::disallowed_methods, reason = "sessions end by a real clock, also those in a sandbox")]
    let start = jiff::Timestamp::now();
    let options = Options { start, pace: PACE, seed: session.seed, ..Options::default() };
    let sandbox = Sandbox::start(options).await.map_err(DemoError::Start)?;
    let (access, on_stage) = (fleet.access.clone(), injected.clone());
    let home = fleet.defaults.config.region.clone();
    let populate = move |world: &mut sandbox::World| stage::populate(world, (&original, &home), &access, &on_stage);
    let (administrator, units) = sandbox.visit(populate).await.map_err(DemoError::Account)?;
    let clients = Clients::in_sandbox(sandbox.endpoint(), &fleet.defaults.config.region, &administrator)?;
    let directory = TempDir::new().map_err(DemoError::Start)?;
    let manner = Manner { journal: Some(directory.path().join("journal")), resume: false, ..manner.clone() };
    let ready_within = fleet.ready_within.min(READY_WITHIN);
    let fleet = Fleet { units, ready_within, ..fleet.clone() };
    let session = Session { clients, printer: session.printer.agreeing(), ..session };
    let sandbox = Arc::new(sandbox);
    let stage = Stage { sandbox: sandbox.clone(), injected };
    let ended = Box::pin(super::run_on(session, &fleet, Work::Deploy, &manner, Some(stage))).await;
    if let Some(sandbox) = Arc::into_inner(sandbox) {
        sandbox.stop().await;
    }
    ended
}

/// Reads the organization and the accounts.
async fn copy(session: &Session, fleet: &Fleet) -> Result<Original, Error> {
    let progress = session.printer.progress("copying the organization");
    let reading = async {
        let (caller, found) = look(session, fleet).await?;
        let Targets { chosen, left_out } = choose(fleet, &found, session.clients.clock.now());
        let entrance = super::Entrance { session: session.clone(), caller, access: fleet.access.clone() };
        Ok::<_, Error>(original::read(entrance, chosen, left_out, fleet.at_once).await)
    };
    let original = session.interrupts.unless_pressed(Box::pin(reading)).await;
    drop(progress);
    original.map_err(|_| Interrupted { left: "nothing was changed".to_owned() })?
}
