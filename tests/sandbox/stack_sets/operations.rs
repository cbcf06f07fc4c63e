//! Operations: their ids, several of them on one set, and how one is stopped.

use std::time::{Duration, Instant};

use aws_sdk_cloudformation::types::{
    AccountFilterType, ConcurrencyMode, OperationResultFilter, OperationResultFilterName, StackSetOperationPreferences,
};
use sandbox::{Fault, FaultEffect};

use super::{FAR, Fleet, MEMBERS};
use crate::clients::REGION;
use crate::identity::{change, error, refusal};

/// As many accounts as a large organization has.
const HUNDREDS: usize = 400;

#[tokio::test]
async fn an_id_is_good_for_one_operation() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    fleet.instances().operation_id("first-of-all").send().await.unwrap();
    fleet.sandbox.settle().await;
    assert_eq!(fleet.status("first-of-all").await, "SUCCEEDED");
    let again = fleet.instances().operation_id("first-of-all").send().await;
    assert_eq!(refusal(again), error(409, "OperationIdAlreadyExistsException"));
    let wrong = fleet.instances().operation_id("first of all").send().await;
    assert_eq!(refusal(wrong), error(400, "ValidationError"));
    let missing = fleet.client.describe_stack_set_operation().stack_set_name("keyturn").operation_id("second").send();
    assert_eq!(refusal(missing.await), error(404, "OperationNotFoundException"));
    let operation = fleet.operation("first-of-all").await;
    assert_eq!(operation.action.unwrap().as_str(), "CREATE");
    assert_eq!(operation.deployment_targets.unwrap().organizational_unit_ids(), std::slice::from_ref(&fleet.unit));
    assert!(operation.creation_timestamp.unwrap() < operation.end_timestamp.unwrap());
}

#[tokio::test]
async fn an_operation_whose_answer_is_lost_is_found_by_its_id() {
    let fleet = Fleet::start_slow().await;
    fleet.make_set().await;
    let operation = Some("cloudformation:CreateStackInstances".to_owned());
    let lost = Fault { operation, principal: None, after: 0, effect: FaultEffect::LoseAnswer };
    fleet.sandbox.visit(|world| world.inject(lost)).await;
    fleet.instances().operation_id("once").send().await.unwrap_err();
    assert_eq!(fleet.status("once").await, "RUNNING");
    let again = fleet.instances().operation_id("once").send().await;
    assert_eq!(refusal(again), error(409, "OperationIdAlreadyExistsException"), "and not that one is in progress");
    fleet.sandbox.advance(Duration::from_secs(600)).await;
    assert_eq!(fleet.status("once").await, "SUCCEEDED");
    let set = fleet.sandbox.visit(|world| world.stack_sets()).await.remove(0);
    assert_eq!((set.operations, set.instances.len()), (vec!["CREATE SUCCEEDED".to_owned()], 3));
}

#[tokio::test]
async fn one_operation_at_a_time_unless_execution_is_managed() {
    let fleet = Fleet::start_slow().await;
    fleet.make_set().await;
    fleet.instances().send().await.unwrap();
    let in_progress = error(409, "OperationInProgressException");
    let elsewhere = fleet.client.create_stack_instances().stack_set_name("keyturn").regions(FAR);
    let elsewhere = elsewhere.deployment_targets(fleet.targets(&fleet.unit)).send().await;
    assert_eq!(refusal(elsewhere), in_progress, "although it is about other places");
    let delete = fleet.client.delete_stack_set().stack_set_name("keyturn").send().await;
    assert_eq!(refusal(delete), in_progress);
    fleet.sandbox.advance(Duration::from_secs(600)).await;
    fleet.instances().send().await.expect("the first one is over");
}

