//! How a stack is created, in which order, and what follows a failure.

use std::time::Duration;

use aws_sdk_cloudformation::types::{ChangeSetType, OnStackFailure};
use sandbox::StackAction;

use super::{Cloud, policy, refusal, retained_role, role, tag, template};
use crate::clients::ACCOUNT;

impl Cloud {
    /// Has the creation of `Bad`, which waits for `Good`, fail with `broken`.
    async fn fail_creation(&self, on_failure: Option<OnStackFailure>) -> String {
        self.sandbox.visit(|world| world.fail_resource("cell", "Bad", StackAction::Create, "broken")).await;
        let described = template(&[role("Good", ", RoleName: good"), policy("Bad", "Good", "")]);
        let request = self.change_set("cell", ChangeSetType::Create, &described).set_on_stack_failure(on_failure);
        let made = request.send().await.unwrap();
        self.execute().await;
        made.stack_id.unwrap()
    }
}

#[tokio::test]
async fn every_transition_has_an_event_in_the_order_of_dependencies() {
    let cloud = Cloud::start().await;
    let id = cloud.create(&template(&[policy("Attached", "Role", ""), role("Role", ", RoleName: the-role")])).await;
    let told: Vec<_> = cloud.events(&id).await;
    let expected = [
        ("cell", "REVIEW_IN_PROGRESS", "User Initiated"),
        ("cell", "CREATE_IN_PROGRESS", "User Initiated"),
        ("Role", "CREATE_IN_PROGRESS", ""),
        ("Role", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        ("Role", "CREATE_COMPLETE", ""),
        ("Attached", "CREATE_IN_PROGRESS", ""),
        ("Attached", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        ("Attached", "CREATE_COMPLETE", ""),
        ("cell", "CREATE_COMPLETE", ""),
    ];
    assert_eq!(told, expected.map(|(name, status, reason)| (name.into(), status.into(), reason.into())));
    let page = cloud.client.describe_stack_events().stack_name("cell").send().await.unwrap();
    let role = page.stack_events().iter().find(|event| event.logical_resource_id() == Some("Role")).unwrap();
    assert_eq!(role.physical_resource_id(), Some("the-role"));
    assert_eq!(role.resource_type(), Some("AWS::IAM::Role"));
    let last = &page.stack_events()[0];
    assert_eq!((last.resource_type(), last.physical_resource_id()), (Some("AWS::CloudFormation::Stack"), Some(&*id)));
}

#[tokio::test]
async fn independent_resources_are_created_at_the_same_time() {
    let cloud = Cloud::start_slow().await;
    let described = template(&[role("A", ""), role("B", ""), policy("C", "A", "")]);
    cloud.change_set("cell", ChangeSetType::Create, &described).send().await.unwrap();
    cloud.sandbox.advance(Duration::from_secs(6)).await;
    cloud.execute().await;
    let in_progress = || async {
        let answer = cloud.client.describe_stack_resources().stack_name("cell").send().await.unwrap();
        let shown = answer.stack_resources().iter();
        shown
            .map(|it| format!("{} {}", it.logical_resource_id().unwrap(), it.resource_status().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(in_progress().await, ["A CREATE_IN_PROGRESS", "B CREATE_IN_PROGRESS"]);
    // A role takes 17 seconds.
    cloud.sandbox.advance(Duration::from_secs(17)).await;
    assert_eq!(in_progress().await, ["A CREATE_COMPLETE", "B CREATE_COMPLETE", "C CREATE_IN_PROGRESS"]);
    cloud.sandbox.advance(Duration::from_secs(10)).await;
    assert_eq!(cloud.status("cell").await, "CREATE_COMPLETE");
}

#[tokio::test]
async fn depends_on_orders_what_refers_to_nothing() {
    let cloud = Cloud::start().await;
    let first = role("First", "").replacen("{Type:", "{DependsOn: [Second], Type:", 1);
    let id = cloud.create(&template(&[first, role("Second", "")])).await;
    let done: Vec<_> = cloud
        .events(&id)
        .await
        .into_iter()
        .filter(|(_, status, _)| status == "CREATE_COMPLETE")
        .map(|it| it.0)
        .collect();
    assert_eq!(done, ["Second", "First", "cell"]);
}

#[tokio::test]
async fn conditions_parameters_and_outputs() {
    let cloud = Cloud::start().await;
    let head = "Parameters:\n  Names: {Type: CommaDelimitedList, Default: 'x,y'}\n  Extra: {Type: String, Default: 'no'}\n\
                Conditions: {WithExtra: !Equals [!Ref Extra, 'yes']}\n\
                Outputs:\n  Arn: {Value: !GetAtt Role.Arn, Description: where}\n  Both: {Value: !Join ['-', !Ref Names]}\n";
    let extra = role("Extra1", "").replacen("{Type:", "{Condition: WithExtra, Type:", 1);
    let description = ", RoleName: r, Description: !Sub '${AWS::StackName} in ${AWS::Region}'";
    cloud.create(&format!("{head}{}", template(&[role("Role", description), extra]))).await;
    let stack = cloud.stack("cell").await;
    let mut outputs: Vec<_> =
        stack.outputs().iter().map(|it| (it.output_key().unwrap(), it.output_value().unwrap())).collect();
    outputs.sort_unstable();
    assert_eq!(outputs, [("Arn", "arn:aws:iam::111122223333:role/r"), ("Both", "x-y")]);
    assert_eq!(cloud.roles().await, ["r"]);
}

#[tokio::test]
async fn a_failed_creation_is_rolled_back() {
    let cloud = Cloud::start().await;
    let id = cloud.fail_creation(None).await;
    let told = cloud.events(&id).await;
    let expected = [
        ("Bad", "CREATE_FAILED", "broken"),
        (
            "cell",
            "ROLLBACK_IN_PROGRESS",
            "The following resource(s) failed to create: [Bad]. Rollback requested by user.",
        ),
        ("Good", "DELETE_IN_PROGRESS", ""),
        ("Good", "DELETE_COMPLETE", ""),
        ("cell", "ROLLBACK_COMPLETE", ""),
    ];
    assert_eq!(
        told[told.len() - 5..],
        expected.map(|(name, status, reason)| (name.into(), status.into(), reason.into()))
    );
    assert_eq!(cloud.roles().await, Vec::<String>::new());
    let update = cloud.change_set("cell", ChangeSetType::Update, &template(&[role("Good", "")])).send().await;
    let message = format!("Stack:{id} is in ROLLBACK_COMPLETE state and can not be updated.");
    assert_eq!(refusal(update), ("ValidationError".to_owned(), message));
}

#[tokio::test]
async fn a_failed_creation_can_delete_the_stack() {
    let cloud = Cloud::start().await;
    let id = cloud.fail_creation(Some(OnStackFailure::Delete)).await;
    assert_eq!(cloud.status(&id).await, "DELETE_COMPLETE");
    let told = cloud.events(&id).await;
    let reason = "The following resource(s) failed to create: [Bad]. Delete requested by user.".to_owned();
    assert!(told.contains(&("cell".to_owned(), "DELETE_IN_PROGRESS".to_owned(), reason)), "{told:?}");
    let (code, message) = refusal(cloud.client.describe_stacks().stack_name("cell").send().await);
    assert_eq!((code.as_str(), message.as_str()), ("ValidationError", "Stack with id cell does not exist"));
}

#[tokio::test]
async fn a_failed_creation_can_be_left_as_it_is() {
    let cloud = Cloud::start().await;
    let id = cloud.fail_creation(Some(OnStackFailure::DoNothing)).await;
    assert_eq!(cloud.status(&id).await, "CREATE_FAILED");
    assert_eq!(cloud.roles().await, ["good"]);
    cloud.client.rollback_stack().stack_name("cell").send().await.unwrap();
    assert_eq!(cloud.status(&id).await, "ROLLBACK_COMPLETE");
    assert_eq!(cloud.roles().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_failure_cancels_what_is_under_way() {
    let cloud = Cloud::start().await;
    cloud.sandbox.visit(|world| world.fail_resource("cell", "A", StackAction::Create, "broken")).await;
    let id = cloud.create(&template(&[role("A", ""), role("B", "")])).await;
    let told = cloud.events(&id).await;
    let cancelled = ("B".to_owned(), "CREATE_FAILED".to_owned(), "Resource creation cancelled".to_owned());
    assert!(told.contains(&cancelled), "{told:?}");
    let reason = &told.iter().find(|(_, status, _)| status == "ROLLBACK_IN_PROGRESS").unwrap().2;
    assert!(reason.contains("[A, B]"), "{reason}");
}

#[tokio::test]
async fn rolling_back_keeps_what_is_retained_except_what_it_says_otherwise() {
    for (policy_name, kept) in [("Retain", true), ("RetainExceptOnCreate", false), ("Delete", false)] {
        let cloud = Cloud::start().await;
        cloud.sandbox.visit(|world| world.fail_resource("cell", "Bad", StackAction::Create, "broken")).await;
        let good = retained_role("Good", ", RoleName: good").replacen("Retain,", &format!("{policy_name},"), 1);
        let id = cloud.create(&template(&[good, policy("Bad", "Good", "")])).await;
        let told = cloud.events(&id).await;
        let skipped = told.iter().any(|(name, status, _)| name == "Good" && status == "DELETE_SKIPPED");
        assert_eq!(skipped, kept, "{policy_name}");
        assert_eq!(cloud.status(&id).await, "ROLLBACK_COMPLETE");
    }
}

#[tokio::test]
async fn resources_are_created_with_the_permissions_of_the_caller() {
    let cloud = Cloud::start().await;
    let key = cloud
        .sandbox
        .visit(|world| {
            world.create_user(ACCOUNT, "deployer", "/")?;
            let policy =
                r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"cloudformation:*","Resource":"*"}}"#;
            world.put_user_policy(ACCOUNT, "deployer", "stacks-only", policy)?;
            world.create_access_key(ACCOUNT, "deployer")
        })
        .await
        .unwrap();
    let deployer = Cloud { client: super::client(&cloud.sandbox, &key), sandbox: cloud.sandbox };
    let id = deployer.create(&template(&[role("Role", ", RoleName: denied")])).await;
    assert_eq!(deployer.status(&id).await, "ROLLBACK_COMPLETE");
    let told = deployer.events(&id).await;
    let (_, _, reason) = told.iter().find(|(_, status, _)| status == "CREATE_FAILED").unwrap();
    assert!(reason.contains("user/deployer is not authorized to perform: iam:CreateRole"), "{reason}");
    assert!(reason.ends_with("HandlerErrorCode: AccessDenied)"), "{reason}");
}

#[tokio::test]
async fn stack_tags_reach_the_resources() {
    let cloud = Cloud::start().await;
    let described = template(&[role("Role", ", RoleName: tagged, Tags: [{Key: own, Value: '1'}]")]);
    cloud.change_set("cell", ChangeSetType::Create, &described).tags(tag("team", "blue")).send().await.unwrap();
    cloud.execute().await;
    let after = cloud.described().await;
    let context = after.changes()[0].resource_change().unwrap().after_context().unwrap();
    assert!(context.contains(r#"{"Key":"team","Value":"blue"}"#), "{context}");
    assert!(context.contains(r#"{"Key":"own","Value":"1"}"#), "{context}");
}

#[tokio::test]
async fn the_token_of_the_request_is_in_every_event() {
    let cloud = Cloud::start().await;
    let described = template(&[role("Role", "")]);
    cloud.change_set("cell", ChangeSetType::Create, &described).send().await.unwrap();
    let request = cloud.client.execute_change_set().stack_name("cell").change_set_name("changes");
    request.client_request_token("mine").send().await.unwrap();
    let page = cloud.client.describe_stack_events().stack_name("cell").send().await.unwrap();
    let (review, operation) = page.stack_events().split_last().unwrap();
    assert_eq!(review.client_request_token(), None);
    for event in operation {
        assert_eq!(event.client_request_token(), Some("mine"), "{event:?}");
    }
}

#[tokio::test]
async fn events_come_in_pages_of_a_hundred_newest_first() {
    let cloud = Cloud::start().await;
    let roles: Vec<_> = (0..50).map(|number| role(&format!("Role{number}"), "")).collect();
    let id = cloud.create(&template(&roles)).await;
    let first = cloud.client.describe_stack_events().stack_name(&id).send().await.unwrap();
    assert_eq!(first.stack_events().len(), 100);
    assert_eq!(first.stack_events()[0].resource_status().unwrap().as_str(), "CREATE_COMPLETE");
    let told = cloud.events(&id).await;
    // Review, three of each role, and the stack's own two.
    assert_eq!(told.len(), 1 + 50 * 3 + 2);
    let mut ids = std::collections::BTreeSet::new();
    let mut token = None;
    loop {
        let page = cloud.client.describe_stack_events().stack_name(&id).set_next_token(token).send().await.unwrap();
        ids.extend(page.stack_events().iter().map(|event| event.event_id().unwrap().to_owned()));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(ids.len(), told.len(), "every event has an id of its own");
}
