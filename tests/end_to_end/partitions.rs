//! The partitions beside the usual one: names, ARNs and permissions are right in each.

use std::time::Duration;

use sandbox::Options;

use crate::stage::{ACCOUNT, Stage, function};

const DAY: Duration = Duration::from_hours(24);

/// Every option that has an ARN in it, a rotation by schedule, the end of the old key, and a teardown.
async fn a_life(region: &'static str, partition: &'static str, replica: &'static str) {
    let stage = Stage::with_account_in(&["alice"], Options::default(), region).await;
    let everything = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let boundary =
        stage.sandbox.visit(move |world| world.create_policy(ACCOUNT, "boundary", everything).unwrap()).await;
    assert_eq!(boundary, format!("arn:{partition}:iam::{ACCOUNT}:policy/boundary"));
    let network = "{ subnets: [subnet-0123456789abcdef0], security_groups: [sg-0123456789abcdef0] }";
    stage.configure(&format!(
        "version: 1\nregion: {region}\nusers: [alice]\npermissions_boundary: {boundary}\nrole_path: /keyturn/\n\
         kms_key: arn:{partition}:kms:{region}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab\n\
         function: {{ vpc: {network} }}\nreplicas: [{replica}]\nalerts: {{ email: [team@example.org] }}\n"
    ));
    let run = stage.keyturn(&["--yes", "bootstrap", "--artifact", function().to_str().unwrap()]).await;
    assert_eq!(run.code, 0, "{run}");
    let first = stage.sandbox.visit(move |world| world.secret(ACCOUNT, region, "keyturn/alice").unwrap()).await;
    assert!(
        first.arn.starts_with(&format!("arn:{partition}:secretsmanager:{region}:{ACCOUNT}:secret:")),
        "{}",
        first.arn
    );
    assert_eq!(first.replicas, [replica]);
    let run = stage.keyturn(&["rotate", "alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.sandbox.advance(20 * DAY).await;
    let look = move |world: &mut sandbox::World| {
        let secret = world.secret(ACCOUNT, region, "keyturn/alice").unwrap();
        let current = secret.labelled("AWSCURRENT").unwrap().value.as_ref().unwrap().expose().to_owned();
        let keys = world.access_keys(ACCOUNT, "alice");
        assert!(keys.len() == 1 && current.contains(keys[0].id()), "the old key is gone");
        let alarms = world.alarms(ACCOUNT, region);
        assert!(alarms.len() == 5 && alarms.iter().all(|alarm| alarm.state == sandbox::AlarmState::Ok), "{alarms:?}");
        world.inventory(ACCOUNT)
    };
    let inventory = stage.sandbox.visit(look).await;
    assert!(inventory.iter().all(|item| !item.contains("arn:aws:")), "{inventory:?}");
    let run = stage.keyturn(&["status"]).await;
    assert_eq!(run.code, 0, "{run}");

    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.sandbox.advance(31 * DAY).await;
    let left = stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    assert_eq!(left, [format!("policy {boundary}")]);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_life_in_china() {
    a_life("cn-north-1", "aws-cn", "cn-northwest-1").await;
}

#[tokio::test]
async fn a_life_in_govcloud() {
    a_life("us-gov-west-1", "aws-us-gov", "us-gov-east-1").await;
}
