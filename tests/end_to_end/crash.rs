//! Every AWS call of a rotation, struck before and after its effect, then retried by Secrets Manager: R1, R2 and R4 hold
//! after every call, and every history comes to rest with a new, working key and no other that nobody has (R3).

use std::time::Duration;

use sandbox::{ApiError, Fault, FaultEffect, KeyStatus, Outcome, World};

use crate::invariants::{assert_at_rest, key_in, watch};
use crate::stage::{ACCOUNT, REGION, Stage};

/// More calls than a rotation makes; the tests say so when that is no longer true.
const MOST_CALLS: usize = 48;

/// Fewer calls than any of these rotations makes, or the tests would test nothing.
const FEWEST_CALLS: usize = 10;

/// Longer than Secrets Manager goes on retrying.
const ALL_RETRIES: Duration = Duration::from_hours(6);

/// Longer than a deactivated key is kept.
const GRACE: Duration = Duration::from_hours(25);

/// A schedule that stays out of the way: these tests say when to rotate.
const SELDOM: &str =
    "schedule: { every: 300d }\nretire: { max_key_age: 400d, deactivate_after: 1d, quiet: 1h, delete_after: 1d }";

#[tokio::test]
async fn a_rotation_survives_being_killed_before_any_call() {
    let stage = stage_with_first_keys().await;
    strike_every_call(&stage, || FaultEffect::KillBefore, nothing).await;
}

#[tokio::test]
async fn a_rotation_survives_being_killed_after_any_call() {
    let stage = stage_with_first_keys().await;
    strike_every_call(&stage, || FaultEffect::KillAfter, nothing).await;
}

#[tokio::test]
async fn a_rotation_survives_the_loss_of_any_request() {
    let stage = stage_with_first_keys().await;
    strike_every_call(&stage, || FaultEffect::LoseRequest, nothing).await;
}

#[tokio::test]
async fn a_rotation_survives_the_loss_of_any_answer() {
    let stage = stage_with_first_keys().await;
    strike_every_call(&stage, || FaultEffect::LoseAnswer, nothing).await;
}

#[tokio::test]
async fn a_rotation_that_must_free_a_slot_survives_being_killed_before_any_call() {
    let stage = stage_with_first_keys().await;
    strike_every_call(&stage, || FaultEffect::KillBefore, fill_the_slots).await;
}

#[tokio::test]
async fn a_rotation_that_must_free_a_slot_survives_being_killed_after_any_call() {
    let stage = stage_with_first_keys().await;
    strike_every_call(&stage, || FaultEffect::KillAfter, fill_the_slots).await;
}

#[tokio::test]
async fn the_deactivation_of_a_superseded_key_survives_being_killed_before_any_call() {
    let stage = stage_with_first_keys().await;
    strike_every_call(&stage, || FaultEffect::KillBefore, supersede).await;
}

#[tokio::test]
async fn the_deactivation_of_a_superseded_key_survives_being_killed_after_any_call() {
    let stage = stage_with_first_keys().await;
    strike_every_call(&stage, || FaultEffect::KillAfter, supersede).await;
}

#[tokio::test]
async fn a_first_rotation_survives_being_killed_before_any_call() {
    let stage = stage_without_keys().await;
    strike_every_call(&stage, || FaultEffect::KillBefore, nothing).await;
}

#[tokio::test]
async fn a_first_rotation_survives_being_killed_after_any_call() {
    let stage = stage_without_keys().await;
    strike_every_call(&stage, || FaultEffect::KillAfter, nothing).await;
}

/// Strikes each call in turn, each in the rotation of another user, until a rotation gets by unharmed.
pub(crate) async fn strike_every_call(stage: &Stage, effect: fn() -> FaultEffect, prepare: impl AsyncFn(&Stage, &str)) {
    for (nth, name) in names().iter().enumerate() {
        prepare(stage, name).await;
        if !strike(stage, name, nth, effect()).await {
            assert!(nth >= FEWEST_CALLS, "hardly any call was struck: the test tests nothing");
            stage.assert_no_secret_left_behind().await;
            return;
        }
    }
    panic!("a rotation makes more than {MOST_CALLS} calls: raise the number");
}

