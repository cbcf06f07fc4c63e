//! The users that a command names: looked up, and refused when there is no such user, or no secret of ours.

use contract::{UserName, tag_keys};

use crate::aws::secrets::Secret;
use crate::config::Config;
use crate::error::Error;
use crate::observe::{self, Closely, ObservedUser};
use crate::plan::{Refusal, Refusals};
use crate::session::Session;
use crate::template::BoundUser;

/// Looks at the users, each of them once.
///
/// # Errors
/// [`Error`]; everybody whom IAM does not know is named.
pub(super) async fn look_up(
    session: &Session,
    config: &Config,
    names: &[UserName],
    closely: &Closely,
) -> Result<Vec<ObservedUser>, Error> {
    let mut once: Vec<UserName> = Vec::new();
    for name in names {
        if !once.iter().any(|known| known.is_same_user(name)) {
            once.push(name.clone());
        }
    }
    let look = observe::named(&session.clients, config, &once, closely);
    let users = session.interrupts.unless_pressed(Box::pin(look)).await??;
    let unknown = users.iter().filter(|user| user.bound.is_none());
    let unknown: Vec<Refusal> = unknown.map(|user| Refusal::UnknownUser(user.name.clone())).collect();
    if unknown.is_empty() { Ok(users) } else { Err(Refusals(unknown).into()) }
}

/// The users with their secrets, all of which must be there and bound to them.
///
/// # Errors
/// [`Refusals`] with everybody who has none.
pub(super) fn with_secrets(users: &[ObservedUser]) -> Result<Vec<(&BoundUser, &Secret)>, Refusals> {
    let (mut found, mut refusals) = (Vec::new(), Vec::new());
    for user in users {
        let Some(bound) = &user.bound else { continue };
        match secret_of(user, bound) {
            Ok(secret) => found.push((bound, secret)),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() { Ok(found) } else { Err(Refusals(refusals)) }
}

fn secret_of<'a>(user: &'a ObservedUser, bound: &BoundUser) -> Result<&'a Secret, Refusal> {
    let (user_name, name) = (bound.name.clone(), user.secret_name.to_string());
    let Some(secret) = &user.secret else { return Err(Refusal::NoSecret { user: user_name, secret: name }) };
    if let Some(until) = secret.deleted {
        return Err(Refusal::DeletedSecret { user: user_name, secret: name, until });
    }
    let Some(owner) = secret.user() else { return Err(Refusal::UnboundSecret { user: user_name, secret: name }) };
    let is_same = owner.is_same_user(&bound.name);
    if is_same && secret.tag(tag_keys::USER_ID) == Some(bound.id.as_str()) {
        return Ok(secret);
    }
    let bound = if is_same { format!("an earlier {owner}") } else { owner.to_string() };
    Err(Refusal::SecretOfAnother { user: user_name, secret: name, bound })
}
