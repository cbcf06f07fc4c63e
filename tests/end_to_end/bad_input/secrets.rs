//! Secrets that are in the way.

use super::NOTHING;
use crate::stage::{ACCOUNT, REGION, Stage, settings};

const NAME: &str = "keyturn/alice";

/// A stage with `alice` and a secret that has the name hers would have.
async fn stage_with_secret(tags: &'static [(&str, &str)]) -> Stage {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    let create = move |world: &mut sandbox::World| {
        world.create_secret(ACCOUNT, REGION, NAME, r#"{"UserName":"alice"}"#, tags).unwrap();
    };
    stage.sandbox.visit(create).await;
    stage
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused() {
    let stage = stage_with_secret(&[("team", "payroll")]).await;
    let run = stage.bootstrap(&["alice"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_secret_that_waits_for_its_deletion_is_refused() {
    let stage = stage_with_secret(&[]).await;
    stage.secrets().delete_secret().secret_id(NAME).recovery_window_in_days(7).send().await.unwrap();
    stage.take_writes().await;
    let run = stage.bootstrap(&["alice"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_secret_of_another_user_is_refused() {
    let tags = &[("keyturn:user", "bob"), ("keyturn:user-id", "AIDABOBBOBBOBBOBBOBBO"), ("keyturn:stack", "keyturn")];
    let stage = stage_with_secret(tags).await;
    let run = stage.bootstrap(&["alice"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_value_that_names_another_user_blocks_the_rotation() {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    let run = stage.bootstrap(&["alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    let value = stage.sandbox.visit(|world| world.secret_value(ACCOUNT, REGION, NAME, "AWSCURRENT").map(str::to_owned));
    let value = value.await.unwrap().replace("alice", "bob");
    stage.secrets().put_secret_value().secret_id(NAME).secret_string(value).send().await.unwrap();
    let keys_of = |user: &'static str| stage.sandbox.visit(move |world| world.access_keys(ACCOUNT, user));
    let before = keys_of("alice").await;
    let run = stage.keyturn(&["--region", REGION, "rotate", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!((run.code, keys_of("alice").await.len(), keys_of("bob").await.len()), (3, before.len(), 0));
    stage.assert_no_secret_left_behind().await;
}
