//! What somebody meets who tries everything for the first time, and in the wrong order.

use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sandbox::KeyStatus::{Active, Inactive};
use sandbox::World;
use tokio::io::AsyncReadExt as _;

use crate::bootstrap::{configure, current_keys, deployed};
use crate::stage::{ACCOUNT, REGION, Stage, function};
use crate::strikes::{STRIKES, Strike, Written, all};

const DAY: Duration = Duration::from_secs(86_400);

const NOTHING: [&str; 0] = [];

fn has_all(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "`{part}` is not in: {text}"));
}

#[tokio::test]
async fn who_is_on_hold_is_refused_before_anything_is_tagged_or_started() {
    let stage = deployed(&["alice"]).await;
    assert_eq!(stage.keyturn(&["rotate", "alice"]).await.code, 0);
    assert_eq!(stage.keyturn(&["hold", "alice", "--reason", "audit"]).await.code, 0);
    // A hold once more keeps its reason.
    let again = stage.keyturn(&["hold", "alice"]).await;
    has_all(&again.stdout, &["held (audit)"]);
    stage.take_writes().await;
    for arguments in [&["--yes", "rotate", "alice", "--now"][..], &["rotate", "alice"]] {
        let run = stage.keyturn(arguments).await;
        has_all(&run.stderr, &["`alice` is on hold (audit)", "`keyturn release alice` first"]);
        assert_eq!((run.code, stage.take_writes().await), (1, NOTHING.map(str::to_owned).to_vec()), "{run}");
    }
}

