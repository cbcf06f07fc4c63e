//! Contracts of Lambda: real processes, how they end, and what they may do.

use std::path::PathBuf;

use aws_sdk_cloudformation::types::ChangeSetType;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sandbox::{Fault, FaultEffect};
use serde_json::{Value, json};

use crate::cell::{BUCKET, Cell, FUNCTION, SECRET, function_arn, template};
use crate::clients::{ACCOUNT, REGION};
use crate::identity::{change, error, refusal};

async fn invoke(cell: &Cell, event: Value) -> Result<InvokeOutput, SdkError<InvokeError>> {
    let payload = Blob::new(event.to_string());
    cell.functions().invoke().function_name(FUNCTION).payload(payload).log_type(LogType::Tail).send().await
}

/// What the function answers, and whether as an error.
async fn answer(cell: &Cell, event: Value) -> (Value, bool) {
    let output = invoke(cell, event).await.unwrap();
    let payload = serde_json::from_slice(output.payload.unwrap().as_ref()).unwrap();
    (payload, output.function_error.is_some())
}

async fn error_type(cell: &Cell, event: Value) -> (String, String) {
    let (payload, failed) = answer(cell, event).await;
    assert!(failed, "{payload}");
    let text = |name: &str| payload[name].as_str().unwrap().to_owned();
    (text("errorType"), text("errorMessage"))
}

async fn change_function(cell: &Cell, property: &str, value: Value) {
    let mut changed = template();
    changed["Resources"]["Function"]["Properties"][property] = value;
    assert_eq!(cell.deploy(ChangeSetType::Update, changed).await, "UPDATE_COMPLETE");
}

#[tokio::test]
async fn a_function_answers_and_its_log_comes_with_the_answer() {
    let cell = Cell::deployed().await;
    let output = invoke(&cell, json!({ "a": 1 })).await.unwrap();
    let payload: Value = serde_json::from_slice(output.payload.unwrap().as_ref()).unwrap();
    assert_eq!(payload["event"], json!({ "a": 1 }));
    let tail = String::from_utf8(BASE64_STANDARD.decode(output.log_result.unwrap()).unwrap()).unwrap();
    assert!(tail.starts_with("START RequestId: ") && tail.contains("hello from"), "{tail}");
    assert_eq!(cell.log().await, tail);
}

#[tokio::test]
async fn the_environment_is_that_of_lambda_and_of_the_function_and_no_other() {
    let cell = Cell::deployed().await;
    let (environment, _) = answer(&cell, json!({ "do": "environment" })).await;
    let fixed = [
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ENDPOINT_URL", cell.sandbox.endpoint()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/rotator"),
        ("AWS_REGION", REGION),
        ("COLOUR", "green"),
        ("_HANDLER", "bootstrap"),
    ];
    for (name, value) in fixed {
        assert_eq!(environment[name], value, "{name}");
    }
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT"] {
        assert!(environment[name].is_string(), "{name}");
    }
    for name in ["HOME", "CARGO", "CARGO_MANIFEST_DIR", "USER"] {
        assert!(environment[name].is_null(), "{name}");
    }
}

#[tokio::test]
async fn errors_crashes_and_timeouts_look_as_they_do_in_lambda() {
    let cell = Cell::deployed().await;
    assert_eq!(error_type(&cell, json!({ "do": "fail" })).await, ("Refused".into(), "as asked".into()));
    let (kind, message) = error_type(&cell, json!({ "do": "crash" })).await;
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.ends_with("Error: Runtime exited with error: exit status 7"), "{message}");
    let (kind, message) = error_type(&cell, json!({ "do": "leave" })).await;
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.ends_with("Error: Runtime exited without providing a reason"), "{message}");
    change_function(&cell, "Timeout", json!(1)).await;
    let (kind, message) = error_type(&cell, json!({ "do": "hang" })).await;
    assert_eq!(kind, "Sandbox.Timedout");
    assert!(message.ends_with("Error: Task timed out after 1.00 seconds"), "{message}");
    assert!(cell.log().await.contains("Task timed out after 1.00 seconds"));
    let (_, failed) = answer(&cell, json!({})).await;
    assert!(!failed, "the next invocation has a process of its own");
}

#[tokio::test]
async fn a_function_that_can_not_start_says_so() {
    let cell = Cell::deployed().await;
    change_function(&cell, "Environment", json!({ "Variables": { "START": "exit" } })).await;
    let (kind, message) = error_type(&cell, json!({})).await;
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.ends_with("exit status 3"), "{message}");
    assert!(cell.log().await.contains("this start fails"));
    change_function(&cell, "Environment", json!({ "Variables": { "START": "report" } })).await;
    assert_eq!(error_type(&cell, json!({})).await, ("Start.Failed".into(), "no".into()));
    cell.upload("broken.zip", "#!/no/such/interpreter\n").await;
    change_function(&cell, "Code", json!({ "S3Bucket": BUCKET, "S3Key": "broken.zip" })).await;
    assert_eq!(error_type(&cell, json!({})).await.0, "Runtime.InvalidEntrypoint");
}

