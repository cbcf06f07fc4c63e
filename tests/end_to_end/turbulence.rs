//! What happens to a rotation when it is not alone, or AWS is not at its best: a sweep, or the same step once more, right
//! before each of its calls; a clock that jumps; throttling; a key that nobody knows yet. R1 to R4 hold after every call,
//! and everybody comes to rest with a new, working key.

use std::collections::BTreeSet;
use std::time::Duration;

use sandbox::{FaultEffect, KeyStatus, Options, World};
use serde_json::json;

use crate::disturbed::{
    ALL_RETRIES, DAY, Disturbance, Disturbed, Effect, HOUR, SELDOM, calls_struck, each_call, secret,
};
use crate::invariants::key_in;
use crate::stage::{ACCOUNT, REGION};

/// More calls about one user than a rotation makes, and fewer; the tests say so when that is no longer true.
const MOST_CALLS: usize = 46;
const FEWEST_CALLS: usize = 20;

/// The same for a createSecret that finds no room and stops there.
const FEWEST_CALLS_IF_BLOCKED: usize = 8;

/// An attempt can be under way for so long, as its lease says, and a bit.
const LEASE: Duration = Duration::from_mins(4);

type Effects = &'static [Effect];

const SWEEPS: Effects = &[("swept", |user| FaultEffect::Meanwhile(sweep_of(user)).into())];

const TWINS: Effects = &[("twice", |_| FaultEffect::Again.into())];

/// The clock jumps past the lease of the attempt, and then the sweeper comes.
const LATE_SWEEPS: Effects =
    &[("late", |user| Disturbance { effect: Some(FaultEffect::Meanwhile(sweep_of(user))), jump: LEASE })];

const LATE_TWINS: Effects = &[("late-twice", |_| Disturbance { effect: Some(FaultEffect::Again), jump: LEASE })];

fn sweep_of(user: &str) -> Vec<u8> {
    json!({ "sweep": [user] }).to_string().into_bytes()
}

fn users(effects: Effects) -> Vec<String> {
    each_call(MOST_CALLS, effects).into_keys().collect()
}

async fn with_keys(effects: Effects) -> Disturbed {
    Disturbed::with_keys(users(effects), Options::default(), SELDOM).await
}

#[tokio::test]
async fn a_rotation_is_swept_before_any_call() {
    let disturbed = with_keys(SWEEPS).await;
    disturb_every_call(&disturbed, SWEEPS, FEWEST_CALLS).await;
    // And once more while a superseded key is in the way: the sweep and the rotation both want to deactivate it.
    disturbed.rotate().await;
    disturbed.stage.sandbox.advance(DAY + HOUR).await;
    disturb_every_call(&disturbed, SWEEPS, FEWEST_CALLS_IF_BLOCKED).await;
}

#[tokio::test]
async fn a_first_rotation_is_swept_before_any_call() {
    let disturbed = Disturbed::without_keys(users(SWEEPS), Options::default(), SELDOM).await;
    disturb_every_call(&disturbed, SWEEPS, FEWEST_CALLS).await;
}

#[tokio::test]
async fn a_step_is_repeated_before_any_call() {
    disturb_every_call(&with_keys(TWINS).await, TWINS, FEWEST_CALLS).await;
}

#[tokio::test]
async fn a_step_of_a_first_rotation_is_repeated_before_any_call() {
    let disturbed = Disturbed::without_keys(users(TWINS), Options::default(), SELDOM).await;
    disturb_every_call(&disturbed, TWINS, FEWEST_CALLS).await;
}

#[tokio::test]
async fn the_clock_jumps_before_any_call_and_the_sweeper_comes() {
    disturb_every_call(&with_keys(LATE_SWEEPS).await, LATE_SWEEPS, FEWEST_CALLS).await;
}

#[tokio::test]
async fn the_clock_jumps_before_any_call_and_the_step_is_repeated() {
    disturb_every_call(&with_keys(LATE_TWINS).await, LATE_TWINS, FEWEST_CALLS).await;
}

