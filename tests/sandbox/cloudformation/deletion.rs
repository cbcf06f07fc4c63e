//! How a stack is deleted, and what stays.

use std::time::Duration;

use aws_sdk_cloudformation::types::{ChangeSetType, DeletionMode};
use sandbox::StackAction;

use super::{Cloud, policy, refusal, retained_role, role, template};

impl Cloud {
    async fn delete(&self) {
        self.client.delete_stack().stack_name("cell").send().await.unwrap();
    }

    async fn fail_deletion(&self) {
        self.sandbox.visit(|world| world.fail_resource("cell", "Role", StackAction::Delete, "still in use")).await;
    }
}

#[tokio::test]
async fn resources_go_in_the_reverse_order() {
    let cloud = Cloud::start().await;
    let id = cloud.create(&template(&[role("Role", ""), policy("Policy", "Role", "")])).await;
    cloud.delete().await;
    let told = cloud.last_operation(&id, "DELETE_IN_PROGRESS").await;
    let expected = [
        "cell DELETE_IN_PROGRESS",
        "Policy DELETE_IN_PROGRESS",
        "Policy DELETE_COMPLETE",
        "Role DELETE_IN_PROGRESS",
        "Role DELETE_COMPLETE",
        "cell DELETE_COMPLETE",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_deleted_stack_can_be_read_by_its_id_only() {
    let cloud = Cloud::start().await;
    let id = cloud.create(&template(&[role("Role", "")])).await;
    cloud.delete().await;
    let stack = cloud.stack(&id).await;
    assert_eq!(stack.stack_status.unwrap().as_str(), "DELETE_COMPLETE");
    assert!(stack.deletion_time.is_some());
    let resources = cloud.client.describe_stack_resources().stack_name(&id).send().await.unwrap();
    assert_eq!(resources.stack_resources()[0].resource_status().unwrap().as_str(), "DELETE_COMPLETE");
    let (code, message) = refusal(cloud.client.describe_stacks().stack_name("cell").send().await);
    assert_eq!((code.as_str(), message.as_str()), ("ValidationError", "Stack with id cell does not exist"));
    let (code, message) = refusal(cloud.client.describe_stack_events().stack_name("cell").send().await);
    assert_eq!((code.as_str(), message.as_str()), ("ValidationError", "Stack [cell] does not exist"));
    let all = cloud.client.describe_stacks().send().await.unwrap();
    assert!(all.stacks().is_empty());
    // The name is free, and a deletion of what is gone is one that succeeds.
    cloud.delete().await;
    assert_ne!(cloud.create(&template(&[role("Role", "")])).await, id);
}

#[tokio::test]
async fn retained_resources_stay() {
    let cloud = Cloud::start().await;
    let described = template(&[retained_role("Kept", ", RoleName: kept"), role("Gone", ", RoleName: gone")]);
    let id = cloud.create(&described).await;
    cloud.delete().await;
    let told = cloud.last_operation(&id, "DELETE_IN_PROGRESS").await;
    assert!(told.contains(&"Kept DELETE_SKIPPED".to_owned()), "{told:?}");
    assert_eq!(cloud.status(&id).await, "DELETE_COMPLETE");
    let again = cloud.create(&described).await;
    assert_eq!(cloud.status(&again).await, "ROLLBACK_COMPLETE", "the name `kept` is taken");
}

#[tokio::test]
async fn a_failed_deletion_says_what_failed_and_can_be_repeated() {
    let cloud = Cloud::start().await;
    let id = cloud.create(&template(&[role("Role", ""), role("Other", "")])).await;
    cloud.fail_deletion().await;
    cloud.delete().await;
    let stack = cloud.stack("cell").await;
    assert_eq!(stack.stack_status.unwrap().as_str(), "DELETE_FAILED");
    assert_eq!(stack.stack_status_reason.unwrap().trim(), "The following resource(s) failed to delete: [Role].");
    let told = cloud.events("cell").await;
    assert!(told.contains(&("Role".into(), "DELETE_FAILED".into(), "still in use".into())), "{told:?}");
    cloud.delete().await;
    assert_eq!(cloud.status(&id).await, "DELETE_COMPLETE");
}

#[tokio::test]
async fn only_after_a_failure_resources_can_be_retained_or_the_deletion_forced() {
    for forced in [false, true] {
        let cloud = Cloud::start().await;
        let id = cloud.create(&template(&[role("Role", ", RoleName: stuck")])).await;
        let delete = || {
            let request = cloud.client.delete_stack().stack_name("cell");
            match forced {
                true => request.deletion_mode(DeletionMode::ForceDeleteStack).send(),
                false => request.retain_resources("Role").send(),
            }
        };
        assert_eq!(refusal(delete().await).0, "ValidationError");
        cloud.fail_deletion().await;
        cloud.delete().await;
        cloud.fail_deletion().await;
        delete().await.unwrap();
        assert_eq!(cloud.status(&id).await, "DELETE_COMPLETE");
        let told = cloud.last_operation(&id, "DELETE_IN_PROGRESS").await;
        assert!(told.contains(&"Role DELETE_SKIPPED".to_owned()), "{told:?}");
    }
}

#[tokio::test]
async fn termination_protection_refuses_a_deletion() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[role("Role", "")])).await;
    let protect = |enable| {
        let request = cloud.client.update_termination_protection().stack_name("cell");
        request.enable_termination_protection(enable).send()
    };
    protect(true).await.unwrap();
    assert_eq!(cloud.stack("cell").await.enable_termination_protection, Some(true));
    let (code, message) = refusal(cloud.client.delete_stack().stack_name("cell").send().await);
    assert_eq!(code, "ValidationError");
    assert_eq!(message, "Stack [cell] cannot be deleted while TerminationProtection is enabled");
    protect(false).await.unwrap();
    cloud.delete().await;
    assert!(cloud.roles().await.is_empty());
}

#[tokio::test]
async fn a_creation_under_way_can_be_deleted_an_update_cannot() {
    let cloud = Cloud::start_slow().await;
    let described = template(&[role("Role", ""), policy("Policy", "Role", "")]);
    let made = cloud.change_set("cell", ChangeSetType::Create, &described).send().await.unwrap();
    cloud.sandbox.advance(Duration::from_secs(6)).await;
    cloud.execute().await;
    cloud.sandbox.advance(Duration::from_secs(18)).await;
    cloud.delete().await;
    cloud.sandbox.advance(Duration::from_secs(60)).await;
    let id = made.stack_id().unwrap();
    assert_eq!(cloud.status(id).await, "DELETE_COMPLETE");
    assert!(cloud.roles().await.is_empty());
    let told = cloud.events(id).await;
    assert!(!told.iter().any(|(name, status, _)| name == "Policy" && status == "CREATE_COMPLETE"), "{told:?}");

    cloud.change_set("cell", ChangeSetType::Create, &described).send().await.unwrap();
    cloud.sandbox.advance(Duration::from_secs(6)).await;
    cloud.execute().await;
    cloud.sandbox.advance(Duration::from_secs(60)).await;
    let update = template(&[role("Role", ", Description: new")]);
    cloud.change_set("cell", ChangeSetType::Update, &update).change_set_name("update").send().await.unwrap();
    cloud.sandbox.advance(Duration::from_secs(6)).await;
    cloud.client.execute_change_set().stack_name("cell").change_set_name("update").send().await.unwrap();
    let (_, message) = refusal(cloud.client.delete_stack().stack_name("cell").send().await);
    assert_eq!(message, "Stack [cell] cannot be deleted while in status UPDATE_IN_PROGRESS");
}
