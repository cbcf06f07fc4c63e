//! The rotation function: Secrets Manager calls it once for each step of a rotation, a schedule for each pass of the
//! sweeper and of the enroller, and a person for what no schedule does.
//!
//! Start-up reads the environment once; then every event is answered by [`rotate::rotate`], [`sweeper::sweep`],
//! [`enroller::enrol`], [`ask::ask`] or [`order::order`].

mod act;
mod ask;
mod aws;
mod blocked;
mod claims;
mod enrol;
mod enroller;
mod error;
mod event;
mod log;
mod measure;
mod metrics;
mod observe;
mod observed;
mod order;
mod pace;
#[cfg(test)]
mod proof;
mod protocol;
mod prove;
mod retire;
mod revoke;
mod rollback;
mod rotate;
mod scope;
mod slots;
mod sweep;
mod sweeper;
#[cfg(test)]
mod worlds;

use std::time::{Duration, SystemTime};

use contract::Settings;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use tokio::time::Instant;

use aws::Clients;
use error::RotationError;
use event::Request;
use scope::Scope;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    let variable = |name: &str| std::env::var(name).ok();
    let clients = Clients::new(variable).inspect_err(|error| log::start_failure(error))?;
    let settings = Settings::read(variable).inspect_err(|error| log::start_failure(error))?;
    let scope = Scope::read(variable).inspect_err(|error| log::start_failure(error))?;
    let answer = |event| invoke(&clients, &settings, &scope, event);
    lambda_runtime::run(service_fn(answer)).await
}

/// Answers one invocation. The event itself is never logged: it carries a credential.
async fn invoke(
    clients: &Clients,
    settings: &Settings,
    scope: &Scope,
    event: LambdaEvent<Value>,
) -> Result<Value, RotationError> {
    // A timeout that somebody has raised by hand does not count: the lease is made for the one in the settings.
    let end = Instant::now() + time_left(&event.context).min(settings.timeout);
    let request_id = &event.context.request_id;
    match Request::parse(&event.payload).map_err(RotationError::from) {
        Ok(Request::Step(step)) => {
            let result = rotate::rotate(clients, settings, scope, &step, end).await;
            log::step(request_id, &scope.stack, &step, &result);
            result.map(|_: rotate::Done| Value::Null)
        }
        Ok(Request::Sweep(users)) => {
            let result = sweeper::sweep(clients, settings, scope, &users, end).await;
            result.inspect_err(|error| log::refused(request_id, error)).map(|report| json!(report))
        }
        Ok(Request::Enrol) => {
            let result = match scope.place(&event.context.invoked_function_arn) {
                Some(place) => enroller::enrol(clients, settings, place, end).await,
                None => Err(RotationError::EnrolsNobody),
            };
            result.inspect_err(|error| log::refused(request_id, error)).map(|report| json!(report))
        }
        Ok(Request::Rotate(users)) => {
            let result = ask::ask(clients, scope, &users, end).await;
            log::asked(request_id, &result);
            result.map(|answer| json!(answer))
        }
        Ok(Request::Order(order, users)) => {
            let result = order::order(clients, scope, &order, &users, end).await;
            log::ordered(request_id, &order, &result);
            result.map(|answer| json!(answer))
        }
        Err(error) => {
            log::refused(request_id, &error);
            Err(error)
        }
    }
}

/// The longest that Lambda lets a function run (Lambda developer guide, "Lambda quotas").
const LONGEST_TIMEOUT: Duration = Duration::from_secs(900);

/// How long until Lambda ends this invocation, by the clock of the machine that Lambda took the deadline from.
#[expect(clippy::disallowed_methods, reason = "the deadline is a time of this machine's clock")]
fn time_left(context: &lambda_runtime::Context) -> Duration {
    context.deadline().duration_since(SystemTime::now()).unwrap_or_default().min(LONGEST_TIMEOUT)
}
