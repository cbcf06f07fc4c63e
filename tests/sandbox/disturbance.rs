//! Contracts of what befalls calls: a saboteur that decides before each one, invocations in the middle of another, a
//! clock that jumps, rotations that wait for their turn.

use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_secretsmanager::types::RotationRulesType;
use sandbox::{ApiError, Fault, FaultEffect, Outcome, Upcoming, World};
use serde_json::{Value, json};

use crate::cell::{Cell, FUNCTION, SECRET, function_arn};
use crate::clients::{ACCOUNT, REGION};
use crate::identity::{change, error, iam, refusal, signed_by, start, sts, user};

const HOUR: Duration = Duration::from_hours(1);

/// The function, among the principals.
const FUNCTION_ROLE: &str = "assumed-role";

async fn order(cell: &Cell, operation: &str, effect: FaultEffect) {
    let operation = Some(operation.to_owned());
    let fault = Fault { operation, principal: Some(FUNCTION_ROLE.into()), after: 0, effect };
    cell.sandbox.visit(move |world| world.inject(fault)).await;
}

async fn invoke(cell: &Cell, event: Value) -> (Option<String>, Value) {
    let payload = Blob::new(event.to_string());
    let answer = cell.functions().invoke().function_name(FUNCTION).payload(payload).send().await.unwrap();
    let payload = answer.payload.map(|payload| serde_json::from_slice(payload.as_ref()).unwrap());
    (answer.function_error, payload.unwrap_or_default())
}

/// How many invocations there have been, and the lines of the log that begin with `word`, in the order of their ends.
async fn logged(cell: &Cell, word: &str) -> (usize, Vec<String>) {
    let log = cell.log().await;
    let starts = log.lines().filter(|line| line.starts_with("START ")).count();
    (starts, log.lines().filter_map(|line| line.strip_prefix(word)).map(|rest| rest.trim().to_owned()).collect())
}

