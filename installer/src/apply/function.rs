//! Checks that the function is there, can be invoked, and runs the code that was deployed.

use std::time::Duration;

use contract::Region;
use serde_json::json;
use tokio::time::Instant;

use super::pauses::Pauses;
use crate::artifact::{Artifact, digest_of};
use crate::aws::CallError;
use crate::aws::functions::{self, Function, Invoked};
use crate::config::Config;
use crate::names::log_group;
use crate::session::Session;

/// How long a function may take to become Active: with a network of its own it can take more than a minute.
const ACTIVE_WITHIN: Duration = Duration::from_secs(180);

/// Why the function is not fit for use, although CloudFormation says that it was deployed.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It is not there.
    #[error("the stack was deployed, but Lambda knows no function `{0}`")]
    Missing(String),
    /// It is not ready.
    #[error("the function `{name}` is not ready: state `{}`, last update `{}`", found.state, found.last_update)]
    NotReady {
        /// The function.
        name: String,
        /// What Lambda says.
        found: Function,
    },
    /// It runs something else.
    #[error("the function `{name}` runs code with the SHA-256 `{found}` instead of `{wanted}`")]
    OtherCode {
        /// The function.
        name: String,
        /// What Lambda says, in base64.
        found: String,
        /// What was deployed, in base64.
        wanted: String,
    },
    /// It does not come to an answer.
    #[error("the function `{name}` crashes: {message} ({kind})")]
    Crashes {
        /// The function.
        name: String,
        /// The kind of error, as Lambda calls it.
        kind: String,
        /// What Lambda says.
        message: String,
        /// Where it is.
        region: Region,
    },
}

impl FunctionError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Call(error) => error.hint().unwrap_or_else(|| "run the same command again".to_owned()),
            Self::Missing(name) | Self::NotReady { name, .. } => {
                format!("look at `aws lambda get-function --function-name {name}`, then run the same command again")
            }
            Self::Crashes { name, region, .. } => format!(
                "nobody was rotated; deploy the function that belongs to this keyturn: leave `--artifact` out, or give it the file `bootstrap` that `cargo build --profile function -p rotator` makes; its log says more: `aws logs tail {} --region {region}`",
                log_group(name)
            ),
            Self::OtherCode { name, .. } => format!(
                "somebody changes the function `{name}` past CloudFormation: look for UpdateFunctionCode in CloudTrail, then run the same command again, which puts back what was deployed"
            ),
        }
    }
}

/// Waits until the function is ready, and checks its code.
///
/// # Errors
/// [`FunctionError`].
pub(super) async fn check(session: &Session, name: &str, artifact: &Artifact) -> Result<(), FunctionError> {
    let mut found = None;
    let wait = async {
        let mut pauses = Pauses::new(session.seed);
        loop {
            found = functions::describe(&session.clients, name).await?;
            match &found {
                Some(function) if function.state == "Active" && function.last_update == "Successful" => break Ok(()),
                None => break Err(FunctionError::Missing(name.to_owned())),
                Some(_) => tokio::time::sleep(pauses.after(false)).await,
            }
        }
    };
    let waited = tokio::time::timeout(ACTIVE_WITHIN, wait).await.unwrap_or(Ok(()));
    waited?;
    let found = found.ok_or_else(|| FunctionError::Missing(name.to_owned()))?;
    if found.state != "Active" || found.last_update != "Successful" {
        return Err(FunctionError::NotReady { name: name.to_owned(), found });
    }
    let wanted = digest_of(&artifact.object_key()).unwrap_or_default();
    if wanted == found.code_sha256 {
        Ok(())
    } else {
        Err(FunctionError::OtherCode { name: name.to_owned(), found: found.code_sha256, wanted })
    }
}

/// Gives the function the code back that was deployed.
///
/// # Errors
/// [`FunctionError`].
pub(super) async fn restore(
    session: &Session,
    config: &Config,
    name: &str,
    (bucket, artifact): (&str, &Artifact),
) -> Result<(), FunctionError> {
    let (clients, key) = (&session.clients, artifact.object_key());
    functions::put_code(clients, name, bucket, &key, config.function.architecture).await?;
    check(session, name, artifact).await
}

/// What Lambda calls errors that no code of the function has answered with, such as `Runtime.ExitError`.
const CRASHES: [&str; 2] = ["Runtime.", "Sandbox."];

/// Invokes the function once, to see that it answers at all: asked to rotate nobody, it changes nothing. An error that it
/// answers with is an answer.
///
/// # Errors
/// [`FunctionError`].
pub(super) async fn try_out(session: &Session, config: &Config, name: &str) -> Result<(), FunctionError> {
    let nobody = json!({ "rotate": [] });
    match functions::invoke(&session.clients, name, &nobody, config.function.timeout).await? {
        Invoked::Missing => Err(FunctionError::Missing(name.to_owned())),
        Invoked::Failed { kind, message } if CRASHES.iter().any(|crash| kind.starts_with(crash)) => {
            Err(FunctionError::Crashes { name: name.to_owned(), kind, message, region: config.region.clone() })
        }
        Invoked::Failed { .. } | Invoked::Answered(_) => Ok(()),
    }
}

/// How long a function may take until it can work. IAM calls it "a few seconds" until every region knows a new policy.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// Waits until the function can do its work, after an express deployment that has waited for nothing: has it sweep, which
/// needs its role and all policies, and which its schedule has it do anyway. Says why not, when it still cannot: then the
/// rotations tell more, and are tried again by themselves.
///
/// # Errors
/// [`FunctionError`].
pub(super) async fn await_ready(
    session: &Session,
    config: &Config,
    name: &str,
) -> Result<Option<String>, FunctionError> {
    let (timeout, event) = (config.function.timeout, json!({ "sweep": "all" }));
    let (began, mut pauses) = (Instant::now(), Pauses::new(session.seed));
    loop {
        let why = match functions::invoke(&session.clients, name, &event, timeout).await {
            Ok(Invoked::Answered(_)) => return Ok(None),
            Ok(Invoked::Missing) => return Err(FunctionError::Missing(name.to_owned())),
            Ok(Invoked::Failed { kind, message }) => format!("{kind}: {message}"),
            // It is not Active yet, or was changed right now.
            Err(error @ CallError::Refused { .. }) => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        if began.elapsed() > READY_WITHIN {
            return Ok(Some(why));
        }
        tokio::time::sleep(pauses.after(false)).await;
    }
}
