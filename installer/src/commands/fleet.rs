//! What the commands over many accounts share: which accounts, as whom, in which order, and the report.

mod account;
mod central;
mod error;
mod functions;
mod html;
mod manner;
mod rehearsal;
mod report;
pub(super) mod stack_sets;
mod waves;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contract::AccountId;
use sha2::{Digest as _, Sha256};

pub(super) use self::account::Work;
use self::account::{Visit, Visited};
use self::central::{Central, CentralOutcome};
pub use self::error::FleetError;
use self::functions::Functions;
pub(super) use self::manner::Manner;
use self::rehearsal::Stage;
pub(super) use self::rehearsal::{Rehearsal, rehearse};
use self::report::{AccountRow, FleetReport, Outcome, Summary};
use self::waves::Group;
use crate::aws::identity::{self, Caller};
use crate::aws::organizations::{self, Account};
use crate::aws::roles::Assumption;
use crate::aws::{CallError, Clock};
use crate::error::{Error, Exit};
use crate::fleet::journal::{Journal, Past};
use crate::fleet::targets::{self, Target, Targets};
use crate::fleet::waves::{Pick, Tolerance, Wave, divide};
use crate::fleet::{Access, Fleet};
use crate::names::CENTRAL_STACK;
use crate::plan::Options;
use crate::session::Session;

/// How many accounts are looked at, one after the other, until there is one to show.
const LOOKED_AT_FIRST: usize = 5;

/// The way into the accounts.
#[derive(Debug)]
struct Entrance {
    /// The caller's own.
    session: Session,
    caller: Caller,
    access: Access,
}

/// A run over a fleet.
struct Run {
    entrance: Entrance,
    work: Work,
    functions: Arc<Functions>,
    past: Past,
    central: Option<Central>,
    targets: Vec<Target>,
    at_once: usize,
    ready_within: Duration,
    last_wave: Option<usize>,
    options: Options,
    /// Where it takes place, if that is not in AWS.
    stage: Option<Stage>,
}

/// A session in an account of the fleet.
struct Entered {
    session: Session,
    /// The clock that the caller's own account has shown.
    main_clock: Clock,
}

/// Does `work` in every account of a fleet.
pub(super) async fn run(session: Session, fleet: &Fleet, work: Work, manner: &Manner) -> Result<Exit, Error> {
    run_on(session, fleet, work, manner, None).await
}

/// The same, perhaps in a rehearsal.
async fn run_on(
    session: Session,
    fleet: &Fleet,
    work: Work,
    manner: &Manner,
    stage: Option<Stage>,
) -> Result<Exit, Error> {
    let (caller, found) = {
        let progress = session.printer.progress("looking at the organization");
        let found = session.interrupts.unless_pressed(look(&session, fleet)).await??;
        drop(progress);
        found
    };
    let Targets { mut chosen, left_out } = targets::choose(fleet, &found, session.clients.clock.now());
    central::direct(chosen.iter_mut().map(|target| &mut target.wanted.config), fleet, &caller);
    let (mut journal, past) = match work {
        Work::Deploy | Work::TearDown { dry_run: false, .. } => {
            let path = manner.journal.clone().unwrap_or_else(|| beside(&fleet.file));
            let (journal, past) = Journal::open(&path)?;
            (Some(journal), past)
        }
        Work::Plan | Work::Status | Work::TearDown { dry_run: true, .. } => (None, Past::default()),
    };
    let functions = match work {
        Work::Plan | Work::Deploy => Functions::take(&session, &chosen, manner.artifact.as_deref()).await?,
        Work::Status | Work::TearDown { .. } => Functions::default(),
    };
    let of = digest(fleet, &functions);
    let before = match &journal {
        Some(journal) if manner.resume => journal.resumed(&past, &of)?,
        _ => Vec::new(),
    };
    let deploys = matches!(work, Work::Plan | Work::Deploy);
    let central = Box::pin(Central::look(&session, fleet, deploys)).await?;
    let run = Run {
        entrance: Entrance { session, caller, access: fleet.access.clone() },
        work,
        functions: Arc::new(functions),
        past,
        central,
        targets: chosen,
        at_once: fleet.at_once,
        ready_within: fleet.ready_within,
        last_wave: manner.last_wave,
        options: manner.options,
        stage,
    };
    let (groups, mut rows) = run.groups(fleet, &before);
    run.confirm(&groups, rows.len(), left_out.len()).await?;
    if let Some(journal) = journal.as_mut().filter(|_| !manner.resume) {
        journal.begin(&of)?;
    }
    let centrally = central::begin(run.central.as_ref(), work).await?;
    let (worked, stopped) = waves::work(&run, groups, &mut journal).await?;
    rows.extend(worked);
    rows.sort_by_key(|row| run.position(&row.account));
    let central = central::end(run.central.as_ref(), work, centrally, &rows, stopped.is_some()).await?;
    rows.extend(left_out.into_iter().map(AccountRow::left_out));
    if let Some(journal) = journal.as_mut().filter(|_| stopped.is_none()) {
        journal.end()?;
    }
    if let Some(stopped) = &stopped {
        run.entrance.session.printer.say(stopped);
    }
    let injected = run.stage.as_ref().map(|stage| stage.injected.clone());
    let report = FleetReport {
        summary: Summary::of(&rows),
        accounts: rows,
        stopped,
        central,
        injected,
        stack_set: None,
        work: work.done(),
    };
    publish(&run.entrance.session, &report, work, manner)
}

