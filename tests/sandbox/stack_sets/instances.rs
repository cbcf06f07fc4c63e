//! Instances: which accounts and regions get one, what it is, and how it is changed and given up.

use std::time::Duration;

use aws_sdk_cloudformation::types::{AccountFilterType, Parameter, StackInstanceFilter, StackInstanceFilterName};
use sandbox::{AccountState, StackAction};

use super::{FAR, Fleet, MEMBERS, OUTSIDER};
use crate::clients::{ACCOUNT, REGION};
use crate::cloudformation::{role, template};
use crate::identity::{change, error, refusal};

const FIRST_FAILED: &str =
    "FAILED: ResourceLogicalId:Role, ResourceType:AWS::IAM::Role, ResourceStatusReason:no more roles.";

#[tokio::test]
async fn every_account_below_a_unit_gets_a_stack_in_every_region() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    let operation = fleet.instances().regions(FAR).send().await.unwrap().operation_id.unwrap();
    fleet.sandbox.settle().await;
    assert_eq!(fleet.status(&operation).await, "SUCCEEDED");
    let instances = fleet.summaries().await;
    let places: Vec<_> = instances.iter().map(|it| (it.account().unwrap(), it.region().unwrap())).collect();
    let expected: Vec<_> = MEMBERS.iter().flat_map(|member| [(*member, REGION), (*member, FAR)]).collect();
    assert_eq!(places, expected);
    for instance in &instances {
        assert_eq!(instance.status().unwrap().as_str(), "CURRENT");
        assert_eq!(instance.stack_instance_status().unwrap().detailed_status().unwrap().as_str(), "SUCCEEDED");
        assert_eq!(instance.organizational_unit_id(), Some(fleet.unit.as_str()), "the one that was named");
        assert_eq!(instance.last_operation_id(), Some(operation.as_str()));
    }
    let stacks = fleet.sandbox.visit(|world| world.stacks()).await;
    assert_eq!(stacks.len(), 6);
    for stack in stacks {
        let instance = instances.iter().find(|it| it.stack_id() == Some(stack.id.as_str())).unwrap();
        assert_eq!(
            (stack.account.as_str(), stack.region.as_str()),
            (instance.account().unwrap(), instance.region().unwrap())
        );
        assert!(stack.name.starts_with("StackSet-keyturn-") && stack.status == "CREATE_COMPLETE", "{stack:?}");
        assert_eq!(stack.resources.len(), 1);
    }
    let calls = fleet.sandbox.visit(|world| world.calls().to_vec()).await;
    let made = calls.iter().find(|call| call.operation == "cloudformation:Create AWS::IAM::Role").unwrap();
    assert!(made.principal.contains(":assumed-role/stacksets-exec-"), "{}", made.principal);
    let left = fleet.sandbox.visit(|world| world.inventory(OUTSIDER)).await;
    assert_eq!(left, ["role OrganizationAccountAccessRole"]);
    let set = fleet.client.describe_stack_set().stack_set_name("keyturn").send().await.unwrap().stack_set.unwrap();
    assert_eq!(set.organizational_unit_ids(), std::slice::from_ref(&fleet.unit));
    assert_eq!(set.regions(), [REGION, FAR]);
}

#[tokio::test]
async fn a_filter_says_which_accounts_of_a_unit_are_meant() {
    use AccountFilterType::{Difference, Intersection, Union};
    for (filter, named, expected) in [
        (Intersection, vec![MEMBERS[0], OUTSIDER], vec!["001"]),
        (Difference, vec![MEMBERS[0]], vec!["002", "003"]),
        (Union, vec![OUTSIDER], vec!["001", "002", "003", "009"]),
        (Union, vec![ACCOUNT], vec!["001", "002", "003"]),
    ] {
        let fleet = Fleet::start().await;
        fleet.make_set().await;
        let shown = format!("{filter:?}");
        fleet.instances().deployment_targets(fleet.filtered(filter, &named)).send().await.unwrap();
        fleet.sandbox.settle().await;
        let accounts: Vec<_> = fleet.summaries().await.iter().map(|it| it.account().unwrap()[9..].to_owned()).collect();
        assert_eq!(accounts, expected, "{shown} {named:?}");
    }
}

