//! Orders of a person for named users, rollback and revocation: observe, decide, act and answer for each, whatever
//! happens to the others.
//!
//! Nobody repeats an order by himself, so each may die after any call and leave a state in which the same order goes
//! on, and which the sweeper understands if nobody gives it again.

use std::sync::Arc;

use contract::{KeyPair, OrderAnswer, Outcome, Reissue, SecretArn, UserName, tag_keys};
use tokio::time::Instant;

use crate::act::{TIME_TO_ACT, Target};
use crate::aws::{Clients, iam, secrets};
use crate::blocked::Blocked;
use crate::claims::{left_out, secret_of};
use crate::error::{Refusal, RotationError, chain};
use crate::event::{Leaked, Order};
use crate::observe::{observe_between_steps, stored_keys};
use crate::observed::{CURRENT, Description, KeyStatus, Observed, PENDING};
use crate::pace;
use crate::protocol::{Binding, binding, check_binding};
use crate::prove::{bound_user, prove};
use crate::revoke::{self, Plan, Revocation};
use crate::rollback::{self, Back, Rollback, Tidy};
use crate::scope::Scope;

/// Follows the order for each user who is named and lies within the scope.
pub(crate) async fn order(
    clients: &Clients,
    scope: &Scope,
    order: &Order,
    users: &[UserName],
    end: Instant,
) -> Result<OrderAnswer, RotationError> {
    let listed = secrets::of_stack(clients, &scope.stack).await?;
    let (mut answer, mut secrets) = (OrderAnswer::default(), Vec::new());
    for user in users {
        let others = left_out(user, &listed, scope);
        if !others.is_empty() {
            answer.left_out.insert(user.clone(), others);
        }
        match secret_of(user, &listed, scope) {
            Ok(secret) if !secrets.contains(secret) => secrets.push(secret.clone()),
            Ok(_) => {}
            Err(text) => drop(answer.users.insert(user.clone(), Outcome::Refused { text: text.to_owned() })),
        }
    }
    let latest = end.checked_sub(TIME_TO_ACT).unwrap_or(end);
    let (shared, shared_scope, order) = (clients.clone(), Arc::new(scope.clone()), order.clone());
    let paced = pace::for_each(secrets, latest, |secret| {
        let (clients, order) = (shared.clone(), order.clone());
        let scope = shared_scope.clone();
        async move { (follow(&clients, &scope, &secret, &order, end).await, secret) }
    });
    let done = paced.await.done;
    for user in users.iter().filter(|user| secret_of(user, &listed, scope).is_ok()) {
        let is_theirs = |secret: &SecretArn| secret_of(user, &listed, scope) == Ok(secret);
        let outcome = done.iter().find(|(_, secret)| is_theirs(secret)).map(|(outcome, _)| outcome.clone());
        let none = || Outcome::Failed { text: "no time was left; give the order again".to_owned() };
        answer.users.insert(user.clone(), outcome.unwrap_or_else(none));
    }
    Ok(answer)
}

async fn follow(clients: &Clients, scope: &Scope, secret: &SecretArn, order: &Order, end: Instant) -> Outcome {
    let followed = match order {
        Order::Rollback => roll_back(clients, scope, secret, end).await,
        Order::Revoke(leaked) => revoke(clients, scope, secret, leaked, end).await,
    };
    // Whatever can be refused or blocked is so before the first change; what fails later is an outcome already.
    followed.unwrap_or_else(|error| match error {
        RotationError::Blocked(blocked) => {
            Outcome::Blocked { reason: blocked.name().to_owned(), text: blocked.to_string() }
        }
        RotationError::Refused(refusal) => Outcome::Refused { text: refusal.to_string() },
        error => failed(&error),
    })
}

fn failed(error: &RotationError) -> Outcome {
    Outcome::Failed { text: chain(error) }
}

/// The read phase of both. `hold` is no obstacle: it keeps rotation and sweeper away, and whoever orders comes himself.
async fn look(clients: &Clients, scope: &Scope, secret: &SecretArn) -> Result<(Binding, Observed), RotationError> {
    let description = secrets::describe(clients, secret).await?;
    if description.deleted {
        return Err(RotationError::Refused(Refusal::Deleted));
    }
    let binding = binding(&description, scope).map_err(RotationError::Blocked)?;
    let observed = observe_between_steps(clients, secret, description, &binding).await?;
    check_binding(&binding, &observed, scope).map_err(RotationError::Blocked)?;
    Ok((binding, observed))
}

