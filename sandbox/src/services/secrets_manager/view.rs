//! What tests and the demo may do with secrets directly: look at them, and put them there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::lookup::{arn_prefix, by_name};
use super::secret::{Secret, SecretValue};
use crate::{ApiError, World};

/// A secret as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretView {
    /// The ARN, with its six random characters.
    pub arn: String,
    /// The name.
    pub name: String,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// The regions of its replicas.
    pub replicas: Vec<String>,
    /// The versions, oldest first, also those without a label.
    pub versions: Vec<VersionView>,
    /// Whether it is rotated on schedule.
    pub rotation_enabled: bool,
    /// When the last rotation was completed.
    pub last_rotated: Option<Timestamp>,
    /// When the next rotation window opens.
    pub next_rotation: Option<Timestamp>,
    /// When the recovery window ends, if the secret was deleted.
    pub deletion: Option<Timestamp>,
}

/// A version of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionView {
    /// The id, which is the ClientRequestToken that it was made with.
    pub id: String,
    /// The staging labels.
    pub labels: BTreeSet<String>,
    /// When it was made.
    pub created: Timestamp,
    /// The value; `None` while a rotation has staged it only.
    pub value: Option<SecretValue>,
    /// Whether the value came with the RotationToken of its rotation.
    pub is_vouched_for: bool,
}

impl SecretView {
    /// The version that bears a staging label.
    pub fn labelled(&self, label: &str) -> Option<&VersionView> {
        self.versions.iter().find(|version| version.labels.contains(label))
    }
}

impl World {
    /// Creates a secret, as CreateSecret does, without a permission being needed. Gives its ARN.
    ///
    /// # Errors
    /// When there is one of that name already.
    pub fn create_secret(
        &mut self,
        account: &str,
        region: &str,
        name: &str,
        value: &str,
        tags: &[(&str, &str)],
    ) -> Result<String, ApiError> {
        let id = self.random_uuid();
        let arn = super::api::create::open(self, account, region, name)?;
        let now = self.now();
        if let Some(secret) = self.secrets_manager.secrets.get_mut(&arn) {
            secret.tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            secret.put(&id, SecretValue::new(value), &BTreeSet::new(), now)?;
        }
        Ok(arn)
    }

    /// The secret with this name.
    pub fn secret(&self, account: &str, region: &str, name: &str) -> Option<SecretView> {
        by_name(self, account, region, name).map(view)
    }

    /// Every secret of an account and region.
    pub fn secrets(&self, account: &str, region: &str) -> Vec<SecretView> {
        let prefix = arn_prefix(account, region);
        let secrets = self.secrets_manager.secrets.range(prefix.clone()..);
        secrets.take_while(|(arn, _)| arn.starts_with(&prefix)).map(|(_, secret)| view(secret)).collect()
    }

    /// The value that a staging label of a secret is on.
    pub fn secret_value(&self, account: &str, region: &str, name: &str, label: &str) -> Option<&str> {
        let version = by_name(self, account, region, name)?.labelled(label)?;
        version.value.as_ref().map(SecretValue::expose)
    }
}

fn view(secret: &Secret) -> SecretView {
    let versions = secret.versions.iter().map(|version| VersionView {
        id: version.id.clone(),
        labels: version.labels.clone(),
        created: version.created,
        value: version.value.clone(),
        is_vouched_for: version.is_vouched_for,
    });
    SecretView {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        tags: secret.tags.clone(),
        replicas: secret.replicas.iter().map(|replica| replica.region.clone()).collect(),
        versions: versions.collect(),
        rotation_enabled: secret.rotation.as_ref().is_some_and(|rotation| rotation.enabled),
        last_rotated: secret.rotated,
        next_rotation: secret.rotation.as_ref().and_then(|rotation| rotation.next).map(|window| window.opens),
        deletion: secret.deletion,
    }
}
