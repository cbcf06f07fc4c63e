//! `keyturn rollout --sandbox`: the rollout over a sandboxed copy of the organization, some of whose accounts fail. AWS is
//! only read.

mod deployed;
mod failures;
mod original;
mod replica;
mod stage;
mod tree;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use contract::{AccountId, Enrolment};
use sandbox::{Options, Sandbox, World};
use tempfile::TempDir;

use self::deployed::Deployed;
pub(super) use self::failures::Injected;
use self::original::{Member, Original};
use super::functions::Functions;
use super::{Entrance, Manner, Work, stack_sets};
use crate::aws::organizations::{self, Organization};
use crate::aws::stack_sets::{Name, Permissions};
use crate::aws::{Clients, identity};
use crate::commands::DemoError;
use crate::error::{Error, Exit};
use crate::fleet::Fleet;
use crate::fleet::engine::Engine;
use crate::fleet::targets::{Target, Targets, choose};
use crate::names::CENTRAL_STACK;
use crate::observe;
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

/// Rehearses the rollout of a fleet; of one that StackSets serves when the function finds its users.
pub(in crate::commands) async fn rehearse(
    session: Session,
    (fleet, enrolment): (&Fleet, Option<&Enrolment>),
    manner: &Manner,
    rehearsal: Rehearsal,
) -> Result<Exit, Error> {
    let engine = enrolment.map_or(Engine::Direct, |_| Engine::Stacksets);
    let (original, targets) = copy(&session, fleet, engine).await?;
    let injected = draw(&original, rehearsal);
    announce(&session, &original, &injected);
    #[expect(clippy::disallowed_methods, reason = "sessions end by a real clock, also those in a sandbox")]
    let start = jiff::Timestamp::now();
    let options = Options { start, pace: PACE, seed: session.seed, ..Options::default() };
    let sandbox = Arc::new(Sandbox::start(options).await.map_err(DemoError::Start)?);
    let functions = match original.has_any() {
        true => Functions::take(&session, &targets, manner.artifact.as_deref()).await?,
        false => Functions::default(),
    };
    let clients = set(&session, &sandbox, (&Arc::new(original), fleet), &functions, &injected).await?;
    let directory = TempDir::new().map_err(DemoError::Start)?;
    let stage = Some(Stage { sandbox: sandbox.clone(), injected });
    let fleet = Fleet { ready_within: fleet.ready_within.min(READY_WITHIN), ..fleet.clone() };
    let session = Session { clients, printer: session.printer.agreeing(), ..session };
    let ended = match enrolment {
        None => {
            let journal = Some(directory.path().join("journal"));
            let manner = Manner { journal, resume: false, ..manner.clone() };
            Box::pin(super::run_on(session, &fleet, Work::Deploy, &manner, stage)).await
        }
        Some(enrolment) => {
            Box::pin(stack_sets::run_on(session, (&fleet, enrolment), Work::Deploy, manner, stage)).await
        }
    };
    if let Some(sandbox) = Arc::into_inner(sandbox) {
        sandbox.stop().await;
    }
    ended
}

/// Sets the stage: first what there is in AWS, then what goes wrong. Gives the way in for whoever rolls out.
async fn set(
    session: &Session,
    sandbox: &Sandbox,
    (original, fleet): (&Arc<Original>, &Fleet),
    functions: &Functions,
    injected: &[Injected],
) -> Result<Clients, Error> {
    let (model, wanted) = (original.clone(), fleet.clone());
    let populate = move |world: &mut World| stage::populate(world, &model, &wanted);
    let administrator = sandbox.visit(populate).await.map_err(DemoError::Account)?;
    let clients = Clients::in_sandbox(sandbox.endpoint(), &fleet.defaults.config.region, &administrator)?;
    if original.has_any() {
        rebuild(session, sandbox, &clients, (original, fleet), functions).await?;
    }
    let (model, wanted, injected) = (original.clone(), fleet.clone(), injected.to_vec());
    let trouble = move |world: &mut World| trouble::begin(world, &model, &wanted, &injected);
    sandbox.visit(trouble).await.map_err(DemoError::Account)?;
    Ok(clients)
}

/// Builds what is deployed already.
async fn rebuild(
    session: &Session,
    sandbox: &Sandbox,
    clients: &Clients,
    (original, fleet): (&Arc<Original>, &Fleet),
    functions: &Functions,
) -> Result<(), Error> {
    let code: Arc<[u8]> = functions.any().map(|function| function.bytes.as_slice().into()).unwrap_or_default();
    let progress = session.printer.progress("building what is deployed already");
    let region = &fleet.defaults.config.region;
    let building = replica::build(sandbox, clients, (original, region), &code);
    let not_copied = session.interrupts.unless_pressed(Box::pin(building)).await;
    drop(progress);
    tell_not_copied(session, &not_copied.map_err(|_| untouched())??);
    Ok(())
}

