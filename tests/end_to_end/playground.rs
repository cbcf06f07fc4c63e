//! `keyturn sandbox`, as a person tries it by hand: one terminal with the sandbox, another one with what it has printed.

use std::collections::BTreeMap;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

/// Runs `keyturn` with nothing else in its environment.
fn keyturn(environment: &BTreeMap<String, String>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyturn"));
    command.args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR")).env_clear().envs(environment).kill_on_drop(true);
    command
}

#[tokio::test]
async fn what_a_sandbox_prints_is_what_another_terminal_needs() {
    let mut sandbox = keyturn(&BTreeMap::new(), &["sandbox", "alice", "bob"]);
    let mut sandbox = sandbox.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut orders = sandbox.stdin.take().unwrap();
    let mut answers = BufReader::new(sandbox.stdout.take().unwrap()).lines();
    let mut environment = BTreeMap::new();
    while environment.len() < 4 {
        let line = answers.next_line().await.unwrap().expect("four lines");
        let (name, value) =
            line.strip_prefix("export ").and_then(|line| line.split_once('=')).expect("as a shell reads it");
        environment.insert(name.to_owned(), value.to_owned());
    }
    let artifact = crate::stage::function().to_str().unwrap();
    let plan = ["--region", "eu-central-1", "plan", "alice", "--artifact", artifact];
    let planned = keyturn(&environment, &plan).output().await.unwrap();
    assert!(planned.status.success(), "{planned:?}");

    orders.write_all(b"advance 30d\nwhat\ncalls\nreport\n").await.unwrap();
    let mut next = async || answers.next_line().await.unwrap().unwrap();
    assert_eq!(next().await.split('T').next(), Some("it is 2026-01-31"));
    assert_eq!(next().await, "orders are: advance DURATION, bucket NAME REGION, calls, fail STACK RESOURCE, report");
    let first = next().await;
    assert_eq!(first, "  arn:aws:iam::111122223333:user/administrator sts:GetCallerIdentity Done");

    // The rest of the calls, up to the line of JSON, which has none any more.
    let mut report = next().await;
    while !report.starts_with('{') {
        report = next().await;
    }
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((report["stacks"].clone(), report["calls"].clone()), (serde_json::json!([]), serde_json::json!([])));

    // The end of its input is its own end.
    drop(orders);
    assert!(sandbox.wait().await.unwrap().success());
}

/// A crash must not leave keys in a file, whatever this machine does with the memory of others.
#[tokio::test]
async fn no_core_is_dumped() {
    let unlimited = r#"ulimit -S -c "$(ulimit -H -c)" && exec "$0" sandbox alice"#;
    let mut sandbox = Command::new("/bin/sh");
    sandbox.args(["-c", unlimited, env!("CARGO_BIN_EXE_keyturn")]).env_clear().kill_on_drop(true);
    let mut sandbox = sandbox.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut answers = BufReader::new(sandbox.stdout.take().unwrap()).lines();
    assert!(answers.next_line().await.unwrap().is_some());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", sandbox.id().unwrap())).unwrap();
    let limit = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(limit.split_ascii_whitespace().nth(4), Some("0"), "{limit}");
}

#[tokio::test]
async fn a_sandbox_has_a_bucket_and_a_refusal_on_order_and_reports_what_came_of_it() {
    let mut sandbox = keyturn(&BTreeMap::new(), &["sandbox", "--delays", "0.01", "alice"]);
    let mut sandbox = sandbox.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut orders = sandbox.stdin.take().unwrap();
    let mut answers = BufReader::new(sandbox.stdout.take().unwrap()).lines();
    let mut next = async || answers.next_line().await.unwrap().unwrap();
    let mut environment = BTreeMap::new();
    while environment.len() < 4 {
        let line = next().await;
        let (name, value) = line.strip_prefix("export ").and_then(|line| line.split_once('=')).unwrap();
        environment.insert(name.to_owned(), value.to_owned());
    }
    orders.write_all(b"bucket code eu-central-1\nbucket code eu-central-1\nfail keyturn Function\n").await.unwrap();
    assert_eq!(next().await, "done");
    assert!(next().await.starts_with("BucketAlready"), "there is one");
    assert_eq!(next().await, "done");
    let artifact = crate::stage::function().to_str().unwrap();
    let fixed = ["--region", "eu-central-1", "--yes", "bootstrap", "alice", "--artifact", artifact];
    let deployed =
        keyturn(&environment, &[&fixed[..], &["--artifact-bucket", "code"]].concat()).output().await.unwrap();
    assert_eq!(deployed.status.code(), Some(4), "{deployed:?}");
    assert!(String::from_utf8_lossy(&deployed.stderr).contains("refused, as ordered"), "{deployed:?}");

    orders.write_all(b"report\n").await.unwrap();
    let report: serde_json::Value = serde_json::from_str(&next().await).unwrap();
    assert_eq!(report["stacks"][0]["name"], "keyturn");
    assert_eq!(report["stacks"][0]["status"], "DELETE_COMPLETE");
    let moment = |value: &serde_json::Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let last = moment(&report["stacks"][0]["last_event"]);
    let calls = report["calls"].as_array().unwrap();
    assert_eq!(calls[0]["operation"], "sts:GetCallerIdentity");
    assert!(moment(&calls[0]["at"]) < last && last <= moment(&report["now"]), "{report}");
    drop(orders);
    assert!(sandbox.wait().await.unwrap().success());
}
