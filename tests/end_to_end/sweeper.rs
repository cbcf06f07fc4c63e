//! Every AWS call of a sweep, struck before and after its effect, and then swept again: R1 to R4 hold after every call,
//! and the next pass brings every user to where an unharmed one is.

use std::collections::BTreeSet;

use sandbox::{ApiError, FaultEffect, KeyStatus, Options, World};

use crate::disturbed::{ALL_RETRIES, DAY, Disturbed, Effect, HOUR, SELDOM, calls_struck, each_call, secret};
use crate::invariants::key_in;
use crate::stage::{ACCOUNT, REGION};

/// More calls about one user than a sweep makes, and fewer; the tests say so when that is no longer true.
const MOST_CALLS: usize = 17;
const FEWEST_CALLS: usize = 6;

/// What ends the invocation, where each strike has one of its own, and what the SDK gets over by asking again, where many
/// users are struck in one sweep.
const EFFECTS: [Effect; 4] = [
    ("killed-before", |_| FaultEffect::KillBefore.into()),
    ("killed-after", |_| FaultEffect::KillAfter.into()),
    ("request-lost", |_| FaultEffect::LoseRequest.into()),
    ("answer-lost", |_| FaultEffect::LoseAnswer.into()),
];

fn users() -> Vec<String> {
    each_call(MOST_CALLS, &EFFECTS).into_keys().collect()
}

#[tokio::test]
async fn the_end_of_a_superseded_key_survives_any_strike() {
    let disturbed = Disturbed::with_keys(users(), Options::default(), SELDOM).await;
    disturbed.rotate().await;
    strike_every_call(&disturbed, "marked", |world, user| {
        let (key, mark) = superseded(world, user).unwrap();
        key == Some(KeyStatus::Active) && mark.is_some_and(|mark| !mark.contains("deactivated="))
    })
    .await;
    disturbed.stage.sandbox.advance(DAY + HOUR).await;
    strike_every_call(&disturbed, "deactivated", |world, user| {
        let (key, mark) = superseded(world, user).unwrap();
        key == Some(KeyStatus::Inactive) && mark.is_some_and(|mark| mark.contains("deactivated="))
    })
    .await;
    disturbed.stage.sandbox.advance(DAY + HOUR).await;
    strike_every_call(&disturbed, "deleted", |world, user| superseded(world, user).unwrap() == (None, None)).await;
    disturbed.come_to_rest("the end of a superseded key").await;
}

#[tokio::test]
async fn a_rotation_that_got_stuck_is_taken_up_whatever_strikes_the_sweep() {
    let disturbed = Disturbed::with_keys(users(), Options::default(), SELDOM).await;
    let without_key = ("stuck without a key", "iam:CreateAccessKey", FaultEffect::KillBefore);
    let with_key = ("stuck with a key", "secretsmanager:PutSecretValue", FaultEffect::KillAfter);
    for (what, operation, effect) in [without_key, with_key] {
        let before = disturbed.current_keys().await;
        get_stuck(&disturbed, operation, effect).await;
        strike_every_call(&disturbed, what, |_, _| true).await;
        // Where the answer of RotateSecret was lost, another rotation may be under way already.
        disturbed.assert_rotated_since(&before, what).await;
        disturbed.come_to_rest(what).await;
    }
}

#[tokio::test]
async fn a_rotation_that_stays_stuck_is_given_up_whatever_strikes_the_sweep() {
    let disturbed = Disturbed::with_keys(users(), Options::default(), SELDOM).await;
    let before = disturbed.current_keys().await;
    get_stuck(&disturbed, "secretsmanager:PutSecretValue", FaultEffect::KillAfter).await;
    disturbed.stage.sandbox.advance(DAY).await;
    // The key of the version that was given up takes its slot, so nothing new can begin before its end.
    strike_every_call(&disturbed, "stuck for good", |world, user| {
        let (secret, keys) = (secret(world, user), world.access_keys(ACCOUNT, user));
        let current = key_in(&secret, "AWSCURRENT");
        let given_up = keys.iter().find(|key| Some(key.id()) != current.as_deref()).unwrap();
        let is_given_up = secret.labelled("AWSPENDING").is_none_or(|pending| pending.value.is_none());
        is_given_up && secret.tags.contains_key(&format!("keyturn:key/{}", given_up.id()))
    })
    .await;
    disturbed.come_to_rest("a rotation that stays stuck").await;
    // Whoever dies between giving up the old rotation and asking for a new one leaves that to the schedule.
    disturbed.rotate().await;
    disturbed.come_to_rest("a rotation that stays stuck").await;
    disturbed.assert_rotated_since(&before, "a rotation that stays stuck").await;
}

