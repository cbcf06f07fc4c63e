//! Worlds for tests, described in a few words: which keys a user has, and what the secret says of them.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::{
    AccessKeyId, Attempt, ForeignPolicy, GiveUp, InUsePolicy, KeyMark, KeyPair, OwnSecrets, Region, Renderings,
    SecretDocument, SecretText, Settings, UserId, UserName, VersionToken, tag_keys,
};
use jiff::Timestamp;

use crate::observed::{
    CURRENT, Description, Evidence, Key, KeyStatus, LastUse, Observed, PENDING, PREVIOUS, User, Version,
};
use crate::scope::Scope;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// A rotation every 30 days, 7 days of overlap, 7 days of grace, quiet for a day, a lease of 3 minutes.
pub(crate) fn settings() -> Settings {
    Settings {
        timeout: Duration::from_secs(120),
        lease: Duration::from_secs(180),
        interval: 30 * DAY,
        deactivate_after: 7 * DAY,
        delete_after: 7 * DAY,
        quiet: DAY,
        sweep_every: Duration::from_secs(3_600),
        max_key_age: 90 * DAY,
        foreign: ForeignPolicy::Refuse,
        in_use: InUsePolicy::Wait,
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// So long before now.
pub(crate) fn ago(age: Duration) -> Timestamp {
    now() - age
}

/// The access key with this letter.
pub(crate) fn key(letter: char) -> AccessKeyId {
    AccessKeyId::new(format!("AKIA{}", letter.to_string().repeat(16))).unwrap()
}

/// The version with this letter. `n` is the rotation under way, `c` the current version, `p` the previous one.
pub(crate) fn token(letter: char) -> VersionToken {
    VersionToken::new(letter.to_string().repeat(32)).unwrap()
}

pub(crate) fn user() -> User {
    let id = UserId::new("AIDAAAAAAAAAAAAAAAAAA").unwrap();
    User { name: UserName::new("alice").unwrap(), id, path: "/".to_owned() }
}

/// The function of the stack `keyturn`, in which bob has a secret of his own name.
pub(crate) fn scope() -> Scope {
    let own_secrets = OwnSecrets::of([(&UserName::new("bob").unwrap(), "prod/bob")]);
    Scope { stack: "keyturn".to_owned(), own_secrets, secrets: None, enrolment: None }
}

/// A world under description: a user without keys, a secret with a placeholder, and a rotation that has just begun.
pub(crate) struct World(Observed);

impl World {
    pub(crate) fn new() -> Self {
        let labels = BTreeMap::from([(token('c'), vec![CURRENT.into()]), (token('n'), vec![PENDING.into()])]);
        let tags = BTreeMap::from([
            (tag_keys::USER.to_owned(), user().name.to_string()),
            (tag_keys::USER_ID.to_owned(), user().id.to_string()),
            (tag_keys::STACK.to_owned(), scope().stack),
        ]);
        let secret = Description {
            now: now(),
            name: user().name.secret_name(),
            deleted: false,
            rotation_enabled: Some(true),
            last_rotated: None,
            next_rotation: None,
            labels,
            tags,
        };
        let current = version('c', None);
        let (previous, pending, keys) = (None, None, Vec::new());
        Self(Observed { secret, current, pending, previous, user: user(), keys, evidence: BTreeMap::new() })
    }

    /// AWSCURRENT holds this key, since 30 days.
    pub(crate) fn current(mut self, id: &AccessKeyId) -> Self {
        self.0.current = version('c', Some(id));
        self
    }

    /// AWSCURRENT holds this key since `days`.
    pub(crate) fn current_since(mut self, id: &AccessKeyId, days: u32) -> Self {
        self.0.current = Version { created: ago(days * DAY), ..version('c', Some(id)) };
        self
    }

    /// The last rotation ended `days` ago.
    pub(crate) fn rotated(mut self, days: u32) -> Self {
        self.0.secret.last_rotated = Some(ago(days * DAY));
        self
    }

    pub(crate) fn previous(mut self, id: &AccessKeyId) -> Self {
        self.0.secret.labels.insert(token('p'), vec![PREVIOUS.into()]);
        self.0.previous = Some(version('p', Some(id)));
        self
    }

    pub(crate) fn pending(mut self, id: &AccessKeyId) -> Self {
        self.0.pending = Some(version('n', Some(id)));
        self
    }

    /// No rotation is under way.
    pub(crate) fn at_rest(mut self) -> Self {
        self.0.secret.labels.remove(&token('n'));
        self
    }

    /// The version that the rotation prepares has held this key for so long.
    pub(crate) fn pending_since(mut self, id: &AccessKeyId, age: Duration) -> Self {
        self.0.pending = Some(Version { created: ago(age), ..version('n', Some(id)) });
        self
    }

    pub(crate) fn pending_placeholder(mut self) -> Self {
        self.0.pending = Some(version('n', None));
        self
    }

    /// The user has this key: Active, so many days old, never used, in no version without a label.
    pub(crate) fn key(self, id: &AccessKeyId, days: u32) -> Self {
        self.with_key(id, ago(days * DAY), KeyStatus::Active)
    }

    /// The same, Inactive.
    pub(crate) fn inactive(self, id: &AccessKeyId, days: u32) -> Self {
        self.with_key(id, ago(days * DAY), KeyStatus::Inactive)
    }

    pub(crate) fn with_key(mut self, id: &AccessKeyId, created: Timestamp, status: KeyStatus) -> Self {
        self.0.keys.push(Key { id: id.clone(), status, created });
        self.0.evidence.insert(id.clone(), Evidence { last_use: LastUse::Never, in_a_version: false });
        self
    }

    /// The key was last used so long ago.
    pub(crate) fn used(mut self, id: &AccessKeyId, age: Duration) -> Self {
        let last_use = LastUse::At { when: ago(age), service: "s3".into(), region: "eu-central-1".into() };
        self.0.evidence.get_mut(id).unwrap().last_use = last_use;
        self
    }

    /// A version without a label holds the key.
    pub(crate) fn in_a_version(mut self, id: &AccessKeyId) -> Self {
        self.0.evidence.get_mut(id).unwrap().in_a_version = true;
        self
    }

    pub(crate) fn mark(self, id: &AccessKeyId, superseded: u32, deactivated: Option<u32>) -> Self {
        let deactivated = deactivated.map(|days| ago(days * DAY));
        let mark = KeyMark { superseded: ago(superseded * DAY), deactivated };
        self.tag(&tag_keys::mark_of(id), &mark.to_tag())
    }

    /// A person has revoked the key.
    pub(crate) fn revoked(self, id: &AccessKeyId) -> Self {
        self.tag(&tag_keys::give_up_of(id), GiveUp::Revoke.to_tag())
    }

    /// An attempt was recorded so long ago.
    pub(crate) fn attempt(self, age: Duration) -> Self {
        self.attempt_of('a', age)
    }

    /// An attempt of this rotation was recorded so long ago.
    pub(crate) fn attempt_of(self, rotation: char, age: Duration) -> Self {
        let attempt = Attempt { token: token(rotation), since: ago(age), at: ago(age) };
        self.tag(tag_keys::ATTEMPT, &attempt.to_tag())
    }

    pub(crate) fn tag(mut self, key: &str, value: &str) -> Self {
        self.0.secret.tags.insert(key.into(), value.into());
        self
    }

    pub(crate) fn observed(mut self) -> Observed {
        if let Some(evidence) = self.0.previous.as_ref().and_then(|previous| self.0.evidence.get_mut(previous.key()?)) {
            evidence.in_a_version = true;
        }
        self.0
    }
}

fn version(letter: char, id: Option<&AccessKeyId>) -> Version {
    let placeholder = SecretDocument::placeholder(user().name);
    let document = id.map_or(placeholder.clone(), |id| {
        let key = KeyPair { id: id.clone(), secret: SecretText::new("secret") };
        placeholder.with_key(key, &Renderings::AsFound, &Region::new("eu-central-1").unwrap())
    });
    Version { token: token(letter), created: ago(30 * DAY), document }
}