/// Disturbs each call in the rotation of another user, all at once, and lets everybody come to rest.
async fn disturb_every_call(disturbed: &Disturbed, effects: Effects, fewest: usize) {
    let what = effects[0].0;
    let before = disturbed.current_keys().await;
    let told = disturbed.disturb(each_call(MOST_CALLS, effects)).await;
    disturbed.rotate().await;
    let struck: BTreeSet<String> = told.try_iter().collect();
    let calls = calls_struck(&struck, MOST_CALLS, &[what]);
    // Where the clock jumps, the next tries fall due as well: of them, as many calls are disturbed as there are users.
    let most = if what.starts_with("late") { MOST_CALLS + 1 } else { MOST_CALLS };
    assert!((fewest..most).contains(&calls), "{what}: {calls} calls were disturbed");
    disturbed.undisturbed().await;
    disturbed.stage.sandbox.advance(ALL_RETRIES).await;
    disturbed.come_to_rest(what).await;
    if what.starts_with("late") {
        // An attempt that outlives its lease may find its key deleted. That costs the rotation; the next one makes a key.
        disturbed.rotate().await;
        disturbed.come_to_rest(what).await;
    }
    disturbed.assert_rotated_since(&before, what).await;
}

#[tokio::test]
async fn throttling_puts_rotations_and_sweeps_off_and_breaks_none() {
    let users = (0..12).map(|number| format!("user-{number:02}")).collect();
    let disturbed = Disturbed::with_keys(users, Options::default(), SELDOM).await;
    let before = disturbed.current_keys().await;
    let throttle = |world: &mut World| {
        world.clear_calls();
        for (prefix, per_second, burst) in [("iam:", 1.0, 6), ("sts:", 0.5, 1), ("secretsmanager:", 4.0, 30)] {
            world.limit_calls(prefix, per_second, burst);
        }
    };
    disturbed.stage.sandbox.visit(throttle).await;
    disturbed.rotate().await;
    let (_, answer) = disturbed.sweep(&disturbed.users).await;
    let throttled = disturbed.stage.sandbox.visit(|world| {
        let is_refused = |call: &&sandbox::Call| {
            matches!(&call.outcome, sandbox::Outcome::Refused(code) if code.starts_with("Throttling"))
        };
        world.calls().iter().filter(is_refused).count()
    });
    assert!(throttled.await > 20, "hardly anything was throttled: the test tests nothing ({answer})");
    disturbed.stage.sandbox.advance(ALL_RETRIES).await;
    disturbed.stage.sandbox.visit(World::clear_limits).await;
    disturbed.come_to_rest("throttling").await;
    disturbed.assert_rotated_since(&before, "throttling").await;
}

#[tokio::test]
async fn a_key_that_is_unusable_for_20_seconds_becomes_current_when_it_works() {
    let users = ["alice", "killed"].map(str::to_owned).to_vec();
    let disturbed = Disturbed::with_keys(users, Options::default(), SELDOM).await;
    let before = disturbed.current_keys().await;
    disturbed.stage.sandbox.visit(|world| world.fail_new_keys_for(Duration::from_secs(20))).await;
    let sabotage = |world: &mut World| {
        world.clear_calls();
        let mut moves = 0;
        world.sabotage(move |_, upcoming| {
            let is_move = upcoming.operation == "secretsmanager:UpdateSecretVersionStage";
            moves += usize::from(is_move && upcoming.subject.as_deref().is_some_and(|arn| arn.contains("killed")));
            // Nothing remembers that the key was waited for already.
            (is_move && moves == 1).then_some(FaultEffect::KillBefore)
        });
    };
    disturbed.stage.sandbox.visit(sabotage).await;
    disturbed.rotate().await;
    disturbed.stage.sandbox.advance(ALL_RETRIES).await;
    let refused = disturbed.stage.sandbox.visit(|world| {
        let unknown = sandbox::Outcome::Refused("InvalidClientTokenId".to_owned());
        world.calls().iter().filter(|call| call.outcome == unknown).count()
    });
    assert!(refused.await >= 4, "the key worked at once: the test tests nothing");
    disturbed.come_to_rest("an unusable key").await;
    disturbed.assert_rotated_since(&before, "an unusable key").await;
}

