//! Direct invocation: a person has the function ask Secrets Manager to rotate some or all users of the stack.

use std::collections::BTreeMap;

use contract::UserName;
use serde::Serialize;
use tokio::time::Instant;

use crate::act::TIME_TO_ACT;
use crate::aws::secrets::Listed;
use crate::aws::{Clients, secrets};
use crate::blocked::Blocked;
use crate::error::RotationError;
use crate::event::Users;
use crate::pace;
use crate::scope::Scope;

/// What came of it, by the name of the secret or, for somebody who is not of the stack, of the user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    /// Their rotation is under way.
    pub(crate) rotating: Vec<String>,
    /// Why others are not.
    pub(crate) failed: BTreeMap<String, String>,
}

/// Asks for the rotation of every secret that is meant and lies within the scope.
pub(crate) async fn ask(
    clients: &Clients,
    scope: &Scope,
    users: &Users,
    end: Instant,
) -> Result<Answer, RotationError> {
    let listed = secrets::of_stack(clients, &scope.stack).await?;
    let mut answer = Answer { failed: strangers(users, &listed), ..Answer::default() };
    let meant = |secret: &Listed| secret.user.as_ref().is_some_and(|user| users.contains(user));
    // To rotate those who have left would turn their rotation on again.
    let (left, listed): (Vec<_>, Vec<_>) = listed.into_iter().filter(meant).partition(Listed::has_left);
    let (inside, outside): (Vec<_>, Vec<_>) = listed.into_iter().partition(|secret| scope.contains(&secret.name));
    if let Users::Named(_) = users {
        let reason = |secret: Listed| (secret.name, "it is not among the function's `secrets`".to_owned());
        answer.failed.extend(outside.into_iter().map(reason));
        answer.failed.extend(left.into_iter().map(|secret| (secret.name, Blocked::Left.to_string())));
    }
    let names: Vec<String> = inside.iter().map(|secret| secret.name.clone()).collect();
    let latest = end.checked_sub(TIME_TO_ACT).unwrap_or(end);
    let shared = clients.clone();
    let paced = pace::for_each(inside, latest, |secret| {
        let clients = shared.clone();
        async move { (secrets::rotate(&clients, &secret.arn).await, secret.name) }
    });
    for (asked, name) in paced.await.done {
        match asked {
            Ok(()) => answer.rotating.push(name),
            Err(error) => drop(answer.failed.insert(name, error.to_string())),
        }
    }
    answer.rotating.sort();
    let is_told = |name: &&String| answer.rotating.contains(name) || answer.failed.contains_key(*name);
    let left: Vec<String> = names.iter().filter(|name| !is_told(name)).cloned().collect();
    answer.failed.extend(left.into_iter().map(|name| (name, "no time was left; ask again".to_owned())));
    Ok(answer)
}

/// Those who are named and have no secret in the stack.
fn strangers(users: &Users, listed: &[Listed]) -> BTreeMap<String, String> {
    let Users::Named(names) = users else { return BTreeMap::new() };
    let is_here =
        |name: &&UserName| listed.iter().any(|secret| secret.user.as_ref().is_some_and(|user| user.is_same_user(name)));
    let strangers = names.iter().filter(|name| !is_here(name));
    strangers.map(|name| (name.to_string(), "no secret of the stack belongs to this user".to_owned())).collect()
}
