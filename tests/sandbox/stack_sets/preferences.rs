//! Operation preferences: how many accounts at once, how many may fail, and what the rest of an operation is then.

use aws_sdk_cloudformation::types::builders::StackSetOperationPreferencesBuilder;
use aws_sdk_cloudformation::types::{ConcurrencyMode, RegionConcurrencyType, StackSetOperationPreferences};
use sandbox::StackAction;

use super::{FAR, Fleet, MEMBERS};
use crate::clients::REGION;
use crate::identity::{error, refusal};

const CANCELLED: &str = "CANCELLED: Cancelled since failure tolerance has exceeded";

fn preferences() -> StackSetOperationPreferencesBuilder {
    StackSetOperationPreferences::builder()
}

/// How many of the results are how far.
async fn count(fleet: &Fleet, operation: &str, status: &str) -> usize {
    fleet.results(operation).await.iter().filter(|result| result.contains(status)).count()
}

#[tokio::test]
async fn what_fails_beyond_the_tolerance_ends_the_operation() {
    let one = preferences().failure_tolerance_count(1);
    let share = preferences().failure_tolerance_percentage(34);
    let too_small = preferences().failure_tolerance_percentage(33);
    for (given, expected) in
        [(preferences(), "FAILED"), (one, "SUCCEEDED"), (share, "SUCCEEDED"), (too_small, "FAILED")]
    {
        let fleet = Fleet::start().await;
        fleet.make_set().await;
        fleet.sandbox.visit(|world| world.fail_resource_in(MEMBERS[0], "Role", StackAction::Create, "no")).await;
        let shown = format!("{given:?}");
        let create = fleet.instances().operation_preferences(given.build()).send().await.unwrap();
        fleet.sandbox.settle().await;
        let operation = create.operation_id.unwrap();
        assert_eq!(fleet.status(&operation).await, expected, "{shown}");
        let others = match expected {
            "FAILED" => [format!("002 {CANCELLED}"), format!("003 {CANCELLED}")],
            _ => ["002 SUCCEEDED".to_owned(), "003 SUCCEEDED".to_owned()],
        };
        assert_eq!(fleet.results(&operation).await[1..], others, "{shown}");
    }
}

#[tokio::test]
async fn a_failure_in_one_region_keeps_the_operation_from_the_next() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    fleet.sandbox.visit(|world| world.fail_resource_in(MEMBERS[2], "Role", StackAction::Create, "no")).await;
    let order = preferences().region_order(FAR).region_order(REGION).build();
    let create = fleet.instances().regions(FAR).operation_preferences(order).send().await.unwrap();
    fleet.sandbox.settle().await;
    let operation = create.operation_id.unwrap();
    assert_eq!(fleet.status(&operation).await, "FAILED");
    let listed = fleet.client.list_stack_set_operation_results().stack_set_name("keyturn").operation_id(&operation);
    let listed = listed.send().await.unwrap();
    let done = |region: &str| {
        let of_region = listed.summaries().iter().filter(|result| result.region() == Some(region));
        of_region.map(|result| result.status().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(done(FAR), ["SUCCEEDED", "SUCCEEDED", "FAILED"], "it was the first in the order");
    assert_eq!(done(REGION), ["CANCELLED", "CANCELLED", "CANCELLED"]);
}

#[tokio::test]
async fn so_many_accounts_are_worked_on_at_once() {
    use ConcurrencyMode::{SoftFailureTolerance as Soft, StrictFailureTolerance as Strict};
    for (at_once, tolerance, mode, expected) in
        [(1, 0, Strict, 1), (3, 0, Strict, 1), (3, 1, Strict, 2), (3, 0, Soft, 3), (2, 0, Soft, 2)]
    {
        let fleet = Fleet::start_slow().await;
        fleet.make_set().await;
        let shown = format!("{at_once} {tolerance} {mode:?}");
        let given =
            preferences().max_concurrent_count(at_once).failure_tolerance_count(tolerance).concurrency_mode(mode);
        let create = fleet.instances().operation_preferences(given.build()).send().await.unwrap();
        let operation = create.operation_id.unwrap();
        assert_eq!(fleet.status(&operation).await, "RUNNING");
        assert_eq!(count(&fleet, &operation, "PENDING").await, 3, "nothing has begun yet");
        fleet.sandbox.advance(std::time::Duration::from_secs(6)).await;
        assert_eq!(count(&fleet, &operation, "RUNNING").await, expected, "{shown}");
        assert_eq!(fleet.stacks().await.len(), expected);
        fleet.sandbox.advance(std::time::Duration::from_secs(600)).await;
        assert_eq!(fleet.status(&operation).await, "SUCCEEDED");
    }
}

#[tokio::test]
async fn regions_are_worked_on_one_after_the_other_or_at_the_same_time() {
    for (kind, expected) in [(RegionConcurrencyType::Sequential, 1), (RegionConcurrencyType::Parallel, 2)] {
        let fleet = Fleet::start_slow().await;
        fleet.make_set().await;
        let given = preferences().region_concurrency_type(kind).build();
        fleet.instances().regions(FAR).operation_preferences(given).send().await.unwrap();
        fleet.sandbox.advance(std::time::Duration::from_secs(6)).await;
        assert_eq!(fleet.stacks().await.len(), expected);
    }
}

#[tokio::test]
async fn preferences_that_contradict_each_other_are_refused() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    for given in [
        preferences().failure_tolerance_count(1).failure_tolerance_percentage(10),
        preferences().max_concurrent_count(1).max_concurrent_percentage(10),
        preferences().max_concurrent_count(0),
        preferences().max_concurrent_percentage(101),
        preferences().failure_tolerance_count(-1),
    ] {
        let refused = fleet.instances().operation_preferences(given.build()).send().await;
        assert_eq!(refusal(refused), error(400, "ValidationError"));
    }
}
