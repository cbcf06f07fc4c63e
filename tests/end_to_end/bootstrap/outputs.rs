//! What the commands print, for people and for machines.

use serde_json::Value;

use super::{configure, deployed, plan};
use crate::stage::{Run, Stage, function, settings};

/// The one JSON document that a run has printed.
fn document(run: &Run) -> Value {
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"));
    assert_eq!(document["schema"], "keyturn/1");
    document
}

#[tokio::test]
async fn plan_and_bootstrap_for_machines() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let planned = plan(&stage, &["--output", "json"]).await;
    settings().bind(|| insta::assert_snapshot!("plan_for_machines", planned));
    let run = stage.bootstrap(&["--output", "json"]).await;
    let (planned, done) = (document(&planned), document(&run));
    assert_eq!(done["plan"]["steps"], planned["steps"], "what a preview prints is what runs");
    settings().bind(|| {
        insta::assert_snapshot!("bootstrap_for_machines", serde_json::to_string_pretty(&done["applied"]).unwrap());
    });
    let again = stage.bootstrap(&["--output", "json"]).await;
    settings().bind(|| insta::assert_snapshot!("bootstrap_for_machines_without_changes", again));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn status_before_and_after() {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    configure(&stage, &["alice", "bob", "nobody"], "");
    let before = stage.keyturn(&["status"]).await;
    settings().bind(|| insta::assert_snapshot!("status_of_an_empty_account", before));
    configure(&stage, &["alice", "bob"], "");
    assert_eq!(stage.bootstrap(&[]).await.code, 0);
    let after = stage.keyturn(&["status"]).await;
    settings().bind(|| insta::assert_snapshot!("status_after_a_bootstrap", after));
    let after = stage.keyturn(&["status", "--output", "json"]).await;
    document(&after);
    settings().bind(|| insta::assert_snapshot!("status_for_machines", after));
    configure(&stage, &["alice", "bob"], "retire: { deactivate_after: 14d }\n");
    let drifted = stage.keyturn(&["status"]).await;
    settings().bind(|| insta::assert_snapshot!("status_after_an_edit", drifted));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn rotate_tells_the_new_key() {
    let stage = deployed(&["alice"]).await;
    let before = super::current_keys(&stage, &["alice"]).await;
    let run = stage.keyturn(&["rotate", "alice"]).await;
    let after = super::current_keys(&stage, &["alice"]).await;
    assert_ne!(before, after);
    assert!(run.stdout.contains(&after[0]), "{run}");
    settings().bind(|| insta::assert_snapshot!("rotate", run));
    let run = stage.keyturn(&["rotate", "alice", "--output", "json"]).await;
    settings().bind(|| insta::assert_snapshot!("rotate_when_both_slots_are_taken", run));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_template_is_what_bootstrap_deploys() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let artifact = function().to_str().unwrap();
    let cell = stage.keyturn(&["template", "--artifact", artifact]).await;
    settings().bind(|| insta::assert_snapshot!("template_of_the_cell", cell));
    let bucket = stage.keyturn(&["template", "artifacts"]).await;
    settings().bind(|| insta::assert_snapshot!("template_of_the_bucket", bucket));
    assert_eq!(stage.bootstrap(&[]).await.code, 0);
    let client = aws_sdk_cloudformation::Client::new(&stage.config());
    for (stack, printed) in [("keyturn", cell), ("keyturn-artifacts", bucket)] {
        let deployed = client.get_template().stack_name(stack).send().await.unwrap();
        assert_eq!(deployed.template_body().unwrap().trim_end(), printed.stdout.trim_end(), "{stack}");
    }
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn monitoring_is_told_by_the_exit_code_of_status() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let status = async |arguments: &[&str]| stage.keyturn(&[&["status"], arguments].concat()).await;
    assert_eq!(status(&["--detailed-exitcode"]).await.code, 3, "nothing is deployed");
    assert_eq!(stage.bootstrap(&[]).await.code, 0);
    assert_eq!(status(&["--detailed-exitcode"]).await.code, 0);
    configure(&stage, &["alice"], "retire: { deactivate_after: 14d }\n");
    assert_eq!(status(&["--detailed-exitcode"]).await.code, 3, "drifted");
    configure(&stage, &["alice"], "");

    assert_eq!(stage.keyturn(&["hold", "alice", "--reason", "audit"]).await.code, 0);
    assert_eq!(status(&["--detailed-exitcode"]).await.code, 0, "somebody wants it");
    stage.sandbox.advance(std::time::Duration::from_hours(24 * 95)).await;
    let run = status(&["--detailed-exitcode"]).await;
    settings().bind(|| insta::assert_snapshot!("status_of_a_key_that_is_too_old", run));
    assert_eq!((run.code, status(&[]).await.code), (3, 0), "{run}");
    assert_eq!(stage.keyturn(&["release", "alice"]).await.code, 0);
    stage.sandbox.advance(std::time::Duration::from_hours(36)).await;
    assert_eq!(status(&["--detailed-exitcode"]).await.code, 0);

    let tag = aws_sdk_secretsmanager::types::Tag::builder().key("keyturn:blocked").value("in_use").build();
    stage.secrets().tag_resource().secret_id("keyturn/alice").tags(tag).send().await.unwrap();
    let run = status(&["--detailed-exitcode"]).await;
    settings().bind(|| insta::assert_snapshot!("status_of_a_blocked_user", run));
    let run = status(&["--output", "json"]).await;
    assert!(document(&run)["users"][0]["to_do"].as_str().is_some_and(|to_do| to_do.starts_with("blocked (in_use)")));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_plan_that_was_kept_is_done_without_asking_or_not_at_all() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let file = stage.path("plan.json");
    let file = file.to_str().unwrap();
    assert_eq!(plan(&stage, &["--out", file]).await.code, 0);
    stage.assert_no_secret_left_behind().await;
    let bootstrap = ["bootstrap", "--artifact", function().to_str().unwrap(), "--plan", file];
    let run = stage.keyturn(&bootstrap).await;
    assert_eq!(run.code, 0, "{run}");
    super::current_keys(&stage, &["alice"]).await;
    stage.take_writes().await;
    // It is done, so there is nothing to do now.
    let run = stage.keyturn(&bootstrap).await;
    settings().bind(|| insta::assert_snapshot!("a_plan_that_was_done", run));
    configure(&stage, &["alice"], "function: { memory: 256 }\n");
    let run = stage.keyturn(&bootstrap).await;
    settings().bind(|| insta::assert_snapshot!("a_plan_that_is_outdated", run));
    std::fs::write(file, "hunter2").unwrap();
    let run = stage.keyturn(&bootstrap).await;
    settings().bind(|| insta::assert_snapshot!("what_is_no_plan", run));
    assert_eq!(stage.take_writes().await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_stream_begins_with_the_version_and_ends_with_the_result_or_the_error() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let run = stage.bootstrap(&["--output", "ndjson"]).await;
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "version");
    assert_eq!((&lines[0]["schema"], &lines[0]["keyturn"]), (&"keyturn/1".into(), &env!("CARGO_PKG_VERSION").into()));
    let (last, between) = lines[1..].split_last().unwrap();
    assert_eq!((&last["type"], &last["command"], run.code), (&"result".into(), &"bootstrap".into(), 0));
    let of = |kind: &str| between.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    let events = of("stack-event");
    let ends = |event: &&&Value| event["stack"] == "keyturn" && event["type_name"] == "AWS::CloudFormation::Stack";
    assert_eq!(events.iter().rfind(ends).unwrap()["status"], "CREATE_COMPLETE");
    let rotations = of("rotation");
    assert_eq!((rotations.len(), &rotations[0]["outcome"]), (1, &"rotated".into()));
    assert_eq!(events.len() + rotations.len(), between.len());

    let run = stage.keyturn(&["rotate", "nobody", "--output", "ndjson"]).await;
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["type"], &lines[1]["exit_code"]), (2, &"error".into(), &1.into()), "{run}");
    stage.assert_no_secret_left_behind().await;
}
