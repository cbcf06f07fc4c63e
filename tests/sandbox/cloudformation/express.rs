//! Express mode: what is configured counts as complete, and nothing is taken back when it fails.

use aws_sdk_cloudformation::types::{DeploymentConfig, DeploymentConfigMode, OnStackFailure};
use sandbox::{StackAction, World};

use super::*;

const MINUTE: std::time::Duration = std::time::Duration::from_mins(1);

fn express() -> DeploymentConfig {
    DeploymentConfig::builder().mode(DeploymentConfigMode::Express).build()
}

fn keeping() -> DeploymentConfig {
    DeploymentConfig::builder().disable_rollback(true).build()
}

impl Cloud {
    /// Makes and executes a change set, and leaves its name free.
    async fn deploy(&self, kind: ChangeSetType, template: &str, config: DeploymentConfig) -> DescribeChangeSetOutput {
        self.change_set("cell", kind, template).deployment_config(config).send().await.unwrap();
        let described = self.described().await;
        self.execute().await;
        self.client.delete_change_set().stack_name("cell").change_set_name("changes").send().await.unwrap();
        described
    }
}

#[tokio::test]
async fn what_is_configured_is_complete_and_gets_ready_later() {
    let seconds = async |config: DeploymentConfig| {
        let cloud = Cloud::start().await;
        let before = cloud.sandbox.visit(|world| world.now()).await;
        let resources = [role("Role", ""), policy("Policy", "Role", "")];
        let described = cloud.deploy(ChangeSetType::Create, &template(&resources), config).await;
        assert_eq!(cloud.status("cell").await, "CREATE_COMPLETE");
        let last = cloud.sandbox.visit(|world| world.stacks()[0].last_event.unwrap()).await;
        (described.deployment_config().unwrap().mode().cloned(), last.duration_since(before).as_secs())
    };
    assert_eq!(
        seconds(express()).await,
        (Some(DeploymentConfigMode::Express), 8),
        "6 for the change set, and 1 for each"
    );
    assert_eq!(seconds(keeping()).await, (Some(DeploymentConfigMode::Standard), 33));
}

#[tokio::test]
async fn what_fails_stays_and_can_be_gone_on_with() {
    let cloud = Cloud::start().await;
    let template = template(&[role("A", ""), policy("B", "A", "")]);
    cloud.sandbox.visit(|world| world.fail_resource("cell", "B", StackAction::Create, "not today")).await;
    cloud.deploy(ChangeSetType::Create, &template, express()).await;
    assert_eq!((cloud.status("cell").await.as_str(), cloud.roles().await.len()), ("CREATE_FAILED", 1));
    // Only an update that takes nothing back either may go on.
    cloud.change_set("cell", ChangeSetType::Update, &template).send().await.unwrap();
    let changes = cloud.described().await;
    let change = changes.changes()[0].resource_change().unwrap();
    assert_eq!((change.logical_resource_id(), change.action().unwrap().as_str()), (Some("B"), "Add"));
    let execution = cloud.client.execute_change_set().stack_name("cell").change_set_name("changes");
    let (_, message) = refusal(execution.send().await);
    assert!(message.contains("non-terminal [CREATE_FAILED] state"), "{message}");
    cloud.client.delete_change_set().stack_name("cell").change_set_name("changes").send().await.unwrap();
    cloud.deploy(ChangeSetType::Update, &template, keeping()).await;
    assert_eq!(cloud.status("cell").await, "UPDATE_COMPLETE");
}

#[tokio::test]
async fn an_update_that_failed_is_tried_again_also_with_the_same_template() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[role("A", ", Description: first")])).await;
    cloud.sandbox.visit(|world| world.fail_resource("cell", "A", StackAction::Update, "not today")).await;
    let second = template(&[role("A", ", Description: second")]);
    cloud.deploy(ChangeSetType::Update, &second, express()).await;
    assert_eq!(cloud.status("cell").await, "UPDATE_FAILED");
    cloud.deploy(ChangeSetType::Update, &second, express()).await;
    assert_eq!(cloud.status("cell").await, "UPDATE_COMPLETE");
    // It was done indeed: there is no drift.
    cloud.client.detect_stack_drift().stack_name("cell").send().await.unwrap();
    assert_eq!(cloud.stack("cell").await.drift_information.unwrap().stack_drift_status.unwrap().as_str(), "IN_SYNC");
}

#[tokio::test]
async fn what_to_do_after_a_failure_is_said_once() {
    let cloud = Cloud::start_slow().await;
    let order = cloud.change_set("cell", ChangeSetType::Create, &template(&[role("A", "")]));
    let order = order.deployment_config(keeping()).on_stack_failure(OnStackFailure::Delete);
    let (_, message) = refusal(order.send().await);
    assert!(message.contains("must not be specified together"), "{message}");
    cloud.sandbox.advance(MINUTE).await;
    assert_eq!(cloud.sandbox.visit(|world: &mut World| world.stacks().len()).await, 0);
}
