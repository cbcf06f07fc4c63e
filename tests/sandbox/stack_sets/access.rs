//! Who may work with the sets of an organization: trusted access, delegated administrators, and policies.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{AutoDeployment, CallAs, Capability, OrganizationStatus, PermissionModels};
use sandbox::Credentials;
use serde_json::json;

use super::{Fleet, MEMBERS, OUTSIDER, SERVICE};
use crate::clients::{ACCOUNT, REGION};
use crate::cloudformation::{role, template};
use crate::identity::{change, error, refusal, session, signed_by, sts, user};

/// The administrator of a member account.
async fn inside(fleet: &Fleet, member: &str) -> Credentials {
    let role = format!("arn:aws:iam::{member}:role/OrganizationAccountAccessRole");
    let answer = sts(&fleet.sandbox, &fleet.admin).assume_role().role_arn(role).role_session_name("test").send().await;
    session(&answer.unwrap())
}

fn client(fleet: &Fleet, key: &Credentials) -> Client {
    Client::new(&signed_by(&fleet.sandbox, key))
}

fn organizations(fleet: &Fleet, key: &Credentials) -> aws_sdk_organizations::Client {
    aws_sdk_organizations::Client::new(&signed_by(&fleet.sandbox, key))
}

#[tokio::test]
async fn an_organization_must_trust_stack_sets() {
    let fleet = Fleet::start().await;
    let access = || fleet.client.describe_organizations_access().send();
    assert_eq!(access().await.unwrap().status, Some(OrganizationStatus::Enabled));
    fleet.make_set().await;
    let organizations = organizations(&fleet, &fleet.admin);
    let trusted = async || {
        let listed = organizations.list_aws_service_access_for_organization().send().await.unwrap();
        let services = listed.enabled_service_principals().iter().filter_map(|it| it.service_principal.clone());
        services.collect::<Vec<_>>()
    };
    assert_eq!(trusted().await, [SERVICE]);
    organizations.disable_aws_service_access().service_principal(SERVICE).send().await.unwrap();
    assert_eq!(trusted().await, Vec::<String>::new());
    assert_eq!(access().await.unwrap().status, Some(OrganizationStatus::Disabled));
    let invalid = error(400, "ValidationError");
    assert_eq!(refusal(fleet.instances().send().await), invalid);
    let described = template(&[role("Role", "")]);
    assert_eq!(refusal(fleet.set(&described).stack_set_name("other").send().await), invalid);
    let member = inside(&fleet, MEMBERS[0]).await;
    let theirs = client(&fleet, &member).activate_organizations_access().send().await;
    assert_eq!(refusal(theirs), error(400, "InvalidOperationException"));
    fleet.client.activate_organizations_access().send().await.unwrap();
    assert_eq!(trusted().await, [SERVICE]);
    fleet.deploy().await;
    assert_eq!(fleet.shown().await.len(), 3);
}

#[tokio::test]
async fn a_delegated_administrator_works_on_the_sets_of_the_organization() {
    let fleet = Fleet::start().await;
    let delegate = inside(&fleet, OUTSIDER).await;
    let theirs = client(&fleet, &delegate);
    let auto = || AutoDeployment::builder().enabled(false).build();
    let create = |call_as: CallAs| {
        let create = theirs.create_stack_set().stack_set_name("keyturn").call_as(call_as).auto_deployment(auto());
        let create = create.permission_model(PermissionModels::ServiceManaged);
        create.capabilities(Capability::CapabilityNamedIam).template_body(template(&[role("Role", "")])).send()
    };
    let invalid = error(400, "ValidationError");
    assert_eq!(refusal(create(CallAs::DelegatedAdmin).await), invalid, "of nothing yet");
    let register = |account: &str| {
        let register = organizations(&fleet, &fleet.admin).register_delegated_administrator();
        register.account_id(account).service_principal(SERVICE).send()
    };
    register(OUTSIDER).await.unwrap();
    assert_eq!(refusal(register(OUTSIDER).await), error(400, "AccountAlreadyRegisteredException"));
    assert_eq!(refusal(register(ACCOUNT).await), error(400, "ConstraintViolationException"));
    assert_eq!(refusal(register("123456789012").await), error(400, "AccountNotFoundException"));
    assert_eq!(refusal(create(CallAs::SelfValue).await), invalid, "in its own name it may not");
    create(CallAs::DelegatedAdmin).await.unwrap();
    let instances = theirs.create_stack_instances().stack_set_name("keyturn").regions(REGION);
    let instances = instances.deployment_targets(fleet.targets(&fleet.root)).call_as(CallAs::DelegatedAdmin);
    instances.send().await.unwrap();
    fleet.sandbox.settle().await;
    assert_eq!(fleet.shown().await.len(), 4, "the set is one of the management account, and it is itself a member");
    let describe = theirs.describe_stack_set().stack_set_name("keyturn");
    assert_eq!(refusal(describe.clone().send().await), error(404, "StackSetNotFoundException"));
    describe.call_as(CallAs::DelegatedAdmin).send().await.unwrap();
    let own = fleet.client.create_stack_set().stack_set_name("own").capabilities(Capability::CapabilityNamedIam);
    own.template_body(template(&[role("Role", "")])).send().await.unwrap();
    let listed = theirs.list_stack_sets().call_as(CallAs::DelegatedAdmin).send().await.unwrap();
    assert_eq!(listed.summaries().len(), 1, "not what the management account does with roles of its own");
    let other = theirs.describe_stack_set().stack_set_name("own").call_as(CallAs::DelegatedAdmin).send().await;
    assert_eq!(refusal(other), error(404, "StackSetNotFoundException"));
    let deregister = organizations(&fleet, &fleet.admin).deregister_delegated_administrator();
    let deregister = deregister.account_id(OUTSIDER).service_principal(SERVICE);
    deregister.clone().send().await.unwrap();
    assert_eq!(refusal(deregister.send().await), error(400, "AccountNotRegisteredException"));
    let gone = theirs.list_stack_sets().call_as(CallAs::DelegatedAdmin).send().await;
    assert_eq!(refusal(gone), invalid);
}

