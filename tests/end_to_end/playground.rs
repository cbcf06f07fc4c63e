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

    orders.write_all(b"advance 30d\nwhat\ncalls\n").await.unwrap();
    let mut next = async || answers.next_line().await.unwrap().unwrap();
    assert_eq!(next().await.split('T').next(), Some("it is 2026-01-31"));
    assert_eq!(next().await, "orders are: advance DURATION, calls");
    let first = next().await;
    assert_eq!(first, "  arn:aws:iam::111122223333:user/administrator sts:GetCallerIdentity Done");

    // The end of its input is its own end.
    drop(orders);
    assert!(sandbox.wait().await.unwrap().success());
}
