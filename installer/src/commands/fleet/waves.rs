//! Works on the accounts of a fleet, wave after wave. What is decided here is whether another account is begun.

use std::collections::VecDeque;

use contract::blocked;
use tokio::task::JoinSet;

use super::account::{Visit, Visited, Work};
use super::report::{AccountRow, Outcome, Stopped};
use super::{Entered, Run};
use crate::apply::rotations::WAITS;
use crate::aws::{identity, secrets};
use crate::error::Error;
use crate::fleet::journal::{Done, Journal, JournalError};
use crate::fleet::targets::Target;
use crate::fleet::waves::Wave;
use crate::ui::span;

/// The accounts of a wave, and the wave itself.
#[derive(Debug)]
pub(super) struct Group {
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) wave: Wave,
    /// How many accounts the wave has, those included that were done before: that is what a share of it means.
    pub(super) size: usize,
    pub(super) targets: Vec<Target>,
}

/// What came of an account, from the task that has worked on it.
struct Finished {
    target: Target,
    began: Option<jiff::Timestamp>,
    ended: Option<jiff::Timestamp>,
    result: Result<Visited, Error>,
}

/// Works on all groups. Gives the accounts, and why it stopped before the end.
///
/// # Errors
/// [`JournalError`]: nothing is done that cannot be noted. Accounts under way are finished first.
pub(super) async fn work(
    run: &Run,
    groups: Vec<Group>,
    journal: &mut Option<Journal>,
) -> Result<(Vec<AccountRow>, Option<Stopped>), JournalError> {
    let (mut rows, mut stopped) = (Vec::new(), None);
    for group in groups {
        if stopped.is_some() {
            rows.extend(group.targets.into_iter().map(|target| not_reached(target, group.number)));
            continue;
        }
        let wave = group.wave.clone();
        let (number, size) = (group.number, group.size);
        let (mut done, halted) = one(run, group, journal).await?;
        stopped = halted;
        if stopped.is_none() && !wave.soak.is_zero() && run.work == Work::Deploy {
            stopped = soak(run, &wave, &mut done).await;
        }
        let failed = done.iter().filter(|row| row.outcome.has_failed()).count();
        if stopped.is_none() && !wave.tolerate.allows(failed, size) {
            stopped = Some(Stopped::TooManyFailed { wave: number, failed });
        }
        if stopped.is_none() && run.last_wave == Some(number) {
            stopped = Some(Stopped::AsTold { wave: number });
        }
        rows.extend(done);
    }
    Ok((rows, stopped))
}

/// Works on one group.
async fn one(
    run: &Run,
    group: Group,
    journal: &mut Option<Journal>,
) -> Result<(Vec<AccountRow>, Option<Stopped>), JournalError> {
    let Group { number, wave, size, targets } = group;
    let mut queue = VecDeque::from(targets);
    let (mut rows, mut under_way, mut stopped, mut failed) = (Vec::new(), JoinSet::new(), None, 0);
    let (mut unwritable, interrupts) = (None, &run.entrance.session.interrupts);
    loop {
        while stopped.is_none() && unwritable.is_none() && under_way.len() < run.at_once {
            let Some(target) = queue.pop_front() else { break };
            match begin(run, target, journal) {
                Ok(visiting) => drop(under_way.spawn(visiting)),
                Err(error) => unwritable = Some(error),
            }
        }
        let finished = tokio::select! {
            finished = under_way.join_next() => finished,
            () = interrupts.pressed(1), if stopped.is_none() => {
                stopped = Some(Stopped::Interrupted);
                run.entrance.session.printer.say(format!(
                    "interrupted: no further account is begun, {} come to their end; press Ctrl-C again to take them back",
                    under_way.len()
                ));
                continue;
            }
        };
        let Some(finished) = finished else { break };
        // Nobody cancels these tasks, so one that did not finish has panicked: that is passed on.
        let finished = finished.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        let noted = note(journal, &finished);
        unwritable = unwritable.or(noted.err());
        let row = row(finished, number);
        failed += usize::from(row.outcome.has_failed());
        run.tell(&row);
        rows.push(row);
        if stopped.is_none() && !wave.tolerate.allows(failed, size) {
            stopped = Some(Stopped::TooManyFailed { wave: number, failed });
        }
    }
    match unwritable {
        Some(error) => Err(error),
        None => {
            rows.extend(queue.into_iter().map(|target| not_reached(target, number)));
            Ok((rows, stopped))
        }
    }
}

