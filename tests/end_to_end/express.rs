//! `bootstrap --express`: CloudFormation waits for nothing and takes nothing back, so keyturn waits and goes on itself.

use sandbox::{StackAction, World};

use crate::bootstrap::{configure, current_keys, in_order};
use crate::stage::{ACCOUNT, Run, Stage, function, settings};
use crate::strikes::{Strike, Written, all, writes};

async fn stage(users: &[&str]) -> Stage {
    let stage = Stage::with_users(users).await;
    configure(&stage, users, "");
    stage
}

async fn fail(stage: &Stage, logical_id: &'static str, on: StackAction) {
    stage.sandbox.visit(move |world| world.fail_resource("keyturn", logical_id, on, "not today")).await;
}

async fn status(stage: &Stage) -> String {
    let stacks = stage.sandbox.visit(|world| world.stacks()).await;
    stacks.into_iter().rev().find(|stack| stack.name == "keyturn").unwrap().status
}

async fn plan(stage: &Stage, arguments: &[&str]) -> Run {
    stage.keyturn(&[&["plan", "--artifact", function().to_str().unwrap()], arguments].concat()).await
}

/// Whether the function was refused something, and how often it was asked whether it is there.
async fn impatience(stage: &Stage) -> (bool, usize) {
    let look = |world: &mut World| {
        let denied = world.calls().iter().any(|call| call.principal.contains("assumed-role/") && call.is_denied());
        let looks = world.calls().iter().filter(|call| call.operation == "lambda:GetFunctionConfiguration").count();
        (denied, looks)
    };
    stage.sandbox.visit(look).await
}

#[tokio::test]
async fn the_first_rotations_wait_until_the_function_can_work() {
    let stage = stage(&["alice", "bob"]).await;
    let run = stage.bootstrap(&["--express"]).await;
    let (denied, looks) = impatience(&stage).await;
    assert!(denied && looks > 1, "nothing had to be waited for: {looks} {run}");
    settings().bind(|| insta::assert_snapshot!("bootstrap", in_order(run)));
    assert_eq!(current_keys(&stage, &["alice", "bob"]).await.len(), 2);
    let run = stage.bootstrap(&["--express"]).await;
    assert!(run.code == 0 && run.stdout.contains("nothing to do"), "{run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_creation_that_fails_stays_and_the_next_run_goes_on() {
    let stage = stage(&["alice", "bob"]).await;
    fail(&stage, "Function", StackAction::Create).await;
    let run = stage.bootstrap(&["--express"]).await;
    settings().bind(|| insta::assert_snapshot!("failed_creation", in_order(run)));
    assert_eq!(status(&stage).await, "CREATE_FAILED");
    let left = stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    assert!(left.iter().any(|item| item.starts_with("role ")), "nothing was deleted: {left:?}");
    let run = plan(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("plan_of_the_rest", run));
    // It fails once more, in the usual mode: what was made stays again.
    fail(&stage, "Function", StackAction::Create).await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!((run.code, status(&stage).await.as_str()), (4, "UPDATE_FAILED"), "{run}");
    let run = stage.bootstrap(&[]).await;
    assert_eq!((run.code, status(&stage).await.as_str()), (0, "UPDATE_COMPLETE"), "{run}");
    assert_eq!(current_keys(&stage, &["alice", "bob"]).await.len(), 2);
    let run = stage.bootstrap(&[]).await;
    assert!(run.code == 0 && run.stdout.contains("nothing to do"), "{run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_creation_that_failed_can_be_taken_back_by_hand() {
    let stage = stage(&["alice"]).await;
    fail(&stage, "Sweeper", StackAction::Create).await;
    let run = stage.bootstrap(&["--express"]).await;
    assert!(run.code == 4 && run.stderr.contains("aws cloudformation rollback-stack --stack-name keyturn"), "{run}");
    let client = aws_sdk_cloudformation::Client::new(&stage.config());
    client.rollback_stack().stack_name("keyturn").send().await.unwrap();
    assert_eq!(status(&stage).await, "ROLLBACK_COMPLETE");
    let run = stage.bootstrap(&[]).await;
    assert_eq!((run.code, current_keys(&stage, &["alice"]).await.len()), (0, 1), "{run}");
}

#[tokio::test]
async fn an_update_that_fails_stays_and_the_next_run_goes_on() {
    let stage = stage(&["alice"]).await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let keys = current_keys(&stage, &["alice"]).await;
    configure(&stage, &["alice"], "function: { memory: 256 }\n");
    fail(&stage, "Function", StackAction::Update).await;
    let run = stage.bootstrap(&["--express"]).await;
    assert_eq!((run.code, status(&stage).await.as_str()), (4, "UPDATE_FAILED"), "{run}");
    let run = stage.bootstrap(&["--express"]).await;
    assert_eq!((run.code, status(&stage).await.as_str()), (0, "UPDATE_COMPLETE"), "{run}");
    let drifted = stage.keyturn(&["status", "--drift", "--detailed-exitcode"]).await;
    assert_eq!(drifted.code, 0, "the memory is what it should be: {drifted}");
    assert_eq!(current_keys(&stage, &["alice"]).await, keys);
}

#[tokio::test]
async fn a_plan_that_is_kept_says_that_it_is_express() {
    let stage = stage(&["alice"]).await;
    let file = stage.path("plan.json");
    let file = file.to_str().unwrap();
    let run = plan(&stage, &["--express", "--out", file]).await;
    assert!(run.code == 0 && run.stdout.contains("create  the stack `keyturn` in express mode"), "{run}");
    let run = stage.keyturn(&["bootstrap", "--artifact", function().to_str().unwrap(), "--plan", file]).await;
    assert!(run.code == 0 && impatience(&stage).await.0, "{run}");
}

async fn survives(written: &Written, strike: Strike) {
    let (stage, at) = (stage(&["alice"]).await, format!("{strike:?} at {written:?}"));
    let run = strike.run(&stage, written, &["bootstrap", "--express"]).await;
    stage.sandbox.settle().await;
    let again = stage.bootstrap(&["--express"]).await;
    assert_eq!(again.code, 0, "{at}: {run}\n{again}");
    stage.sandbox.settle().await;
    assert_eq!(current_keys(&stage, &["alice"]).await.len(), 1, "{at}");
    let planned = plan(&stage, &["--drift", "--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{at}: {planned}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_express_bootstrap_is_completed_by_the_next_whatever_strikes_it() {
    let healthy = stage(&["alice"]).await;
    let run = healthy.bootstrap(&["--express"]).await;
    assert_eq!(run.code, 0, "{run}");
    let writes = writes(&healthy).await;
    assert!(writes.iter().any(|written| written.operation == "lambda:Invoke"), "{writes:?}");
    // How often the function is asked is as it comes; what is refused there is only asked again.
    let writes: Vec<_> = writes.into_iter().filter(|it| it.operation != "lambda:Invoke" || it.after == 0).collect();
    for written in &writes {
        let is_asked_again = written.operation == "lambda:Invoke";
        let strikes = [Strike::Kill, Strike::LoseAnswer].into_iter().chain((!is_asked_again).then_some(Strike::Refuse));
        all(strikes.map(|strike| survives(written, strike))).await;
    }
}
