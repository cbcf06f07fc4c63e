//! The commands over a fleet that StackSets serves: one template for all accounts, which the function then finds its users
//! in by itself. What the accounts are and how it is reported is the same as for the other engine.

mod afterwards;
mod apply;
mod direct;
mod follow;
pub(super) mod look;
mod status;
mod teardown;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contract::{AccountId, Enrolment};

use self::look::Looked;
use super::central::{self, Central, CentralOutcome};
use super::rehearsal::Stage;
use super::report::{AccountRow, FleetReport, Outcome, Stopped, Summary};
use super::{Entrance, FleetError, Manner, Work, publish};
use crate::apply::teardown::Fate;
use crate::artifact::Artifact;
use crate::aws::bucket;
use crate::aws::stack_sets::{self, Instance, Name, OperationResult, Preferences, ResultStatus, Tolerated};
use crate::commands::pipeline;
use crate::error::{Error, Exit};
use crate::fleet::stack_sets::{Change, Desired, Observed, Plan, Step, plan};
use crate::fleet::waves::Tolerance;
use crate::fleet::{Fleet, engine, enrolment};
use crate::plan::{self, shared_code};
use crate::session::Session;
use crate::template::{self, CodeLocation, Template};
use crate::ui::span;

/// What our sets say of themselves.
pub(super) const DESCRIPTION: &str = "keyturn - rotates the access keys of IAM users";

/// How accounts are entered beside the fleet's own `at_once`: ten a second.
const APART: Duration = Duration::from_millis(100);

/// What all of it needs.
struct Scene {
    session: Session,
    fleet: Fleet,
    name: Name,
    looked: Looked,
    central: Option<Central>,
}

/// What came of it.
#[derive(Default)]
struct Worked {
    rows: Vec<AccountRow>,
    stopped: Option<Stopped>,
    planned: Option<Plan>,
    central: Option<CentralOutcome>,
    /// The accounts in which a function looks for its users for the first time.
    beginners: BTreeSet<AccountId>,
}

/// Refuses what is only for the engine that enters every account.
pub(in crate::commands) fn check(work: Work, manner: &Manner) -> Result<(), FleetError> {
    let refused = [
        ("--resume", manner.resume),
        ("--waves", manner.last_wave.is_some()),
        ("--journal", manner.journal.is_some()),
        ("--drift", manner.options.drift),
        ("--express", manner.options.express),
        ("--keys revoke", matches!(work, Work::TearDown { fate: Fate::Revoke { .. }, .. })),
    ];
    match refused.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(FleetError::NotWithStackSets { option }),
        None => Ok(()),
    }
}

/// Does `work` for a fleet.
pub(in crate::commands) async fn run(
    session: Session,
    fleet: &Fleet,
    enrolment: &Enrolment,
    work: Work,
    manner: &Manner,
) -> Result<Exit, Error> {
    run_on(session, (fleet, enrolment), work, manner, None).await
}

/// The same, perhaps in a rehearsal.
pub(super) async fn run_on(
    session: Session,
    (fleet, enrolment): (&Fleet, &Enrolment),
    work: Work,
    manner: &Manner,
    stage: Option<Stage>,
) -> Result<Exit, Error> {
    let looked = {
        let progress = session.printer.progress("looking at the organization");
        let looked = session.interrupts.unless_pressed(Box::pin(look::look(&session, fleet))).await??;
        drop(progress);
        looked
    };
    let name = Name { name: fleet.defaults.config.stack.to_string(), is_delegate: fleet.stack_sets.is_delegate };
    let mut defaults = fleet.defaults.clone();
    central::direct(std::iter::once(&mut defaults.config), fleet, &looked.caller);
    let fleet = Fleet { defaults, ..fleet.clone() };
    let deploys = matches!(work, Work::Plan | Work::Deploy);
    let central = Box::pin(Central::look(&session, &fleet, deploys)).await?;
    let scene = Scene { session, fleet, name, looked, central };
    let Worked { mut rows, stopped, planned, central, beginners } = match work {
        Work::Plan => scene.plan(enrolment, manner).await?,
        Work::Deploy => Box::pin(scene.deploy(enrolment, manner)).await?,
        Work::Status => Box::pin(scene.status(enrolment)).await?,
        Work::TearDown { dry_run, force, .. } => Box::pin(scene.tear_down(work, dry_run, force)).await?,
    };
    if let Some(stage) = &stage {
        Box::pin(scene.look_afterwards(stage, &beginners, &mut rows)).await;
    }
    let left_out =
        scene.looked.targets.left_out.iter().filter(|left| rows.iter().all(|row| row.account != left.account));
    let left_out: Vec<AccountRow> = left_out.cloned().map(AccountRow::left_out).collect();
    rows.extend(left_out);
    if let Some(stopped) = &stopped {
        scene.session.printer.say(stopped);
    }
    let summary = Summary::of(&rows);
    let report = FleetReport {
        accounts: rows,
        summary,
        stopped,
        central,
        injected: stage.map(|stage| stage.injected),
        stack_set: planned,
        work: work.done(),
    };
    publish(&scene.session, &report, work, manner)
}

