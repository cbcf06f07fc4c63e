//! Takes away what StackSets has brought into the accounts: first the stacks, so that no function enrols anybody anew, then
//! the schedules of the secrets, which stay with their keys, and last the set and the bucket.

use std::collections::BTreeMap;

use contract::{AccountId, tag_keys};

use super::follow::{self, Ended};
use super::{
    CentralOutcome, DESCRIPTION, OperationResult, Outcome, ResultStatus, Scene, Session, Stopped, Work, Worked, central,
};
use crate::apply::stack::{self, Doomed};
use crate::apply::teardown::others_of_bucket;
use crate::aws::stack_sets::{self, DetailedStatus, Instance, OperationStatus, Preferences, Targets, Tolerated};
use crate::aws::{CallError, Clients, bucket, secrets};
use crate::commands::fleet::counted;
use crate::commands::fleet::report::{AccountRow, told};
use crate::concurrent::{self, Pace};
use crate::error::{Error, Exit};
use crate::fleet::stack_sets::removals;
use crate::fleet::targets::{Target, Why};
use crate::names::{ARTIFACTS_STACK, CENTRAL_STACK, StackName, artifact_bucket};

impl Scene {
    /// Takes everything away, or only says where there is something.
    pub(super) async fn tear_down(&self, work: Work, dry_run: bool, force: bool) -> Result<Worked, Error> {
        let Session { printer, interrupts, .. } = &self.session;
        if !dry_run {
            follow::await_idle(self).await?;
        }
        let instances = interrupts.unless_pressed(self.instances()).await??;
        let direct = Box::pin(self.found_directly()).await?;
        let targets = self.with_strangers(&instances, direct.as_ref().map(|(target, _)| target));
        let own = direct.and_then(|(target, found)| Some((target, found?)));
        let before = central::begin(self.central.as_ref(), work).await?;
        if dry_run {
            let is_there = |account: &AccountId| own.as_ref().is_some_and(|(target, _)| target.account == *account);
            let outcome = |account| match instances.contains_key(account) || is_there(account) {
                true => Outcome::GivenUp { kept: Vec::new() },
                false => Outcome::Unchanged,
            };
            let rows = targets.iter().map(|target| AccountRow::of(target, outcome(&target.account))).collect();
            return Ok(Worked { rows, central: before, ..Worked::default() });
        }
        let (set, count) = (&self.name.name, counted(instances.len()));
        printer.say(format!("  delete  the stack set `{set}` and its stacks in {count}"));
        if let Some((target, _)) = &own {
            printer.say(format!("  delete  the stack `{set}` in {}, the management account", target.account));
        }
        printer.say("  keep    keys and secrets, whose rotation ends");
        if before == Some(CentralOutcome::There) {
            printer.say(format!("the stack `{CENTRAL_STACK}` goes behind the last account"));
        }
        let question = format!("Take everything away from {}?", counted(targets.len()));
        interrupts.unless_pressed(printer.confirm(&question)).await??;
        let (mut results, stopped) = Box::pin(self.remove(&instances, force)).await?;
        if let Some((target, found)) = own {
            let account = target.account.clone();
            let (status, reason) = match &stopped {
                Some(_) => (ResultStatus::Cancelled, None),
                None => match Box::pin(self.remove_directly(&found, force)).await {
                    Ok(()) => (ResultStatus::Succeeded, None),
                    Err(error) => (ResultStatus::Failed, Some(told(&error))),
                },
            };
            results.insert(account.clone(), OperationResult { account, status, reason });
        }
        if stopped.is_some() {
            let rows = targets.iter().map(|target| AccountRow::of(target, removed(results.get(&target.account))));
            return Ok(Worked { rows: rows.collect(), stopped, central: before, ..Worked::default() });
        }
        let rows = Box::pin(self.let_go(targets, &results)).await;
        let is_empty = self.instances().await?.is_empty();
        if is_empty {
            stack_sets::delete(&self.session.clients, &self.name).await?;
            Box::pin(self.take_bucket()).await?;
        }
        let central = central::end(self.central.as_ref(), work, before, &rows, !is_empty).await?;
        Ok(Worked { rows, central, ..Worked::default() })
    }

