//! Rotations that cannot come to their end.

use aws_sdk_secretsmanager::types::Tag;
use sandbox::{Fault, FaultEffect};

use crate::stage::{ACCOUNT, REGION, Stage, settings};

const ROTATE: [&str; 4] = ["--region", REGION, "rotate", "alice"];

async fn stage_with_alice() -> Stage {
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.bootstrap(&["alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    stage
}

async fn keys_of(stage: &Stage, user: &'static str) -> usize {
    stage.sandbox.visit(move |world| world.access_keys(ACCOUNT, user).len()).await
}

#[tokio::test]
async fn an_unfinished_rotation_is_finished() {
    let stage = stage_with_alice().await;
    // The first attempt creates a key, stores it, and dies.
    stage
        .sandbox
        .visit(|world| {
            let (operation, principal) = ("secretsmanager:PutSecretValue".to_owned(), "assumed-role/".to_owned());
            let effect = FaultEffect::KillAfter;
            world.inject(Fault { operation: Some(operation), principal: Some(principal), after: 0, effect });
        })
        .await;
    stage.rotate_secret("alice").await;
    stage.sandbox.settle().await;
    let pending = stage.sandbox.visit(|world| {
        let secret = world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap();
        secret.labelled("AWSPENDING").unwrap().id != secret.labelled("AWSCURRENT").unwrap().id
    });
    assert!(pending.await, "the rotation is not complete");
    let run = stage.keyturn(&ROTATE).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(keys_of(&stage, "alice").await, 2, "the key of the first attempt was used");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_user_on_hold_is_left_alone() {
    let stage = stage_with_alice().await;
    let hold = Tag::builder().key("keyturn:hold").value("audit until Friday").build();
    stage.secrets().tag_resource().secret_id("keyturn/alice").tags(hold).send().await.unwrap();
    let run = stage.keyturn(&ROTATE).await;
    settings().bind(|| insta::assert_snapshot!("a_user_on_hold_rotate", run));
    assert_eq!((run.code, keys_of(&stage, "alice").await), (1, 1));
    let run = stage.keyturn(&["--region", REGION, "status"]).await;
    settings().bind(|| insta::assert_snapshot!("a_user_on_hold_status", run));
    stage.secrets().untag_resource().secret_id("keyturn/alice").tag_keys("keyturn:hold").send().await.unwrap();
    let run = stage.keyturn(&ROTATE).await;
    assert_eq!((run.code, keys_of(&stage, "alice").await), (0, 2), "{run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn one_of_the_first_rotations_fails_and_the_next_run_heals_it() {
    let stage = Stage::with_users(&["alice", "carol"]).await;
    // A secret of ours from before, on hold.
    stage
        .sandbox
        .visit(|world| {
            let id = world.create_user(ACCOUNT, "bob", "/").unwrap();
            let tags = [
                ("keyturn:user", "bob"),
                ("keyturn:user-id", id.as_str()),
                ("keyturn:stack", "keyturn"),
                ("keyturn:hold", "audit"),
            ];
            world.create_secret(ACCOUNT, REGION, "keyturn/bob", r#"{"UserName":"bob"}"#, &tags).unwrap();
        })
        .await;
    let run = stage.bootstrap(&["alice", "bob", "carol"]).await;
    settings().bind(|| insta::assert_snapshot!("one_of_the_first_rotations_fails", run));
    assert_eq!(run.code, 3);
    for (user, keys) in [("alice", 1), ("bob", 0), ("carol", 1)] {
        assert_eq!(keys_of(&stage, user).await, keys, "{user}");
    }
    stage.secrets().untag_resource().secret_id("keyturn/bob").tag_keys("keyturn:hold").send().await.unwrap();
    let run = stage.bootstrap(&["alice", "bob", "carol"]).await;
    settings().bind(|| insta::assert_snapshot!("the_next_run_heals_it", run));
    for user in ["alice", "bob", "carol"] {
        assert_eq!(keys_of(&stage, user).await, 1, "{user}");
    }
    stage.assert_no_secret_left_behind().await;
}

/// RotateSecret would start whatever function the secret names.
#[tokio::test]
async fn a_secret_of_somebody_else_is_not_rotated() {
    let stage = Stage::with_users(&["alice"]).await;
    stage.configure("version: 1\nregion: eu-central-1\nusers: [{ name: alice, secret: prod/alice }]\n");
    let value = r#"{"UserName":"alice","AccessKeyId":"AKIA0123456789ABCDEF","SecretAccessKey":"x"}"#;
    let make =
        move |world: &mut sandbox::World| world.create_secret(ACCOUNT, REGION, "prod/alice", value, &[]).unwrap();
    stage.sandbox.visit(make).await;
    let run = stage.keyturn(&["rotate", "alice"]).await;
    assert_eq!((run.code, stage.take_writes().await), (1, vec![]), "{run}");
    assert!(run.stderr.contains("the secret `prod/alice` for `alice` is not one of keyturn's"), "{run}");
    stage.assert_no_secret_left_behind().await;
}

/// RotateSecret would turn it on.
#[tokio::test]
async fn a_rotation_that_was_turned_off_stays_off() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.bootstrap(&["alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    let off = |world: &mut sandbox::World| world.cancel_rotation(ACCOUNT, REGION, "keyturn/alice").unwrap();
    stage.sandbox.visit(off).await;
    stage.take_writes().await;
    let run = stage.keyturn(&["--region", REGION, "rotate", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!((run.code, stage.take_writes().await), (1, vec![]), "{run}");
    stage.assert_no_secret_left_behind().await;
}
