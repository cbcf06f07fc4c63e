//! What change sets say, when they fail, and what executing and deleting them does.

use std::time::Duration;

use aws_sdk_cloudformation::types::{
    ChangeAction, ChangeSetStatus, ChangeSetType, EvaluationType, ExecutionStatus, PolicyAction, Replacement,
    RequiresRecreation, ResourceAttribute, ResourceChange,
};

use super::{Cloud, policy, refusal, retained_role, role, tag, template};
use crate::clients::ACCOUNT;

impl Cloud {
    pub(super) async fn changes(&self) -> Vec<ResourceChange> {
        let changes = self.described().await.changes.unwrap();
        changes.into_iter().map(|change| change.resource_change.unwrap()).collect()
    }
}

#[tokio::test]
async fn a_change_set_takes_six_seconds_and_changes_nothing() {
    let cloud = Cloud::start_slow().await;
    let described = template(&[role("Role", "")]);
    cloud.change_set("cell", ChangeSetType::Create, &described).send().await.unwrap();
    assert_eq!(cloud.status("cell").await, "REVIEW_IN_PROGRESS");
    cloud.sandbox.advance(Duration::from_secs(5)).await;
    assert_eq!(cloud.described().await.status, Some(ChangeSetStatus::CreateInProgress));
    cloud.sandbox.advance(Duration::from_secs(1)).await;
    let made = cloud.described().await;
    assert_eq!(made.status, Some(ChangeSetStatus::CreateComplete));
    assert_eq!(made.execution_status, Some(ExecutionStatus::Available));
    assert_eq!(cloud.status("cell").await, "REVIEW_IN_PROGRESS");
    assert_eq!(cloud.roles().await, Vec::<String>::new());
}

#[tokio::test]
async fn changes_are_told_with_their_values() {
    let cloud = Cloud::start().await;
    cloud
        .create(&template(&[role("Kept", ", Description: old"), role("Removed", ""), retained_role("Left", "")]))
        .await;
    let new = template(&[role("Kept", ", Description: new"), role("Added", "")]);
    cloud.change_set("cell", ChangeSetType::Update, &new).send().await.unwrap();
    let changes = cloud.changes().await;
    let summary: Vec<_> = changes
        .iter()
        .map(|it| (it.logical_resource_id().unwrap(), it.action().unwrap().clone(), it.policy_action().cloned()))
        .collect();
    assert_eq!(
        summary,
        [
            ("Added", ChangeAction::Add, None),
            ("Kept", ChangeAction::Modify, None),
            ("Left", ChangeAction::Remove, Some(PolicyAction::Retain)),
            ("Removed", ChangeAction::Remove, Some(PolicyAction::Delete)),
        ]
    );
    let kept = &changes[1];
    assert_eq!(kept.replacement(), Some(&Replacement::False));
    let [detail] = kept.details() else { panic!("{:?}", kept.details()) };
    let target = detail.target().unwrap();
    assert_eq!(target.name(), Some("Description"));
    assert_eq!(target.path(), Some("/Properties/Description"));
    assert_eq!((target.before_value(), target.after_value()), (Some("old"), Some("new")));
    assert_eq!(target.requires_recreation(), Some(&RequiresRecreation::Never));
    assert_eq!(detail.evaluation(), Some(&EvaluationType::Static));
}

#[tokio::test]
async fn values_are_told_only_when_asked_for() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[role("Role", ", Description: old")])).await;
    let new = template(&[role("Role", ", Description: new")]);
    cloud.change_set("cell", ChangeSetType::Update, &new).send().await.unwrap();
    let request = cloud.client.describe_change_set().stack_name("cell").change_set_name("changes");
    let answer = request.send().await.unwrap();
    let change = answer.changes()[0].resource_change().unwrap();
    let target = change.details()[0].target().unwrap();
    assert_eq!((target.name(), target.before_value(), change.after_context()), (Some("Description"), None, None));
}

