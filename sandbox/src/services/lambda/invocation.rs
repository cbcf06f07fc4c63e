//! Invocations as the world sees them: begun, ended, and what their end means to whoever asked.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::function::not_found;
use super::instances::{Effect, Work};
use super::process::{Ending, InvocationEnd};
use super::queue::{self, EventId};
use super::{InstanceId, InvocationId, launch, platform_log};
use crate::answer::HttpReply;
use crate::services::{cloudwatch, secrets_manager};
use crate::{ApiError, Outcome, World};

/// "The last 4 KB of the execution log" come back with an invocation that asks for them.
const TAIL: usize = 4096;

/// An invocation under way.
#[derive(Debug)]
pub(super) struct Invocation {
    instance: InstanceId,
    function: String,
    request_id: String,
    payload: Vec<u8>,
    purpose: Purpose,
}

/// Who waits for the end of an invocation.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// A caller of Invoke, who may want the end of the log too.
    Request { with_log: bool },
    /// Nobody: the event was accepted before.
    Event(EventId),
    /// A rotation.
    Rotation(secrets_manager::Run),
    /// A call of another instance, which is held up until then.
    Held,
}

/// Invokes a function for a service, on behalf of the resource `source`: the function's resource policy decides.
pub(crate) fn invoke_for(
    world: &mut World,
    service: &str,
    source: &str,
    function: &str,
    payload: Vec<u8>,
    purpose: Purpose,
) -> Result<InvocationId, ApiError> {
    let request_id = world.random_uuid();
    let begun =
        admitted(world, service, source, function).and_then(|()| begin(world, function, request_id, payload, purpose));
    let outcome = begun.as_ref().map_or_else(|error| Outcome::Refused(error.code.clone()), |_| Outcome::Done);
    world.note_call(service, "lambda:Invoke", outcome);
    begun
}

/// Invokes the function of an instance that is at work, beside it: with another event, or with the same one once more.
pub(crate) fn begin_beside(world: &mut World, instance: InstanceId, event: Option<Vec<u8>>) -> Option<InvocationId> {
    let at_work = world.lambda.invocations.values().find(|invocation| invocation.instance == instance)?;
    let (function, payload) = (at_work.function.clone(), event.unwrap_or_else(|| at_work.payload.clone()));
    let request_id = world.random_uuid();
    begin(world, &function, request_id, payload, Purpose::Held).ok()
}

/// Checks that the function's resource policy lets a service in, on behalf of the resource `source`.
pub(super) fn admitted(world: &World, service: &str, source: &str, function: &str) -> Result<(), ApiError> {
    if super::admits(world, function, service, source)? {
        return Ok(());
    }
    let message = format!("{service} is not authorized to perform: lambda:InvokeFunction on {function}");
    Err(ApiError::new("AccessDeniedException", message).with_status(403))
}

/// Gives an instance of the function something to do.
pub(super) fn begin(
    world: &mut World,
    function: &str,
    request_id: String,
    payload: Vec<u8>,
    purpose: Purpose,
) -> Result<InvocationId, ApiError> {
    let limit = world.lambda.functions.get(function).ok_or_else(|| not_found(function))?.configuration.concurrency;
    let busy = world.lambda.invocations.values().filter(|invocation| invocation.function == function).count();
    if limit.is_some_and(|limit| busy >= limit) {
        cloudwatch::count_throttle(world, function);
        return Err(ApiError::new("TooManyRequestsException", "Rate Exceeded.").with_status(429));
    }
    let id = InvocationId(world.lambda.next_number());
    let instance = assign(world, id, function, &request_id, &payload)?;
    let invocation = Invocation { instance, function: function.to_owned(), request_id, payload, purpose };
    world.lambda.invocations.insert(id, invocation);
    Ok(id)
}

/// Finds an instance for an invocation and sends it there.
fn assign(
    world: &mut World,
    id: InvocationId,
    function: &str,
    request_id: &str,
    payload: &[u8],
) -> Result<InstanceId, ApiError> {
    launch::retire_outdated(world, function);
    let (instance, launch) = launch::instance_for(world, function)?;
    if let Some(instance) = world.lambda.instances.get_mut(&instance) {
        instance.busy = Some(id);
    }
    let timeout = world.lambda.functions.get(function).ok_or_else(|| not_found(function))?.configuration.timeout;
    let work = Work {
        id,
        request_id: request_id.to_owned(),
        function_arn: function.to_owned(),
        payload: payload.to_owned(),
        timeout: Duration::from_secs(timeout.into()),
    };
    world.push_effect(Effect::Invoke { instance, launch: launch.map(Box::new), work });
    Ok(instance)
}

/// Takes the end of an invocation; gives the answer for the caller who waits for it, if there is one.
pub(crate) fn ended(world: &mut World, id: InvocationId, end: InvocationEnd) -> Option<HttpReply> {
    let mut invocation = world.lambda.invocations.remove(&id)?;
    let InvocationEnd { mut ending, output, process_lives } = end;
    if let Ending::NotBegun = ending {
        // The instance had died unnoticed. Lambda would have seen it; the invocation goes to another one.
        world.lambda.instances.remove(&invocation.instance);
        match assign(world, id, &invocation.function, &invocation.request_id, &invocation.payload) {
            Ok(instance) => {
                invocation.instance = instance;
                world.lambda.invocations.insert(id, invocation);
                return None;
            }
            Err(error) => ending = Ending::Failed { kind: "Runtime.Unavailable", message: error.message },
        }
    }
    let log = platform_log::framed(world, &invocation.function, &invocation.request_id, &output, &ending);
    platform_log::deliver(world, &invocation.function, invocation.instance, &log);
    if process_lives {
        launch::rest(world, invocation.instance);
    } else {
        world.lambda.instances.remove(&invocation.instance);
    }
    let (payload, error) = match ending {
        Ending::Answered(payload) => (payload, false),
        Ending::Reported(payload) => (payload, true),
        Ending::Failed { kind, message } => {
            let message = format!("RequestId: {} Error: {message}", invocation.request_id);
            (json!({ "errorType": kind, "errorMessage": message }).to_string().into_bytes(), true)
        }
        Ending::NotBegun => return None,
    };
    cloudwatch::count_invocation(world, &invocation.function, error);
    match invocation.purpose {
        Purpose::Request { with_log } => {
            let reply = answer(payload, error, with_log.then_some(log.as_str()));
            Some(world.stamped(&invocation.request_id, reply))
        }
        Purpose::Event(event) => {
            queue::ended(world, event, outcome(&payload, error));
            None
        }
        Purpose::Rotation(run) => {
            secrets_manager::step_ended(world, id, &run, outcome(&payload, error));
            None
        }
        Purpose::Held => None,
    }
}

/// How an invocation went, for a service that does not care for the answer.
fn outcome(payload: &[u8], error: bool) -> Result<(), ApiError> {
    if error { Err(ApiError::new("FunctionError", String::from_utf8_lossy(payload))) } else { Ok(()) }
}

/// The answer of Invoke. An error of the function is not an error of the call.
fn answer(payload: Vec<u8>, error: bool, log: Option<&str>) -> HttpReply {
    let mut headers =
        vec![("content-type", "application/json".to_owned()), ("x-amz-executed-version", "$LATEST".to_owned())];
    if error {
        headers.push(("x-amz-function-error", "Unhandled".to_owned()));
    }
    if let Some(log) = log {
        let bytes = log.as_bytes();
        let tail = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
        headers.push(("x-amz-log-result", BASE64_STANDARD.encode(tail)));
    }
    HttpReply { status: 200, headers, body: payload }
}