#[tokio::test]
async fn a_process_is_used_again_until_the_function_changes() {
    let cell = Cell::deployed().await;
    let process = async || answer(&cell, json!({})).await.0["process"].clone();
    let first = process().await;
    assert_eq!(process().await, first);
    change_function(&cell, "Environment", json!({ "Variables": { "COLOUR": "blue" } })).await;
    let second = process().await;
    assert_ne!(second, first);
    cell.sandbox.advance(std::time::Duration::from_hours(24)).await;
    assert_ne!(process().await, second, "its credentials have expired");
}

#[tokio::test]
async fn concurrent_invocations_have_a_process_each_up_to_the_reserved_number() {
    let cell = Cell::deployed().await;
    change_function(&cell, "ReservedConcurrentExecutions", json!(2)).await;
    let directory = tempfile::tempdir().unwrap();
    let meet = |mine: &str, other: &str| {
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        answer(&cell, json!({ "do": "meet", "mine": path(mine), "other": path(other) }))
    };
    let (one, two) = tokio::join!(meet("one", "two"), meet("two", "one"));
    assert_ne!(one.0, two.0);

    change_function(&cell, "ReservedConcurrentExecutions", json!(0)).await;
    assert_eq!(refusal(invoke(&cell, json!({})).await), error(429, "TooManyRequestsException"));
}

#[tokio::test]
async fn a_payload_is_json() {
    let cell = Cell::deployed().await;
    let broken = cell.functions().invoke().function_name(FUNCTION).payload(Blob::new("{")).send().await;
    assert_eq!(refusal(broken), error(400, "InvalidRequestContentException"));
    let missing = cell.functions().invoke().function_name("missing").send().await;
    assert_eq!(refusal(missing), error(404, "ResourceNotFoundException"));
    let by_arn = cell.functions().invoke().function_name(function_arn()).send().await.unwrap();
    assert_eq!(by_arn.function_error, None);
}

