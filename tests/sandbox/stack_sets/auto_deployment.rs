//! Automatic deployment: what becomes of accounts that come into a unit, move, and leave.

use aws_sdk_cloudformation::types::{AccountFilterType, AutoDeployment};

use super::{FAR, Fleet, MEMBERS, OUTSIDER};
use crate::cloudformation::{role, template};
use crate::identity::change;

/// The accounts that have an instance, in each region.
async fn accounts(fleet: &Fleet) -> Vec<String> {
    fleet.summaries().await.iter().map(|it| it.account().unwrap()[9..].to_owned()).collect()
}

/// The actions of the operations so far, oldest first.
async fn actions(fleet: &Fleet) -> Vec<String> {
    let listed = fleet.client.list_stack_set_operations().stack_set_name("keyturn").send().await.unwrap();
    let shown = listed.summaries().iter().map(|it| format!("{} {}", it.action().unwrap(), it.status().unwrap()));
    shown.rev().collect()
}

async fn move_to(fleet: &Fleet, account: &'static str, unit: &str) {
    let unit = unit.to_owned();
    change(&fleet.sandbox, move |world| world.move_account(account, &unit)).await;
    fleet.sandbox.settle().await;
}

#[tokio::test]
async fn accounts_that_come_into_a_unit_get_a_stack_and_lose_it_when_they_leave() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    fleet.instances().regions(FAR).send().await.unwrap();
    fleet.sandbox.settle().await;
    move_to(&fleet, OUTSIDER, &fleet.inner).await;
    assert_eq!(accounts(&fleet).await.len(), 8);
    assert_eq!(accounts(&fleet).await[6..], ["009", "009"]);
    move_to(&fleet, OUTSIDER, &fleet.unit).await;
    assert_eq!(actions(&fleet).await, ["CREATE SUCCEEDED", "CREATE SUCCEEDED"], "it is below the unit as before");
    move_to(&fleet, OUTSIDER, &fleet.root).await;
    assert_eq!(actions(&fleet).await.last().unwrap(), "DELETE SUCCEEDED");
    assert_eq!(accounts(&fleet).await.len(), 6);
    assert!(fleet.stacks().await.contains(&"009 DELETE_COMPLETE".to_owned()));
    let unit = fleet.unit.clone();
    change(&fleet.sandbox, move |world| world.create_member_account(&unit, "200000000004", "new").map(drop)).await;
    fleet.sandbox.settle().await;
    assert_eq!(accounts(&fleet).await[6..], ["004", "004"], "a new one");
    change(&fleet.sandbox, |world| world.remove_account(MEMBERS[0])).await;
    fleet.sandbox.settle().await;
    assert_eq!(accounts(&fleet).await, ["002", "002", "003", "003", "004", "004"], "gone from the organization");
}

#[tokio::test]
async fn stacks_of_accounts_that_leave_are_retained_if_the_set_says_so() {
    let fleet = Fleet::start().await;
    let retaining = AutoDeployment::builder().enabled(true).retain_stacks_on_account_removal(true).build();
    fleet.set(&template(&[role("Role", "")])).auto_deployment(retaining).send().await.unwrap();
    fleet.deploy().await;
    move_to(&fleet, MEMBERS[0], &fleet.root).await;
    assert_eq!(accounts(&fleet).await, ["002", "003"]);
    assert_eq!(fleet.stacks().await, ["001 CREATE_COMPLETE", "002 CREATE_COMPLETE", "003 CREATE_COMPLETE"]);
}

#[tokio::test]
async fn a_new_account_gets_its_stack_when_it_is_ready() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    fleet.deploy().await;
    let unit = fleet.unit.clone();
    change(&fleet.sandbox, move |world| {
        world.create_member_account(&unit, "200000000004", "new")?;
        world.delay_account_readiness("200000000004", std::time::Duration::from_secs(300))
    })
    .await;
    fleet.sandbox.settle().await;
    assert_eq!(accounts(&fleet).await, ["001", "002", "003", "004"]);
    assert_eq!(actions(&fleet).await, ["CREATE SUCCEEDED", "CREATE SUCCEEDED"], "none has failed");
}

#[tokio::test]
async fn nobody_follows_accounts_who_was_not_told_to() {
    let fleet = Fleet::start().await;
    let off = AutoDeployment::builder().enabled(false).build();
    fleet.set(&template(&[role("Role", "")])).auto_deployment(off).send().await.unwrap();
    fleet.deploy().await;
    move_to(&fleet, OUTSIDER, &fleet.unit).await;
    move_to(&fleet, MEMBERS[0], &fleet.root).await;
    assert_eq!(accounts(&fleet).await, ["001", "002", "003"]);
}

#[tokio::test]
async fn accounts_that_a_filter_leaves_out_stay_out() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    let but_one = fleet.filtered(AccountFilterType::Difference, &[OUTSIDER]);
    fleet.instances().deployment_targets(but_one).send().await.unwrap();
    fleet.sandbox.settle().await;
    move_to(&fleet, OUTSIDER, &fleet.unit).await;
    assert_eq!(accounts(&fleet).await, ["001", "002", "003"]);
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    let only_one = fleet.filtered(AccountFilterType::Intersection, &[MEMBERS[0]]);
    fleet.instances().deployment_targets(only_one).send().await.unwrap();
    fleet.sandbox.settle().await;
    move_to(&fleet, OUTSIDER, &fleet.unit).await;
    assert_eq!(accounts(&fleet).await, ["001"]);
}

#[tokio::test]
async fn an_account_that_comes_during_an_operation_waits_for_its_end() {
    let fleet = Fleet::start_slow().await;
    fleet.make_set().await;
    fleet.instances().send().await.unwrap();
    fleet.sandbox.advance(std::time::Duration::from_secs(1)).await;
    let unit = fleet.unit.clone();
    change(&fleet.sandbox, move |world| world.move_account(OUTSIDER, &unit)).await;
    fleet.sandbox.advance(std::time::Duration::from_secs(1200)).await;
    assert_eq!(actions(&fleet).await, ["CREATE SUCCEEDED", "CREATE SUCCEEDED"]);
    assert_eq!(accounts(&fleet).await, ["001", "002", "003", "009"]);
}
