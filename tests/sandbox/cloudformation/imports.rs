//! Contracts of change sets of type IMPORT, by which secrets join a stack.

use aws_sdk_cloudformation::types::{ChangeAction, ChangeSetStatus, ChangeSetType, ResourceToImport};
use aws_sdk_secretsmanager::types::Tag as SecretTag;

use super::{Cloud, client, refusal, retained_role, role, tag, template};
use crate::clients::{ACCOUNT, config};

/// A secret that is retained; `more` are further properties, each with a comma first.
fn secret(logical_id: &str, more: &str) -> String {
    let policies = "DeletionPolicy: Retain, UpdateReplacePolicy: Retain";
    format!(
        "  {logical_id}: {{{policies}, Type: 'AWS::SecretsManager::Secret', Properties: {{Name: kept, SecretString: placeholder{more}}}}}\n"
    )
}

fn to_import(logical_id: &str, arn: &str) -> ResourceToImport {
    ResourceToImport::builder()
        .resource_type("AWS::SecretsManager::Secret")
        .logical_resource_id(logical_id)
        .resource_identifier("Id", arn)
        .build()
}

impl Cloud {
    async fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        let key = self.sandbox.visit(|world| world.create_access_key(ACCOUNT, "administrator")).await.unwrap();
        let config = config(self.sandbox.endpoint(), &key.access_key_id, &key.secret_access_key, None);
        aws_sdk_secretsmanager::Client::new(&config)
    }

    /// A secret that is there before any stack, and its ARN.
    async fn with_secret() -> (Self, String, aws_sdk_secretsmanager::Client) {
        let cloud = Self::start().await;
        let secrets = cloud.secrets().await;
        let own = SecretTag::builder().key("own").value("yes").build();
        let made = secrets.create_secret().name("kept").secret_string("live").tags(own).send().await.unwrap();
        (cloud, made.arn.unwrap(), secrets)
    }

    async fn import(&self, described: &str, resource: ResourceToImport) -> Option<String> {
        let request = self.change_set("cell", ChangeSetType::Import, described).resources_to_import(resource);
        request.tags(tag("team", "blue")).send().await.unwrap();
        let made = self.described().await;
        (made.status == Some(ChangeSetStatus::Failed)).then(|| made.status_reason.unwrap_or_default())
    }
}

#[tokio::test]
async fn a_secret_joins_a_new_stack_and_keeps_its_value() {
    let (cloud, arn, secrets) = Cloud::with_secret().await;
    assert_eq!(cloud.import(&template(&[secret("Secret", "")]), to_import("Secret", &arn)).await, None);
    assert_eq!(cloud.status("cell").await, "REVIEW_IN_PROGRESS");
    let changes = cloud.changes().await;
    assert_eq!(
        (changes[0].action(), changes[0].physical_resource_id()),
        (Some(&ChangeAction::Import), Some(arn.as_str()))
    );
    cloud.execute().await;
    let told = cloud.last_operation("cell", "IMPORT_IN_PROGRESS").await;
    for event in ["Secret IMPORT_IN_PROGRESS", "Secret IMPORT_COMPLETE", "cell IMPORT_COMPLETE"] {
        assert!(told.contains(&event.to_owned()), "{event}: {told:?}");
    }
    let value = secrets.get_secret_value().secret_id(&arn).send().await.unwrap();
    assert_eq!(value.secret_string(), Some("live"));
    let described = secrets.describe_secret().secret_id(&arn).send().await.unwrap();
    let tags: Vec<_> = described.tags().iter().filter_map(|tag| tag.key()).collect();
    assert!(tags.contains(&"own") && tags.contains(&"team"), "{tags:?}");
    // From here on it is a stack like any other.
    cloud.client.delete_change_set().stack_name("cell").change_set_name("changes").send().await.unwrap();
    let more = template(&[secret("Secret", ""), role("Role", "")]);
    let request = cloud.change_set("cell", ChangeSetType::Update, &more);
    request.tags(tag("team", "blue")).send().await.unwrap();
    cloud.execute().await;
    assert_eq!(cloud.status("cell").await, "UPDATE_COMPLETE");
    let value = secrets.get_secret_value().secret_id(&arn).send().await.unwrap();
    assert_eq!(value.secret_string(), Some("live"));
}