#[tokio::test]
async fn a_function_calls_with_the_permissions_of_its_role() {
    let cell = Cell::deployed().await;
    let (described, failed) = answer(&cell, json!({ "do": "describe", "secret": SECRET })).await;
    assert!(!failed && described["Name"] == SECRET, "{described}");
    let calls = cell.sandbox.visit(|world| world.calls().to_vec()).await;
    let theirs = calls.iter().find(|call| call.operation == "secretsmanager:DescribeSecret").unwrap();
    assert!(theirs.principal.starts_with(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/")), "{theirs:?}");
    assert!(theirs.principal.ends_with("/rotator"), "{theirs:?}");

    let mut changed = template();
    let statement = &mut changed["Resources"]["Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0];
    statement["Action"] = json!(["logs:*"]);
    assert_eq!(cell.deploy(ChangeSetType::Update, changed).await, "UPDATE_COMPLETE");
    let refused = error_type(&cell, json!({ "do": "describe", "secret": SECRET })).await;
    assert_eq!(refused.1, "AccessDeniedException");
}

#[tokio::test]
async fn a_log_is_written_with_the_permissions_of_the_role_or_lost() {
    let cell = Cell::deployed().await;
    answer(&cell, json!({})).await;
    let calls = cell.calls("assumed-role").await;
    assert_eq!(calls, ["logs:CreateLogStream", "logs:PutLogEvents"]);
    let logged = cell.log().await;

    let mut changed = template();
    let statement = &mut changed["Resources"]["Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0];
    statement["Action"] = json!(["secretsmanager:*"]);
    assert_eq!(cell.deploy(ChangeSetType::Update, changed).await, "UPDATE_COMPLETE");
    let (_, failed) = answer(&cell, json!({})).await;
    assert!(!failed, "the function does not notice");
    assert_eq!(cell.log().await, logged);
    let denied = cell.sandbox.visit(|world| world.calls().iter().filter(|call| call.is_denied()).count()).await;
    assert_eq!(denied, 1);
}

#[tokio::test]
async fn a_fault_kills_the_process_in_the_middle_of_a_call() {
    let cell = Cell::deployed().await;
    let fault = |effect| Fault {
        operation: Some("secretsmanager:DescribeSecret".into()),
        principal: Some("assumed-role".into()),
        after: 0,
        effect,
    };
    for effect in [FaultEffect::KillBefore, FaultEffect::KillAfter] {
        let fault = fault(effect.clone());
        cell.sandbox.visit(move |world| world.inject(fault)).await;
        let (kind, message) = error_type(&cell, json!({ "do": "describe", "secret": SECRET })).await;
        assert_eq!(kind, "Runtime.ExitError");
        assert!(message.ends_with("signal: killed"), "{effect:?}: {message}");
    }
    let (_, failed) = answer(&cell, json!({ "do": "describe", "secret": SECRET })).await;
    assert!(!failed);
}

#[tokio::test]
async fn a_function_shows_what_it_is() {
    let cell = Cell::deployed().await;
    let function = cell.functions().get_function().function_name(FUNCTION).send().await.unwrap();
    let shown = function.configuration.unwrap();
    assert_eq!(shown.function_arn(), Some(function_arn().as_str()));
    assert_eq!(shown.state.unwrap().as_str(), "Active");
    assert_eq!(shown.last_update_status.unwrap().as_str(), "Successful");
    assert_eq!(shown.timeout, Some(30));
    assert_eq!(shown.environment.unwrap().variables.unwrap()["COLOUR"], "green");
    assert_eq!(BASE64_STANDARD.decode(shown.code_sha256.as_ref().unwrap()).unwrap().len(), 32);
    let policy = cell.functions().get_policy().function_name(FUNCTION).send().await.unwrap().policy.unwrap();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    assert_eq!(policy["Statement"][0]["Principal"]["Service"], "secretsmanager.amazonaws.com");

    cell.upload("other.zip", "#!/bin/sh\n").await;
    change_function(&cell, "Code", json!({ "S3Bucket": BUCKET, "S3Key": "other.zip" })).await;
    let changed = cell.functions().get_function_configuration().function_name(FUNCTION).send().await.unwrap();
    assert_ne!(changed.code_sha256, shown.code_sha256);
}

#[tokio::test]
async fn code_can_be_exchanged_past_cloudformation() {
    let cell = Cell::deployed().await;
    assert!(!answer(&cell, json!({})).await.1);
    let digest = || async {
        let shown = cell.functions().get_function_configuration().function_name(FUNCTION).send().await.unwrap();
        shown.code_sha256.unwrap()
    };
    let deployed = digest().await;
    let exchange = || cell.functions().update_function_code().function_name(FUNCTION);
    let exchanged = cell.sandbox.visit(|world| world.exchange_code(ACCOUNT, REGION, FUNCTION, b"no zip")).await;
    assert!(exchanged.is_some());
    assert_ne!(digest().await, deployed);
    assert!(answer(&cell, json!({})).await.1, "no instance goes on with the old code");
    let back = exchange().s3_bucket(BUCKET).s3_key("code.zip").send().await.unwrap();
    assert_eq!(back.code_sha256, Some(deployed));
    assert!(!answer(&cell, json!({})).await.1);
    let refused = exchange().s3_bucket(BUCKET).s3_key("none.zip").send().await.unwrap_err();
    assert!(refused.to_string().contains("service error"), "{refused}");
}

#[tokio::test]
async fn code_comes_from_the_region_of_the_function() {
    let cell = Cell::prepared().await;
    change(&cell.sandbox, |world| world.create_bucket(ACCOUNT, "us-east-1", "far-away")).await;
    let mut template = template();
    template["Resources"]["Function"]["Properties"]["Code"]["S3Bucket"] = "far-away".into();
    assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "ROLLBACK_COMPLETE");
    let reason = cell.failure().await;
    assert!(reason.contains("S3 Error Code: PermanentRedirect"), "{reason}");
}

#[tokio::test]
async fn a_role_must_let_lambda_assume_it() {
    let cell = Cell::prepared().await;
    let mut template = template();
    let trust = &mut template["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0];
    trust["Principal"]["Service"] = "ec2.amazonaws.com".into();
    assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "ROLLBACK_COMPLETE");
    let reason = cell.failure().await;
    assert!(reason.contains("cannot be assumed by Lambda"), "{reason}");
}

#[tokio::test]
async fn a_role_must_let_lambda_into_a_network() {
    let cell = Cell::prepared().await;
    let mut template = template();
    let function = &mut template["Resources"]["Function"]["Properties"];
    function["VpcConfig"] = json!({ "SubnetIds": ["subnet-0a"], "SecurityGroupIds": ["sg-0b"] });
    assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "ROLLBACK_COMPLETE");
    let reason = cell.failure().await;
    let expected = "The provided execution role does not have permissions to call CreateNetworkInterface on EC2";
    assert!(reason.contains(expected), "{reason}");
}

#[tokio::test]
async fn what_lambda_keeps_to_itself_can_not_be_set() {
    let cell = Cell::prepared().await;
    let mut template = template();
    let environment = &mut template["Resources"]["Function"]["Properties"]["Environment"]["Variables"];
    environment["AWS_REGION"] = "x".into();
    assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "ROLLBACK_COMPLETE");
    let reason = cell.failure().await;
    assert!(reason.contains("Reserved keys used in this request: AWS_REGION"), "{reason}");
}

#[tokio::test]
async fn nothing_is_left_of_a_function_when_the_sandbox_ends() {
    let cell = Cell::deployed().await;
    let (environment, _) = answer(&cell, json!({ "do": "environment" })).await;
    let directory = PathBuf::from(environment["LAMBDA_TASK_ROOT"].as_str().unwrap());
    assert!(directory.exists());
    drop(cell);
    while directory.exists() {
        tokio::task::yield_now().await;
    }
}
