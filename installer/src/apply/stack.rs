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
use crate::concurrent::{self, Pace};
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
            Self::Failed { status: Status::UpdateRollbackFailed, .. } => {
                Some("mend the cause, then `keyturn bootstrap` goes on with the rollback".to_owned())
            }
            Self::Failed { status: Status::DeleteFailed, .. } => {
                Some("mend the cause and run the same command again; `keyturn teardown --force` gives up what cannot be deleted".to_owned())
            }
            Self::Failed { status: Status::CreateFailed | Status::UpdateFailed, stack, .. } => Some(format!(
                "mend the cause, then `keyturn bootstrap` goes on from there; or have it taken back: `aws cloudformation rollback-stack --stack-name {stack}`"
            )),
            Self::Failed { .. } => Some("mend the cause and run the same command again".to_owned()),
        }
    }
}

/// How many stacks are worked on at the same time. Each asks CloudFormation once in a few seconds.
const STACKS: Pace = Pace { at_once: 8, apart: Duration::from_millis(250) };

/// Brings stacks to their templates, all at the same time. Nothing is executed before there is a change set for each, and
/// somebody has agreed to what it says.
///
/// # Errors
/// [`StackError`], the first of several. Unless it is [`StackError::Failed`] or [`StackError::Interrupted`], the stack that
/// it is about is as it was before.
pub async fn deploy(session: &Session, deployments: &[&Deployment], code_bucket: &str) -> Result<(), StackError> {
    let names: Vec<String> = deployments.iter().map(|deployment| format!("`{}`", deployment.stack)).collect();
    let stacks = if names.len() == 1 { "stack" } else { "stacks" };
    let progress = session.printer.progress(&format!("deploying the {stacks} {}", names.join(", ")));
    let begun = |deployment: &&Deployment| {
        let line = if names.len() == 1 { progress.clone() } else { progress.beside(&deployment.stack) };
        (session.clone(), line, Deployment::clone(deployment))
    };
    let begun: Vec<_> = deployments.iter().map(begun).collect();
    let bucket = code_bucket.to_owned();
    let prepared = concurrent::for_each(begun.clone(), STACKS, |(session, progress, deployment)| {
        let bucket = bucket.clone();
        async move { prepare(&session, &progress, &deployment, &bucket).await }
    });
    let prepared = prepared.await;
    let made: Vec<bool> = prepared.iter().map(Result::is_ok).collect();
    let decided = match prepared.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(changes) => agree(session, &begun, &changes).await.map(|()| changes),
        Err(error) => Err(error),
    };
    match decided {
        Ok(changes) => {
            let work: Vec<_> = begun.into_iter().zip(changes).collect();
            let ended = concurrent::for_each(work, STACKS, |((session, progress, deployment), changes)| async move {
                match changes {
                    Some(_) => execute(&session, &progress, &deployment).await,
                    None => Ok(discard(&session, &progress, &deployment).await?),
                }
            });
            first_error(&progress, ended.await)
        }
        Err(error) => {
            for ((session, progress, deployment), _) in begun.iter().zip(made).filter(|(_, is_made)| *is_made) {
                clean_up(session, progress, deployment).await;
            }
            Err(error)
        }
    }
}

/// The first error, after the others have been told.
fn first_error(progress: &Progress, ended: Vec<Result<(), StackError>>) -> Result<(), StackError> {
    let mut errors = ended.into_iter().filter_map(Result::err);
    let Some(first) = errors.next() else { return Ok(()) };
    errors.for_each(|error| progress.say(&format!("{error}")));
    Err(first)
}

/// Makes the change set, and waits for it; `None` when there is nothing to execute. What fails leaves nothing behind.
async fn prepare(
    session: &Session,
    progress: &Progress,
    deployment: &Deployment,
    code_bucket: &str,
) -> Result<Option<Vec<Change>>, StackError> {
    let Deployment { stack, action, .. } = deployment;
    let clients = &session.clients;
    if let Action::CreateAnew { id, .. } = action {
        delete(session, progress, stack, id, false).await?;
    }
    let template = match &deployment.template_key {
        None => Source::Body(&deployment.template),
        Some(key) => {
            let upload = bucket::put(clients, code_bucket, key, deployment.template.clone().into_bytes());
            session.interrupts.unless_pressed(upload).await??;
            Source::Url(bucket::url(clients, code_bucket, key))
        }
    };
    let order = Order {
        stack,
        name: &change_set(session),
        creates: action.creates(),
        express: deployment.express,
        keeps_failure: deployment.keeps_failure(),
        imports: deployment.imports(),
        reverts_drift: deployment.reverts_drift(),
        makes_roles: deployment.makes_roles,
        template,
        tags: &deployment.tags,
    };
    change_sets::create(clients, &order).await?;
    progress.now("CloudFormation works out what to change");
    let waited = session.interrupts.unless_pressed(await_change_set(session, stack)).await;
    let changes = waited.map_err(StackError::from).and_then(|changes| changes);
    if changes.is_err() {
        clean_up(session, progress, deployment).await;
    }
    changes
}

/// Leaves nothing behind, on the way to an error that matters more.
async fn clean_up(session: &Session, progress: &Progress, deployment: &Deployment) {
    if let Err(also) = discard(session, progress, deployment).await {
        progress.say(&format!("could not clean up: {also}"));
    }
}