#[tokio::test]
async fn an_import_changes_nothing_else() {
    let (cloud, arn, _) = Cloud::with_secret().await;
    let request = cloud.change_set("cell", ChangeSetType::Create, &template(&[role("Role", "")]));
    request.tags(tag("team", "blue")).send().await.unwrap();
    cloud.execute().await;
    let output = "Outputs:\n  Arn: {Value: !GetAtt Role.Arn}\n";
    for (described, reason) in [
        (template(&[role("Role", ", Description: new"), secret("Secret", "")]), "You have modified resources [Role]"),
        (template(&[role("Role", ""), role("More", ""), secret("Secret", "")]), "You have modified resources [More]"),
        (template(&[secret("Secret", "")]), "You have modified resources [Role]"),
        (template(&[role("Role", "")]), "The template does not describe Secret"),
        (template(&[role("Role", ""), secret("Secret", "")]) + output, "you cannot modify or add [Outputs]"),
    ] {
        cloud.client.delete_change_set().stack_name("cell").change_set_name("changes").send().await.unwrap();
        let failed = cloud.import(&described, to_import("Secret", &arn)).await.unwrap();
        assert!(failed.contains(reason), "{failed}");
    }
}

#[tokio::test]
async fn a_secret_to_import_must_be_there_and_be_identified_by_its_arn() {
    let (cloud, arn, secrets) = Cloud::with_secret().await;
    let described = template(&[secret("Secret", "")]);
    let by_name = ResourceToImport::builder()
        .resource_type("AWS::SecretsManager::Secret")
        .logical_resource_id("Secret")
        .resource_identifier("Name", "kept")
        .build();
    let request = cloud.change_set("cell", ChangeSetType::Import, &described).resources_to_import(by_name);
    assert_eq!(refusal(request.send().await).0, "ValidationError");
    let other = arn.replace(":secret:kept-", ":secret:gone-");
    let failed = cloud.import(&described, to_import("Secret", &other)).await.unwrap();
    assert!(failed.contains("[Secret]"), "{failed}");
    cloud.client.delete_change_set().stack_name("cell").change_set_name("changes").send().await.unwrap();
    let unretained = described.replace("DeletionPolicy: Retain, ", "");
    let failed = cloud.import(&unretained, to_import("Secret", &arn)).await.unwrap();
    assert!(failed.contains("DeletionPolicy"), "{failed}");
    // It is found when the change set is made, and gone when that is executed.
    cloud.client.delete_change_set().stack_name("cell").change_set_name("changes").send().await.unwrap();
    assert_eq!(cloud.import(&described, to_import("Secret", &arn)).await, None);
    secrets.delete_secret().secret_id(&arn).force_delete_without_recovery(true).send().await.unwrap();
    cloud.execute().await;
    assert_eq!(cloud.status("cell").await, "IMPORT_ROLLBACK_COMPLETE");
}

#[tokio::test]
async fn a_secret_is_not_found_by_its_name() {
    let (cloud, _, secrets) = Cloud::with_secret().await;
    let described = template(&[secret("Secret", ""), retained_role("Role", "")]);
    let request = cloud.change_set("cell", ChangeSetType::Create, &described).import_existing_resources(true);
    request.send().await.unwrap();
    let changes = cloud.changes().await;
    assert!(changes.iter().all(|change| change.action() == Some(&ChangeAction::Add)), "{changes:?}");
    cloud.execute().await;
    assert_eq!(cloud.status("cell").await, "ROLLBACK_COMPLETE", "the name is taken");
    let value = secrets.get_secret_value().secret_id("kept").send().await.unwrap();
    assert_eq!(value.secret_string(), Some("live"));
}

#[tokio::test]
async fn whoever_imports_must_be_allowed_to_read() {
    let (cloud, arn, _) = Cloud::with_secret().await;
    let key = cloud.sandbox.visit(|world| {
        world.create_user(ACCOUNT, "blind", "/").unwrap();
        let policy =
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"cloudformation:*","Resource":"*"}}"#;
        world.put_user_policy(ACCOUNT, "blind", "stacks", policy).unwrap();
        world.create_access_key(ACCOUNT, "blind").unwrap()
    });
    let blind = Cloud { client: client(&cloud.sandbox, &key.await), sandbox: cloud.sandbox };
    let failed = blind.import(&template(&[secret("Secret", "")]), to_import("Secret", &arn)).await.unwrap();
    assert!(failed.contains("secretsmanager:DescribeSecret"), "{failed}");
}
