//! What is refused: too much, too little, and what the sandbox does not know.

use aws_sdk_cloudformation::types::{Capability, ChangeSetStatus, ChangeSetType, Parameter};

use super::{Cloud, policy, refusal, role, template};

/// The refusal of a template.
async fn refused(cloud: &Cloud, described: &str) -> (String, String) {
    refusal(cloud.change_set("cell", ChangeSetType::Create, described).send().await)
}

#[tokio::test]
async fn a_template_in_the_request_has_at_most_51200_bytes() {
    let cloud = Cloud::start().await;
    let described = template(&[role("Role", "")]);
    let padded = |length: usize| format!("{described}#{}", "x".repeat(length - described.len() - 1));
    let (code, message) = refused(&cloud, &padded(51_201)).await;
    assert_eq!(code, "ValidationError");
    assert!(message.contains("less than or equal to 51200"), "{message}");
    cloud.change_set("cell", ChangeSetType::Create, &padded(51_200)).send().await.unwrap();
}

#[tokio::test]
async fn a_template_has_at_most_500_resources() {
    let cloud = Cloud::start().await;
    let resources = |count| {
        let resources: Vec<_> = (0..count).map(|number| format!("  L{number}: *r\n")).collect();
        format!(
            "Metadata: {{R: &r {{Type: 'AWS::IAM::Role', Properties: {{AssumeRolePolicyDocument: {{}}}}}}}}\n{}",
            template(&resources)
        )
    };
    let (code, message) = refused(&cloud, &resources(501)).await;
    assert_eq!(code, "ValidationError");
    assert!(message.contains("Number of resources, 501, is greater than maximum allowed, 500"), "{message}");
    cloud.change_set("cell", ChangeSetType::Create, &resources(500)).send().await.unwrap();
}

