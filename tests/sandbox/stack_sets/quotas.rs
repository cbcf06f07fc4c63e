//! What one operation and one account may have.

use aws_sdk_cloudformation::types::DeploymentTargets;

use super::Fleet;
use crate::cloudformation::{role, template};
use crate::identity::{error, refusal};

#[tokio::test]
async fn an_operation_names_fifty_units_at_the_most() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    let units: Vec<String> = (0..51).map(|number| format!("ou-abcd-{number:08}")).collect();
    let targets = DeploymentTargets::builder().set_organizational_unit_ids(Some(units)).build();
    let refused = fleet.instances().deployment_targets(targets).send().await;
    assert_eq!(refusal(refused), error(400, "ValidationError"));
}

#[tokio::test]
async fn quotas_are_of_sets_and_of_the_instances_in_each() {
    let fleet = Fleet::start().await;
    let exceeded = error(400, "LimitExceededException");
    fleet.sandbox.visit(|world| world.limit_stack_sets(1, 2)).await;
    fleet.make_set().await;
    assert_eq!(refusal(fleet.instances().send().await), exceeded, "three accounts");
    fleet.sandbox.visit(|world| world.limit_stack_sets(1, 3)).await;
    fleet.deploy().await;
    let another = fleet.set(&template(&[role("Role", "")])).stack_set_name("another").send().await;
    assert_eq!(refusal(another), exceeded);
}
