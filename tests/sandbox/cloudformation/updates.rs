//! How a stack is updated, and how an update is taken back.

use std::time::Duration;

use aws_sdk_cloudformation::types::ChangeSetType;
use sandbox::StackAction;

use super::{Cloud, policy, refusal, retained_role, role, template};

fn two_roles(description: &str) -> String {
    let description = format!(", Description: {description}");
    let second = role("Second", &description).replacen("{Type:", "{DependsOn: First, Type:", 1);
    template(&[role("First", &description), second])
}

impl Cloud {
    async fn fail(&self, logical_id: &'static str) {
        self.sandbox.visit(move |world| world.fail_resource("cell", logical_id, StackAction::Update, "broken")).await;
    }

    /// Brings a stack of two roles to UPDATE_ROLLBACK_FAILED: the update of `Second` fails, then the rollback of
    /// `First`.
    async fn fail_rollback(&self) {
        self.create_slowly(&two_roles("old")).await;
        self.fail("Second").await;
        self.change_set("cell", ChangeSetType::Update, &two_roles("new")).send().await.unwrap();
        self.sandbox.advance(Duration::from_secs(6)).await;
        self.execute().await;
        // By then `First` is updated; the next attempt on it is the rollback's.
        self.sandbox.advance(Duration::from_secs(17)).await;
        self.fail("First").await;
        self.sandbox.advance(Duration::from_secs(60)).await;
    }

    /// Creates a stack where work waits for the clock.
    async fn create_slowly(&self, template: &str) {
        self.change_set("cell", ChangeSetType::Create, template).send().await.unwrap();
        self.sandbox.advance(Duration::from_secs(6)).await;
        self.execute().await;
        self.sandbox.advance(Duration::from_secs(60)).await;
        assert_eq!(self.status("cell").await, "CREATE_COMPLETE");
        self.client.delete_change_set().stack_name("cell").change_set_name("changes").send().await.unwrap();
    }
}

#[tokio::test]
async fn an_update_in_place_keeps_the_resource() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[role("Role", ", RoleName: same, Description: old"), role("Untouched", "")])).await;
    cloud.update(&template(&[role("Role", ", RoleName: same, Description: new"), role("Untouched", "")])).await;
    let told = cloud.last_operation("cell", "UPDATE_IN_PROGRESS").await;
    let expected = [
        "cell UPDATE_IN_PROGRESS",
        "Role UPDATE_IN_PROGRESS",
        "Role UPDATE_COMPLETE",
        "cell UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "cell UPDATE_COMPLETE",
    ];
    assert_eq!(told, expected);
    let answer = cloud.client.get_template().stack_name("cell").send().await.unwrap();
    assert!(answer.template_body().unwrap().contains("Description: new"));
}

#[tokio::test]
async fn a_replacement_is_created_before_the_old_one_is_deleted() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[role("Role", ", RoleName: one"), policy("Policy", "Role", "")])).await;
    cloud.update(&template(&[role("Role", ", RoleName: two"), policy("Policy", "Role", "")])).await;
    let told = cloud.last_operation("cell", "UPDATE_IN_PROGRESS").await;
    let expected = [
        "cell UPDATE_IN_PROGRESS",
        "Role UPDATE_IN_PROGRESS",
        "Role UPDATE_COMPLETE",
        "Policy UPDATE_IN_PROGRESS",
        "Policy UPDATE_COMPLETE",
        "cell UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "Role DELETE_IN_PROGRESS",
        "Role DELETE_COMPLETE",
        "cell UPDATE_COMPLETE",
    ];
    assert_eq!(told, expected);
    assert_eq!(cloud.roles().await, ["two"]);
}

