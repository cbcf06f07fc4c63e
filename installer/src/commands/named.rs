//! The users that a command names: looked up, and refused when there is no such user, or no secret of ours.

use contract::{UserName, tag_keys};

use crate::aws::secrets::Secret;
use crate::aws::users::KeyStatus;
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

/// Refuses users whose secrets this deployment does not rotate. RotateSecret asks no questions: it starts whatever function
/// a secret names, and turns rotation on where somebody has turned it off.
///
/// # Errors
/// [`Refusals`] with every one of them.
pub(super) fn rotated_here(config: &Config, users: &[(&BoundUser, &Secret)]) -> Result<(), Refusals> {
    let refusals: Vec<Refusal> = users.iter().filter_map(|(user, secret)| not_rotated(config, user, secret)).collect();
    if refusals.is_empty() { Ok(()) } else { Err(Refusals(refusals)) }
}

/// Refuses users who were taken out of the configuration: what is left of them is none of the function's business any more,
/// and it could do nothing for them. Without a file there is nothing that somebody could have been taken out of.
///
/// # Errors
/// [`Refusals`] with every one of them.
pub(super) fn not_left_out(config: &Config, users: &[ObservedUser]) -> Result<(), Refusals> {
    let refusals: Vec<Refusal> = users.iter().filter_map(|user| left_out(config, user)).collect();
    if refusals.is_empty() { Ok(()) } else { Err(Refusals(refusals)) }
}

fn left_out(config: &Config, user: &ObservedUser) -> Option<Refusal> {
    let (bound, secret) = (user.bound.as_ref()?, user.secret.as_ref()?);
    let is_configured = config.users.iter().any(|configured| configured.name.is_same_user(&bound.name));
    if config.users_are_arguments || is_configured || secret.rotator.is_some() {
        return None;
    }
    let working = user.keys.iter().filter(|key| key.status == KeyStatus::Active);
    let keys = working.map(|key| key.id.clone()).collect();
    Some(Refusal::LeftOut { user: bound.name.clone(), secret: secret.name.clone(), keys })
}

/// Refuses users on hold, before anything is tagged that would come to pass on their release.
///
/// # Errors
/// [`Refusals`] with every one of them.
pub(super) fn not_held(users: &[(&BoundUser, &Secret)]) -> Result<(), Refusals> {
    let held = users.iter().filter_map(|(user, secret)| {
        let reason = secret.tag(tag_keys::HOLD)?.to_owned();
        Some(Refusal::OnHold { user: user.name.clone(), reason })
    });
    let refusals: Vec<Refusal> = held.collect();
    if refusals.is_empty() { Ok(()) } else { Err(Refusals(refusals)) }
}

fn not_rotated(config: &Config, user: &BoundUser, secret: &Secret) -> Option<Refusal> {
    let (user, name) = (user.name.clone(), secret.name.clone());
    let is_ours = |stack: &str| config.stack.cell_number(stack).is_some();
    let stack = secret.tag(tag_keys::STACK).unwrap_or_default();
    let Some(rotator) = &secret.rotator else {
        return Some(Refusal::RotationOff { user, secret: name });
    };
    // `arn:…:lambda:…:…:function:NAME`, and perhaps a version behind it.
    let function = rotator.split(':').nth(6).unwrap_or_default();
    if !is_ours(function) {
        return Some(Refusal::OtherRotator { user, secret: name, rotator: rotator.clone() });
    }
    let stack = stack.to_owned();
    (!is_ours(&stack)).then_some(Refusal::SecretOfOtherStack { user, secret: name, stack })
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use contract::{Region, SecretArn, UserId};

    use super::*;

    #[test]
    fn only_what_this_deployment_rotates_is_rotated() {
        let config = Config::for_users(Region::new("eu-central-1").unwrap(), Vec::new()).unwrap();
        let user = BoundUser {
            name: UserName::new("alice").unwrap(),
            id: UserId::new("AIDAAAAAAAAAAAAAAAAAA").unwrap(),
            arn: "arn:aws:iam::111122223333:user/alice".to_owned(),
        };
        let verdict = |stack: &str, function: Option<&str>| {
            let lambda = "arn:aws:lambda:eu-central-1:111122223333:function";
            let secret = Secret {
                arn: SecretArn::new("arn:aws:secretsmanager:eu-central-1:111122223333:secret:a-AbCdEf").unwrap(),
                name: "prod/alice".to_owned(),
                tags: BTreeMap::from([(tag_keys::STACK.to_owned(), stack.to_owned())]),
                created: None,
                deleted: None,
                last_rotated: None,
                next_rotation: None,
                stages: BTreeMap::new(),
                rotator: function.map(|name| format!("{lambda}:{name}")),
                kms_key: None,
                replicas: Vec::new(),
            };
            let refusal = not_rotated(&config, &user, &secret);
            refusal.map(|refusal| format!("{refusal}"))
        };
        for ours in ["keyturn", "keyturn-2", "keyturn-2:live"] {
            assert_eq!(verdict("keyturn-2", Some(ours)), None, "{ours}");
        }
        let off = verdict("keyturn", None).unwrap();
        assert!(off.contains("is off"), "{off}");
        let foreign = verdict("keyturn", Some("payroll-rotator")).unwrap();
        assert!(foreign.contains("function:payroll-rotator"), "{foreign}");
        let other = verdict("their-keys", Some("keyturn")).unwrap();
        assert!(other.contains("the stack `their-keys`"), "{other}");
    }
}
