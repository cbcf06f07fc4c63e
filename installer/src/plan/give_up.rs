//! Whether a key may be given up: it must be somebody's here, in the right state, and never the one in the secret.

use contract::{AccessKeyId, GiveUp, KeyMark, UserName};
use serde::Serialize;

use super::Refusal;
use super::standing::is_foreign;
use crate::aws::users::KeyStatus;
use crate::config::Config;
use crate::observe::ObservedUser;

/// A key that a person gives up: the tag on the user's secret tells the function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenUpKey {
    /// Whose it is, as IAM spells it.
    pub user: UserName,
    /// The name of the user's secret.
    pub secret: String,
    /// The key.
    pub key: AccessKeyId,
    /// How it is given up.
    pub how: GiveUp,
    /// The mark that takes the place of one that is no longer true: the key was deactivated once, and is Active again.
    #[serde(skip)]
    pub mark: Option<KeyMark>,
}

/// Why a key cannot be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// None of the users has it.
    #[error("none of the users has this key")]
    Nobodys,
    /// It is the one in the secret.
    #[error("it is the key in the secret, which applications use")]
    Current,
    /// A rotation that is under way has made it.
    #[error("a rotation that is under way has made it")]
    Pending,
    /// It is to be deleted, and works.
    #[error("it is Active, and may be in use")]
    Active,
    /// It is to be deactivated, and is Inactive already.
    #[error("it is Inactive already")]
    Inactive,
    /// It is given up in both ways.
    #[error("it cannot be given up in both ways")]
    Twice,
    /// It was to be given up without being named, and keyturn did not make it.
    #[error("keyturn did not make it")]
    Foreign,
    /// Nobody knows which key is the current one.
    #[error("the secret's value cannot be read, so that it may be the key in use")]
    Unknown,
}

/// What is still to be done to give up `key` of `user`; `None` when it was given up before in this way.
///
/// # Errors
/// [`Unfit`] when it must not be given up in this way.
pub(super) fn due(
    user: &ObservedUser,
    name: &UserName,
    key: &AccessKeyId,
    how: GiveUp,
) -> Result<Option<GivenUpKey>, Unfit> {
    let found = user.keys.iter().find(|found| &found.id == key).ok_or(Unfit::Nobodys)?;
    if matches!(user.contents, Some(Err(_))) {
        return Err(Unfit::Unknown);
    }
    if let Some(contents) = user.readable() {
        if contents.current.as_ref() == Some(key) {
            return Err(Unfit::Current);
        }
        if contents.pending.as_ref() == Some(key) {
            return Err(Unfit::Pending);
        }
    }
    let secret = user.secret.as_ref();
    let is_tagged = secret.is_some_and(|secret| secret.given_up(key) == Some(how));
    let mark = secret.and_then(|secret| secret.mark(key)).filter(|mark| mark.deactivated.is_some());
    let is_active = found.status == KeyStatus::Active;
    let mark = match how {
        // Somebody has brought it back since, and has thought better of it again.
        GiveUp::Retire if is_active => mark.map(|mark| KeyMark { deactivated: None, ..mark }),
        // Its first half is done, by an earlier run or by the sweeper.
        GiveUp::Retire if is_tagged || mark.is_some() => return Ok(None),
        GiveUp::Retire => return Err(Unfit::Inactive),
        GiveUp::Reclaim if is_active => return Err(Unfit::Active),
        GiveUp::Reclaim | GiveUp::Revoke => None,
    };
    if is_tagged && mark.is_none() {
        return Ok(None);
    }
    let secret = user.secret_name.to_string();
    Ok(Some(GivenUpKey { user: name.clone(), secret, key: key.clone(), how, mark }))
}

/// What the keys that are given up mean for the users: what is to be tagged, and what is only to be told.
#[derive(Debug, Default, PartialEq)]
pub struct GivenUpKeys {
    /// What the secrets are to be tagged with.
    pub due: Vec<GivenUpKey>,
    /// What is only to be told.
    pub remarks: Vec<String>,
}

/// Looks at every key that is given up.
///
/// A key that nobody has may be gone because an earlier run of the same command has come that far. It is refused only
/// while there is another one that could have been meant.
///
/// # Errors
/// Every [`Refusal`] there is.
pub fn judge(config: &Config, users: &[ObservedUser]) -> Result<GivenUpKeys, Vec<Refusal>> {
    let (mut keys, mut refusals) = (GivenUpKeys::default(), Vec::new());
    for (key, how) in &config.given_up {
        let owner = users.iter().find(|user| user.keys.iter().any(|found| &found.id == key));
        let Some((user, bound)) = owner.and_then(|user| Some((user, user.bound.as_ref()?))) else {
            if users.iter().any(|user| has_another(config, user, *how)) {
                refusals.push(Refusal::GiveUp { key: key.clone(), how: *how, user: None, why: Unfit::Nobodys });
            } else {
                keys.remarks.push(format!("{key}: nobody here has this key, so there is nothing to give up"));
            }
            continue;
        };
        match due(user, &bound.name, key, *how) {
            Ok(due) => keys.due.extend(due),
            Err(why) => {
                let user = Some(bound.name.clone());
                refusals.push(Refusal::GiveUp { key: key.clone(), how: *how, user, why });
            }
        }
    }
    if refusals.is_empty() { Ok(keys) } else { Err(refusals) }
}

/// Whether a user has a key that could be given up in this way, is not named, and is not known to be keyturn's.
fn has_another(config: &Config, user: &ObservedUser, how: GiveUp) -> bool {
    let status = if how == GiveUp::Reclaim { KeyStatus::Inactive } else { KeyStatus::Active };
    let mut keys = user.keys.iter().filter(|key| key.status == status && !config.given_up.contains_key(&key.id));
    keys.any(|key| is_foreign(config, user, key))
}
