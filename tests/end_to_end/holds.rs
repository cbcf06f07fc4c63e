//! `keyturn hold`, `keyturn release` and `keyturn rotate --now`: a person stops rotation, or does not wait for it.

use std::time::Duration;

use sandbox::KeyStatus::Active;
use sandbox::{Fault, FaultEffect, World};

use crate::bootstrap::{configure, current_keys, deployed};
use crate::stage::{ACCOUNT, REGION, Stage, settings};
use crate::strikes::{STRIKES, Strike, Written, all, writes};

const DAY: Duration = Duration::from_secs(86_400);

const NOTHING: [&str; 0] = [];

async fn keys_of(stage: &Stage, user: &'static str) -> Vec<String> {
    let keys = stage.sandbox.visit(move |world| world.access_keys(ACCOUNT, user)).await;
    assert!(keys.iter().all(|key| key.status == Active), "{keys:?}");
    keys.iter().map(|key| key.id().to_owned()).collect()
}

#[tokio::test]
async fn held_users_are_not_rotated_until_they_are_released() {
    let stage = deployed(&["alice", "bob"]).await;
    let before = current_keys(&stage, &["alice", "bob"]).await;
    let run = stage.keyturn(&["hold", "alice", "bob", "--reason", "audit (until Friday)"]).await;
    settings().bind(|| insta::assert_snapshot!("held", run));
    stage.take_writes().await;
    let again = stage.keyturn(&["hold", "alice", "bob", "--reason", "audit (until Friday)"]).await;
    assert_eq!((again.code, stage.take_writes().await), (0, vec![]), "{again}");
    let status = stage.keyturn(&["status"]).await;
    settings().bind(|| insta::assert_snapshot!("held_status", status));
    stage.sandbox.advance(40 * DAY).await;
    assert_eq!(current_keys(&stage, &["alice", "bob"]).await, before);

    let run = stage.keyturn(&["release", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("released", run));
    stage.sandbox.advance(DAY).await;
    assert_ne!(current_keys(&stage, &["alice"]).await, before[..1], "nobody has to come back for it");
    assert_eq!(current_keys(&stage, &["bob"]).await, before[1..]);
    stage.take_writes().await;
    let again = stage.keyturn(&["release", "alice"]).await;
    assert_eq!((again.code, stage.take_writes().await), (0, vec![]), "{again}");
    let status = stage.keyturn(&["status", "--output", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let states: Vec<_> = status["users"].as_array().unwrap().iter().map(|user| user["state"].clone()).collect();
    assert_eq!(states, ["in-sync", "held"]);
    stage.assert_no_secret_left_behind().await;
}

/// A stage on which a rotation of `alice` has stored a new key, and died.
async fn half_rotated() -> Stage {
    let stage = deployed(&["alice"]).await;
    let (operation, principal) = ("secretsmanager:PutSecretValue".to_owned(), "assumed-role/".to_owned());
    let fault =
        Fault { operation: Some(operation), principal: Some(principal), after: 0, effect: FaultEffect::KillAfter };
    stage.sandbox.visit(move |world| world.inject(fault)).await;
    stage.rotate_secret("alice").await;
    stage.sandbox.settle().await;
    stage
}

#[tokio::test]
async fn a_hold_stops_a_rotation_before_its_next_step() {
    let stage = half_rotated().await;
    let before = current_keys(&stage, &["alice"]).await;
    let held = stage.keyturn(&["hold", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("held_during_a_rotation", held));
    // After a day the sweeper gives up a key that got stuck, but not one that is held.
    stage.sandbox.advance(3 * DAY).await;
    assert_eq!(current_keys(&stage, &["alice"]).await, before, "it went on in spite of the hold");
    let released = stage.keyturn(&["release", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("released_during_a_rotation", released));
    stage.sandbox.settle().await;
    assert_ne!(current_keys(&stage, &["alice"]).await, before);
    assert_eq!(keys_of(&stage, "alice").await.len(), 2, "the key of the first attempt was used");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn who_has_no_secret_cannot_be_held() {
    let stage = deployed(&["alice"]).await;
    let more = |world: &mut World| {
        world.create_user(ACCOUNT, "bob", "/").unwrap();
        world.create_user(ACCOUNT, "carol", "/").unwrap();
        world.create_secret(ACCOUNT, REGION, "keyturn/carol", "{}", &[]).unwrap();
    };
    stage.sandbox.visit(more).await;
    stage.take_writes().await;
    for (name, arguments) in [
        ("unknown", ["hold", "alice", "alise"]),
        ("without_a_secret", ["hold", "alice", "bob"]),
        ("of_somebody_else", ["hold", "alice", "carol"]),
        ("nothing_to_release", ["release", "alice", "bob"]),
    ] {
        let run = stage.keyturn(&arguments).await;
        settings().bind(|| insta::assert_snapshot!(format!("cannot_be_held_{name}"), run));
        assert_eq!((run.code, stage.take_writes().await), (1, vec![]));
    }
    stage.assert_no_secret_left_behind().await;
}

/// A stage on which `alice` was rotated a moment ago: the superseded key is in the way, and is used.
async fn just_rotated() -> (Stage, Vec<String>) {
    let stage = deployed(&["alice"]).await;
    assert_eq!(stage.keyturn(&["rotate", "alice"]).await.code, 0);
    let keys = keys_of(&stage, "alice").await;
    let used = keys[0].clone();
    stage.sandbox.visit(move |world| world.record_use(&used, "s3", "eu-west-1").unwrap()).await;
    stage.take_writes().await;
    (stage, keys)
}

#[tokio::test]
async fn whoever_does_not_wait_gives_the_superseded_key_up() {
    let (stage, keys) = just_rotated().await;
    let waits = stage.keyturn(&["rotate", "alice"]).await;
    assert!(waits.code == 3 && waits.stdout.contains("alice: waiting: "), "{waits}");
    let asked = stage.keyturn(&["rotate", "alice", "--now"]).await;
    settings().bind(|| insta::assert_snapshot!("now_without_an_answer", asked));
    assert_eq!(keys_of(&stage, "alice").await, keys);
    let run = stage.keyturn(&["--yes", "rotate", "alice", "--now"]).await;
    settings().bind(|| insta::assert_snapshot!("now", run));
    let current = current_keys(&stage, &["alice"]).await.remove(0);
    assert_eq!(keys_of(&stage, "alice").await, [keys[1].clone(), current]);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn whoever_has_nothing_in_the_way_is_not_asked() {
    let stage = deployed(&["alice"]).await;
    let run = stage.keyturn(&["rotate", "alice", "--now"]).await;
    assert_eq!((run.code, keys_of(&stage, "alice").await.len()), (0, 2), "{run}");
}

#[tokio::test]
async fn a_key_that_keyturn_did_not_make_goes_only_when_it_is_named() {
    let stage = deployed(&["alice"]).await;
    // Later than any key that the rotation before may have left behind.
    stage.sandbox.advance(DAY).await;
    let foreign = stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "alice").unwrap().access_key_id).await;
    let before = keys_of(&stage, "alice").await;
    stage.take_writes().await;
    let run = stage.keyturn(&["--yes", "rotate", "alice", "--now"]).await;
    settings().bind(|| insta::assert_snapshot!("now_beside_a_foreign_key", run));
    assert_eq!((run.code, stage.take_writes().await), (1, NOTHING.map(str::to_owned).to_vec()));
    assert!(before.contains(&foreign) && keys_of(&stage, "alice").await == before);
    stage.assert_no_secret_left_behind().await;
}

/// One history: a rotation that does not wait, struck, and then one that is not.
async fn survives(written: &Written, strike: Strike) {
    let (stage, keys) = just_rotated().await;
    let at = format!("{strike:?} at {written:?}");
    let rotate = ["rotate", "alice", "--now"];
    let run = strike.run(&stage, written, &rotate).await;
    stage.sandbox.settle().await;
    let again = stage.keyturn(&[&["--yes"], &rotate[..]].concat()).await;
    assert_eq!(again.code, 0, "{at}: {run}\n{again}");
    let current = current_keys(&stage, &["alice"]).await.remove(0);
    let left = keys_of(&stage, "alice").await;
    assert!(left.len() == 2 && left.contains(&current) && !left.contains(&keys[0]), "{at}: {left:?}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_does_not_wait_is_completed_by_the_next() {
    let (stage, _) = just_rotated().await;
    configure(&stage, &["alice"], "");
    let run = stage.keyturn(&["--yes", "rotate", "alice", "--now"]).await;
    assert_eq!(run.code, 0, "{run}");
    let writes = writes(&stage).await;
    assert!(writes.len() >= 4, "hardly any call is struck: {writes:?}");
    for written in &writes {
        all(STRIKES.map(|strike| survives(written, strike))).await;
    }
}

/// One history: a release that has a rotation go on is struck, and the next is not.
async fn goes_on(written: &Written, strike: Strike) {
    let stage = half_rotated().await;
    let before = current_keys(&stage, &["alice"]).await;
    let at = format!("{strike:?} at {written:?}");
    assert_eq!(stage.keyturn(&["hold", "alice"]).await.code, 0);
    let run = strike.run(&stage, written, &["release", "alice"]).await;
    stage.sandbox.settle().await;
    let again = stage.keyturn(&["release", "alice"]).await;
    assert_eq!(again.code, 0, "{at}: {run}\n{again}");
    stage.sandbox.settle().await;
    assert_ne!(current_keys(&stage, &["alice"]).await, before, "{at}: {run}\n{again}");
    assert_eq!(keys_of(&stage, "alice").await.len(), 2, "{at}: the key of the first attempt was used");
    let status = stage.keyturn(&["status"]).await;
    assert!(status.stdout.contains("in sync"), "{at}: {status}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_struck_is_completed_by_the_next() {
    let stage = half_rotated().await;
    assert_eq!(stage.keyturn(&["hold", "alice"]).await.code, 0);
    writes(&stage).await;
    assert_eq!(stage.keyturn(&["release", "alice"]).await.code, 0);
    let writes = writes(&stage).await;
    let operations: Vec<&str> = writes.iter().map(|written| written.operation.as_str()).collect();
    assert_eq!(operations, ["secretsmanager:UntagResource", "secretsmanager:RotateSecret"]);
    for written in &writes {
        Box::pin(all(STRIKES.map(|strike| goes_on(written, strike)))).await;
    }
}
