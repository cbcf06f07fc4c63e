//! Drift: what a detection finds, and what a change set that reverts it does.

use aws_sdk_cloudformation::types::{
    AfterValueFrom, BeforeValueFrom, ChangeAction, DeploymentMode, DifferenceType, StackDriftDetectionStatus,
    StackResourceDrift, StackResourceDriftStatus as Status,
};
use sandbox::StackAction;
use serde_json::{Value, json};

use super::*;
use crate::clients::REGION;

const MINUTE: std::time::Duration = std::time::Duration::from_mins(1);

impl Cloud {
    /// Looks for drift, and gives how the detection ended.
    async fn detect(&self) -> StackDriftDetectionStatus {
        let begun = self.client.detect_stack_drift().stack_name("cell").send().await.unwrap();
        let id = begun.stack_drift_detection_id.unwrap();
        let asked = self.client.describe_stack_drift_detection_status().stack_drift_detection_id(id);
        asked.send().await.unwrap().detection_status.unwrap()
    }

    async fn drifts(&self) -> Vec<StackResourceDrift> {
        let answer = self.client.describe_stack_resource_drifts().stack_name("cell").send().await.unwrap();
        answer.stack_resource_drifts.unwrap_or_default()
    }

    /// What a detection says of each resource.
    async fn found(&self) -> Vec<(String, Status)> {
        assert_eq!(self.detect().await, StackDriftDetectionStatus::DetectionComplete);
        let name = |drift: &StackResourceDrift| drift.logical_resource_id.clone().unwrap();
        let drifts = self.drifts().await;
        drifts.iter().map(|drift| (name(drift), drift.stack_resource_drift_status.clone().unwrap())).collect()
    }

    async fn meddle(&self, logical_id: &'static str, changes: Value) {
        self.sandbox.visit(move |world| world.change_resource("cell", logical_id, &changes).unwrap()).await;
    }

    async fn delete_past(&self, logical_id: &'static str) {
        self.sandbox.visit(move |world| world.delete_resource("cell", logical_id).unwrap()).await;
    }

    /// Brings the stack to a template, and what there is too.
    async fn revert(&self, template: &str) -> DescribeChangeSetOutput {
        let order = self.change_set("cell", ChangeSetType::Update, template);
        order.deployment_mode(DeploymentMode::RevertDrift).send().await.unwrap();
        let described = self.described().await;
        self.execute().await;
        self.client.delete_change_set().stack_name("cell").change_set_name("changes").send().await.unwrap();
        described
    }
}

fn group(retention: u32) -> String {
    format!(
        "  Group: {{Type: 'AWS::Logs::LogGroup', Properties: {{LogGroupName: group, RetentionInDays: {retention}}}}}\n"
    )
}

fn rule(description: &str) -> String {
    format!(
        "  Rule: {{Type: 'AWS::Events::Rule', Properties: {{Name: rule, Description: {description}, ScheduleExpression: 'rate(1 hour)', State: ENABLED}}}}\n"
    )
}

#[tokio::test]
async fn what_is_as_the_template_says_is_in_sync() {
    let cloud = Cloud::start().await;
    let template =
        template(&[role("Role", ", Description: first"), policy("Policy", "Role", ""), group(7), rule("first")]);
    cloud.create(&template).await;
    assert!(cloud.drifts().await.is_empty(), "nobody has looked");
    let expected = ["Group", "Policy", "Role", "Rule"].map(|name| (name.to_owned(), Status::InSync));
    assert_eq!(cloud.found().await, expected);
    let drift = cloud.stack("cell").await.drift_information.unwrap();
    assert_eq!(drift.stack_drift_status.unwrap().as_str(), "IN_SYNC");
    // What the template says nothing of is nobody's to compare.
    cloud.meddle("Role", json!({ "MaxSessionDuration": 7200 })).await;
    assert_eq!(cloud.found().await, expected);
}

