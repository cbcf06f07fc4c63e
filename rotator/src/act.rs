//! The write phase: of `createSecret`, and what it shares with the sweeper and with orders. It makes no choices of its
//! own: each function does what was decided, in the one order in which dying after any line leaves a state that the
//! next attempt understands.

use std::time::Duration;

use contract::{AccessKeyId, Attempt, KeyMark, KeyPair, SecretArn, SecretText, UserName, tag_keys};
use tokio::time::Instant;

use crate::aws::iam::Created;
use crate::aws::secrets::Stored;
use crate::aws::{Clients, iam, secrets};
use crate::blocked::Blocked;
use crate::error::RotationError;
use crate::event::RotationEvent;
use crate::observed::{Description, KeyStatus, Observed, PENDING};
use crate::retire::{Doomed, stale_tags};
use crate::slots::KEYS_PER_USER;

/// The time that must be left before anything begins to change: its calls with their time-outs, and a bit.
/// [`contract::SHORTEST_TIMEOUT`] leaves as much again for reading.
pub(crate) const TIME_TO_ACT: Duration = Duration::from_secs(30);

/// What a version of a secret can hold, in bytes (Secrets Manager quotas, "Size of a secret value").
const LARGEST_VALUE: usize = 65_536;

/// What every change is done with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) secret: &'a SecretArn,
    pub(crate) user: &'a UserName,
}

impl Target<'_> {
    /// Refuses to touch the key that applications hold at this very moment (R1).
    async fn protect_current(&self, key: &AccessKeyId) -> Result<(), RotationError> {
        let current = secrets::current_value(self.clients, self.secret).await?;
        let is_current = current.key.is_some_and(|current| &current.id == key);
        if is_current { Err(RotationError::CurrentKeyProtected) } else { Ok(()) }
    }

    /// Deactivates a key. A rollback may make it current in the same moment: it looks at the key after it has moved the
    /// label, and this looks at the label after it has changed the key, so one of the two sees the other.
    async fn deactivate(&self, key: &AccessKeyId) -> Result<(), RotationError> {
        self.protect_current(key).await?;
        iam::deactivate_key(self.clients, self.user, key).await?;
        let unchanged = self.protect_current(key).await;
        // Also when it cannot be seen: a key that goes later is nobody's outage.
        if unchanged.is_err() {
            iam::activate_key(self.clients, self.user, key).await?;
        }
        unchanged
    }

    /// Deactivates a key that a person has revoked, also when applications hold it: the one exception to R1. What makes
    /// it right is the tag, so it must still be there.
    pub(crate) async fn deactivate_revoked(&self, key: &AccessKeyId) -> Result<(), RotationError> {
        self.confirm_revoked(key).await?;
        Ok(iam::deactivate_key(self.clients, self.user, key).await?)
    }

    /// Deletes the current key after a person has revoked it and it was deactivated, by the same exception to R1.
    async fn delete_revoked_current(&self, key: &AccessKeyId) -> Result<(), RotationError> {
        self.confirm_inactive(key).await?;
        self.confirm_revoked(key).await?;
        Ok(iam::delete_key(self.clients, self.user, key).await?)
    }

    async fn confirm_revoked(&self, key: &AccessKeyId) -> Result<(), RotationError> {
        let secret = secrets::describe(self.clients, self.secret).await?;
        if secret.is_revoked(key) { Ok(()) } else { Err(RotationError::NotRevoked) }
    }

    /// Refuses to delete a key that works, or that somebody has brought back meanwhile (R4).
    async fn confirm_inactive(&self, key: &AccessKeyId) -> Result<(), RotationError> {
        let keys = iam::keys(self.clients, self.user).await?;
        let works = keys.iter().any(|listed| &listed.id == key && listed.status != KeyStatus::Inactive);
        if works { Err(RotationError::KeyReactivated) } else { Ok(()) }
    }

    /// Deletes a key that nobody has: one that this attempt has made and could not store, or an orphan. It is made
    /// Inactive first, as every key is that is deleted (R4).
    async fn discard(&self, key: &AccessKeyId) -> Result<(), RotationError> {
        self.deactivate(key).await?;
        self.protect_current(key).await?;
        Ok(iam::delete_key(self.clients, self.user, key).await?)
    }

    /// Deletes a key that has been Inactive for long. Another sweep may have deactivated it again after somebody had brought
    /// it back: then its mark is no longer the one that was `seen`, and its grace has only begun. The mark is changed
    /// before the key, so it is read behind the key.
    async fn delete_inactive(&self, key: &AccessKeyId, seen: &Description) -> Result<(), RotationError> {
        self.confirm_inactive(key).await?;
        let secret = secrets::describe(self.clients, self.secret).await?;
        let mark = tag_keys::mark_of(key);
        if secret.tags.get(&mark) != seen.tags.get(&mark) {
            return Err(RotationError::KeyReactivated);
        }
        self.protect_current(key).await?;
        Ok(iam::delete_key(self.clients, self.user, key).await?)
    }

    /// Deletes a key, in the way that its kind wants. `seen` is the secret as it was when that was decided.
    pub(crate) async fn delete(&self, doomed: &Doomed, seen: &Description) -> Result<(), RotationError> {
        match doomed {
            Doomed::Inactive(key) => self.delete_inactive(key, seen).await,
            Doomed::Orphan(key) => self.discard(key).await,
            Doomed::RevokedCurrent(key) => self.delete_revoked_current(key).await,
        }
    }

    /// Marks a key as superseded, deactivates it, and only then marks it as deactivated. An earlier mark may say so
    /// already, from before somebody brought the key back: dying in between must not leave a mark that claims too
    /// much, or a later deletion would come too early.
    pub(crate) async fn deactivate_and_mark(&self, key: &AccessKeyId, mark: KeyMark) -> Result<(), RotationError> {
        self.mark(key, KeyMark { deactivated: None, ..mark }).await?;
        self.deactivate(key).await?;
        self.mark(key, mark).await
    }

    /// Marks a key as on its way out.
    pub(crate) async fn mark(&self, key: &AccessKeyId, mark: KeyMark) -> Result<(), RotationError> {
        Ok(secrets::tag(self.clients, self.secret, &tag_keys::mark_of(key), &mark.to_tag()).await?)
    }

    /// Takes the mark off a key.
    pub(crate) async fn unmark(&self, key: &AccessKeyId) -> Result<(), RotationError> {
        Ok(secrets::untag(self.clients, self.secret, vec![tag_keys::mark_of(key)]).await?)
    }
}

