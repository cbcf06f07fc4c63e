//! Credentials that are missing, wrong, expired or too weak, and AWS out of reach.

use std::time::Duration;

use sandbox::Credentials;

use super::{LEFT, NOTHING, what_is_left};
use crate::stage::{ACCOUNT, REGION, Run, Stage, function, settings};

const PLAN: [&str; 4] = ["--region", REGION, "plan", "alice"];

#[tokio::test]
async fn without_credentials_nothing_begins() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.keyturn_with(&[], &PLAN).await;
    settings().bind(|| insta::assert_snapshot!("no_credentials", run));
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_profile_that_is_named_counts_more_than_a_key_in_the_environment() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.keyturn(&["--profile", "prod", "--region", REGION, "plan", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!((run.code, stage.sandbox.visit(|world| world.calls().len()).await), (5, 0), "{run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_wrong_secret_key_is_told_from_a_wrong_key_id() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.keyturn_as(&stage.admin.access_key_id, "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", &PLAN).await;
    settings().bind(|| insta::assert_snapshot!("a_wrong_secret_key", run));
    let run = stage.keyturn_as("AKIAIOSFODNN7EXAMPLE", &stage.admin.secret_access_key, &PLAN).await;
    settings().bind(|| insta::assert_snapshot!("a_wrong_key_id", run));
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn an_expired_session_is_told_as_such() {
    let stage = Stage::with_users(&["alice"]).await;
    let role = stage.sandbox.visit(|world| {
        let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}}"#;
        world.create_role(ACCOUNT, "operator", trust).unwrap()
    });
    let sts = aws_sdk_sts::Client::new(&stage.config());
    let session = sts.assume_role().role_arn(role.await).role_session_name("shift").send().await.unwrap();
    let session = session.credentials.unwrap();
    stage.sandbox.advance(Duration::from_secs(2 * 3600)).await;
    stage.take_writes().await;
    let environment = [
        ("AWS_ACCESS_KEY_ID", session.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", session.secret_access_key.as_str()),
        ("AWS_SESSION_TOKEN", session.session_token.as_str()),
    ];
    let run = stage.keyturn_with(&environment, &PLAN).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn an_endpoint_out_of_reach_is_named() {
    let stage = Stage::with_users(&["alice"]).await;
    let Credentials { access_key_id, secret_access_key, .. } = &stage.admin;
    // Port 1 of this machine: nobody listens there.
    let environment = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", secret_access_key.as_str()),
    ];
    let run = stage.keyturn_with(&environment, &PLAN).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
}

/// Runs `keyturn` as a user who may do everything but `action`.
async fn run_without(stage: &Stage, action: &'static str, arguments: &[&str]) -> Run {
    let key = stage.sandbox.visit(move |world| {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}},{{"Effect":"Deny","Action":"{action}","Resource":"*"}}]}}"#
        );
        world.create_user(ACCOUNT, "operator", "/").unwrap();
        world.put_user_policy(ACCOUNT, "operator", "almost-everything", &document).unwrap();
        world.clear_calls();
        world.create_access_key(ACCOUNT, "operator").unwrap()
    });
    let key = key.await;
    stage.keyturn_as(&key.access_key_id, &key.secret_access_key, arguments).await
}

fn bootstrap() -> [&'static str; 7] {
    ["--region", REGION, "--yes", "bootstrap", "alice", "--artifact", function().to_str().unwrap()]
}

#[tokio::test]
async fn a_denial_before_the_plan_names_the_action() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = run_without(&stage, "iam:GetUser", &PLAN).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_denial_before_the_stack_names_the_action() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = run_without(&stage, "cloudformation:CreateChangeSet", &bootstrap()).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, ["cloudformation:CreateChangeSet"]);
    assert_eq!(stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_denial_inside_the_stack_names_the_action_and_is_taken_back() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = run_without(&stage, "iam:CreateRole", &bootstrap()).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(what_is_left(&stage).await, LEFT);
    let run = stage.bootstrap(&["alice"]).await;
    assert_eq!(run.code, 0, "the next run, with the permission, goes on: {run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_denial_of_the_rotation_names_the_action() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.bootstrap(&["alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    let keys = || stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice"));
    let before: Vec<String> = keys().await.iter().map(|key| key.id().to_owned()).collect();
    let run = run_without(&stage, "secretsmanager:RotateSecret", &["--region", REGION, "rotate", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    let after: Vec<String> = keys().await.iter().map(|key| key.id().to_owned()).collect();
    assert_eq!(after, before);
    stage.assert_no_secret_left_behind().await;
}
