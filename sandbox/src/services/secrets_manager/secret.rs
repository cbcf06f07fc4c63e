//! A secret and its versions: how values and staging labels behave, as AWS's user guide and API reference say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::error::{invalid_parameter, limit_exceeded, no_version};
use super::rotation::Rotation;
use crate::ApiError;

pub(super) const CURRENT: &str = "AWSCURRENT";
pub(super) const PENDING: &str = "AWSPENDING";
pub(super) const PREVIOUS: &str = "AWSPREVIOUS";

/// About this many versions are kept ("Versions in a secret: ~100" in AWS's quotas).
const MOST_VERSIONS: usize = 100;

/// Versions younger than this are never removed to make room, AWS says.
const PROTECTED: Duration = Duration::from_hours(24);

/// "Labels attached across all versions of a secret: 20" in AWS's quotas.
const MOST_LABELS: usize = 20;

/// A secret.
#[derive(Debug)]
pub(super) struct Secret {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) kms_key_id: Option<String>,
    pub(super) replicas: Vec<Replica>,
    pub(super) tags: BTreeMap<String, String>,
    /// Oldest first.
    pub(super) versions: Vec<Version>,
    pub(super) rotation: Option<Rotation>,
    pub(super) created: Timestamp,
    pub(super) changed: Timestamp,
    pub(super) accessed: Option<Timestamp>,
    pub(super) rotated: Option<Timestamp>,
    /// When the recovery window ends, for a deleted secret.
    pub(super) deletion: Option<Timestamp>,
}

/// A region that the secret is to be replicated to; nothing is replicated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replica {
    pub(super) region: String,
    pub(super) kms_key_id: Option<String>,
}

/// A version of a secret.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) id: String,
    /// `None` for a version that a rotation has staged and the function has not filled yet.
    pub(super) value: Option<SecretValue>,
    /// Whether the value came with the RotationToken of its rotation.
    pub(super) is_vouched_for: bool,
    pub(super) labels: BTreeSet<String>,
    pub(super) created: Timestamp,
    pub(super) accessed: Option<Timestamp>,
}

/// What a version holds. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl Secret {
    pub(super) fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    pub(super) fn labelled(&self, label: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.labels.contains(label))
    }

    /// The version of a rotation that is not complete: AWSPENDING is on it and AWSCURRENT is not.
    pub(super) fn incomplete(&self) -> Option<&Version> {
        self.labelled(PENDING).filter(|version| !version.labels.contains(CURRENT))
    }

    /// Gives a version its value, once and for all, and moves labels to it: AWSCURRENT unless others are named.
    pub(super) fn put(
        &mut self,
        id: &str,
        value: SecretValue,
        labels: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        match self.version_mut(id) {
            Some(Version { value: Some(present), .. }) if *present == value => return Ok(()),
            Some(Version { value: Some(_), .. }) => {
                let message = format!(
                    "You can't use ClientRequestToken {id} because that value is already in use for a version of secret {}.",
                    self.arn
                );
                return Err(ApiError::new("ResourceExistsException", message));
            }
            Some(staged) => staged.value = Some(value),
            None => {
                self.make_room(now)?;
                self.versions.push(Version {
                    id: id.to_owned(),
                    value: Some(value),
                    is_vouched_for: false,
                    labels: BTreeSet::new(),
                    created: now,
                    accessed: None,
                });
            }
        }
        self.changed = now;
        if labels.is_empty() {
            self.attach(CURRENT, id);
        }
        for label in labels {
            self.attach(label, id);
        }
        // The first value of a secret becomes the current one, whatever labels it was given.
        if self.labelled(CURRENT).is_none() {
            self.attach(CURRENT, id);
        }
        Ok(())
    }

    /// Opens a version for a rotation: AWSPENDING is on it, and it has no value yet, or a copy of another's.
    pub(super) fn stage(&mut self, id: &str, value: Option<SecretValue>, now: Timestamp) -> Result<(), ApiError> {
        self.make_room(now)?;
        self.versions.push(Version {
            id: id.to_owned(),
            value,
            is_vouched_for: false,
            labels: BTreeSet::new(),
            created: now,
            accessed: None,
        });
        self.attach(PENDING, id);
        self.changed = now;
        Ok(())
    }

    /// Moves, attaches or removes a label (UpdateSecretVersionStage).
    pub(super) fn move_label(
        &mut self,
        label: &str,
        from: Option<&str>,
        to: Option<&str>,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        for id in from.iter().chain(&to) {
            self.version(id).ok_or_else(|| no_version(id))?;
        }
        let holder = self.labelled(label).map(|version| version.id.clone());
        match (holder.as_deref(), from) {
            (Some(holder), None) if to != Some(holder) => {
                return Err(invalid_parameter(format!(
                    "The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version {holder}, so you must explicitly reference that version in RemoveFromVersionId."
                )));
            }
            (holder, Some(from)) if holder != Some(from) => {
                let message = format!("Staging label {label} is not currently attached to version {from}.");
                return Err(invalid_parameter(message));
            }
            _ => {}
        }
        match to {
            None if from.is_none() => {
                Err(invalid_parameter("You must specify RemoveFromVersionId, MoveToVersionId, or both."))
            }
            None if label == CURRENT => {
                Err(invalid_parameter("You can't remove AWSCURRENT from a version without moving it to another."))
            }
            Some(to) if label == CURRENT && self.version(to).is_some_and(|version| version.value.is_none()) => {
                Err(invalid_parameter(format!("Version {to} has no value, so it can't be AWSCURRENT.")))
            }
            None => {
                self.detach(label);
                self.changed = now;
                Ok(())
            }
            Some(to) => {
                self.check_label_quota(label)?;
                self.attach(label, to);
                self.changed = now;
                Ok(())
            }
        }
    }

    /// Removes a version, with its labels.
    pub(super) fn discard(&mut self, id: &str) {
        self.versions.retain(|version| version.id != id);
    }

    /// Moves a label to a version. AWSPREVIOUS follows AWSCURRENT by itself.
    fn attach(&mut self, label: &str, id: &str) {
        let holder = self.labelled(label).map(|version| version.id.clone());
        if holder.as_deref() == Some(id) {
            return;
        }
        self.detach(label);
        if let Some(version) = self.version_mut(id) {
            version.labels.insert(label.to_owned());
        }
        if label == CURRENT
            && let Some(holder) = holder
        {
            self.attach(PREVIOUS, &holder);
        }
    }

    fn detach(&mut self, label: &str) {
        for version in &mut self.versions {
            version.labels.remove(label);
        }
    }

    pub(super) fn version_mut(&mut self, id: &str) -> Option<&mut Version> {
        self.versions.iter_mut().find(|version| version.id == id)
    }

    fn check_label_quota(&self, label: &str) -> Result<(), ApiError> {
        let attached: usize = self.versions.iter().map(|version| version.labels.len()).sum();
        if attached >= MOST_LABELS && self.labelled(label).is_none() {
            return Err(limit_exceeded(format!("A secret can have {MOST_LABELS} staging labels.")));
        }
        Ok(())
    }

    /// Removes the oldest versions that no label is on and nothing protects, until there is room for one more.
    fn make_room(&mut self, now: Timestamp) -> Result<(), ApiError> {
        while self.versions.len() >= MOST_VERSIONS {
            let old = |version: &Version| now.duration_since(version.created).unsigned_abs() >= PROTECTED;
            let Some(index) = self.versions.iter().position(|version| version.labels.is_empty() && old(version)) else {
                return Err(limit_exceeded(format!("A secret can have {MOST_VERSIONS} versions.")));
            };
            self.versions.remove(index);
        }
        Ok(())
    }
}

