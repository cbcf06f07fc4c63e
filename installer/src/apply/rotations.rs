//! Rotates users: starts each rotation, waits until its version is current, and looks for the new key.

use std::time::Duration;

use contract::{AccessKeyId, KeyMark, SecretArn, UserName, VersionToken, blocked, tag_keys};
use jiff::{Timestamp, Unit};
use serde::Serialize;
use tokio::time::Instant;

use super::pauses::Pauses;
use crate::aws::secrets::{self, CURRENT, PENDING, Secret};
use crate::aws::users::{self, KeyStatus};
use crate::aws::{CallError, Clients};
use crate::concurrent::{self, Pace};
use crate::config::Config;
use crate::names::log_group;
use crate::session::Session;
use crate::ui::Interrupted;

/// How rotations are begun. Each makes some twenty calls to IAM, which publishes no rate; four a second are far below
/// the 50 that Secrets Manager allows.
const PACE: Pace = Pace { at_once: 16, apart: Duration::from_millis(250) };

/// How long a rotation may take. A new key is accepted after 3 to 15 seconds, and the function starts cold once.
const WITHIN: Duration = Duration::from_secs(90);

/// How long a reason to stop that was there before may stand before it counts again. Secrets Manager goes on with an
/// unfinished rotation within seconds of being asked to.
const OLD_REASON_STANDS: Duration = Duration::from_secs(10);

/// How long the function may be denied a call before that counts: what a stack has allowed it just now is not known everywhere
/// at once, and Secrets Manager tries again.
const DENIAL_STANDS: Duration = Duration::from_secs(20);

/// The reasons to stand still that are gone by themselves, with time or when a key is not used any more: the first two
/// while the superseded key is Active, the others once it is Inactive.
pub const WAITS: [&str; 4] = ["overlap", "in_use", "recovery", "grace"];

/// A user to be rotated.
#[derive(Debug, Clone)]
pub struct Target {
    /// The user, as IAM spells it.
    pub user: UserName,
    /// The name of the user's secret.
    pub secret: String,
}

/// How the rotation of a user ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// The user.
    pub user: UserName,
    /// The name of the user's secret.
    pub secret: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Where the function of the user's cell says more, when it did not come to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_group: Option<String>,
}

/// How a rotation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// The secret holds a new key, which is Active.
    Rotated {
        /// The key.
        key: AccessKeyId,
    },
    /// It waits for a superseded key to go, and goes on by itself.
    Waiting {
        /// The key that it waits for.
        key: AccessKeyId,
        /// Why: one of [`WAITS`].
        reason: String,
        /// When it goes on at the earliest; none when nobody can tell.
        until: Option<Timestamp>,
    },
    /// It did not come to its end.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Rotation {
    /// Whether somebody has to look.
    pub fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
    }

    /// Whether the user has a new key.
    pub fn has_succeeded(&self) -> bool {
        matches!(self.outcome, Outcome::Rotated { .. })
    }
}

/// Rotates users, some at the same time.
///
/// # Errors
/// [`Interrupted`]; a rotation that fails is part of the result.
pub async fn rotate(session: &Session, config: &Config, targets: Vec<Target>) -> Result<Vec<Rotation>, Interrupted> {
    let doing = format!("rotating {}", counted(targets.len()));
    all(session, config, targets.into_iter().map(|target| (target, Start::Ask)).collect(), &doing).await
}

/// Waits for rotations that somebody else has asked for. With each goes the secret as it was before.
///
/// # Errors
/// [`Interrupted`]; a rotation that fails is part of the result.
pub async fn follow(
    session: &Session,
    config: &Config,
    targets: Vec<(Target, Secret)>,
) -> Result<Vec<Rotation>, Interrupted> {
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let doing = format!("waiting for the new keys of {}", counted(targets.len()));
    let targets = targets.into_iter().map(|(target, before)| (target, Start::Asked(Box::new(before))));
    all(session, config, targets.collect(), &doing).await
}

/// How a rotation begins.
#[derive(Debug, Clone)]
enum Start {
    /// It is asked for here.
    Ask,
    /// It was asked for after the secret was like this.
    Asked(Box<Secret>),
}

