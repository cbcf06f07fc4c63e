//! `keyturn rollback` and `keyturn revoke`, as a person in a hurry gives them: what is asked, told and left behind.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use sandbox::KeyStatus::{Active, Inactive};
use sandbox::{KeyStatus, World};
use serde_json::json;

use crate::bootstrap::{configure, current_keys, deployed};
use crate::stage::{ACCOUNT, REGION, Stage, settings};
use crate::strikes::{STRIKES, Strike, Written, all, writes};

const DAY: Duration = Duration::from_secs(86_400);

/// The user's keys with their states, oldest first.
async fn keys_of(stage: &Stage, user: &'static str) -> Vec<(String, KeyStatus)> {
    let keys = stage.sandbox.visit(move |world| world.access_keys(ACCOUNT, user)).await;
    keys.iter().map(|key| (key.id().to_owned(), key.status)).collect()
}

/// A stage on which `alice` was rotated twice and `bob` once, and the keys of `alice`.
async fn rotated() -> (Stage, String, String) {
    let stage = deployed(&["alice", "bob"]).await;
    let first = current_keys(&stage, &["alice"]).await.remove(0);
    // Old enough for nobody to take it for what an attempt has left behind.
    stage.sandbox.advance(DAY).await;
    assert_eq!(stage.keyturn(&["rotate", "alice"]).await.code, 0);
    stage.sandbox.settle().await;
    stage.sandbox.advance(DAY).await;
    let second = current_keys(&stage, &["alice"]).await.remove(0);
    stage.take_writes().await;
    (stage, first, second)
}

