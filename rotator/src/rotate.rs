//! One step of a rotation, from the event to the answer: observe, decide, act.

use std::time::Duration;

use contract::{AccessKeyId, KeyMark, Settings, blocked, tag_keys};
use tokio::time::Instant;

use crate::act::{self, TIME_TO_ACT, Target};
use crate::aws::{Clients, secrets};
use crate::blocked::Blocked;
use crate::error::{Refusal, RotationError};
use crate::event::{RotationEvent, Step};
use crate::log;
use crate::observe::{check_enrolled, gather_evidence, observe};
use crate::observed::{CURRENT, Description, Observed, PENDING};
use crate::protocol::{self, Binding, Create, Gate, Pending};
use crate::prove::{bound_user, prove};
use crate::scope::Scope;
use crate::slots::{Room, needs_evidence};
use crate::sweeper;

/// The time that must be left after a proof, to move the label and to answer.
const TIME_TO_END: Duration = Duration::from_secs(10);

/// What a step has done, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// The rotation was complete before.
    Complete,
    /// The pending version holds this key.
    Stored(AccessKeyId),
    /// The pending key is Active and belongs to the user.
    Checked,
    /// There is no key yet to test.
    NothingToTest,
    /// The pending key works.
    Proven,
    /// The pending version is current.
    Promoted,
}

/// Does one step. `end` is when Lambda will end the function.
pub(crate) async fn rotate(
    clients: &Clients,
    settings: &Settings,
    scope: &Scope,
    event: &RotationEvent,
    end: Instant,
) -> Result<Done, RotationError> {
    let description = secrets::describe(clients, &event.secret).await?;
    let was_blocked = description.tags.contains_key(tag_keys::BLOCKED);
    let done = match protocol::gate(event, &description, scope) {
        Gate::Complete => return Ok(Done::Complete),
        Gate::Refused(refusal) => return Err(RotationError::Refused(refusal)),
        Gate::Blocked(reason) => Err(RotationError::Blocked(reason)),
        Gate::Open(binding) => {
            let target = Target { clients, secret: &event.secret, user: &binding.user };
            step(target, (settings, scope), event, description, &binding, end).await
        }
    };
    // The reason is in the log and in the answer already. The tag is for `keyturn status`, and not worth an error.
    match &done {
        Err(RotationError::Blocked(reason)) => {
            let _ = secrets::tag(clients, &event.secret, tag_keys::BLOCKED, reason.name()).await;
        }
        Err(RotationError::Call(error)) if error.is_denied() => {
            let _ = secrets::tag(clients, &event.secret, tag_keys::BLOCKED, blocked::DENIED).await;
        }
        Ok(_) if was_blocked && event.step != Step::Finish => {
            let _ = secrets::untag(clients, &event.secret, vec![tag_keys::BLOCKED.to_owned()]).await;
        }
        Ok(_) | Err(_) => {}
    }
    done
}

async fn step(
    target: Target<'_>,
    rules: (&Settings, &Scope),
    event: &RotationEvent,
    description: Description,
    binding: &Binding,
    end: Instant,
) -> Result<Done, RotationError> {
    let (settings, scope) = rules;
    let mut observed = match observe(target.clients, &event.secret, Some(&event.token), description, binding).await {
        Err(RotationError::Document { label: PENDING, .. }) if event.step == Step::Create => {
            return give_up(target, event).await;
        }
        observed => observed?,
    };
    protocol::check_binding(binding, &observed, scope).map_err(RotationError::Blocked)?;
    match event.step {
        Step::Create => {
            // Whoever is not enrolled any more gets no other key. One that is stored already may become current.
            if observed.pending.is_none() {
                check_enrolled(target.clients, scope, &observed.user).await?;
            }
            if observed.pending.is_none() && needs_evidence(&observed, settings).map_err(RotationError::Blocked)? {
                gather_evidence(target.clients, &event.secret, &mut observed).await?;
            }
            create(target, settings, event, &observed, end).await
        }
        Step::Set => match protocol::pending(&observed, settings).map_err(RotationError::Refused)? {
            Pending::Key => Ok(Done::Checked),
            Pending::Empty => Err(RotationError::Refused(Refusal::NoPendingValue)),
            Pending::Placeholder => Err(RotationError::Refused(Refusal::NoPendingKey)),
        },
        Step::Test => match protocol::pending(&observed, settings).map_err(RotationError::Refused)? {
            Pending::Key => test(target, &observed, binding, end).await.map(|()| Done::Proven),
            Pending::Empty | Pending::Placeholder => Ok(Done::NothingToTest),
        },
        Step::Finish => match protocol::pending(&observed, settings).map_err(RotationError::Refused)? {
            Pending::Key => {
                let done = finish(target, event, &observed, binding, end).await?;
                if settings.is_single_key() {
                    // The sweeper would do it at its next pass, whatever happens here (R6). This is only sooner.
                    let swept = sweeper::sweep_one(target.clients, settings, scope, target.secret, end).await;
                    log::swept(target.secret, &swept);
                }
                Ok(done)
            }
            Pending::Empty => Err(RotationError::Refused(Refusal::NoPendingValue)),
            Pending::Placeholder => Err(RotationError::Refused(Refusal::NoPendingKey)),
        },
    }
}

