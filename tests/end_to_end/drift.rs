//! What somebody changes past CloudFormation: found when it is asked for, shown, and brought back.

use sandbox::{KeyStatus, StackAction, World};
use serde_json::{Value, json};

use crate::bootstrap::{configure, current_keys, deployed};
use crate::stage::{ACCOUNT, REGION, Run, Stage, function, settings};
use crate::strikes::{STRIKES, Strike, Written, all, writes};

const NOTHING: [&str; 0] = [];

/// What somebody did in the console on a long night.
fn meddle(world: &mut World) {
    let everything =
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": ["s3:*"], "Resource": "*" }] });
    let variables = json!({ "Variables": { "KEYTURN_STACK": "keyturn", "RUST_LOG": "debug" } });
    let open = json!({ "BlockPublicAcls": false, "BlockPublicPolicy": false, "IgnorePublicAcls": true, "RestrictPublicBuckets": true });
    for (stack, id, changes) in [
        ("keyturn", "Function", json!({ "MemorySize": 512, "Timeout": 900, "Environment": variables })),
        ("keyturn", "FunctionPolicy", json!({ "PolicyDocument": everything })),
        ("keyturn", "LogGroup", json!({ "RetentionInDays": 1 })),
        ("keyturn-artifacts", "Bucket", json!({ "PublicAccessBlockConfiguration": open })),
    ] {
        world.change_resource(stack, id, &changes).unwrap();
    }
    for id in ["Sweeper", "SweeperPermission", "AgeAlarm", "Dashboard"] {
        world.delete_resource("keyturn", id).unwrap();
    }
    world.clear_calls();
}

/// Has the function of an account run something else.
pub(crate) async fn exchange_code(stage: &Stage, account: &str) {
    let account = account.to_owned();
    let exchange = move |world: &mut World| world.exchange_code(&account, REGION, "keyturn", b"something else");
    stage.sandbox.visit(exchange).await.unwrap();
}

async fn keyturn(stage: &Stage, arguments: &[&str]) -> Run {
    let bootstraps = matches!(arguments, ["plan" | "bootstrap", ..]);
    let artifact = if bootstraps { vec!["--artifact", function().to_str().unwrap()] } else { Vec::new() };
    stage.keyturn(&[arguments, &artifact].concat()).await
}

/// The states of the stacks, and how many resources of each have drifted.
async fn states(stage: &Stage) -> Vec<(String, String, usize)> {
    let run = keyturn(stage, &["status", "--drift", "--output", "json"]).await;
    let status: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let row =
        |row: &Value| (text(&row["stack"]), text(&row["state"]), row["drift"]["resources"].as_array().unwrap().len());
    status["stacks"].as_array().unwrap().iter().map(row).collect()
}

async fn assert_in_sync(stage: &Stage, at: &str) {
    let expected = ["keyturn-artifacts", "keyturn"].map(|name| (name.to_owned(), "in-sync".to_owned(), 0));
    assert_eq!(states(stage).await, expected, "{at}");
    let run = keyturn(stage, &["plan", "--drift", "--detailed-exitcode"]).await;
    assert_eq!(run.code, 0, "{at}: {run}");
}

