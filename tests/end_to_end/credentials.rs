//! `keyturn credentials`: what an SDK gets from it, before and after a rotation, and what it refuses to print.

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use sandbox::{Credentials, World};
use serde_json::Value;

use crate::bootstrap::current_keys;
use crate::stage::{ACCOUNT, REGION, Run, Stage, settings};

const NAME: &str = "keyturn/alice";

/// Somebody who may read the values of secrets and do nothing else.
async fn reader(stage: &Stage) -> Credentials {
    let create = |world: &mut World| {
        let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}}"#;
        world.create_user(ACCOUNT, "reader", "/").unwrap();
        world.put_user_policy(ACCOUNT, "reader", "read", policy).unwrap();
        world.create_access_key(ACCOUNT, "reader").unwrap()
    };
    stage.sandbox.visit(create).await
}

fn environment(key: &Credentials) -> [(&'static str, &str); 2] {
    [("AWS_ACCESS_KEY_ID", &key.access_key_id), ("AWS_SECRET_ACCESS_KEY", &key.secret_access_key)]
}

/// The document that a run has printed, whose secret half must be that of the key.
async fn printed(stage: &Stage, run: &Run) -> Value {
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), 1, "one line");
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let id = document["AccessKeyId"].as_str().unwrap().to_owned();
    let keys = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")).await;
    let key = keys.iter().find(|key| key.id() == id).unwrap();
    assert!(document["SecretAccessKey"] == key.credentials.secret_access_key.as_str(), "the halves do not fit");
    assert_eq!(document["Version"], 1);
    document
}

/// How far in the future the document says that it expires, by the clock of this machine.
#[expect(clippy::disallowed_methods, reason = "the document is for programs on this machine")]
fn remaining(document: &Value) -> Duration {
    let expiration: jiff::Timestamp = document["Expiration"].as_str().unwrap().parse().unwrap();
    SystemTime::from(expiration).duration_since(SystemTime::now()).unwrap()
}

#[tokio::test]
async fn the_key_that_is_current_is_printed_and_a_rotation_followed() {
    let stage = Stage::with_users(&["alice"]).await;
    assert_eq!(stage.bootstrap(&["alice"]).await.code, 0);
    let reader = reader(&stage).await;
    let environment = environment(&reader);
    let ask = || stage.credentials_with(&environment, &["alice", "--region", REGION]);
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);

    stage.sandbox.visit(World::clear_calls).await;
    let before = printed(&stage, &ask().await).await;
    assert_eq!(current_keys(&stage, &["alice"]).await, [before["AccessKeyId"].as_str().unwrap()]);
    assert!((minutes(29)..=minutes(30)).contains(&remaining(&before)));
    let calls = stage.sandbox.visit(|world| {
        world.calls().iter().map(|call| format!("{} {:?}", call.operation, call.outcome)).collect::<Vec<_>>()
    });
    assert_eq!(calls.await, ["secretsmanager:GetSecretValue Done"]);

    stage.rotate_secret("alice").await;
    stage.sandbox.settle().await;
    let after = printed(&stage, &ask().await).await;
    assert_ne!(before["AccessKeyId"], after["AccessKeyId"]);
    assert_eq!(current_keys(&stage, &["alice"]).await, [after["AccessKeyId"].as_str().unwrap()]);

    let run = stage.credentials_with(&environment, &["alice", "--region", REGION, "--refresh", "1m"]).await;
    assert!(remaining(&printed(&stage, &run).await) <= minutes(1));
    let arn = stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, NAME).unwrap().arn).await;
    let run = stage.credentials_with(&environment, &["alice", "--secret", &arn]).await;
    assert_eq!(printed(&stage, &run).await["AccessKeyId"], after["AccessKeyId"], "an ARN names its region");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_configuration_names_the_secret_and_bounds_how_long_a_key_is_kept() {
    let stage = Stage::with_users(&["alice"]).await;
    stage.configure(&format!(
        "version: 1\nregion: {REGION}\nusers: [{{ name: alice, secret: prod/alice }}]\nretire: {{ deactivate_after: 20m, quiet: 20m }}\n"
    ));
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let reader = reader(&stage).await;
    let run = stage.credentials_with(&environment(&reader), &["alice"]).await;
    let remaining = remaining(&printed(&stage, &run).await);
    assert!(remaining <= Duration::from_secs(600), "half of the time that it is sure to work: {remaining:?}");
    // An application begins in whatever directory, with whatever in it.
    stage.configure("[}");
    let all = ["alice", "--region", REGION, "--secret", "prod/alice"];
    printed(&stage, &stage.credentials_with(&environment(&reader), &all).await).await;
}