    /// The accounts of the fleet, and others in which there are stacks: the set can only go as a whole. What is suspended
    /// is told as left out, and cannot be entered.
    fn with_strangers(&self, instances: &BTreeMap<AccountId, Instance>, direct: Option<&Target>) -> Vec<Target> {
        let mut targets = self.looked.targets.chosen.clone();
        let unused = self.looked.targets.left_out.iter().filter(|left| matches!(left.why, Why::NotInUse { .. }));
        let unused = unused.map(|left| left.account.clone());
        let known: Vec<AccountId> = targets.iter().map(|target| target.account.clone()).chain(unused).collect();
        let strangers = instances.keys().filter(|account| !known.contains(account));
        targets.extend(strangers.map(|account| self.stranger(account.clone())));
        targets.extend(direct.cloned());
        targets
    }

    /// An account that the fleet does not want any more.
    pub(super) fn stranger(&self, account: AccountId) -> Target {
        Target { account, name: String::new(), is_new: false, wanted: self.fleet.defaults.clone() }
    }

    /// Deletes the instances and their stacks. What is in suspended accounts nobody can delete: that is only forgotten.
    async fn remove(
        &self,
        instances: &BTreeMap<AccountId, Instance>,
        force: bool,
    ) -> Result<(BTreeMap<AccountId, OperationResult>, Option<Stopped>), Error> {
        let (mut results, mut left, mut number) = (BTreeMap::new(), instances.clone(), 0);
        for retains in [false, true] {
            left.retain(|_, instance| {
                let is_out_of_reach = instance.detailed == Some(DetailedStatus::SkippedSuspendedAccount);
                !retains || force || is_out_of_reach
            });
            if left.is_empty() {
                continue;
            }
            if retains {
                let accounts: Vec<&str> = left.keys().map(AccountId::as_str).collect();
                let accounts = accounts.join(", ");
                self.session.printer.say(format!("the stack stays in {accounts}: StackSets cannot delete it there"));
            }
            let set = stack_sets::describe(&self.session.clients, &self.name).await?;
            for targets in removals(&self.fleet.stack_sets.permissions, set.as_ref(), &left, retains) {
                let id = format!("keyturn-{:016x}-{number}", self.session.seed);
                number += 1;
                self.begin_removal(&targets, &id, retains).await?;
                let title = if retains { "giving stacks up" } else { "deleting the stacks of the stack set" };
                let Ended { status, is_interrupted, results: of_removal } =
                    follow::follow(self, &id, title, |_| {}).await?;
                results.extend(of_removal);
                match status {
                    OperationStatus::Succeeded | OperationStatus::Failed => {}
                    OperationStatus::Stopped if !is_interrupted => return Ok((results, Some(Stopped::Elsewhere))),
                    OperationStatus::Stopped
                    | OperationStatus::Running
                    | OperationStatus::Queued
                    | OperationStatus::Stopping => return Ok((results, Some(Stopped::Interrupted))),
                }
            }
            left = self.instances().await?;
        }
        Ok((results, None))
    }

    async fn begin_removal(&self, targets: &Targets, id: &str, retains: bool) -> Result<(), Error> {
        let Self { session, name, fleet, .. } = self;
        // Every account is tried: one that fails says nothing of the others.
        let preferences = Preferences { tolerated: Tolerated::Percent(100), ..self.preferences() };
        let place = (targets, fleet.defaults.config.region.as_str());
        loop {
            match stack_sets::remove(&session.clients, name, id, place, preferences, retains).await {
                Err(error) if error.code() == Some("OperationInProgressException") => follow::await_idle(self).await?,
                asked => return Ok(asked?),
            }
        }
    }

    /// Ends the schedules of the secrets in every account from which the stack is gone.
    async fn let_go(&self, targets: Vec<Target>, results: &BTreeMap<AccountId, OperationResult>) -> Vec<AccountRow> {
        let entrance = self.entrance();
        let pace = Pace { at_once: self.fleet.at_once, apart: super::APART };
        let stack = &self.fleet.defaults.config.stack;
        let work = |target: Target| {
            let (outcome, session) = (removed(results.get(&target.account)), entrance.enter(&target).session);
            let (stack, is_removed) = (stack.clone(), !outcome.has_failed());
            async move {
                if !is_removed {
                    return AccountRow::of(&target, outcome);
                }
                let outcome = match end_schedules(&session.clients, &stack).await {
                    Ok((0, _)) if matches!(outcome, Outcome::Unchanged) => Outcome::Unchanged,
                    Ok((_, kept)) => Outcome::GivenUp { kept },
                    Err(error) => Outcome::Failed {
                        cause: format!("its stack is gone, but the schedules of its secrets go on without it: {error}"),
                        hint: Some("let the role in `access` be assumed, and run the same command again".to_owned()),
                        exit_code: Exit::SomeFailed as u8,
                    },
                };
                AccountRow::of(&target, outcome)
            }
        };
        let rows = concurrent::for_each(targets, pace, work).await;
        rows.iter().for_each(|row| row.tell(&self.session.printer));
        rows
    }

