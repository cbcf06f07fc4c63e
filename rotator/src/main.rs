//! The rotation function: Secrets Manager calls it once for each step of a rotation.
//!
//! Start-up reads the environment once; then every event goes through [`rotate::rotate`].

mod act;
mod aws;
mod blocked;
mod error;
mod event;
mod log;
mod observe;
mod observed;
mod protocol;
mod prove;
mod rotate;
mod slots;
#[cfg(test)]
mod worlds;

use std::time::{Duration, SystemTime};

use contract::Settings;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tokio::time::Instant;

use aws::Clients;
use error::RotationError;
use event::RotationEvent;
use rotate::Done;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    let variable = |name: &str| std::env::var(name).ok();
    let clients = Clients::new(variable).inspect_err(|error| log::start_failure(error))?;
    let settings = Settings::read(variable).inspect_err(|error| log::start_failure(error))?;
    let answer = |event| invoke(&clients, &settings, event);
    lambda_runtime::run(service_fn(answer)).await
}

/// Answers one invocation. The event itself is never logged: it carries a credential.
async fn invoke(clients: &Clients, settings: &Settings, event: LambdaEvent<Value>) -> Result<(), RotationError> {
    // A timeout that somebody has raised by hand does not count: the lease is made for the one in the settings.
    let end = Instant::now() + time_left(&event.context).min(settings.timeout);
    let parsed = RotationEvent::parse(&event.payload);
    let result = match &parsed {
        Ok(step) => rotate::rotate(clients, settings, step, end).await,
        Err(error) => Err(error.clone().into()),
    };
    log::invocation(&event.context.request_id, parsed.as_ref().ok(), &result);
    result.map(|_: Done| ())
}

/// The longest that Lambda lets a function run (Lambda developer guide, "Lambda quotas").
const LONGEST_TIMEOUT: Duration = Duration::from_secs(900);

/// How long until Lambda ends this invocation, by the clock of the machine that Lambda took the deadline from.
#[expect(clippy::disallowed_methods, reason = "the deadline is a time of this machine's clock")]
fn time_left(context: &lambda_runtime::Context) -> Duration {
    context.deadline().duration_since(SystemTime::now()).unwrap_or_default().min(LONGEST_TIMEOUT)
}
