//! What a later `keyturn bootstrap` changes, and above all what it leaves alone.

use std::time::Duration;

use sandbox::{StackAction, World};
use serde_json::Value;

use super::{NOTHING, configure, current_keys, deployed, in_order, plan};
use crate::stage::{ACCOUNT, REGION, Stage, function, settings};

const DAY: Duration = Duration::from_secs(86_400);

/// The ids of all keys of a user.
async fn keys_of(stage: &Stage, user: &'static str) -> Vec<String> {
    let keys = stage.sandbox.visit(move |world| world.access_keys(ACCOUNT, user)).await;
    keys.iter().map(|key| key.id().to_owned()).collect()
}

#[tokio::test]
async fn a_user_who_is_added_gets_a_key_and_the_others_keep_theirs() {
    let stage = deployed(&["alice"]).await;
    stage.sandbox.visit(|world| world.create_user(ACCOUNT, "bob", "/").unwrap()).await;
    let before = current_keys(&stage, &["alice"]).await;
    configure(&stage, &["alice", "bob"], "");
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!(in_order(run)));
    assert_eq!(current_keys(&stage, &["alice"]).await, before);
    current_keys(&stage, &["bob"]).await;
    stage.assert_no_secret_left_behind().await;
}

/// Lets the schedules come, and the sweeper of the last day only: it comes a thousand times in between.
async fn a_month_and_more(stage: &Stage) {
    stage.sandbox.visit(|world| world.pause_rules(true)).await;
    stage.sandbox.advance(39 * DAY).await;
    stage.sandbox.visit(|world| world.pause_rules(false)).await;
    stage.sandbox.advance(DAY).await;
}

