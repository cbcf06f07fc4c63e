//! Follows what CloudFormation does with a stack until it is over, and takes it back when Ctrl-C is pressed.

use serde::Serialize;

use super::history::{End, History, Operation};
use super::pauses::Pauses;
use super::stack::StackError;
use crate::aws::stacks::{self, Event, Rest};
use crate::aws::{CallError, Clients};
use crate::session::Session;
use crate::ui::{Interrupted, Progress};

/// After how many answers without news the stack itself is asked: its last event may have been missed.
const FRUITLESS: u32 = 5;

/// How many failed calls in a row end it. Each was tried for minutes already.
const FAILED_CALLS: u32 = 5;

/// An operation on a stack that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Followed<'a> {
    pub(super) name: &'a str,
    pub(super) id: &'a str,
    pub(super) operation: Operation,
    /// The last event before the operation.
    pub(super) after: Option<&'a str>,
}

/// What a machine is told of an event.
#[derive(Serialize)]
struct StackEvent<'a> {
    stack: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

/// Follows an operation to its end.
///
/// # Errors
/// [`StackError::Interrupted`] after Ctrl-C, [`StackError::Call`] when CloudFormation does not answer any more.
pub(super) async fn follow(session: &Session, progress: &Progress, it: Followed<'_>) -> Result<End, StackError> {
    let Session { clients, interrupts, .. } = session;
    let mut history = History::new(it.id, it.operation);
    let mut pauses = Pauses::new(session.seed);
    let mut last_seen = it.after.map(str::to_owned);
    // What cleans up after Ctrl-C is not taken back for it.
    let before = interrupts.count();
    let (mut fruitless, mut presses, mut patience) = (0, before, Patience::default());
    loop {
        let mut events = Vec::new();
        match stacks::events_after(clients, it.id, last_seen.as_deref()).await {
            Ok(found) => {
                events = found;
                patience = Patience::default();
            }
            Err(error) => patience.bear(progress, error)?,
        }
        for event in &events {
            session.printer.event("stack-event", StackEvent { stack: it.name, event });
            history.take(event).into_iter().for_each(|line| progress.say(&line));
        }
        progress.now(&history.under_way());
        let is_news = !events.is_empty();
        if let Some(newest) = events.last() {
            last_seen = Some(newest.id.clone());
            fruitless = 0;
        } else {
            fruitless += 1;
        }
        let mut end = history.end();
        if end.is_none() && fruitless >= FRUITLESS {
            fruitless = 0;
            match ended_unseen(clients, it.id, &history).await {
                Ok(seen) => end = seen,
                Err(error) => patience.bear(progress, error)?,
            }
        }
        if let Some(end) = end {
            return if presses == before { Ok(end) } else { Err(left_behind(&it, &end).into()) };
        }
        // This clock is behind by less than a second. To come too early costs a call, and then a pause all the same.
        let now = clients.clock.now();
        let pause = pauses.until(is_news, now.into_iter().flat_map(|now| history.due_in(now)));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = interrupts.pressed(presses + 1) => {
                presses += 1;
                if presses > 1 {
                    let left = format!("CloudFormation goes on with the stack `{}` without us", it.name);
                    return Err(Interrupted { left }.into());
                }
                take_back(clients, progress, &it).await?;
            }
        }
    }
}

/// Asks the stack itself whether its operation is over.
async fn ended_unseen(clients: &Clients, id: &str, history: &History) -> Result<Option<End>, CallError> {
    let stack = stacks::describe(clients, id).await?;
    Ok(stack.and_then(|stack| match stack.status.rest() {
        Rest::Busy | Rest::Review => None,
        Rest::Usable | Rest::Shell | Rest::HalfMade | Rest::Stuck | Rest::Gone => Some(history.ended(stack.status)),
    }))
}

/// Stops an operation in the way that leaves the stack as it was before, where there is one.
async fn take_back(clients: &Clients, progress: &Progress, it: &Followed<'_>) -> Result<(), CallError> {
    match it.operation {
        Operation::Create | Operation::CreateAndKeep => {
            progress.say("interrupted: deleting what was created; press Ctrl-C again to leave at once");
            stacks::delete(clients, it.id, false).await
        }
        Operation::Update => {
            progress.say("interrupted: taking the update back; press Ctrl-C again to leave at once");
            match stacks::cancel_update(clients, it.name).await {
                // It came too late: the update is over, or is being taken back already.
                Err(error) if error.code() == Some("ValidationError") => Ok(()),
                other => other,
            }
        }
        Operation::Import | Operation::Rollback | Operation::Delete => {
            let what = match it.operation {
                Operation::Import => "import",
                Operation::Delete => "deletion",
                Operation::Create | Operation::CreateAndKeep | Operation::Update | Operation::Rollback => "rollback",
            };
            progress.say(&format!("interrupted: a {what} cannot be taken back; press Ctrl-C again to leave at once"));
            Ok(())
        }
    }
}

fn left_behind(it: &Followed<'_>, end: &End) -> Interrupted {
    Interrupted { left: format!("the stack `{}` is {}", it.name, end.status) }
}

/// The calls that have failed in a row.
#[derive(Debug, Default)]
struct Patience {
    failed: u32,
}

impl Patience {
    /// Puts up with a failed call, and says so.
    ///
    /// # Errors
    /// The error when it says something about the stack, or was one too many.
    fn bear(&mut self, progress: &Progress, error: CallError) -> Result<(), CallError> {
        self.failed += 1;
        if !may_pass(&error) || self.failed >= FAILED_CALLS {
            return Err(error);
        }
        progress.say(&format!("  still waiting: {error}"));
        Ok(())
    }
}

/// Whether a failed call says nothing about the stack.
fn may_pass(error: &CallError) -> bool {
    match error {
        CallError::NoAnswer { .. } => true,
        CallError::Refused { code, .. } => code.starts_with("Throttling") || code == "RequestLimitExceeded",
        CallError::NoCredentials { .. } | CallError::BadCredentials { .. } | CallError::Denied { .. } => false,
    }
}
