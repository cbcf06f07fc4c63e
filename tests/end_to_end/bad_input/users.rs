//! Users that keyturn cannot serve.

use std::time::Duration;

use sandbox::KeyStatus;

use super::NOTHING;
use crate::stage::{ACCOUNT, REGION, Stage, settings};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn an_unknown_user_is_refused() {
    let stage = Stage::with_users(&["alice"]).await;
    for command in ["plan", "bootstrap", "rotate"] {
        let run = stage.keyturn(&["--region", REGION, "--yes", command, "alice", "alise", "bop"]).await;
        settings().bind(|| insta::assert_snapshot!(format!("an_unknown_user_is_refused_by_{command}"), run));
        assert_eq!((run.code, stage.take_writes().await), (1, vec![]), "{command}");
    }
    stage.assert_no_secret_left_behind().await;
}

/// Two keys of 200 and 100 days; the newer one was used for S3 since, the older one is as given.
async fn stage_with_two_keys(older: KeyStatus) -> Stage {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    let ids = stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "bob").unwrap().access_key_id).await;
    stage.sandbox.advance(100 * DAY).await;
    stage
        .sandbox
        .visit(move |world| {
            let newer = world.create_access_key(ACCOUNT, "bob").unwrap().access_key_id;
            world.record_use(&newer, "s3", "eu-west-1").unwrap();
            world.set_access_key_status(&ids, older).unwrap();
        })
        .await;
    stage.sandbox.advance(100 * DAY).await;
    stage
}

#[tokio::test]
async fn two_active_keys_are_refused_with_a_report_of_each() {
    let stage = stage_with_two_keys(KeyStatus::Active).await;
    let run = stage.bootstrap(&["alice", "bob"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn an_inactive_key_takes_a_place_too() {
    let stage = stage_with_two_keys(KeyStatus::Inactive).await;
    let run = stage.bootstrap(&["alice", "bob"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_name_that_iam_does_not_allow_is_refused() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.bootstrap(&["team/alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_name_that_iam_does_not_allow_as_an_argument", run));
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers:\n  - alice\n  - team/alice\n"));
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("a_name_that_iam_does_not_allow_in_the_file", run));
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_user_who_was_made_again_is_a_stranger() {
    let stage = Stage::with_users(&["alice"]).await;
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [alice]\n"));
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage
        .sandbox
        .visit(|world| {
            world.delete_user(ACCOUNT, "alice").unwrap();
            world.create_user(ACCOUNT, "alice", "/").unwrap();
            world.clear_calls();
        })
        .await;
    for command in ["plan", "status"] {
        let run = stage.keyturn(&[command]).await;
        settings().bind(|| insta::assert_snapshot!(format!("a_user_who_was_made_again_{command}"), run));
    }
    assert_eq!(stage.take_writes().await, NOTHING);
    let run = stage.keyturn(&["rotate", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_user_who_was_made_again_rotate", run));
    let keys = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")).await;
    assert_eq!((run.code, keys, stage.take_writes().await), (1, vec![], vec![]), "no key for the stranger");
    // Nor when somebody else asks for the rotation.
    stage.rotate_secret("alice").await;
    stage.sandbox.settle().await;
    assert_eq!(stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")).await, [], "no key for the stranger");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_user_who_was_deleted_is_missed() {
    let stage = Stage::with_users(&["alice"]).await;
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [alice]\n"));
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage
        .sandbox
        .visit(|world| {
            world.delete_user(ACCOUNT, "alice").unwrap();
            world.clear_calls();
        })
        .await;
    for command in [vec!["plan"], vec!["status"], vec!["rotate", "alice"]] {
        let run = stage.keyturn(&command).await;
        settings().bind(|| insta::assert_snapshot!(format!("a_user_who_was_deleted_{}", command[0]), run));
    }
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}