/// The name of this run's change sets.
fn change_set(session: &Session) -> String {
    format!("keyturn-{:016x}", session.seed)
}

/// Compares the change sets with the plan, and asks when they do more.
async fn agree(
    session: &Session,
    begun: &[(Session, Progress, Deployment)],
    changes: &[Option<Vec<Change>>],
) -> Result<(), StackError> {
    for ((_, progress, deployment), changes) in begun.iter().zip(changes) {
        let surprises = review::surprises(&deployment.changes, changes.as_deref().unwrap_or_default());
        for surprise in surprises.serious.iter().chain(&surprises.minor) {
            progress.say(&format!("  CloudFormation: {surprise}"));
        }
        if !surprises.serious.is_empty() {
            let question = "That is more than the plan said. Go on?";
            let asked = progress.suspend(session.printer.confirm(question));
            session.interrupts.unless_pressed(asked).await??;
        }
    }
    Ok(())
}

async fn await_change_set(session: &Session, stack: &str) -> Result<Option<Vec<Change>>, StackError> {
    let failed = |reason: String| StackError::ChangeSet { stack: stack.to_owned(), reason };
    let wait = async {
        let (mut pauses, began) = (Pauses::new(session.seed), tokio::time::Instant::now());
        loop {
            match change_sets::describe(&session.clients, stack, &change_set(session)).await? {
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

async fn execute(session: &Session, progress: &Progress, deployment: &Deployment) -> Result<(), StackError> {
    let (clients, stack) = (&session.clients, deployment.stack.as_str());
    let Some(found) = stacks::describe(clients, stack).await? else {
        let reason = "the stack is gone".to_owned();
        return Err(StackError::ChangeSet { stack: stack.to_owned(), reason });
    };
    let after = stacks::newest_event(clients, &found.id).await?;
    change_sets::execute(clients, stack, &change_set(session)).await?;
    let operation = match (deployment.action.creates(), deployment.keeps_failure()) {
        (false, _) => Operation::Update,
        (true, false) => Operation::Create,
        (true, true) => Operation::CreateAndKeep,
    };
    let followed = Followed { name: stack, id: &found.id, operation, after: after.as_deref() };
    finished(stack, operation, follow(session, progress, followed).await?)
}

/// Leaves nothing behind of a change set that is not executed, nor of the stack that was made for it.
async fn discard(session: &Session, progress: &Progress, deployment: &Deployment) -> Result<(), StackError> {
    let (clients, stack) = (&session.clients, deployment.stack.as_str());
    change_sets::delete(clients, stack, &change_set(session)).await?;
    if !deployment.action.creates() {
        return Ok(());
    }
    match stacks::describe(clients, stack).await? {
        // Only a stack that was never deployed: somebody else may have been faster.
        Some(found) if found.status.rest() == Rest::Review => delete(session, progress, stack, &found.id, false).await,
        _ => Ok(()),
    }
}

/// Goes on with the rollback of an update that has failed, to its end.
///
/// # Errors
/// [`StackError`].
pub async fn continue_rollback(session: &Session, name: &str) -> Result<(), StackError> {
    let clients = &session.clients;
    let progress = session.printer.progress(&format!("rolling the stack `{name}` back"));
    let Some(found) = stacks::describe(clients, name).await? else { return Ok(()) };
    let after = stacks::newest_event(clients, &found.id).await?;
    stacks::continue_rollback(clients, name).await?;
    let followed = Followed { name, id: &found.id, operation: Operation::Rollback, after: after.as_deref() };
    finished(name, Operation::Rollback, follow(session, &progress, followed).await?)
}

/// A stack that is to be deleted.
#[derive(Debug, Clone)]
pub struct Doomed {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Whether resources that cannot be deleted are given up.
    pub force: bool,
}

/// Deletes stacks, all at the same time.
///
/// # Errors
/// [`StackError`], the first of several.
pub async fn delete_all(session: &Session, stacks: Vec<Doomed>) -> Result<(), StackError> {
    let names: Vec<String> = stacks.iter().map(|stack| format!("`{}`", stack.name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let is_alone = names.len() == 1;
    let progress = session.printer.progress(&format!(
        "deleting the {} {}",
        if is_alone { "stack" } else { "stacks" },
        names.join(", ")
    ));
    let ended = concurrent::for_each(stacks, STACKS, |Doomed { name, id, force }| {
        let line = if is_alone { progress.clone() } else { progress.beside(&name) };
        let session = session.clone();
        async move { delete(&session, &line, &name, &id, force).await }
    });
    let ended = ended.await;
    first_error(&progress, ended)
}

/// Deletes a stack.
///
/// # Errors
/// [`StackError`].
async fn delete(session: &Session, progress: &Progress, name: &str, id: &str, force: bool) -> Result<(), StackError> {
    let after = stacks::newest_event(&session.clients, id).await?;
    stacks::delete(&session.clients, id, force).await?;
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
        Operation::Create | Operation::CreateAndKeep => "created",
        Operation::Update => "updated",
        Operation::Rollback => "rolled back",
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
        Status::CreateFailed | Status::UpdateFailed => {
            format!("; it is {status} now, and nothing was taken back: what was made stays as it is")
        }
        other => format!("; it is {other} now"),
    }
}

#[cfg(test)]
mod tests;
