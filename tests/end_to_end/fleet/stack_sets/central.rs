//! The one place in which the events and alarms of a fleet come together that StackSets serves.

use sandbox::{StackAction, World};
use serde_json::Value;

use super::callers::prepend;
use super::management::with_management;
use super::{ACCOUNT, REGION, account, pass, rollout, stacks};
use crate::stage::{Stage, function};

const CENTRAL: &str = "central: { emails: [team@example.org] }";
const TEARDOWN: [&str; 4] = ["--yes", "teardown", "--fleet", "fleet.yaml"];

/// The accounts of which there are events in the central log.
async fn logged(stage: &Stage) -> Vec<String> {
    let text = stage.sandbox.visit(|world| world.log(ACCOUNT, REGION, "/aws/events/keyturn-central")).await;
    let account = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["account"].as_str().unwrap()[10..].to_owned()
    };
    let accounts: std::collections::BTreeSet<String> = text.lines().map(account).collect();
    accounts.into_iter().collect()
}

#[tokio::test]
async fn every_account_forwards_to_it_and_it_goes_behind_the_last() {
    let stage = with_management(2).await;
    prepend(&stage, CENTRAL);
    let artifact = function().to_str().unwrap();
    let plan = ["plan", "--fleet", "fleet.yaml", "--artifact", artifact, "--detailed-exitcode"];
    assert_eq!(stage.keyturn(&plan).await.code, 2);
    let run = rollout(&stage, &["--output", "json"]).await;
    assert!(run.code == 0 && run.stderr.contains("deploy the stack `keyturn-central`"), "{run}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["central"], "deployed");
    pass(&stage).await;
    assert_eq!(logged(&stage).await, ["01", "02", "33"]);
    assert_eq!(stage.keyturn(&plan).await.code, 0);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("3 accounts: 3 unchanged"), "{run}");

    // It is there before the first account, and another address is about it alone.
    let central_first = |world: &mut World| {
        let place = |what: &str| world.calls().iter().position(|call| call.operation == what);
        place("cloudformation:Create AWS::Events::EventBus") < place("cloudformation:CreateStackInstances")
    };
    assert!(stage.sandbox.visit(central_first).await);
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    std::fs::write(stage.path("fleet.yaml"), fleet.replace("team@", "others@")).unwrap();
    assert_eq!(stage.keyturn(&plan).await.code, 2);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("3 accounts: 3 unchanged"), "{run}");
    let topics = stage.sandbox.visit(|world| world.topics(ACCOUNT, REGION)).await;
    assert_eq!(topics[0].subscriptions[0].endpoint, "others@example.org");

    // An account whose stack is left may forward to it.
    stage.sandbox.visit(|world| world.fail_resource_in(&account(2), "Forward", StackAction::Delete, "no")).await;
    let run = stage.keyturn(&TEARDOWN).await;
    assert!(run.code == 3 && run.stderr.contains("`keyturn-central` stays"), "{run}");
    let run = stage.keyturn(&TEARDOWN).await;
    assert_eq!((run.code, stacks(&stage).await.len()), (0, 0), "{run}");
    let left = |world: &mut World| world.inventory(ACCOUNT).into_iter().filter(|it| !it.starts_with("secret ")).count();
    assert_eq!(stage.sandbox.visit(left).await, 0);
}

/// A bus that is named goes before the fleet's own.
#[tokio::test]
async fn the_file_may_name_another_bus() {
    let stage = with_management(1).await;
    prepend(&stage, CENTRAL);
    let bus = format!("arn:aws:events:{REGION}:{}:event-bus/keyturn-central", account(1));
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    std::fs::write(stage.path("fleet.yaml"), fleet.replace("dashboard: false", &format!("central: '{bus}'"))).unwrap();
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    let forwards =
        move |world: &mut World| world.rules(ACCOUNT, REGION).iter().any(|rule| format!("{rule:?}").contains(&bus));
    assert!(stage.sandbox.visit(forwards).await);
}
