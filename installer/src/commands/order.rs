//! Orders that the function follows: what `rollback` and `revoke` share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use contract::{OrderAnswer, Outcome, Region, Reissue, UserName, blocked, tag_keys};
use serde::Serialize;

use crate::apply::rotations::Rotation;
use crate::aws::functions::{self, Invoked};
use crate::aws::secrets::Secret;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::names::log_group;
use crate::session::Session;
use crate::template::BoundUser;

/// Why an order was not followed for anybody.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is no function.
    #[error("there is no function `{0}` to follow the order")]
    NotDeployed(String),
    /// It ended with an error.
    #[error("the function `{function}` failed: {message} ({kind})")]
    Failed {
        /// Its name.
        function: String,
        /// The kind of error.
        kind: String,
        /// What it said.
        message: String,
        /// Where it is.
        region: Region,
    },
    /// It answered something else than what became of each user.
    #[error("the function `{function}` did not say what became of {}", missing.join(", "))]
    NoAnswer {
        /// Its name.
        function: String,
        /// Of whom it said nothing.
        missing: Vec<String>,
        /// Where it is.
        region: Region,
    },
}

impl OrderError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NotDeployed(_) => {
                "check the region and `stack` in the configuration; `keyturn bootstrap` deploys the function".to_owned()
            }
            Self::Failed { function, region, .. } | Self::NoAnswer { function, region, .. } => format!(
                "an older function does not know this order: `keyturn bootstrap` deploys the current one; its log says more: `aws logs tail {} --region {region}`; the same order again goes on where it stopped",
                log_group(function)
            ),
        }
    }
}

/// What became of one user.
#[derive(Debug, Serialize)]
pub(super) struct Ordered {
    pub(super) user: UserName,
    pub(super) secret: String,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
    /// The rotation that makes a new key, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rotation: Option<Rotation>,
    /// Other secrets that claim to be the user's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
    /// Where the function says more.
    log_group: String,
}

/// Has the functions follow an order, each for the users of its cell. `event` is the order for some users.
pub(super) async fn give(
    session: &Session,
    config: &Config,
    event: impl Fn(&[&UserName]) -> serde_json::Value,
    users: &[(&BoundUser, &Secret)],
) -> Result<Vec<Ordered>, Error> {
    let progress = session.printer.progress("the function is at it");
    let mut cells: BTreeMap<&str, Vec<&(&BoundUser, &Secret)>> = BTreeMap::new();
    for user in users {
        // A secret of another deployment is none of this one's functions' business, and they say so.
        let cell = user.1.tag(tag_keys::STACK).filter(|cell| config.stack.cell_number(cell).is_some());
        cells.entry(cell.unwrap_or(config.stack.as_str())).or_default().push(user);
    }
    let (mut ordered, mut missing, is_alone) = (Vec::new(), Vec::new(), cells.len() == 1);
    for (cell, users) in cells {
        let names: Vec<&UserName> = users.iter().map(|(user, _)| &user.name).collect();
        let answer = match invoke(session, config, cell, &event(&names)).await {
            // The trouble of one cell keeps no order from the others: a leaked key does not wait.
            Err(error) if !is_alone && !matches!(error, Error::Interrupted(_)) => {
                let failed = |name: &&UserName| (UserName::clone(name), Outcome::Failed { text: error.to_string() });
                OrderAnswer { users: names.iter().map(failed).collect(), ..OrderAnswer::default() }
            }
            answer => answer?,
        };
        for (user, secret) in users {
            let left_out = answer.left_out.iter().filter(|(name, _)| name.is_same_user(&user.name));
            match answer.users.iter().find(|(name, _)| name.is_same_user(&user.name)) {
                Some((_, outcome)) => ordered.push(Ordered {
                    user: user.name.clone(),
                    secret: secret.name.clone(),
                    outcome: outcome.clone(),
                    rotation: None,
                    left_out: left_out.flat_map(|(_, secrets)| secrets).cloned().collect(),
                    log_group: log_group(cell),
                }),
                None => missing.push((cell.to_owned(), format!("`{}`", user.name))),
            }
        }
    }
    drop(progress);
    let Some((function, _)) = missing.first().cloned() else { return Ok(ordered) };
    let missing = missing.into_iter().map(|(_, user)| user).collect();
    Err(OrderError::NoAnswer { function, missing, region: config.region.clone() }.into())
}