/// The program that reads the profile is `keyturn` itself: it finds credentials as any program with an SDK does. With
/// `AWS_PROFILE` in its environment the command would run itself if it heeded that.
#[tokio::test]
async fn an_sdk_authenticates_with_it_before_and_after_a_rotation() {
    let stage = Stage::with_users(&["alice"]).await;
    assert_eq!(stage.bootstrap(&["alice"]).await.code, 0);
    let everything = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    stage.sandbox.visit(|world| world.put_user_policy(ACCOUNT, "alice", "hers", everything).unwrap()).await;
    std::fs::create_dir(stage.path(".aws")).unwrap();
    let keyturn = env!("CARGO_BIN_EXE_keyturn");
    let profile = format!("[profile app]\ncredential_process = {keyturn} credentials alice --region {REGION}\n");
    std::fs::write(stage.path(".aws/config"), profile).unwrap();
    let reader = reader(&stage).await;
    let [id, secret] = environment(&reader);
    let environment = [id, secret, ("AWS_PROFILE", "app")];
    let status = ["--profile", "app", "--region", REGION, "status"];
    let callers = async || {
        let callers = stage.sandbox.visit(|world| {
            let calls = world.calls().iter();
            let mut callers: Vec<_> = calls.map(|call| call.principal.rsplit('/').next().unwrap().to_owned()).collect();
            callers.dedup();
            world.clear_calls();
            callers
        });
        callers.await
    };

    callers().await;
    let run = stage.keyturn_with(&environment, &status).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(callers().await, ["reader", "alice"], "the secret is read once");

    let [before] = current_keys(&stage, &["alice"]).await.try_into().unwrap();
    stage.rotate_secret("alice").await;
    stage.sandbox.settle().await;
    stage.sandbox.visit(move |world| world.delete_access_key(&before).unwrap()).await;
    callers().await;
    let run = stage.keyturn_with(&environment, &status).await;
    assert_eq!(run.code, 0, "the earlier key would be refused: {run}");
    assert_eq!(callers().await, ["reader", "alice"]);

    let run = stage.credentials_with(&environment, &["--profile", "app", "alice", "--region", REGION]).await;
    settings().bind(|| insta::assert_snapshot!("a_profile_that_asks_itself", run));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn what_is_no_key_of_the_user_is_not_printed() {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    let reader = reader(&stage).await;
    let secret = |user: &str| {
        format!(
            r#"{{"UserName":"{user}","AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"cGFzc3dvcmQtb2YtYm9i"}}"#
        )
    };
    let table = [
        ("a_placeholder", r#"{"UserName":"alice"}"#.to_owned()),
        ("garbage", "cGFzc3dvcmQtb2YtYm9i".to_owned()),
        ("of_another_user", secret("bob")),
        ("half_a_key", r#"{"UserName":"alice","SecretAccessKey":"cGFzc3dvcmQtb2YtYm9i"}"#.to_owned()),
    ];
    for (name, value) in table {
        let create = move |world: &mut World| world.create_secret(ACCOUNT, REGION, name, &value, &[]).unwrap();
        stage.sandbox.visit(create).await;
        let run = ["alice", "--region", REGION, "--secret", name];
        let run = stage.credentials_with(&environment(&reader), &run).await;
        assert!((run.code, run.stdout.as_str()) == (1, "") && !run.stderr.contains("cGFzc3dvcmQtb2YtYm9i"));
        settings().bind(|| insta::assert_snapshot!(format!("not_printed_{name}"), run));
    }
    stage.sandbox.visit(move |world| world.create_secret(ACCOUNT, REGION, NAME, &secret("alice"), &[]).unwrap()).await;
    stage.secrets().delete_secret().secret_id(NAME).recovery_window_in_days(7).send().await.unwrap();
    let nobody = stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "bob").unwrap()).await;
    let (reader, nobody) = (environment(&reader), environment(&nobody));
    let asked = |more: &'static [&str]| [&["alice", "--region", REGION], more].concat();
    let table: [(_, &[_], _, _); 6] = [
        ("on_its_way_to_deletion", &reader, asked(&[]), 1),
        ("not_there", &reader, asked(&["--secret", "prod/alice"]), 1),
        ("not_permitted", &nobody, asked(&[]), 5),
        ("without_credentials", &[], asked(&[]), 5),
        ("kept_too_long", &reader, asked(&["--refresh", "1d"]), 64),
        ("nowhere", &reader, vec!["alice"], 64),
    ];
    for (name, environment, arguments, code) in table {
        let run = stage.credentials_with(environment, &arguments).await;
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{name}");
        settings().bind(|| insta::assert_snapshot!(format!("not_printed_{name}"), run));
    }
}

/// Runs `keyturn` on a terminal, which takes both of its outputs.
const ON_A_TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

#[tokio::test]
async fn a_terminal_sees_no_key() {
    let stage = Stage::with_users(&["alice"]).await;
    assert_eq!(stage.bootstrap(&["alice"]).await.code, 0);
    stage.sandbox.visit(World::clear_calls).await;
    let run = tokio::process::Command::new("python3")
        .args(["-c", ON_A_TERMINAL, env!("CARGO_BIN_EXE_keyturn"), "credentials", "alice", "--region", REGION])
        .env_clear()
        .env("HOME", stage.path("."))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", stage.sandbox.endpoint())
        .envs(environment(&stage.admin))
        .current_dir(stage.path("."))
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let shown = String::from_utf8(run.stdout).unwrap();
    assert_eq!(run.status.code(), Some(64), "{shown}");
    assert!(shown.contains("stdout is a terminal") && shown.contains("credential_process"), "{shown}");
    let key = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")).await.remove(0);
    assert!(!shown.contains(&key.credentials.secret_access_key), "the key is on the screen");
    assert_eq!(stage.sandbox.visit(|world| world.calls().len()).await, 0, "nobody has even asked for it");
}
