//! Fleets beyond what one operation takes, and beyond what an account may have.

use sandbox::World;

use super::{account, amend, configure, rollout, settings, stacks, stage, unit};
use crate::stage::Stage;

/// More than an operation may name, with two accounts in each.
const UNITS: usize = 60;

async fn with_many_units() -> Stage {
    let stage = stage(0).await;
    let upper = unit(&stage);
    let populate = move |world: &mut World| {
        let unit = |world: &mut World, number: usize| {
            let unit = world.create_organizational_unit(&upper, &format!("unit {number}")).unwrap();
            for half in 0..2 {
                let account = format!("3333{:08}", 2 * number + half);
                world.create_member_account(&unit, &account, "").unwrap();
            }
            unit
        };
        (0..UNITS).map(|number| unit(world, number)).collect::<Vec<_>>()
    };
    let units = stage.sandbox.visit(populate).await;
    configure(&stage, &format!("units: [{}]", units.join(", ")), "");
    stage
}

#[tokio::test]
async fn more_units_than_an_operation_takes_are_served_by_several() {
    let stage = with_many_units().await;
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("120 accounts: 120 deployed"), "{run}");
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("120 accounts: 120 unchanged"), "{run}");
    amend(&stage, "  function: { memory: 512 }\n");
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("120 accounts: 120 deployed"), "{run}");
    let run = stage.keyturn(&["--yes", "teardown", "--fleet", "fleet.yaml"]).await;
    assert_eq!((run.code, stacks(&stage).await.len()), (0, 0), "{run}");
    let operations = stage.sandbox.visit(|world| world.stack_sets()[0].operations.clone()).await;
    let expected = ["CREATE", "CREATE", "UPDATE", "DELETE", "DELETE"].map(|action| format!("{action} SUCCEEDED"));
    assert_eq!(operations, expected);
}

#[tokio::test]
async fn a_quota_that_is_too_low_is_told_with_what_to_do_and_gone_on_from() {
    let stage = stage(3).await;
    stage.sandbox.visit(|world| world.limit_stack_sets(0, 100)).await;
    let run = rollout(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_quota", run));
    assert_eq!(run.code, 1);
    stage.sandbox.visit(|world| world.limit_stack_sets(1, 2)).await;
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 1 && run.stderr.contains("have the quota raised"), "{run}");
    stage.sandbox.visit(|world| world.limit_stack_sets(1, 3)).await;
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("3 accounts: 3 deployed"), "{run}");
    assert!(stacks(&stage).await.contains(&format!("{} CREATE_COMPLETE", &account(3)[10..])));
}