#[tokio::test]
async fn replacement_is_told_and_what_follows_from_it() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[role("Role", ", RoleName: one"), policy("Policy", "Role", "")])).await;
    let new = template(&[role("Role", ", RoleName: two"), policy("Policy", "Role", "")]);
    cloud.change_set("cell", ChangeSetType::Update, &new).send().await.unwrap();
    let changes = cloud.changes().await;
    let (follower, replaced) = (&changes[0], &changes[1]);
    assert_eq!(replaced.replacement(), Some(&Replacement::True));
    assert_eq!(replaced.policy_action(), Some(&PolicyAction::ReplaceAndDelete));
    assert_eq!(replaced.physical_resource_id(), Some("one"));
    let sources: Vec<_> = follower
        .details()
        .iter()
        .map(|detail| (detail.causing_entity().unwrap(), detail.evaluation().unwrap().as_str()))
        .collect();
    assert_eq!(sources, [("Role.Arn", "Dynamic"), ("Role", "Dynamic")]);
    let after = follower.after_context().unwrap();
    assert!(after.contains("{{changeSet:KNOWN_AFTER_APPLY}}"), "{after}");
}

/// CloudFormation does not know that the ARN of a role stays the same when its description changes.
#[tokio::test]
async fn attributes_of_what_is_modified_may_change() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[role("Role", ", Description: old"), policy("Policy", "Role", "")])).await;
    let new = template(&[role("Role", ", Description: new"), policy("Policy", "Role", "")]);
    cloud.change_set("cell", ChangeSetType::Update, &new).send().await.unwrap();
    let changes = cloud.changes().await;
    let [detail] = changes[0].details() else { panic!("{changes:?}") };
    assert_eq!(changes[0].logical_resource_id(), Some("Policy"));
    assert_eq!(detail.evaluation(), Some(&EvaluationType::Dynamic));
    assert_eq!(detail.causing_entity(), Some("Role.Arn"));
    cloud.execute().await;
    let told = cloud.last_operation("cell", "UPDATE_IN_PROGRESS").await;
    assert!(!told.iter().any(|event| event.starts_with("Policy")), "it does not change after all: {told:?}");
}

#[tokio::test]
async fn a_changed_parameter_is_named_as_the_cause() {
    let cloud = Cloud::start().await;
    let described = format!(
        "Parameters: {{Text: {{Type: String, Default: old}}}}\n{}",
        template(&[role("Role", ", Description: !Ref Text")])
    );
    cloud.create(&described).await;
    let new = described.replace("old", "new");
    cloud.change_set("cell", ChangeSetType::Update, &new).send().await.unwrap();
    let changes = cloud.changes().await;
    let detail = &changes[0].details()[0];
    assert_eq!(detail.change_source().unwrap().as_str(), "ParameterReference");
    assert_eq!(detail.causing_entity(), Some("Text"));
}

#[tokio::test]
async fn no_changes_make_a_failed_change_set() {
    let cloud = Cloud::start().await;
    let described = template(&[role("Role", "")]);
    cloud.create(&described).await;
    cloud.change_set("cell", ChangeSetType::Update, &described).send().await.unwrap();
    let made = cloud.described().await;
    assert_eq!(made.status, Some(ChangeSetStatus::Failed));
    assert_eq!(made.execution_status, Some(ExecutionStatus::Unavailable));
    let reason =
        "The submitted information didn't contain changes. Submit different information to create a change set.";
    assert_eq!(made.status_reason.as_deref(), Some(reason));
    let request = cloud.client.execute_change_set().stack_name("cell").change_set_name("changes");
    assert_eq!(refusal(request.send().await).0, "InvalidChangeSetStatus");
}