/// One history: strike the `nth` call of the function during the next rotation of `user`, then let Secrets Manager
/// retry. `false` when the rotation made fewer calls.
async fn strike(stage: &Stage, user: &str, nth: usize, effect: FaultEffect) -> bool {
    let name = user.to_owned();
    let before = stage.sandbox.visit(move |world| {
        world.clear_calls();
        let principal = Some("assumed-role/".to_owned());
        world.inject(Fault { operation: None, principal, after: nth, effect });
        current_key(world, &name)
    });
    let before = before.await;
    stage.rotate_secret(user).await;
    stage.sandbox.settle().await;
    let struck = stage.sandbox.visit(|world| {
        world.clear_faults();
        world.calls().iter().any(|call| matches!(call.outcome, Outcome::NotDone | Outcome::AnswerLost))
    });
    let struck = struck.await;
    stage.sandbox.advance(ALL_RETRIES).await;
    let (name, old) = (user.to_owned(), before.clone());
    if stage.sandbox.visit(move |world| current_key(world, &name) == old).await {
        // A key had to be deactivated first. It is deleted when its grace is over, with the next attempt.
        stage.sandbox.advance(GRACE).await;
        stage.rotate_secret_again(user).await;
        stage.sandbox.advance(ALL_RETRIES).await;
    }
    let (name, at) = (user.to_owned(), format!("{user}, call {nth}"));
    let check = move |world: &mut World| {
        assert_eq!(world.findings(), [] as [String; 0], "{at}");
        assert_at_rest(world, &name);
        assert_ne!(current_key(world, &name), before, "{at}: the rotation never ended");
    };
    stage.sandbox.visit(check).await;
    struck
}

fn current_key(world: &World, user: &str) -> Option<String> {
    key_in(&world.secret(ACCOUNT, REGION, &format!("keyturn/{user}")).unwrap(), "AWSCURRENT")
}

/// Users named after the call that is struck in their rotation.
fn names() -> Vec<String> {
    (0..MOST_CALLS).map(|nth| format!("user-{nth}")).collect()
}

/// A stage on which the invariants are watched after every call.
async fn watched_stage() -> Stage {
    let names = names();
    let users: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = Stage::with_users(&users).await;
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [{}]\n{SELDOM}", names.join(", ")));
    // These tests are about rotations; the sweeper would do a part of their work.
    watch(&stage).await;
    stage
}

/// Every user has one key, which is current.
pub(crate) async fn stage_with_first_keys() -> Stage {
    let stage = watched_stage().await;
    let run = stage.bootstrap(&[]).await;
    let log = stage.function_log().await;
    assert_eq!(run.code, 0, "{run}{log}");
    stage
}

/// Everything is deployed, and no user has been rotated yet.
async fn stage_without_keys() -> Stage {
    let stage = watched_stage().await;
    let refuse = |world: &mut World| {
        for _ in 0..MOST_CALLS {
            let refusal = ApiError::new("InvalidRequestException", "not now");
            let operation = Some("secretsmanager:RotateSecret".to_owned());
            world.inject(Fault { operation, principal: None, after: 0, effect: FaultEffect::FailBefore(refusal) });
        }
    };
    stage.sandbox.visit(refuse).await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 3, "{run}");
    stage.sandbox.visit(World::clear_faults).await;
    stage
}

pub(crate) async fn nothing(_: &Stage, _: &str) {}

/// Rotates the user, and lets the overlap of the two keys pass: the next rotation must deactivate the older one.
async fn supersede(stage: &Stage, user: &str) {
    stage.rotate_secret(user).await;
    stage.sandbox.advance(GRACE).await;
}

/// Rotates the user, makes the superseded key Inactive, and lets its grace pass: the next rotation must delete it first.
async fn fill_the_slots(stage: &Stage, user: &str) {
    stage.rotate_secret(user).await;
    stage.sandbox.settle().await;
    let name = user.to_owned();
    let superseded = stage.sandbox.visit(move |world| {
        let secret = world.secret(ACCOUNT, REGION, &format!("keyturn/{name}")).unwrap();
        let previous = key_in(&secret, "AWSPREVIOUS").unwrap();
        world.set_access_key_status(&previous, KeyStatus::Inactive).unwrap();
        (previous, world.now())
    });
    let (previous, now) = superseded.await;
    let mark = aws_sdk_secretsmanager::types::Tag::builder()
        .key(format!("keyturn:key/{previous}"))
        .value(format!("superseded={now} deactivated={now}"))
        .build();
    stage.secrets().tag_resource().secret_id(format!("keyturn/{user}")).tags(mark).send().await.unwrap();
    stage.sandbox.advance(GRACE).await;
}
