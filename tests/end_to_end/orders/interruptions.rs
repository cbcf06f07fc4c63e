//! Orders that are killed right before or after each of their calls, and orders that come in the middle of a rotation:
//! R1 to R4 hold after every call, and every history comes to rest with a current key that works.

use sandbox::{Fault, FaultEffect, Outcome};

use super::*;
use crate::invariants::{Watch, assert_at_rest};

/// More calls than an order or a rotation makes; the tests say so when that is no longer true.
const MOST_CALLS: usize = 24;
const MOST_CALLS_OF_A_ROTATION: usize = 48;

/// Fewer calls than any of them makes, or the tests would test nothing.
const FEWEST_CALLS: usize = 10;

/// Users for two histories of each call: in one the order is given again at once, in the other the sweeper comes first.
fn names(calls: usize, histories: &[&str]) -> Vec<String> {
    (0..calls).flat_map(|nth| histories.iter().map(move |history| format!("{history}-{nth}"))).collect()
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Has the function killed at its `nth` call from now on, and gives a text for failures.
async fn kill_at(stage: &Stage, nth: usize, effect: FaultEffect) {
    let principal = Some("assumed-role/".to_owned());
    stage.sandbox.visit(move |world| world.inject(Fault { operation: None, principal, after: nth, effect })).await;
}

/// Gives an order that may be killed; whether it was. The rotation that it has asked for has come to its end: a sweep
/// beside it may find that something has moved, and fail.
async fn is_killed(stage: &Stage, order: &Value) -> bool {
    let (error, _) = stage.invoke(order.to_string().as_bytes()).await;
    stage.sandbox.visit(World::clear_faults).await;
    stage.sandbox.settle().await;
    error.is_some()
}

async fn assert_rests(stage: &Stage, user: &str, at: &str) -> Keys {
    let name = user.to_owned();
    stage.sandbox.visit(move |world| assert_at_rest(world, &name)).await;
    let findings = stage.sandbox.visit(|world| world.findings().to_vec()).await;
    assert_eq!(findings, [] as [String; 0], "{at}");
    keys_of(stage, user).await
}

/// Kills a rollback to a key that the sweeper has deactivated, at each of its calls.
async fn kill_rollbacks(effect: fn() -> FaultEffect) {
    let names = names(MOST_CALLS, &["again", "swept"]);
    let stage = deactivated(&refs(&names)).await;
    for nth in 0..MOST_CALLS {
        let mut was_killed = false;
        for history in ["again", "swept"] {
            let (user, at) = (format!("{history}-{nth}"), format!("{history}, call {nth}"));
            let before = keys_of(&stage, &user).await;
            kill_at(&stage, nth, effect()).await;
            was_killed = is_killed(&stage, &json!({ "rollback": [user] })).await;
            if history == "swept" {
                sweep(&stage, &user).await;
                assert_rests(&stage, &user, &at).await;
            }
            let outcome = roll_back(&stage, &user).await;
            let is_right = ["rolled-back", "nothing"].iter().any(|right| outcome["outcome"] == **right);
            assert!(is_right, "{at}: {outcome}");
            let after = assert_rests(&stage, &user, &at).await;
            assert_eq!(
                (after.current.as_str(), after.previous()),
                (before.previous(), before.current.as_str()),
                "{at}"
            );
            let tags = tags_of(&stage, &user).await;
            let is_marked = |key: &str| tags.contains_key(&format!("keyturn:key/{key}"));
            assert!(is_marked(after.previous()) && !is_marked(&after.current), "{at}: {tags:?}");
        }
        if !was_killed {
            assert!(nth >= FEWEST_CALLS, "hardly any call was struck: the test tests nothing");
            return assert_nothing_found(&stage).await;
        }
    }
    panic!("a rollback makes more than {MOST_CALLS} calls: raise the number");
}

#[tokio::test]
async fn a_rollback_survives_being_killed_before_any_call() {
    kill_rollbacks(|| FaultEffect::KillBefore).await;
}

#[tokio::test]
async fn a_rollback_survives_being_killed_after_any_call() {
    kill_rollbacks(|| FaultEffect::KillAfter).await;
}

/// Kills a revocation at each of its calls. What the record says is done by the sweeper alone; what it does not say
/// needs the person again.
async fn kill_revocations(effect: fn() -> FaultEffect) {
    let names = names(MOST_CALLS, &["again", "swept"]);
    let stage = rotated(&refs(&names)).await;
    for nth in 0..MOST_CALLS {
        let mut was_killed = false;
        for history in ["again", "swept"] {
            let (user, at) = (format!("{history}-{nth}"), format!("{history}, call {nth}"));
            let before = keys_of(&stage, &user).await;
            kill_at(&stage, nth, effect()).await;
            was_killed = is_killed(&stage, &json!({ "revoke": [user] })).await;
            let record = format!("keyturn:give-up/{}", before.current);
            if history == "swept" {
                let is_on_record = tags_of(&stage, &user).await.contains_key(&record);
                sweep(&stage, &user).await;
                stage.sandbox.advance(ALL_RETRIES).await;
                sweep(&stage, &user).await;
                let swept = assert_rests(&stage, &user, &at).await;
                assert_eq!(swept.current != before.current, is_on_record, "{at}: {swept:?}");
            }
            let outcome = revoke(&stage, &user).await;
            let is_right = ["revoked", "nothing"].iter().any(|right| outcome["outcome"] == **right);
            assert!(is_right, "{at}: {outcome}");
            stage.sandbox.settle().await;
            stage.sandbox.advance(ALL_RETRIES).await;
            assert_revoked(&before, &assert_rests(&stage, &user, &at).await, &at);
        }
        if !was_killed {
            assert!(nth >= FEWEST_CALLS, "hardly any call was struck: the test tests nothing");
            return assert_nothing_found(&stage).await;
        }
    }
    panic!("a revocation makes more than {MOST_CALLS} calls: raise the number");
}

/// None of the keys from before works, and a new one is current.
fn assert_revoked(before: &Keys, after: &Keys, at: &str) {
    for key in before.statuses.keys() {
        assert_ne!(after.status(key), Some(KeyStatus::Active), "{at}: {key} still works: {after:?}");
    }
    assert_eq!(before.status(&after.current), None, "{at}: {after:?}");
}

#[tokio::test]
async fn a_revocation_survives_being_killed_before_any_call() {
    kill_revocations(|| FaultEffect::KillBefore).await;
}

#[tokio::test]
async fn a_revocation_survives_being_killed_after_any_call() {
    kill_revocations(|| FaultEffect::KillAfter).await;
}

/// A rotation dies at each of its calls, and the keys are revoked before Secrets Manager tries again.
#[tokio::test]
async fn a_revocation_takes_over_from_a_rotation_that_died_at_any_call() {
    let names = names(MOST_CALLS_OF_A_ROTATION, &["died"]);
    let stage = stage_with(&refs(&names)).await;
    for (nth, user) in names.iter().enumerate() {
        let at = format!("call {nth} of the rotation");
        stage.sandbox.visit(World::clear_calls).await;
        kill_at(&stage, nth, FaultEffect::KillAfter).await;
        stage.rotate_secret(user).await;
        stage.sandbox.settle().await;
        let struck = stage.sandbox.visit(|world| {
            world.clear_faults();
            world.calls().iter().any(|call| call.outcome == Outcome::AnswerLost)
        });
        let struck = struck.await;
        let before = keys_of(&stage, user).await;
        let outcome = revoke(&stage, user).await;
        assert_eq!(outcome["outcome"], "revoked", "{at}: {outcome}");
        // A key that nobody has stored is none that could have leaked: the sweeper deletes it as an orphan.
        let covered: Vec<String> = serde_json::from_value(outcome["keys"].clone()).unwrap();
        let stored =
            Keys { statuses: before.statuses.into_iter().filter(|(key, _)| covered.contains(key)).collect(), ..before };
        stage.sandbox.settle().await;
        stage.sandbox.advance(ALL_RETRIES).await;
        days_pass(&stage, user, 1).await;
        assert_revoked(&stored, &assert_rests(&stage, user, &at).await, &at);
        if !struck {
            assert!(nth >= FEWEST_CALLS, "hardly any call was struck: the test tests nothing");
            return assert_nothing_found(&stage).await;
        }
    }
    panic!("a rotation makes more than {MOST_CALLS_OF_A_ROTATION} calls: raise the number");
}

/// The order comes while a rotation is at work, at about each of its calls: both go on at the same time.
#[tokio::test]
async fn a_revocation_in_the_middle_of_a_rotation_leaves_none_of_the_keys_before() {
    let names = names(MOST_CALLS_OF_A_ROTATION, &["racing"]);
    let stage = stage_with(&refs(&names)).await;
    for (nth, user) in names.iter().enumerate() {
        let at = format!("call {nth} of the rotation");
        let before = keys_of(&stage, user).await;
        let (reached, is_reached) = tokio::sync::oneshot::channel();
        let (mut watch, mut left, mut reached) = (Watch::default(), nth, Some(reached));
        let observe = move |world: &World, call: &sandbox::Call| {
            if call.principal.contains("assumed-role/") {
                // The move of the label is the last call.
                let is_last = call.operation == "secretsmanager:UpdateSecretVersionStage";
                match left.checked_sub(1).filter(|_| !is_last) {
                    Some(fewer) => left = fewer,
                    None => drop(reached.take().map(|reached| reached.send(is_last))),
                }
            }
            watch.look(world, call)
        };
        stage.sandbox.visit(move |world| world.observe(observe)).await;
        stage.rotate_secret(user).await;
        let is_last = is_reached.await.unwrap();
        let outcome = revoke(&stage, user).await;
        stage.sandbox.settle().await;
        if outcome["outcome"] == "failed" {
            // A label or a key has moved under its hands; the person gives the order again.
            let outcome = revoke(&stage, user).await;
            assert_ne!(outcome["outcome"], "failed", "{at}: {outcome}");
        }
        stage.sandbox.advance(ALL_RETRIES).await;
        days_pass(&stage, user, 1).await;
        assert_revoked(&before, &assert_rests(&stage, user, &at).await, &at);
        if is_last {
            assert!(nth >= FEWEST_CALLS, "hardly any call was met: the test tests nothing");
            return assert_nothing_found(&stage).await;
        }
    }
    panic!("a rotation makes more than {MOST_CALLS_OF_A_ROTATION} calls: raise the number");
}