async fn all(
    session: &Session,
    config: &Config,
    targets: Vec<(Target, Start)>,
    doing: &str,
) -> Result<Vec<Rotation>, Interrupted> {
    let progress = session.printer.progress(doing);
    let (clients, seed) = (&session.clients, session.seed);
    let pauses = (config.settings.deactivate_after, config.settings.delete_after);
    let printer = session.printer.clone();
    let work = concurrent::for_each(targets, PACE, |(target, start)| {
        let (clients, printer, stack) = (clients.clone(), printer.clone(), config.stack.clone());
        async move {
            let (mut cell, mut has_log) = (None, false);
            let outcome = match rotate_one(&clients, &target, start, seed, &mut cell).await {
                Ok(key) => Outcome::Rotated { key },
                Err(Failure::Waits { key, mark, reason }) => {
                    let until = goes_on(&reason, mark, pauses);
                    Outcome::Waiting { key, reason, until }
                }
                Err(failure) => {
                    has_log = failure.is_in_the_log();
                    Outcome::Failed { reason: failure.to_string() }
                }
            };
            let cell = cell.filter(|cell| stack.cell_number(cell).is_some());
            let log_group = has_log.then(|| log_group(cell.as_deref().unwrap_or(stack.as_str())));
            let rotation = Rotation { user: target.user, secret: target.secret, outcome, log_group };
            printer.event("rotation", &rotation);
            rotation
        }
    });
    let rotations = session.interrupts.unless_pressed(work).await;
    drop(progress);
    rotations.map_err(|_| Interrupted { left: "rotations that were begun go on without us".to_owned() })
}

/// Why a rotation did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the secret does not exist")]
    NoSecret,
    #[error("the function stopped it: {0}{meaning}", meaning = meaning(_0))]
    Blocked(String),
    #[error("it waits for the key {key} ({reason})")]
    Waits { key: AccessKeyId, mark: KeyMark, reason: String },
    #[error("it was not done within {} seconds; Secrets Manager tries again by itself", WITHIN.as_secs())]
    TooSlow,
    #[error("the secret has a new version, but the user has no Active key that is as new")]
    NoNewKey,
}

impl Failure {
    /// Whether the function's log says more than is said here.
    fn is_in_the_log(&self) -> bool {
        match self {
            Self::NoSecret | Self::Waits { .. } => false,
            Self::Blocked(reason) => reason != "held",
            Self::Call(_) | Self::TooSlow | Self::NoNewKey => true,
        }
    }
}

/// When a rotation that waits goes on at the earliest: the key is deactivated and then deleted, each after its time. Of a
/// key that is in use nobody can tell.
fn goes_on(reason: &str, mark: KeyMark, (deactivate_after, delete_after): (Duration, Duration)) -> Option<Timestamp> {
    match (reason, mark.deactivated) {
        ("in_use", _) => None,
        (_, Some(deactivated)) => deactivated.saturating_add(delete_after).ok(),
        (_, None) => mark.superseded.saturating_add(deactivate_after.saturating_add(delete_after)).ok(),
    }
}

/// Rotates one user. `cell` becomes the cell that the secret says it belongs to, whatever comes of the rotation.
async fn rotate_one(
    clients: &Clients,
    target: &Target,
    start: Start,
    seed: u64,
    cell: &mut Option<String>,
) -> Result<AccessKeyId, Failure> {
    let (before, is_asked) = match start {
        Start::Ask => (secrets::describe(clients, &target.secret).await?.ok_or(Failure::NoSecret)?, false),
        Start::Asked(before) => (*before, true),
    };
    *cell = before.tag(tag_keys::STACK).map(str::to_owned);
    await_new_version(clients, &before, is_asked, seed).await?;
    // The key was made after the rotation before this one, also when this one is not the first attempt.
    let since = before.last_rotated.or(before.created).map(to_the_second);
    let keys = users::access_keys(clients, &target.user).await?;
    let newest = keys.into_iter().rev().find(|key| key.status == KeyStatus::Active);
    let newest = newest.filter(|key| since.is_none_or(|since| key.created >= since));
    newest.map(|key| key.id).ok_or(Failure::NoNewKey)
}

