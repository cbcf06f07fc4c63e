//! The function on its own: events that are not from Secrets Manager, or not for this secret.

use sandbox::{Fault, FaultEffect};
use serde_json::json;

use crate::stage::{ACCOUNT, REGION, Stage};

const TOKEN: &str = "0a1b2c3d-0000-4000-8000-000000000000";

async fn stage() -> Stage {
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.bootstrap(&["alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    stage
}

async fn arn(stage: &Stage, name: &'static str) -> String {
    stage.sandbox.visit(move |world| world.secret(ACCOUNT, REGION, name).unwrap().arn).await
}

/// The error type and message that the function answers an event with. It must not have changed anything.
async fn refusal(stage: &Stage, event: &serde_json::Value) -> (String, String) {
    stage.sandbox.visit(|world| world.clear_calls()).await;
    let (kind, answer) = stage.invoke(event.to_string().as_bytes()).await;
    assert_eq!(kind.as_deref(), Some("Unhandled"), "{answer}");
    let writes = stage.sandbox.visit(|world| {
        let calls = world.calls().iter().filter(|call| call.is_write() && call.principal.contains("assumed-role/"));
        calls.map(|call| call.operation.clone()).filter(|operation| !operation.starts_with("logs:")).collect::<Vec<_>>()
    });
    assert_eq!(writes.await, [] as [String; 0]);
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("errorType"), text("errorMessage"))
}

#[tokio::test]
async fn an_event_that_is_not_json_never_reaches_the_function() {
    let stage = stage().await;
    let client = aws_sdk_lambda::Client::new(&stage.config());
    let payload = aws_sdk_lambda::primitives::Blob::new("{not json");
    let error = client.invoke().function_name("keyturn").payload(payload).send().await.unwrap_err();
    assert!(error.into_service_error().is_invalid_request_content_exception());
}

#[tokio::test]
async fn events_of_another_form_are_refused() {
    let stage = stage().await;
    let secret = arn(&stage, "keyturn/alice").await;
    let table = [
        (json!("createSecret"), "the event is not a JSON object"),
        (json!({ "Step": "createSecret" }), "the event has no text field `SecretId`"),
        (
            json!({ "Step": "destroySecret", "SecretId": secret, "ClientRequestToken": TOKEN }),
            "the event's `Step` is none of createSecret, setSecret, testSecret, finishSecret",
        ),
    ];
    for (event, expected) in table {
        let (kind, message) = refusal(&stage, &event).await;
        assert_eq!(kind, "Event");
        assert_eq!(message, format!("the function has no answer to this event: {expected}"));
    }
}

#[tokio::test]
async fn an_unknown_token_is_refused_in_every_step() {
    let stage = stage().await;
    let secret = arn(&stage, "keyturn/alice").await;
    for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        let event = json!({ "Step": step, "SecretId": secret, "ClientRequestToken": TOKEN });
        let (kind, message) = refusal(&stage, &event).await;
        assert_eq!(kind, "Refused");
        assert_eq!(
            message, "the step is refused: the event's ClientRequestToken is no version of the secret",
            "{step}"
        );
    }
}

/// Secrets Manager tries out `testSecret` when a schedule is set, and does not say with what value.
#[tokio::test]
async fn a_pending_version_without_a_value_has_nothing_to_test_and_becomes_nothing() {
    let stage = stage().await;
    let secret = arn(&stage, "keyturn/alice").await;
    let fault = Fault {
        operation: Some("iam:CreateAccessKey".to_owned()),
        principal: None,
        after: 0,
        effect: FaultEffect::KillBefore,
    };
    stage.sandbox.visit(|world| world.inject(fault)).await;
    stage.rotate_secret("alice").await;
    stage.sandbox.settle().await;
    let pending = stage.sandbox.visit(|world| {
        let secret = world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap();
        secret.labelled("AWSPENDING").unwrap().id.clone()
    });
    let pending = pending.await;
    let event = |step: &str| json!({ "Step": step, "SecretId": secret, "ClientRequestToken": pending });
    let (kind, answer) = stage.invoke(event("testSecret").to_string().as_bytes()).await;
    assert_eq!(kind, None, "{answer}");
    for step in ["setSecret", "finishSecret"] {
        let (_, message) = refusal(&stage, &event(step)).await;
        assert_eq!(message, "the step is refused: the pending version has no value yet", "{step}");
    }
}

#[tokio::test]
async fn a_foreign_secret_is_out_of_reach() {
    let stage = stage().await;
    stage
        .sandbox
        .visit(|world| world.create_secret(ACCOUNT, REGION, "payroll", r#"{"UserName":"alice"}"#, &[]).unwrap())
        .await;
    let secret = arn(&stage, "payroll").await;
    let event = json!({ "Step": "createSecret", "SecretId": secret, "ClientRequestToken": TOKEN });
    let (kind, message) = refusal(&stage, &event).await;
    assert_eq!(kind, "Call");
    assert!(message.starts_with("secretsmanager:DescribeSecret failed: AccessDeniedException: "), "{message}");
}

#[tokio::test]
async fn the_token_of_a_rotation_comes_with_its_value() {
    let stage = stage().await;
    let secret = stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap()).await;
    let vouched = |label: &str| secret.labelled(label).map(|version| version.is_vouched_for);
    assert_eq!(
        (vouched("AWSCURRENT"), vouched("AWSPREVIOUS")),
        (Some(true), Some(false)),
        "the stack made the first one"
    );
}

#[tokio::test]
async fn a_repeated_event_of_a_complete_rotation_is_answered_with_success() {
    let stage = stage().await;
    let secret = arn(&stage, "keyturn/alice").await;
    let current = stage.sandbox.visit(|world| {
        let secret = world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap();
        secret.labelled("AWSCURRENT").unwrap().id.clone()
    });
    let current = current.await;
    for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        let event = json!({ "Step": step, "SecretId": secret, "ClientRequestToken": current });
        let (kind, answer) = stage.invoke(event.to_string().as_bytes()).await;
        assert_eq!(kind, None, "{step}: {answer}");
    }
}