#[tokio::test]
async fn iam_resources_must_be_acknowledged() {
    let cloud = Cloud::start().await;
    let (plain, named) = (template(&[role("Role", "")]), template(&[role("Role", ", RoleName: mine")]));
    for (described, given, needed) in [
        (&plain, None, Some("CAPABILITY_IAM")),
        (&plain, Some(Capability::CapabilityIam), None),
        (&plain, Some(Capability::CapabilityNamedIam), None),
        (&named, Some(Capability::CapabilityIam), Some("CAPABILITY_NAMED_IAM")),
        (&named, Some(Capability::CapabilityNamedIam), None),
    ] {
        let request = cloud.change_set("cell", ChangeSetType::Create, described);
        let result = request.set_capabilities(given.map(|given| vec![given])).send().await;
        match needed {
            Some(needed) => {
                let message = format!("Requires capabilities : [{needed}]");
                assert_eq!(refusal(result), ("InsufficientCapabilitiesException".to_owned(), message));
            }
            None => {
                result.unwrap();
                let delete = cloud.client.delete_change_set().stack_name("cell").change_set_name("changes");
                delete.send().await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn parameters_are_checked_before_anything_is_made() {
    let cloud = Cloud::start().await;
    let described = format!("Parameters: {{Size: {{Type: Number, MaxValue: 9}}}}\n{}", template(&[role("Role", "")]));
    assert_eq!(refused(&cloud, &described).await.1, "Parameters: [Size] must have values");
    for (key, value, message) in [
        ("Size", "ten", "is not a number"),
        ("Size", "10", "failed to satisfy constraint"),
        ("Other", "1", "Parameters: [Other] do not exist in the template"),
    ] {
        let parameter = Parameter::builder().parameter_key(key).parameter_value(value).build();
        let request = cloud.change_set("cell", ChangeSetType::Create, &described).parameters(parameter);
        let (code, found) = refusal(request.send().await);
        assert_eq!(code, "ValidationError");
        assert!(found.contains(message), "{found}");
    }
    let stacks = cloud.client.describe_stacks().send().await.unwrap();
    assert!(stacks.stacks().is_empty());
}

#[tokio::test]
async fn wrong_templates_are_refused_by_what_is_wrong() {
    let cloud = Cloud::start().await;
    let good = template(&[role("Role", "")]);
    for (described, message) in [
        ("Resources: {}".to_owned(), "At least one Resources member must be defined"),
        ("Resources: [".to_owned(), "Template format error"),
        (template(&["  Queue: {Type: 'AWS::SQS::Queue'}\n".to_owned()]), "`AWS::SQS::Queue`"),
        (template(&[role("Role", ", Path: !FindInMap [a, b, c]")]), "`Fn::FindInMap`"),
        (template(&[role("Role", ", Path: !Ref Nobody")]), "Unresolved resource dependencies [Nobody]"),
        (template(&[role("Role", "").replacen("{Type:", "{DependsOn: Nobody, Type:", 1)]), "[Nobody]"),
        (template(&[role("Role", ", Path: !If [Maybe, a, b]")]), "unresolved condition dependency Maybe"),
        (
            template(&[role("A", ", Path: !Ref B"), role("B", ", Path: !Ref A")]),
            "Circular dependency between resources: [A, B]",
        ),
        (template(&[role("with-hyphen", "")]), "with-hyphen is non alphanumeric"),
        (format!("Transform: 'AWS::Serverless-2016-10-31'\n{good}"), "`Transform of template`"),
        (format!("{good}Outputs: {{Role: {{Value: !Ref Role, Export: {{Name: x}}}}}}"), "`Export of Role`"),
        (
            template(&[role("Role", "").replacen("{Type:", "{DeletionPolicy: Snapshot, Type:", 1)]),
            "unknown policy Snapshot",
        ),
    ] {
        let (_, found) = refused(&cloud, &described).await;
        assert!(found.contains(message), "{message}: {found}");
    }
}

#[tokio::test]
async fn properties_are_checked_when_the_change_set_is_made() {
    let cloud = Cloud::start().await;
    let unknown = template(&[role("Role", ", Colour: blue")]);
    let missing = template(&["  Role: {Type: 'AWS::IAM::Role', Properties: {Path: /}}\n".to_owned()]);
    for (described, message) in [
        (unknown, "#: extraneous key [Colour] is not permitted"),
        (missing, "#: required key [AssumeRolePolicyDocument] not found"),
    ] {
        cloud.change_set("cell", ChangeSetType::Create, &described).send().await.unwrap();
        let made = cloud.described().await;
        assert_eq!(made.status, Some(ChangeSetStatus::Failed));
        assert!(made.status_reason().unwrap().contains(message), "{:?}", made.status_reason());
        let delete = cloud.client.delete_change_set().stack_name("cell").change_set_name("changes");
        delete.send().await.unwrap();
    }
}

#[tokio::test]
async fn an_unknown_attribute_fails_its_resource() {
    let cloud = Cloud::start().await;
    let wrong = policy("Policy", "Role", "").replace("Role.Arn", "Role.Size");
    let id = cloud.create(&template(&[role("Role", ""), wrong])).await;
    let told = cloud.events(&id).await;
    let reason = "Template error: resource Role does not support attribute type Size in Fn::GetAtt";
    assert!(told.contains(&("Policy".into(), "CREATE_FAILED".into(), reason.into())), "{told:?}");
}

#[tokio::test]
async fn unknown_operations_and_parameters_are_named() {
    let cloud = Cloud::start().await;
    let (code, message) = refusal(cloud.client.list_stacks().send().await);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("SandboxUnsupported", "the sandbox does not know the operation `ListStacks`")
    );
    let request = cloud.change_set("cell", ChangeSetType::Create, &template(&[role("Role", "")]));
    let (_, message) = refusal(request.notification_arns("arn:aws:sns:eu-central-1:111122223333:topic").send().await);
    assert!(message.contains("NotificationARNs"), "{message}");
    assert!(cloud.client.describe_stacks().send().await.unwrap().stacks().is_empty());
}

#[tokio::test]
async fn names_are_letters_digits_and_hyphens() {
    let cloud = Cloud::start().await;
    let described = template(&[role("Role", "")]);
    for name in ["1cell", "my_cell", "ce ll"] {
        let (code, message) = refusal(cloud.change_set(name, ChangeSetType::Create, &described).send().await);
        assert_eq!(code, "ValidationError");
        assert!(message.contains("[a-zA-Z][-a-zA-Z0-9]*"), "{message}");
    }
}

#[tokio::test]
async fn resources_come_in_pages_of_a_hundred() {
    let cloud = Cloud::start().await;
    let roles: Vec<_> = (0..101).map(|number| role(&format!("Role{number}"), "")).collect();
    cloud.create(&template(&roles)).await;
    let first = cloud.client.list_stack_resources().stack_name("cell").send().await.unwrap();
    assert_eq!(first.stack_resource_summaries().len(), 100);
    let rest =
        cloud.client.list_stack_resources().stack_name("cell").set_next_token(first.next_token).send().await.unwrap();
    assert_eq!((rest.stack_resource_summaries().len(), rest.next_token()), (1, None));
    let described = cloud.client.describe_stack_resources().stack_name("cell").send().await.unwrap();
    assert_eq!(described.stack_resources().len(), 100, "it gives the first hundred only");
}
