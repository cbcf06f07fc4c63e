//! Sets: what they are made of, how they are changed, listed and deleted.

use aws_sdk_cloudformation::types::{Capability, DeploymentTargets, StackSetStatus, StackSetSummary};
use sandbox::StackAction;

use super::{Fleet, MEMBERS};
use crate::clients::{ACCOUNT, REGION};
use crate::cloudformation::{role, tag, template};
use crate::identity::{change, error, refusal, signed_by};

async fn names(fleet: &Fleet, status: Option<StackSetStatus>) -> Vec<String> {
    let listed = fleet.client.list_stack_sets().set_status(status).send().await.unwrap();
    let shown = |set: &StackSetSummary| format!("{} {}", set.stack_set_name().unwrap(), set.status().unwrap());
    listed.summaries().iter().map(shown).collect()
}

#[tokio::test]
async fn a_set_shows_what_it_was_given() {
    let fleet = Fleet::start().await;
    let described = template(&[role("Role", "")]);
    let made = fleet.set(&described).description("rotates").tags(tag("team", "a")).send().await.unwrap();
    let id = made.stack_set_id.unwrap();
    assert!(id.starts_with("keyturn:"));
    let set = fleet.client.describe_stack_set().stack_set_name(&id).send().await.unwrap().stack_set.unwrap();
    assert_eq!(set.stack_set_arn, Some(format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stackset/{id}")));
    assert_eq!(set.template_body.as_deref(), Some(described.as_str()));
    assert_eq!((set.description(), set.status().unwrap().as_str()), (Some("rotates"), "ACTIVE"));
    assert_eq!(set.permission_model().unwrap().as_str(), "SERVICE_MANAGED");
    assert_eq!(set.auto_deployment().unwrap().enabled(), Some(true));
    assert_eq!(set.managed_execution().unwrap().active(), Some(false));
    assert_eq!(set.tags(), [tag("team", "a")]);
    assert_eq!(set.administration_role_arn(), None);
    fleet.deploy().await;
    let stacks = fleet.sandbox.visit(|world| world.stacks()).await;
    assert_eq!(stacks[0].tags, [("team".to_owned(), "a".to_owned())]);
}

#[tokio::test]
async fn a_name_is_taken_until_the_set_is_deleted() {
    let fleet = Fleet::start().await;
    let described = template(&[role("Role", "")]);
    let create = |token: &str| fleet.set(&described).client_request_token(token).send();
    let id = create("one").await.unwrap().stack_set_id;
    assert_eq!(create("one").await.unwrap().stack_set_id, id, "the same request once more");
    assert_eq!(refusal(create("two").await), error(409, "NameAlreadyExistsException"));
    assert_eq!(names(&fleet, None).await, ["keyturn ACTIVE"]);
    let delete = || fleet.client.delete_stack_set().stack_set_name("keyturn").send();
    fleet.deploy().await;
    assert_eq!(refusal(delete().await), error(409, "StackSetNotEmptyException"));
    let instances = fleet.client.delete_stack_instances().stack_set_name("keyturn").regions(REGION);
    instances.deployment_targets(fleet.targets(&fleet.unit)).retain_stacks(false).send().await.unwrap();
    fleet.sandbox.settle().await;
    delete().await.unwrap();
    let left = fleet.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    assert_eq!((left.len(), names(&fleet, Some(StackSetStatus::Active)).await.len()), (0, 0), "{left:?}");
    assert_eq!(names(&fleet, Some(StackSetStatus::Deleted)).await, ["keyturn DELETED"]);
    let gone = fleet.client.describe_stack_set().stack_set_name("keyturn").send().await;
    assert_eq!(refusal(gone), error(404, "StackSetNotFoundException"));
    create("three").await.unwrap();
}

#[tokio::test]
async fn an_update_reaches_every_instance() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    fleet.deploy().await;
    let described = template(&[role("Role", ", Description: new")]);
    let update = || {
        let update = fleet.client.update_stack_set().stack_set_name("keyturn").template_body(&described);
        update.capabilities("CAPABILITY_NAMED_IAM".into())
    };
    fleet.sandbox.visit(|world| world.fail_resource_in(MEMBERS[0], "Role", StackAction::Update, "busy")).await;
    let failed = update().operation_id("first").send().await.unwrap().operation_id.unwrap();
    fleet.sandbox.settle().await;
    assert_eq!((failed.as_str(), fleet.status("first").await.as_str()), ("first", "FAILED"));
    assert_eq!(fleet.shown().await, ["001 OUTDATED FAILED", "002 OUTDATED CANCELLED", "003 OUTDATED CANCELLED"]);
    assert!(fleet.stacks().await.contains(&"001 UPDATE_ROLLBACK_COMPLETE".to_owned()));
    let set = fleet.client.describe_stack_set().stack_set_name("keyturn").send().await.unwrap().stack_set.unwrap();
    assert_eq!(set.template_body.as_deref(), Some(described.as_str()), "the set is a new one all the same");
    update().operation_id("second").send().await.unwrap();
    fleet.sandbox.settle().await;
    assert_eq!(fleet.results("second").await, ["001 SUCCEEDED", "002 SUCCEEDED", "003 SUCCEEDED"]);
    assert_eq!(fleet.shown().await, ["001 CURRENT SUCCEEDED", "002 CURRENT SUCCEEDED", "003 CURRENT SUCCEEDED"]);
}

#[tokio::test]
async fn an_update_of_some_leaves_the_others_outdated() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    fleet.deploy().await;
    let update = fleet.client.update_stack_set().stack_set_name("keyturn");
    let update = update.template_body(template(&[role("Role", ", Description: new")]));
    let some = update.capabilities("CAPABILITY_NAMED_IAM".into()).deployment_targets(fleet.targets(&fleet.inner));
    some.regions(REGION).send().await.unwrap();
    fleet.sandbox.settle().await;
    assert_eq!(fleet.shown().await, ["001 OUTDATED SUCCEEDED", "002 OUTDATED SUCCEEDED", "003 CURRENT SUCCEEDED"]);
}