#[tokio::test]
async fn a_rotation_too_soon_waits_and_does_not_keep_anybody_from_going_back() {
    let stage = deployed(&["alice"]).await;
    let first = current_keys(&stage, &["alice"]).await.remove(0);
    stage.sandbox.advance(DAY).await;
    assert_eq!(stage.keyturn(&["rotate", "alice"]).await.code, 0);
    stage.sandbox.settle().await;
    let waits = stage.keyturn(&["rotate", "alice"]).await;
    assert_eq!(waits.code, 3, "{waits}");
    has_all(&waits.stdout, &["alice: waiting: ", "goes on by itself", " on 2", "`keyturn rotate alice --now`"]);
    assert!(!waits.stdout.contains("aws logs"), "{waits}");
    let asked = stage.keyturn(&["rollback", "alice"]).await;
    has_all(&asked.stderr, &["has made no key yet, and is given up", "becomes current again"]);
    has_all(&asked.stderr, &["look at what is said above, then pass `--yes`"]);
    let run = stage.keyturn(&["--yes", "rollback", "alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(current_keys(&stage, &["alice"]).await, [first]);
    let status = stage.keyturn(&["status"]).await;
    assert!(status.stdout.contains("in sync") && !status.stdout.contains("blocked"), "{status}");
    // Nothing takes the rotation up again that was given up.
    stage.sandbox.advance(DAY).await;
    let keys = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")).await;
    assert!(keys.len() == 2 && keys.iter().all(|key| key.status == Active), "{keys:?}");
    stage.assert_no_secret_left_behind().await;
}

/// One history: a rollback that gives up a rotation that waits is struck, and the next is not.
async fn goes_back_whatever_strikes(strike: Strike, operation: &str) {
    let stage = deployed(&["alice"]).await;
    let first = current_keys(&stage, &["alice"]).await.remove(0);
    stage.sandbox.advance(DAY).await;
    assert_eq!(stage.keyturn(&["rotate", "alice"]).await.code, 0);
    stage.sandbox.settle().await;
    assert_eq!(stage.keyturn(&["rotate", "alice"]).await.code, 3);
    let written = Written { operation: operation.to_owned(), after: 0 };
    let run = strike.run(&stage, &written, &["rollback", "alice"]).await;
    stage.sandbox.settle().await;
    let again = stage.keyturn(&["--yes", "rollback", "alice"]).await;
    assert_eq!(again.code, 0, "{strike:?} at {operation}: {run}\n{again}");
    assert_eq!(current_keys(&stage, &["alice"]).await, [first], "{strike:?} at {operation}");
    let keys = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")).await;
    assert!(keys.len() == 2 && keys.iter().all(|key| key.status == Active), "{strike:?} at {operation}: {keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_gives_up_a_rotation_and_is_struck_is_completed_by_the_next() {
    let operations = ["secretsmanager:UpdateSecretVersionStage", "secretsmanager:UntagResource"];
    let histories = STRIKES.into_iter().flat_map(|strike| operations.map(|at| goes_back_whatever_strikes(strike, at)));
    all(histories).await;
}

#[tokio::test]
async fn a_current_key_that_somebody_has_deactivated_or_deleted_is_told_at_once() {
    let stage = deployed(&["alice", "bob"]).await;
    let keys = current_keys(&stage, &["alice", "bob"]).await;
    let (alice, bob) = (keys[0].clone(), keys[1].clone());
    let change = move |world: &mut World| {
        world.set_access_key_status(&alice, Inactive).unwrap();
        world.create_access_key(ACCOUNT, "bob").unwrap();
        world.delete_access_key(&bob).unwrap();
    };
    // Older than the key that bob makes by himself.
    stage.sandbox.advance(DAY).await;
    stage.sandbox.visit(change).await;
    let status = stage.keyturn(&["status", "--detailed-exitcode"]).await;
    assert_eq!(status.code, 3, "{status}");
    has_all(&status.stdout, &["key inactive", "key gone", "--status Active", "`keyturn revoke bob` makes a new one"]);
    let plan = stage.keyturn(&["plan", "--artifact", function().to_str().unwrap()]).await;
    has_all(&plan.stdout, &["2 of these keys do not work", "alice: the key ", "was deleted in IAM"]);
}

#[tokio::test]
async fn who_was_taken_out_of_the_configuration_is_refused_at_once() {
    let stage = deployed(&["alice", "backups"]).await;
    let key = current_keys(&stage, &["backups"]).await.remove(0);
    configure(&stage, &["alice"], "");
    assert_eq!(stage.bootstrap(&[]).await.code, 0);
    stage.take_writes().await;
    let command = format!("aws iam update-access-key --user-name backups --access-key-id {key} --status Inactive");
    for verb in ["rotate", "rollback", "revoke", "hold"] {
        let run = stage.keyturn(&["--yes", verb, "backups"]).await;
        has_all(&run.stderr, &["`backups` is not rotated by this deployment", &command]);
        assert_eq!((run.code, stage.take_writes().await), (1, NOTHING.map(str::to_owned).to_vec()), "{run}");
    }
}

/// Such as after somebody has written a policy for the whole organization.
#[tokio::test]
async fn a_function_that_may_not_make_keys_is_told_and_goes_on_once_it_may() {
    let stage = deployed(&["alice"]).await;
    stage.sandbox.advance(DAY).await;
    let forbid = |world: &mut World| {
        world.sabotage(|_, upcoming| {
            let is_struck = upcoming.operation == "iam:CreateAccessKey" && upcoming.principal.contains("assumed-role/");
            let denial = sandbox::ApiError::new("AccessDenied", "explicit deny in a service control policy");
            is_struck.then(|| sandbox::FaultEffect::FailBefore(denial.with_status(403)))
        });
    };
    stage.sandbox.visit(forbid).await;
    let run = stage.keyturn(&["rotate", "alice"]).await;
    assert_eq!(run.code, 3, "{run}");
    has_all(&run.stdout, &["the function stopped it: denied (AWS does not allow the function", "aws logs tail"]);
    let status = stage.keyturn(&["status", "--detailed-exitcode"]).await;
    assert!(status.code == 3 && status.stdout.contains("denied"), "{status}");

    stage.sandbox.visit(|world| world.sabotage(|_, _| None)).await;
    stage.sandbox.advance(DAY).await;
    let status = stage.keyturn(&["status", "--detailed-exitcode"]).await;
    assert!(status.code == 0 && !status.stdout.contains("denied"), "{status}");
}

#[tokio::test]
async fn sigterm_is_an_interruption() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let process = AtomicU32::new(0);
    let function = function().to_str().unwrap();
    let arguments = ["--yes", "bootstrap", "--artifact", function];
    let run = stage.keyturn_noted(&process, &arguments);
    let end = async {
        let mut is_sent = false;
        while !is_sent {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let writes = stage.sandbox.visit(|world| world.calls().iter().any(sandbox::Call::is_write)).await;
            let id = process.load(Ordering::SeqCst).to_string();
            is_sent = writes && std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success();
        }
    };
    let (run, ()) = tokio::join!(run, end);
    assert_eq!(run.code, 6, "{run}");
    has_all(&run.stderr, &["interrupted"]);
}

#[tokio::test]
async fn without_a_configuration_nothing_counts_as_drifted() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "function: { memory: 256 }\n");
    assert_eq!(stage.bootstrap(&[]).await.code, 0);
    std::fs::remove_file(stage.path("keyturn.yaml")).unwrap();
    let status = stage.keyturn(&["--region", REGION, "status", "--detailed-exitcode"]).await;
    assert_eq!(status.code, 0, "{status}");
    has_all(&status.stdout, &["not compared", "in sync"]);
    // The region may also come from the environment, as for the AWS CLI.
    let (id, secret) = (stage.admin.access_key_id.as_str(), stage.admin.secret_access_key.as_str());
    let key = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_REGION", REGION)];
    assert_eq!(stage.keyturn_with(&key, &["status"]).await.code, 0);
    let run = stage.keyturn_with(&[key[0], key[2]], &["status"]).await;
    has_all(&run.stderr, &["half a key: `AWS_ACCESS_KEY_ID` without `AWS_SECRET_ACCESS_KEY`"]);
    assert_eq!(run.code, 5, "{run}");
    let run = stage.keyturn_with(&[key[0], key[1], ("AWS_DEFAULT_REGION", "eu central")], &["status"]).await;
    assert_eq!(run.code, 64, "{run}");
}