fn check_time(end: Instant) -> Result<(), RotationError> {
    if Instant::now() + TIME_TO_ACT > end { Err(RotationError::OutOfTime) } else { Ok(()) }
}

async fn roll_back(
    clients: &Clients,
    scope: &Scope,
    secret: &SecretArn,
    end: Instant,
) -> Result<Outcome, RotationError> {
    let (binding, observed) = look(clients, scope, secret).await?;
    let decision = rollback::decide(&binding, &observed).map_err(RotationError::Blocked)?;
    check_time(end)?;
    let target = Target { clients, secret, user: &binding.user };
    let nothing = |why: String| Ok(Outcome::Nothing { why });
    let refused = |text: String| Ok(Outcome::Refused { text });
    match decision {
        Rollback::Back(back) => {
            let Some(pair) = observed.previous.as_ref().and_then(|version| version.document.key.as_ref()) else {
                return nothing("there is no earlier key".to_owned());
            };
            Ok(go_back(target, &binding, &back, pair, end).await.unwrap_or_else(|error| failed(&error)))
        }
        Rollback::AlreadyBack { key, tidy } => {
            tidy_up(target, &tidy).await?;
            nothing(format!("already rolled back: {key} is the older of the two keys, and current"))
        }
        Rollback::NoEarlierKey => {
            nothing("there is no earlier key: AWSPREVIOUS holds none but the current one".to_owned())
        }
        Rollback::Gone { key } => {
            refused(format!("the earlier key {key} was deleted; rotate the user to get a new one"))
        }
        Rollback::GivenUp { key } => refused(format!(
            "the earlier key {key} was given up or revoked, as the tag `{}` says; rotate the user to get a new one",
            tag_keys::give_up_of(&key)
        )),
    }
}

/// Makes the earlier key current. Dying before the label has moved leaves an Active key more, which is retired like any
/// superseded one; dying after it leaves marks that [`tidy_up`] or the sweeper set right.
async fn go_back(
    target: Target<'_>,
    binding: &Binding,
    back: &Back,
    pair: &KeyPair,
    end: Instant,
) -> Result<Outcome, RotationError> {
    let Target { clients, secret, user } = target;
    // A sweep that decides from now on sees a key whose time has just begun, and neither deactivates nor deletes it.
    target.mark(&back.key, back.mark).await?;
    if back.activate {
        iam::activate_key(clients, user, &back.key).await?;
    }
    // Also the barrier against a sweep that has decided before: a key that it has deleted authenticates no more.
    let latest = end.checked_sub(TIME_TO_ACT).unwrap_or(end);
    prove(clients, pair, &bound_user(secret, binding), latest).await?;
    let now = secrets::describe(clients, secret).await?;
    // Another order of the same kind may have been faster.
    if now.labelled(CURRENT) != Some(&back.to) {
        check_unchanged(back, &now)?;
        leave(target, back, &now).await?;
    }
    let keys = iam::keys(clients, user).await?;
    if !keys.iter().any(|key| key.id == back.key && key.status == KeyStatus::Active) {
        // A sweep that had decided long before, or a person.
        secrets::move_current(clients, secret, &back.to, &back.from).await?;
        target.unmark(&back.superseded).await?;
        return Err(RotationError::EarlierKeyLost);
    }
    // Once more: a sweep in between may have taken it off as the mark of a current key.
    target.mark(&back.superseded, back.mark).await?;
    target.unmark(&back.key).await?;
    Ok(Outcome::RolledBack { key: back.key.clone(), superseded: back.superseded.clone() })
}

/// Refuses to move a label that has moved meanwhile, or to go back to a key that was revoked meanwhile.
fn check_unchanged(back: &Back, now: &Description) -> Result<(), RotationError> {
    if now.labelled(CURRENT) != Some(&back.from) {
        return Err(RotationError::CurrentMoved);
    }
    if now.unfinished().is_some() {
        return Err(RotationError::Blocked(Blocked::RotationUnderWay));
    }
    if now.is_revoked(&back.key) { Err(RotationError::RevokedMeanwhile) } else { Ok(()) }
}