#[tokio::test]
async fn templates_are_checked_before_there_is_a_set() {
    let fleet = Fleet::start().await;
    let good = template(&[role("Role", "")]);
    let padded = |length: usize| format!("{good}#{}", "x".repeat(length - good.len() - 1));
    let invalid = error(400, "ValidationError");
    assert_eq!(refusal(fleet.set(&padded(51_201)).send().await), invalid);
    assert_eq!(refusal(fleet.set("Resources: {}").send().await), invalid);
    assert_eq!(refusal(fleet.set(&good).stack_set_name("1st").send().await), invalid);
    let plain = fleet.set(&good).set_capabilities(Some(vec![])).send().await;
    assert_eq!(refusal(plain), error(400, "InsufficientCapabilitiesException"));
    assert!(names(&fleet, None).await.is_empty());
    change(&fleet.sandbox, |world| world.create_bucket(ACCOUNT, REGION, "templates")).await;
    let s3 = crate::clients::s3(&signed_by(&fleet.sandbox, &fleet.admin));
    let body = padded(60_000).into_bytes().into();
    s3.put_object().bucket("templates").key("large.yaml").body(body).send().await.unwrap();
    let url = format!("https://templates.s3.{REGION}.amazonaws.com/large.yaml");
    fleet.set("").set_template_body(None).template_url(url).send().await.unwrap();
    let operation = fleet.deploy().await;
    assert_eq!(fleet.status(&operation).await, "SUCCEEDED");
}

#[tokio::test]
async fn what_the_sandbox_does_not_know_of_stack_sets_is_named() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    let drift = fleet.client.detect_stack_set_drift().stack_set_name("keyturn").send().await;
    assert_eq!(refusal(drift), error(501, "SandboxUnsupported"));
    let import = fleet.set(&template(&[role("Role", "")])).stack_set_name("other").stack_id("arn").send().await;
    assert_eq!(refusal(import), error(501, "SandboxUnsupported"));
}

/// Without another template an update is about the accounts that it names, and about nobody else (API reference,
/// UpdateStackSet).
#[tokio::test]
async fn an_update_without_a_template_outdates_only_what_it_names() {
    let fleet = Fleet::start_slow().await;
    fleet.make_set().await;
    fleet.deploy().await;
    fleet.sandbox.advance(std::time::Duration::from_secs(600)).await;
    let targets = DeploymentTargets::builder().accounts(MEMBERS[1]).build();
    let update = fleet.client.update_stack_set().stack_set_name("keyturn").use_previous_template(true);
    let update = update.capabilities(Capability::CapabilityNamedIam).deployment_targets(targets).regions(REGION);
    update.send().await.unwrap();
    let current: Vec<_> = fleet.shown().await.into_iter().filter(|shown| shown.contains("CURRENT")).collect();
    assert_eq!(current, ["001 CURRENT SUCCEEDED", "003 CURRENT SUCCEEDED"]);
}