#[tokio::test]
async fn managed_execution_has_operations_wait_that_are_in_each_others_way() {
    let fleet = Fleet::start_slow().await;
    fleet.make_managed_set().await;
    let create = async |members: &[&str]| {
        let targets = fleet.filtered(AccountFilterType::Intersection, members);
        fleet.instances().deployment_targets(targets).send().await.unwrap().operation_id.unwrap()
    };
    let first = create(&[MEMBERS[0]]).await;
    let second = create(&[MEMBERS[1]]).await;
    let third = create(&[MEMBERS[1], MEMBERS[2]]).await;
    let update = fleet.client.update_stack_set().stack_set_name("keyturn").use_previous_template(true);
    let update = update.capabilities("CAPABILITY_NAMED_IAM".into()).send().await.unwrap().operation_id.unwrap();
    let statuses = async || {
        let mut statuses = Vec::new();
        for id in [&first, &second, &third, &update] {
            statuses.push(fleet.status(id).await);
        }
        statuses
    };
    assert_eq!(statuses().await, ["RUNNING", "RUNNING", "QUEUED", "QUEUED"]);
    fleet.sandbox.advance(Duration::from_secs(27)).await;
    assert_eq!(statuses().await, ["SUCCEEDED", "SUCCEEDED", "RUNNING", "QUEUED"]);
    fleet.sandbox.advance(Duration::from_secs(600)).await;
    assert_eq!(statuses().await, ["SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]);
    let listed = fleet.client.list_stack_set_operations().stack_set_name("keyturn").send().await.unwrap();
    let ids: Vec<_> = listed.summaries().iter().filter_map(|it| it.operation_id()).collect();
    assert_eq!(ids, [&update, &third, &second, &first], "newest first");
}

#[tokio::test]
async fn a_stopped_operation_ends_what_it_has_begun() {
    let fleet = Fleet::start_slow().await;
    fleet.make_managed_set().await;
    let operation = fleet.instances().send().await.unwrap().operation_id.unwrap();
    let waiting = fleet.instances().send().await.unwrap().operation_id.unwrap();
    fleet.sandbox.advance(Duration::from_secs(6)).await;
    let stop = |id: &str| fleet.client.stop_stack_set_operation().stack_set_name("keyturn").operation_id(id).send();
    stop(&waiting).await.unwrap();
    assert_eq!(fleet.status(&waiting).await, "STOPPED");
    stop(&operation).await.unwrap();
    assert_eq!(fleet.status(&operation).await, "STOPPING");
    assert_eq!(refusal(stop(&operation).await), error(400, "InvalidOperationException"));
    fleet.sandbox.advance(Duration::from_secs(600)).await;
    assert_eq!(fleet.status(&operation).await, "STOPPED");
    let cancelled = |account: &str| format!("{account} CANCELLED: Cancelled since the operation was stopped");
    assert_eq!(fleet.results(&operation).await, ["001 SUCCEEDED".into(), cancelled("002"), cancelled("003")]);
    assert_eq!(fleet.shown().await, ["001 CURRENT SUCCEEDED", "002 OUTDATED CANCELLED", "003 OUTDATED CANCELLED"]);
    let filter = OperationResultFilter::builder().name(OperationResultFilterName::OperationResultStatus);
    let list = fleet.client.list_stack_set_operation_results().stack_set_name("keyturn").operation_id(&operation);
    let listed = list.filters(filter.values("CANCELLED").build()).max_results(1).send().await.unwrap();
    assert_eq!((listed.summaries().len(), listed.next_token().is_some()), (1, true));
    assert_eq!(listed.summaries()[0].region(), Some(REGION));
}

#[tokio::test]
async fn hundreds_of_accounts_are_no_trouble() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    let unit = fleet.unit.clone();
    change(&fleet.sandbox, move |world| {
        (0..HUNDREDS)
            .try_for_each(|number| world.create_member_account(&unit, &format!("3{number:011}"), "x").map(drop))
    })
    .await;
    let began = Instant::now();
    let fast = StackSetOperationPreferences::builder().max_concurrent_percentage(100).failure_tolerance_percentage(10);
    let fast = fast.concurrency_mode(ConcurrencyMode::SoftFailureTolerance).build();
    let operation = fleet.instances().operation_preferences(fast).send().await.unwrap().operation_id.unwrap();
    fleet.sandbox.settle().await;
    assert_eq!(fleet.status(&operation).await, "SUCCEEDED");
    let list = fleet.client.list_stack_instances().stack_set_name("keyturn").into_paginator().items();
    let listed: Vec<_> = list.send().collect().await;
    assert_eq!(listed.into_iter().filter(Result::is_ok).count(), MEMBERS.len() + HUNDREDS);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
