//! Brings a stack to its template by a change set, or deletes it, and follows CloudFormation to the end.

mod change_set;
mod error;

use std::time::Duration;

use super::follow::{Followed, follow};
use super::history::{End, Operation};
use super::pauses::Pauses;
use super::review;
use crate::aws::CallError;
use crate::aws::change_sets::{Change, Kind, Order};
use crate::aws::stacks::{self, Rest, Status};
use crate::concurrent::{self, Pace};
use crate::plan::{Action, Deployment, Joining, ResourceChange, Verb};
use crate::session::Session;
use crate::ui::{Progress, Unconfirmed};
use change_set::{ChangeSet, Made, change_set, clean_up, discard, execute, make};

pub(crate) use change_set::source;

pub use error::StackError;

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
    let are_made: Vec<bool> = prepared.iter().map(Result::is_ok).collect();
    let decided = match prepared.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(made) => agree(session, &begun, &made).await.map(|()| made),
        Err(error) => Err(error),
    };
    match decided {
        Ok(made) => {
            let work: Vec<_> = begun.into_iter().zip(made).collect();
            let ended = concurrent::for_each(work, STACKS, |((session, progress, deployment), made)| async move {
                let name = change_set(&session);
                let change_set = ChangeSet::of(&deployment, &name);
                match made.changes {
                    Some(_) => execute(&session, &progress, change_set, &made.stack_id).await,
                    None => discard(&session, &progress, change_set).await,
                }
            });
            first_error(&progress, ended.await).map(drop)
        }
        Err(error) => {
            for ((session, progress, deployment), _) in begun.iter().zip(are_made).filter(|(_, is_made)| *is_made) {
                clean_up(session, progress, ChangeSet::of(deployment, &change_set(session))).await;
            }
            Err(error)
        }
    }
}

/// All results, or the first error, after the others have been told.
fn first_error<T>(progress: &Progress, ended: Vec<Result<T, StackError>>) -> Result<Vec<T>, StackError> {
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for ended in ended {
        match ended {
            Ok(value) => done.push(value),
            Err(error) => errors.push(error),
        }
    }
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(done) };
    errors.for_each(|error| progress.say(&format!("{error}")));
    Err(first)
}

/// Makes the change set, and waits for it. What fails leaves nothing behind.
async fn prepare(
    session: &Session,
    progress: &Progress,
    deployment: &Deployment,
    code_bucket: &str,
) -> Result<Made, StackError> {
    if let Action::CreateAnew { id, .. } = &deployment.action {
        clear(session, progress, &deployment.stack, id).await?;
    }
    if let Some(joining) = &deployment.joins {
        join(session, progress, deployment, joining, code_bucket).await?;
    }
    let name = change_set(session);
    let template = (deployment.template.as_str(), deployment.template_key.as_deref());
    let order = Order {
        stack: &deployment.stack,
        name: &name,
        kind: if deployment.updates() { Kind::Update } else { Kind::Create },
        express: deployment.express,
        keeps_failure: deployment.keeps_failure(),
        reverts_drift: deployment.reverts_drift(),
        makes_roles: deployment.makes_roles,
        template: source(session, template, code_bucket).await?,
        tags: &deployment.tags,
    };
    make(session, progress, &order, ChangeSet::of(deployment, order.name), &deployment.template).await
}

/// Deletes the stack that is in the way of a new one, if it is still one that holds nothing: somebody else may have
/// deployed it meanwhile.
async fn clear(session: &Session, progress: &Progress, stack: &str, id: &str) -> Result<(), StackError> {
    let Some(found) = stacks::describe(&session.clients, id).await? else { return Ok(()) };
    match found.status.rest() {
        Rest::Review | Rest::Shell => delete(session, progress, stack, id, false).await.map(drop),
        Rest::Gone => Ok(()),
        Rest::Busy | Rest::Usable | Rest::HalfMade | Rest::Stuck => {
            Err(StackError::Overtaken { stack: stack.to_owned(), status: found.status })
        }
    }
}

/// Has secrets that exist join the stack. What it says of them is not compared with what they are, and nothing is
/// written to them but the stack's tags.
async fn join(
    session: &Session,
    progress: &Progress,
    deployment: &Deployment,
    joining: &Joining,
    code_bucket: &str,
) -> Result<(), StackError> {
    let stack = deployment.stack.as_str();
    let name = format!("{}-join", change_set(session));
    let order = Order {
        stack,
        name: &name,
        kind: Kind::Import(&joining.resources),
        express: false,
        keeps_failure: false,
        reverts_drift: false,
        makes_roles: deployment.makes_roles,
        template: source(session, (&joining.template, joining.template_key.as_deref()), code_bucket).await?,
        tags: &joining.tags,
    };
    let change_set =
        ChangeSet { stack, name: &name, operation: Operation::Import, is_new: deployment.action.creates() };
    let Made { stack_id, changes } = make(session, progress, &order, change_set, &joining.template).await?;
    let is_as_planned = |changes: &[Change]| {
        changes.len() == joining.resources.len()
            && changes
                .iter()
                .all(|change| change.action == "Import" && joining.resources.contains_key(&change.logical_id))
    };
    if changes.as_deref().is_some_and(is_as_planned) {
        return execute(session, progress, change_set, &stack_id).await;
    }
    clean_up(session, progress, change_set).await;
    let reason = "it would do more, or less, than have the secrets join the stack".to_owned();
    Err(StackError::ChangeSet { stack: stack.to_owned(), reason })
}

