//! A person who may tag, write and read one secret, and begin its rotation, and no more: it must get them nothing of anybody
//! else's, and keep nobody else from what is theirs.

use std::time::Duration;

use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_secretsmanager::types::Tag;
use sandbox::World;
use serde_json::json;

use crate::bootstrap::{configure, current_keys, deployed, in_order};
use crate::stage::{ACCOUNT, REGION, Stage, settings};

const HOUR: Duration = Duration::from_hours(1);

const NAME: &str = "keyturn/alice";

/// Secrets Manager as the person who may do with alice's secret what its owner may, and who may make others.
async fn mallory(stage: &Stage) -> aws_sdk_secretsmanager::Client {
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "secretsmanager:*", "Resource": format!("arn:aws:secretsmanager:*:*:secret:{NAME}-??????") },
        { "Effect": "Allow", "Action": ["secretsmanager:CreateSecret", "secretsmanager:TagResource"], "Resource": "*" },
        { "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*" },
    ]});
    let make = move |world: &mut World| {
        world.create_user(ACCOUNT, "mallory", "/").unwrap();
        world.put_user_policy(ACCOUNT, "mallory", "one-secret", &policy.to_string()).unwrap();
        world.create_access_key(ACCOUNT, "mallory").unwrap()
    };
    // What the bootstrap has begun is over.
    stage.sandbox.settle().await;
    let key = stage.sandbox.visit(make).await;
    let credentials = Credentials::new(key.access_key_id, key.secret_access_key, None, None, "test");
    let config = aws_sdk_secretsmanager::config::Builder::from(&stage.config());
    let config = config.credentials_provider(SharedCredentialsProvider::new(credentials)).build();
    aws_sdk_secretsmanager::Client::from_conf(config)
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

async fn id_of(stage: &Stage, user: &str) -> String {
    let client = aws_sdk_iam::Client::new(&stage.config());
    client.get_user().user_name(user).send().await.unwrap().user.unwrap().user_id
}

/// Points alice's secret at bob, in tags and value.
async fn point_at_bob(stage: &Stage, mallory: &aws_sdk_secretsmanager::Client) {
    let tags = vec![tag("keyturn:user", "bob"), tag("keyturn:user-id", &id_of(stage, "bob").await)];
    mallory.tag_resource().secret_id(NAME).set_tags(Some(tags)).send().await.unwrap();
    let value = r#"{"UserName":"bob"}"#;
    mallory.put_secret_value().secret_id(NAME).secret_string(value).send().await.unwrap();
    // Secrets Manager would go on with the rotation before, whose version is not the current one any more.
    let secret = stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, NAME).unwrap()).await;
    let pending = secret.labelled("AWSPENDING").unwrap().id.clone();
    let drop = mallory.update_secret_version_stage().secret_id(NAME).version_stage("AWSPENDING");
    drop.remove_from_version_id(pending).send().await.unwrap();
}

