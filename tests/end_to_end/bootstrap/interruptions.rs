//! `keyturn bootstrap`, struck at every call that changes something, and run again: it always comes to the same end.

use sandbox::World;

use super::{configure, current_keys, plan};
use crate::invariants::Watch;
use crate::stage::{ACCOUNT, Stage};
use crate::strikes::{STRIKES, Strike, Written, writes};

const USERS: [&str; 2] = ["alice", "bob"];

async fn stage() -> Stage {
    let stage = Stage::with_users(&USERS).await;
    configure(&stage, &USERS, "");
    let mut watch = Watch::default();
    stage.sandbox.visit(move |world| world.observe(move |world, call| watch.look(world, call))).await;
    stage
}

/// What a bootstrap writes that nothing happens to.
async fn healthy_writes() -> Vec<Written> {
    let stage = stage().await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let writes = writes(&stage).await;
    assert!(writes.len() >= 7, "hardly any call is struck: {writes:?}");
    writes
}

/// One history: a bootstrap that is struck, and then one that is not.
async fn survives(written: &Written, strike: Strike) {
    let stage = stage().await;
    let at = format!("{strike:?} at {written:?}");
    let run = strike.run(&stage, written, &["bootstrap"]).await;
    // Whatever CloudFormation and Secrets Manager have begun goes on without us.
    stage.sandbox.settle().await;
    let again = stage.bootstrap(&[]).await;
    assert_eq!(again.code, 0, "{at}: {run}\n{again}");
    stage.sandbox.settle().await;
    current_keys(&stage, &USERS).await;
    let check = |world: &mut World| {
        let keys: usize = USERS.iter().map(|user| world.access_keys(ACCOUNT, user).len()).sum();
        (keys, world.inventory(ACCOUNT), world.findings().to_vec())
    };
    let (keys, inventory, findings) = stage.sandbox.visit(check).await;
    assert_eq!((keys, findings), (USERS.len(), vec![]), "{at}: a key was made in vain");
    let stacks = inventory.iter().filter(|item| item.starts_with("stack ")).count();
    assert_eq!(stacks, 2, "{at}: {inventory:?}");
    let planned = plan(&stage, &["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 0, "{at}: {planned}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_that_is_struck_at_any_write_is_completed_by_the_next() {
    for written in healthy_writes().await {
        // Mostly waiting, so all at once.
        let written = &written;
        crate::strikes::all(STRIKES.map(|strike| survives(written, strike))).await;
    }
}
