//! One change set: asked for, waited for, executed and followed, or discarded with whatever was made for it.

use std::time::Duration;

use jiff::SignedDuration;

use super::super::follow::{Followed, follow};
use super::super::history::Operation;
use super::super::pauses::Pauses;
use super::{StackError, delete, finished};
use crate::aws::bucket;
use crate::aws::change_sets::{self, Change, Order, Source};
use crate::aws::stacks::{self, Rest};
use crate::plan::Deployment;
use crate::session::Session;
use crate::ui::Progress;

/// How long CloudFormation may take for a change set. For the largest template it takes half a minute.
const CHANGE_SET_WITHIN: Duration = Duration::from_secs(300);

/// How long it takes as a rule, as measured on AWS. Nothing but the moment of the next look depends on it.
const CHANGE_SET_TAKES: SignedDuration = SignedDuration::from_secs(6);

/// A change set that was made.
pub(super) struct Made {
    pub(super) stack_id: String,
    /// None when there is nothing to execute.
    pub(super) changes: Option<Vec<Change>>,
}

/// Where CloudFormation finds a template: in the request, or in the bucket, where it is put.
pub(crate) async fn source<'a>(
    session: &Session,
    (text, key): (&'a str, Option<&str>),
    code_bucket: &str,
) -> Result<Source<'a>, StackError> {
    let Some(key) = key else { return Ok(Source::Body(text)) };
    let upload = bucket::put(&session.clients, code_bucket, key, text.as_bytes().to_vec());
    session.interrupts.unless_pressed(upload).await??;
    Ok(Source::Url(bucket::url(&session.clients, code_bucket, key)))
}

/// Asks for a change set, and waits for it. What fails leaves nothing behind.
pub(super) async fn make(
    session: &Session,
    progress: &Progress,
    order: &Order<'_>,
    change_set: ChangeSet<'_>,
    text: &str,
) -> Result<Made, StackError> {
    let made = match change_sets::create(&session.clients, order).await {
        Ok(stack_id) => {
            progress.now("CloudFormation works out what to change");
            let waiting = session.interrupts.unless_pressed(await_change_set(session, order.stack, order.name)).await;
            match waiting.map_err(StackError::from).flatten() {
                Ok(changes) => confirm(session, order, text).await.map(|()| Made { stack_id, changes }),
                Err(error) => Err(error),
            }
        }
        // Whoever may not ask has made nothing; anything else may have been heard all the same.
        Err(error) if error.is_about_credentials() => return Err(error.into()),
        Err(error) => Err(error.into()),
    };
    if made.is_err() {
        clean_up(session, progress, change_set).await;
    }
    made
}

/// Checks that CloudFormation has read what was put into the bucket: others may write there too.
async fn confirm(session: &Session, order: &Order<'_>, text: &str) -> Result<(), StackError> {
    if matches!(order.template, Source::Body(_)) {
        return Ok(());
    }
    let read = change_sets::template(&session.clients, order.stack, order.name).await?;
    if read.as_deref() == Some(text) {
        return Ok(());
    }
    let reason = "it has read another template than the one that was put into the bucket".to_owned();
    Err(StackError::ChangeSet { stack: order.stack.to_owned(), reason })
}

/// Leaves nothing behind, on the way to an error that matters more.
pub(super) async fn clean_up(session: &Session, progress: &Progress, change_set: ChangeSet<'_>) {
    if let Err(also) = discard(session, progress, change_set).await {
        progress.say(&format!("could not clean up: {also}"));
    }
}

/// A change set that was made, or asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChangeSet<'a> {
    pub(super) stack: &'a str,
    pub(super) name: &'a str,
    /// What executing it does.
    pub(super) operation: Operation,
    /// Whether the stack was made for it.
    pub(super) is_new: bool,
}

impl<'a> ChangeSet<'a> {
    /// The one that brings a stack to its template.
    pub(super) fn of(deployment: &'a Deployment, name: &'a str) -> Self {
        let operation = match (deployment.updates(), deployment.keeps_failure()) {
            (true, _) => Operation::Update,
            (false, false) => Operation::Create,
            (false, true) => Operation::CreateAndKeep,
        };
        Self { stack: &deployment.stack, name, operation, is_new: !deployment.updates() }
    }
}

/// The name of this run's change sets.
pub(super) fn change_set(session: &Session) -> String {
    format!("keyturn-{:016x}", session.seed)
}

async fn await_change_set(session: &Session, stack: &str, name: &str) -> Result<Option<Vec<Change>>, StackError> {
    let failed = |reason: String| StackError::ChangeSet { stack: stack.to_owned(), reason };
    let wait = async {
        let (mut pauses, began) = (Pauses::new(session.seed), tokio::time::Instant::now());
        loop {
            match change_sets::describe(&session.clients, stack, name).await? {
                change_sets::Progress::Making => {
                    let due_in =
                        CHANGE_SET_TAKES.saturating_sub(SignedDuration::try_from(began.elapsed()).unwrap_or_default());
                    tokio::time::sleep(pauses.until(false, [due_in])).await;
                }
                change_sets::Progress::Ready(changes) => return Ok(Some(changes)),
                change_sets::Progress::Empty => return Ok(None),
                change_sets::Progress::Failed(reason) => return Err(failed(reason)),
            }
        }
    };
    let waited = tokio::time::timeout(CHANGE_SET_WITHIN, wait).await;
    waited.unwrap_or_else(|_| Err(failed("it took too long".to_owned())))
}

/// Executes a change set of the stack with this id, unless Ctrl-C was pressed before, and follows it.
pub(super) async fn execute(
    session: &Session,
    progress: &Progress,
    change_set: ChangeSet<'_>,
    id: &str,
) -> Result<(), StackError> {
    let ChangeSet { stack, name, operation, is_new } = change_set;
    let clients = &session.clients;
    let begin = async {
        session.interrupts.check()?;
        // A stack that has just been made has no events but those of its creation.
        let after = if is_new { None } else { stacks::newest_event(clients, id).await? };
        // By its id: a stack that somebody has made anew under this name is another one.
        if change_sets::execute(clients, id, name).await? {
            return Ok(after);
        }
        let reason = "somebody has deleted it, or the stack".to_owned();
        Err(StackError::ChangeSet { stack: stack.to_owned(), reason })
    };
    match begin.await {
        Ok(after) => {
            let followed = Followed { name: stack, id, operation, after: after.as_deref() };
            finished(stack, operation, follow(session, progress, followed).await?).map(drop)
        }
        Err(error) => {
            // Nothing of one that is being executed after all is discarded.
            clean_up(session, progress, change_set).await;
            Err(error)
        }
    }
}

/// Leaves nothing behind of a change set that is not executed, nor of the stack that was made for it.
pub(super) async fn discard(
    session: &Session,
    progress: &Progress,
    change_set: ChangeSet<'_>,
) -> Result<(), StackError> {
    let (clients, ChangeSet { stack, name, is_new, .. }) = (&session.clients, change_set);
    change_sets::delete(clients, stack, name).await?;
    if !is_new {
        return Ok(());
    }
    match stacks::describe(clients, stack).await? {
        // Only a stack that was never deployed: somebody else may have been faster.
        Some(found) if found.status.rest() == Rest::Review => {
            delete(session, progress, stack, &found.id, false).await.map(drop)
        }
        _ => Ok(()),
    }
}
