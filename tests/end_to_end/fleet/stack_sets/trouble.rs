//! StackSets when it does not go as it should: runs that are killed, Ctrl-C, and others at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sandbox::{Options, World};

use super::callers::prepend;
use super::management::with_management;
use super::{ACCOUNT, account, keys, pass, rollout, served, settings, stacks, stage, staged};
use crate::fleet::killed::killed_until_the_end;
use crate::stage::{Run, Stage, function};

const TEARDOWN: [&str; 4] = ["--yes", "teardown", "--fleet", "fleet.yaml"];

/// Has a command be killed a write of the caller's later each time, until it comes to its end. Gives how often.
async fn killed_again(stage: &Stage, arguments: &[&str]) -> usize {
    killed_until_the_end(stage, 1, |call| call.principal.ends_with(":user/administrator"), (arguments, arguments)).await
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_write_is_gone_on_with_and_does_nothing_twice() {
    let stage = with_management(3).await;
    prepend(&stage, "central: { emails: [team@example.org] }");
    let artifact = function().to_str().unwrap();
    let kills = killed_again(&stage, &["--yes", "rollout", "--artifact", artifact]).await;
    assert!(kills >= 4, "it was killed {kills} times");
    // The bucket, the place where all comes together, and the management account.
    let executed = |world: &mut World| {
        let executed = |call: &&sandbox::Call| call.operation == "cloudformation:ExecuteChangeSet";
        world.calls().iter().filter(executed).count()
    };
    assert_eq!(stage.sandbox.visit(executed).await, 3);
    let sets = stage.sandbox.visit(|world| world.stack_sets()).await;
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0].operations, ["CREATE SUCCEEDED"]);
    let made = ["01", "02", "03", "33", "33", "33"].map(|account| format!("{account} CREATE_COMPLETE"));
    assert_eq!(stacks(&stage).await, made);
    pass(&stage).await;
    assert_eq!(served(&stage, 3).await, [1, 2, 3]);
    assert_eq!(stage.sandbox.visit(|world| keys(world, ACCOUNT).len()).await, 2);
    let kills = killed_again(&stage, &TEARDOWN).await;
    assert!(kills >= 4, "it was killed {kills} times");
    assert_eq!(stacks(&stage).await, [""; 0]);
    let off = |world: &mut World| {
        let accounts = (1..=3).map(account).chain([ACCOUNT.to_owned()]);
        let secrets = accounts.flat_map(|account| world.secrets(&account, crate::stage::REGION));
        secrets.filter(|secret| secret.rotation_enabled).count()
    };
    assert_eq!(stage.sandbox.visit(off).await, 0);
}

/// At the set the second waits for the first. The stacks beside it are whose change set is executed first.
#[tokio::test]
async fn two_runs_at_once_make_nothing_twice() {
    let stage = with_management(2).await;
    prepend(&stage, "central: {}");
    let (one, two) = tokio::join!(rollout(&stage, &[]), rollout(&stage, &[]));
    for run in [&one, &two] {
        assert!(run.code == 0 || run.to_string().contains("run the same command again"), "{run}");
    }
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("3 accounts: 3 unchanged"), "{run}");
    let made = ["01", "02", "33", "33", "33"].map(|account| format!("{account} CREATE_COMPLETE"));
    assert_eq!(stacks(&stage).await, made);
}

/// Accounts one after the other, each of which takes a while.
async fn slow_stage() -> Stage {
    let stage = staged(4, Options { pace: 0.02, ..Options::default() }).await;
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    std::fs::write(stage.path("fleet.yaml"), fleet.replace("at_once: 10", "at_once: 1")).unwrap();
    stage
}

/// A rollout that gets a signal as soon as the second account is begun.
async fn signalled(stage: &Stage, signal: &'static str) -> Run {
    let process = Arc::new(AtomicU32::new(0));
    let victim = process.clone();
    let send = move |_: &World, call: &sandbox::Call| {
        if call.operation.starts_with("cloudformation:Create AWS::") && call.principal.contains(&account(2)) {
            let process = victim.swap(0, Ordering::SeqCst);
            if process != 0 {
                let told = std::process::Command::new("kill").args([signal, &process.to_string()]).status();
                assert!(told.unwrap().success());
            }
        }
        Vec::new()
    };
    stage.sandbox.visit(move |world| world.observe(send)).await;
    let run = stage.keyturn_noted(&process, &["--yes", "rollout", "--artifact", function().to_str().unwrap()]).await;
    stage.sandbox.visit(|world| world.observe(|_, _| Vec::new())).await;
    run
}

#[tokio::test]
async fn ctrl_c_stops_the_operation_and_the_next_run_does_the_rest() {
    let stage = slow_stage().await;
    let run = signalled(&stage, "-INT").await;
    assert!(run.code == 6 && run.stdout.contains("4 accounts: 2 deployed, 2 not reached"), "{run}");
    assert!(run.stderr.contains("those under way come to their end"), "{run}");
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("4 accounts: 2 deployed, 2 unchanged"), "{run}");
    let sets = stage.sandbox.visit(|world| world.stack_sets()).await;
    assert_eq!(sets[0].operations, ["CREATE STOPPED", "CREATE SUCCEEDED"]);
}

#[tokio::test]
async fn what_a_killed_run_has_begun_is_waited_for() {
    let stage = slow_stage().await;
    assert_eq!(signalled(&stage, "-KILL").await.code, -1);
    let run = rollout(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_after_a_kill", run));
    assert_eq!(run.code, 0);
    let sets = stage.sandbox.visit(|world| world.stack_sets()).await;
    assert_eq!(sets[0].operations, ["CREATE SUCCEEDED"]);
}

/// What is in a suspended account is out of everybody's reach.
#[tokio::test]
async fn a_suspended_account_keeps_nobody_from_a_teardown() {
    let stage = stage(2).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    stage.sandbox.visit(|world| world.suspend_account(&account(2)).unwrap()).await;
    let run = stage.keyturn(&TEARDOWN).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_suspended_account", run));
    assert_eq!(run.code, 0);
    assert_eq!(stacks(&stage).await, ["02 CREATE_COMPLETE"]);
    assert!(stage.sandbox.visit(|world| world.stack_sets()).await[0].deleted);
}

#[tokio::test]
async fn an_organization_that_does_not_trust_stack_sets_is_told_how_it_would() {
    let stage = super::super::stage(1).await;
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    let select = "users: { select: { path: /service/ } }";
    std::fs::write(stage.path("fleet.yaml"), fleet.replace("users: [ci, mail]", select)).unwrap();
    let run = rollout(&stage, &["--engine", "stacksets"]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_not_activated", run));
    assert_eq!(run.code, 1);
    stage.sandbox.visit(|world| world.activate_stack_sets(ACCOUNT)).await;
    assert_eq!(rollout(&stage, &["--engine", "stacksets"]).await.code, 0);
}