#[tokio::test]
async fn every_difference_is_named_with_both_values() {
    let cloud = Cloud::start().await;
    cloud
        .create(&template(&[
            role("Role", ", Description: first, Tags: [{Key: a, Value: '1'}]"),
            group(7),
            rule("first"),
        ]))
        .await;
    cloud.meddle("Group", json!({ "RetentionInDays": 30 })).await;
    cloud
        .meddle(
            "Role",
            json!({ "Description": null, "Tags": [{ "Key": "b", "Value": "2" }, { "Key": "a", "Value": "3" }] }),
        )
        .await;
    cloud.delete_past("Rule").await;
    let expected = [("Group", Status::Modified), ("Role", Status::Modified), ("Rule", Status::Deleted)];
    assert_eq!(cloud.found().await, expected.map(|(name, status)| (name.to_owned(), status)));
    let drifts = cloud.drifts().await;
    let differences = drifts.iter().flat_map(|drift| drift.property_differences()).map(|it| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        (text(&it.property_path), text(&it.expected_value), text(&it.actual_value), it.difference_type.clone().unwrap())
    });
    let text = |(path, expected, actual, kind): (&str, &str, &str, DifferenceType)| {
        (path.to_owned(), expected.to_owned(), actual.to_owned(), kind)
    };
    let expected = [
        ("/RetentionInDays", "7", "30", DifferenceType::NotEqual),
        ("/Description", "first", "null", DifferenceType::Remove),
        ("/Tags/0/Value", "1", "3", DifferenceType::NotEqual),
        ("/Tags/1", "null", r#"{"Key":"b","Value":"2"}"#, DifferenceType::Add),
    ];
    assert_eq!(differences.collect::<Vec<_>>(), expected.map(text));
    let group = drifts.first().unwrap();
    assert_eq!(group.expected_properties(), Some(r#"{"RetentionInDays":7}"#), "no more than can be read back");
    assert_eq!(group.actual_properties(), Some(r#"{"RetentionInDays":30}"#));
    let rule = drifts.last().unwrap();
    assert_eq!((rule.expected_properties(), rule.actual_properties()), (None, None));
    let stack = cloud.stack("cell").await.drift_information.unwrap();
    assert_eq!(stack.stack_drift_status.unwrap().as_str(), "DRIFTED");
    let of_status = cloud.client.describe_stack_resource_drifts().stack_name("cell");
    let deleted = of_status.stack_resource_drift_status_filters(Status::Deleted).send().await.unwrap();
    assert_eq!(deleted.stack_resource_drifts().len(), 1);
}

#[tokio::test]
async fn a_detection_takes_its_time_and_only_one_is_under_way() {
    let cloud = Cloud::start_slow().await;
    cloud.change_set("cell", ChangeSetType::Create, &template(&[group(7)])).send().await.unwrap();
    cloud.sandbox.advance(MINUTE).await;
    let (_, message) = refusal(cloud.client.detect_stack_drift().stack_name("cell").send().await);
    assert!(message.contains("REVIEW_IN_PROGRESS"), "{message}");
    cloud.execute().await;
    cloud.sandbox.advance(MINUTE).await;
    let begun = cloud.client.detect_stack_drift().stack_name("cell").send().await.unwrap();
    let id = begun.stack_drift_detection_id.unwrap();
    let status = async || {
        let asked = cloud.client.describe_stack_drift_detection_status().stack_drift_detection_id(&id);
        asked.send().await.unwrap()
    };
    assert_eq!(status().await.detection_status, Some(StackDriftDetectionStatus::DetectionInProgress));
    assert_eq!(status().await.drifted_stack_resource_count, None);
    let (code, message) = refusal(cloud.client.detect_stack_drift().stack_name("cell").send().await);
    assert!(code == "ValidationError" && message.contains("already in progress"), "{code} {message}");
    cloud.sandbox.advance(MINUTE).await;
    let done = status().await;
    assert_eq!(done.detection_status, Some(StackDriftDetectionStatus::DetectionComplete));
    assert_eq!((done.drifted_stack_resource_count, done.stack_drift_status.unwrap().as_str()), (Some(0), "IN_SYNC"));
    let (_, message) =
        refusal(cloud.client.describe_stack_drift_detection_status().stack_drift_detection_id("another").send().await);
    assert!(message.contains("does not exist"), "{message}");
}

#[tokio::test]
async fn what_the_caller_may_not_look_at_is_unknown() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[role("Role", ", Description: first"), group(7)])).await;
    let operator = cloud.sandbox.visit(|world| {
        world.create_user(ACCOUNT, "operator", "/").unwrap();
        let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["cloudformation:*","logs:*"],"Resource":"*"}}"#;
        world.put_user_policy(ACCOUNT, "operator", "operate", policy).unwrap();
        world.create_access_key(ACCOUNT, "operator").unwrap()
    });
    let client = client(&cloud.sandbox, &operator.await);
    let cloud = Cloud { client, ..cloud };
    assert_eq!(cloud.detect().await, StackDriftDetectionStatus::DetectionFailed);
    let drifts = cloud.drifts().await;
    let statuses: Vec<_> = drifts.iter().map(|drift| drift.stack_resource_drift_status.clone().unwrap()).collect();
    assert_eq!(statuses, [Status::InSync, Status::UnknownValue]);
    assert!(drifts[1].drift_status_reason().unwrap().contains("iam:GetRole"), "{drifts:?}");
}

