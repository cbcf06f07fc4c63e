//! What tests may do to secrets as a person with every permission does it, also in the middle of a call.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::error::not_found;
use super::lookup::{alive, by_name};
use super::secret::{PENDING, SecretValue};
use super::{api, rotation};
use crate::{ApiError, World};

impl World {
    /// Puts a value into a secret, as PutSecretValue does without labels: it becomes the current one. Gives the id of
    /// its version.
    ///
    /// # Errors
    /// When the secret is not there or is on its way to deletion.
    pub fn put_secret_value(
        &mut self,
        account: &str,
        region: &str,
        name: &str,
        value: &str,
    ) -> Result<String, ApiError> {
        let arn = arn_of(self, account, region, name)?;
        let (id, now) = (self.random_uuid(), self.now());
        alive(self, &arn)?.put(&id, SecretValue::new(value), &BTreeSet::new(), now)?;
        rotation::plan_next(self, &arn);
        Ok(id)
    }

    /// Sets tags of a secret; those with other keys stay as they are.
    ///
    /// # Errors
    /// When the secret is not there or is on its way to deletion.
    pub fn tag_secret(
        &mut self,
        account: &str,
        region: &str,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        let arn = arn_of(self, account, region, name)?;
        alive(self, &arn)?.tags.extend(tags.clone());
        Ok(())
    }

    /// Says when a rotation of a secret last came to its end.
    ///
    /// # Errors
    /// When the secret is not there or is on its way to deletion.
    pub fn backdate_rotation(
        &mut self,
        account: &str,
        region: &str,
        name: &str,
        at: Timestamp,
    ) -> Result<(), ApiError> {
        let arn = arn_of(self, account, region, name)?;
        alive(self, &arn)?.rotated = Some(at);
        Ok(())
    }

    /// Gives the version that a rotation has staged its value, as PutSecretValue does for whoever knows the token.
    ///
    /// # Errors
    /// When the secret is not there or is on its way to deletion, no version is staged, or the version has a value.
    pub fn put_pending_value(&mut self, account: &str, region: &str, name: &str, value: &str) -> Result<(), ApiError> {
        let arn = arn_of(self, account, region, name)?;
        let now = self.now();
        let secret = alive(self, &arn)?;
        let id = secret.incomplete().map(|version| version.id.clone()).ok_or_else(not_found)?;
        secret.put(&id, SecretValue::new(value), &BTreeSet::from([PENDING.to_owned()]), now)
    }

    /// Moves a staging label to a version, from wherever it is, or takes it off with `None`, as UpdateSecretVersionStage
    /// does.
    ///
    /// # Errors
    /// When the secret or the version is not there, or the label must not go there.
    pub fn move_label(
        &mut self,
        account: &str,
        region: &str,
        name: &str,
        label: &str,
        to: Option<&str>,
    ) -> Result<(), ApiError> {
        let arn = arn_of(self, account, region, name)?;
        let now = self.now();
        let secret = alive(self, &arn)?;
        let from = secret.labelled(label).map(|version| version.id.clone());
        secret.move_label(label, from.as_deref(), to, now)
    }

    /// Has no more than so many rotations be under way at once; others that begin wait in turn. Secrets Manager may spread
    /// rotations over their windows as it likes.
    pub fn rotate_at_once(&mut self, most: usize) {
        self.secrets_manager.most_rotations = Some(most);
        rotation::admit_waiting(self);
    }

    /// Turns the rotation of a secret off and ends the one under way, as CancelRotateSecret does.
    ///
    /// # Errors
    /// When the secret is not there or is not rotated.
    pub fn cancel_rotation(&mut self, account: &str, region: &str, name: &str) -> Result<(), ApiError> {
        let arn = arn_of(self, account, region, name)?;
        api::rotate::cancel(self, &arn)
    }
}

fn arn_of(world: &World, account: &str, region: &str, name: &str) -> Result<String, ApiError> {
    by_name(world, account, region, name).map(|secret| secret.arn.clone()).ok_or_else(not_found)
}