/// So long that the first attempt ends before: it has to give up in time, and to leave everything to the next.
#[tokio::test]
async fn a_key_that_is_not_accepted_in_time_becomes_nobodys_until_it_is() {
    let timeout = format!("{SELDOM}\nfunction: {{ timeout: 60s }}");
    let disturbed = Disturbed::with_keys(vec!["alice".to_owned()], Options::default(), &timeout).await;
    let before = disturbed.current_keys().await;
    let refuse = |world: &mut World| {
        world.sabotage(|_, upcoming| {
            let unknown = || sandbox::ApiError::new("InvalidClientTokenId", "The security token is invalid.");
            (upcoming.operation == "sts:GetCallerIdentity").then(|| FaultEffect::FailBefore(unknown()))
        });
    };
    disturbed.stage.sandbox.visit(refuse).await;
    disturbed.rotate().await;
    assert_eq!(disturbed.current_keys().await, before);
    let look = |world: &mut World| {
        let pending = key_in(&secret(world, "alice"), "AWSPENDING");
        (world.function_log(ACCOUNT, REGION, "keyturn"), pending)
    };
    let (log, pending) = disturbed.stage.sandbox.visit(look).await;
    assert!(pending.is_some() && log.contains("the key could not be used within"), "{pending:?}\n{log}");
    disturbed.undisturbed().await;
    disturbed.stage.sandbox.advance(ALL_RETRIES).await;
    assert_eq!(disturbed.current_keys().await["alice"], pending, "the key that was made is the one that is proven");
    disturbed.come_to_rest("a key that is not accepted in time").await;
}

/// The host's clock shows another time than that of AWS, by years: only the latter counts.
#[tokio::test]
async fn a_host_whose_clock_is_wrong_neither_hastens_nor_delays_anything() {
    for start in ["2011-03-01T12:00:00Z", "2061-03-01T12:00:00Z"] {
        let options = Options { start: start.parse().unwrap(), ..Options::default() };
        let disturbed = Disturbed::with_keys(vec!["alice".to_owned()], options, SELDOM).await;
        disturbed.rotate().await;
        let mut seen = Vec::new();
        for _ in 0..5 {
            disturbed.sweep_all().await;
            seen.push(disturbed.stage.sandbox.visit(|world| superseded(world, "alice")).await);
            disturbed.stage.sandbox.advance(DAY / 2 + HOUR).await;
        }
        let (active, inactive) = (Some(KeyStatus::Active), Some(KeyStatus::Inactive));
        assert_eq!(seen, [active, active, inactive, inactive, None], "{start}");
        disturbed.come_to_rest(start).await;
    }
}

fn superseded(world: &World, user: &str) -> Option<KeyStatus> {
    let previous = key_in(&secret(world, user), "AWSPREVIOUS").unwrap();
    world.access_keys(ACCOUNT, user).iter().find(|key| key.id() == previous).map(|key| key.status)
}

/// One sweep has read that the key has long been Inactive. Before it sees the key, somebody brings it back, and another
/// sweep deactivates it once more: its grace has only begun.
#[tokio::test]
async fn a_key_that_was_brought_back_between_two_sweeps_has_its_grace_again() {
    let disturbed = Disturbed::with_keys(vec!["alice".to_owned()], Options::default(), SELDOM).await;
    disturbed.rotate().await;
    for _ in 0..2 {
        disturbed.stage.sandbox.advance(DAY + HOUR).await;
        if disturbed.stage.sandbox.visit(|world| superseded(world, "alice")).await == Some(KeyStatus::Active) {
            disturbed.sweep_all().await;
        }
    }
    let sabotage = |world: &mut World| {
        let mut is_first = true;
        world.sabotage(move |world, upcoming| {
            if upcoming.operation != "iam:ListAccessKeys" || !std::mem::take(&mut is_first) {
                return None;
            }
            let previous = key_in(&secret(world, "alice"), "AWSPREVIOUS").unwrap();
            world.set_access_key_status(&previous, KeyStatus::Active).unwrap();
            Some(FaultEffect::Meanwhile(sweep_of("alice")))
        });
    };
    disturbed.stage.sandbox.visit(sabotage).await;
    disturbed.sweep(&disturbed.users).await;
    disturbed.undisturbed().await;
    let look = |world: &mut World| superseded(world, "alice");
    assert_eq!(disturbed.stage.sandbox.visit(look).await, Some(KeyStatus::Inactive));
    disturbed.stage.sandbox.advance(DAY - HOUR).await;
    disturbed.sweep_all().await;
    assert_eq!(disturbed.stage.sandbox.visit(look).await, Some(KeyStatus::Inactive));
    disturbed.come_to_rest("a key that was brought back").await;
}

