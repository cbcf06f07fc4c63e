//! What is known of every user from outside: which key was current when, who made it, when it was used, what a person has
//! done. It is kept beside the function's own tags and never reads them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use sandbox::{KeyStatus, World};

use crate::stage::{ACCOUNT, REGION};

/// So many of the last events of a user are told with a failure.
const TOLD: usize = 250;

/// Everything.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) users: BTreeMap<String, User>,
    /// No more faults, and nobody interferes.
    pub(crate) is_quiet: bool,
    /// While sweeps run that many users share: those who have one of their own.
    pub(crate) swept_alone: Option<BTreeSet<String>>,
    /// How often what has happened.
    pub(crate) counts: BTreeMap<String, usize>,
}

/// One user.
#[derive(Debug, Default)]
pub(crate) struct User {
    pub(crate) keys: BTreeMap<String, Key>,
    pub(crate) current: Option<String>,
    /// The key that the application has read last.
    pub(crate) held: Option<String>,
    /// What a person has done and not undone.
    pub(crate) trouble: Option<Trouble>,
    /// Every call of the function, as it ended.
    pub(crate) history: Vec<String>,
    /// The last events, with their times.
    trail: VecDeque<String>,
}

/// One key that there is, or has been.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// `None` once it is gone.
    pub(crate) status: Option<KeyStatus>,
    /// A person made it.
    pub(crate) is_foreign: bool,
    /// A person has disabled, deleted or brought it back.
    pub(crate) is_disturbed: bool,
    pub(crate) was_current: bool,
    pub(crate) superseded: Option<Timestamp>,
    pub(crate) inactive_since: Option<Timestamp>,
    pub(crate) last_use: Option<Timestamp>,
}

/// What a person has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) kind: TroubleKind,
    pub(crate) since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    CurrentDisabled,
    CurrentMissing,
    Foreign,
    RotationOff,
    Held,
}

impl TroubleKind {
    /// The user has no working current key, and that is the person's doing.
    pub(crate) fn is_without_key(self) -> bool {
        matches!(self, Self::CurrentDisabled | Self::CurrentMissing)
    }

    /// The reason that the sweeper tells by itself.
    pub(crate) fn told_as(self) -> Option<&'static str> {
        match self {
            Self::CurrentDisabled => Some("current_disabled"),
            Self::CurrentMissing => Some("current_missing"),
            Self::RotationOff => Some("rotation_off"),
            // No more than a rotation would tell.
            Self::Foreign | Self::Held => None,
        }
    }
}

impl Ledger {
    pub(crate) fn user(&mut self, name: &str) -> &mut User {
        self.users.get_mut(name).unwrap()
    }

    /// Whether the calls about this user come from a sweep that others share.
    pub(crate) fn is_swept_with_others(&self, user: &str) -> bool {
        self.swept_alone.as_ref().is_some_and(|alone| !alone.contains(user))
    }

    pub(crate) fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }
}

impl User {
    /// Keeps an event in mind.
    pub(crate) fn note(&mut self, now: Timestamp, event: String) {
        if self.trail.len() == TOLD {
            self.trail.pop_front();
        }
        self.trail.push_back(format!("{now} {event}"));
    }

    /// The last events, for whoever has to find out what went wrong.
    pub(crate) fn trail(&self) -> String {
        self.trail.iter().map(|event| format!("    {event}\n")).collect()
    }

    /// Takes over what the world looks like now. `by_person` says who has made it so.
    pub(crate) fn sync(&mut self, world: &World, name: &str, by_person: bool) {
        let now = world.now();
        let keys = world.access_keys(ACCOUNT, name);
        for (id, known) in &mut self.keys {
            let status = keys.iter().find(|key| key.id() == id).map(|key| key.status);
            if known.status == status {
                continue;
            }
            known.is_disturbed |= by_person;
            known.inactive_since = (status == Some(KeyStatus::Inactive)).then_some(now);
            known.status = status;
        }
        for key in keys {
            self.keys.entry(key.id().to_owned()).or_insert(Key {
                status: Some(key.status),
                is_foreign: by_person,
                is_disturbed: false,
                was_current: false,
                superseded: None,
                inactive_since: None,
                last_use: None,
            });
        }
        let current = current_key(world, name);
        if current != self.current {
            if let Some(before) = self.current.as_ref().and_then(|id| self.keys.get_mut(id)) {
                before.superseded = Some(now);
            }
            if let Some(key) = current.as_ref().and_then(|id| self.keys.get_mut(id)) {
                (key.was_current, key.superseded) = (true, None);
            }
            self.current = current;
        }
        let works = self.current.as_ref().and_then(|id| self.keys.get(id)).is_some_and(Key::is_active);
        if works && self.trouble.is_some_and(|trouble| trouble.kind.is_without_key()) {
            self.trouble = None;
        }
    }
}

impl Key {
    pub(crate) fn is_active(&self) -> bool {
        self.status == Some(KeyStatus::Active)
    }
}

/// The key in AWSCURRENT.
pub(crate) fn current_key(world: &World, user: &str) -> Option<String> {
    let value = world.secret_value(ACCOUNT, REGION, &format!("keyturn/{user}"), "AWSCURRENT")?;
    let document: serde_json::Value = serde_json::from_str(value).unwrap();
    document.get("AccessKeyId").map(|id| id.as_str().unwrap().to_owned())
}

/// The user whom a subject of a call means: a name, an ARN of a user, or the name or the ARN of the secret.
pub(crate) fn user_of(subject: &str) -> Option<&str> {
    match subject.split_once("keyturn/") {
        // Behind the name stand a hyphen and six random characters.
        Some((arn, name)) if arn.ends_with(":secret:") => name.get(..name.len().checked_sub(7)?),
        Some((_, name)) => Some(name),
        None if subject.starts_with("arn:") => subject.split_once(":user/").map(|(_, name)| name),
        None => Some(subject),
    }
}