#[tokio::test]
async fn what_was_changed_past_cloudformation_is_shown_and_brought_back() {
    let stage = deployed(&["alice"]).await;
    let keys = current_keys(&stage, &["alice"]).await;
    stage.sandbox.visit(meddle).await;
    let run = keyturn(&stage, &["plan", "--detailed-exitcode"]).await;
    assert_eq!(run.code, 0, "nobody has asked: {run}");
    let run = keyturn(&stage, &["plan", "--drift", "--detailed-exitcode"]).await;
    settings().bind(|| insta::assert_snapshot!("plan", run));
    let run = keyturn(&stage, &["status", "--drift", "--detailed-exitcode"]).await;
    settings().bind(|| insta::assert_snapshot!("status", run));
    let expected = [("keyturn-artifacts", 1), ("keyturn", 7)];
    assert_eq!(states(&stage).await, expected.map(|(name, count)| (name.to_owned(), "drifted".to_owned(), count)));
    // Looking changes nothing, and neither does a question that nobody answers.
    let run = keyturn(&stage, &["bootstrap", "--drift"]).await;
    assert_eq!((run.code, stage.take_writes().await), (64, NOTHING.map(str::to_owned).to_vec()), "{run}");
    let run = stage.bootstrap(&["--drift"]).await;
    settings().bind(|| insta::assert_snapshot!("bootstrap", crate::bootstrap::in_order(run)));
    assert_in_sync(&stage, "brought back").await;
    assert_eq!(current_keys(&stage, &["alice"]).await, keys);
    let rules = stage.sandbox.visit(|world| world.rules(ACCOUNT, REGION)).await;
    assert!(rules.len() == 1 && rules[0].next.is_some(), "{rules:?}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_run_that_does_not_look_for_drift_makes_no_call_for_it() {
    let stage = deployed(&["alice"]).await;
    stage.sandbox.visit(|world| world.clear_calls()).await;
    for arguments in [&["plan"][..], &["status"]] {
        keyturn(&stage, arguments).await;
    }
    let about_drift = |world: &mut World| world.calls().iter().filter(|call| call.operation.contains("Drift")).count();
    assert_eq!(stage.sandbox.visit(about_drift).await, 0);
}

#[tokio::test]
async fn what_keyturn_itself_notes_on_secrets_is_no_drift() {
    let stage = deployed(&["alice"]).await;
    stage.rotate_secret("alice").await;
    stage.sandbox.settle().await;
    let run = keyturn(&stage, &["hold", "alice", "--reason", "audit"]).await;
    assert_eq!(run.code, 0, "{run}");
    let tags = |world: &mut World| world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap().tags;
    let before = stage.sandbox.visit(tags).await;
    assert!(before.keys().any(|key| key.starts_with("keyturn:key/")), "{before:?}");
    assert_in_sync(&stage, "with marks").await;
    // A secret is not reverted, nor is anything beside it: that could write over its key.
    let meddle = |world: &mut World| {
        let secret = world.stacks().into_iter().find(|stack| stack.name == "keyturn").unwrap().resources;
        let secret = secret.into_iter().find(|resource| resource.kind == "AWS::SecretsManager::Secret").unwrap();
        world.change_resource("keyturn", &secret.logical_id, &json!({ "Description": "mine" })).unwrap();
    };
    stage.sandbox.visit(meddle).await;
    let key = current_keys(&stage, &["alice"]).await;
    let run = stage.bootstrap(&["--drift"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.contains("is left as it is") || run.stderr.contains("is left as it is"), "{run}");
    assert_eq!(stage.sandbox.visit(tags).await, before);
    assert_eq!(current_keys(&stage, &["alice"]).await, key);
    assert_eq!(states(&stage).await[1].1, "drifted");
}

#[tokio::test]
async fn a_rotation_that_was_switched_off_is_switched_on_again() {
    let stage = deployed(&["alice", "bob"]).await;
    let keys = current_keys(&stage, &["alice", "bob"]).await;
    let cancel = |world: &mut World| {
        // In the middle of a rotation, too: AWSPENDING stays on the version that it was making.
        world.cancel_rotation(ACCOUNT, REGION, "keyturn/alice").unwrap();
        world.cancel_rotation(ACCOUNT, REGION, "keyturn/bob").unwrap();
    };
    stage.sandbox.visit(cancel).await;
    let run = keyturn(&stage, &["status", "--drift"]).await;
    assert!(run.stdout.contains("was deleted past CloudFormation"), "{run}");
    let run = stage.bootstrap(&["--drift"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_in_sync(&stage, "switched on").await;
    assert_eq!(current_keys(&stage, &["alice", "bob"]).await, keys, "nobody was rotated for it");
    stage.rotate_secret("alice").await;
    stage.sandbox.settle().await;
    assert_ne!(current_keys(&stage, &["alice", "bob"]).await, keys);
}

#[tokio::test]
async fn a_function_that_was_deleted_is_made_anew_and_rotates() {
    let stage = deployed(&["alice"]).await;
    let keys = current_keys(&stage, &["alice"]).await;
    stage.sandbox.visit(|world| world.delete_resource("keyturn", "Function").unwrap()).await;
    // That much is seen without looking for drift.
    let run = keyturn(&stage, &["status", "--detailed-exitcode"]).await;
    assert!(run.code == 3 && run.stdout.contains("its function is gone"), "{run}");
    let run = stage.bootstrap(&["--drift"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_in_sync(&stage, "made anew").await;
    assert_eq!(current_keys(&stage, &["alice"]).await, keys);
    let run = keyturn(&stage, &["rotate", "alice"]).await;
    assert_eq!(run.code, 0, "{run}");
}

/// CloudFormation cannot see it, so it is looked for each time.
#[tokio::test]
async fn code_that_somebody_has_exchanged_is_told_and_put_back() {
    let stage = deployed(&["alice"]).await;
    let keys = current_keys(&stage, &["alice"]).await;
    exchange_code(&stage, ACCOUNT).await;
    stage.take_writes().await;
    let run = keyturn(&stage, &["plan", "--detailed-exitcode"]).await;
    settings().bind(|| insta::assert_snapshot!("exchanged_code_plan", run));
    let run = keyturn(&stage, &["status", "--detailed-exitcode"]).await;
    settings().bind(|| insta::assert_snapshot!("exchanged_code_status", run));
    // Without a configuration, too.
    let run = keyturn(&stage, &["status", "--region", REGION, "--detailed-exitcode", "--output", "json"]).await;
    assert!(run.code == 3 && run.stdout.contains(r#""function": "other-code""#), "{run}");
    assert_eq!(stage.take_writes().await, NOTHING);
    let run = stage.bootstrap(&[]).await;
    assert_eq!((run.code, stage.take_writes().await), (0, vec!["lambda:UpdateFunctionCode".to_owned()]), "{run}");
    assert_in_sync(&stage, "put back").await;
    assert_eq!(current_keys(&stage, &["alice"]).await, keys);
    let run = keyturn(&stage, &["rotate", "alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    let run = keyturn(&stage, &["status", "--detailed-exitcode"]).await;
    assert_eq!(run.code, 0, "{run}");
}

#[tokio::test]
async fn code_is_put_back_whatever_strikes_meanwhile() {
    let written = Written { operation: "lambda:UpdateFunctionCode".to_owned(), after: 1 };
    for strike in STRIKES {
        let stage = deployed(&["alice"]).await;
        exchange_code(&stage, ACCOUNT).await;
        let run = strike.run(&stage, &written, &["bootstrap"]).await;
        stage.sandbox.settle().await;
        let again = stage.bootstrap(&[]).await;
        assert_eq!(again.code, 0, "{strike:?}: {run}\n{again}");
        assert_in_sync(&stage, &format!("{strike:?}")).await;
    }
}

#[tokio::test]
async fn a_secret_that_was_deleted_is_not_made_anew_unless_asked_for() {
    let stage = deployed(&["alice"]).await;
    let old = current_keys(&stage, &["alice"]).await.remove(0);
    let delete = |world: &mut World| {
        let stack = world.stacks().into_iter().find(|stack| stack.name == "keyturn").unwrap();
        let secret = stack.resources.into_iter().find(|it| it.kind == "AWS::SecretsManager::Secret").unwrap();
        world.delete_resource("keyturn", &secret.logical_id).unwrap();
        world.clear_calls();
    };
    stage.sandbox.visit(delete).await;
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("lost_secret", run));
    assert_eq!(stage.take_writes().await, NOTHING);
    let run = keyturn(&stage, &["plan", "--drift"]).await;
    settings().bind(|| insta::assert_snapshot!("lost_secret_plan", run));
    let run = stage.bootstrap(&["--drift"]).await;
    assert_eq!(run.code, 0, "{run}");
    let new = current_keys(&stage, &["alice"]).await.remove(0);
    let keys = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")).await;
    let keys: Vec<_> = keys.iter().map(|key| (key.id().to_owned(), key.status)).collect();
    assert_eq!(keys, [(old, KeyStatus::Active), (new, KeyStatus::Active)], "whoever uses the old one goes on");
    assert_in_sync(&stage, "made anew").await;
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_secret_in_its_recovery_window_is_to_be_restored_and_not_made_anew() {
    let stage = deployed(&["alice"]).await;
    stage.secrets().delete_secret().secret_id("keyturn/alice").recovery_window_in_days(7).send().await.unwrap();
    stage.take_writes().await;
    let run = stage.bootstrap(&["--drift"]).await;
    assert_eq!(stage.take_writes().await, NOTHING, "{run}");
    assert!(run.code != 0 && run.stderr.contains("restore-secret"), "{run}");
}

#[tokio::test]
async fn a_reversion_that_fails_leaves_what_there_was() {
    let stage = deployed(&["alice"]).await;
    stage.sandbox.visit(meddle).await;
    stage.sandbox.visit(|world| world.fail_resource("keyturn", "Function", StackAction::Update, "not now")).await;
    let run = stage.bootstrap(&["--drift"]).await;
    assert_eq!(run.code, 4, "{run}");
    let drifted = states(&stage).await.into_iter().find(|(name, ..)| name == "keyturn").unwrap();
    // What was made anew before the failure is there.
    assert!(drifted.1 == "drifted" && drifted.2 >= 3, "{drifted:?}");
    let run = stage.bootstrap(&["--drift"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_in_sync(&stage, "the second time").await;
}

#[tokio::test]
async fn a_plan_that_is_kept_brings_back_just_what_it_says() {
    let stage = deployed(&["alice"]).await;
    stage.sandbox.visit(meddle).await;
    let file = stage.path("plan.json");
    let file = file.to_str().unwrap();
    let run = keyturn(&stage, &["plan", "--drift", "--out", file]).await;
    assert_eq!(run.code, 0, "{run}");
    // It says by itself that drift is to be looked for.
    stage
        .sandbox
        .visit(|world| world.change_resource("keyturn", "Function", &json!({ "MemorySize": 1024 })).unwrap())
        .await;
    let run = keyturn(&stage, &["bootstrap", "--plan", file]).await;
    assert!(run.code == 1 && run.stderr.contains("is not what would be done now"), "{run}");
    stage
        .sandbox
        .visit(|world| world.change_resource("keyturn", "Function", &json!({ "MemorySize": 512 })).unwrap())
        .await;
    let run = keyturn(&stage, &["bootstrap", "--plan", file]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_in_sync(&stage, "by the plan").await;
}

/// Two at once: CloudFormation looks for drift once at a time.
#[tokio::test]
async fn whoever_meets_another_detection_waits_for_it() {
    let stage = deployed(&["alice"]).await;
    stage.sandbox.visit(meddle).await;
    let (one, other) = tokio::join!(states(&stage), states(&stage));
    assert_eq!(one, other);
}

async fn scene() -> Stage {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.sandbox.visit(meddle).await;
    stage
}

async fn survives(written: &Written, strike: Strike) {
    let (stage, at) = (scene().await, format!("{strike:?} at {written:?}"));
    let keys = current_keys(&stage, &["alice"]).await;
    let run = strike.run(&stage, written, &["bootstrap", "--drift"]).await;
    stage.sandbox.settle().await;
    let again = stage.bootstrap(&["--drift"]).await;
    assert_eq!(again.code, 0, "{at}: {run}\n{again}");
    assert_in_sync(&stage, &at).await;
    assert_eq!(current_keys(&stage, &["alice"]).await, keys, "{at}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversion_is_completed_by_the_next_whatever_strikes_it() {
    let healthy = scene().await;
    let run = healthy.bootstrap(&["--drift"]).await;
    assert_eq!(run.code, 0, "{run}");
    let mut writes = writes(&healthy).await;
    assert!(writes.len() >= 4, "two stacks, each with a change set: {writes:?}");
    // A detection that is struck is begun again.
    writes.push(Written { operation: "cloudformation:DetectStackDrift".to_owned(), after: 1 });
    for written in &writes {
        all(STRIKES.map(|strike| survives(written, strike))).await;
    }
}
