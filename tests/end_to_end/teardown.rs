//! `keyturn teardown`: what goes, what stays, and that nothing is left however it is interrupted.

use std::time::Duration;

use aws_sdk_secretsmanager::types::Tag;
use sandbox::{KeyStatus, StackAction, World};

use crate::bootstrap::{configure, current_keys, deployed, in_order, working_key};
use crate::stage::{ACCOUNT, REGION, Stage, settings};
use crate::strikes::{STRIKES, Strike, Written, all, writes};

const DAY: Duration = Duration::from_secs(86_400);

const USERS: [&str; 2] = ["alice", "bob"];

/// What is in the account, but for the secrets.
async fn beside_secrets(stage: &Stage) -> Vec<String> {
    let inventory = stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    let is_secret = |item: &String| item.starts_with("secret ") || item.starts_with("replica ");
    inventory.into_iter().filter(|item| !is_secret(item)).collect()
}

const NOTHING: [&str; 0] = [];

#[tokio::test]
async fn keys_and_secrets_are_kept_unless_told_otherwise() {
    let stage = deployed(&USERS).await;
    let before = current_keys(&stage, &USERS).await;
    let run = stage.keyturn(&["--yes", "teardown"]).await;
    settings().bind(|| insta::assert_snapshot!(in_order(run)));
    assert_eq!(beside_secrets(&stage).await, NOTHING);
    stage.sandbox.advance(100 * DAY).await;
    assert_eq!(current_keys(&stage, &USERS).await, before, "nobody rotates them any more");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn revoked_keys_are_gone_and_their_secrets_can_be_brought_back_for_a_while() {
    let stage = deployed(&USERS).await;
    // Two managed keys, and one that keyturn did not make.
    assert_eq!(stage.keyturn(&["rotate", "alice"]).await.code, 0);
    let foreign = stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "bob").unwrap().access_key_id).await;
    stage.take_writes().await;
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke", "--recovery-window", "7"]).await;
    settings().bind(|| insta::assert_snapshot!(in_order(run)));
    let writes = stage.take_writes().await;
    let nth = |wanted: &str| writes.iter().position(|write| write == wanted).unwrap();
    assert!(nth("iam:UpdateAccessKey") < nth("iam:DeleteAccessKey"), "R4: {writes:?}");
    let check = move |world: &mut World| {
        assert_eq!(world.access_keys(ACCOUNT, "alice"), []);
        let left: Vec<_> = world.access_keys(ACCOUNT, "bob").into_iter().map(|key| key.id().to_owned()).collect();
        assert_eq!(left, [foreign], "the key that keyturn did not make is none of its business");
        for secret in world.secrets(ACCOUNT, REGION) {
            let left = secret.deletion.unwrap().duration_since(world.now()).as_hours();
            assert!((7 * 24 - 1..=7 * 24).contains(&left), "{left}");
        }
    };
    stage.sandbox.visit(check).await;
    assert_eq!(beside_secrets(&stage).await, NOTHING);
    stage.sandbox.advance(8 * DAY).await;
    assert_eq!(stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_second_teardown_finds_nothing_and_says_so() {
    for keys in ["keep", "revoke"] {
        let stage = deployed(&["alice"]).await;
        assert_eq!(stage.keyturn(&["--yes", "teardown", "--keys", keys]).await.code, 0);
        stage.take_writes().await;
        let again = stage.keyturn(&["--yes", "teardown", "--keys", keys]).await;
        settings().bind(|| insta::assert_snapshot!(format!("a_second_teardown_{keys}"), again));
        assert_eq!(stage.take_writes().await, NOTHING);
        stage.assert_no_secret_left_behind().await;
    }
}

#[tokio::test]
async fn what_was_kept_can_be_revoked_later_or_taken_back() {
    let stage = deployed(&USERS).await;
    let before = current_keys(&stage, &USERS).await;
    assert_eq!(stage.keyturn(&["--yes", "teardown"]).await.code, 0);
    let back = stage.bootstrap(&[]).await;
    assert_eq!(back.code, 0, "{back}");
    assert_eq!(current_keys(&stage, &USERS).await, before, "no rotation without need");
    assert_eq!(stage.keyturn(&["--yes", "teardown"]).await.code, 0);
    let revoked = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    settings().bind(|| insta::assert_snapshot!(revoked));
    let keys = stage.sandbox.visit(|world| USERS.map(|user| world.access_keys(ACCOUNT, user).len())).await;
    assert_eq!(keys, [0, 0]);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn what_was_revoked_can_be_set_up_again_once_its_secrets_are_restored() {
    let stage = deployed(&["alice"]).await;
    assert_eq!(stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await.code, 0);
    let refused = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("a_revoked_secret_is_in_the_way", refused));
    stage.secrets().restore_secret().secret_id("keyturn/alice").send().await.unwrap();
    let back = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("a_restored_secret_gets_a_new_key", in_order(back)));
    current_keys(&stage, &["alice"]).await;
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_user_who_was_taken_out_of_the_file_is_torn_down_too() {
    let stage = deployed(&USERS).await;
    configure(&stage, &["alice"], "");
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    assert_eq!(run.code, 0, "{run}");
    let keys = stage.sandbox.visit(|world| USERS.map(|user| world.access_keys(ACCOUNT, user).len())).await;
    assert_eq!(keys, [0, 0], "{run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn without_an_answer_nothing_is_taken_away() {
    let stage = deployed(&["alice"]).await;
    stage.take_writes().await;
    let run = stage.keyturn(&["teardown", "--keys", "revoke"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
    current_keys(&stage, &["alice"]).await;
    stage.assert_no_secret_left_behind().await;
}

/// Like `deployed`, with everything that a teardown has to take away.
async fn deployed_in_full() -> Stage {
    let stage = Stage::with_users(&USERS).await;
    configure(&stage, &USERS, "replicas: [eu-west-1]\nalerts: { email: [team@example.org] }\n");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage
}

/// One history: a teardown that is struck, and then one that is not.
async fn survives(written: &Written, strike: Strike, keys: &str) {
    let stage = deployed_in_full().await;
    let before = current_keys(&stage, &USERS).await;
    let at = format!("{keys}, {strike:?} at {written:?}");
    let teardown = ["teardown", "--keys", keys];
    let run = strike.run(&stage, written, &teardown).await;
    stage.sandbox.settle().await;
    let again = stage.keyturn(&[&["--yes"], &teardown[..]].concat()).await;
    assert_eq!(again.code, 0, "{at}: {run}\n{again}");
    assert_eq!(beside_secrets(&stage).await, NOTHING, "{at}");
    let keep = keys == "keep";
    let check = move |world: &mut World| {
        for (user, key) in USERS.iter().zip(before) {
            let secret = world.secret(ACCOUNT, REGION, &format!("keyturn/{user}")).unwrap();
            let keys = world.access_keys(ACCOUNT, user);
            if keep {
                assert_eq!(working_key(world, user, &secret.name), key, "{at}");
                assert_eq!((secret.deletion, secret.rotation_enabled), (None, false), "{at}");
            } else {
                assert!(secret.deletion.is_some() && secret.replicas.is_empty(), "{at}");
                assert!(keys.is_empty(), "{at}: {keys:?}");
            }
            assert!(keys.iter().all(|key| key.status == KeyStatus::Active), "{at}");
        }
    };
    stage.sandbox.visit(check).await;
    stage.assert_no_secret_left_behind().await;
}

async fn survives_every_strike(keys: &'static str) {
    let stage = deployed_in_full().await;
    writes(&stage).await;
    let run = stage.keyturn(&["--yes", "teardown", "--keys", keys]).await;
    assert_eq!(run.code, 0, "{run}");
    let writes = writes(&stage).await;
    assert!(writes.len() > 2, "hardly any call is struck: {writes:?}");
    for written in &writes {
        all(STRIKES.map(|strike| survives(written, strike, keys))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teardown_that_keeps_is_completed_by_the_next() {
    survives_every_strike("keep").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teardown_that_revokes_is_completed_by_the_next() {
    survives_every_strike("revoke").await;
}

#[tokio::test]
async fn a_dry_run_takes_nothing_away() {
    let stage = deployed(&USERS).await;
    stage.take_writes().await;
    let run = stage.keyturn(&["teardown", "--keys", "revoke", "--dry-run"]).await;
    settings().bind(|| insta::assert_snapshot!("a_dry_run", in_order(run)));
    let machines = stage.keyturn(&["teardown", "--dry-run", "--output", "json"]).await;
    let machines: serde_json::Value = serde_json::from_str(&machines.stdout).unwrap();
    assert!(machines["inventory"]["stacks"]["keyturn"].is_string() && machines["remains"].is_null(), "{machines}");
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_protected_stack_is_not_touched() {
    let stage = deployed(&USERS).await;
    let client = aws_sdk_cloudformation::Client::new(&stage.config());
    let protect = |on| client.update_termination_protection().stack_name("keyturn").enable_termination_protection(on);
    protect(true).send().await.unwrap();
    stage.take_writes().await;
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    settings().bind(|| insta::assert_snapshot!("a_protected_stack", run));
    assert_eq!((run.code, stage.take_writes().await), (1, NOTHING.map(str::to_owned).to_vec()));
    protect(false).send().await.unwrap();
    let run = stage.keyturn(&["--yes", "teardown"]).await;
    assert_eq!(run.code, 0, "after what the message says: {run}");
    assert_eq!(beside_secrets(&stage).await, NOTHING);
}

#[tokio::test]
async fn what_cannot_be_deleted_is_given_up_only_when_somebody_says_so() {
    let stage = deployed(&USERS).await;
    let fail = |world: &mut World| world.fail_resource("keyturn", "Function", StackAction::Delete, "it is in use");
    stage.sandbox.visit(fail).await;
    // Nothing has failed before, so nothing is given up.
    let run = stage.keyturn(&["--yes", "teardown", "--force"]).await;
    settings().bind(|| insta::assert_snapshot!("a_deletion_that_fails", in_order(run)));
    stage.sandbox.visit(fail).await;
    let run = stage.keyturn(&["teardown", "--dry-run"]).await;
    settings().bind(|| insta::assert_snapshot!("a_deletion_that_failed_before", run));
    let run = stage.keyturn(&["--yes", "teardown", "--force"]).await;
    settings().bind(|| insta::assert_snapshot!("a_deletion_that_is_forced", in_order(run)));
    assert_eq!(beside_secrets(&stage).await, ["function arn:aws:lambda:eu-central-1:111122223333:function:keyturn"]);
    stage.assert_no_secret_left_behind().await;
}

/// One history: a deletion that gives up what has failed before is struck, and the next is not.
async fn survives_by_force(strike: Strike) {
    let stage = deployed(&USERS).await;
    let before = current_keys(&stage, &USERS).await;
    let fail = |world: &mut World| world.fail_resource("keyturn", "LogGroup", StackAction::Delete, "it is locked");
    stage.sandbox.visit(fail).await;
    assert_eq!(stage.keyturn(&["--yes", "teardown"]).await.code, 4);
    // It can still not be deleted.
    stage.sandbox.visit(fail).await;
    let deletes = Written { operation: "cloudformation:DeleteStack".to_owned(), after: 0 };
    // What is given up is left: no run that does it ends with 0.
    let (run, _) = strike.strike(&stage, &deletes, &["teardown", "--force"]).await;
    assert_ne!(run.code, 0, "{strike:?}: {run}");
    stage.sandbox.settle().await;
    let again = stage.keyturn(&["--yes", "teardown", "--force"]).await;
    let is_left_to_it = again.stdout.contains("left: LogGroup");
    assert_eq!(again.code, if is_left_to_it { 3 } else { 0 }, "{strike:?}: {run}\n{again}");
    let left = beside_secrets(&stage).await;
    assert_eq!(left, ["log group arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/keyturn"], "{strike:?}");
    assert_eq!(current_keys(&stage, &USERS).await, before, "{strike:?}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_teardown_that_is_struck_is_completed_by_the_next() {
    all(STRIKES.map(survives_by_force)).await;
}

/// A secret that joins a stack of another name is found by that stack's function.
#[tokio::test]
async fn a_deployment_that_was_renamed_has_its_secrets() {
    let stage = deployed(&["alice"]).await;
    assert_eq!(stage.keyturn(&["--yes", "teardown"]).await.code, 0);
    configure(&stage, &["alice"], "stack: renamed\n");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let stack =
        |world: &mut World| world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap().tags["keyturn:stack"].clone();
    assert_eq!(stage.sandbox.visit(stack).await, "renamed");
    stage.sandbox.settle().await;
    let before = current_keys(&stage, &["alice"]).await;
    let run = stage.keyturn(&["--yes", "revoke", "alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_ne!(current_keys(&stage, &["alice"]).await, before);
    stage.take_writes().await;
    let again = stage.bootstrap(&[]).await;
    assert_eq!((again.code, stage.take_writes().await), (0, NOTHING.map(str::to_owned).to_vec()), "{again}");
    stage.assert_no_secret_left_behind().await;
}

/// The bucket is one for the region, whatever the deployments are called.
#[tokio::test]
async fn a_bucket_that_another_deployment_uses_stays() {
    let stage = deployed(&["alice"]).await;
    stage.sandbox.visit(|world| world.create_user(ACCOUNT, "bob", "/").unwrap()).await;
    configure(&stage, &["bob"], "stack: others\n");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    configure(&stage, &["alice"], "");
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    settings().bind(|| insta::assert_snapshot!("a_bucket_that_is_shared", in_order(run)));
    let stacks = stage.sandbox.visit(|world| world.stacks()).await;
    let live = |name: &str| stacks.iter().any(|stack| stack.name == name && stack.status == "CREATE_COMPLETE");
    assert!(live("keyturn-artifacts") && live("others") && !live("keyturn"));
    // The last one takes it away.
    configure(&stage, &["bob"], "stack: others\n");
    let run = stage.keyturn(&["--yes", "teardown"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(beside_secrets(&stage).await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

/// The function died between making a key and storing it, and its stack goes before it could clean up.
#[tokio::test]
async fn a_key_that_nobody_has_goes_with_the_others() {
    let stage = deployed(&USERS).await;
    let attempt = |world: &mut World| {
        let at = world.now();
        let token = contract::VersionToken::new("0a1b2c3d-0000-4000-8000-000000000000").unwrap();
        let orphan = world.create_access_key(ACCOUNT, "alice").unwrap().access_key_id;
        // The same, but that somebody uses it: so somebody has its secret half.
        let used = world.create_access_key(ACCOUNT, "bob").unwrap().access_key_id;
        world.record_use(&used, "s3", REGION).unwrap();
        (contract::Attempt { token, since: at, at }.to_tag(), orphan, used)
    };
    let (attempt, orphan, used) = stage.sandbox.visit(attempt).await;
    for user in USERS {
        let tag = Tag::builder().key("keyturn:attempt").value(&attempt).build();
        stage.secrets().tag_resource().secret_id(format!("keyturn/{user}")).tags(tag).send().await.unwrap();
    }
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    assert_eq!(run.code, 0, "{run}");
    let left = |world: &mut World| USERS.map(|user| world.access_keys(ACCOUNT, user).len());
    assert_eq!(stage.sandbox.visit(left).await, [0, 1], "{orphan}: {run}");
    assert!(run.stdout.contains(&format!("kept: the key {used} of bob, which keyturn does not know")), "{run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_secret_that_nobody_can_read_keeps_no_other_from_going() {
    let stage = deployed(&USERS).await;
    stage.secrets().put_secret_value().secret_id("keyturn/bob").secret_string("hunter2").send().await.unwrap();
    // The version before is none of ours either, and that stops nobody.
    for value in ["hunter2", r#"{"UserName":"alice"}"#] {
        stage.secrets().put_secret_value().secret_id("keyturn/alice").secret_string(value).send().await.unwrap();
    }
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    settings().bind(|| insta::assert_snapshot!("a_secret_that_nobody_can_read", in_order(run)));
    let check = |world: &mut World| {
        assert!(world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap().deletion.is_some());
        assert!(world.secret(ACCOUNT, REGION, "keyturn/bob").unwrap().deletion.is_none());
        let keys = world.access_keys(ACCOUNT, "bob");
        assert!(keys.len() == 1 && keys[0].status == KeyStatus::Active, "{keys:?}");
    };
    stage.sandbox.visit(check).await;
    stage.assert_no_secret_left_behind().await;
}
