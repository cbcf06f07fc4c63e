//! `keyturn rotate --now`: which superseded key would make the rotation wait. It is given up, whoever still uses it;
//! never the key in the secret, and never one that keyturn did not make.

use contract::{AccessKeyId, GiveUp, UserName};
use jiff::Timestamp;

use super::give_up::due;
use super::standing::{KEYS_PER_USER, is_foreign, is_of_a_rotation, is_revoked};
use super::{GivenUpKey, KeyReport, Refusal, Unfit};
use crate::aws::users::{AccessKey, KeyStatus};
use crate::config::Config;
use crate::observe::ObservedUser;

/// A superseded key in the way of the next rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTheWay {
    /// Whose it is, as IAM spells it.
    pub user: UserName,
    /// The key.
    pub key: KeyReport,
    /// What is to be tagged; none when that was done before.
    pub due: Option<GivenUpKey>,
}

/// Finds the key that would make the rotation of a user wait. Whoever has none is rotated as ever.
///
/// # Errors
/// [`Refusal`] when that key must not be given up without being named, or nobody knows which one it is.
pub fn in_the_way(config: &Config, user: &ObservedUser, now: Timestamp) -> Result<Option<InTheWay>, Refusal> {
    let (Some(bound), Some(secret)) = (&user.bound, &user.secret) else { return Ok(None) };
    let previous = user.readable().and_then(|contents| contents.previous.as_ref());
    let is_superseded = |key: &AccessKeyId| previous == Some(key) || secret.mark(key).is_some();
    let is_under_way = |key: &AccessKey| {
        let is_new = is_of_a_rotation(config, user, key) && !is_current(user, &key.id) && !is_superseded(&key.id);
        is_new || is_revoked(user, key)
    };
    if user.keys.len() < KEYS_PER_USER || user.keys.iter().any(is_under_way) {
        return Ok(None);
    }
    let name = &bound.name;
    let refused =
        |key: &AccessKeyId, how, why| Refusal::GiveUp { key: key.clone(), how, user: Some(name.clone()), why };
    let others = || user.keys.iter().filter(|key| !is_current(user, &key.id));
    let Some(other) = others().find(|key| !config.given_up.contains_key(&key.id)) else { return Ok(None) };
    let how = if other.status == KeyStatus::Active { GiveUp::Retire } else { GiveUp::Reclaim };
    let Some(contents) = user.readable() else { return Err(refused(&other.id, how, Unfit::Unknown)) };
    if let Some(current) = &contents.current
        && user.current_key().is_none_or(|key| key.status != KeyStatus::Active)
    {
        let keys = user.keys.iter().map(|key| KeyReport::of(user, key, now)).collect();
        return Err(Refusal::NoWorkingKey { user: name.clone(), current: current.clone(), keys });
    }
    if secret.given_up(&other.id).is_none() && is_foreign(config, user, other) {
        return Err(refused(&other.id, how, Unfit::Foreign));
    }
    let due = due(user, name, &other.id, how).map_err(|why| refused(&other.id, how, why))?;
    Ok(Some(InTheWay { user: name.clone(), key: KeyReport::of(user, other, now), due }))
}

fn is_current(user: &ObservedUser, key: &AccessKeyId) -> bool {
    user.readable().and_then(|contents| contents.current.as_ref()) == Some(key)
}