    /// Takes the bucket away, unless another deployment has its code there.
    async fn take_bucket(&self) -> Result<(), Error> {
        let (session, config) = (&self.session, &self.fleet.defaults.config);
        let clients = &session.clients;
        let Some(found) = super::look::artifacts(session, config).await? else { return Ok(()) };
        let mut users = others_of_bucket(clients, config).await?;
        if crate::aws::stacks::describe(clients, config.stack.as_str()).await?.is_some() {
            users.push(config.stack.to_string());
        }
        let sets = stack_sets::descriptions(clients, self.name.is_delegate).await?;
        users.extend(sets.into_iter().filter(|(_, description)| description == DESCRIPTION).map(|(name, _)| name));
        if !users.is_empty() {
            let users = users.join("`, `");
            session.printer.say(format!("the bucket of the functions' code stays: it is used by `{users}`"));
            return Ok(());
        }
        let name = artifact_bucket(&self.looked.caller.account, &config.region);
        let progress = session.printer.progress(&format!("emptying the bucket `{name}`"));
        session.interrupts.unless_pressed(bucket::empty(clients, &name)).await??;
        drop(progress);
        let doomed = Doomed { name: ARTIFACTS_STACK.to_owned(), id: found.stack.id, force: false };
        Box::pin(stack::delete_all(session, vec![doomed])).await?;
        Ok(())
    }
}

/// What came of the removal of an account's stack.
fn removed(result: Option<&OperationResult>) -> Outcome {
    let Some(result) = result else { return Outcome::Unchanged };
    match result.status {
        ResultStatus::Succeeded => Outcome::GivenUp { kept: Vec::new() },
        ResultStatus::Failed => Outcome::Failed {
            cause: result.reason.clone().unwrap_or_else(|| "StackSets gives no reason".to_owned()),
            hint: Some(
                "mend what it says and run the same command again, or give the stack up with `--force`".to_owned(),
            ),
            exit_code: Exit::StackFailed as u8,
        },
        ResultStatus::Cancelled | ResultStatus::Pending | ResultStatus::Running => Outcome::NotReached,
    }
}

/// Turns the rotation of all secrets of a deployment off that the function has made, and notes that nobody wanted that of a single one: a later
/// deployment goes on with them. Gives how many that were, and the names of all.
async fn end_schedules(clients: &Clients, stack: &StackName) -> Result<(usize, Vec<String>), CallError> {
    let (mut ended, mut kept) = (0, Vec::new());
    for listed in secrets::of_deployment(clients, stack).await?.into_iter().filter(|secret| !secret.deleted) {
        // Anybody may have written the tag. The function calls a secret after its user, and rotates it itself.
        if listed.user.as_ref().is_none_or(|user| user.secret_name() != listed.name) {
            kept.push(format!("{} (not made by the function, left alone)", listed.name));
            continue;
        }
        let secret = secrets::describe(clients, listed.arn.as_str()).await?;
        let is_ours =
            |function: &String| function.rsplit(':').next().is_some_and(|name| stack.cell_number(name).is_some());
        if secret.is_some_and(|secret| secret.rotator.as_ref().is_some_and(is_ours)) {
            let now = clients.clock.now().map(|now| now.to_string()).unwrap_or_default();
            let left = BTreeMap::from([(tag_keys::LEFT.to_owned(), now)]);
            secrets::tag(clients, listed.arn.as_str(), &left).await?;
            secrets::cancel_rotation(clients, &listed.arn).await?;
            ended += 1;
        }
        kept.push(listed.name);
    }
    Ok((ended, kept))
}