/// Writes the report wherever it is wanted, and gives the exit code.
fn publish(session: &Session, report: &FleetReport, work: Work, manner: &Manner) -> Result<Exit, Error> {
    write(manner.csv.as_deref(), || report.to_csv())?;
    write(manner.html.as_deref(), || html::page(report, session.clients.clock.now()))?;
    session.printer.result(work.command(), report)?;
    Ok(report.exit(manner.detailed_exitcode))
}

/// Who asks, and the accounts of the fleet's units.
async fn look(session: &Session, fleet: &Fleet) -> Result<(Caller, Vec<Account>), CallError> {
    let caller = identity::caller(&session.clients).await?;
    let mut accounts = Vec::new();
    for unit in &fleet.units {
        accounts.extend(organizations::accounts_below(&session.clients, unit).await?);
    }
    Ok((caller, accounts))
}

/// The journal of a fleet, beside its file: `fleet.yaml.journal`.
fn beside(fleet: &Path) -> PathBuf {
    let mut path = fleet.as_os_str().to_owned();
    path.push(".journal");
    path.into()
}

/// Of what is rolled out: what the file says, and the functions.
fn digest(fleet: &Fleet, functions: &Functions) -> String {
    let of = format!("{} {fleet:?} {}", env!("CARGO_PKG_VERSION"), functions.names());
    Sha256::digest(of).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(path: Option<&Path>, text: impl FnOnce() -> String) -> Result<(), FleetError> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, text()).map_err(|source| FleetError::Report { path: path.to_owned(), source })
}

impl Work {
    /// The command that the report belongs to.
    fn command(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Deploy => "rollout",
            Self::Status => "status",
            Self::TearDown { .. } => "teardown",
        }
    }

    /// What an account is when it was done there.
    fn done(self) -> &'static str {
        match self {
            Self::Plan => "with changes",
            Self::Deploy => "deployed",
            Self::Status => "looked at",
            Self::TearDown { dry_run: true, .. } => "to be taken away",
            Self::TearDown { dry_run: false, .. } => "taken away",
        }
    }
}

impl Entrance {
    /// A session in an account: the caller's own in the caller's account, else one of the role there. Ctrl-C reaches it
    /// when it is pressed for the second time.
    fn enter(&self, target: &Target) -> Entered {
        let Session { clients, printer, interrupts, seed } = &self.session;
        let region = &target.wanted.config.region;
        let clients = if target.account == self.caller.account {
            clients.in_region(region)
        } else {
            let Access { external_id, session_name, tags, .. } = self.access.clone();
            let role_arn = self.access.role_arn(&self.caller.partition, &target.account);
            clients.in_region(region).of_account(Assumption {
                role_arn,
                session_name,
                external_id,
                lasting: None,
                mfa: None,
                tags,
            })
        };
        let session = Session {
            clients,
            printer: printer.within(&target.account),
            interrupts: interrupts.behind(1),
            // Names of change sets must differ between runs, not between accounts.
            seed: *seed,
        };
        Entered { session, main_clock: self.session.clients.clock.clone() }
    }
}