#[tokio::test]
async fn a_rollback_makes_the_earlier_key_current_and_a_second_one_changes_nothing() {
    let (stage, first, second) = rotated().await;
    let asked = stage.keyturn(&["rollback", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_rollback_without_an_answer", asked));
    assert_eq!(stage.take_writes().await, [] as [&str; 0]);
    let run = stage.keyturn(&["--yes", "rollback", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_rollback", run));
    assert_eq!(current_keys(&stage, &["alice"]).await.remove(0), first);
    assert_eq!(keys_of(&stage, "alice").await, [(first.clone(), Active), (second, Active)]);
    let again = stage.keyturn(&["--yes", "rollback", "alice", "bob"]).await;
    settings().bind(|| insta::assert_snapshot!("a_rollback_again", again));
    assert_eq!(current_keys(&stage, &["alice"]).await, [first]);
    let machines = stage.keyturn(&["--yes", "--output", "json", "rollback", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_rollback_for_machines", machines));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_revoked_user_has_one_new_key_that_works() {
    let (stage, first, second) = rotated().await;
    let asked = stage.keyturn(&["revoke", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_revocation_without_an_answer", asked));
    assert_eq!(stage.take_writes().await, [] as [&str; 0]);
    let run = stage.keyturn(&["--yes", "revoke", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_revocation", run));
    let new = current_keys(&stage, &["alice"]).await.remove(0);
    let keys = keys_of(&stage, "alice").await;
    assert!(keys.iter().all(|(id, status)| (*id == new) == (*status == Active)), "{keys:?}");
    assert!(new != first && new != second);

    let again = stage.keyturn(&["--yes", "revoke", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_revocation_again", again));
    assert_eq!(current_keys(&stage, &["alice"]).await.remove(0), new, "a second new key");
    let named = stage.keyturn(&["--yes", "revoke", "alice", "--key", &new]).await;
    settings().bind(|| insta::assert_snapshot!("a_revocation_of_a_named_key", named));
    assert_ne!(current_keys(&stage, &["alice"]).await, [new]);

    // The next leak. What was revoked before is still there, and does not stand for this order.
    stage.sandbox.advance(Duration::from_hours(2)).await;
    let leaked = current_keys(&stage, &["alice"]).await.remove(0);
    let run = stage.keyturn(&["--yes", "revoke", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_second_revocation", run));
    let new = current_keys(&stage, &["alice"]).await.remove(0);
    let keys = keys_of(&stage, "alice").await;
    assert!(new != leaked && keys.contains(&(new, Active)) && !keys.contains(&(leaked, Active)), "{keys:?}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_key_that_keyturn_did_not_make_is_told_and_left_alone() {
    let stage = deployed(&["alice"]).await;
    stage.sandbox.advance(DAY).await;
    let foreign = stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "alice").unwrap().access_key_id).await;
    let before = current_keys(&stage, &["alice"]).await.remove(0);
    let run = stage.keyturn(&["--yes", "revoke", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_revocation_beside_a_foreign_key", run));
    let keys = keys_of(&stage, "alice").await;
    assert!(keys.contains(&(foreign, Active)) && !keys.contains(&(before, Active)), "{keys:?}");
    current_keys(&stage, &["alice"]).await;
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn on_hold_keys_are_revoked_and_none_is_made() {
    let (stage, ..) = rotated().await;
    assert_eq!(stage.keyturn(&["hold", "alice"]).await.code, 0);
    let run = stage.keyturn(&["--yes", "revoke", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_revocation_on_hold", run));
    assert!(keys_of(&stage, "alice").await.iter().all(|(_, status)| *status == Inactive));
    assert_eq!(stage.keyturn(&["release", "alice"]).await.code, 0);
    assert_eq!(stage.keyturn(&["rotate", "alice"]).await.code, 0);
    current_keys(&stage, &["alice"]).await;
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn orders_that_cannot_be_followed_are_told() {
    let (stage, ..) = rotated().await;
    let (operation, principal) = ("secretsmanager:PutSecretValue".to_owned(), "assumed-role/".to_owned());
    let carol = |world: &mut World| world.create_user(ACCOUNT, "carol", "/").unwrap();
    stage.sandbox.visit(carol).await;
    stage.take_writes().await;
    for (name, arguments) in [
        ("unknown_user", vec!["--yes", "rollback", "alise"]),
        ("without_a_secret", vec!["--yes", "revoke", "carol"]),
        ("key_of_nobody", vec!["--yes", "revoke", "alice", "--key", "AKIANOBODYSKEY000000"]),
        ("key_of_two", vec!["--yes", "revoke", "alice", "bob", "--key", "AKIANOBODYSKEY000000"]),
    ] {
        let run = stage.keyturn(&arguments).await;
        settings().bind(|| insta::assert_snapshot!(format!("cannot_be_followed_{name}"), run));
        let writes = stage.take_writes().await;
        assert!(writes.iter().all(|write| !write.contains("Key") && !write.contains("Tag")), "{name}: {writes:?}");
    }
    // A rotation in the middle.
    let effect = sandbox::FaultEffect::KillAfter;
    let fault = sandbox::Fault { operation: Some(operation), principal: Some(principal), after: 0, effect };
    stage.sandbox.visit(move |world| world.inject(fault)).await;
    stage.rotate_secret("bob").await;
    stage.sandbox.settle().await;
    let run = stage.keyturn(&["--yes", "rollback", "bob"]).await;
    settings().bind(|| insta::assert_snapshot!("cannot_be_followed_rotation_under_way", run));
    // No function.
    configure(&stage, &["alice", "bob"], "stack: other\n");
    let run = stage.keyturn(&["--yes", "rollback", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("cannot_be_followed_not_deployed", run));
    stage.assert_no_secret_left_behind().await;
}

/// One history: an order that is struck, and then one that is not.
async fn survives(written: &Written, strike: Strike, order: &str) {
    let (stage, first, second) = rotated().await;
    let at = format!("{order}, {strike:?} at {written:?}");
    let run = strike.run(&stage, written, &[order, "alice"]).await;
    stage.sandbox.settle().await;
    let again = stage.keyturn(&["--yes", order, "alice"]).await;
    assert_eq!(again.code, 0, "{at}: {run}\n{again}");
    let current = current_keys(&stage, &["alice"]).await.remove(0);
    match order {
        "rollback" => assert_eq!(current, first, "{at}"),
        _ => assert!(current != first && current != second, "{at}"),
    }
    let rotations = |world: &mut World| {
        let secret = world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap();
        secret.versions.len()
    };
    let versions = stage.sandbox.visit(rotations).await;
    assert!(versions <= 4, "{at}: more keys than needed, {versions} versions");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_struck_is_completed_by_the_next() {
    for order in ["rollback", "revoke"] {
        let (stage, ..) = rotated().await;
        let run = stage.keyturn(&["--yes", order, "alice"]).await;
        assert_eq!(run.code, 0, "{run}");
        let writes = writes(&stage).await;
        assert!(!writes.is_empty(), "no call is struck");
        for written in &writes {
            all(STRIKES.map(|strike| survives(written, strike, order))).await;
        }
    }
}

#[tokio::test]
async fn a_function_that_fails_is_told() {
    let stage = deployed(&["alice"]).await;
    let refuse = |world: &mut World| {
        let refusal = sandbox::ApiError::new("InternalServiceError", "not now");
        let effect = sandbox::FaultEffect::FailBefore(refusal);
        let operation = Some("secretsmanager:ListSecrets".to_owned());
        let principal = Some("assumed-role/".to_owned());
        for _ in 0..5 {
            let (operation, principal) = (operation.clone(), principal.clone());
            world.inject(sandbox::Fault { operation, principal, after: 0, effect: effect.clone() });
        }
    };
    stage.sandbox.visit(refuse).await;
    let run = stage.keyturn(&["--yes", "rollback", "alice"]).await;
    assert!(run.code == 1 && run.stderr.contains("the function `keyturn` failed: "), "{run}");
}

/// A role that alice may assume, and what a session of it may do: list the users.
const OPS: &str = "arn:aws:iam::111122223333:role/ops";

/// Has alice's current key open a session of the role.
async fn assume(stage: &Stage) -> SdkConfig {
    let value = stage.secrets().get_secret_value().secret_id("keyturn/alice").send().await.unwrap();
    let document: serde_json::Value = serde_json::from_str(value.secret_string().unwrap()).unwrap();
    let half = |name: &str| document[name].as_str().unwrap().to_owned();
    let key = Credentials::from_keys(half("AccessKeyId"), half("SecretAccessKey"), None);
    let signed_by = |key| stage.config().to_builder().credentials_provider(SharedCredentialsProvider::new(key)).build();
    let call = aws_sdk_sts::Client::new(&signed_by(key)).assume_role().role_arn(OPS).role_session_name("alice");
    let session = call.send().await.unwrap().credentials.unwrap();
    let (id, secret, token) = (session.access_key_id, session.secret_access_key, session.session_token);
    signed_by(Credentials::from_keys(id, secret, Some(token)))
}

/// Whether a session is let through.
async fn works(session: &SdkConfig) -> bool {
    aws_sdk_iam::Client::new(session).get_user().user_name("alice").send().await.is_ok()
}

/// The policy is tried as it is printed, on a role: the sandbox gives users no sessions of their own.
#[tokio::test]
async fn the_policy_that_a_revocation_prints_ends_older_sessions_only() {
    let stage = deployed(&["alice"]).await;
    let may = |action: &str| {
        json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": action, "Resource": "*" } })
            .to_string()
    };
    stage
        .sandbox
        .visit(move |world| {
            let trusted = json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:root") });
            let trust = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": trusted });
            let trust = json!({ "Version": "2012-10-17", "Statement": trust }).to_string();
            world.create_role(ACCOUNT, "ops", &trust).unwrap();
            world.put_role_policy(ACCOUNT, "ops", "may", &may("iam:GetUser")).unwrap();
            world.put_user_policy(ACCOUNT, "alice", "may", &may("sts:AssumeRole")).unwrap();
        })
        .await;
    let older = assume(&stage).await;
    assert!(works(&older).await);

    stage.sandbox.advance(Duration::from_secs(60)).await;
    let run = stage.keyturn(&["--yes", "revoke", "alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert!(works(&older).await, "a session outlives the key that has opened it");
    let (_, printed) = run.stdout.split_once("--policy-document '").expect("a policy is printed");
    let policy = printed.split('\'').next().unwrap().to_owned();
    stage.sandbox.advance(Duration::from_secs(60)).await;
    stage.sandbox.visit(move |world| world.put_role_policy(ACCOUNT, "ops", "no-older", &policy).unwrap()).await;
    assert!(!works(&older).await, "a session from before");
    assert!(works(&assume(&stage).await).await, "a session that the new key opens");
}