/// Notes that an account is begun, and gives the work on it.
fn begin(
    run: &Run,
    target: Target,
    journal: &mut Option<Journal>,
) -> Result<impl Future<Output = Finished> + Send + 'static, JournalError> {
    let known: Option<Done> = run.past.done.get(&target.account).cloned();
    if let Some(journal) = journal.as_mut() {
        journal.begun(&target.account)?;
    }
    let (functions, work, options, ready_within) = (run.functions.clone(), run.work, run.options, run.ready_within);
    let Entered { session, main_clock } = run.entrance.enter(&target);
    Ok(async move {
        let began = main_clock.now();
        let (known, functions) = (known.as_ref(), &*functions);
        let visit = Visit { session: &session, target: &target, functions, known, work, options };
        let result = Box::pin(visit.run(ready_within)).await;
        // Until the account itself has answered, the caller's own account shows the time.
        let ended = session.clients.clock.now().or_else(|| main_clock.now());
        Finished { target, began, ended, result }
    })
}

/// Notes what came of an account.
fn note(journal: &mut Option<Journal>, finished: &Finished) -> Result<(), JournalError> {
    let (Some(journal), account) = (journal.as_mut(), &finished.target.account) else { return Ok(()) };
    match &finished.result {
        Ok(Visited { done: Some(done), .. }) => journal.done(account, done),
        Ok(Visited { outcome: Outcome::TornDown { result }, .. }) if result.is_clean() => journal.gone(account),
        Ok(_) | Err(_) => journal.failed(account),
    }
}

fn row(finished: Finished, wave: usize) -> AccountRow {
    let Finished { target, began, ended, result } = finished;
    let (outcome, exempted) = match result {
        Ok(Visited { outcome, exempted, .. }) => (outcome, exempted),
        Err(error) => (Outcome::failed(&error), Vec::new()),
    };
    AccountRow { account: target.account, name: target.name, wave: Some(wave), began, ended, outcome, exempted }
}

fn not_reached(target: Target, wave: usize) -> AccountRow {
    let Target { account, name, .. } = target;
    let (wave, outcome, exempted) = (Some(wave), Outcome::NotReached, Vec::new());
    AccountRow { account, name, wave, began: None, ended: None, outcome, exempted }
}

/// The reasons to stand still that are no fault beside [`WAITS`]: a person wants it, or a rotation is under way.
const NO_FAULT: [&str; 3] = ["held", "in_flight", "rotation_under_way"];

/// Waits behind a wave, and looks at its users once more.
async fn soak(run: &Run, wave: &Wave, rows: &mut [AccountRow]) -> Option<Stopped> {
    let interrupts = &run.entrance.session.interrupts;
    run.entrance.session.printer.say(format!("waiting {} before the users are looked at again", span(wave.soak)));
    if interrupts.unless_pressed(run.pass(wave.soak)).await.is_err() {
        return Some(Stopped::Interrupted);
    }
    // The clock of the caller's account stood still meanwhile, and the next accounts begin by it.
    let asking = identity::caller(&run.entrance.session.clients);
    if interrupts.unless_pressed(asking).await.is_err() {
        return Some(Stopped::Interrupted);
    }
    let sound = rows.iter_mut().filter(|row| !row.outcome.has_failed() && row.began.is_some());
    for row in sound {
        let Some(target) = run.target(&row.account) else { continue };
        let looking = unsound(run, target);
        match interrupts.unless_pressed(looking).await {
            Ok(None) => {}
            Ok(Some(cause)) => {
                row.outcome = Outcome::Unsound { cause };
                run.tell(row);
            }
            Err(_) => return Some(Stopped::Interrupted),
        }
    }
    None
}

/// What is wrong with the users of an account; `None` when nothing is.
async fn unsound(run: &Run, target: &Target) -> Option<String> {
    let session = run.entrance.enter(target).session;
    let listed = match secrets::of_deployment(&session.clients, &target.wanted.config.stack).await {
        Ok(listed) => listed,
        Err(error) => return Some(error.to_string()),
    };
    let stands = listed.into_iter().filter(|secret| !secret.deleted).filter_map(|secret| {
        let reason = secret.blocked.filter(|reason| !WAITS.iter().chain(&NO_FAULT).any(|known| known == reason))?;
        let meaning = blocked::meaning(&reason).unwrap_or("the function's log says why");
        Some(format!("`{}` is blocked ({reason}): {meaning}", secret.name))
    });
    let stands: Vec<String> = stands.collect();
    (!stands.is_empty()).then(|| stands.join("; "))
}
