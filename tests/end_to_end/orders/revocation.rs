//! `{"revoke": […]}`: keys that have leaked are dead at once, and a new one takes their place.

use super::*;
use crate::bootstrap::working_key;
use crate::invariants::assert_at_rest;

/// The user's current key, once it is certain that it works and is none of those before.
async fn reissued(stage: &Stage, user: &'static str, before: &Keys) -> String {
    let current = stage.sandbox.visit(move |world| working_key(world, user, &format!("keyturn/{user}"))).await;
    assert_eq!(before.status(&current), None, "{user}'s key was not made anew");
    current
}

fn revoked(keys: &[&str], left: &[&str], reissue: &str) -> Value {
    json!({ "outcome": "revoked", "keys": keys, "left": left, "reissue": reissue })
}

#[tokio::test]
async fn every_key_is_dead_at_once_and_a_new_one_is_made() {
    let stage = rotated(&["alice"]).await;
    let before = keys_of(&stage, "alice").await;
    let (current, previous) = (before.current.as_str(), before.previous());
    assert_eq!(revoke(&stage, "alice").await, revoked(&[current, previous], &[], "asked"));
    stage.sandbox.settle().await;
    let new = reissued(&stage, "alice", &before).await;
    let after = keys_of(&stage, "alice").await;
    assert!([current, previous].iter().all(|key| after.status(key) != Some(KeyStatus::Active)), "{after:?}");
    stage.sandbox.visit(|world| assert_at_rest(world, "alice")).await;

    // The same order again is not meant for the new key.
    writes(&stage).await;
    let again = revoke(&stage, "alice").await;
    assert_eq!(again["outcome"], "nothing", "{again}");
    assert!(text_of(&again).contains(&new), "{again}");
    assert_eq!((keys_of(&stage, "alice").await, writes(&stage).await), (after, vec![]));
    // There is no way back.
    assert_eq!(roll_back(&stage, "alice").await["outcome"], "refused");

    days_pass(&stage, "alice", 2).await;
    let rest = keys_of(&stage, "alice").await;
    assert_eq!(rest.statuses, BTreeMap::from([(new, KeyStatus::Active)]));
    let tags = tags_of(&stage, "alice").await;
    let noted: Vec<_> = tags.keys().filter(|tag| tag.contains('/') || tag.ends_with(":blocked")).collect();
    assert_eq!(noted, [] as [&String; 0]);
    assert_nothing_found(&stage).await;
}

/// Lambda has lost an answer, and the order is given a second time while the first one is at work.
#[tokio::test]
async fn a_key_that_another_order_has_replaced_meanwhile_is_not_replaced_again() {
    let stage = stage_with(&["alice"]).await;
    let before = keys_of(&stage, "alice").await;
    let versions = |world: &mut World| world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap().versions.len();
    let versions_before = stage.sandbox.visit(versions).await;
    // The order has decided by then; the rotation of the other one comes to its end.
    let rotate = |world: &mut World| {
        let key = world.create_access_key(ACCOUNT, "alice").unwrap();
        world.record_use(&key.access_key_id, "sts", "us-east-1").unwrap();
        let (id, secret) = (&key.access_key_id, &key.secret_access_key);
        let document = json!({ "UserName": "alice", "AccessKeyId": id, "SecretAccessKey": secret }).to_string();
        world.put_secret_value(ACCOUNT, REGION, "keyturn/alice", &document).unwrap();
    };
    stage.sandbox.visit(move |world| world.interfere("iam:UpdateAccessKey", "assumed-role/", 0, rotate)).await;
    writes(&stage).await;
    assert_eq!(revoke(&stage, "alice").await, revoked(&[&before.current], &[], "asked"));
    stage.sandbox.settle().await;
    let writes = writes(&stage).await;
    assert!(!writes.contains(&"secretsmanager:RotateSecret".to_owned()), "{writes:?}");
    assert_eq!(stage.sandbox.visit(versions).await, versions_before + 1);
    reissued(&stage, "alice", &before).await;
    assert_eq!(keys_of(&stage, "alice").await.status(&before.current), Some(KeyStatus::Inactive));
    assert_eq!(revoke(&stage, "alice").await["outcome"], "nothing");
    assert_nothing_found(&stage).await;
}

#[tokio::test]
async fn the_new_key_can_be_revoked_by_its_name() {
    let stage = rotated(&["alice"]).await;
    revoke(&stage, "alice").await;
    stage.sandbox.settle().await;
    let second = keys_of(&stage, "alice").await;
    let outcome = order(&stage, json!({ "revoke": ["alice"], "keys": [second.current] })).await["alice"].clone();
    assert_eq!(outcome, revoked(&[&second.current], &[], "asked"));
    stage.sandbox.settle().await;
    reissued(&stage, "alice", &second).await;
    assert_nothing_found(&stage).await;
}

#[tokio::test]
async fn a_key_that_is_not_current_is_revoked_without_a_rotation() {
    let stage = rotated(&["alice"]).await;
    let before = keys_of(&stage, "alice").await;
    let (current, previous) = (before.current.as_str(), before.previous());
    let named = json!({ "revoke": ["alice"], "keys": [previous] });
    let outcome = order(&stage, named.clone()).await["alice"].clone();
    assert_eq!(outcome, revoked(&[previous], &[current], "not-needed"));
    stage.sandbox.settle().await;
    let after = keys_of(&stage, "alice").await;
    assert_eq!((after.current.as_str(), after.status(previous)), (current, Some(KeyStatus::Inactive)));
    assert_eq!(order(&stage, named).await["alice"]["outcome"], "nothing");
    let stranger = order(&stage, json!({ "revoke": ["alice"], "keys": ["AKIAAAAAAAAAAAAAAAAA"] })).await;
    assert_eq!(stranger["alice"]["outcome"], "refused", "{stranger}");
    assert_eq!(keys_of(&stage, "alice").await, after);
    assert_nothing_found(&stage).await;
}

