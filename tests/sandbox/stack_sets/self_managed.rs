//! Self-managed permissions: a role in the account of the set assumes one in each account, if both let it.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Capability, DeploymentTargets};
use sandbox::{Credentials, Sandbox};
use serde_json::{Value, json};

use crate::clients::{ACCOUNT, REGION};
use crate::cloudformation::{role, template};
use crate::identity::{OTHER_ACCOUNT, change, error, refusal, signed_by, start, trust, user};

const ADMINISTRATION: &str = "AWSCloudFormationStackSetAdministrationRole";
const EXECUTION: &str = "AWSCloudFormationStackSetExecutionRole";

fn allowing(action: &str, resource: &str) -> String {
    let statement = json!({ "Effect": "Allow", "Action": action, "Resource": resource });
    json!({ "Version": "2012-10-17", "Statement": statement }).to_string()
}

/// Makes the role of the account that the set is in.
async fn administer(sandbox: &Sandbox, service: &str, may_assume: bool) {
    let statement = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": service } });
    let trusted = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
    change(sandbox, move |world| {
        world.create_role(ACCOUNT, ADMINISTRATION, &trusted)?;
        if may_assume {
            let policy = allowing("sts:AssumeRole", &format!("arn:aws:iam::*:role/{EXECUTION}"));
            world.put_role_policy(ACCOUNT, ADMINISTRATION, "execute", &policy)?;
        }
        Ok(())
    })
    .await;
}

/// Makes the role of the other account, which may do this.
async fn admit(sandbox: &Sandbox, principal: &str, action: &'static str) {
    let trusted = trust(principal, Value::Object(Default::default()));
    change(sandbox, move |world| {
        world.create_role(OTHER_ACCOUNT, EXECUTION, &trusted)?;
        world.put_role_policy(OTHER_ACCOUNT, EXECUTION, "do", &allowing(action, "*"))
    })
    .await;
}

async fn started() -> (Sandbox, Credentials, Client) {
    let (sandbox, admin) = start().await;
    change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    let client = Client::new(&signed_by(&sandbox, &admin));
    let create = client.create_stack_set().stack_set_name("keyturn").capabilities(Capability::CapabilityNamedIam);
    create.template_body(template(&[role("Role", "")])).send().await.unwrap();
    (sandbox, admin, client)
}

/// Creates the instance in the other account, and gives its result.
async fn deploy(sandbox: &Sandbox, client: &Client) -> String {
    let create = client.create_stack_instances().stack_set_name("keyturn").accounts(OTHER_ACCOUNT).regions(REGION);
    let id = create.send().await.unwrap().operation_id.unwrap();
    sandbox.settle().await;
    let listed = client.list_stack_set_operation_results().stack_set_name("keyturn").operation_id(id);
    let result = listed.send().await.unwrap().summaries.unwrap().remove(0);
    format!("{} {}", result.status.unwrap(), result.status_reason.unwrap_or_default())
}

#[tokio::test]
async fn both_roles_must_be_there_and_let_each_other() {
    let account = OTHER_ACCOUNT;
    let untrusted = format!(
        "FAILED Account {account} should have '{EXECUTION}' role with trust relationship to Role '{ADMINISTRATION}'."
    );
    let (service, of_role) = ("cloudformation.amazonaws.com", format!("arn:aws:iam::{ACCOUNT}:role/{ADMINISTRATION}"));
    let (sandbox, _, client) = started().await;
    assert!(deploy(&sandbox, &client).await.contains("does not trust cloudformation.amazonaws.com"), "no role at all");
    administer(&sandbox, service, true).await;
    assert_eq!(deploy(&sandbox, &client).await, untrusted, "no role in the account");
    admit(&sandbox, &of_role, "iam:*").await;
    assert_eq!(deploy(&sandbox, &client).await, "SUCCEEDED ");
    let calls = sandbox.visit(|world| world.calls().to_vec()).await;
    let made = calls.iter().find(|call| call.operation == "cloudformation:Create AWS::IAM::Role").unwrap();
    assert!(made.principal.contains(&format!(":assumed-role/{EXECUTION}/")), "{}", made.principal);

    for (trusting, may_assume, principal) in [
        ("lambda.amazonaws.com", true, of_role.as_str()),
        (service, false, ACCOUNT),
        (service, true, "arn:aws:iam::111122223333:user/administrator"),
    ] {
        let (sandbox, _, client) = started().await;
        administer(&sandbox, trusting, may_assume).await;
        admit(&sandbox, principal, "iam:*").await;
        assert!(deploy(&sandbox, &client).await.starts_with("FAILED "), "{trusting} {may_assume} {principal}");
    }
}

#[tokio::test]
async fn the_role_in_the_account_decides_what_a_stack_may_have() {
    let (sandbox, _, client) = started().await;
    administer(&sandbox, "cloudformation.amazonaws.com", true).await;
    admit(&sandbox, ACCOUNT, "s3:*").await;
    let refused = deploy(&sandbox, &client).await;
    assert!(refused.contains("is not authorized to perform: iam:CreateRole"), "{refused}");
}

#[tokio::test]
async fn what_belongs_to_organizations_is_refused() {
    let (sandbox, _, client) = started().await;
    let create = || client.create_stack_instances().stack_set_name("keyturn").regions(REGION);
    let units = DeploymentTargets::builder().organizational_unit_ids("ou-abcd-12345678").build();
    let invalid = error(400, "ValidationError");
    assert_eq!(refusal(create().deployment_targets(units).send().await), invalid);
    assert_eq!(refusal(create().accounts("12").send().await), invalid);
    let set = client.describe_stack_set().stack_set_name("keyturn").send().await.unwrap().stack_set.unwrap();
    assert_eq!(set.permission_model().unwrap().as_str(), "SELF_MANAGED");
    assert_eq!(set.administration_role_arn, Some(format!("arn:aws:iam::{ACCOUNT}:role/{ADMINISTRATION}")));
    assert_eq!(set.execution_role_name.as_deref(), Some(EXECUTION));
    let alice = user(&sandbox, ACCOUNT, "alice").await;
    let policy = allowing("cloudformation:*", "*");
    change(&sandbox, move |world| world.put_user_policy(ACCOUNT, "alice", "hers", &policy)).await;
    let hers = Client::new(&signed_by(&sandbox, &alice));
    let other = hers.create_stack_set().stack_set_name("other").capabilities(Capability::CapabilityNamedIam);
    let other =
        other.template_body(template(&[role("Role", "")])).administration_role_arn("arn:aws:iam::111122223333:role/x");
    assert_eq!(refusal(other.send().await), error(403, "AccessDenied"), "she may not pass that role");
}