#[tokio::test]
async fn a_user_who_leaves_keeps_secret_and_keys_and_comes_back_with_them() {
    let stage = deployed(&["alice", "bob"]).await;
    let before = current_keys(&stage, &["alice", "bob"]).await;
    // The labels may differ: a test of the schedule takes AWSPENDING along when it ends.
    let values = |world: &mut World| {
        let secret = world.secret(ACCOUNT, REGION, "keyturn/bob").unwrap();
        secret.versions.into_iter().map(|version| (version.id, version.value)).collect::<Vec<_>>()
    };
    let live = stage.sandbox.visit(values).await;

    configure(&stage, &["alice"], "");
    let left = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("a_user_leaves", in_order(left)));
    let secret = stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, "keyturn/bob").unwrap()).await;
    assert_eq!((secret.rotation_enabled, secret.deletion), (false, None));
    a_month_and_more(&stage).await;
    assert_eq!(stage.sandbox.visit(values).await, live, "nobody rotates bob any more");
    assert_ne!(current_keys(&stage, &["alice"]).await, before[..1], "alice is rotated on schedule");
    let log = stage.function_log().await;
    assert!(!log.contains("could not be swept"), "the sweeper misses nobody: {log}");

    configure(&stage, &["alice", "bob"], "");
    let back = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("a_user_comes_back", in_order(back)));
    stage.sandbox.settle().await;
    assert_eq!(current_keys(&stage, &["bob"]).await, before[1..]);
    assert_eq!(stage.sandbox.visit(values).await, live);
    let secret = stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, "keyturn/bob").unwrap()).await;
    assert!(secret.rotation_enabled);
    assert_eq!(keys_of(&stage, "bob").await, before[1..]);
    a_month_and_more(&stage).await;
    assert_ne!(current_keys(&stage, &["bob"]).await, before[1..], "bob is rotated again");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn users_on_the_command_line_do_not_push_others_out() {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    assert_eq!(stage.bootstrap(&["alice"]).await.code, 0);
    stage.take_writes().await;
    let artifact = function().to_str().unwrap();
    let run = stage.keyturn(&["--region", REGION, "--yes", "bootstrap", "bob", "--artifact", artifact]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
    assert!(
        stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap().rotation_enabled).await
    );
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn new_code_changes_the_function_and_rotates_nobody() {
    let stage = deployed(&["alice"]).await;
    let before = current_keys(&stage, &["alice"]).await;
    // Bytes after the end of an executable change nothing but its hash.
    let mut code = std::fs::read(function()).unwrap();
    code.extend(b"another build");
    std::fs::write(stage.path("bootstrap"), code).unwrap();
    stage.take_writes().await;
    let run = stage.keyturn(&["--yes", "bootstrap", "--artifact", "bootstrap"]).await;
    settings().bind(|| insta::assert_snapshot!(in_order(run)));
    stage.sandbox.settle().await;
    assert_eq!(current_keys(&stage, &["alice"]).await, before);
    let writes = stage.take_writes().await;
    assert!(!writes.iter().any(|write| write.contains("AccessKey") || write.contains("Rotat")), "{writes:?}");
    let again = stage.keyturn(&["plan", "--detailed-exitcode", "--artifact", "bootstrap"]).await;
    assert_eq!(again.code, 0, "{again}");
    // The new code works.
    let rotated = stage.keyturn(&["rotate", "alice"]).await;
    assert_eq!(rotated.code, 0, "{rotated}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn other_settings_change_the_function_in_place() {
    let stage = deployed(&["alice"]).await;
    let before = current_keys(&stage, &["alice"]).await;
    configure(&stage, &["alice"], "retire: { deactivate_after: 14d }\n");
    let planned = plan(&stage, &["--detailed-exitcode"]).await;
    settings().bind(|| insta::assert_snapshot!("other_settings_are_planned", planned));
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("other_settings_are_deployed", in_order(run)));
    assert_eq!(current_keys(&stage, &["alice"]).await, before);
    assert_eq!(plan(&stage, &["--detailed-exitcode"]).await.code, 0);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn another_schedule_rotates_nobody_at_once() {
    let stage = deployed(&["alice"]).await;
    let before = current_keys(&stage, &["alice"]).await;
    configure(&stage, &["alice"], "schedule: { every: 20d }\n");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.sandbox.settle().await;
    stage.sandbox.advance(19 * DAY).await;
    assert_eq!(current_keys(&stage, &["alice"]).await, before);
    stage.sandbox.advance(2 * DAY).await;
    assert_ne!(current_keys(&stage, &["alice"]).await, before);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_secret_with_another_name_is_made_beside_the_old_one() {
    let stage = deployed(&["alice"]).await;
    let before = current_keys(&stage, &["alice"]).await;
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [{{ name: alice, secret: team/alice }}]\n"));
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!(in_order(run)));
    let check = move |world: &mut World| {
        let new = super::working_key(world, "alice", "team/alice");
        let old = super::working_key(world, "alice", "keyturn/alice");
        assert_eq!(old, before[0], "applications that read the old secret go on");
        assert_ne!(new, old);
    };
    stage.sandbox.visit(check).await;
    stage.assert_no_secret_left_behind().await;
}

/// IAM is global, and each of two deployments would take the other's keys for foreign ones.
#[tokio::test]
async fn a_user_is_rotated_in_one_region_only() {
    let stage = deployed(&["alice"]).await;
    stage.take_writes().await;
    let run = stage.keyturn(&["--region", "eu-west-1", "--yes", "bootstrap"]).await;
    settings().bind(|| insta::assert_snapshot!("a_region_beside_that_of_the_file", run));
    for (region, stack) in [("eu-west-1", "keyturn"), (REGION, "second")] {
        let users = "users: [{ name: Alice, secret: second/alice }]";
        stage.configure(&format!("version: 1\nregion: {region}\nstack: {stack}\n{users}\n"));
        let run = plan(&stage, &[]).await;
        assert_eq!(run.code, 1, "{run}");
        assert!(run.stderr.contains("`alice` is rotated already, by the stack `keyturn` in eu-central-1"), "{run}");
    }
    assert_eq!(stage.take_writes().await, NOTHING);
    // When nobody rotates the user any more, any other one may.
    configure(&stage, &["alice"], "");
    assert_eq!(stage.keyturn(&["--yes", "teardown"]).await.code, 0);
    stage.configure("version: 1\nregion: eu-west-1\nusers: [alice]\n");
    let run = plan(&stage, &[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn other_bytes_under_the_name_of_the_function_are_not_deployed() {
    let stage = deployed(&["alice"]).await;
    let key = |world: &mut World| {
        let bucket = world.bucket(&format!("keyturn-artifacts-{ACCOUNT}-{REGION}")).unwrap();
        bucket.objects.iter().map(|object| object.key.clone()).find(|key| key.ends_with(".zip")).unwrap()
    };
    let key = stage.sandbox.visit(key).await;
    let bucket = format!("keyturn-artifacts-{ACCOUNT}-{REGION}");
    let config = aws_sdk_s3::config::Builder::from(&stage.config()).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    s3.put_object().bucket(&bucket).key(&key).body(b"something else".to_vec().into()).send().await.unwrap();
    let planned = plan(&stage, &["--detailed-exitcode"]).await;
    assert!(planned.code == 2 && planned.stdout.contains("upload  the function's code"), "{planned}");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let again = plan(&stage, &["--detailed-exitcode"]).await;
    assert_eq!(again.code, 0, "{again}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn the_credentials_of_another_account_are_refused() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "account: \"444455556666\"\n");
    for command in
        [&["plan"] as &[&str], &["bootstrap"], &["status"], &["rotate", "alice"], &["hold", "alice"], &["teardown"]]
    {
        let run = stage.keyturn(&[&["--yes"], command].concat()).await;
        assert_eq!(run.code, 5, "{command:?}: {run}");
        assert!(run.stderr.contains("is for the account 444455556666"), "{run}");
    }
    let asked = |world: &mut World| world.calls().iter().map(|call| call.operation.clone()).collect::<Vec<_>>();
    assert!(stage.sandbox.visit(asked).await.iter().all(|operation| operation == "sts:GetCallerIdentity"));
    let run = stage.keyturn(&["doctor"]).await;
    assert!(run.code == 1 && run.stdout.contains("the configuration is for the account 444455556666"), "{run}");
    configure(&stage, &["alice"], &format!("account: \"{ACCOUNT}\"\n"));
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.assert_no_secret_left_behind().await;
}

/// What others wrote may be anything, and a terminal obeys it.
#[tokio::test]
async fn no_text_of_others_reaches_the_terminal_as_it_is() {
    let stage = deployed(&["alice"]).await;
    let disturb = |world: &mut World| {
        // XML has no escape character, but the control sequence introducer.
        world.fail_resource("keyturn", "Function", StackAction::Update, "no \u{9b}2J today");
    };
    stage.sandbox.visit(disturb).await;
    configure(&stage, &["alice"], "function: { memory: 256 }\n");
    let run = stage.bootstrap(&[]).await;
    assert!(run.code == 4 && run.stderr.contains("no \\u{9b}2J today"), "{run}");
    let held = |world: &mut World| {
        let id = world.create_user(ACCOUNT, "bob", "/").unwrap();
        let tags = [("keyturn:user", "bob"), ("keyturn:user-id", &id), ("keyturn:hold", "\x1b[2J\u{9b}\u{202e}audit")];
        world.create_secret(ACCOUNT, REGION, "keyturn/bob", r#"{"UserName":"bob"}"#, &tags).unwrap();
    };
    stage.sandbox.visit(held).await;
    configure(&stage, &["alice", "bob"], "");
    let status = stage.keyturn(&["status"]).await;
    assert!(status.stdout.contains("\\u{1b}[2J\\u{9b}\\u{202e}audit"), "{status}");
    let [json, stream] = ["json", "ndjson"].map(|format| ["status", "--output", format]);
    let (json, stream) = (stage.keyturn(&json).await, stage.keyturn(&stream).await);
    assert!(json.stdout.contains("\\u001b[2J\\u009b\\u202eaudit"), "{json}");
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(document.to_string().contains("\u{9b}\u{202e}audit"), "{document}");
    for run in [run, status, json, stream] {
        let is_obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!run.stdout.contains(is_obeyed) && !run.stderr.contains(is_obeyed), "{run}");
    }
}