impl SecretValue {
    pub(super) fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Secret {
        let now = Timestamp::UNIX_EPOCH;
        Secret {
            arn: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a-AbCdEf".into(),
            name: "a".into(),
            description: None,
            kms_key_id: None,
            replicas: Vec::new(),
            tags: BTreeMap::new(),
            versions: Vec::new(),
            rotation: None,
            created: now,
            changed: now,
            accessed: None,
            rotated: None,
            deletion: None,
        }
    }

    fn put(secret: &mut Secret, id: &str, labels: &[&str], hour: i64) -> Result<(), ApiError> {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let now = Timestamp::UNIX_EPOCH + Duration::from_hours(u64::try_from(hour).unwrap());
        secret.put(id, SecretValue::new(id), &labels, now)
    }

    fn labels(secret: &Secret, id: &str) -> Vec<String> {
        secret.version(id).map(|version| version.labels.iter().cloned().collect()).unwrap_or_default()
    }

    #[test]
    fn previous_follows_current_there_and_back() {
        let mut secret = empty();
        for id in ["a", "b", "c"] {
            put(&mut secret, id, &[], 0).unwrap();
        }
        assert_eq!(labels(&secret, "a"), [""; 0]);
        assert_eq!(labels(&secret, "b"), [PREVIOUS]);
        assert_eq!(labels(&secret, "c"), [CURRENT]);
        secret.move_label(CURRENT, Some("c"), Some("b"), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(labels(&secret, "b"), [CURRENT]);
        assert_eq!(labels(&secret, "c"), [PREVIOUS]);
    }

    #[test]
    fn a_staged_version_takes_one_value_and_can_not_be_current_before() {
        let mut secret = empty();
        put(&mut secret, "a", &[], 0).unwrap();
        secret.stage("b", None, Timestamp::UNIX_EPOCH).unwrap();
        let early = secret.move_label(CURRENT, Some("a"), Some("b"), Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(early.code, "InvalidParameterException");
        put(&mut secret, "b", &[PENDING], 0).unwrap();
        assert_eq!(labels(&secret, "a"), [CURRENT]);
        assert_eq!(labels(&secret, "b"), [PENDING]);
        let other = secret.put("b", SecretValue::new("other"), &BTreeSet::new(), Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(other.code, "ResourceExistsException");
    }

    #[test]
    fn old_versions_without_labels_make_room() {
        let mut secret = empty();
        for number in 0..100 {
            put(&mut secret, &format!("v{number}"), &[], 0).unwrap();
        }
        assert_eq!(put(&mut secret, "young", &[], 23).unwrap_err().code, "LimitExceededException");
        put(&mut secret, "new", &[], 24).unwrap();
        assert!(secret.version("v0").is_none());
        assert_eq!(secret.versions.len(), 100);
        assert_eq!(labels(&secret, "v99"), [PREVIOUS]);
    }

    #[test]
    fn a_secret_has_twenty_labels_at_most() {
        let mut secret = empty();
        put(&mut secret, "a", &[], 0).unwrap();
        for number in 1..20 {
            secret.move_label(&format!("l{number}"), None, Some("a"), Timestamp::UNIX_EPOCH).unwrap();
        }
        let more = secret.move_label("l20", None, Some("a"), Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(more.code, "LimitExceededException");
    }

    #[test]
    fn a_value_is_not_shown() {
        assert_eq!(format!("{:?}", SecretValue::new("hunter2")), "[redacted]");
    }
}