/// What is to be done, and what it needs.
struct Prepared {
    artifact: Artifact,
    template: Template,
    code: plan::Plan,
    plan: Plan,
    /// What is done in the account that StackSets passes over, if the fleet wants it.
    direct: Option<plan::Plan>,
}

impl Prepared {
    fn has_steps(&self) -> bool {
        let directly = self.direct.iter().any(|plan| !plan.steps.is_empty());
        directly || !self.plan.steps.is_empty() || !self.code.steps.is_empty()
    }
}

impl Scene {
    /// Looks what would be done.
    async fn plan(&self, enrolment: &Enrolment, manner: &Manner) -> Result<Worked, Error> {
        let prepared = Box::pin(self.prepare(enrolment, manner)).await?;
        self.show(&prepared);
        let central = central::begin(self.central.as_ref(), Work::Plan).await?;
        let Prepared { plan, direct, .. } = prepared;
        let mut rows = self.rows(|account| Outcome::InSet { change: plan.change(account) });
        let planned = |(target, plan)| AccountRow::of(target, Outcome::Planned { plan: Box::new(plan) });
        rows.extend(self.looked.direct.as_ref().zip(direct).map(planned));
        Ok(Worked { rows, planned: Some(plan), central, ..Worked::default() })
    }

    /// Brings the set and its stacks to what the fleet wants, and behind them the account that StackSets passes over.
    async fn deploy(&self, enrolment: &Enrolment, manner: &Manner) -> Result<Worked, Error> {
        let Session { printer, interrupts, .. } = &self.session;
        follow::await_idle(self).await?;
        let prepared = Box::pin(self.prepare(enrolment, manner)).await?;
        let changes_centrally = self.central.as_ref().is_some_and(|it| it.outcome() == CentralOutcome::Changes);
        if changes_centrally || prepared.has_steps() {
            self.show(&prepared);
            let question = format!("Roll this out with the stack set `{}`?", self.name.name);
            interrupts.unless_pressed(printer.confirm(&question)).await??;
        }
        let Prepared { artifact, template, code, plan, direct } = prepared;
        Box::pin(crate::apply::apply(&self.session, &self.fleet.defaults.config, &code, &artifact)).await?;
        let central = central::begin(self.central.as_ref(), Work::Deploy).await?;
        let (results, mut stopped) = Box::pin(apply::apply(self, &plan, &template, &code.bucket)).await?;
        let mut rows = self.rows(|account| apply::outcome(&plan, account, results.get(account), stopped.as_ref()));
        let beginners = afterwards::beginners(&plan, self.looked.direct.as_ref().zip(direct.as_ref()));
        if let Some((target, plan)) = self.looked.direct.as_ref().zip(direct) {
            let failed = results.values().filter(|result| result.status == ResultStatus::Failed).count();
            let (row, halted) =
                Box::pin(self.deploy_directly(target, &plan, &artifact, (stopped.as_ref(), failed))).await;
            rows.push(row);
            stopped = stopped.or(halted);
        }
        Ok(Worked { rows, stopped, planned: Some(plan), central, beginners })
    }

