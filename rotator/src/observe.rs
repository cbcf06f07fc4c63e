//! The read phase: everything a step decides on, read afresh in each invocation.

use std::collections::BTreeMap;

use contract::{AccessKeyId, SecretArn, VersionToken};

use crate::aws::{Clients, iam, secrets};
use crate::blocked::Blocked;
use crate::error::{Refusal, RotationError};
use crate::observed::{CURRENT, Description, Evidence, Key, Observed, PENDING, PREVIOUS, User, Version};
use crate::protocol::Binding;
use crate::scope::Scope;

/// The most versions whose values are looked through for a key. Secrets Manager keeps about 100 without a label.
const VERSIONS_LOOKED_THROUGH: usize = 200;

/// Reads what every step after the gate needs. `token` is the version that a rotation prepares, if one is under way.
pub(crate) async fn observe(
    clients: &Clients,
    secret: &SecretArn,
    token: Option<&VersionToken>,
    description: Description,
    binding: &Binding,
) -> Result<Observed, RotationError> {
    let current = description.labelled(CURRENT).cloned().ok_or(RotationError::Refused(Refusal::NoCurrent))?;
    let previous = description.labelled(PREVIOUS).cloned();
    let current = match version(clients, secret, &current, CURRENT).await {
        Err(RotationError::Document { source, .. }) => {
            return Err(RotationError::Blocked(Blocked::UnreadableValue(source)));
        }
        current => current?,
    };
    let pending = match token {
        None => None,
        Some(token) => version(clients, secret, token, PENDING).await?,
    };
    let previous = match previous {
        None => None,
        Some(previous) => readable(version(clients, secret, &previous, PREVIOUS).await)?,
    };
    let user = iam::user(clients, &binding.user).await?;
    Ok(Observed {
        secret: description,
        current: current.ok_or(RotationError::Refused(Refusal::NoCurrent))?,
        pending,
        previous,
        user: user.ok_or(RotationError::Blocked(Blocked::UserReplaced))?,
        keys: iam::keys(clients, &binding.user).await?,
        evidence: BTreeMap::new(),
    })
}

/// Reads the same for whoever comes between two steps. A pending version that holds no document holds no key of
/// anybody's: createSecret gives it up, and until then it counts as one without a value.
pub(crate) async fn observe_between_steps(
    clients: &Clients,
    secret: &SecretArn,
    description: Description,
    binding: &Binding,
) -> Result<Observed, RotationError> {
    let pending = description.unfinished().cloned();
    match observe(clients, secret, pending.as_ref(), description.clone(), binding).await {
        Err(RotationError::Document { label: PENDING, .. }) => {
            observe(clients, secret, None, description, binding).await
        }
        observed => observed,
    }
}

/// Checks that the function enrols the user, where it enrols anybody: by name, path and tags as they are now, and as the
/// enroller does. Somebody else may have made the secret, for a user who is exempt.
pub(crate) async fn check_enrolled(clients: &Clients, scope: &Scope, user: &User) -> Result<(), RotationError> {
    let Some(enrolment) = &scope.enrolment else { return Ok(()) };
    let is_covered = enrolment.may_cover(&user.name, &user.path)
        && (!enrolment.asks_for_tags()
            || iam::tags(clients, &user.name).await?.is_some_and(|tags| enrolment.covers_tags(&tags)));
    if is_covered { Ok(()) } else { Err(RotationError::Blocked(Blocked::Left)) }
}

async fn version(
    clients: &Clients,
    secret: &SecretArn,
    token: &VersionToken,
    label: &'static str,
) -> Result<Option<Version>, RotationError> {
    let Some(value) = secrets::value(clients, secret, token).await? else { return Ok(None) };
    Ok(Some(Version { token: token.clone(), created: value.created, document: value.document(label)? }))
}

/// A version that is not a document of ours holds no key of ours. Failing to read it is another matter (R5).
fn readable(version: Result<Option<Version>, RotationError>) -> Result<Option<Version>, RotationError> {
    match version {
        Err(RotationError::Document { .. }) => Ok(None),
        version => version,
    }
}

/// Looks up what must be known about the other keys before one of them may go.
pub(crate) async fn gather_evidence(
    clients: &Clients,
    secret: &SecretArn,
    observed: &mut Observed,
) -> Result<(), RotationError> {
    let stored = stored_keys(clients, secret, observed).await?;
    let mut evidence = BTreeMap::new();
    for key in others(observed) {
        let last_use = iam::last_use(clients, &key.id).await?;
        evidence.insert(key.id.clone(), Evidence { last_use, in_a_version: stored.contains(&key.id) });
    }
    observed.evidence = evidence;
    Ok(())
}

/// All keys but the current one.
fn others(observed: &Observed) -> impl Iterator<Item = &Key> {
    observed.keys.iter().filter(|key| Some(&key.id) != observed.current.key())
}

/// The keys in the versions of the secret. The versions without a label are read only when there is a key of which
/// nothing else is known.
pub(crate) async fn stored_keys(
    clients: &Clients,
    secret: &SecretArn,
    observed: &Observed,
) -> Result<Vec<AccessKeyId>, RotationError> {
    let known = [Some(&observed.current), observed.pending.as_ref(), observed.previous.as_ref()];
    let known: Vec<&Version> = known.into_iter().flatten().collect();
    let mut stored: Vec<AccessKeyId> = known.iter().filter_map(|version| version.key().cloned()).collect();
    // What is marked is known to have been ours.
    let is_known =
        |key: &Key| stored.contains(&key.id) || observed.secret.mark(&key.id).is_ok_and(|mark| mark.is_some());
    if !others(observed).all(is_known) {
        stored.extend(keys_in_other_versions(clients, secret, &known).await?);
    }
    Ok(stored)
}

/// The keys in the versions that are not known yet, also in those that have lost their label.
async fn keys_in_other_versions(
    clients: &Clients,
    secret: &SecretArn,
    known: &[&Version],
) -> Result<Vec<AccessKeyId>, RotationError> {
    let tokens = secrets::versions(clients, secret).await?;
    if tokens.len() > VERSIONS_LOOKED_THROUGH {
        return Err(RotationError::Blocked(Blocked::TooManyVersions));
    }
    let mut keys = Vec::new();
    for token in tokens.iter().filter(|token| known.iter().all(|version| version.token != **token)) {
        let version = readable(version(clients, secret, token, "without a label").await)?;
        keys.extend(version.and_then(|version| version.key().cloned()));
    }
    Ok(keys)
}