impl Run {
    /// The waves with their accounts, and the rows of those in which the last run has done everything. What changes
    /// nothing has one wave.
    fn groups(&self, fleet: &Fleet, before: &[AccountId]) -> (Vec<Group>, Vec<AccountRow>) {
        let accounts: Vec<AccountId> = self.targets.iter().map(|target| target.account.clone()).collect();
        let all = [Wave { pick: Pick::Percent(100), soak: Duration::ZERO, tolerate: Tolerance::Percent(100) }];
        let waves = if self.work == Work::Deploy { fleet.waves.as_slice() } else { &all };
        let (mut groups, mut rows) = (Vec::new(), Vec::new());
        for (index, (wave, members)) in waves.iter().zip(divide(waves, &accounts)).enumerate() {
            let (number, size) = (index + 1, members.len());
            let mut targets = Vec::new();
            for target in members.iter().filter_map(|account| self.target(account)) {
                if before.contains(&target.account) {
                    rows.push(done_before(target, number));
                } else {
                    targets.push(target.clone());
                }
            }
            if !targets.is_empty() {
                groups.push(Group { number, wave: wave.clone(), size, targets });
            }
        }
        (groups, rows)
    }

    /// Shows what will be done where, and asks.
    async fn confirm(&self, groups: &[Group], before: usize, left_out: usize) -> Result<(), Error> {
        let printer = &self.entrance.session.printer;
        let accounts: usize = groups.iter().map(|group| group.targets.len()).sum();
        printer.say(format!("{}, {left_out} left out, {before} done before", counted(accounts)));
        let question = match self.work {
            Work::Plan | Work::Status | Work::TearDown { dry_run: true, .. } => {
                let central = self.central.iter().filter(|_| self.work == Work::Plan);
                central.for_each(|central| printer.say(central.in_words()));
                return Ok(());
            }
            Work::Deploy => {
                for Group { number, wave, targets, .. } in groups {
                    printer.say(format!("  wave {number}: {}, {}", counted(targets.len()), wave.in_words()));
                }
                self.central.iter().for_each(|central| printer.say(central.in_words()));
                self.show_first(groups).await?;
                format!("Roll this out to {}?", counted(accounts))
            }
            Work::TearDown { .. } => {
                let is_there = |central: &&Central| central.outcome() == CentralOutcome::There;
                if self.central.as_ref().filter(is_there).is_some() {
                    printer.say(format!("the stack `{CENTRAL_STACK}` goes behind the last account"));
                }
                format!("Take everything away from {}?", counted(accounts))
            }
        };
        let changes_centrally = self.work == Work::Deploy
            && self.central.as_ref().is_some_and(|it| it.outcome() == CentralOutcome::Changes);
        if accounts > 0 || changes_centrally {
            self.entrance.session.interrupts.unless_pressed(printer.confirm(&question)).await??;
        }
        Ok(())
    }

    /// Shows the whole plan for the first account, the canary; for the next one when that cannot be looked at, which
    /// may be tolerated.
    async fn show_first(&self, groups: &[Group]) -> Result<(), Error> {
        let printer = &self.entrance.session.printer;
        for target in groups.iter().flat_map(|group| &group.targets).take(LOOKED_AT_FIRST) {
            let entered = self.entrance.enter(target);
            let (session, functions, work, options) = (&entered.session, &*self.functions, Work::Plan, self.options);
            let visit = Visit { session, target, functions, known: None, work, options };
            match Box::pin(visit.run(self.ready_within)).await {
                Ok(Visited { outcome: Outcome::Planned { plan }, .. }) => {
                    printer.say(format!("\nin the first account, {}:\n{plan}", target.account));
                    return Ok(());
                }
                Ok(_) => {}
                Err(error @ Error::Interrupted(_)) => return Err(error),
                Err(error) => printer.say(format!("  {}: cannot be looked at: {error}", target.account)),
            }
        }
        Ok(())
    }

    /// Lets time pass: where nothing is real, that takes none.
    async fn pass(&self, time: Duration) {
        match &self.stage {
            Some(stage) => stage.pass(time).await,
            None => tokio::time::sleep(time).await,
        }
    }

    fn target(&self, account: &AccountId) -> Option<&Target> {
        self.targets.iter().find(|target| &target.account == account)
    }

    fn position(&self, account: &AccountId) -> usize {
        self.targets.iter().position(|target| &target.account == account).unwrap_or(usize::MAX)
    }

    /// Tells what came of an account.
    fn tell(&self, row: &AccountRow) {
        row.tell(&self.entrance.session.printer);
    }
}

fn done_before(target: &Target, wave: usize) -> AccountRow {
    let (account, name, outcome) = (target.account.clone(), target.name.clone(), Outcome::DoneBefore);
    AccountRow { account, name, wave: Some(wave), began: None, ended: None, outcome, exempted: Vec::new() }
}

fn counted(accounts: usize) -> String {
    if accounts == 1 { "1 account".to_owned() } else { format!("{accounts} accounts") }
}