/// Moves AWSCURRENT from the newer key to the older one.
async fn leave(target: Target<'_>, back: &Back, now: &Description) -> Result<(), RotationError> {
    let Target { clients, secret, .. } = target;
    // Before the move: without a mark the key would count as superseded since it became current itself.
    target.mark(&back.superseded, back.mark).await?;
    // AWSPENDING stays on a version that has become current. Left behind there it would make the rotation look as if it
    // had not ended, and Secrets Manager would go on with it, to the key that was just left.
    if now.labelled(PENDING) == Some(&back.from) {
        secrets::drop_pending(clients, secret, &back.from).await?;
    }
    let moved = secrets::move_current(clients, secret, &back.from, &back.to).await;
    if let Err(RotationError::CurrentMoved) = moved {
        // It may have been ourselves: a first try that was done, and whose answer was lost.
        if secrets::describe(clients, secret).await?.labelled(CURRENT) == Some(&back.to) {
            return Ok(());
        }
        target.unmark(&back.superseded).await?;
    }
    moved
}

async fn tidy_up(target: Target<'_>, tidy: &Tidy) -> Result<(), RotationError> {
    if let Some((key, mark)) = &tidy.mark {
        target.mark(key, *mark).await?;
    }
    if let Some(key) = &tidy.unmark {
        target.unmark(key).await?;
    }
    Ok(())
}

async fn revoke(
    clients: &Clients,
    scope: &Scope,
    secret: &SecretArn,
    leaked: &Leaked,
    end: Instant,
) -> Result<Outcome, RotationError> {
    let (_, observed) = look(clients, scope, secret).await?;
    let stored = stored_keys(clients, secret, &observed).await?;
    // Once more, behind the versions: the key that replaces the revoked ones may have been stored between the two looks.
    // Only here is it seen to be the pending one, which has not leaked.
    let (binding, observed) = look(clients, scope, secret).await?;
    let target = Target { clients, secret, user: &binding.user };
    check_time(end)?;
    let nothing = |why: String| Ok(Outcome::Nothing { why });
    match revoke::decide(&observed, &stored, leaked) {
        Revocation::Revoke(plan) => {
            Ok(carry_out(target, &observed.secret, plan).await.unwrap_or_else(|error| failed(&error)))
        }
        Revocation::Done { current: Some(current) } => {
            nothing(format!("revoked before, and {current} has taken their place; if that one has leaked too, name it"))
        }
        Revocation::Done { current: None } => nothing("revoked before".to_owned()),
        Revocation::NoKeys => nothing("the user has no key of keyturn's".to_owned()),
        Revocation::Unknown { key } => Ok(Outcome::Refused {
            text: format!("{key} is none of keyturn's keys that the user has; deactivate it in IAM"),
        }),
    }
}

/// Revokes the keys. First the record, from which the sweeper asks for the new key if nothing else comes after it; then
/// every key, whatever becomes of the others.
async fn carry_out(target: Target<'_>, secret: &Description, plan: Plan) -> Result<Outcome, RotationError> {
    if !plan.tags.is_empty() {
        secrets::tag_all(target.clients, target.secret, &plan.tags).await?;
    }
    let mut deactivated = Ok(());
    for key in &plan.deactivate {
        deactivated = deactivated.and(target.deactivate_revoked(key).await);
    }
    deactivated?;
    if let Some(token) = &plan.drop_pending {
        // A step that was under way may have made the version current; then its key is replaced as a current one.
        let now = secrets::describe(target.clients, target.secret).await?;
        if now.labelled(PENDING) == Some(token) {
            secrets::drop_pending(target.clients, target.secret, token).await?;
        }
    }
    let reissue = if plan.reissue { reissue(target, secret, &plan).await } else { Reissue::NotNeeded };
    Ok(Outcome::Revoked { keys: plan.keys, left: plan.left, reissue })
}

/// Asks for the key that takes the place of the revoked ones, unless it has come meanwhile: whoever loses an answer of
/// Lambda gives the order twice, and both see the same revoked key. Where rotation was turned off it is not asked for:
/// Secrets Manager would turn it on again.
async fn reissue(target: Target<'_>, secret: &Description, plan: &Plan) -> Reissue {
    // Not to know is no reason to leave the user without a key.
    let now = secrets::describe(target.clients, target.secret).await.ok();
    if now.as_ref().is_some_and(|now| revoke::is_replaced(plan, secret, now)) {
        return Reissue::Asked;
    }
    let secret = now.as_ref().unwrap_or(secret);
    if secret.tags.contains_key(tag_keys::HOLD) {
        return Reissue::Held;
    }
    if secret.rotation_enabled == Some(false) {
        return Reissue::Refused { text: Blocked::RotationOff.to_string() };
    }
    match secrets::rotate(target.clients, target.secret).await {
        Ok(()) => Reissue::Asked,
        Err(error) => Reissue::Refused { text: error.to_string() },
    }
}
