//! Contracts of what a person does meanwhile: to keys, and to secrets in the middle of their rotation.

use std::time::Duration;

use aws_sdk_iam::types::StatusType;
use aws_sdk_secretsmanager::types::RotationRulesType;
use sandbox::{ApiError, Fault, FaultEffect, KeyStatus, SecretValue, SecretView};

use crate::cell::{Cell, SECRET, VALUE, function_arn};
use crate::clients::{ACCOUNT, REGION};
use crate::identity::{error, iam, refusal, start, sts, user};

const HOUR: Duration = Duration::from_hours(1);

/// The function, among the principals.
const FUNCTION_ROLE: &str = "assumed-role";

/// The principal that notes what becomes of rotations.
const ENGINE: &str = "secretsmanager.amazonaws.com";

async fn secret(cell: &Cell) -> SecretView {
    cell.sandbox.visit(|world| world.secret(ACCOUNT, REGION, SECRET)).await.unwrap()
}

fn value_of<'a>(secret: &'a SecretView, label: &str) -> Option<&'a str> {
    secret.labelled(label)?.value.as_ref().map(SecretValue::expose)
}

fn id_of(secret: &SecretView, label: &str) -> String {
    secret.labelled(label).unwrap().id.clone()
}

async fn rotate(cell: &Cell) -> String {
    let rules = RotationRulesType::builder().schedule_expression("rate(10 days)").build();
    let request = cell.secrets().rotate_secret().secret_id(SECRET).rotation_lambda_arn(function_arn());
    let started = request.rotation_rules(rules).send().await.unwrap();
    cell.sandbox.settle().await;
    started.version_id.unwrap()
}

/// A cell whose first rotation stands still after its new value was put: testSecret could not read it.
async fn stuck() -> (Cell, String) {
    let cell = Cell::deployed().await;
    let fault = Fault {
        operation: Some("secretsmanager:GetSecretValue".into()),
        principal: Some(FUNCTION_ROLE.into()),
        after: 0,
        effect: FaultEffect::FailBefore(ApiError::new("InternalServiceError", "as ordered")),
    };
    cell.sandbox.visit(move |world| world.inject(fault)).await;
    let token = rotate(&cell).await;
    (cell, token)
}

async fn last_event(cell: &Cell) -> String {
    cell.calls(ENGINE).await.last().cloned().unwrap()
}

#[tokio::test]
async fn a_deactivated_key_is_refused_and_an_activated_one_accepted_again() {
    let (sandbox, admin) = start().await;
    let key = user(&sandbox, ACCOUNT, "alice").await;
    let (iam, alice) = (iam(&sandbox, &admin), sts(&sandbox, &key));
    let set =
        |status| iam.update_access_key().user_name("alice").access_key_id(&key.access_key_id).status(status).send();
    alice.get_caller_identity().send().await.unwrap();
    for _ in 0..2 {
        set(StatusType::Inactive).await.unwrap();
        assert_eq!(refusal(alice.get_caller_identity().send().await), error(403, "InvalidClientTokenId"));
        set(StatusType::Active).await.unwrap();
        alice.get_caller_identity().send().await.unwrap();
    }
    set(StatusType::Active).await.expect("Active already");
    iam.delete_access_key().user_name("alice").access_key_id(&key.access_key_id).send().await.expect("Active or not");
    assert_eq!(refusal(alice.get_caller_identity().send().await), error(403, "InvalidClientTokenId"));
    assert_eq!(refusal(set(StatusType::Active).await), error(404, "NoSuchEntity"));
    assert_eq!(refusal(set("Expired".into()).await), error(400, "ValidationError"));
}

#[tokio::test]
async fn a_value_put_by_hand_becomes_current_and_the_pending_version_stays() {
    let (cell, token) = stuck().await;
    cell.secrets().put_secret_value().secret_id(SECRET).secret_string("by hand").send().await.unwrap();
    let now = secret(&cell).await;
    assert_eq!((value_of(&now, "AWSCURRENT"), id_of(&now, "AWSPENDING")), (Some("by hand"), token.clone()));
    assert_eq!(value_of(&now, "AWSPREVIOUS"), Some(VALUE));
    cell.sandbox.advance(HOUR).await;
    let then = secret(&cell).await;
    assert_eq!(id_of(&then, "AWSCURRENT"), token, "the rotation is repeated");
    assert_eq!(value_of(&then, "AWSPREVIOUS"), Some("by hand"));
}

#[tokio::test]
async fn labels_are_moved_by_hand() {
    let (cell, token) = stuck().await;
    let secrets = cell.secrets();
    let old = id_of(&secret(&cell).await, "AWSCURRENT");
    let current = |from: &str, to: &str| {
        let request = secrets.update_secret_version_stage().secret_id(SECRET).version_stage("AWSCURRENT");
        request.remove_from_version_id(from).move_to_version_id(to).send()
    };
    current(&old, &token).await.unwrap();
    let now = secret(&cell).await;
    assert_eq!([id_of(&now, "AWSCURRENT"), id_of(&now, "AWSPREVIOUS")], [token.clone(), old.clone()]);
    cell.sandbox.advance(HOUR).await;
    assert_eq!(last_event(&cell).await, "secretsmanager:RotationSucceeded");
    current(&token, &old).await.unwrap();
    let back = secret(&cell).await;
    assert_eq!([id_of(&back, "AWSCURRENT"), id_of(&back, "AWSPREVIOUS")], [old, token]);
}