async fn keys_of(stage: &Stage, user: &'static str) -> Vec<String> {
    let keys = stage.sandbox.visit(move |world| world.access_keys(ACCOUNT, user)).await;
    let mut ids: Vec<String> = keys.iter().map(|key| key.id().to_owned()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn one_users_secret_is_never_given_a_key_of_another() {
    let stage = deployed(&["alice", "bob"]).await;
    let before = keys_of(&stage, "bob").await;
    let mallory = mallory(&stage).await;
    point_at_bob(&stage, &mallory).await;
    mallory.rotate_secret().secret_id(NAME).send().await.unwrap();
    stage.sandbox.settle().await;
    stage.sandbox.advance(3 * HOUR).await;
    assert_eq!(keys_of(&stage, "bob").await, before, "neither a rotation nor a sweep does anything");
    let secret = stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, NAME).unwrap()).await;
    assert_eq!(secret.tags["keyturn:blocked"], "other_secret");
    let alarms = stage.sandbox.visit(|world| world.alarms(ACCOUNT, REGION)).await;
    let is_on =
        |alarm: &sandbox::AlarmView| alarm.name == "keyturn-blocked" && alarm.state == sandbox::AlarmState::Alarm;
    assert!(alarms.iter().any(is_on), "{alarms:?}");
    let status = stage.keyturn(&["status"]).await;
    settings().bind(|| insta::assert_snapshot!("status_of_a_secret_that_was_pointed_at_another", status));

    // What is bob's goes on, and so do orders for bob: the other secret is told and left out.
    let run = stage.keyturn(&["--yes", "revoke", "bob"]).await;
    settings().bind(|| insta::assert_snapshot!("a_revocation_beside_a_forged_secret", run));
    let now = current_keys(&stage, &["bob"]).await;
    assert_ne!(now, before);
    // Not so for whoever the secret is.
    let run = stage.keyturn(&["--yes", "rollback", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("a_rollback_by_a_forged_secret", run));
    let (failure, answer) = stage.invoke(br#"{"revoke":["alice"]}"#).await;
    assert_eq!((failure, &answer["users"]["alice"]["outcome"]), (None, &json!("refused")), "{answer}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_secret_with_a_name_of_its_own_is_its_users_only() {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    configure(&stage, &["{ name: bob, secret: prod/bob }", "alice"], "");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let before = keys_of(&stage, "bob").await;
    let run = stage.keyturn(&["rotate", "bob"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(keys_of(&stage, "bob").await.len(), before.len() + 1, "by its own name: {run}");
    let mallory = mallory(&stage).await;
    point_at_bob(&stage, &mallory).await;
    mallory.rotate_secret().secret_id(NAME).send().await.unwrap();
    stage.sandbox.advance(HOUR).await;
    assert_eq!(keys_of(&stage, "bob").await.len(), before.len() + 1);
    let tags = stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, NAME).unwrap().tags).await;
    assert_eq!(tags["keyturn:blocked"], "other_secret");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_forged_attempt_ends_no_key_of_anybody() {
    let stage = deployed(&["alice"]).await;
    // Nobody takes it for what the first rotation has left behind.
    stage.sandbox.advance(HOUR).await;
    let foreign = stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "alice").unwrap().access_key_id).await;
    stage.sandbox.advance(HOUR).await;
    let mallory = mallory(&stage).await;
    let secret = stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, NAME).unwrap()).await;
    let token = secret.labelled("AWSCURRENT").unwrap().id.clone();
    for times in ["1970-01-01T00:00:00Z/9999-01-01T00:00:00Z", "2001-01-01T00:00:00Z/2040-01-01T00:00:00Z"] {
        let attempt = tag("keyturn:attempt", &format!("{token}@{times}"));
        mallory.tag_resource().secret_id(NAME).tags(attempt).send().await.unwrap();
        stage.sandbox.advance(3 * HOUR).await;
        assert!(keys_of(&stage, "alice").await.contains(&foreign), "{times}");
        let tags = stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, NAME).unwrap().tags).await;
        assert_eq!(tags["keyturn:blocked"], "unreadable_mark", "{times}");
    }
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    assert_eq!((run.code, keys_of(&stage, "alice").await), (0, vec![foreign]), "{run}");
    stage.assert_no_secret_left_behind().await;
}

/// Makes secrets that claim to be ours, of a user who is none of this deployment's, and gives the keys of that user.
async fn forged(stage: &Stage) -> Vec<String> {
    let make = |world: &mut World| {
        world.create_user(ACCOUNT, "admin", "/").unwrap();
        [(); 2].map(|()| world.create_access_key(ACCOUNT, "admin").unwrap().access_key_id)
    };
    let mut keys = stage.sandbox.visit(make).await.to_vec();
    keys.sort();
    let (mallory, id) = (mallory(stage).await, id_of(stage, "admin").await);
    let forged = [
        ("keyturn/admin", "keyturn", id.as_str(), "mallory"),
        ("prod/admin", "keyturn", id.as_str(), "admin"),
        ("keyturn/admin/user", "keyturn-7", "AIDAMALLORY0000000000", "admin"),
    ];
    for (name, stack, id, value) in forged {
        let mut tags = vec![tag("keyturn:user", "admin"), tag("keyturn:user-id", id), tag("keyturn:stack", stack)];
        tags.extend(keys.iter().map(|key| tag(&format!("keyturn:key/{key}"), "superseded=2026-01-01T00:00:00Z")));
        let value = format!(r#"{{"UserName":"{value}"}}"#);
        let made = mallory.create_secret().name(name).secret_string(value).set_tags(Some(tags));
        made.send().await.unwrap();
    }
    keys
}

#[tokio::test]
async fn a_teardown_leaves_alone_what_only_claims_to_be_ours() {
    let stage = deployed(&["alice"]).await;
    let keys = forged(&stage).await;
    let shown = stage.keyturn(&["teardown", "--keys", "revoke", "--dry-run"]).await;
    settings().bind(|| insta::assert_snapshot!("what_only_claims_to_be_ours_is_shown", in_order(shown)));
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    settings().bind(|| insta::assert_snapshot!("what_only_claims_to_be_ours_is_left_alone", in_order(run)));
    assert_eq!(keys_of(&stage, "alice").await, [] as [&str; 0]);
    // The stack is gone now, and says nothing any more.
    let again = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    settings().bind(|| insta::assert_snapshot!("what_only_claims_to_be_ours_without_the_stack", in_order(again)));
    assert_eq!(keys_of(&stage, "admin").await, keys);
    let secrets = |world: &mut World| {
        let forged = world.secrets(ACCOUNT, REGION).into_iter().filter(|secret| secret.name.contains("admin"));
        forged.filter(|secret| secret.deletion.is_none()).count()
    };
    assert_eq!(stage.sandbox.visit(secrets).await, 3);
    stage.assert_no_secret_left_behind().await;
}