#[tokio::test]
async fn an_orphan_goes_whatever_strikes_the_sweep() {
    let disturbed = Disturbed::with_keys(users(), Options::default(), SELDOM).await;
    get_stuck(&disturbed, "iam:CreateAccessKey", FaultEffect::KillAfter).await;
    let users = disturbed.users.clone();
    let abandon = move |world: &mut World| {
        for user in &users {
            assert_eq!(world.access_keys(ACCOUNT, user).len(), 2, "{user} has no orphan");
            world.move_label(ACCOUNT, REGION, &format!("keyturn/{user}"), "AWSPENDING", None).unwrap();
        }
    };
    disturbed.stage.sandbox.visit(abandon).await;
    strike_every_call(&disturbed, "orphan", |world, user| world.access_keys(ACCOUNT, user).len() == 1).await;
    disturbed.come_to_rest("an orphan").await;
}

/// Strikes each call of a sweep, each time another user's, and sweeps again: after that `is_done` holds for everybody. If
/// the sweep asks for a rotation, its first calls are struck as well.
async fn strike_every_call(disturbed: &Disturbed, what: &str, is_done: fn(&World, &str) -> bool) {
    let effects = EFFECTS;
    let begins_a_rotation = what.starts_with("stuck");
    let told = disturbed.disturb(each_call(MOST_CALLS, &effects)).await;
    let (killed, shaken): (Vec<String>, Vec<String>) =
        disturbed.users.iter().cloned().partition(|user| user.starts_with("killed"));
    for user in killed {
        disturbed.sweep(&[user]).await;
    }
    for some in shaken.chunks(20) {
        disturbed.sweep(some).await;
    }
    disturbed.stage.sandbox.settle().await;
    let struck: BTreeSet<String> = told.try_iter().collect();
    let calls = calls_struck(&struck, MOST_CALLS, &effects.map(|(name, _)| name));
    assert!(calls >= FEWEST_CALLS, "{what}: hardly any call was struck: the test tests nothing");
    assert!(
        calls < MOST_CALLS || begins_a_rotation,
        "{what}: there are more calls than {MOST_CALLS}: raise the number"
    );
    disturbed.undisturbed().await;
    disturbed.sweep_all().await;
    if begins_a_rotation {
        disturbed.stage.sandbox.advance(ALL_RETRIES).await;
    }
    let users = disturbed.users.clone();
    let check = move |world: &mut World| {
        let undone = users.iter().filter(|user| !is_done(world, user)).cloned().collect::<Vec<_>>();
        (undone, world.findings().to_vec())
    };
    let (undone, findings) = disturbed.stage.sandbox.visit(check).await;
    assert_eq!((undone, findings), (Vec::new(), Vec::new()), "{what}");
}

/// The superseded key's status, if it is there, and its mark.
fn superseded(world: &World, user: &str) -> Option<(Option<KeyStatus>, Option<String>)> {
    let secret = secret(world, user);
    let previous = key_in(&secret, "AWSPREVIOUS")?;
    let keys = world.access_keys(ACCOUNT, user);
    let status = keys.iter().find(|key| key.id() == previous).map(|key| key.status);
    Some((status, secret.tags.get(&format!("keyturn:key/{previous}")).cloned()))
}

/// Lets everybody's rotation die at its first call of `operation`, and every try after that fail at once, until Secrets
/// Manager has lost patience.
async fn get_stuck(disturbed: &Disturbed, operation: &'static str, effect: FaultEffect) {
    let sabotage = move |world: &mut World| {
        let mut stuck = BTreeSet::new();
        world.sabotage(move |_, upcoming| {
            let user = crate::disturbed::user_of(upcoming.subject.as_deref()?).to_owned();
            let is_first = upcoming.principal.contains("assumed-role/") && !stuck.contains(&user);
            if is_first && upcoming.operation == operation {
                stuck.insert(user);
                return Some(effect.clone());
            }
            let refusal = || FaultEffect::FailBefore(ApiError::new("InvalidRequestException", "as ordered"));
            (stuck.contains(&user) && upcoming.principal.contains("assumed-role/")).then(refusal)
        });
    };
    disturbed.stage.sandbox.visit(sabotage).await;
    disturbed.rotate().await;
    disturbed.stage.sandbox.advance(ALL_RETRIES).await;
    disturbed.undisturbed().await;
}