/// What goes wrong. Where StackSets is at work, nothing keeps keyturn itself out of the account that it is asked from.
fn draw(original: &Original, Rehearsal { failures, seed }: Rehearsal) -> Vec<Injected> {
    let accounts = original.members.iter().map(|member| &member.account);
    if original.engine == Engine::Direct {
        return failures::draw(&accounts.cloned().collect::<Vec<_>>(), &failures::KINDS, failures, seed);
    }
    let is_entered = |account: &&AccountId| **account != original.tree.management && **account != original.caller;
    let accounts: Vec<AccountId> = accounts.filter(is_entered).cloned().collect();
    failures::draw(&accounts, &failures::OF_STACK_SETS, failures, seed)
}

fn announce(session: &Session, original: &Original, injected: &[Injected]) {
    let deployed = match original.deployed() {
        0 => String::new(),
        some => format!(", with what is deployed in {some} of them"),
    };
    session.printer.say(format!(
        "rehearsal: {} accounts and {} users are copied into a sandbox{deployed}; nothing is changed in AWS",
        original.members.len(),
        original.users()
    ));
    tell_not_copied(session, &original.not_copied());
    for failure in injected {
        session.printer.say(format!("  {failure}"));
    }
}

/// Says what the copy lacks: the rollout makes it there as if for the first time.
fn tell_not_copied<'a>(session: &Session, not_copied: impl IntoIterator<Item = &'a String>) {
    for what in not_copied {
        session.printer.say(format!("  not copied, so rolled out as if for the first time: {what}"));
    }
}

/// Reads the organization and the accounts.
async fn copy(session: &Session, fleet: &Fleet, engine: Engine) -> Result<(Original, Vec<Target>), Error> {
    let progress = session.printer.progress("copying the organization");
    let reading = Box::pin(read(session, fleet, engine));
    let original = session.interrupts.unless_pressed(reading).await;
    drop(progress);
    original.map_err(|_| untouched())?
}

async fn read(session: &Session, fleet: &Fleet, engine: Engine) -> Result<(Original, Vec<Target>), Error> {
    let clients = session.clients.in_region(&fleet.defaults.config.region);
    let (caller, organization) = match (engine, &fleet.central) {
        (Engine::Stacksets, _) => stack_sets::look::organization(session, fleet).await?,
        (Engine::Direct, Some(_)) => (identity::caller(&clients).await?, organizations::organization(&clients).await?),
        (Engine::Direct, None) => (identity::caller(&clients).await?, None),
    };
    let is_service_managed = matches!(fleet.stack_sets.permissions, Permissions::ServiceManaged { .. });
    let is_for_organization = engine == Engine::Stacksets && is_service_managed;
    // Without that whoever calls is whom the accounts trust.
    let organization = organization.map(|found| match is_for_organization {
        true => found,
        false => Organization { management: caller.account.clone(), ..found },
    });
    let tree = tree::read(&clients, fleet, (&caller.account, organization), is_for_organization).await?;
    let Targets { chosen, left_out } = choose(fleet, &tree.accounts(), clients.clock.now());
    let (account, partition) = (caller.account.clone(), caller.partition.clone());
    let entrance = Entrance { session: session.clone(), caller, access: fleet.access.clone() };
    // A delegated administrator has nothing to do in the management account.
    let is_entered = |target: &&Target| target.account == account || target.account != tree.management;
    let entered = chosen.iter().filter(is_entered).cloned().collect();
    let members: Vec<Member> = original::members(&entrance, entered, fleet.at_once).await;
    let mut shared = Deployed::default();
    let mut set = None;
    if fleet.central.is_some() {
        shared.take(CENTRAL_STACK, observe::stack(&clients, CENTRAL_STACK).await?);
    }
    if engine == Engine::Stacksets {
        let config = &fleet.defaults.config;
        let stacks = deployed::of_account(&clients, config).await?;
        shared.stacks.extend(stacks.stacks);
        shared.not_copied.extend(stacks.not_copied);
        let name = Name { name: config.stack.to_string(), is_delegate: fleet.stack_sets.is_delegate };
        match deployed::stack_set(&clients, name, config.region.as_str()).await? {
            Ok(found) => set = found,
            Err(why) => shared.not_copied.push(why),
        }
    }
    Ok((Original { engine, caller: account, partition, tree, members, left_out, shared, set }, chosen))
}

fn untouched() -> Interrupted {
    Interrupted { left: "nothing was changed".to_owned() }
}
