//! Contracts of asynchronous invocation: accepted at once, tried three times, patient when there is no room.

use std::time::Duration;

use aws_sdk_cloudformation::types::ChangeSetType;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use serde_json::{Value, json};

use crate::cell::{Cell, FUNCTION, template};
use crate::clients::ACCOUNT;
use crate::identity::{change, error, refusal, signed_by, user};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

async fn send(cell: &Cell, event: Value) -> Result<InvokeOutput, SdkError<InvokeError>> {
    let payload = Blob::new(event.to_string());
    let request = cell.functions().invoke().function_name(FUNCTION).payload(payload);
    request.invocation_type(InvocationType::Event).send().await
}

/// How often the function has been called.
async fn attempts(cell: &Cell) -> usize {
    cell.log().await.lines().filter(|line| line.starts_with("START ")).count()
}

/// How many events Lambda has given up.
async fn discarded(cell: &Cell) -> usize {
    let calls = cell.calls("lambda.amazonaws.com").await;
    calls.iter().filter(|call| *call == "lambda:EventDiscarded").count()
}

async fn reserve(cell: &Cell, instances: Option<u32>) {
    let mut changed = template();
    if let Some(instances) = instances {
        changed["Resources"]["Function"]["Properties"]["ReservedConcurrentExecutions"] = instances.into();
    }
    assert_eq!(cell.deploy(ChangeSetType::Update, changed).await, "UPDATE_COMPLETE");
}

#[tokio::test]
async fn an_event_is_accepted_at_once_and_answered_with_nothing() {
    let cell = Cell::deployed().await;
    let accepted = send(&cell, json!({ "a": 1 })).await.unwrap();
    assert_eq!((accepted.status_code, accepted.function_error, accepted.log_result), (202, None, None));
    assert!(accepted.payload.is_none_or(|payload| payload.as_ref().is_empty()));
    cell.sandbox.settle().await;
    assert!(cell.log().await.contains(r#"event {"a": 1}"#));
    cell.sandbox.advance(HOUR).await;
    assert_eq!((attempts(&cell).await, discarded(&cell).await), (1, 0));
}

#[tokio::test]
async fn an_event_is_tried_three_times_whatever_the_failure_looks_like() {
    for failure in ["fail", "crash", "leave"] {
        let cell = Cell::deployed().await;
        send(&cell, json!({ "do": failure })).await.unwrap();
        cell.sandbox.settle().await;
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push((attempts(&cell).await, discarded(&cell).await));
            cell.sandbox.advance(MINUTE).await;
        }
        assert_eq!(seen, [(1, 0), (2, 0), (2, 0), (3, 1)], "{failure}");
        cell.sandbox.advance(HOUR).await;
        assert_eq!(attempts(&cell).await, 3, "{failure}");
    }
}

#[tokio::test]
async fn an_event_that_succeeds_the_second_time_is_done() {
    let cell = Cell::deployed().await;
    let directory = tempfile::tempdir().unwrap();
    let marker = directory.path().join("marker");
    send(&cell, json!({ "do": "fail once", "marker": marker.to_str().unwrap() })).await.unwrap();
    cell.sandbox.advance(HOUR).await;
    assert_eq!((attempts(&cell).await, discarded(&cell).await), (2, 0));
}

#[tokio::test]
async fn an_event_waits_for_room_in_growing_pauses_for_six_hours() {
    let cell = Cell::deployed().await;
    reserve(&cell, Some(0)).await;
    send(&cell, json!({})).await.expect("accepted all the same");
    cell.sandbox.advance(HOUR).await;
    assert_eq!((attempts(&cell).await, discarded(&cell).await), (0, 0));
    reserve(&cell, None).await;
    cell.sandbox.advance(5 * MINUTE).await;
    assert_eq!((attempts(&cell).await, discarded(&cell).await), (1, 0), "the longest pause is five minutes");

    reserve(&cell, Some(0)).await;
    send(&cell, json!({})).await.unwrap();
    cell.sandbox.advance(5 * HOUR + 54 * MINUTE).await;
    assert_eq!(discarded(&cell).await, 0);
    cell.sandbox.advance(6 * MINUTE).await;
    assert_eq!((attempts(&cell).await, discarded(&cell).await), (1, 1));
}

#[tokio::test]
async fn a_second_event_waits_until_the_only_instance_is_free() {
    let cell = Cell::deployed().await;
    reserve(&cell, Some(1)).await;
    for number in 0..3 {
        send(&cell, json!({ "number": number })).await.unwrap();
    }
    cell.sandbox.advance(10 * SECOND).await;
    assert_eq!((attempts(&cell).await, discarded(&cell).await), (3, 0));
}

#[tokio::test]
async fn what_can_not_be_accepted_is_refused_at_once() {
    let cell = Cell::deployed().await;
    let functions = cell.functions();
    let invoke = || functions.invoke().invocation_type(InvocationType::Event);
    let missing = invoke().function_name("missing").send().await;
    assert_eq!(refusal(missing), error(404, "ResourceNotFoundException"));
    let broken = invoke().function_name(FUNCTION).payload(Blob::new("{")).send().await;
    assert_eq!(refusal(broken), error(400, "InvalidRequestContentException"));
    let with_log = invoke().function_name(FUNCTION).log_type(LogType::Tail).send().await;
    assert_eq!(refusal(with_log), error(501, "SandboxUnsupported"));
    let credentials = user(&cell.sandbox, ACCOUNT, "nobody").await;
    change(&cell.sandbox, |world| world.create_user(ACCOUNT, "other", "/")).await;
    let nobody = aws_sdk_lambda::Client::new(&signed_by(&cell.sandbox, &credentials));
    let denied = nobody.invoke().invocation_type(InvocationType::Event).function_name(FUNCTION).send().await;
    assert_eq!(refusal(denied), error(403, "AccessDeniedException"));
    cell.sandbox.settle().await;
    assert_eq!(attempts(&cell).await, 0);
}

#[tokio::test]
async fn an_event_for_a_function_that_is_gone_is_given_up() {
    let cell = Cell::deployed().await;
    send(&cell, json!({ "do": "fail" })).await.unwrap();
    cell.sandbox.settle().await;
    cell.cloudformation().delete_stack().stack_name("cell").send().await.unwrap();
    cell.sandbox.settle().await;
    cell.sandbox.advance(HOUR).await;
    assert_eq!(discarded(&cell).await, 1);
}
