//! Any events of a stack: each is told in a line, and the end, if there is one, is of a status that was told.
//!
//! A line of the input is an event, with tabs between its parts: seconds, status, resource, type, reason.
#![no_main]

use installer::apply::history::{History, Operation};
use installer::aws::stacks::{Event, Rest, Status};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

const STACK: &str = "arn:aws:cloudformation:eu-central-1:111122223333:stack/keyturn/1";

const OPERATIONS: [Operation; 6] = [
    Operation::Create,
    Operation::CreateAndKeep,
    Operation::Update,
    Operation::Import,
    Operation::Rollback,
    Operation::Delete,
];

fn event(line: &str) -> Event {
    let mut parts = line.split('\t');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let (seconds, status, logical_id, kind, reason) = (next(), next(), next(), next(), next());
    Event {
        id: seconds.clone(),
        at: seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()),
        physical_id: if logical_id == "keyturn" { STACK.to_owned() } else { format!("{logical_id}-1") },
        logical_id,
        kind,
        status,
        reason: Some(reason).filter(|reason| !reason.is_empty()),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for operation in OPERATIONS {
        let mut history = History::new(STACK, operation);
        let mut told: Vec<Status> = Vec::new();
        for event in text.lines().map(event) {
            let line = history.take(&event).unwrap_or_default();
            assert!(
                line.len()
                    <= event.status.len()
                        + event.logical_id.len()
                        + event.kind.len()
                        + 100
                        + event.reason.as_deref().unwrap_or_default().len()
            );
            if event.physical_id == STACK {
                told.extend(event.status.parse::<Status>().ok());
            }
            let _ = (history.under_way(), history.due_in(Timestamp::UNIX_EPOCH).count());
        }
        if let Some(end) = history.end() {
            assert_eq!(told.last(), Some(&end.status));
            assert!(!matches!(end.status.rest(), Rest::Busy | Rest::Review), "it goes on: {end:?}");
        }
    }
});