#[tokio::test]
async fn a_call_waits_until_the_function_has_dealt_with_another_event() {
    let cell = Cell::deployed().await;
    let describe = || json!({ "do": "describe", "secret": SECRET });
    for event in [json!({ "say": "hello" }), json!({ "do": "crash" }), json!({ "do": "fail" })] {
        let before = logged(&cell, "event").await;
        order(&cell, "secretsmanager:DescribeSecret", FaultEffect::Meanwhile(event.to_string().into_bytes())).await;
        let (failure, answer) = invoke(&cell, describe()).await;
        assert_eq!((failure, answer["Name"].as_str()), (None, Some(SECRET)), "{event}");
        assert_eq!(logged(&cell, "event").await.0, before.0 + 2, "{event}");
    }
    assert_eq!(logged(&cell, "event").await.1, [r#"{"say": "hello"}"#]);
    let calls = cell.calls(FUNCTION_ROLE).await;
    assert_eq!(calls.iter().filter(|call| *call == "secretsmanager:DescribeSecret").count(), 3, "each is done once");
}

#[tokio::test]
async fn a_step_is_done_twice_at_once_with_the_same_event() {
    let cell = Cell::deployed().await;
    order(&cell, "secretsmanager:PutSecretValue", FaultEffect::Again).await;
    let rotation = cell.secrets().rotate_secret().secret_id(SECRET).rotation_lambda_arn(function_arn());
    let rules = RotationRulesType::builder().schedule_expression("rate(10 days)").build();
    let token = rotation.rotation_rules(rules).send().await.unwrap().version_id.unwrap();
    cell.sandbox.settle().await;
    let steps = ["createSecret", "createSecret", "setSecret", "testSecret", "finishSecret"];
    assert_eq!(logged(&cell, "step").await.1, steps);
    let calls = cell.calls(FUNCTION_ROLE).await;
    assert_eq!(calls.iter().filter(|call| *call == "secretsmanager:PutSecretValue").count(), 2);
    let current = cell.sandbox.visit(|world| world.secret(ACCOUNT, REGION, SECRET)).await.unwrap();
    assert_eq!(current.labelled("AWSCURRENT").unwrap().id, token);
}

#[tokio::test]
async fn only_a_function_can_be_invoked_in_the_middle_of_its_call() {
    let (sandbox, admin) = start().await;
    let fault = Fault { operation: None, principal: None, after: 0, effect: FaultEffect::Again };
    sandbox.visit(|world| world.inject(fault)).await;
    let cut = iam(&sandbox, &admin).list_users().send().await.unwrap_err();
    assert!(cut.raw_response().is_none(), "the connection is closed");
    iam(&sandbox, &admin).list_users().send().await.unwrap();
}

#[tokio::test]
async fn a_saboteur_is_told_who_does_what_and_to_whom() {
    let (sandbox, admin) = start().await;
    let key = user(&sandbox, ACCOUNT, "alice").await;
    change(&sandbox, |world| world.create_secret(ACCOUNT, REGION, "app/alice", "{}", &[])).await;
    let (tell, told) = std::sync::mpsc::channel();
    sandbox
        .visit(move |world| {
            world.sabotage(move |world, Upcoming { principal, operation, subject }| {
                let who = principal.rsplit('/').next().unwrap();
                tell.send(format!("{who} {operation} {}", subject.as_deref().unwrap_or("-"))).unwrap();
                if subject.as_deref() == Some("bob") {
                    world.create_user(ACCOUNT, "bob", "/").unwrap();
                }
                (operation == "iam:ListUsers").then(|| FaultEffect::FailBefore(ApiError::new("Ordered", "no")))
            });
        })
        .await;
    let iam = iam(&sandbox, &admin);
    iam.get_user().user_name("alice").send().await.unwrap();
    iam.get_access_key_last_used().access_key_id(&key.access_key_id).send().await.unwrap();
    sts(&sandbox, &key).get_caller_identity().send().await.unwrap();
    let secrets = aws_sdk_secretsmanager::Client::new(&signed_by(&sandbox, &admin));
    secrets.describe_secret().secret_id("app/alice").send().await.unwrap();
    assert_eq!(refusal(iam.list_users().send().await), error(400, "Ordered"));
    iam.get_user().user_name("bob").send().await.expect("it was changed right before the call");
    let expected = [
        "administrator iam:GetUser alice",
        "administrator iam:GetAccessKeyLastUsed alice",
        "alice sts:GetCallerIdentity alice",
        "administrator secretsmanager:DescribeSecret app/alice",
        "administrator iam:ListUsers -",
        "administrator iam:GetUser bob",
    ];
    assert_eq!(told.try_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_call_that_was_held_up_meets_with_no_saboteur_again() {
    let cell = Cell::deployed().await;
    let sabotage = |world: &mut World| {
        let mut met = 0;
        world.sabotage(move |_, upcoming| {
            let is_meant = upcoming.operation == "secretsmanager:DescribeSecret";
            met += usize::from(is_meant);
            is_meant.then_some(if met == 1 { FaultEffect::Again } else { FaultEffect::KillBefore })
        });
    };
    cell.sandbox.visit(sabotage).await;
    let (failure, answer) = invoke(&cell, json!({ "do": "describe", "secret": SECRET })).await;
    assert_eq!((failure, answer["Name"].as_str()), (None, Some(SECRET)), "the other one was killed, not this one");
    let killed = |call: &&sandbox::Call| call.outcome == Outcome::NotDone;
    assert_eq!(cell.sandbox.visit(move |world| world.calls().iter().filter(killed).count()).await, 1);
}

#[tokio::test]
async fn a_clock_that_jumps_makes_late_what_falls_due() {
    let cell = Cell::deployed().await;
    let rotation = cell.secrets().rotate_secret().secret_id(SECRET).rotation_lambda_arn(function_arn());
    let rules = RotationRulesType::builder().schedule_expression("rate(10 days)").build();
    rotation.rotation_rules(rules).send().await.unwrap();
    cell.sandbox.settle().await;
    let jump = |world: &mut World| {
        let before = world.now();
        world.jump(25 * 24 * HOUR);
        (before, world.now())
    };
    let (before, after) = cell.sandbox.visit(jump).await;
    assert_eq!(after.duration_since(before).unsigned_abs(), 25 * 24 * HOUR);
    cell.sandbox.settle().await;
    let rotated = cell.sandbox.visit(|world| world.secret(ACCOUNT, REGION, SECRET)).await.unwrap().last_rotated;
    assert!(rotated.unwrap() >= after, "it was due on the way and is done now");
    let successes = cell.calls("secretsmanager.amazonaws.com").await;
    assert_eq!(
        successes.iter().filter(|call| *call == "secretsmanager:RotationSucceeded").count(),
        2,
        "once, not twice"
    );
}

#[tokio::test]
async fn rotations_wait_for_their_turn() {
    let cell = Cell::deployed().await;
    cell.sandbox.visit(|world| world.rotate_at_once(1)).await;
    for name in ["app/bob", "app/carol"] {
        change(&cell.sandbox, move |world| world.create_secret(ACCOUNT, REGION, name, "{}", &[])).await;
    }
    for name in [SECRET, "app/bob", "app/carol"] {
        let rules = RotationRulesType::builder().schedule_expression("rate(10 days)").build();
        let rotation = cell.secrets().rotate_secret().secret_id(name).rotation_lambda_arn(function_arn());
        rotation.rotation_rules(rules).send().await.unwrap();
    }
    cell.sandbox.settle().await;
    let in_turn = ["createSecret", "setSecret", "testSecret", "finishSecret"].repeat(3);
    assert_eq!(logged(&cell, "step").await.1, in_turn);

    cell.sandbox.visit(|world| world.rotate_at_once(0)).await;
    cell.secrets().rotate_secret().secret_id(SECRET).send().await.unwrap();
    cell.sandbox.settle().await;
    assert_eq!(logged(&cell, "step").await.1.len(), 12, "nobody has a turn");
    cell.sandbox.visit(|world| world.rotate_at_once(1)).await;
    cell.sandbox.settle().await;
    assert_eq!(logged(&cell, "step").await.1.len(), 16);

    // All three are due at midnight, and whoever is at work then is cancelled: the others have their turn all the same.
    cell.sandbox
        .visit(|world| {
            world.interfere("secretsmanager:PutSecretValue", FUNCTION_ROLE, 0, |world| {
                world.cancel_rotation(ACCOUNT, REGION, SECRET).unwrap();
            });
        })
        .await;
    cell.sandbox.advance(11 * 24 * HOUR).await;
    let rotated = async |name: &'static str| {
        cell.sandbox.visit(move |world| world.secret(ACCOUNT, REGION, name).unwrap().versions.len()).await
    };
    assert_eq!([rotated(SECRET).await, rotated("app/bob").await, rotated("app/carol").await], [4, 3, 3]);
    let current = cell.sandbox.visit(|world| world.secret(ACCOUNT, REGION, SECRET)).await.unwrap();
    assert_ne!(current.labelled("AWSPENDING").unwrap().id, current.labelled("AWSCURRENT").unwrap().id);
}

#[tokio::test]
async fn a_request_is_answered_also_when_its_process_had_died_unnoticed() {
    let cell = Cell::deployed().await;
    for _ in 0..5 {
        let (_, answer) = invoke(&cell, json!({})).await;
        let process = answer["process"].as_u64().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
        let (failure, answer) = invoke(&cell, json!({})).await;
        assert!(failure.is_none_or(|kind| kind == "Unhandled"), "an answer, whatever it is: {answer}");
    }
}

#[tokio::test]
async fn a_key_that_is_unknown_for_long_costs_few_tries() {
    let (sandbox, _) = start().await;
    change(&sandbox, |world| world.create_user(ACCOUNT, "alice", "/")).await;
    sandbox.visit(|world| world.fail_new_keys_for(Duration::from_secs(20))).await;
    let key = change(&sandbox, |world| world.create_access_key(ACCOUNT, "alice")).await;
    let created = sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")[0].created).await;
    let sts = sts(&sandbox, &key);
    let mut refusals = 0;
    while sts.get_caller_identity().send().await.is_err() {
        refusals += 1;
    }
    let waited = sandbox.visit(|world| world.now()).await.duration_since(created).unsigned_abs();
    assert_eq!(refusals, 4);
    assert!((20..21).contains(&waited.as_secs()), "{waited:?}");
}
