//! What GetTemplateSummary tells of the template of a stack.

use aws_sdk_cloudformation::types::ChangeSetType;

use super::{Cloud, refusal, role, template};

#[tokio::test]
async fn the_template_of_a_stack_is_summed_up() {
    let cloud = Cloud::start().await;
    let declared =
        "Parameters:\n  Size: {Type: Number, Default: 3}\n  Word: {Type: String, Default: w, NoEcho: true}\n";
    let described = template(&[role("One", ""), role("Two", "")]);
    cloud.create(&format!("Description: two roles\n{declared}{described}")).await;
    let summary = cloud.client.get_template_summary().stack_name("cell").send().await.unwrap();
    assert_eq!(summary.description(), Some("two roles"));
    assert_eq!(summary.resource_types(), ["AWS::IAM::Role"]);
    let parameters: Vec<_> = summary
        .parameters()
        .iter()
        .map(|it| (it.parameter_key().unwrap(), it.parameter_type().unwrap(), it.default_value(), it.no_echo()))
        .collect();
    assert_eq!(parameters, [("Size", "Number", Some("3"), Some(false)), ("Word", "String", Some("w"), Some(true))]);
}

#[tokio::test]
async fn only_stacks_that_were_built_are_summed_up() {
    let cloud = Cloud::start_slow().await;
    let described = template(&[role("Role", "")]);
    let summary = || cloud.client.get_template_summary();
    let missing = |name: &str| ("ValidationError".to_owned(), format!("Stack with id {name} does not exist"));
    assert_eq!(refusal(summary().stack_name("cell").send().await), missing("cell"));
    cloud.change_set("cell", ChangeSetType::Create, &described).send().await.unwrap();
    assert_eq!(refusal(summary().stack_name("cell").send().await), missing("cell"));
    let of_text = summary().stack_name("cell").template_body(described).send().await;
    assert_eq!(refusal(of_text).0, "SandboxUnsupported", "nobody asks for that here");
}