async fn create(
    target: Target<'_>,
    settings: &Settings,
    event: &RotationEvent,
    observed: &Observed,
    end: Instant,
) -> Result<Done, RotationError> {
    let decision = protocol::create(&event.token, observed, settings);
    if Instant::now() + TIME_TO_ACT > end {
        return Err(RotationError::OutOfTime);
    }
    match decision {
        Create::Stored => {
            let key = observed.pending.as_ref().and_then(|pending| pending.key()).cloned();
            key.map(Done::Stored).ok_or(RotationError::Refused(Refusal::NoPendingKey))
        }
        Create::GiveUp => give_up(target, event).await,
        Create::Proceed(Room::Blocked(reason)) => Err(RotationError::Blocked(reason)),
        Create::Proceed(Room::Mark { key, mark }) => {
            target.mark(&key, mark).await?;
            Err(RotationError::Blocked(Blocked::Grace { key }))
        }
        Create::Proceed(Room::Deactivate { key, mark }) => {
            target.deactivate_and_mark(&key, mark).await?;
            Err(RotationError::Blocked(Blocked::Recovery { key }))
        }
        Create::Proceed(Room::After { delete, attempt }) => {
            let latest = end.checked_sub(TIME_TO_ACT).unwrap_or(end);
            act::create(target, event, observed, (&delete, &attempt), latest).await.map(Done::Stored)
        }
    }
}

/// Takes AWSPENDING off a version that can never become current. The next rotation brings a new one.
async fn give_up(target: Target<'_>, event: &RotationEvent) -> Result<Done, RotationError> {
    secrets::drop_pending(target.clients, target.secret, &event.token).await?;
    Err(RotationError::PendingDropped)
}

/// Proves the pending key.
async fn test(target: Target<'_>, observed: &Observed, binding: &Binding, end: Instant) -> Result<(), RotationError> {
    let key = observed.pending.as_ref().and_then(|pending| pending.document.key.as_ref());
    let key = key.ok_or(RotationError::Refused(Refusal::NoPendingKey))?;
    let end = end.checked_sub(TIME_TO_END).unwrap_or(end);
    prove(target.clients, key, &bound_user(target.secret, binding), end).await
}

/// Moves `AWSCURRENT`, and does nothing behind that (R6). The key is proven once more, so that R2 holds whatever has
/// been called before. The key that is about to be superseded is marked before: dying right after the move must not
/// leave the time to be guessed, nor a mark from another time, which could hasten the key's end. A mark that is left on
/// a current key, because the move never came, is taken off by the sweeper.
async fn finish(
    target: Target<'_>,
    event: &RotationEvent,
    observed: &Observed,
    binding: &Binding,
    end: Instant,
) -> Result<Done, RotationError> {
    test(target, observed, binding, end).await?;
    if let Some(key) = observed.current.key() {
        target.mark(key, KeyMark { superseded: observed.secret.now, deactivated: None }).await?;
    }
    let moved = secrets::move_current(target.clients, target.secret, &observed.current.token, &event.token).await;
    if let Err(RotationError::CurrentMoved) = moved {
        // It may have been ourselves: a first try that was done, and whose answer was lost.
        let secret = secrets::describe(target.clients, target.secret).await?;
        if secret.labelled(CURRENT) == Some(&event.token) {
            return Ok(Done::Promoted);
        }
    }
    moved.map(|()| Done::Promoted)
}