#[tokio::test]
async fn targets_must_be_such_as_service_managed_sets_have() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    let create = || fleet.client.create_stack_instances().stack_set_name("keyturn").regions(REGION);
    let invalid = error(400, "ValidationError");
    let nowhere = create().deployment_targets(fleet.targets("ou-none-00000000")).send().await;
    assert_eq!(refusal(nowhere), invalid);
    assert_eq!(refusal(create().accounts(MEMBERS[0]).send().await), invalid, "an account without a unit");
    let unfiltered = fleet.targets(&fleet.unit);
    let mut both = unfiltered.clone();
    both.accounts = Some(vec![MEMBERS[0].to_owned()]);
    assert_eq!(refusal(create().deployment_targets(both).send().await), invalid, "no filter");
    let no_region = fleet.client.create_stack_instances().stack_set_name("keyturn").deployment_targets(unfiltered);
    assert!(no_region.set_regions(Some(vec![])).send().await.is_err());
    let other = fleet.client.create_stack_instances().stack_set_name("other").regions(REGION);
    let other = other.deployment_targets(fleet.targets(&fleet.unit)).send().await;
    assert_eq!(refusal(other), error(404, "StackSetNotFoundException"));
    assert!(fleet.summaries().await.is_empty());
}

#[tokio::test]
async fn a_failed_creation_is_taken_back_and_can_be_tried_again() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    fleet.sandbox.visit(|world| world.fail_resource_in(MEMBERS[0], "Role", StackAction::Create, "no more roles")).await;
    let only = fleet.filtered(AccountFilterType::Intersection, &[MEMBERS[0]]);
    let create = async || {
        let create = fleet.instances().deployment_targets(only.clone()).send().await.unwrap();
        fleet.sandbox.settle().await;
        create.operation_id.unwrap()
    };
    let failed = create().await;
    assert_eq!(fleet.status(&failed).await, "FAILED");
    assert_eq!(fleet.operation(&failed).await.status_details.unwrap().failed_stack_instances_count, Some(1));
    assert_eq!(fleet.results(&failed).await, [format!("001 {FIRST_FAILED}")]);
    assert_eq!(fleet.shown().await, ["001 OUTDATED FAILED"]);
    assert!(fleet.summaries().await[0].status_reason().unwrap().contains("no more roles"));
    assert_eq!(fleet.stacks().await, ["001 ROLLBACK_COMPLETE"]);
    let again = create().await;
    assert_eq!(fleet.status(&again).await, "SUCCEEDED");
    assert_eq!(fleet.shown().await, ["001 CURRENT SUCCEEDED"]);
    assert_eq!(fleet.stacks().await, ["001 CREATE_COMPLETE", "001 DELETE_COMPLETE"]);
    let idle = create().await;
    assert_eq!(fleet.results(&idle).await, ["001 SUCCEEDED: No updates are to be performed."]);
}

