//! Contracts of rotation: what Secrets Manager checks, stages, calls, repeats and schedules.

use std::time::Duration;

use aws_sdk_cloudformation::types::ChangeSetType;
use aws_sdk_secretsmanager::operation::rotate_secret::RotateSecretOutput;
use aws_sdk_secretsmanager::operation::rotate_secret::builders::RotateSecretFluentBuilder;
use aws_sdk_secretsmanager::types::RotationRulesType;
use sandbox::{ApiError, Fault, FaultEffect, SecretValue, SecretView};
use serde_json::json;

use crate::cell::{Cell, SECRET, VALUE, function_arn, template};
use crate::clients::{ACCOUNT, REGION};
use crate::identity::{error, refusal};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The principal that calls the function.
const ENGINE: &str = "secretsmanager.amazonaws.com";

fn rules(expression: &str) -> RotationRulesType {
    RotationRulesType::builder().schedule_expression(expression).build()
}

fn rotate(cell: &Cell) -> RotateSecretFluentBuilder {
    let request = cell.secrets().rotate_secret().secret_id(SECRET).rotation_lambda_arn(function_arn());
    request.rotation_rules(rules("rate(10 days)"))
}

/// Rotates and waits until nothing is under way.
async fn rotated(cell: &Cell) -> RotateSecretOutput {
    let answer = rotate(cell).send().await.unwrap();
    cell.sandbox.settle().await;
    answer
}

async fn secret(cell: &Cell) -> SecretView {
    cell.sandbox.visit(|world| world.secret(ACCOUNT, REGION, SECRET)).await.unwrap()
}

/// The value and the id of the version with a label.
fn holder(secret: &SecretView, label: &str) -> (Option<String>, String) {
    let version = secret.labelled(label).unwrap();
    (version.value.as_ref().map(|value| value.expose().to_owned()), version.id.clone())
}

/// Has the function's next call of an operation fail.
async fn fail(cell: &Cell, operation: &'static str, times: usize) {
    cell.sandbox
        .visit(move |world| {
            for _ in 0..times {
                world.inject(Fault {
                    operation: Some(operation.into()),
                    principal: Some("assumed-role".into()),
                    after: 0,
                    effect: FaultEffect::FailBefore(ApiError::new("InternalServiceError", "as ordered")),
                });
            }
        })
        .await;
}