#[tokio::test]
async fn stack_tags_alone_are_a_change() {
    let cloud = Cloud::start().await;
    let described = template(&[role("Role", "")]);
    cloud.create(&described).await;
    let request = cloud.change_set("cell", ChangeSetType::Update, &described).tags(tag("hash", "1"));
    request.send().await.unwrap();
    let changes = cloud.changes().await;
    assert_eq!(changes[0].details()[0].target().unwrap().attribute(), Some(&ResourceAttribute::Tags));
    cloud.execute().await;
    assert_eq!(cloud.stack("cell").await.tags(), [tag("hash", "1")]);
    // Without tags in the request they stay, and nothing is left to change.
    cloud.change_set("cell", ChangeSetType::Update, &described).change_set_name("again").send().await.unwrap();
    let again = cloud.client.describe_change_set().stack_name("cell").change_set_name("again").send().await.unwrap();
    assert_eq!(again.status, Some(ChangeSetStatus::Failed));
}

#[tokio::test]
async fn existing_resources_are_imported_by_name() {
    let cloud = Cloud::start().await;
    let id = cloud.create(&template(&[role("Other", ""), retained_role("Role", ", RoleName: stays")])).await;
    cloud.client.delete_stack().stack_name("cell").send().await.unwrap();
    assert_eq!(cloud.status(&id).await, "DELETE_COMPLETE");
    let described = template(&[role("Other", ""), retained_role("Role", ", RoleName: stays")]);
    let request = cloud.change_set("cell", ChangeSetType::Create, &described).import_existing_resources(true);
    request.tags(tag("team", "blue")).send().await.unwrap();
    let changes = cloud.changes().await;
    assert_eq!(changes[0].action(), Some(&ChangeAction::Add));
    assert_eq!((changes[1].action(), changes[1].physical_resource_id()), (Some(&ChangeAction::Import), Some("stays")));
    cloud.execute().await;
    let told = cloud.last_operation("cell", "CREATE_IN_PROGRESS").await;
    for event in ["Role IMPORT_IN_PROGRESS", "Role IMPORT_COMPLETE", "Role UPDATE_COMPLETE", "cell CREATE_COMPLETE"] {
        assert!(told.contains(&event.to_owned()), "{event}: {told:?}");
    }
    assert!(cloud.roles().await.contains(&"stays".to_owned()));
}

#[tokio::test]
async fn an_import_needs_a_resource_that_is_free_and_retained() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[retained_role("Role", ", RoleName: taken")])).await;
    for (described, reason) in [
        (template(&[role("Role", ", RoleName: taken")]), "DeletionPolicy"),
        (template(&[retained_role("Role", ", RoleName: taken")]), "already exists in stack"),
    ] {
        let request = cloud.change_set("other", ChangeSetType::Create, &described).import_existing_resources(true);
        request.send().await.unwrap();
        let describe = cloud.client.describe_change_set().stack_name("other").change_set_name("changes");
        let made = describe.send().await.unwrap();
        assert_eq!(made.status, Some(ChangeSetStatus::Failed));
        assert!(made.status_reason().unwrap().contains(reason), "{:?}", made.status_reason());
        let delete = cloud.client.delete_change_set().stack_name("other").change_set_name("changes");
        delete.send().await.unwrap();
    }
}

#[tokio::test]
async fn without_import_an_existing_resource_fails_the_creation() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[role("Role", ", RoleName: taken")])).await;
    let described = template(&[role("Role", ", RoleName: taken")]);
    cloud.change_set("other", ChangeSetType::Create, &described).send().await.unwrap();
    let request = cloud.client.execute_change_set().stack_name("other").change_set_name("changes");
    request.send().await.unwrap();
    assert_eq!(cloud.status("other").await, "ROLLBACK_COMPLETE");
    let told = cloud.events("other").await;
    let (_, _, reason) = told.iter().find(|(_, status, _)| status == "CREATE_FAILED").unwrap();
    assert!(reason.starts_with("Resource handler returned message: \""), "{reason}");
    assert!(reason.ends_with("HandlerErrorCode: AlreadyExists)"), "{reason}");
}

#[tokio::test]
async fn executing_a_change_set_ends_the_others() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[role("Role", "")])).await;
    for name in ["one", "two"] {
        let new = template(&[role("Role", &format!(", Description: {name}"))]);
        cloud.change_set("cell", ChangeSetType::Update, &new).change_set_name(name).send().await.unwrap();
    }
    let execute = |name| cloud.client.execute_change_set().stack_name("cell").change_set_name(name).send();
    execute("one").await.unwrap();
    assert_eq!(refusal(execute("two").await).0, "ChangeSetNotFound");
    let (code, message) = refusal(execute("one").await);
    assert_eq!(code, "InvalidChangeSetStatus");
    assert!(message.contains("[EXECUTE_COMPLETE]"), "{message}");
}

