//! A rollout that is killed, at any write or time and again, and the run that goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sandbox::{Call, World};

use super::{USERS, account, rollout, served, stage, take_calls};
use crate::stage::{Run, Stage, function};

/// Over how many tests the writes are spread, which run at the same time.
const PARTS: usize = 3;

/// Runs a command that is killed with its `after`th write among those that `counts` is about, if there are so many.
pub(super) async fn killed(stage: &Stage, after: usize, counts: fn(&Call) -> bool, arguments: &[&str]) -> Run {
    let process = Arc::new(AtomicU32::new(0));
    let (victim, mut left) = (process.clone(), after);
    let strike = move |_: &World, call: &Call| {
        if call.is_write() && counts(call) {
            left = left.saturating_sub(1);
            let process = if left == 0 { victim.swap(0, Ordering::SeqCst) } else { 0 };
            if process != 0 {
                let killed = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status();
                assert!(killed.unwrap().success());
            }
        }
        Vec::new()
    };
    stage.sandbox.visit(move |world| world.observe(strike)).await;
    let run = stage.keyturn_noted(&process, arguments).await;
    stage.sandbox.visit(|world| world.observe(|_, _| Vec::new())).await;
    assert!([0, -1].contains(&run.code), "{run}");
    run
}

/// Runs a command again and again, each time killed `step` writes later than the time before, until it comes to its end.
/// The first time it is run with `first`. Gives how often it was killed.
pub(super) async fn killed_until_the_end(
    stage: &Stage,
    step: usize,
    counts: fn(&Call) -> bool,
    (first, again): (&[&str], &[&str]),
) -> usize {
    for kills in 0..100 {
        let run = killed(stage, (kills + 1) * step, counts, if kills == 0 { first } else { again }).await;
        if run.code == 0 {
            return kills;
        }
    }
    panic!("it never comes to its end");
}

/// Whether it is done in an account of the fleet.
fn is_in_account(call: &Call) -> bool {
    call.principal.contains("OrganizationAccountAccessRole")
}

fn commands() -> ([&'static str; 4], [&'static str; 5]) {
    let artifact = function().to_str().unwrap();
    (["--yes", "rollout", "--artifact", artifact], ["--yes", "rollout", "--artifact", artifact, "--resume"])
}

/// No account was forgotten, none deployed twice, and everybody has a single key.
async fn assert_done_once(stage: &Stage, accounts: usize, at: &str) {
    assert_eq!(served(stage, accounts).await, (1..=accounts).collect::<Vec<_>>(), "{at}");
    let calls = take_calls(stage).await;
    for number in 1..=accounts {
        let executed = calls[&account(number)].iter().filter(|call| *call == "cloudformation:ExecuteChangeSet").count();
        assert_eq!(executed, 2, "{at}: the bucket's stack and the cell, each once, in account {number}");
        let keys = stage.sandbox.visit(move |world| USERS.map(|user| world.access_keys(&account(number), user).len()));
        assert_eq!(keys.await, [1, 1], "{at}");
    }
}

#[tokio::test]
async fn a_rollout_that_is_killed_time_and_again_goes_on_and_deploys_no_account_twice() {
    let stage = stage(3).await;
    let (first, again) = commands();
    let kills = killed_until_the_end(&stage, 5, is_in_account, (&first, &again)).await;
    assert!(kills >= 3, "it was killed {kills} times");
    assert_done_once(&stage, 3, "after all of it").await;
}

/// Has a rollout die by every third write, each time in a world of its own, and go on.
async fn killed_at_every(part: usize) {
    let (first, again) = commands();
    for after in (1 + part..).step_by(PARTS) {
        let stage = stage(2).await;
        let is_over = killed(&stage, after, is_in_account, &first).await.code == 0;
        if !is_over {
            let run = stage.keyturn(&again).await;
            assert_eq!(run.code, 0, "after write {after}: {run}");
        }
        assert_done_once(&stage, 2, &format!("after write {after}")).await;
        if is_over {
            assert!(after > 10, "it has only {after} writes");
            // And there is nothing left to do.
            let run = rollout(&stage, &[]).await;
            assert!(run.code == 0 && run.stdout.contains("2 accounts: 2 unchanged"), "{run}");
            return;
        }
    }
}

#[tokio::test]
async fn a_rollout_goes_on_after_it_was_killed_at_any_write_a() {
    killed_at_every(0).await;
}

#[tokio::test]
async fn a_rollout_goes_on_after_it_was_killed_at_any_write_b() {
    killed_at_every(1).await;
}

#[tokio::test]
async fn a_rollout_goes_on_after_it_was_killed_at_any_write_c() {
    killed_at_every(2).await;
}