/// The steps that the function has been called for.
async fn steps(cell: &Cell) -> Vec<String> {
    let log = cell.log().await;
    log.lines().filter_map(|line| line.strip_prefix("step ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_rotation_takes_four_steps_and_ends_with_a_new_current_version() {
    let cell = Cell::deployed().await;
    let before = secret(&cell).await;
    let token = rotated(&cell).await.version_id.unwrap();
    assert_eq!(steps(&cell).await, ["createSecret", "setSecret", "testSecret", "finishSecret"]);
    let after = secret(&cell).await;
    assert_eq!(holder(&after, "AWSCURRENT"), (Some(format!("made by {token}")), token.clone()));
    assert_eq!(holder(&after, "AWSPREVIOUS"), holder(&before, "AWSCURRENT"));
    // It stays on the version that has become current.
    assert_eq!(holder(&after, "AWSPENDING").1, token);
    assert!(after.last_rotated.is_some());
    let events = cell.calls(ENGINE).await;
    assert_eq!(events.first().unwrap(), "secretsmanager:RotationStarted");
    assert_eq!(events.last().unwrap(), "secretsmanager:RotationSucceeded");
    assert_eq!(events.iter().filter(|event| *event == "lambda:Invoke").count(), 4);
}

#[tokio::test]
async fn the_new_version_is_pending_and_has_no_value_before_create_secret() {
    let cell = Cell::deployed().await;
    cell.sandbox
        .visit(|world| {
            world.observe(|world, call| {
                let secret = world.secret(ACCOUNT, REGION, SECRET);
                let pending = secret.as_ref().and_then(|secret| secret.labelled("AWSPENDING"));
                let has_value = pending.map(|version| version.value.is_some());
                vec![format!("{} {has_value:?}", call.operation)]
            });
        })
        .await;
    rotated(&cell).await;
    let seen = cell.sandbox.visit(|world| world.findings().to_vec()).await;
    let first = seen.iter().position(|seen| seen.starts_with("lambda:Invoke")).unwrap();
    assert_eq!(seen[first], "lambda:Invoke Some(false)");
    assert!(seen[first..].contains(&"secretsmanager:PutSecretValue Some(true)".to_owned()), "{seen:?}");
    let described = cell.secrets().get_secret_value().secret_id(SECRET).version_stage("AWSPENDING").send().await;
    assert!(described.is_ok());
}

#[tokio::test]
async fn a_rotation_stops_at_the_first_step_that_fails_and_is_repeated_as_a_whole_with_the_same_token() {
    let cell = Cell::deployed().await;
    fail(&cell, "secretsmanager:GetSecretValue", 1).await;
    let token = rotated(&cell).await.version_id.unwrap();
    assert_eq!(steps(&cell).await, ["createSecret", "setSecret", "testSecret"]);
    let stuck = secret(&cell).await;
    assert_eq!(holder(&stuck, "AWSPENDING").1, token);
    assert_eq!(holder(&stuck, "AWSCURRENT").0.as_deref(), Some(VALUE));

    cell.sandbox.advance(HOUR).await;
    let all = ["createSecret", "setSecret", "testSecret", "finishSecret"];
    assert_eq!(steps(&cell).await[3..], all);
    assert_eq!(holder(&secret(&cell).await, "AWSCURRENT").1, token);
    assert_eq!(secret(&cell).await.versions.len(), 2);
}

#[tokio::test]
async fn a_rotation_is_refused_and_repeated_while_another_is_not_complete() {
    let cell = Cell::deployed().await;
    fail(&cell, "secretsmanager:UpdateSecretVersionStage", 1).await;
    let token = rotated(&cell).await.version_id.unwrap();
    let again = rotate(&cell).send().await;
    let message = format!("{again:?}");
    assert_eq!(refusal(again), error(400, "InvalidRequestException"));
    assert!(message.contains("A previous rotation isn't complete. That rotation will be reattempted."), "{message}");
    cell.sandbox.settle().await;
    assert_eq!(holder(&secret(&cell).await, "AWSCURRENT").1, token);
    let next = rotated(&cell).await.version_id.unwrap();
    assert_eq!(holder(&secret(&cell).await, "AWSCURRENT").1, next);
}

#[tokio::test]
async fn a_rotation_that_fails_always_is_given_up_until_the_schedule_takes_it_up_again() {
    let cell = Cell::deployed().await;
    fail(&cell, "secretsmanager:PutSecretValue", 1000).await;
    let token = rotated(&cell).await.version_id.unwrap();
    cell.sandbox.advance(5 * DAY).await;
    let tries = steps(&cell).await.len();
    assert!(tries > 1, "it is tried again");
    cell.sandbox.advance(2 * DAY).await;
    assert_eq!(steps(&cell).await.len(), tries, "and then no more");
    let stuck = secret(&cell).await;
    assert_eq!(holder(&stuck, "AWSPENDING"), (None, token.clone()));

    cell.sandbox.visit(|world| world.clear_faults()).await;
    cell.sandbox.advance(4 * DAY).await;
    assert_eq!(holder(&secret(&cell).await, "AWSCURRENT").1, token);
}

#[tokio::test]
async fn a_rotation_whose_label_is_taken_off_is_abandoned() {
    let cell = Cell::deployed().await;
    fail(&cell, "secretsmanager:PutSecretValue", 1).await;
    let token = rotated(&cell).await.version_id.unwrap();
    let off = cell.secrets().update_secret_version_stage().secret_id(SECRET).version_stage("AWSPENDING");
    off.remove_from_version_id(&token).send().await.unwrap();
    cell.sandbox.advance(DAY).await;
    assert_eq!(steps(&cell).await, ["createSecret"]);
    assert_eq!(cell.calls(ENGINE).await.last().unwrap(), "secretsmanager:RotationAbandoned");
    let next = rotated(&cell).await.version_id.unwrap();
    assert_eq!(holder(&secret(&cell).await, "AWSCURRENT").1, next);
}

#[tokio::test]
async fn a_step_is_not_believed_that_did_not_do_its_work() {
    let cell = Cell::deployed().await;
    let idle = include_str!("bootstrap.py").replace("return rotate(event)", "return None");
    cell.upload("idle.zip", &idle).await;
    let mut changed = template();
    changed["Resources"]["Function"]["Properties"]["Code"]["S3Key"] = "idle.zip".into();
    assert_eq!(cell.deploy(ChangeSetType::Update, changed).await, "UPDATE_COMPLETE");
    rotated(&cell).await;
    assert_eq!(steps(&cell).await, ["createSecret"], "no value was put");
    assert_eq!(cell.calls(ENGINE).await.last().unwrap(), "secretsmanager:RotationFailed");
}

#[tokio::test]
async fn the_function_must_be_there_and_admit_secrets_manager() {
    let cell = Cell::deployed().await;
    let missing = rotate(&cell).rotation_lambda_arn(format!("{}-not", function_arn())).send().await;
    assert_eq!(refusal(missing), error(400, "ResourceNotFoundException"));
    let mut changed = template();
    changed["Resources"]["Permission"]["Properties"]["SourceAccount"] = "444455556666".into();
    assert_eq!(cell.deploy(ChangeSetType::Update, changed).await, "UPDATE_COMPLETE");
    assert_eq!(refusal(rotate(&cell).send().await), error(400, "AccessDeniedException"));
    let unchanged = secret(&cell).await;
    assert!(!unchanged.rotation_enabled && unchanged.versions.len() == 1, "{unchanged:?}");
}

#[tokio::test]
async fn without_an_immediate_rotation_test_secret_alone_is_called() {
    let cell = Cell::deployed().await;
    let before = secret(&cell).await;
    rotate(&cell).rotate_immediately(false).send().await.unwrap();
    cell.sandbox.settle().await;
    assert_eq!(steps(&cell).await, ["testSecret"]);
    assert!(cell.log().await.contains(&format!("tests {VALUE}")), "a copy of the current value is tested");
    let after = secret(&cell).await;
    assert_eq!(after.versions, before.versions);
    assert!(after.rotation_enabled && after.last_rotated.is_none());
}

#[tokio::test]
async fn schedules_fire_on_the_virtual_clock() {
    let cell = Cell::deployed().await;
    rotate(&cell).rotate_immediately(false).rotation_rules(rules("rate(4 hours)")).send().await.unwrap();
    cell.sandbox.settle().await;
    let planned = secret(&cell).await.next_rotation.unwrap();
    assert_eq!(planned.to_string(), "2026-01-01T04:00:00Z");
    cell.sandbox.advance(3 * HOUR).await;
    assert!(secret(&cell).await.last_rotated.is_none());
    cell.sandbox.advance(HOUR).await;
    let once = secret(&cell).await;
    assert!(once.last_rotated.unwrap() >= planned);
    assert_eq!(once.next_rotation.unwrap().to_string(), "2026-01-01T08:00:00Z");
    cell.sandbox.advance(8 * HOUR).await;
    assert_eq!(secret(&cell).await.versions.len(), 4);
    let described = cell.secrets().describe_secret().secret_id(SECRET).send().await.unwrap();
    assert_eq!(described.next_rotation_date.unwrap().to_string(), "2026-01-01T16:59:59Z", "the end of the window");
    assert!(described.last_rotated_date.is_some());
}

#[tokio::test]
async fn cron_schedules_have_aws_s_form_and_limits() {
    let cell = Cell::deployed().await;
    let with = |expression: &str| rotate(&cell).rotate_immediately(false).rotation_rules(rules(expression)).send();
    for refused in ["rate(3 hours)", "cron(5 8 1 * ? *)", "cron(0 8 1 * *)", "every day"] {
        assert_eq!(refusal(with(refused).await), error(400, "InvalidParameterException"), "{refused}");
    }
    with("cron(0 8 1 * ? *)").await.unwrap();
    cell.sandbox.settle().await;
    assert_eq!(secret(&cell).await.next_rotation.unwrap().to_string(), "2026-01-01T08:00:00Z");
}

#[tokio::test]
async fn cancelling_ends_schedule_and_retries_and_leaves_the_labels() {
    let cell = Cell::deployed().await;
    fail(&cell, "secretsmanager:GetSecretValue", 1).await;
    let token = rotated(&cell).await.version_id.unwrap();
    let cancelled = cell.secrets().cancel_rotate_secret().secret_id(SECRET).send().await.unwrap();
    assert_eq!(cancelled.version_id.as_deref(), Some(token.as_str()));
    let calls = steps(&cell).await.len();
    cell.sandbox.advance(60 * DAY).await;
    assert_eq!(steps(&cell).await.len(), calls);
    let after = secret(&cell).await;
    assert!(!after.rotation_enabled);
    assert_eq!(holder(&after, "AWSPENDING").1, token);
    let again = cell.secrets().cancel_rotate_secret().secret_id(SECRET).send().await;
    assert_eq!(refusal(again), error(400, "InvalidRequestException"));
}

#[tokio::test]
async fn a_rotation_token_must_be_that_of_the_rotation() {
    let cell = Cell::deployed().await;
    fail(&cell, "secretsmanager:PutSecretValue", 1).await;
    let token = rotated(&cell).await.version_id.unwrap();
    let forged = cell.secrets().put_secret_value().secret_id(SECRET).client_request_token(token);
    let forged = forged.secret_string("x").rotation_token("00000000-0000-0000-0000-000000000000").send().await;
    assert_eq!(refusal(forged), error(400, "InvalidParameterException"));
}

#[tokio::test]
async fn a_manual_new_value_counts_as_a_rotation_for_the_schedule() {
    let cell = Cell::deployed().await;
    rotate(&cell).rotate_immediately(false).send().await.unwrap();
    cell.sandbox.advance(6 * DAY).await;
    assert_eq!(secret(&cell).await.next_rotation.unwrap().to_string(), "2026-01-11T00:00:00Z");
    cell.secrets().put_secret_value().secret_id(SECRET).secret_string("by hand").send().await.unwrap();
    assert_eq!(secret(&cell).await.next_rotation.unwrap().to_string(), "2026-01-17T00:00:00Z");
}

#[tokio::test]
async fn a_rotation_schedule_of_a_stack_rotates_at_once_unless_told_otherwise() {
    let cell = Cell::deployed().await;
    let with_schedule = |more: serde_json::Value| {
        let mut properties = json!({
            "SecretId": { "Ref": "Secret" },
            "RotationLambdaARN": { "Fn::GetAtt": ["Function", "Arn"] },
            "RotationRules": { "ScheduleExpression": "rate(10 days)" },
        });
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut template = template();
        let schedule = json!({
            "Type": "AWS::SecretsManager::RotationSchedule",
            "DependsOn": "Permission",
            "Properties": properties,
        });
        template["Resources"]["Schedule"] = schedule;
        template
    };
    let quiet = with_schedule(json!({ "RotateImmediatelyOnUpdate": false }));
    assert_eq!(cell.deploy(ChangeSetType::Update, quiet).await, "UPDATE_COMPLETE");
    assert_eq!(steps(&cell).await, ["testSecret"]);
    assert_eq!(cell.deploy(ChangeSetType::Update, with_schedule(json!({}))).await, "UPDATE_COMPLETE");
    assert_eq!(steps(&cell).await.len(), 5);
    assert_eq!(cell.deploy(ChangeSetType::Update, template()).await, "UPDATE_COMPLETE");
    let after = secret(&cell).await;
    assert!(!after.rotation_enabled, "the schedule is gone");
    assert_ne!(after.labelled("AWSCURRENT").unwrap().value.as_ref().map(SecretValue::expose), Some(VALUE));
}

#[tokio::test]
async fn a_rotation_schedule_fails_when_the_permission_is_not_there_yet() {
    let cell = Cell::prepared().await;
    let mut template = template();
    template["Resources"].as_object_mut().unwrap().remove("Permission");
    template["Resources"]["Schedule"] = json!({
        "Type": "AWS::SecretsManager::RotationSchedule",
        "Properties": {
            "SecretId": { "Ref": "Secret" },
            "RotationLambdaARN": { "Fn::GetAtt": ["Function", "Arn"] },
            "RotationRules": { "ScheduleExpression": "rate(10 days)" },
        },
    });
    assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "ROLLBACK_COMPLETE");
    let reason = cell.failure().await;
    assert!(reason.contains("Secrets Manager cannot invoke the specified Lambda function"), "{reason}");
}

#[tokio::test]
async fn a_stack_deletes_its_secret_without_a_recovery_window() {
    let cell = Cell::deployed().await;
    cell.cloudformation().delete_stack().stack_name("cell").send().await.unwrap();
    cell.sandbox.settle().await;
    assert_eq!(cell.sandbox.visit(|world| world.secret(ACCOUNT, REGION, SECRET)).await, None);
}
