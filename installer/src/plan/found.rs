//! What was found of a user who is not, or not only, in keyturn's hands, and what becomes of it: a line for people, an
//! entry with a stable kind for machines.

use std::fmt;

use contract::{AccessKeyId, ForeignPolicy, GiveUp, UserName};
use jiff::Timestamp;
use serde::Serialize;

use super::KeyReport;
use super::standing::{Room, how, previous};
use crate::aws::secrets::{Contents, Secret};
use crate::aws::users::{AccessKey, KeyStatus};
use crate::config::Config;
use crate::observe::{DeadKey, ObservedUser};
use crate::ui;

/// One user as found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The user, as IAM spells it.
    pub user: UserName,
    /// The name that the user's secret has or will have.
    pub secret: String,
    /// What was found.
    pub kind: Kind,
    /// The user's access keys, oldest first.
    pub keys: Vec<KeyReport>,
    /// What was found and what will happen, in words.
    pub text: String,
}

/// What was found. The names are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No access key, and no secret.
    NoKey,
    /// One access key, Active, and no secret.
    OneActiveKey,
    /// One access key, Inactive, and no secret.
    OneInactiveKey,
    /// Two access keys, one of them given up, so that there is room.
    TwoKeysWithRoom,
    /// Two access keys, one of them on its way out: the first rotation waits for it.
    TwoKeysWaiting,
    /// A secret of the stack that was deleted past CloudFormation, and is made anew.
    LostSecret,
    /// A secret with a working key, which is taken over.
    AdoptedSecret,
    /// A secret whose key does not work: it is taken over, and gets a new one.
    AdoptedSecretWithoutKey,
    /// A secret of keyturn's that joins the stack.
    JoiningSecret,
    /// A managed secret without a working key.
    ManagedWithoutKey,
    /// A managed user whose current key somebody has deactivated or deleted.
    ManagedWithDeadKey,
    /// A managed user with another key that keyturn did not make.
    ManagedWithForeignKey,
}

/// What is wrong with a current key that does not work, and what to do about it.
pub fn mending(user: &UserName, key: &AccessKeyId, dead: DeadKey) -> String {
    let others =
        format!("`keyturn rollback {user}` goes back to the key before, `keyturn revoke {user}` makes a new one");
    match dead {
        DeadKey::Inactive => format!(
            "is Inactive, and whoever uses it is refused: `aws iam update-access-key --user-name {user} --access-key-id {key} --status Active` activates it, {others}"
        ),
        DeadKey::Gone => format!("was deleted in IAM, and whoever uses it is refused: {others}"),
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.user, self.text)
    }
}

/// A user, and everything that the lines say of one.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) config: &'a Config,
    pub(super) user: &'a ObservedUser,
    pub(super) name: &'a UserName,
    /// The cell that the user is in.
    pub(super) stack: &'a str,
    pub(super) now: Timestamp,
}

