//! What the function knows of the world when it decides: values, with no way to change anything.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::{
    AccessKeyId, Attempt, GiveUp, KeyMark, Renderings, SecretDocument, TagError, UserId, UserName, VersionToken,
};
use jiff::Timestamp;

/// The secret, without its values.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    /// The time by the clock of AWS when this was read. Every age is counted from it.
    pub(crate) now: Timestamp,
    /// The secret's name. Nobody can change it.
    pub(crate) name: String,
    pub(crate) deleted: bool,
    /// Absent while a schedule is being set up.
    pub(crate) rotation_enabled: Option<bool>,
    pub(crate) last_rotated: Option<Timestamp>,
    /// When the schedule rotates it next.
    pub(crate) next_rotation: Option<Timestamp>,
    /// The staging labels of every version that has any.
    pub(crate) labels: BTreeMap<VersionToken, Vec<String>>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// The staging label of the version that applications read.
pub(crate) const CURRENT: &str = "AWSCURRENT";
/// The staging label of the version that a rotation prepares.
pub(crate) const PENDING: &str = "AWSPENDING";
/// The staging label of the version before the current one; it follows `AWSCURRENT` by itself.
pub(crate) const PREVIOUS: &str = "AWSPREVIOUS";

impl Description {
    /// The version that carries `label`.
    pub(crate) fn labelled(&self, label: &str) -> Option<&VersionToken> {
        self.labels.iter().find(|(_, labels)| labels.iter().any(|known| known == label)).map(|(token, _)| token)
    }

    /// The version of a rotation that has not come to its end.
    pub(crate) fn unfinished(&self) -> Option<&VersionToken> {
        self.labelled(PENDING).filter(|pending| self.labelled(CURRENT) != Some(pending))
    }

    /// The mark of `key`, if it has one.
    pub(crate) fn mark(&self, key: &AccessKeyId) -> Result<Option<KeyMark>, TagError> {
        self.tags.get(&contract::tag_keys::mark_of(key)).map(|value| KeyMark::parse(key, value)).transpose()
    }

    /// How a person has given up `key`, if one has.
    pub(crate) fn given_up(&self, key: &AccessKeyId) -> Result<Option<GiveUp>, TagError> {
        self.tags.get(&contract::tag_keys::give_up_of(key)).map(|value| GiveUp::parse(key, value)).transpose()
    }

    /// Whether a person has revoked `key`. A tag that cannot be read says no such thing.
    pub(crate) fn is_revoked(&self, key: &AccessKeyId) -> bool {
        self.given_up(key) == Ok(Some(GiveUp::Revoke))
    }

    /// In which other forms the next version holds the key too.
    pub(crate) fn renderings(&self) -> Result<Renderings, TagError> {
        Renderings::of_tag(self.tags.get(contract::tag_keys::RENDER).map(String::as_str))
    }

    /// The last attempt to create a key.
    pub(crate) fn attempt(&self) -> Result<Option<Attempt>, TagError> {
        let attempt = self.tags.get(contract::tag_keys::ATTEMPT).map(|value| Attempt::parse(value)?.as_of(self.now));
        attempt.transpose()
    }
}

/// One version of the secret, with its value.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) token: VersionToken,
    pub(crate) created: Timestamp,
    pub(crate) document: SecretDocument,
}

impl Version {
    /// The id of the key in this version.
    pub(crate) fn key(&self) -> Option<&AccessKeyId> {
        self.document.key.as_ref().map(|key| &key.id)
    }
}

/// The IAM user as IAM knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// As IAM spells it.
    pub(crate) name: UserName,
    pub(crate) id: UserId,
    pub(crate) path: String,
}

/// One access key of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: AccessKeyId,
    pub(crate) status: KeyStatus,
    pub(crate) created: Timestamp,
}

/// Whether a key works. IAM's model knows more than two already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyStatus {
    Active,
    Inactive,
    Other(String),
}

/// When and where a key was last used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LastUse {
    Never,
    At { when: Timestamp, service: String, region: String },
}

/// What is looked up about a key only when its slot is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(crate) last_use: LastUse,
    /// Whether any version of the secret holds it, also versions without a label.
    pub(crate) in_a_version: bool,
}

/// Everything a step decides on.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    pub(crate) secret: Description,
    pub(crate) current: Version,
    /// The version that a rotation prepares, once it has a value.
    pub(crate) pending: Option<Version>,
    /// `None` also when its value is not one of ours.
    pub(crate) previous: Option<Version>,
    pub(crate) user: User,
    pub(crate) keys: Vec<Key>,
    /// For every key but the current one, when a slot must be freed.
    pub(crate) evidence: BTreeMap<AccessKeyId, Evidence>,
}

impl Observed {
    /// Whether the current key is a revoked one that does not work any more. Until it is replaced another key may be
    /// all that still works.
    pub(crate) fn is_current_revoked(&self) -> bool {
        let Some(id) = self.current.key() else { return false };
        let works = self.key(id).is_some_and(|key| key.status == KeyStatus::Active);
        !works && self.secret.is_revoked(id)
    }

    pub(crate) fn key(&self, id: &AccessKeyId) -> Option<&Key> {
        self.keys.iter().find(|key| &key.id == id)
    }

    /// How long ago a version got its key. It was staged when its rotation began, which may have been blocked for days;
    /// its key is no older than the attempt that has made it.
    pub(crate) fn age_of(&self, version: &Version) -> Duration {
        let staged = self.since(version.created);
        // An attempt that cannot be read says nothing.
        let attempt = self.secret.attempt().ok().flatten().filter(|attempt| attempt.token == version.token);
        attempt.map_or(staged, |attempt| self.since(attempt.at).min(staged))
    }

    /// How long ago `then` was; no time at all when it lies ahead, which is the careful side.
    pub(crate) fn since(&self, then: Timestamp) -> Duration {
        self.secret.now.duration_since(then).try_into().unwrap_or_default()
    }
}
