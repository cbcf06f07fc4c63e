//! Other forms of the key in the secret's value: made with each new key, and carried over rotations.

use std::time::Duration;

use sandbox::World;
use serde_json::{Value, json};

use crate::bootstrap::{configure, working_key};
use crate::stage::{ACCOUNT, REGION, Stage, settings};

const NAME: &str = "keyturn/mailer";

/// Longer than Secrets Manager goes on retrying.
const ALL_RETRIES: Duration = Duration::from_hours(6);

/// A stage on which `mailer` is deployed, and rotated for the first time.
async fn stage_with_mailer(users: &str) -> Stage {
    let stage = Stage::with_users(&["mailer"]).await;
    configure(&stage, &[users], "");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage
}

/// The current value, once it is certain that its key works, and the password that SES takes from that key.
async fn value(stage: &Stage) -> (Value, String) {
    let look = |world: &mut World| {
        let key = working_key(world, "mailer", NAME);
        let value = world.secret_value(ACCOUNT, REGION, NAME, "AWSCURRENT").unwrap();
        (serde_json::from_str(value).unwrap(), world.smtp_password(&key, REGION).unwrap())
    };
    stage.sandbox.visit(look).await
}

/// Puts a value with these fields changed in place of the current one, as a person does.
async fn put(stage: &Stage, fields: Value) {
    let (mut value, _) = value(stage).await;
    value.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    stage.secrets().put_secret_value().secret_id(NAME).secret_string(value.to_string()).send().await.unwrap();
}

async fn rotate(stage: &Stage) {
    let run = stage.keyturn(&["rotate", "mailer"]).await;
    assert_eq!(run.code, 0, "{run}");
}