impl View<'_> {
    fn found(&self, kind: Kind, text: String) -> Found {
        let Self { user, now, .. } = *self;
        let keys = user.keys.iter().map(|key| KeyReport::of(user, key, now)).collect();
        Found { user: self.name.clone(), secret: user.secret_name.to_string(), kind, keys, text }
    }

    /// A user whom keyturn does not know yet.
    pub(super) fn new_user(&self, room: Room<'_>) -> Found {
        let kind = match (room, self.user.keys.as_slice()) {
            (Room::After(_), _) => Kind::TwoKeysWithRoom,
            (Room::Behind(_) | Room::BehindForeign(_), _) => Kind::TwoKeysWaiting,
            (Room::Free, [key]) if key.status == KeyStatus::Active => Kind::OneActiveKey,
            (Room::Free, [_]) => Kind::OneInactiveKey,
            (Room::Free, _) => Kind::NoKey,
        };
        let text = match (room, self.user.keys.as_slice()) {
            (Room::Free, [key]) => {
                let (key, fate) = (self.described(key), self.fate(key));
                format!("has {key}; the first rotation makes another key, and this one {fate}")
            }
            (Room::Free, _) => "has no access key; the first rotation makes one".to_owned(),
            (room, _) => self.in_the_way(room),
        };
        self.found(kind, text)
    }

    /// A user whose secret was deleted past CloudFormation. Nobody can tell any more which of the keys it held.
    pub(super) fn lost_secret(&self, room: Room<'_>) -> Found {
        let keys: Vec<String> = self.user.keys.iter().map(|key| self.described(key)).collect();
        let keys = match keys.as_slice() {
            [] => "the user has no access key".to_owned(),
            keys => format!(
                "what is left of its keys stays as it is, and nobody can read it there any more: {}",
                keys.join(", ")
            ),
        };
        let rotation = match room {
            Room::Free => "the first rotation makes a new key".to_owned(),
            room => self.in_the_way(room),
        };
        let name = &self.user.secret_name;
        let text = format!(
            "the secret `{name}` was deleted past CloudFormation and is made anew, without a key; {keys}; {rotation}"
        );
        self.found(Kind::LostSecret, text)
    }

    /// A secret that is taken over, and whose key works.
    pub(super) fn adopted(&self, secret: &Secret, contents: &Contents, current: &AccessKey) -> Found {
        let mut text = format!(
            "the secret `{}` is taken over with {}, which stays current: no rotation now{}",
            secret.name,
            self.described(current),
            self.former_rotator(secret)
        );
        if let Some(other) = self.user.keys.iter().find(|key| key.id != current.id) {
            let fate = match previous(self.user, contents) {
                Some(previous) if previous.id == other.id => "is retired as a superseded key".to_owned(),
                _ => self.fate(other),
            };
            text.push_str(&format!("; {} {fate}", self.described(other)));
        }
        self.found(Kind::AdoptedSecret, text)
    }

    /// A secret that is taken over, and whose key does not work.
    pub(super) fn adopted_without_key(&self, secret: &Secret, contents: &Contents, room: Room<'_>) -> Found {
        let (name, former) = (&secret.name, self.former_rotator(secret));
        let key = contents.current.as_ref().map_or_else(String::new, |key| format!(" {key}"));
        let state = if self.user.current_key().is_some() { "is Inactive" } else { "is gone" };
        let rotation = match room {
            Room::Free => "the first rotation makes a new one".to_owned(),
            room => self.in_the_way(room),
        };
        let text = format!("the secret `{name}` is taken over, but its key{key} {state}; {rotation}{former}");
        self.found(Kind::AdoptedSecretWithoutKey, text)
    }

    /// A secret of keyturn's that is not in the stack; `room` when it has no working key.
    pub(super) fn joining(&self, room: Option<Room<'_>>) -> Found {
        let mut text = format!("its secret `{}` is here already and joins the stack", self.user.secret_name);
        match room {
            None | Some(Room::Free) => {}
            Some(room) => text.push_str(&format!("; {}", self.in_the_way(room))),
        }
        self.found(Kind::JoiningSecret, text)
    }

    /// A managed secret without a working key.
    pub(super) fn without_key(&self, room: Room<'_>) -> Found {
        let rotation = match room {
            Room::Free => "the first rotation makes one".to_owned(),
            room => self.in_the_way(room),
        };
        let text = format!("its secret `{}` has no working key yet; {rotation}", self.user.secret_name);
        self.found(Kind::ManagedWithoutKey, text)
    }

    /// A managed user whose current key does not work, which nobody but a person mends.
    pub(super) fn with_dead_key(&self, key: &AccessKeyId, dead: DeadKey) -> Found {
        let text = format!("the key {key} in its secret {}", mending(self.name, key, dead));
        self.found(Kind::ManagedWithDeadKey, text)
    }

    /// A managed user with a key that keyturn did not make.
    pub(super) fn with_foreign_key(&self, key: &AccessKey) -> Found {
        let text = format!("also has {}, which keyturn did not make; it {}", self.described(key), self.fate(key));
        self.found(Kind::ManagedWithForeignKey, text)
    }

    /// What the first rotation does about a key that is in its way.
    fn in_the_way(&self, room: Room<'_>) -> String {
        let days = ui::span(self.config.settings.delete_after);
        let (key, text) = match room {
            Room::Free => return String::new(),
            Room::After(key) => (key, "is deleted (`--reclaim`), and then the first rotation makes a key".to_owned()),
            Room::Behind(key) => {
                let mark = self.user.secret.as_ref().and_then(|secret| secret.mark(&key.id));
                let since = mark.and_then(|mark| mark.deactivated);
                let until = since.and_then(|since| since.saturating_add(self.config.settings.delete_after).ok());
                let fate = match until {
                    Some(until) => format!("is given up and will be deleted on {}", ui::date(until)),
                    None => format!("is deactivated at once (`--retire`) and deleted {days} later"),
                };
                (key, format!("{fate}; the first rotation waits for that, and `--reclaim {}` then shortens it", key.id))
            }
            Room::BehindForeign(key) => (
                key,
                format!(
                    "is deleted after {days} (`retire.foreign`); the first rotation waits for that, and `--reclaim {}` shortens it",
                    key.id
                ),
            ),
        };
        let current = self.user.readable().and_then(|contents| contents.current.as_ref());
        let other = self.user.keys.iter().find(|other| other.id != key.id && Some(&other.id) != current);
        let other = other.map(|other| format!("; {} {}", self.described(other), self.fate(other)));
        format!("{} {text}{}", self.described(key), other.unwrap_or_default())
    }

    /// What becomes of a key that is in nobody's way.
    fn fate(&self, key: &AccessKey) -> String {
        let days = ui::span(self.config.settings.delete_after);
        let is_foreign_retired = self.config.settings.foreign == ForeignPolicy::Retire;
        let (user, id) = (self.name, &key.id);
        match (how(self.config, self.user, id), key.status) {
            (Some(GiveUp::Retire), KeyStatus::Active) => {
                format!("is deactivated by the next sweep (`--retire`), and deleted {days} later")
            }
            (Some(GiveUp::Reclaim), KeyStatus::Inactive) => "is deleted by the next sweep (`--reclaim`)".to_owned(),
            _ if is_foreign_retired => "is retired like a superseded key (`retire.foreign`)".to_owned(),
            (_, KeyStatus::Active) => {
                // Where a user is meant to have a single Active key.
                let is_single = self.config.settings.deactivate_after.is_zero();
                let two = if is_single { "; until then two keys are Active" } else { "" };
                format!("stays until you give it up: `keyturn rotate {user} --retire {id}`{two}")
            }
            (_, KeyStatus::Inactive) => {
                format!("stays until you give it up: `keyturn rotate {user} --reclaim {id}`")
            }
        }
    }

    fn described(&self, key: &AccessKey) -> String {
        format!("the key {}", KeyReport::of(self.user, key, self.now).in_brackets())
    }

    /// Whoever rotated the secret so far.
    fn former_rotator(&self, secret: &Secret) -> String {
        let name = secret.rotator.as_deref().and_then(|arn| arn.rsplit(':').next());
        let former = name.filter(|name| self.config.stack.cell_number(name).is_none());
        former.map_or_else(String::new, |name| format!("; keyturn takes the place of the function `{name}`"))
    }
}