#[tokio::test]
async fn a_repeated_request_with_its_token_is_the_same_request() {
    let cloud = Cloud::start_slow().await;
    let described = template(&[role("Role", "")]);
    let request = || cloud.change_set("cell", ChangeSetType::Create, &described).client_token("once");
    let (one, two) = (request().send().await.unwrap(), request().send().await.unwrap());
    assert_eq!(one.id, two.id);
    let other = cloud.change_set("cell", ChangeSetType::Create, &described).send().await;
    assert_eq!(refusal(other).0, "AlreadyExistsException");
}

#[tokio::test]
async fn a_deleted_change_set_leaves_the_stack_in_review() {
    let cloud = Cloud::start().await;
    let described = template(&[role("Role", "")]);
    cloud.change_set("cell", ChangeSetType::Create, &described).send().await.unwrap();
    let delete = || cloud.client.delete_change_set().stack_name("cell").change_set_name("changes").send();
    delete().await.unwrap();
    delete().await.unwrap();
    assert_eq!(cloud.status("cell").await, "REVIEW_IN_PROGRESS");
    let describe = cloud.client.describe_change_set().stack_name("cell").change_set_name("changes");
    assert_eq!(refusal(describe.send().await).0, "ChangeSetNotFound");
    cloud.client.delete_stack().stack_name("cell").send().await.unwrap();
    assert_eq!(refusal(cloud.client.describe_stacks().stack_name("cell").send().await).0, "ValidationError");
}

#[tokio::test]
async fn only_a_stack_at_rest_takes_a_change_set() {
    let cloud = Cloud::start_slow().await;
    let described = template(&[role("Role", "")]);
    let update = || cloud.change_set("cell", ChangeSetType::Update, &described).change_set_name("update").send();
    assert_eq!(refusal(update().await).1, "Stack [cell] does not exist");
    let made = cloud.change_set("cell", ChangeSetType::Create, &described).send().await.unwrap();
    let id = made.stack_id().unwrap();
    let busy = |status: &str| format!("Stack:{id} is in {status} state and can not be updated.");
    assert_eq!(refusal(update().await), ("ValidationError".to_owned(), busy("REVIEW_IN_PROGRESS")));
    cloud.sandbox.advance(Duration::from_secs(6)).await;
    cloud.execute().await;
    assert_eq!(refusal(update().await).1, busy("CREATE_IN_PROGRESS"));
    let create = cloud.change_set("cell", ChangeSetType::Create, &described).change_set_name("create").send().await;
    assert_eq!(refusal(create).0, "AlreadyExistsException");
}

#[tokio::test]
async fn every_operation_needs_its_permission_on_the_stack() {
    let cloud = Cloud::start().await;
    let id = cloud.create(&template(&[role("Role", "")])).await;
    let key = cloud
        .sandbox
        .visit(|world| {
            world.create_user(ACCOUNT, "reader", "/")?;
            let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"cloudformation:DescribeStacks","Resource":"arn:aws:cloudformation:*:*:stack/cell/*"}}"#;
            world.put_user_policy(ACCOUNT, "reader", "read", policy)?;
            world.create_access_key(ACCOUNT, "reader")
        })
        .await
        .unwrap();
    let reader = super::client(&cloud.sandbox, &key);
    reader.describe_stacks().stack_name("cell").send().await.unwrap();
    let (code, message) = refusal(reader.delete_stack().stack_name("cell").send().await);
    assert_eq!(code, "AccessDenied");
    assert!(message.contains(&format!("cloudformation:DeleteStack on resource: {id}")), "{message}");
    assert_eq!(refusal(reader.describe_stacks().send().await).0, "AccessDenied");
}
