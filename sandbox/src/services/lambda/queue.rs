//! Asynchronous invocations: events that Lambda has accepted, and what becomes of those that fail.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::function::not_found;
use super::invocation::{self, Purpose};
use crate::{ApiError, Outcome, World, agenda};

/// The pauses after the first and after the second failure; the third is the last (Lambda developer guide, "How Lambda
/// handles errors and retries with asynchronous invocation").
const RETRY_PAUSES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

/// The pauses after a refusal for want of concurrency: from the first they double up to the longest (same source).
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// How long an event may wait for concurrency (same source).
const LONGEST_WAIT: Duration = Duration::from_hours(6);

/// Who is named in the call log for what Lambda does with events.
const PRINCIPAL: &str = "lambda.amazonaws.com";

/// One accepted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventId(u64);

/// What is due, see [`crate::agenda`]: this event is tried, for the first time or again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due(EventId);

/// An event that its function has not been through with yet.
pub(super) struct Event {
    function: String,
    payload: Vec<u8>,
    /// The same at every attempt.
    request_id: String,
    accepted: Timestamp,
    failures: usize,
    backoff: Duration,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// Sends a function an event for a service, on behalf of the resource `source`: the function's resource policy decides.
pub(crate) fn send_for(world: &mut World, service: &str, source: &str, function: &str, payload: Vec<u8>) {
    let sent = invocation::admitted(world, service, source, function).and_then(|()| accept(world, function, payload));
    let outcome = sent.map_or_else(|error| Outcome::Refused(error.code), |()| Outcome::Done);
    world.note_call(service, "lambda:Invoke", outcome);
}

/// Accepts an event. Whoever sends it does not wait until it is tried.
pub(super) fn accept(world: &mut World, function: &str, payload: Vec<u8>) -> Result<(), ApiError> {
    if !world.lambda.functions.contains_key(function) {
        return Err(not_found(function));
    }
    let id = EventId(world.lambda.next_number());
    let event = Event {
        function: function.to_owned(),
        payload,
        request_id: world.random_uuid(),
        accepted: world.now(),
        failures: 0,
        backoff: FIRST_BACKOFF,
    };
    world.lambda.events.insert(id, event);
    world.agenda.work_after(Duration::ZERO, agenda::Due::Lambda(Due(id)));
    Ok(())
}

/// Takes the end of an attempt.
pub(super) fn ended(world: &mut World, id: EventId, outcome: Result<(), ApiError>) {
    let Some(event) = world.lambda.events.get_mut(&id) else { return };
    let Err(error) = outcome else {
        world.lambda.events.remove(&id);
        return;
    };
    let pause = RETRY_PAUSES.get(event.failures).copied();
    event.failures += 1;
    match pause {
        Some(pause) => appoint(world, id, pause),
        None => discard(world, id, error),
    }
}

/// Gives an event to its function.
pub(crate) fn attempt(world: &mut World, due: Due) {
    let Due(id) = due;
    let Some(event) = world.lambda.events.get(&id) else { return };
    let (function, request_id, payload) = (event.function.clone(), event.request_id.clone(), event.payload.clone());
    match invocation::begin(world, &function, request_id, payload, Purpose::Event(id)) {
        Ok(_) => {}
        Err(error) if error.status == 429 => postpone(world, id, error),
        Err(error) => discard(world, id, error),
    }
}

fn postpone(world: &mut World, id: EventId, error: ApiError) {
    let now = world.now();
    let Some(event) = world.lambda.events.get_mut(&id) else { return };
    let pause = event.backoff;
    if now.duration_since(event.accepted).unsigned_abs() + pause > LONGEST_WAIT {
        return discard(world, id, error);
    }
    event.backoff = (pause * 2).min(LONGEST_BACKOFF);
    appoint(world, id, pause);
}

fn appoint(world: &mut World, id: EventId, pause: Duration) {
    let at = world.agenda.after(pause);
    world.agenda.appoint(at, agenda::Due::Lambda(Due(id)));
}

/// Gives an event up. Nobody is told, but the call log knows.
fn discard(world: &mut World, id: EventId, error: ApiError) {
    world.lambda.events.remove(&id);
    world.note_call(PRINCIPAL, "lambda:EventDiscarded", Outcome::Refused(error.code));
}