/// Compares the change sets with the plan, and asks when they do more.
async fn agree(session: &Session, begun: &[(Session, Progress, Deployment)], made: &[Made]) -> Result<(), StackError> {
    for ((_, progress, deployment), Made { changes, .. }) in begun.iter().zip(made) {
        // What has joined the stack is in it by now.
        let to_come = |change: &&ResourceChange| deployment.joins.is_none() || change.change != Verb::Import;
        let planned: Vec<&ResourceChange> = deployment.changes.iter().filter(to_come).collect();
        let surprises = review::surprises(&planned, changes.as_deref().unwrap_or_default());
        for surprise in surprises.serious.iter().chain(&surprises.minor) {
            progress.say(&format!("  CloudFormation: {surprise}"));
        }
        if surprises.serious.is_empty() {
            continue;
        }
        let asked = progress.suspend(session.printer.confirm_anew("That is more than the plan said. Go on?"));
        match session.interrupts.unless_pressed(asked).await? {
            Err(Unconfirmed::NobodyToAsk) => {
                return Err(StackError::Unplanned { stack: deployment.stack.clone(), more: surprises.serious });
            }
            answered => answered?,
        }
    }
    Ok(())
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
    if let Err(error) = stacks::continue_rollback(clients, &found.id).await {
        check_begun(session, &found.id, found.status, error).await?;
    }
    let followed = Followed { name, id: &found.id, operation: Operation::Rollback, after: after.as_deref() };
    finished(name, Operation::Rollback, follow(session, &progress, followed).await?).map(drop)
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

/// Deletes stacks, all at the same time. Gives the resources that they have left behind, kept secrets included.
///
/// # Errors
/// [`StackError`], the first of several.
pub async fn delete_all(session: &Session, stacks: Vec<Doomed>) -> Result<Vec<String>, StackError> {
    let names: Vec<String> = stacks.iter().map(|stack| format!("`{}`", stack.name)).collect();
    if names.is_empty() {
        return Ok(Vec::new());
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
        async move {
            session.interrupts.check()?;
            let kept = delete(&session, &line, &name, &id, force).await?;
            Ok(kept.into_iter().map(|resource| format!("{resource} of the stack `{name}`")).collect())
        }
    });
    let kept: Vec<Vec<String>> = first_error(&progress, ended.await)?;
    Ok(kept.concat())
}

/// Deletes a stack. Gives the resources that it leaves behind.
///
/// # Errors
/// [`StackError`].
async fn delete(
    session: &Session,
    progress: &Progress,
    name: &str,
    id: &str,
    force: bool,
) -> Result<Vec<String>, StackError> {
    let after = stacks::newest_event(&session.clients, id).await?;
    match stacks::delete(&session.clients, id, force).await {
        Err(error) if force => check_begun(session, id, Status::DeleteFailed, error).await?,
        asked => asked?,
    }
    let followed = Followed { name, id, operation: Operation::Delete, after: after.as_deref() };
    finished(name, Operation::Delete, follow(session, progress, followed).await?)
}

/// Passes over a refusal when the stack is no longer as it must be for the operation: a request whose answer was lost is
/// sent again, and refused because the first one was done.
async fn check_begun(session: &Session, id: &str, from: Status, refusal: CallError) -> Result<(), StackError> {
    let is_other = refusal.code() == Some("ValidationError")
        && stacks::describe(&session.clients, id).await?.is_none_or(|stack| stack.status != from);
    if is_other { Ok(()) } else { Err(refusal.into()) }
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

/// Whether an operation ended as it should; gives what a deletion has left behind.
fn finished(stack: &str, operation: Operation, end: End) -> Result<Vec<String>, StackError> {
    if operation.has_succeeded(end.status) {
        return Ok(end.kept);
    }
    let done = match operation {
        Operation::Create | Operation::CreateAndKeep => "created",
        Operation::Update => "updated",
        Operation::Import => "joined by its users' secrets",
        Operation::Rollback => "rolled back",
        Operation::Delete => "deleted",
    };
    let End { status, cause, kept } = end;
    Err(StackError::Failed { stack: stack.to_owned(), done, status, cause: cause.map(Box::new), kept })
}

#[cfg(test)]
mod tests;