#[tokio::test]
async fn smtp_credentials_follow_the_key_from_rotation_to_rotation() {
    let stage = stage_with_mailer("{ name: mailer, render: [smtp] }").await;
    let mut passwords = Vec::new();
    for rotation in 0..2 {
        if rotation > 0 {
            rotate(&stage).await;
        }
        let (value, password) = value(&stage).await;
        let (id, secret) = (&value["AccessKeyId"], &value["SecretAccessKey"]);
        // No message: it would show secrets.
        let expected = json!({
            "UserName": "mailer", "AccessKeyId": id, "SecretAccessKey": secret,
            "SmtpUserName": id, "SmtpPassword": password,
        });
        assert!(value == expected, "rotation {rotation}: the value is not what SES takes");
        passwords.push(password);
    }
    assert!(passwords[0] != passwords[1]);
    let known = stage.sandbox.visit(|world| world.forbidden()).await;
    assert!(passwords.iter().all(|password| known.contains(password)), "nobody searches for the passwords");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn every_form_is_made_for_the_users_who_want_it() {
    let stage = Stage::with_users(&["mailer", "other"]).await;
    configure(&stage, &["{ name: mailer, render: [credentials-file, environment] }", "other"], "render: [smtp]");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let (value, _) = value(&stage).await;
    let text = |name: &str| value[name].as_str().unwrap();
    let (id, secret) = (text("AccessKeyId"), text("SecretAccessKey"));
    let file = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    assert!(text("CredentialsFile") == file && text("AWS_ACCESS_KEY_ID") == id);
    assert!(text("AWS_SECRET_ACCESS_KEY") == secret && value.as_object().unwrap().len() == 6);
    let fields = stage.sandbox.visit(|world| {
        let value = world.secret_value(ACCOUNT, REGION, "keyturn/other", "AWSCURRENT").unwrap();
        let fields: serde_json::Map<String, Value> = serde_json::from_str(value).unwrap();
        fields.keys().cloned().collect::<Vec<_>>()
    });
    assert_eq!(fields.await, ["AccessKeyId", "SecretAccessKey", "SmtpPassword", "SmtpUserName", "UserName"]);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_password_that_a_person_put_there_is_renewed_and_what_is_no_password_stays() {
    let stage = stage_with_mailer("mailer").await;
    let (_, password) = value(&stage).await;
    put(&stage, json!({ "SmtpPassword": password, "CredentialsFile": "see the wiki", "Team": ["mail"] })).await;
    rotate(&stage).await;
    let (value, renewed) = value(&stage).await;
    assert!(value["SmtpPassword"] == renewed.as_str() && renewed != password, "the password is of the old key");
    assert_eq!(value.get("SmtpUserName"), None, "nobody has asked for it");
    assert_eq!((&value["CredentialsFile"], &value["Team"]), (&json!("see the wiki"), &json!(["mail"])));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_changed_configuration_touches_no_value_and_holds_from_the_next_key_on() {
    let stage = stage_with_mailer("{ name: mailer, render: [smtp] }").await;
    let (before, _) = value(&stage).await;
    configure(&stage, &["{ name: mailer, render: [] }"], "");
    let plan = stage.keyturn(&["plan", "--artifact", crate::stage::function().to_str().unwrap()]).await;
    settings().bind(|| insta::assert_snapshot!("a_changed_configuration_plan", plan));
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    assert!(value(&stage).await.0 == before, "the value was touched");
    rotate(&stage).await;
    let (after, _) = value(&stage).await;
    assert!(after["AccessKeyId"] != before["AccessKeyId"]);
    assert_eq!((after.get("SmtpUserName"), after.get("SmtpPassword")), (None, None));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_tag_that_nobody_can_read_stops_the_rotation_before_a_key_is_made() {
    let stage = stage_with_mailer("{ name: mailer, render: [smtp] }").await;
    let tag = aws_sdk_secretsmanager::types::Tag::builder().key("keyturn:render").value("sendmail").build();
    stage.secrets().tag_resource().secret_id(NAME).tags(tag).send().await.unwrap();
    stage.take_writes().await;
    let run = stage.keyturn(&["rotate", "mailer"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    let created = stage.take_writes().await.into_iter().filter(|call| call == "iam:CreateAccessKey").count();
    assert_eq!((run.code, created), (3, 0));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_value_that_would_grow_too_large_costs_no_key() {
    let stage = stage_with_mailer("mailer").await;
    let (before, _) = value(&stage).await;
    // There is room for the present fields, and none for a password.
    let notes = "x".repeat(65_536 - before.to_string().len() - r#","Notes":"""#.len());
    put(&stage, json!({ "Notes": notes })).await;
    rotate(&stage).await;
    let (full, _) = value(&stage).await;
    assert!(
        full["AccessKeyId"] != before["AccessKeyId"] && full["Notes"] == notes.as_str(),
        "the value was full, not too large"
    );
    configure(&stage, &["{ name: mailer, render: [smtp] }"], "");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    // The first key makes room in IAM: the rotation must fail for the right reason.
    let oldest = before["AccessKeyId"].as_str().unwrap().to_owned();
    stage.sandbox.visit(move |world| world.delete_access_key(&oldest).unwrap()).await;
    stage.take_writes().await;

    let run = stage.keyturn(&["rotate", "mailer"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    stage.sandbox.advance(ALL_RETRIES).await;
    let writes = stage.take_writes().await;
    let count = |operation: &str| writes.iter().filter(|call| *call == operation).count();
    assert!(run.code == 3 && count("iam:CreateAccessKey") > 0);
    assert_eq!(count("iam:CreateAccessKey"), count("iam:DeleteAccessKey"));
    let keys = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "mailer").len()).await;
    assert!(keys == 1 && value(&stage).await.0 == full, "a key was left behind, or the value touched");

    put(&stage, json!({ "Notes": "shorter" })).await;
    rotate(&stage).await;
    let (healed, password) = value(&stage).await;
    assert!(healed["SmtpPassword"] == password.as_str() && healed["AccessKeyId"] != full["AccessKeyId"]);
    stage.assert_no_secret_left_behind().await;
}
