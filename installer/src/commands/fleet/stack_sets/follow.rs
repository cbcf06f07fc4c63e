//! Follows an operation of a stack set to its end. Nothing of it is kept by us: whoever comes later follows it as well.

use std::collections::BTreeMap;

use contract::AccountId;

use super::Scene;
use crate::apply::pauses::Pauses;
use crate::aws::CallError;
use crate::aws::stack_sets::{self, OperationResult, OperationStatus};
use crate::error::Error;
use crate::ui::Interrupted;

/// Up to so many accounts their results are listed with every look, which takes a page of a hundred; with more, with every
/// sixth one.
const FEW: usize = 100;
const SELDOM: usize = 6;

/// How an operation has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: OperationStatus,
    /// Whether that was because of Ctrl-C.
    pub(super) is_interrupted: bool,
    /// What came of it in each account.
    pub(super) results: BTreeMap<AccountId, OperationResult>,
}

/// Waits until nobody works on the set: another run, somebody else, or StackSets itself after an account has moved.
///
/// # Errors
/// [`Error`], also when Ctrl-C is pressed, which leaves the operation alone: it may be somebody else's.
pub(super) async fn await_idle(scene: &Scene) -> Result<(), Error> {
    let (clients, interrupts) = (&scene.session.clients, &scene.session.interrupts);
    let mut pauses = Pauses::new(scene.session.seed);
    let mut told = None;
    loop {
        let active = interrupts.unless_pressed(stack_sets::active(clients, &scene.name)).await??;
        let Some(first) = active.first() else { return Ok(()) };
        if told.as_ref() != Some(&first.id) {
            let (name, action) = (&scene.name.name, &first.action);
            scene.session.printer.say(format!("waiting for an operation of the stack set `{name}`: {action}"));
            told = Some(first.id.clone());
        }
        interrupts.unless_pressed(tokio::time::sleep(pauses.after(false))).await?;
    }
}

/// Follows an operation of ours. Ctrl-C stops it, and waits for the accounts that are under way; pressed again it leaves.
///
/// # Errors
/// [`Error`]; the operation goes on then.
pub(super) async fn follow(
    scene: &Scene,
    id: &str,
    title: &str,
    tell: impl Fn(&OperationResult),
) -> Result<Ended, Error> {
    let (session, name) = (&scene.session, &scene.name);
    let progress = session.printer.progress(title);
    let (mut pauses, mut results, mut is_interrupted) = (Pauses::new(session.seed), BTreeMap::new(), false);
    for turn in 0_usize.. {
        let operation = stack_sets::operation(&session.clients, name, id).await?;
        let is_over = !operation.status.is_active();
        let mut is_news = false;
        if is_over || scene.looked.targets.chosen.len() <= FEW || turn % SELDOM == 0 {
            is_news = gather(scene, id, &mut results, &tell).await?;
        }
        if is_over {
            drop(progress);
            return Ok(Ended { status: operation.status, is_interrupted, results });
        }
        progress.now(&format!("{}: {} accounts are done", operation.status, results.len()));
        tokio::select! {
            () = tokio::time::sleep(pauses.after(is_news)) => {}
            () = session.interrupts.pressed(1), if !is_interrupted => {
                is_interrupted = true;
                stack_sets::stop(&session.clients, name, id).await?;
                progress.say(
                    "interrupted: no further account is begun, those under way come to their end; press Ctrl-C again to leave them to themselves",
                );
            }
            () = session.interrupts.pressed(2) => {
                let left = format!("the operation {id} of the stack set `{}` goes on by itself", name.name);
                return Err(Interrupted { left }.into());
            }
        }
    }
    Ok(Ended { status: OperationStatus::Running, is_interrupted, results })
}

/// Notes and tells what is new.
async fn gather(
    scene: &Scene,
    id: &str,
    results: &mut BTreeMap<AccountId, OperationResult>,
    tell: &impl Fn(&OperationResult),
) -> Result<bool, CallError> {
    let mut is_news = false;
    for result in stack_sets::results(&scene.session.clients, &scene.name, id).await? {
        if result.status.is_final() && !results.contains_key(&result.account) {
            is_news = true;
            tell(&result);
            results.insert(result.account.clone(), result);
        }
    }
    Ok(is_news)
}