#[tokio::test]
async fn rotating_comes_after_the_bootstrap() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let run = stage.keyturn(&["rotate", "alice"]).await;
    has_all(&run.stderr, &["to do: `keyturn bootstrap` makes the secret of `alice`"]);
    assert!(run.code == 1 && !run.stderr.contains("aws logs"), "{run}");
}

#[tokio::test]
async fn a_region_that_is_not_known_is_doubted() {
    let stage = Stage::with_users(&["alice"]).await;
    let plan = ["--region", "eu-centrl-1", "plan", "alice", "--artifact", function().to_str().unwrap()];
    let run = stage.keyturn(&plan).await;
    has_all(&run.stdout, &["keyturn knows no region eu-centrl-1", "did you mean `eu-central-1`?"]);
    let run = stage.keyturn(&["--region", "eu-centrl-1", "doctor", "alice"]).await;
    has_all(&run.stdout, &["warning  keyturn knows no region eu-centrl-1"]);
}

#[tokio::test]
async fn a_bucket_that_the_code_cannot_come_from_is_refused() {
    let stage = Stage::with_users(&["alice"]).await;
    stage
        .sandbox
        .visit(|world| {
            world.create_bucket(ACCOUNT, "eu-west-1", "far-away").unwrap();
            world.create_bucket(ACCOUNT, REGION, "near").unwrap();
        })
        .await;
    let plan = async |bucket: &str| {
        let function = function().to_str().unwrap();
        let arguments = ["--region", REGION, "plan", "alice", "--artifact", function, "--artifact-bucket", bucket];
        stage.keyturn(&arguments).await
    };
    let run = plan("nowhere").await;
    has_all(&run.stderr, &["the bucket `nowhere` for the function's code does not exist", "`artifact_bucket`"]);
    let run = plan("far-away").await;
    has_all(
        &run.stderr,
        &["the bucket `far-away` for the function's code is in eu-west-1", "function is in eu-central-1"],
    );
    assert_eq!(run.code, 1, "{run}");
    let run = plan("near").await;
    assert_eq!(run.code, 0, "{run}");
}

#[tokio::test]
async fn a_plan_that_was_done_already_has_nothing_to_do() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let (function, file) = (function().to_str().unwrap(), "plan.json");
    assert_eq!(stage.keyturn(&["plan", "--artifact", function, "--out", file]).await.code, 0);
    let bootstrap = ["bootstrap", "--artifact", function, "--plan", file];
    assert_eq!(stage.keyturn(&bootstrap).await.code, 0);
    let again = stage.keyturn(&bootstrap).await;
    has_all(&again.stdout, &["nothing to do"]);
    assert_eq!(again.code, 0, "{again}");
}

#[tokio::test]
async fn who_closes_the_pipe_has_read_enough() {
    let stage = deployed(&["alice"]).await;
    let (id, secret) = (&stage.admin.access_key_id, &stage.admin.secret_access_key);
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_keyturn"))
        .arg("status")
        .current_dir(stage.path(""))
        .env_clear()
        .env("HOME", stage.path(""))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", stage.sandbox.endpoint())
        .env("AWS_ACCESS_KEY_ID", id)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    let code = child.wait().await.unwrap().code();
    assert_eq!((code, said.as_str()), (Some(0), ""));
}