    /// Looks at the set, takes the function, and decides.
    async fn prepare(&self, enrolment: &Enrolment, manner: &Manner) -> Result<Prepared, Error> {
        let (session, config) = (&self.session, &self.fleet.defaults.config);
        let artifact = pipeline::artifact(session, config, manner.artifact.as_deref()).await?;
        let key = artifact.object_key();
        let artifacts = look::artifacts(session, config).await?;
        let caller = &self.looked.caller;
        let desired_here = plan::Desired { config, code: &key, express: false };
        let organization = self.looked.organization.as_ref().map(|organization| organization.id.as_str());
        let mut code = shared_code(&desired_here, caller, artifacts.as_ref(), false, organization)?;
        // A bucket of that name would not be ours.
        if artifacts.is_some() || config.artifact_bucket.is_some() {
            let bucket = code.bucket.clone();
            let holds = bucket::holds(&session.clients, &bucket, &key, &artifact.bytes);
            let holds = session.interrupts.unless_pressed(holds).await??;
            code = shared_code(&desired_here, caller, artifacts.as_ref(), holds, organization)?;
        }
        let template =
            template::member(config, enrolment, &CodeLocation { bucket: code.bucket.clone(), key: key.clone() })?;
        let observing = async {
            let set = stack_sets::describe(&session.clients, &self.name).await?;
            let instances = if set.is_some() { self.instances().await? } else { BTreeMap::new() };
            Ok::<_, Error>(Observed { set, instances })
        };
        let observed = session.interrupts.unless_pressed(observing).await??;
        let Looked { targets, units, root, .. } = &self.looked;
        let desired = Desired {
            template: &template,
            tags: &config.tags,
            permissions: &self.fleet.stack_sets.permissions,
            accounts: targets.chosen.iter().map(|target| target.account.clone()).collect(),
            units,
            except: &self.fleet.except,
            root: root.as_deref(),
        };
        let mut plan = plan(&self.name.name, &desired, &observed).map_err(FleetError::from)?;
        let direct = Box::pin(self.plan_directly(&desired_here, &template, &code.bucket)).await?;
        plan.remarks.extend(enrolment::remark(enrolment));
        let mut directly = direct.iter().flat_map(|plan| &plan.steps).filter_map(plan::Step::as_deployment);
        if directly.any(|deployment| deployment.action.creates())
            || plan.steps.iter().any(|step| matches!(step, Step::Add { .. }))
        {
            let every = span(config.settings.sweep_every);
            plan.remarks.push(format!("the function looks for its users every {every}: they get their keys then"));
        }
        if config.artifact_bucket.is_some() {
            let text = "the accounts must be able to read the bucket, which is not keyturn's";
            plan.remarks.push(format!("{text}: `{}`", code.bucket));
        }
        Ok(Prepared { artifact, template, code, plan, direct })
    }

    async fn instances(&self) -> Result<BTreeMap<AccountId, Instance>, Error> {
        let region = &self.fleet.defaults.config.region;
        Ok(stack_sets::instances(&self.session.clients, &self.name, region.as_str()).await?)
    }

    fn show(&self, Prepared { code, plan, direct, .. }: &Prepared) {
        let printer = &self.session.printer;
        let Looked { caller, targets, .. } = &self.looked;
        let config = &self.fleet.defaults.config;
        let steps: String = code.steps.iter().map(ToString::to_string).collect();
        let accounts = super::counted(self.size());
        printer.say(format!("{accounts}, {} left out", targets.left_out.len()));
        self.central.iter().for_each(|central| printer.say(central.in_words()));
        printer.say(format!("account {}, {}, as {}\n\n{steps}{plan}", caller.account, config.region, caller.arn));
        if let Some(plan) = direct {
            printer.say(format!("directly, since StackSets does not reach the management account:\n{plan}"));
        }
    }

    fn rows(&self, outcome: impl Fn(&AccountId) -> Outcome) -> Vec<AccountRow> {
        let row = |target| AccountRow::of(target, outcome(&target.account));
        self.looked.targets.chosen.iter().map(row).collect()
    }

    /// The way into the accounts.
    fn entrance(&self) -> Entrance {
        let (session, caller) = (self.session.clone(), self.looked.caller.clone());
        Entrance { session, caller, access: self.fleet.access.clone() }
    }

    /// That so many accounts have failed, when that is more than the fleet tolerates. Each operation counts for itself.
    fn too_many(&self, failed: usize) -> Option<Stopped> {
        let is_tolerated = engine::tolerance(&self.fleet).allows(failed, self.size());
        (!is_tolerated).then_some(Stopped::TooManyFailed { wave: 1, failed })
    }

    /// How many accounts there are.
    fn size(&self) -> usize {
        self.looked.targets.chosen.len() + usize::from(self.looked.direct.is_some())
    }

    /// How an operation goes about it.
    fn preferences(&self) -> Preferences {
        let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        let tolerated = match engine::tolerance(&self.fleet) {
            Tolerance::Count(count) => Tolerated::Count(number(count)),
            Tolerance::Percent(percent) => Tolerated::Percent(number(percent)),
        };
        Preferences { tolerated, at_once: number(self.fleet.at_once) }
    }
}