#[tokio::test]
async fn an_update_writes_what_differs_between_the_templates_and_no_more() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[rule("first")])).await;
    cloud.meddle("Rule", json!({ "State": "DISABLED", "Tags": [{ "Key": "theirs", "Value": "1" }] })).await;
    let order = cloud.change_set("cell", ChangeSetType::Update, &template(&[rule("first")]));
    order.send().await.unwrap();
    assert!(cloud.described().await.status_reason().unwrap().contains("didn't contain changes"), "drift is not seen");
    cloud.client.delete_change_set().stack_name("cell").change_set_name("changes").send().await.unwrap();
    cloud.update(&template(&[rule("second")])).await;
    let rule = cloud.sandbox.visit(|world| world.rules(ACCOUNT, REGION).remove(0)).await;
    assert_eq!((rule.description.as_deref(), rule.next), (Some("second"), None), "it is disabled still");
    assert_eq!(rule.tags.get("theirs").map(String::as_str), Some("1"));
}

#[tokio::test]
async fn a_reversion_brings_back_what_was_changed_and_makes_anew_what_was_deleted() {
    let cloud = Cloud::start().await;
    let template = template(&[
        role("Role", ", Tags: [{Key: a, Value: '1'}]"),
        policy("Policy", "Role", ""),
        group(7),
        rule("first"),
    ]);
    cloud.create(&template).await;
    cloud.meddle("Rule", json!({ "State": "DISABLED" })).await;
    cloud.meddle("Role", json!({ "Tags": [{ "Key": "a", "Value": "2" }, { "Key": "theirs", "Value": "1" }] })).await;
    cloud.delete_past("Group").await;
    let described = cloud.revert(&template).await;
    assert_eq!(described.deployment_mode(), Some(&DeploymentMode::RevertDrift));
    let changes: Vec<_> = described.changes().iter().map(|change| change.resource_change().unwrap()).collect();
    let told = changes.iter().map(|change| {
        let (id, action) = (change.logical_resource_id().unwrap(), change.action().unwrap());
        (id, action.clone(), change.resource_drift_status().unwrap().clone())
    });
    // The policy speaks of an attribute of the role, which is modified.
    let expected = [
        ("Group", ChangeAction::Add, Status::Deleted),
        ("Policy", ChangeAction::Modify, Status::InSync),
        ("Role", ChangeAction::Modify, Status::Modified),
        ("Rule", ChangeAction::Modify, Status::Modified),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let state = changes[3].details()[0].target().unwrap();
    assert_eq!((state.before_value(), state.after_value()), (Some("DISABLED"), Some("ENABLED")));
    assert_eq!(state.before_value_from(), Some(&BeforeValueFrom::ActualState));
    assert_eq!(state.after_value_from(), Some(&AfterValueFrom::Template));
    assert_eq!(state.drift().unwrap().previous_value(), Some("ENABLED"));
    assert_eq!(cloud.status("cell").await, "UPDATE_COMPLETE");
    assert!(cloud.found().await.iter().all(|(name, status)| *status == Status::InSync || name == "Role"));
    // Tags that no template names are those of others.
    let differences: Vec<_> =
        cloud.drifts().await.into_iter().flat_map(|it| it.property_differences.unwrap_or_default()).collect();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(differences[0].property_path(), Some("/Tags/1"));
}

#[tokio::test]
async fn a_reversion_tells_a_template_that_has_become_what_there_is() {
    let cloud = Cloud::start().await;
    cloud.create(&template(&[group(7)])).await;
    cloud.meddle("Group", json!({ "RetentionInDays": 30 })).await;
    let described = cloud.revert(&template(&[group(30)])).await;
    let change = described.changes()[0].resource_change().unwrap();
    assert_eq!(change.action(), Some(&ChangeAction::SyncWithActual));
    assert_eq!(cloud.found().await, [("Group".to_owned(), Status::InSync)]);
    // There is nothing left to revert.
    let order = cloud.change_set("cell", ChangeSetType::Update, &template(&[group(30)]));
    order.deployment_mode(DeploymentMode::RevertDrift).send().await.unwrap();
    assert!(cloud.described().await.status_reason().unwrap().contains("didn't contain changes"));
    let order = cloud.change_set("other", ChangeSetType::Create, &template(&[group(30)]));
    let (_, message) = refusal(order.deployment_mode(DeploymentMode::RevertDrift).send().await);
    assert!(message.contains("only valid for change sets of type UPDATE"), "{message}");
}

#[tokio::test]
async fn a_reversion_that_fails_is_taken_back_to_what_there_was() {
    let cloud = Cloud::start().await;
    let template = template(&[group(7), rule("first")]);
    cloud.create(&template).await;
    cloud.meddle("Group", json!({ "RetentionInDays": 30 })).await;
    cloud.meddle("Rule", json!({ "State": "DISABLED" })).await;
    cloud.sandbox.visit(|world| world.fail_resource("cell", "Rule", StackAction::Update, "not now")).await;
    cloud.revert(&template).await;
    assert_eq!(cloud.status("cell").await, "UPDATE_ROLLBACK_COMPLETE");
    let expected = ["Group", "Rule"].map(|name| (name.to_owned(), Status::Modified));
    assert_eq!(cloud.found().await, expected);
}