/// More users than can be swept in the time that the shortest timeout leaves, at the pace that IAM is spared by.
#[tokio::test]
async fn a_sweep_that_is_cut_off_by_its_timeout_is_gone_on_with() {
    let users: Vec<String> = (0..60).map(|number| format!("user-{number:02}")).collect();
    let settings = format!("{SELDOM}\nfunction: {{ timeout: 60s }}");
    let disturbed = Disturbed::with_keys(users, Options::default(), &settings).await;
    disturbed.rotate().await;
    disturbed.stage.sandbox.advance(DAY + HOUR).await;
    let (mut swept, mut left) = (Vec::new(), 60);
    while left > 0 && swept.len() < 5 {
        let (failure, answer) = disturbed.stage.invoke(br#"{"sweep":"all"}"#).await;
        assert_eq!(failure, None, "{answer}");
        swept.push(answer["swept"].as_u64().unwrap());
        let deactivated = disturbed.stage.sandbox.visit(|world| {
            let users = world.secrets(ACCOUNT, REGION).into_iter().map(|secret| secret.tags["keyturn:user"].clone());
            users.filter(|user| superseded(world, user) == Some(KeyStatus::Inactive)).count() as u64
        });
        assert_eq!(deactivated.await, swept.iter().sum::<u64>(), "each pass goes on behind the one before");
        left = answer["left"].as_u64().unwrap();
    }
    assert!(swept.len() > 1, "{swept:?}: nothing was cut off");
    assert_eq!(swept.iter().sum::<u64>(), 60, "{swept:?}");
    disturbed.come_to_rest("a sweep that is cut off").await;
}

#[tokio::test]
async fn the_failure_of_some_users_stops_nobody_else() {
    let users: Vec<String> = (0..10).map(|number| format!("user-{number:02}")).collect();
    let disturbed = Disturbed::with_keys(users, Options::default(), SELDOM).await;
    disturbed.rotate().await;
    disturbed.stage.sandbox.advance(DAY + HOUR).await;
    let break_some = |world: &mut World| {
        world.observe(|_, _| Vec::new());
        world.put_secret_value(ACCOUNT, REGION, "keyturn/user-01", "{ not a document").unwrap();
        world.delete_user(ACCOUNT, "user-03").unwrap();
        world.cancel_rotation(ACCOUNT, REGION, "keyturn/user-05").unwrap();
        let current = key_in(&secret(world, "user-07"), "AWSCURRENT").unwrap();
        world.set_access_key_status(&current, KeyStatus::Inactive).unwrap();
        world.sabotage(|_, upcoming| {
            let is_meant = upcoming.operation == "iam:ListAccessKeys" && upcoming.subject.as_deref() == Some("user-09");
            is_meant.then(|| FaultEffect::FailBefore(sandbox::ApiError::new("ServiceFailure", "").with_status(500)))
        });
    };
    disturbed.stage.sandbox.visit(break_some).await;
    let (failure, _) = disturbed.stage.invoke(br#"{"sweep":"all"}"#).await;
    assert_eq!(failure.as_deref(), Some("Unhandled"), "whoever watches the function sees that something is wrong");
    let look = |world: &mut World| {
        let tags = |user: &str| secret(world, user).tags.get("keyturn:blocked").cloned();
        let blocked = (0..10).filter_map(|number| tags(&format!("user-{number:02}")).map(|reason| (number, reason)));
        let sound = (0..10).step_by(2).map(|number| superseded(world, &format!("user-{number:02}")));
        (blocked.collect::<Vec<_>>(), sound.collect::<Vec<_>>())
    };
    let (blocked, sound) = disturbed.stage.sandbox.visit(look).await;
    let expected = [(1, "unreadable_value"), (3, "user_replaced"), (5, "rotation_off"), (7, "current_disabled")];
    assert_eq!(blocked, expected.map(|(number, reason)| (number, reason.to_owned())));
    assert_eq!(sound, [Some(KeyStatus::Inactive); 5]);
    let log = disturbed.stage.function_log().await;
    let unreadable = "AWSCURRENT holds no value of keyturn's: the secret's value is not a JSON object";
    for told in [unreadable, "iam:ListAccessKeys failed: ServiceFailure", "\"failed\":1"] {
        assert!(log.contains(told), "{told}: {log}");
    }
}
