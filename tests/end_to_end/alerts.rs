//! The alarms of a stack: what the function writes is what they look at, they go off and end, and they tell people.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sandbox::{AlarmState, AlarmView, KeyStatus, World};
use serde_json::Value;

use crate::stage::{ACCOUNT, REGION, Stage};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:pagers";

async fn stage(alerts: &str) -> Stage {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [alice, bob]\n{alerts}"));
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage
}

/// The alarms that are not OK, by what follows the name of the stack.
fn not_ok(world: &World) -> BTreeMap<String, AlarmState> {
    let name = |alarm: &AlarmView| alarm.name.strip_prefix("keyturn-").unwrap().to_owned();
    let alarms = world.alarms(ACCOUNT, REGION);
    assert_eq!(alarms.len(), 5);
    alarms.iter().filter(|alarm| alarm.state != AlarmState::Ok).map(|alarm| (name(alarm), alarm.state)).collect()
}

async fn alarms_after(stage: &Stage, time: Duration) -> BTreeMap<String, AlarmState> {
    stage.sandbox.advance(time).await;
    stage.sandbox.visit(|world| not_ok(world)).await
}

fn alarming(names: &[&str]) -> BTreeMap<String, AlarmState> {
    names.iter().map(|&name| (name.to_owned(), AlarmState::Alarm)).collect()
}

fn set_status(status: KeyStatus) -> impl FnOnce(&mut World) + Send + 'static {
    move |world| {
        let key = world.access_keys(ACCOUNT, "alice")[0].id().to_owned();
        world.set_access_key_status(&key, status).unwrap();
    }
}

#[tokio::test]
async fn a_healthy_stack_has_no_alarm_from_its_first_pass_on() {
    let stage = stage("").await;
    let started = stage.sandbox.visit(|world| not_ok(world)).await;
    assert_eq!(started.get("sweeper"), Some(&AlarmState::Alarm), "no pass yet");
    // Rotations, overlaps, graces: waits that are as they should be.
    for _ in 0..70 {
        assert_eq!(alarms_after(&stage, DAY).await, alarming(&[]));
    }
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_blocked_user_sets_an_alarm_off_and_ends_it() {
    let stage = stage("alerts: { email: [team@example.org] }\n").await;
    stage.sandbox.visit(|world| world.confirm_subscriptions()).await;
    assert_eq!(alarms_after(&stage, 4 * HOUR).await, alarming(&[]));
    stage.sandbox.visit(set_status(KeyStatus::Inactive)).await;
    assert_eq!(alarms_after(&stage, HOUR).await, alarming(&[]), "once is not enough");
    assert_eq!(alarms_after(&stage, 2 * HOUR).await, alarming(&["blocked"]));
    stage.sandbox.visit(set_status(KeyStatus::Active)).await;
    assert_eq!(alarms_after(&stage, 2 * HOUR).await, alarming(&[]));

    let told = stage.sandbox.visit(|world| world.notifications(ACCOUNT, REGION)).await;
    let blocked: Vec<_> = told.iter().filter(|message| message.alarm == "keyturn-blocked").collect();
    let states: Vec<_> = blocked.iter().map(|message| message.state).collect();
    assert_eq!(states, [AlarmState::Ok, AlarmState::Alarm, AlarmState::Ok]);
    for message in &blocked[1..] {
        assert_eq!(message.delivered, Ok(vec!["team@example.org".to_owned()]), "{message:?}");
    }
}

#[tokio::test]
async fn a_rotation_that_a_key_is_in_the_way_of_is_stuck() {
    let stage = stage("").await;
    assert_eq!(alarms_after(&stage, 4 * HOUR).await, alarming(&[]));
    stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "alice").map(drop).unwrap()).await;
    stage.rotate_secret("alice").await;
    // The function stops for a named reason. That is an error to Lambda, and none to the alarm.
    assert_eq!(alarms_after(&stage, 4 * HOUR).await, alarming(&["stuck"]));
    let key = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")[1].id().to_owned()).await;
    let run = stage.keyturn(&["--yes", "rotate", "alice", "--retire", &key]).await;
    assert!([0, 3].contains(&run.code), "{run}");
    assert_eq!(alarms_after(&stage, 3 * HOUR).await, alarming(&[]), "it waits for a key on its way out");
    assert_eq!(alarms_after(&stage, 9 * DAY).await, alarming(&[]));
}

#[tokio::test]
async fn a_key_over_age_and_a_sweeper_that_stands_still_are_told() {
    let stage = stage("").await;
    assert_eq!(alarms_after(&stage, 4 * HOUR).await, alarming(&[]));
    // Somebody has switched the rule off, and the rotations too.
    stage.sandbox.visit(|world| world.pause_rules(true)).await;
    assert_eq!(alarms_after(&stage, 4 * HOUR).await, alarming(&["sweeper"]));
    for user in ["alice", "bob"] {
        stage.secrets().cancel_rotate_secret().secret_id(format!("keyturn/{user}")).send().await.unwrap();
    }
    assert_eq!(alarms_after(&stage, 95 * DAY).await, alarming(&["sweeper"]));
    stage.sandbox.visit(|world| world.pause_rules(false)).await;
    // Without a schedule nothing is known of the keys, but that somebody has to look.
    assert_eq!(alarms_after(&stage, 3 * HOUR).await, alarming(&["blocked"]));
}