#[tokio::test]
async fn instances_are_updated_with_values_of_their_own() {
    let fleet = Fleet::start().await;
    let described = format!(
        "Parameters: {{Path: {{Type: String, Default: /a/}}}}\n{}",
        template(&[role("Role", ", Path: !Ref Path")])
    );
    fleet.set(&described).send().await.unwrap();
    let parameter = |value: &str| Parameter::builder().parameter_key("Path").parameter_value(value).build();
    fleet.deploy().await;
    let update = fleet.client.update_stack_instances().stack_set_name("keyturn").regions(REGION);
    let update = update.deployment_targets(fleet.filtered(AccountFilterType::Intersection, &[MEMBERS[1]]));
    let operation = update.parameter_overrides(parameter("/b/")).send().await.unwrap().operation_id.unwrap();
    fleet.sandbox.settle().await;
    assert_eq!(fleet.results(&operation).await, ["002 SUCCEEDED"]);
    let describe = fleet.client.describe_stack_instance().stack_set_name("keyturn");
    let described = describe.stack_instance_account(MEMBERS[1]).stack_instance_region(REGION).send().await.unwrap();
    assert_eq!(described.stack_instance().unwrap().parameter_overrides(), [parameter("/b/")]);
    let stacks = fleet.stacks().await;
    assert_eq!(stacks, ["001 CREATE_COMPLETE", "002 UPDATE_COMPLETE", "003 CREATE_COMPLETE"]);
    let stranger = Parameter::builder().parameter_key("Size").parameter_value("1").build();
    let refused = fleet.instances().parameter_overrides(stranger).send().await;
    assert_eq!(refusal(refused), error(400, "ValidationError"));
    let missing = fleet.client.update_stack_instances().stack_set_name("keyturn").regions(FAR).accounts(MEMBERS[0]);
    assert_eq!(refusal(missing.send().await), error(404, "StackInstanceNotFoundException"));
}

#[tokio::test]
async fn instances_are_deleted_with_their_stacks_or_without() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    fleet.deploy().await;
    let delete = async |accounts: &[&str], retain: bool| {
        let targets = fleet.filtered(AccountFilterType::Intersection, accounts);
        let delete = fleet.client.delete_stack_instances().stack_set_name("keyturn").regions(REGION);
        let deleted = delete.deployment_targets(targets).retain_stacks(retain).send().await.unwrap();
        fleet.sandbox.settle().await;
        fleet.status(&deleted.operation_id.unwrap()).await
    };
    assert_eq!(delete(&[MEMBERS[0]], true).await, "SUCCEEDED");
    assert_eq!(delete(&[MEMBERS[1]], false).await, "SUCCEEDED");
    assert_eq!(fleet.shown().await, ["003 CURRENT SUCCEEDED"]);
    assert_eq!(fleet.stacks().await, ["001 CREATE_COMPLETE", "002 DELETE_COMPLETE", "003 CREATE_COMPLETE"]);
    fleet.sandbox.visit(|world| world.fail_resource_in(MEMBERS[2], "Role", StackAction::Delete, "still needed")).await;
    assert_eq!(delete(&[MEMBERS[2]], false).await, "FAILED");
    assert_eq!(fleet.shown().await, ["003 INOPERABLE INOPERABLE"]);
    assert!(fleet.stacks().await.contains(&"003 DELETE_FAILED".to_owned()));
    let update = fleet.client.update_stack_instances().stack_set_name("keyturn").regions(REGION).accounts(MEMBERS[2]);
    update.send().await.unwrap();
    fleet.sandbox.settle().await;
    assert_eq!(fleet.shown().await, ["003 INOPERABLE INOPERABLE"], "no update brings it back");
    assert_eq!(delete(&[MEMBERS[2]], false).await, "SUCCEEDED", "a deletion may be tried again");
    assert!(fleet.shown().await.is_empty());
    assert_eq!(delete(&[MEMBERS[2]], false).await, "SUCCEEDED", "of nothing");
}

#[tokio::test]
async fn a_suspended_account_is_passed_over() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    change(&fleet.sandbox, |world| world.suspend_account(MEMBERS[0])).await;
    let operation = fleet.deploy().await;
    assert_eq!(fleet.results(&operation).await, ["002 SUCCEEDED", "003 SUCCEEDED"]);
    change(&fleet.sandbox, |world| world.set_account_state(MEMBERS[1], AccountState::Closed)).await;
    let update = fleet.client.update_stack_set().stack_set_name("keyturn").use_previous_template(true);
    let update = update.capabilities("CAPABILITY_NAMED_IAM".into()).send().await.unwrap().operation_id.unwrap();
    fleet.sandbox.settle().await;
    assert_eq!(fleet.status(&update).await, "SUCCEEDED");
    let skipped = format!("002 CANCELLED: Skipped: account {} is suspended", MEMBERS[1]);
    assert_eq!(fleet.results(&update).await, [skipped, "003 SUCCEEDED: No updates are to be performed.".into()]);
    assert_eq!(fleet.shown().await, ["002 OUTDATED SKIPPED_SUSPENDED_ACCOUNT", "003 CURRENT SUCCEEDED"]);
}