/// A rotation that is under way.
enum UnderWay {
    /// The one that was asked for here.
    Ours(VersionToken),
    /// An earlier one that was in the way, and the version it makes; none when it was over before anybody could look.
    /// It may also be the test that Secrets Manager makes after a schedule was set: that one leaves no new version.
    Earlier(Option<VersionToken>),
    /// One that somebody else has asked for.
    Asked,
}

/// Starts a rotation, or joins the one that has not come to its end, and waits until its version is current.
async fn await_new_version(clients: &Clients, before: &Secret, is_asked: bool, seed: u64) -> Result<(), Failure> {
    let began = Instant::now();
    let mut pauses = Pauses::new(seed);
    let mut under_way = if is_asked { UnderWay::Asked } else { begin(clients, &before.arn).await? };
    loop {
        let secret = describe(clients, &before.arn).await?;
        let pending = secret.version(PENDING);
        match &under_way {
            UnderWay::Ours(version) | UnderWay::Earlier(Some(version)) if secret.version(CURRENT) == Some(version) => {
                return Ok(());
            }
            UnderWay::Earlier(version) if version.is_none() || pending != version.as_ref() => {
                under_way = begin(clients, &before.arn).await?;
            }
            UnderWay::Asked if secret.version(CURRENT) != before.version(CURRENT) => return Ok(()),
            UnderWay::Ours(_) | UnderWay::Earlier(_) | UnderWay::Asked => {}
        }
        let reason = secret.tag(tag_keys::BLOCKED);
        if let Some(reason) = reason
            && began.elapsed() > stands(reason, before.tag(tag_keys::BLOCKED) == Some(reason))
        {
            // A request whose answer got lost is sent again. When the first one took up an earlier rotation, which has
            // ended meanwhile, the second one has begun another: it may wait, the user has a new key.
            let has_moved = secret.version(CURRENT) != before.version(CURRENT);
            return if has_moved { Ok(()) } else { Err(stands_still(&secret, reason)) };
        }
        if began.elapsed() > WITHIN {
            return Err(Failure::TooSlow);
        }
        tokio::time::sleep(pauses.after(false)).await;
    }
}

/// How long a reason may stand before it counts.
fn stands(reason: &str, was_there_before: bool) -> Duration {
    match (reason, was_there_before) {
        (blocked::DENIED, _) => DENIAL_STANDS,
        (_, true) => OLD_REASON_STANDS,
        (_, false) => Duration::ZERO,
    }
}

/// Why a rotation stands still. A superseded key is kept for a while; its mark says since when.
fn stands_still(secret: &Secret, reason: &str) -> Failure {
    let (waits, is_active) = (WAITS.contains(&reason), ["overlap", "in_use"].contains(&reason));
    let mut marks = secret.marked_keys().filter_map(|key| secret.mark(&key).map(|mark| (key, mark)));
    match marks.find(|(_, mark)| waits && mark.deactivated.is_none() == is_active) {
        Some((key, mark)) => Failure::Waits { key, mark, reason: reason.to_owned() },
        None => Failure::Blocked(reason.to_owned()),
    }
}

async fn begin(clients: &Clients, secret: &SecretArn) -> Result<UnderWay, Failure> {
    match secrets::rotate(clients, secret).await {
        Ok(version) => Ok(UnderWay::Ours(version)),
        Err(error) if secrets::is_unfinished_rotation(&error) => {
            Ok(UnderWay::Earlier(describe(clients, secret).await?.version(PENDING).cloned()))
        }
        Err(error) => Err(error.into()),
    }
}

async fn describe(clients: &Clients, secret: &SecretArn) -> Result<Secret, Failure> {
    secrets::describe(clients, secret.as_str()).await?.ok_or(Failure::NoSecret)
}

/// IAM gives whole seconds only.
fn to_the_second(time: Timestamp) -> Timestamp {
    let rounding = jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Floor);
    time.round(rounding).unwrap_or(time)
}

/// Users in words.
pub fn counted(users: usize) -> String {
    if users == 1 { "1 user".to_owned() } else { format!("{users} users") }
}

/// What the name of a reason means, for a name that this version knows.
fn meaning(reason: &str) -> String {
    blocked::meaning(reason).map(|meaning| format!(" ({meaning})")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