#[tokio::test]
async fn only_the_management_account_says_whom_the_organization_trusts() {
    let fleet = Fleet::start().await;
    let member = inside(&fleet, MEMBERS[0]).await;
    let theirs = organizations(&fleet, &member);
    let denied = error(400, "AccessDeniedException");
    let enable = theirs.enable_aws_service_access().service_principal(SERVICE).send().await;
    assert_eq!(refusal(enable), denied);
    let register = theirs.register_delegated_administrator().account_id(MEMBERS[0]).service_principal(SERVICE);
    assert_eq!(refusal(register.send().await), denied);
    assert_eq!(refusal(theirs.list_aws_service_access_for_organization().send().await), denied);
    let unknown = organizations(&fleet, &fleet.admin).enable_aws_service_access().service_principal("x").send().await;
    assert_eq!(refusal(unknown), error(400, "InvalidInputException"));
}

#[tokio::test]
async fn policies_decide_set_by_set() {
    let fleet = Fleet::start().await;
    fleet.make_set().await;
    let alice = user(&fleet.sandbox, ACCOUNT, "alice").await;
    let permit = async |targets: &str, kinds: &str| {
        let start = format!("arn:aws:cloudformation:{REGION}");
        let policy = json!({ "Version": "2012-10-17", "Statement": {
            "Effect": "Allow",
            "Action": ["cloudformation:DescribeStackSet", "cloudformation:CreateStackInstances"],
            "Resource": [
                format!("{start}:{ACCOUNT}:stackset/keyturn:*"),
                format!("{start}:{ACCOUNT}:stackset-target/keyturn:*/{targets}"),
                format!("{start}::type/resource/{kinds}"),
            ],
        } });
        change(&fleet.sandbox, move |world| world.put_user_policy(ACCOUNT, "alice", "hers", &policy.to_string())).await;
    };
    permit(&fleet.unit, "AWS-IAM-*").await;
    let hers = client(&fleet, &alice);
    hers.describe_stack_set().stack_set_name("keyturn").send().await.unwrap();
    let denied = error(403, "AccessDenied");
    assert_eq!(refusal(hers.describe_stack_set().stack_set_name("other").send().await), denied);
    assert_eq!(refusal(hers.delete_stack_set().stack_set_name("keyturn").send().await), denied);
    assert_eq!(refusal(hers.list_stack_sets().send().await), denied);
    assert_eq!(refusal(hers.activate_organizations_access().send().await), denied);
    let create = |unit: &str| {
        let create = hers.create_stack_instances().stack_set_name("keyturn").regions(REGION);
        create.deployment_targets(fleet.targets(unit)).send()
    };
    assert_eq!(refusal(create(&fleet.root).await), denied, "another unit");
    permit(&fleet.unit, "AWS-S3-*").await;
    assert_eq!(refusal(create(&fleet.unit).await), denied, "another type of resource");
    permit(&fleet.unit, "AWS-IAM-Role").await;
    create(&fleet.unit).await.unwrap();
    fleet.sandbox.settle().await;
    assert_eq!(fleet.shown().await.len(), 3, "the role of StackSets does the rest");
}