/// Frees the slots, records the attempt, creates a key and stores it. `latest` is when a key may be created at the
/// latest: whoever creates one needs the time to store it.
pub(crate) async fn create(
    target: Target<'_>,
    event: &RotationEvent,
    observed: &Observed,
    room: (&[Doomed], &Attempt),
    latest: Instant,
) -> Result<AccessKeyId, RotationError> {
    let (delete, attempt) = room;
    // What the new version will be made of comes first: whoever cannot store a key must not create one.
    let renderings = observed.secret.renderings().map_err(|_| RotationError::Blocked(Blocked::UnreadableMark))?;
    let region = event.secret.region().map_err(|_| RotationError::Answer("ARN"))?;
    for doomed in delete {
        target.delete(doomed, &observed.secret).await?;
    }
    secrets::tag(target.clients, target.secret, tag_keys::ATTEMPT, &attempt.to_tag()).await?;
    let stale = stale_tags(observed, delete);
    if !stale.is_empty() {
        secrets::untag(target.clients, target.secret, stale).await?;
    }
    if Instant::now() > latest {
        return Err(RotationError::OutOfTime);
    }
    let key = create_key(target).await?;
    let id = key.id.clone();
    let value = observed.current.document.with_key(key, &renderings, &region).to_text();
    store(target, event, &id, &value).await
}

async fn create_key(target: Target<'_>) -> Result<KeyPair, RotationError> {
    if let Created::Key(key) = iam::create_key(target.clients, target.user).await? {
        return Ok(key);
    }
    // A key deleted a moment ago may still count somewhere. What was refused was not created, so one more try is safe.
    if iam::keys(target.clients, target.user).await?.len() < KEYS_PER_USER
        && let Created::Key(key) = iam::create_key(target.clients, target.user).await?
    {
        return Ok(key);
    }
    Err(RotationError::Blocked(Blocked::KeyLimit))
}

/// Stores a new key as the pending value. A key that does not get there is deleted again: nobody else knows its
/// secret half (R3).
async fn store(
    target: Target<'_>,
    event: &RotationEvent,
    id: &AccessKeyId,
    value: &SecretText,
) -> Result<AccessKeyId, RotationError> {
    let Target { clients, secret, .. } = target;
    let failure = match secrets::put_pending(clients, secret, &event.token, event.rotation_token.as_ref(), value).await
    {
        Ok(Stored::Done) => return Ok(id.clone()),
        Ok(Stored::OtherValue) => None,
        Err(error) => Some(error),
    };
    // Another attempt was faster, or nobody knows: a refusal may belong to a second try, after a first one that was
    // done and whose answer was lost. What the version holds now decides.
    let stored = secrets::value(clients, secret, &event.token).await?;
    let stored = stored.and_then(|value| value.document(PENDING).ok()).and_then(|document| document.key);
    match stored {
        Some(stored) if &stored.id == id => Ok(stored.id),
        stored => {
            target.discard(id).await?;
            let failure = match failure {
                None => RotationError::Answer("SecretString"),
                // The limit explains a refusal, and causes none: Secrets Manager may take more one day.
                Some(_) if value.expose().len() > LARGEST_VALUE => RotationError::Blocked(Blocked::TooLarge),
                Some(error) => RotationError::Call(error),
            };
            stored.map(|stored| stored.id).ok_or(failure)
        }
    }
}
