//! `--drift` and `--express` over a fleet, and what is only for a single account.

use sandbox::World;
use serde_json::json;

use super::{account, rollout, served, settings, stage};
use crate::stage::{Stage, function};

async fn plan(stage: &Stage, arguments: &[&str]) -> crate::stage::Run {
    let fixed = ["plan", "--fleet", "fleet.yaml", "--artifact", function().to_str().unwrap(), "--detailed-exitcode"];
    stage.keyturn(&[&fixed, arguments].concat()).await
}

#[tokio::test]
async fn what_was_changed_past_cloudformation_is_found_in_every_account_when_somebody_asks() {
    let stage = stage(2).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    // The first stack of that name is the one of the first account.
    let meddle = |world: &mut World| {
        world.change_resource("keyturn", "Function", &json!({ "MemorySize": 512 })).unwrap();
        world.delete_resource("keyturn", "AgeAlarm").unwrap();
    };
    stage.sandbox.visit(meddle).await;
    assert_eq!(plan(&stage, &[]).await.code, 0);
    let run = plan(&stage, &["--drift"]).await;
    settings().bind(|| insta::assert_snapshot!("a_plan_of_drift", run));
    assert_eq!(run.code, 2);
    let status = ["status", "--fleet", "fleet.yaml", "--detailed-exitcode"];
    assert_eq!(stage.keyturn(&status).await.code, 0);
    let run = stage.keyturn(&[status.as_slice(), &["--drift"]].concat()).await;
    settings().bind(|| insta::assert_snapshot!("a_status_of_drift", run));
    assert_eq!(run.code, 3);
    // A journal that knows the accounts as done is no reason not to look.
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("2 accounts: 2 unchanged"), "{run}");
    let run = rollout(&stage, &["--drift"]).await;
    assert!(run.code == 0 && run.stdout.contains("2 accounts: 1 deployed, 1 unchanged"), "{run}");
    assert!(run.stdout.lines().any(|line| line.contains(&account(1)) && line.contains("deployed")), "{run}");
    assert_eq!(plan(&stage, &["--drift"]).await.code, 0);
    assert_eq!(rollout(&stage, &["--sandbox", "--drift"]).await.code, 64, "a copy has no drift");
}

#[tokio::test]
async fn a_rollout_in_express_mode_waits_in_each_account_until_the_function_can_work() {
    let stage = stage(2).await;
    let run = plan(&stage, &["--express"]).await;
    assert!(run.code == 2 && rollout(&stage, &["--sandbox", "--express", "--failures", "0"]).await.code == 0, "{run}");
    let run = rollout(&stage, &["--express"]).await;
    assert!(run.code == 0 && run.stderr.contains("in express mode"), "{run}");
    assert_eq!(served(&stage, 2).await, [1, 2]);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("2 accounts: 2 unchanged"), "{run}");
}

#[tokio::test]
async fn what_is_only_for_a_single_account_is_refused() {
    let stage = stage(1).await;
    let key = "AKIAAAAAAAAAAAAAAAAA";
    for arguments in
        [&["ci"][..], &["--out", "plan.json"], &["--artifact-bucket", "mine"], &["--reclaim", key], &["--retire", key]]
    {
        let run = plan(&stage, arguments).await;
        assert!(run.code == 64 && run.stderr.contains("is about a single account"), "{run}");
    }
    let run = plan(&stage, &["ci"]).await;
    settings().bind(|| insta::assert_snapshot!("a_plan_for_one_account", run));
    assert_eq!(stage.sandbox.visit(|world| world.calls().len()).await, 0);
}