#[tokio::test]
async fn a_foreign_key_is_told_and_the_revoked_one_makes_room() {
    let stage = stage_with(&["alice"]).await;
    let foreign = stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "alice").unwrap().access_key_id).await;
    let before = keys_of(&stage, "alice").await;
    assert_eq!(revoke(&stage, "alice").await, revoked(&[&before.current], &[&foreign], "asked"));
    stage.sandbox.settle().await;
    let new = reissued(&stage, "alice", &before).await;
    let expected = BTreeMap::from([(new, KeyStatus::Active), (foreign, KeyStatus::Active)]);
    assert_eq!(keys_of(&stage, "alice").await.statuses, expected);
    assert_nothing_found(&stage).await;
}

#[tokio::test]
async fn on_hold_the_keys_die_and_the_new_one_waits() {
    let stage = rotated(&["alice"]).await;
    let before = keys_of(&stage, "alice").await;
    tag(&stage, "alice", "keyturn:hold", "audit").await;
    assert_eq!(revoke(&stage, "alice").await, revoked(&[&before.current, before.previous()], &[], "held"));
    sweep(&stage, "alice").await;
    let held = keys_of(&stage, "alice").await;
    assert_eq!(held.current, before.current);
    assert!(held.statuses.values().all(|status| *status == KeyStatus::Inactive), "{held:?}");
    untag(&stage, "alice", "keyturn:hold").await;
    sweep(&stage, "alice").await;
    reissued(&stage, "alice", &before).await;
    assert_eq!(tags_of(&stage, "alice").await.get("keyturn:blocked"), None);
    assert_nothing_found(&stage).await;
}

#[tokio::test]
async fn a_rotation_that_was_turned_off_stays_so() {
    let stage = rotated(&["alice"]).await;
    stage.sandbox.visit(|world| world.cancel_rotation(ACCOUNT, REGION, "keyturn/alice").unwrap()).await;
    let outcome = revoke(&stage, "alice").await;
    let reissue = json!({ "refused": { "text": "rotation of the secret is turned off" } });
    assert_eq!((&outcome["outcome"], &outcome["reissue"]), (&json!("revoked"), &reissue));
    let after = keys_of(&stage, "alice").await;
    assert!(after.statuses.values().all(|status| *status == KeyStatus::Inactive), "{after:?}");
    let enabled = |world: &mut World| world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap().rotation_enabled;
    assert!(!stage.sandbox.visit(enabled).await);
    assert_nothing_found(&stage).await;
}

#[tokio::test]
async fn strangers_and_users_without_a_key_are_told() {
    let stage = stage_with(&["alice", "replaced"]).await;
    stage
        .sandbox
        .visit(|world| {
            world.delete_user(ACCOUNT, "replaced").unwrap();
            world.create_user(ACCOUNT, "replaced", "/").unwrap();
            let id = world.create_user(ACCOUNT, "fresh", "/").unwrap();
            let tags = [("keyturn:user", "fresh"), ("keyturn:user-id", id.as_str()), ("keyturn:stack", "keyturn")];
            world.create_secret(ACCOUNT, REGION, "keyturn/fresh", r#"{"UserName":"fresh"}"#, &tags).unwrap();
        })
        .await;
    writes(&stage).await;
    let answer = order(&stage, json!({ "revoke": ["eve", "replaced", "fresh"] })).await;
    assert_eq!(answer["eve"]["outcome"], "refused", "{answer}");
    assert_eq!(answer["replaced"]["reason"], "user_replaced", "{answer}");
    // The role is not for this one, and the others do not suffer for it.
    assert_eq!(answer["fresh"]["outcome"], "failed", "{answer}");
    assert_eq!(writes(&stage).await, [] as [&str; 0]);
    assert_eq!(revoke(&stage, "alice").await["outcome"], "revoked");
}

#[tokio::test]
async fn a_key_that_somebody_brings_back_is_left_to_its_time() {
    let stage = rotated(&["alice"]).await;
    let before = keys_of(&stage, "alice").await;
    revoke(&stage, "alice").await;
    stage.sandbox.settle().await;
    sweep(&stage, "alice").await;
    let current = before.current.clone();
    assert_eq!(keys_of(&stage, "alice").await.status(&current), Some(KeyStatus::Inactive));
    stage.sandbox.visit(move |world| world.set_access_key_status(&current, KeyStatus::Active).unwrap()).await;
    sweep(&stage, "alice").await;
    assert_eq!(keys_of(&stage, "alice").await.status(&before.current), Some(KeyStatus::Active));
    // Unless it is named once more.
    let outcome = order(&stage, json!({ "revoke": ["alice"], "keys": [before.current] })).await;
    assert_eq!(outcome["alice"]["outcome"], "revoked", "{outcome}");
    sweep(&stage, "alice").await;
    assert_eq!(keys_of(&stage, "alice").await.status(&before.current), Some(KeyStatus::Inactive));
    assert_nothing_found(&stage).await;
}
