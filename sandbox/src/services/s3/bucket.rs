//! A bucket: its settings and the versions of its objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::error::{access_denied, no_such_bucket};
use crate::{ApiError, World};

/// A bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) settings: Settings,
    /// The bucket policy.
    pub(super) policy: Option<Value>,
    /// The versions of every object, oldest first.
    pub(super) objects: BTreeMap<String, Vec<Version>>,
}

/// What a bucket is configured with. Only versioning has an effect, and that public policies are blocked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Settings {
    pub(super) versioned: bool,
    /// The others, by the names that CloudFormation has for them.
    pub(super) others: BTreeMap<String, Value>,
    pub(super) tags: BTreeMap<String, String>,
}

/// One version of an object.
#[derive(Debug)]
pub(super) struct Version {
    /// `null` in a bucket without versioning.
    pub(super) id: String,
    /// `None` for a delete marker.
    pub(super) body: Option<Arc<[u8]>>,
    pub(super) etag: String,
    /// The SHA-256 in base64, when whoever stored it gave one.
    pub(super) sha256: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) modified: Timestamp,
}

impl Settings {
    /// Whether a policy that lets anybody in is refused.
    pub(super) fn blocks_public_policies(&self) -> bool {
        let blocked = self.others.get("PublicAccessBlockConfiguration");
        blocked.and_then(|it| it.get("BlockPublicPolicy")).is_some_and(|it| it == true || it == "true")
    }
}

impl Bucket {
    /// The latest version of an object, which may be a delete marker.
    pub(super) fn latest(&self, key: &str) -> Option<&Version> {
        self.objects.get(key).and_then(|versions| versions.last())
    }

    pub(super) fn version(&self, key: &str, id: &str) -> Option<&Version> {
        self.objects.get(key)?.iter().find(|version| version.id == id)
    }

    /// Adds a version; without versioning it takes the place of the one that is there.
    pub(super) fn push(&mut self, key: &str, version: Version) {
        let versions = self.objects.entry(key.to_owned()).or_default();
        if !self.settings.versioned {
            versions.retain(|present| present.id != version.id);
        }
        versions.push(version);
    }

    /// Removes one version for good; gives it back.
    pub(super) fn remove(&mut self, key: &str, id: &str) -> Option<Version> {
        let versions = self.objects.get_mut(key)?;
        let index = versions.iter().position(|version| version.id == id)?;
        let removed = versions.remove(index);
        if versions.is_empty() {
            self.objects.remove(key);
        }
        Some(removed)
    }

    /// A bucket answers only where it is.
    pub(super) fn check_region(&self, region: &str) -> Result<(), ApiError> {
        if self.region == region {
            return Ok(());
        }
        let message =
            format!("The bucket is in this region: {}. Please use this region to retry the request", self.region);
        Err(ApiError::new("PermanentRedirect", message).with_status(301))
    }
}

/// The bucket. Whoever comes from another account has been let in by its policy.
pub(super) fn named<'a>(world: &'a mut World, name: &str) -> Result<&'a mut Bucket, ApiError> {
    world.s3.buckets.get_mut(name).ok_or_else(no_such_bucket)
}

/// The bucket, if it belongs to the account: nobody configures one of another account.
pub(super) fn of_account<'a>(world: &'a mut World, account: &str, name: &str) -> Result<&'a mut Bucket, ApiError> {
    let bucket = named(world, name)?;
    if bucket.account == account { Ok(bucket) } else { Err(access_denied()) }
}

/// Bucket names: 3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit at both ends.
pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ends = name.starts_with(legal) && name.ends_with(legal);
    let is_address = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    if (3..=63).contains(&name.len())
        && name.chars().all(|c| legal(c) || ".-".contains(c))
        && ends
        && !name.contains("..")
        && !name.starts_with("xn--")
        && !is_address
    {
        return Ok(());
    }
    Err(ApiError::new("InvalidBucketName", format!("The specified bucket is not valid: {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["abc", "keyturn-artifacts-111122223333-eu-central-1", "a.b-c", "0ab"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["ab", "Abc", "a_b", "-ab", "ab-", "a..b", "xn--abc", "1.2.3.4", &"a".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