#[tokio::test]
async fn a_replaced_or_removed_resource_stays_if_its_policy_says_so() {
    let cloud = Cloud::start().await;
    let old =
        [retained_role("Replaced", ", RoleName: one"), retained_role("Removed", ", RoleName: stays"), role("Gone", "")];
    cloud.create(&template(&old)).await;
    cloud.update(&template(&[retained_role("Replaced", ", RoleName: two")])).await;
    let told = cloud.last_operation("cell", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS").await;
    for event in ["Replaced DELETE_SKIPPED", "Removed DELETE_SKIPPED", "Gone DELETE_COMPLETE"] {
        assert!(told.contains(&event.to_owned()), "{event}: {told:?}");
    }
    assert_eq!(cloud.roles().await, ["two"]);
    // Both exist: a new stack cannot take their names.
    for name in ["one", "stays"] {
        let described = template(&[role("Role", &format!(", RoleName: {name}"))]);
        cloud.change_set("other", ChangeSetType::Create, &described).send().await.unwrap();
        let request = cloud.client.execute_change_set().stack_name("other").change_set_name("changes");
        request.send().await.unwrap();
        assert_eq!(cloud.status("other").await, "ROLLBACK_COMPLETE");
        cloud.client.delete_stack().stack_name("other").send().await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_update_is_rolled_back() {
    let cloud = Cloud::start().await;
    cloud.create(&two_roles("old")).await;
    cloud.fail("Second").await;
    cloud.update(&format!("{}{}", two_roles("new"), policy("Added", "Second", ""))).await;
    let told = cloud.last_operation("cell", "UPDATE_IN_PROGRESS").await;
    let expected = [
        "cell UPDATE_IN_PROGRESS",
        "First UPDATE_IN_PROGRESS",
        "First UPDATE_COMPLETE",
        "Second UPDATE_IN_PROGRESS",
        "Second UPDATE_FAILED",
        "cell UPDATE_ROLLBACK_IN_PROGRESS",
        "First UPDATE_IN_PROGRESS",
        "First UPDATE_COMPLETE",
        "Second UPDATE_IN_PROGRESS",
        "Second UPDATE_COMPLETE",
        "cell UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "cell UPDATE_ROLLBACK_COMPLETE",
    ];
    assert_eq!(told, expected);
    // It is the old stack again: what was deployed before is no change.
    cloud.change_set("cell", ChangeSetType::Update, &two_roles("old")).change_set_name("same").send().await.unwrap();
    let same = cloud.client.describe_change_set().stack_name("cell").change_set_name("same").send().await.unwrap();
    assert!(same.status_reason().unwrap().contains("didn't contain changes"));
}

#[tokio::test]
async fn a_rollback_takes_back_replacements_and_additions() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[role("Role", ", RoleName: one"), policy("Bad", "Role", "")])).await;
    cloud.fail("Bad").await;
    cloud.update(&template(&[role("Role", ", RoleName: two"), policy("Bad", "Role", ""), role("Added", "")])).await;
    assert_eq!(cloud.status("cell").await, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(cloud.roles().await, ["one"]);
    let told = cloud.last_operation("cell", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS").await;
    assert!(told.contains(&"Role DELETE_COMPLETE".to_owned()), "{told:?}");
    assert!(told.contains(&"Added DELETE_COMPLETE".to_owned()), "{told:?}");
}

#[tokio::test]
async fn a_failed_rollback_waits_to_be_continued() {
    let cloud = Cloud::start_slow().await;
    cloud.fail_rollback().await;
    let stack = cloud.stack("cell").await;
    assert_eq!(stack.stack_status.unwrap().as_str(), "UPDATE_ROLLBACK_FAILED");
    assert_eq!(stack.stack_status_reason.unwrap().trim(), "The following resource(s) failed to update: [First].");
    let update = cloud.change_set("cell", ChangeSetType::Update, &two_roles("new")).change_set_name("x").send().await;
    assert!(refusal(update).1.contains("is in UPDATE_ROLLBACK_FAILED state and can not be updated."));
    cloud.client.continue_update_rollback().stack_name("cell").send().await.unwrap();
    cloud.sandbox.advance(Duration::from_secs(60)).await;
    assert_eq!(cloud.status("cell").await, "UPDATE_ROLLBACK_COMPLETE");
}

#[tokio::test]
async fn a_resource_that_cannot_be_rolled_back_can_be_skipped() {
    let cloud = Cloud::start_slow().await;
    cloud.fail_rollback().await;
    let go_on = |skipped| cloud.client.continue_update_rollback().stack_name("cell").resources_to_skip(skipped).send();
    assert_eq!(refusal(go_on("Nobody").await).0, "ValidationError");
    cloud.fail("First").await;
    go_on("First").await.unwrap();
    cloud.sandbox.advance(Duration::from_secs(60)).await;
    assert_eq!(cloud.status("cell").await, "UPDATE_ROLLBACK_COMPLETE");
}

#[tokio::test]
async fn an_update_can_be_cancelled() {
    let cloud = Cloud::start_slow().await;
    cloud.create_slowly(&two_roles("old")).await;
    assert_eq!(refusal(cloud.client.cancel_update_stack().stack_name("cell").send().await).0, "ValidationError");
    cloud.change_set("cell", ChangeSetType::Update, &two_roles("new")).send().await.unwrap();
    cloud.sandbox.advance(Duration::from_secs(6)).await;
    cloud.execute().await;
    cloud.sandbox.advance(Duration::from_secs(20)).await;
    cloud.client.cancel_update_stack().stack_name("cell").send().await.unwrap();
    assert_eq!(cloud.status("cell").await, "UPDATE_ROLLBACK_IN_PROGRESS");
    cloud.sandbox.advance(Duration::from_secs(60)).await;
    assert_eq!(cloud.status("cell").await, "UPDATE_ROLLBACK_COMPLETE");
    let told = cloud.events("cell").await;
    assert!(told.contains(&("Second".into(), "UPDATE_FAILED".into(), "Resource update cancelled".into())), "{told:?}");
}

#[tokio::test]
async fn without_rollback_a_failed_update_stays_as_it_is() {
    let cloud = Cloud::start().await;
    cloud.create(&two_roles("old")).await;
    cloud.fail("Second").await;
    cloud.change_set("cell", ChangeSetType::Update, &two_roles("new")).send().await.unwrap();
    let request = cloud.client.execute_change_set().stack_name("cell").change_set_name("changes");
    request.disable_rollback(true).send().await.unwrap();
    assert_eq!(cloud.status("cell").await, "UPDATE_FAILED");
    cloud.client.rollback_stack().stack_name("cell").send().await.unwrap();
    assert_eq!(cloud.status("cell").await, "UPDATE_ROLLBACK_COMPLETE");
}

#[tokio::test]
async fn parameters_keep_their_values_when_asked_to() {
    let cloud = Cloud::start().await;
    let described =
        format!("Parameters: {{Text: {{Type: String}}}}\n{}", template(&[role("Role", ", Description: !Ref Text")]));
    let parameter = |value: Option<&str>| {
        let parameter = aws_sdk_cloudformation::types::Parameter::builder().parameter_key("Text");
        match value {
            Some(value) => parameter.parameter_value(value).build(),
            None => parameter.use_previous_value(true).build(),
        }
    };
    let request = cloud.change_set("cell", ChangeSetType::Create, &described).parameters(parameter(Some("kept")));
    request.send().await.unwrap();
    cloud.execute().await;
    let request =
        cloud.client.create_change_set().stack_name("cell").change_set_name("same").use_previous_template(true);
    request.capabilities("CAPABILITY_IAM".into()).parameters(parameter(None)).send().await.unwrap();
    let same = cloud.client.describe_change_set().stack_name("cell").change_set_name("same").send().await.unwrap();
    assert!(same.status_reason().unwrap().contains("didn't contain changes"));
    let shown = cloud.stack("cell").await.parameters.unwrap();
    assert_eq!(shown[0].parameter_value(), Some("kept"));
}

/// Nothing is left over either, or the names of the roles would be taken.
#[tokio::test]
async fn wherever_an_update_fails_the_stack_comes_back_and_can_be_updated_again() {
    let old = template(&[
        role("Changed", ", RoleName: changed, Description: old"),
        role("Replaced", ", RoleName: replaced"),
        policy("Policy", "Replaced", ", ManagedPolicyName: policy"),
        role("Removed", ", RoleName: removed"),
    ]);
    let new = template(&[
        role("Changed", ", RoleName: changed, Description: new"),
        role("Replaced", ", RoleName: another"),
        policy("Policy", "Replaced", ", ManagedPolicyName: policy"),
        role("Added", ", RoleName: added"),
    ]);
    for (logical_id, on) in [
        ("Changed", StackAction::Update),
        ("Replaced", StackAction::Update),
        ("Policy", StackAction::Update),
        ("Added", StackAction::Create),
    ] {
        let cloud = Cloud::start().await;
        cloud.create(&old).await;
        cloud.sandbox.visit(move |world| world.fail_resource("cell", logical_id, on, "broken")).await;
        cloud.update(&new).await;
        assert_eq!(cloud.status("cell").await, "UPDATE_ROLLBACK_COMPLETE", "{logical_id}");
        assert_eq!(cloud.roles().await, ["changed", "removed", "replaced"], "{logical_id}");
        for described in [&new, &old, &new] {
            let made = cloud.change_set("cell", ChangeSetType::Update, described).change_set_name("again").send().await;
            let request = cloud.client.execute_change_set().change_set_name(made.unwrap().id.unwrap());
            request.send().await.unwrap();
            cloud.client.delete_change_set().stack_name("cell").change_set_name("again").send().await.unwrap();
            assert_eq!(cloud.status("cell").await, "UPDATE_COMPLETE", "{logical_id}");
        }
        assert_eq!(cloud.roles().await, ["added", "changed", "another"], "{logical_id}");
    }
}