#[tokio::test]
async fn a_pending_label_taken_off_by_hand_ends_the_rotation() {
    let (cell, token) = stuck().await;
    let request = cell.secrets().update_secret_version_stage().secret_id(SECRET).version_stage("AWSPENDING");
    request.remove_from_version_id(&token).send().await.unwrap();
    cell.sandbox.advance(HOUR).await;
    assert_eq!(last_event(&cell).await, "secretsmanager:RotationAbandoned");
    let after = secret(&cell).await;
    assert_eq!(value_of(&after, "AWSCURRENT"), Some(VALUE));
    let left = cell.secrets().get_secret_value().secret_id(SECRET).version_id(&token).send().await;
    assert!(left.is_ok(), "what was put stays readable by its id");
}

#[tokio::test]
async fn a_cancelled_rotation_is_not_repeated_and_its_label_stays() {
    let (cell, token) = stuck().await;
    cell.secrets().cancel_rotate_secret().secret_id(SECRET).send().await.unwrap();
    let calls = cell.calls(ENGINE).await.len();
    cell.sandbox.advance(30 * 24 * HOUR).await;
    assert_eq!(cell.calls(ENGINE).await.len(), calls);
    let after = secret(&cell).await;
    assert_eq!((after.rotation_enabled, id_of(&after, "AWSPENDING")), (false, token));
}

#[tokio::test]
async fn a_person_comes_between_two_calls_of_the_function() {
    let cell = Cell::deployed().await;
    cell.sandbox
        .visit(|world| {
            world.interfere("secretsmanager:UpdateSecretVersionStage", FUNCTION_ROLE, 0, |world| {
                world.put_secret_value(ACCOUNT, REGION, SECRET, "by hand").unwrap();
            });
        })
        .await;
    rotate(&cell).await;
    let now = secret(&cell).await;
    assert_eq!(value_of(&now, "AWSCURRENT"), Some("by hand"), "the function would have moved the label from elsewhere");
    assert_eq!(last_event(&cell).await, "secretsmanager:RotationFailed");
    assert_eq!(cell.sandbox.visit(|world| world.pending_interferences()).await, 0);
    cell.sandbox.advance(HOUR).await;
    assert_eq!(value_of(&secret(&cell).await, "AWSPREVIOUS"), Some("by hand"));
}

#[tokio::test]
async fn a_person_cancels_or_unlabels_in_the_middle_of_a_step() {
    let cell = Cell::deployed().await;
    cell.sandbox
        .visit(|world| {
            world.interfere("secretsmanager:GetSecretValue", FUNCTION_ROLE, 0, |world| {
                world.cancel_rotation(ACCOUNT, REGION, SECRET).unwrap();
            });
        })
        .await;
    let token = rotate(&cell).await;
    let after = secret(&cell).await;
    assert_eq!((after.rotation_enabled, id_of(&after, "AWSPENDING")), (false, token), "finishSecret was not called");
    assert_eq!(value_of(&after, "AWSCURRENT"), Some(VALUE));

    let cell = Cell::deployed().await;
    cell.sandbox
        .visit(|world| {
            world.interfere("secretsmanager:DescribeSecret", FUNCTION_ROLE, 0, |world| {
                world.move_label(ACCOUNT, REGION, SECRET, "AWSPENDING", None).unwrap();
            });
        })
        .await;
    let token = rotate(&cell).await;
    let after = secret(&cell).await;
    assert_eq!((id_of(&after, "AWSCURRENT"), after.labelled("AWSPENDING")), (token, None), "finishSecret went on");
}

#[tokio::test]
async fn an_interference_waits_for_its_call_and_happens_once() {
    let (sandbox, admin) = start().await;
    let key = user(&sandbox, ACCOUNT, "alice").await.access_key_id;
    let id = key.clone();
    sandbox
        .visit(move |world| {
            world.interfere("iam:GetUser", "user/administrator", 1, move |world| {
                world.set_access_key_status(&id, KeyStatus::Inactive).unwrap();
            });
        })
        .await;
    let iam = iam(&sandbox, &admin);
    let status = async || sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")[0].status).await;
    iam.list_users().send().await.unwrap();
    iam.get_user().user_name("alice").send().await.unwrap();
    assert_eq!(status().await, KeyStatus::Active);
    iam.get_user().user_name("alice").send().await.unwrap();
    assert_eq!(status().await, KeyStatus::Inactive);
    sandbox.visit(move |world| world.set_access_key_status(&key, KeyStatus::Active)).await.unwrap();
    iam.get_user().user_name("alice").send().await.unwrap();
    assert_eq!(status().await, KeyStatus::Active);
}
