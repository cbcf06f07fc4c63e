//! The function's log: one JSON line per invocation, with names and identifiers only (R9).

use std::io::Write;

use serde_json::{Value, json};

use crate::error::{RotationError, chain};
use crate::event::RotationEvent;
use crate::rotate::Done;

/// Writes how an invocation ended.
pub(crate) fn invocation(request_id: &str, event: Option<&RotationEvent>, result: &Result<Done, RotationError>) {
    write(&line(request_id, event, result));
}

/// Writes why the function cannot start.
pub(crate) fn start_failure(error: &dyn std::error::Error) {
    write(&json!({ "level": "ERROR", "message": "the function cannot start", "error": chain(error) }));
}

fn line(request_id: &str, event: Option<&RotationEvent>, result: &Result<Done, RotationError>) -> Value {
    let (level, message) = match result {
        Ok(done) => ("INFO", format!("{done:?}")),
        Err(RotationError::Blocked(reason)) => ("WARN", format!("blocked: {reason}")),
        Err(error) => ("ERROR", chain(error)),
    };
    let blocked = match result {
        Err(RotationError::Blocked(reason)) => Some(reason.name()),
        _ => None,
    };
    json!({
        "level": level,
        "message": message,
        "requestId": request_id,
        "step": event.map(|event| event.step.to_string()),
        "secret": event.map(|event| event.secret.as_str()),
        "token": event.map(|event| event.token.as_str()),
        "blocked": blocked,
    })
}

fn write(line: &Value) {
    // Nobody is left to tell when the log itself cannot be written.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
