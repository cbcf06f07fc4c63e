//! Brings a stack to its template by a change set, or deletes it, and follows CloudFormation to the end.

use std::time::Duration;

use jiff::SignedDuration;

use super::follow::{Followed, follow};
use super::history::{Cause, End, Operation};
use super::pauses::Pauses;
use super::review;
use crate::aws::change_sets::{self, Change, Order, Source};
use crate::aws::stacks::{self, Rest, Status};
use crate::aws::{CallError, bucket};
use crate::plan::{Action, Deployment};
use crate::session::Session;
use crate::ui::{Interrupted, Progress, Unconfirmed};

/// How long CloudFormation may take for a change set. For the largest template it takes half a minute.
const CHANGE_SET_WITHIN: Duration = Duration::from_secs(300);

/// How long it takes as a rule, as measured on AWS. Nothing but the moment of the next look depends on it.
const CHANGE_SET_TAKES: SignedDuration = SignedDuration::from_secs(6);

/// Why a stack is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Ctrl-C.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// CloudFormation would do more than the plan said, and nobody agreed to it.
    #[error(transparent)]
    Unconfirmed(#[from] Unconfirmed),
    /// CloudFormation does not accept the template, or takes too long over it.
    #[error("CloudFormation made no change set for the stack `{stack}`: {reason}")]
    ChangeSet {
        /// The stack.
        stack: String,
        /// Why.
        reason: String,
    },
    /// CloudFormation began, and it went wrong.
    #[error("the stack `{stack}` was not {done}: {}{}", caused(cause.as_deref()), left(*status, kept))]
    Failed {
        /// The stack.
        stack: String,
        /// What was to be done.
        done: &'static str,
        /// Its status now.
        status: Status,
        /// The first thing that failed.
        cause: Option<Box<Cause>>,
        /// The resources that were given up and still exist.
        kept: Vec<String>,
    },
}

impl StackError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Call(error) => error.hint(),
            Self::Interrupted(_) => Some("run the same command again; it goes on from what is there".to_owned()),
            Self::Unconfirmed(_) => Some("look at what CloudFormation says, then pass `--yes`".to_owned()),
            Self::ChangeSet { .. } => {
                Some("nothing was changed; mend the cause and run the same command again".to_owned())
            }
            Self::Failed { stack, status: Status::UpdateRollbackFailed, .. } => {
                Some(format!("mend the cause, then `aws cloudformation continue-update-rollback --stack-name {stack}`"))
            }
            Self::Failed { .. } => Some("mend the cause and run the same command again".to_owned()),
        }
    }
}

/// Brings a stack to its template.
///
/// # Errors
/// [`StackError`]. Unless it is [`StackError::Failed`], the stack is as it was before.
pub async fn deploy(session: &Session, deployment: &Deployment, code_bucket: &str) -> Result<(), StackError> {
    let Deployment { stack, action, .. } = deployment;
    let clients = &session.clients;
    let progress = session.printer.progress(&format!("deploying the stack `{stack}`"));
    if let Action::CreateAnew { id, .. } = action {
        delete(session, &progress, stack, id).await?;
    }
    let template = match &deployment.template_key {
        None => Source::Body(&deployment.template),
        Some(key) => {
            let upload = bucket::put(clients, code_bucket, key, deployment.template.clone().into_bytes());
            session.interrupts.unless_pressed(upload).await??;
            Source::Url(bucket::url(clients, code_bucket, key))
        }
    };
    let name = format!("keyturn-{:016x}", session.seed);
    let order = Order {
        stack,
        name: &name,
        creates: *action != Action::Update,
        imports: deployment.imports(),
        makes_roles: deployment.makes_roles,
        template,
        tags: &deployment.tags,
    };
    change_sets::create(clients, &order).await?;
    let decided = session.interrupts.unless_pressed(agree(session, &progress, deployment, &name)).await;
    match decided.map_err(StackError::from).and_then(|decided| decided) {
        Ok(true) => execute(session, &progress, deployment, &name).await,
        Ok(false) => Ok(discard(session, &progress, deployment, &name).await?),
        Err(error) => {
            if let Err(also) = discard(session, &progress, deployment, &name).await {
                progress.say(&format!("could not clean up: {also}"));
            }
            Err(error)
        }
    }
}

