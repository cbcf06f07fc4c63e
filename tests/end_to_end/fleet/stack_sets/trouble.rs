//! StackSets when it does not go as it should: runs that are killed, Ctrl-C, and others at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use sandbox::World;

use super::{ACCOUNT, account, pass, rollout, served, settings, stacks, stage};
use crate::stage::{Run, Stage, function};

const TEARDOWN: [&str; 4] = ["--yes", "teardown", "--fleet", "fleet.yaml"];

/// Runs a command again and again, each time killed by the next write of the caller's, until it comes to its end. Gives
/// how often it was killed.
async fn killed_at_every_write(stage: &Stage, arguments: &[&str]) -> usize {
    let mut kills = 0_usize;
    loop {
        let process = Arc::new(AtomicU32::new(0));
        let (victim, mut after) = (process.clone(), kills + 1);
        let strike = move |_: &World, call: &sandbox::Call| {
            if call.is_write() && call.principal.ends_with(":user/administrator") {
                after = after.saturating_sub(1);
                let process = if after == 0 { victim.swap(0, Ordering::SeqCst) } else { 0 };
                if process != 0 {
                    let killed = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status();
                    assert!(killed.unwrap().success());
                }
            }
            Vec::new()
        };
        stage.sandbox.visit(move |world| world.observe(strike)).await;
        let run: Run = stage.keyturn_noted(&process, arguments).await;
        stage.sandbox.visit(|world| world.observe(|_, _| Vec::new())).await;
        if run.code == 0 {
            return kills;
        }
        assert_eq!(run.code, -1, "{run}");
        kills += 1;
        assert!(kills < 30, "it never comes to its end");
    }
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_write_is_gone_on_with_and_does_nothing_twice() {
    let stage = stage(3).await;
    let artifact = function().to_str().unwrap();
    let kills = killed_at_every_write(&stage, &["--yes", "rollout", "--artifact", artifact]).await;
    assert!(kills >= 2, "it was killed {kills} times");
    let sets = stage.sandbox.visit(|world| world.stack_sets()).await;
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0].operations, ["CREATE SUCCEEDED"]);
    let three = ["01 CREATE_COMPLETE", "02 CREATE_COMPLETE", "03 CREATE_COMPLETE", "33 CREATE_COMPLETE"];
    assert_eq!(stacks(&stage).await, three);
    pass(&stage).await;
    assert_eq!(served(&stage, 3).await, [1, 2, 3]);
    let kills = killed_at_every_write(&stage, &TEARDOWN).await;
    assert!(kills >= 2, "it was killed {kills} times");
    assert_eq!(stacks(&stage).await, [""; 0]);
    let off = |world: &mut World| {
        let secrets = (1..=3).flat_map(|number| world.secrets(&account(number), crate::stage::REGION));
        secrets.filter(|secret| secret.rotation_enabled).count()
    };
    assert_eq!(stage.sandbox.visit(off).await, 0);
}

/// The operation goes on while nobody looks: the answer to the request, and every look after it, come later.
#[tokio::test]
async fn ctrl_c_stops_the_operation_and_the_next_run_does_the_rest() {
    let stage = stage(4).await;
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    std::fs::write(stage.path("fleet.yaml"), fleet.replace("at_once: 10", "at_once: 1")).unwrap();
    let process = Arc::new(AtomicU32::new(0));
    let (victim, looks) = (process.clone(), Arc::new(AtomicUsize::new(0)));
    let press = move |_: &World, call: &sandbox::Call| {
        if call.operation == "cloudformation:CreateStackInstances" && looks.fetch_add(1, Ordering::SeqCst) == 0 {
            let process = victim.swap(0, Ordering::SeqCst);
            if process != 0 {
                let told = std::process::Command::new("kill").args(["-INT", &process.to_string()]).status();
                assert!(told.unwrap().success());
            }
        }
        Vec::new()
    };
    stage.sandbox.visit(move |world| world.observe(press)).await;
    let run = stage.keyturn_noted(&process, &["--yes", "rollout", "--artifact", function().to_str().unwrap()]).await;
    stage.sandbox.visit(|world| world.observe(|_, _| Vec::new())).await;
    assert!([0, 6].contains(&run.code), "{run}");
    let run = rollout(&stage, &[]).await;
    assert_eq!(run.code, 0, "{run}");
    pass(&stage).await;
    assert_eq!(served(&stage, 4).await, [1, 2, 3, 4]);
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