#[tokio::test]
async fn an_account_that_is_not_ready_fails_until_it_is() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    change(&fleet.sandbox, |world| world.delay_account_readiness(MEMBERS[0], Duration::from_secs(80))).await;
    let mut tries = 1;
    while fleet.status(&fleet.deploy().await).await == "FAILED" {
        tries += 1;
        assert!(fleet.summaries().await[0].status_reason().unwrap().contains("needs a subscription"));
    }
    assert!((2..8).contains(&tries), "time passes with each refusal: {tries}");
    assert_eq!(fleet.shown().await.len(), 3);
}

#[tokio::test]
async fn a_stack_that_somebody_has_deleted_fails_the_next_operation() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    fleet.deploy().await;
    let owner = crate::identity::session(
        &crate::identity::sts(&fleet.sandbox, &fleet.admin)
            .assume_role()
            .role_arn(format!("arn:aws:iam::{}:role/OrganizationAccountAccessRole", MEMBERS[0]))
            .role_session_name("owner")
            .send()
            .await
            .unwrap(),
    );
    let theirs = aws_sdk_cloudformation::Client::new(&crate::identity::signed_by(&fleet.sandbox, &owner));
    let stack = fleet.summaries().await[0].stack_id.clone().unwrap();
    theirs.delete_stack().stack_name(&stack).send().await.unwrap();
    fleet.sandbox.settle().await;
    let operation = fleet.deploy().await;
    assert_eq!(fleet.results(&operation).await[0], format!("001 FAILED: Stack [{stack}] does not exist"));
}

#[tokio::test]
async fn instances_are_listed_in_pages_and_by_filters() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    fleet.sandbox.visit(|world| world.fail_resource_in(MEMBERS[0], "Role", StackAction::Create, "no more roles")).await;
    let failed = fleet.deploy().await;
    assert_eq!(fleet.shown().await, ["001 OUTDATED FAILED", "002 OUTDATED CANCELLED", "003 OUTDATED CANCELLED"]);
    let list = || fleet.client.list_stack_instances().stack_set_name("keyturn");
    let first = list().max_results(2).send().await.unwrap();
    let rest = list().max_results(2).set_next_token(first.next_token.clone()).send().await.unwrap();
    assert_eq!((first.summaries().len(), rest.summaries().len(), rest.next_token()), (2, 1, None));
    let filter = |name, value: &str| StackInstanceFilter::builder().name(name).values(value).build();
    let cancelled = list().filters(filter(StackInstanceFilterName::DetailedStatus, "CANCELLED")).send().await.unwrap();
    assert_eq!(cancelled.summaries().len(), 2);
    let of_operation = list().filters(filter(StackInstanceFilterName::LastOperationId, &failed)).send().await.unwrap();
    assert_eq!(of_operation.summaries().len(), 3);
    let of_account = list().stack_instance_account(MEMBERS[1]).stack_instance_region(REGION).send().await.unwrap();
    assert_eq!(of_account.summaries().len(), 1);
    let drift = list().filters(filter(StackInstanceFilterName::DriftStatus, "DRIFTED")).send().await;
    assert_eq!(refusal(drift), error(501, "SandboxUnsupported"));
    let missing = fleet.client.describe_stack_instance().stack_set_name("keyturn");
    let missing = missing.stack_instance_account(OUTSIDER).stack_instance_region(REGION).send().await;
    assert_eq!(refusal(missing), error(404, "StackInstanceNotFoundException"));
}