#[tokio::test]
async fn a_superseded_key_that_is_used_for_too_long_is_over_age() {
    let stage = stage("").await;
    // One that is used every day from its rotation on.
    stage.sandbox.advance(30 * DAY).await;
    let key = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")[0].id().to_owned()).await;
    for day in 0..70 {
        let key = key.clone();
        stage.sandbox.visit(move |world| world.record_use(&key, "s3", REGION).unwrap()).await;
        let alarms = alarms_after(&stage, DAY).await;
        let is_over_age = alarms.get("age") == Some(&AlarmState::Alarm);
        assert_eq!(is_over_age, day >= 60, "{day}: {alarms:?}");
    }
}

#[tokio::test]
async fn a_function_that_keeps_failing_is_told() {
    let stage = stage(&format!("alerts: {{ topic: '{TOPIC}' }}\n")).await;
    stage.sandbox.visit(|world| world.create_topic(ACCOUNT, REGION, "pagers", Some("alias/aws/sns"))).await;
    assert_eq!(alarms_after(&stage, 4 * HOUR).await, alarming(&[]));
    let (failed, _) = stage.invoke(b"[]").await;
    assert!(failed.is_some());
    assert_eq!(alarms_after(&stage, 4 * HOUR).await, alarming(&[]), "a single failure");
    for _ in 0..3 {
        stage.invoke(b"[]").await;
        stage.sandbox.advance(HOUR).await;
    }
    assert_eq!(stage.sandbox.visit(|world| not_ok(world)).await, alarming(&["errors"]));
    // Why the stack's own topic is not under that key.
    let told = stage.sandbox.visit(|world| world.notifications(ACCOUNT, REGION)).await;
    let last = told.last().unwrap();
    assert_eq!((last.alarm.as_str(), last.topic.as_str()), ("keyturn-errors", TOPIC));
    assert!(last.delivered.as_ref().unwrap_err().contains("encryption key"), "{last:?}");
}

/// What the function has written in the embedded format is what alarms and dashboard look at, to the letter.
#[tokio::test]
async fn every_metric_that_is_looked_at_was_written() {
    let stage = stage("").await;
    stage.sandbox.advance(2 * HOUR).await;
    // A rotation that fails, one that stops, and one that ends.
    stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "bob").map(drop).unwrap()).await;
    stage.rotate_secret("bob").await;
    stage.sandbox.advance(HOUR).await;
    stage.invoke(br#"{"Step":"createSecret","SecretId":"arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/x-AbCdEf","ClientRequestToken":"0a1b2c3d-0000-4000-8000-000000000000"}"#).await;
    stage.sandbox.settle().await;
    let seen = stage.sandbox.visit(|world| {
        let metrics = world
            .metrics(ACCOUNT, REGION)
            .into_iter()
            .map(|(namespace, name, dimensions, _)| (namespace, name, dimensions));
        let refused = world.calls().iter().filter(|call| call.operation == "cloudwatch:PutMetricData").count();
        let body = world.dashboards(ACCOUNT)["keyturn-eu-central-1"].clone();
        (metrics.collect::<BTreeSet<_>>(), world.alarms(ACCOUNT, REGION), body, refused)
    });
    let (written, alarms, body, refused) = seen.await;
    assert_eq!(refused, 0, "a line is not of the embedded format");
    for alarm in &alarms {
        for metric in &alarm.metrics {
            assert!(written.contains(metric), "{}: {metric:?} is not among {written:?}", alarm.name);
        }
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    let lines =
        body["widgets"].as_array().unwrap().iter().filter_map(|widget| widget["properties"]["metrics"].as_array());
    for line in lines.flatten().map(|line| line.as_array().unwrap()) {
        let text = |index: usize| line[index].as_str().unwrap().to_owned();
        let metric = (text(0), text(1), BTreeMap::from([(text(2), text(3))]));
        // Nothing was throttled here.
        assert!(written.contains(&metric) || metric.1 == "Throttles", "{metric:?} is not among {written:?}");
    }
    let ours = written.iter().filter(|(namespace, ..)| namespace == "keyturn").map(|(_, name, _)| name.as_str());
    assert_eq!(ours.count(), 10, "{written:?}");
}

#[tokio::test]
async fn an_address_comes_and_goes_and_a_teardown_leaves_nothing() {
    let stage = stage("alerts: { email: [team@example.org, ops@example.org] }\n").await;
    let endpoints = |world: &mut World| {
        let topics = world.topics(ACCOUNT, REGION);
        assert!(topics.iter().all(|topic| topic.kms_key.is_none()));
        topics
            .into_iter()
            .flat_map(|topic| topic.subscriptions)
            .map(|it| (it.endpoint, it.confirmed))
            .collect::<BTreeSet<_>>()
    };
    stage.sandbox.visit(|world| world.confirm_subscriptions()).await;
    stage.configure(&format!(
        "version: 1\nregion: {REGION}\nusers: [alice, bob]\nalerts: {{ email: [new@example.org, ops@example.org] }}\n"
    ));
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let told = stage.sandbox.visit(endpoints).await;
    let expected = [("new@example.org".to_owned(), false), ("ops@example.org".to_owned(), true)];
    assert_eq!(told, expected.into(), "who has confirmed stays");

    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.sandbox.advance(31 * DAY).await;
    assert_eq!(stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await, [] as [String; 0]);
}
