//! The function's log: one JSON line per step, and in a sweep per user, with names and identifiers only (R9).

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use contract::{OrderAnswer, Outcome, SecretArn, UserName};
use serde_json::{Value, json};

use crate::ask::Answer;
use crate::enroller;
use crate::error::{RotationError, chain};
use crate::event::{Order, RotationEvent};
use crate::metrics;
use crate::rotate::Done;
use crate::sweeper::{Report, Swept};

/// Writes how a step of a rotation of `stack` ended.
pub(crate) fn step(request_id: &str, stack: &str, event: &RotationEvent, result: &Result<Done, RotationError>) {
    write(&metrics::embed(line(request_id, event, result), Some(stack), &metrics::of_step(result), now()));
}

/// Writes what a pass has found and done for one user, unless that is nothing.
pub(crate) fn swept(secret: &SecretArn, result: &Result<Swept, RotationError>) {
    let line = match result {
        Ok(Swept { sweep, .. }) if sweep.steps.is_empty() && sweep.findings.is_empty() => return,
        Ok(swept @ Swept { sweep, measures, .. }) => json!({
            "level": if swept.wants_a_person() { "WARN" } else { "INFO" },
            "message": "swept",
            "secret": secret.as_str(),
            "keyDays": measures.key_days,
            "did": sweep.steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "blocked": sweep.findings.iter().map(|finding| finding.name()).collect::<Vec<_>>(),
            "why": sweep.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "nextStep": sweep.next.map(|next| next.to_string()),
        }),
        Err(error) => json!({ "level": "ERROR", "message": chain(error), "secret": secret.as_str() }),
    };
    write(&line);
}

/// Writes what a pass has come to, as metrics too when it was for all users of `stack`: what is counted among some of
/// them would say that the others are well.
pub(crate) fn sweep(report: &Report, stack: Option<&str>) {
    let line = json!({ "level": "INFO", "message": "sweep", "report": report });
    write(&metrics::embed(line, stack, &metrics::of_pass(report), now()));
}

/// Writes what a pass over the users has found and done for one of them, unless that is nothing.
pub(crate) fn enrolled(user: Option<&UserName>, result: &Result<enroller::Outcome, RotationError>) {
    let user = user.map(UserName::as_str);
    let line = match result.as_ref().map(|outcome| &outcome.steps) {
        Ok(Ok(steps)) if steps.is_empty() => return,
        Ok(Ok(steps)) => json!({
            "level": "INFO",
            "message": "enrolment",
            "user": user,
            "did": steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
        Ok(Err(why)) => json!({
            "level": "WARN",
            "message": "not enrolled",
            "user": user,
            "blocked": [why.name()],
            "why": [why.to_string()],
        }),
        Err(error) => json!({ "level": "ERROR", "message": chain(error), "user": user }),
    };
    write(&line);
}

/// Writes what a pass over the users has come to, as metrics too.
pub(crate) fn enrolment(report: &enroller::Report, stack: &str) {
    let line = json!({ "level": "INFO", "message": "enrolment", "report": report });
    write(&metrics::embed(line, Some(stack), &metrics::of_enrolment(report), now()));
}

/// Writes what a direct invocation has come to.
pub(crate) fn asked(request_id: &str, result: &Result<Answer, RotationError>) {
    let (level, message) = match result {
        Ok(answer) if answer.failed.is_empty() => ("INFO", format!("{answer:?}")),
        Ok(answer) => ("WARN", format!("{answer:?}")),
        Err(error) => ("ERROR", chain(error)),
    };
    write(&json!({ "level": level, "message": message, "requestId": request_id }));
}

/// Writes what has come of a person's order. It is the record of who lost which key.
pub(crate) fn ordered(request_id: &str, order: &Order, result: &Result<OrderAnswer, RotationError>) {
    let is_done = |outcome: &Outcome| {
        matches!(outcome, Outcome::RolledBack { .. } | Outcome::Revoked { .. } | Outcome::Nothing { .. })
    };
    let line = match result {
        Ok(answer) => json!({
            "level": if answer.users.values().all(is_done) { "INFO" } else { "WARN" },
            "message": order.to_string(),
            "requestId": request_id,
            "users": answer.users,
            "leftOut": answer.left_out,
        }),
        Err(error) => json!({
            "level": "ERROR",
            "message": format!("{order}: {}", chain(error)),
            "requestId": request_id,
        }),
    };
    write(&line);
}

/// Writes why an event was not even begun with.
pub(crate) fn refused(request_id: &str, error: &RotationError) {
    write(&json!({ "level": "ERROR", "message": chain(error), "requestId": request_id }));
}

/// Writes that no endpoint can be trusted.
pub(crate) fn no_certificates(path: Option<&Path>) {
    let message = "no certificate of an authority could be read: no endpoint is trusted over TLS";
    write(&json!({ "level": "ERROR", "message": message, "file": path }));
}

/// Writes why the function cannot start.
pub(crate) fn start_failure(error: &dyn std::error::Error) {
    write(&json!({ "level": "ERROR", "message": "the function cannot start", "error": chain(error) }));
}

fn line(request_id: &str, event: &RotationEvent, result: &Result<Done, RotationError>) -> Value {
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
        "step": event.step.to_string(),
        "secret": event.secret.as_str(),
        "token": event.token.as_str(),
        "blocked": blocked,
    })
}

/// The time for CloudWatch, which compares it with its own and refuses metrics from too far off.
#[expect(clippy::disallowed_methods, reason = "Lambda stamps the log with the clock of this machine too")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn write(line: &Value) {
    // Nobody is left to tell when the log itself cannot be written.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