/// Waits for the change set, and compares it with the plan; `false` when there is nothing to execute.
async fn agree(
    session: &Session,
    progress: &Progress,
    deployment: &Deployment,
    name: &str,
) -> Result<bool, StackError> {
    progress.now("CloudFormation works out what to change");
    let Some(changes) = await_change_set(session, &deployment.stack, name).await? else { return Ok(false) };
    let surprises = review::surprises(&deployment.changes, &changes);
    for surprise in surprises.serious.iter().chain(&surprises.minor) {
        progress.say(&format!("  CloudFormation: {surprise}"));
    }
    if !surprises.serious.is_empty() {
        let question = "That is more than the plan said. Go on?";
        progress.suspend(session.printer.confirm(question)).await?;
    }
    Ok(true)
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

async fn execute(
    session: &Session,
    progress: &Progress,
    deployment: &Deployment,
    name: &str,
) -> Result<(), StackError> {
    let (clients, stack) = (&session.clients, deployment.stack.as_str());
    let Some(found) = stacks::describe(clients, stack).await? else {
        let reason = "the stack is gone".to_owned();
        return Err(StackError::ChangeSet { stack: stack.to_owned(), reason });
    };
    let after = stacks::newest_event(clients, &found.id).await?;
    change_sets::execute(clients, stack, name).await?;
    let operation = if deployment.action == Action::Update { Operation::Update } else { Operation::Create };
    let followed = Followed { name: stack, id: &found.id, operation, after: after.as_deref() };
    finished(stack, operation, follow(session, progress, followed).await?)
}

/// Leaves nothing behind of a change set that is not executed, nor of the stack that was made for it.
async fn discard(
    session: &Session,
    progress: &Progress,
    deployment: &Deployment,
    name: &str,
) -> Result<(), StackError> {
    let (clients, stack) = (&session.clients, deployment.stack.as_str());
    change_sets::delete(clients, stack, name).await?;
    if deployment.action == Action::Update {
        return Ok(());
    }
    match stacks::describe(clients, stack).await? {
        // Only a stack that was never deployed: somebody else may have been faster.
        Some(found) if found.status.rest() == Rest::Review => delete(session, progress, stack, &found.id).await,
        _ => Ok(()),
    }
}

/// Deletes a stack.
///
/// # Errors
/// [`StackError`].
pub async fn delete(session: &Session, progress: &Progress, name: &str, id: &str) -> Result<(), StackError> {
    let after = stacks::newest_event(&session.clients, id).await?;
    stacks::delete(&session.clients, id).await?;
    let followed = Followed { name, id, operation: Operation::Delete, after: after.as_deref() };
    finished(name, Operation::Delete, follow(session, progress, followed).await?)
}

/// Waits while somebody else works on a stack.
///
/// # Errors
/// [`StackError`].
pub async fn await_idle(session: &Session, name: &str) -> Result<(), StackError> {
    let mut progress = None;
    let mut pauses = Pauses::new(session.seed);
    loop {
        let found = stacks::describe(&session.clients, name).await?;
        let Some(busy) = found.filter(|stack| stack.status.rest() == Rest::Busy) else { return Ok(()) };
        let progress = progress.get_or_insert_with(|| {
            session.printer.progress(&format!("waiting for the stack `{name}`, which is busy: {}", busy.status))
        });
        progress.now(busy.status.as_str());
        session.interrupts.unless_pressed(tokio::time::sleep(pauses.after(false))).await?;
    }
}

/// Whether an operation ended as it should.
fn finished(stack: &str, operation: Operation, end: End) -> Result<(), StackError> {
    if operation.has_succeeded(end.status) {
        return Ok(());
    }
    let done = match operation {
        Operation::Create => "created",
        Operation::Update => "updated",
        Operation::Delete => "deleted",
    };
    let End { status, cause, kept } = end;
    Err(StackError::Failed { stack: stack.to_owned(), done, status, cause: cause.map(Box::new), kept })
}

fn caused(cause: Option<&Cause>) -> String {
    cause.map_or_else(
        || "CloudFormation gave no reason".to_owned(),
        |Cause { resource, reason }| format!("{resource}: {reason}"),
    )
}

fn left(status: Status, kept: &[String]) -> String {
    match status {
        Status::DeleteComplete if kept.is_empty() => "; nothing is left of it".to_owned(),
        Status::DeleteComplete => format!("; nothing is left of it but {}", kept.join(", ")),
        Status::RollbackComplete => "; it is an empty shell now".to_owned(),
        Status::UpdateRollbackComplete => "; it is as it was before".to_owned(),
        other => format!("; it is {other} now"),
    }
}

#[cfg(test)]
mod tests;
