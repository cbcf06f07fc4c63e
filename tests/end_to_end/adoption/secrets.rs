//! Secrets that others have made: taken over with the key that is in them.

use aws_sdk_cloudformation::types::ChangeSetType;
use aws_sdk_secretsmanager::types::Tag;
use sandbox::KeyStatus::{Active, Inactive};
use sandbox::World;
use serde_json::{Value, json};

use super::{DAY, NOTHING, handmade, key, keys_of, kinds, plan};
use crate::bootstrap::{configure, deployed, in_order};
use crate::stage::{ACCOUNT, REGION, Stage, settings};

const NAME: &str = "prod/alice";

/// A stage with `alice`, whose secret has a name of its own.
async fn stage() -> Stage {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    configure(&stage, &["{ name: alice, secret: prod/alice }"], "");
    stage
}

async fn value(stage: &Stage) -> Value {
    let value = |world: &mut World| world.secret_value(ACCOUNT, REGION, NAME, "AWSCURRENT").map(str::to_owned);
    serde_json::from_str(&stage.sandbox.visit(value).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_secret_is_taken_over_with_its_key_and_rotated_from_then_on() {
    let stage = stage().await;
    let id = key(&stage, "alice", Active).await;
    handmade(&stage, "alice", NAME, &id).await;
    stage.sandbox.advance(30 * DAY).await;
    let before = value(&stage).await;
    stage.take_writes().await;
    let planned = plan(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("a_secret_is_taken_over_plan", planned));
    assert_eq!(stage.take_writes().await, NOTHING);
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("a_secret_is_taken_over", in_order(run)));
    assert_eq!(keys_of(&stage, "alice").await, [(id.clone(), Active)], "no rotation");
    assert!(value(&stage).await == before, "the value was touched");

    stage.sandbox.settle().await;
    let again = plan(&stage, &["--detailed-exitcode"]).await;
    assert_eq!(again.code, 0, "{again}");
    let status = stage.keyturn(&["status"]).await;
    settings().bind(|| insta::assert_snapshot!("a_secret_is_taken_over_status", status));

    stage.sandbox.advance(31 * DAY).await;
    let after = value(&stage).await;
    assert!(after["AccessKeyId"] != before["AccessKeyId"], "nobody rotates it");
    assert_eq!(after["Team"], json!(["mail"]));
    // The key that was there is ours by then, and goes like any other.
    stage.sandbox.advance(16 * DAY).await;
    assert_eq!(keys_of(&stage, "alice").await.len(), 1);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn of_two_keys_the_one_in_the_secret_is_the_current_one() {
    let stage = stage().await;
    let (other, id) = (key(&stage, "alice", Active).await, key(&stage, "alice", Active).await);
    handmade(&stage, "alice", NAME, &id).await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(keys_of(&stage, "alice").await, [(other.clone(), Active), (id, Active)]);
    let planned = plan(&stage, &[]).await;
    assert!(planned.stdout.contains(&format!("`keyturn rotate alice --retire {other}`")), "{planned}");
    // Nothing was said of the other one.
    stage.sandbox.advance(40 * DAY).await;
    assert_eq!(keys_of(&stage, "alice").await[0], (other, Active));
    stage.assert_no_secret_left_behind().await;
}

/// What the simplest of hand-made functions leaves: all keys Inactive, and a secret that names one of them.
#[tokio::test]
async fn where_no_key_works_any_more_one_is_given_up_for_a_new_one() {
    let stage = stage().await;
    let (other, id) = (key(&stage, "alice", Inactive).await, key(&stage, "alice", Inactive).await);
    handmade(&stage, "alice", NAME, &id).await;
    stage.take_writes().await;
    let refused = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("no_key_works_refused", refused));
    assert_eq!(stage.take_writes().await, NOTHING);
    let planned = plan(&stage, &["--reclaim", &other]).await;
    settings().bind(|| insta::assert_snapshot!("no_key_works_plan", planned));
    let run = stage.bootstrap(&["--reclaim", &other]).await;
    settings().bind(|| insta::assert_snapshot!("no_key_works", in_order(run)));
    let current = value(&stage).await["AccessKeyId"].as_str().unwrap().to_owned();
    assert_eq!(keys_of(&stage, "alice").await, [(id, Inactive), (current, Active)]);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_secret_whose_key_is_gone_gets_a_new_one() {
    let stage = stage().await;
    let id = key(&stage, "alice", Active).await;
    handmade(&stage, "alice", NAME, &id).await;
    stage.sandbox.visit(move |world| world.delete_access_key(&id).unwrap()).await;
    let other = key(&stage, "alice", Active).await;
    assert_eq!(kinds(&plan(&stage, &["--output", "json"]).await)[0].1, "adopted-secret-without-key");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let current = value(&stage).await["AccessKeyId"].as_str().unwrap().to_owned();
    assert_eq!(keys_of(&stage, "alice").await, [(other, Active), (current, Active)]);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn secrets_that_cannot_be_taken_over_are_refused() {
    let stage = stage().await;
    let (own, bobs) = (key(&stage, "alice", Active).await, key(&stage, "bob", Active).await);
    handmade(&stage, "alice", NAME, &own).await;
    let whole = value(&stage).await;
    let without = |field: &str| {
        let mut value = whole.clone();
        value.as_object_mut().unwrap().remove(field);
        value.to_string()
    };
    let with = |field: &str, text: &str| {
        let mut value = whole.clone();
        value[field] = json!(text);
        value.to_string()
    };
    let table = [
        ("broken", "hunter2".to_owned()),
        ("half_a_key", without("SecretAccessKey")),
        ("of_nobody", without("UserName")),
        ("of_another_user", with("UserName", "bob")),
        ("with_the_key_of_another_user", with("AccessKeyId", &bobs)),
        ("without_a_key", json!({ "UserName": "alice" }).to_string()),
    ];
    for (name, value) in table {
        stage.secrets().put_secret_value().secret_id(NAME).secret_string(value).send().await.unwrap();
        stage.take_writes().await;
        let run = stage.bootstrap(&[]).await;
        settings().bind(|| insta::assert_snapshot!(format!("cannot_be_taken_over_{name}"), run));
        assert_eq!(stage.take_writes().await, NOTHING, "{name}");
    }
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_secret_that_the_function_could_not_read_is_refused() {
    let stage = stage().await;
    let id = key(&stage, "alice", Active).await;
    handmade(&stage, "alice", "old/alice", &id).await;
    let value = |world: &mut World| world.secret_value(ACCOUNT, REGION, "old/alice", "AWSCURRENT").map(str::to_owned);
    let value = stage.sandbox.visit(value).await.unwrap();
    let encrypted = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd";
    let create = stage.secrets().create_secret().name(NAME).secret_string(value).kms_key_id(encrypted);
    create.client_request_token("0a1b2c3d-0000-4000-8000-000000000000").send().await.unwrap();
    let run = plan(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("cannot_be_taken_over_encrypted_otherwise", run));
    configure(&stage, &["{ name: alice, secret: prod/alice }"], &format!("kms_key: {encrypted}\n"));
    let planned = plan(&stage, &[]).await;
    assert_eq!(planned.code, 0, "{planned}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_secret_that_another_stack_manages_is_refused() {
    let stage = deployed(&["bob"]).await;
    let id = key(&stage, "bob", Active).await;
    stage.sandbox.visit(|world| world.create_user(ACCOUNT, "alice", "/").unwrap()).await;
    let value = json!({ "UserName": "alice", "AccessKeyId": id, "SecretAccessKey": "x" }).to_string();
    let properties = json!({ "Name": NAME, "SecretString": value });
    let template =
        json!({ "Resources": { "Theirs": { "Type": "AWS::SecretsManager::Secret", "Properties": properties } } });
    let client = aws_sdk_cloudformation::Client::new(&stage.config());
    let order = client.create_change_set().stack_name("theirs").change_set_name("one");
    let order = order.change_set_type(ChangeSetType::Create).template_body(template.to_string());
    order.send().await.unwrap();
    client.execute_change_set().stack_name("theirs").change_set_name("one").send().await.unwrap();
    stage.sandbox.settle().await;
    // Of these two, the one stack is gone, and the other has let go of the secret.
    for (name, stack) in [("prod/left", "long-gone"), ("prod/let-go", "theirs")] {
        let (value, tags) = (value.clone(), [("aws:cloudformation:stack-name", stack)]);
        let make = move |world: &mut World| world.create_secret(ACCOUNT, REGION, name, &value, &tags).unwrap();
        stage.sandbox.visit(make).await;
    }
    configure(&stage, &["bob", "{ name: alice, secret: prod/alice }"], "");
    let run = plan(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("cannot_be_taken_over_in_another_stack", run));
    for name in ["prod/left", "prod/let-go"] {
        configure(&stage, &["bob", &format!("{{ name: alice, secret: {name} }}")], "");
        let run = plan(&stage, &[]).await;
        assert!(run.code == 1 && run.stderr.contains(&format!("its key {id} is one of the user `bob`")), "{run}");
    }
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_hold_that_was_there_before_is_kept() {
    let stage = stage().await;
    let id = key(&stage, "alice", Active).await;
    handmade(&stage, "alice", NAME, &id).await;
    let hold = Tag::builder().key("keyturn:hold").value("audit").build();
    stage.secrets().tag_resource().secret_id(NAME).tags(hold).send().await.unwrap();
    assert_eq!(stage.bootstrap(&[]).await.code, 0);
    stage.sandbox.advance(40 * DAY).await;
    assert_eq!(keys_of(&stage, "alice").await, [(id, Active)]);
    stage.assert_no_secret_left_behind().await;
}

/// IAM refuses for a key of another account as for one that is gone: a new key would come, and the old one stay.
#[tokio::test]
async fn a_secret_with_a_key_of_another_account_is_refused() {
    let stage = stage().await;
    let make = |world: &mut World| {
        world.create_account("444455556666").unwrap();
        world.create_user("444455556666", "alice", "/").unwrap();
        let id = world.create_access_key("444455556666", "alice").unwrap().access_key_id;
        let value = json!({ "UserName": "alice", "AccessKeyId": id, "SecretAccessKey": "x" }).to_string();
        world.create_secret(ACCOUNT, REGION, NAME, &value, &[]).unwrap();
    };
    stage.sandbox.visit(make).await;
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("cannot_be_taken_over_key_of_another_account", run));
    assert_eq!((run.code, stage.take_writes().await), (1, vec![]));
    stage.assert_no_secret_left_behind().await;
}