async fn invoke(
    session: &Session,
    config: &Config,
    function: &str,
    event: &serde_json::Value,
) -> Result<OrderAnswer, Error> {
    let invoke = functions::invoke(&session.clients, function, event, config.function.timeout);
    let function = function.to_owned();
    match session.interrupts.unless_pressed(invoke).await?? {
        Invoked::Missing => Err(OrderError::NotDeployed(function).into()),
        Invoked::Failed { kind, message } => {
            Err(OrderError::Failed { function, kind, message, region: config.region.clone() }.into())
        }
        Invoked::Answered(answer) => Ok(serde_json::from_value(answer).unwrap_or_default()),
    }
}

/// What became of all users.
#[derive(Serialize)]
pub(super) struct Report {
    users: Vec<Ordered>,
    #[serde(skip)]
    line: Line,
    #[serde(skip)]
    region: Region,
}

/// How one user is told.
type Line = fn(&mut fmt::Formatter<'_>, &Ordered) -> fmt::Result;

impl Report {
    pub(super) fn of(users: Vec<Ordered>, line: Line, region: &Region) -> Self {
        Self { users, line, region: region.clone() }
    }

    /// The exit code: whether every user is as was ordered.
    pub(super) fn exit(&self) -> Exit {
        if self.users.iter().all(Ordered::is_done) { Exit::Done } else { Exit::SomeFailed }
    }
}

impl Ordered {
    fn is_done(&self) -> bool {
        let is_rotated = self.rotation.as_ref().is_some_and(Rotation::has_succeeded);
        match &self.outcome {
            Outcome::RolledBack { .. } | Outcome::Nothing { .. } => true,
            Outcome::Revoked { reissue, .. } => is_rotated || *reissue == Reissue::NotNeeded,
            Outcome::Blocked { .. } | Outcome::Refused { .. } | Outcome::Failed { .. } => false,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for user in &self.users {
            (self.line)(f, user)?;
            for secret in &user.left_out {
                writeln!(
                    f,
                    "{}: the secret `{secret}` claims by its tags to be this user's too, and is left out",
                    user.user
                )?;
            }
        }
        let has_failed = |user: &Ordered| {
            let rotation = user.rotation.as_ref().is_some_and(|rotation| rotation.log_group.is_some());
            rotation || matches!(user.outcome, Outcome::Failed { .. })
        };
        let region = &self.region;
        let logs: BTreeSet<&str> =
            self.users.iter().filter(|user| has_failed(user)).map(|user| user.log_group.as_str()).collect();
        logs.iter()
            .try_for_each(|log| writeln!(f, "the function's log says more: `aws logs tail {log} --region {region}`"))
    }
}

/// What every order may lead to, beside what it is for.
pub(super) fn unusual(f: &mut fmt::Formatter<'_>, user: &UserName, outcome: &Outcome) -> fmt::Result {
    match outcome {
        Outcome::Nothing { why } => writeln!(f, "{user}: nothing to do: {why}"),
        Outcome::Blocked { reason, text } => {
            // What is the matter is said with the keys; what to do about it is the same for everybody.
            let advice = blocked::meaning(reason).and_then(|meaning| meaning.split_once("; "));
            let advice = advice.map(|(_, advice)| format!("; {advice}")).unwrap_or_default();
            writeln!(f, "{user}: blocked, nothing was changed: {text}{advice}")
        }
        Outcome::Refused { text } => writeln!(f, "{user}: refused, nothing was changed: {text}"),
        Outcome::Failed { text } => {
            writeln!(f, "{user}: failed: {text}; the same command again goes on where this one stopped")
        }
        Outcome::RolledBack { .. } | Outcome::Revoked { .. } => Ok(()),
    }
}
