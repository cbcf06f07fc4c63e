//! The resource types as CloudFormation uses them, without a stack around them.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::Options;
use crate::request::Principal;
use crate::services::iam::{decide, trusts_service};

const ACCOUNT: &str = "111122223333";

fn world() -> World {
    let mut world = World::new(&Options::default());
    world.create_account(ACCOUNT).unwrap();
    world.create_user(ACCOUNT, "deployer", "/").unwrap();
    world
}

fn order(kind: &str, properties: Value) -> Order {
    let caller = Caller {
        account: ACCOUNT.to_owned(),
        arn: format!("arn:aws:iam::{ACCOUNT}:user/administrator"),
        user_id: String::new(),
        principal: Principal::User("administrator".to_owned()),
        instance: None,
        session_tags: BTreeMap::new(),
        issued: None,
    };
    let (stack_name, logical_id) = ("keyturn".to_owned(), "Thing".to_owned());
    Order { caller, region: "eu-central-1".to_owned(), kind: kind.to_owned(), stack_name, logical_id, properties }
}

/// The same order by somebody who may only do these actions.
fn as_deployer(world: &mut World, order: &Order, actions: &[&str]) -> Order {
    let policy = document(json!({ "Effect": "Allow", "Action": actions, "Resource": "*" })).to_string();
    world.put_user_policy(ACCOUNT, "deployer", "these", &policy).unwrap();
    let caller = Caller { principal: Principal::User("deployer".to_owned()), ..order.caller.clone() };
    Order { caller, ..order.clone() }
}

fn document(statement: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statement })
}

fn allow(action: &str) -> Value {
    document(json!({ "Effect": "Allow", "Action": action, "Resource": "*" }))
}

/// An Allow of this many characters.
fn long(length: usize) -> Value {
    let shortest = allow("a:").to_string().len();
    allow(&format!("a:{}", "x".repeat(length - shortest)))
}

fn trust() -> Value {
    let lambda = json!({ "Service": "lambda.amazonaws.com" });
    document(json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": lambda }))
}

/// Properties of a role with these besides the trust policy.
fn role(others: Value) -> Order {
    let mut properties = json!({ "AssumeRolePolicyDocument": trust() });
    properties.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    order(ROLE, properties)
}

fn code<T>(result: Result<T, ApiError>) -> Option<String> {
    result.err().map(|error| error.code)
}

fn may(world: &World, role: &str, action: &str) -> bool {
    let caller = Caller { principal: Principal::Role(role.to_owned()), ..order(ROLE, json!({})).caller };
    decide(world, &caller, action, "*", &BTreeMap::new()).unwrap().is_ok()
}

#[test]
fn a_role_is_referred_to_by_its_name() {
    let mut world = world();
    let created = create(&mut world, &role(json!({ "RoleName": "rotator", "Path": "/team/" }))).unwrap();
    assert_eq!(created.physical_id, "rotator");
    assert_eq!(created.attributes["Arn"], "arn:aws:iam::111122223333:role/team/rotator");
    assert!(created.attributes["RoleId"].starts_with("AROA"), "{created:?}");
    assert_eq!(trusts_service(&world, &created.attributes["Arn"], "lambda.amazonaws.com"), Ok(true));
    assert_eq!(trusts_service(&world, &created.attributes["Arn"], "ec2.amazonaws.com"), Ok(false));
}

#[test]
fn names_that_nobody_gave_are_made_of_stack_and_logical_id() {
    let mut world = world();
    let unnamed = Order { stack_name: "s".repeat(100), ..role(json!({})) };
    let long = create(&mut world, &unnamed).unwrap().physical_id;
    assert_eq!(long.len(), 64);
    let short = create(&mut world, &role(json!({}))).unwrap().physical_id;
    let policy = order(MANAGED_POLICY, json!({ "PolicyDocument": allow("iam:GetUser"), "Path": "/team/" }));
    let policy = create(&mut world, &policy).unwrap().physical_id;
    assert!(short.starts_with("keyturn-Thing-") && short.len() == "keyturn-Thing-".len() + 12, "{short}");
    assert!(policy.starts_with("arn:aws:iam::111122223333:policy/team/keyturn-Thing-"), "{policy}");
}

#[test]
fn a_policy_permits_the_roles_it_names_until_it_is_deleted() {
    let mut world = world();
    create(&mut world, &role(json!({ "RoleName": "rotator" }))).unwrap();
    let policy = order(MANAGED_POLICY, json!({ "PolicyDocument": allow("iam:GetUser"), "Roles": ["rotator"] }));
    let id = create(&mut world, &policy).unwrap().physical_id;
    assert!(may(&world, "rotator", "iam:GetUser") && !may(&world, "rotator", "iam:ListUsers"));
    let changed = order(MANAGED_POLICY, json!({ "PolicyDocument": allow("iam:ListUsers"), "Roles": ["rotator"] }));
    update(&mut world, &changed, &id, &policy.properties).unwrap();
    assert!(may(&world, "rotator", "iam:ListUsers") && !may(&world, "rotator", "iam:GetUser"));
    delete(&mut world, &changed, &id).unwrap();
    assert!(!may(&world, "rotator", "iam:ListUsers"));
    assert_eq!(delete(&mut world, &changed, &id), Ok(()), "deleted already");
}

#[test]
fn an_inline_policy_permits_its_role() {
    let mut world = world();
    create(&mut world, &role(json!({ "RoleName": "rotator" }))).unwrap();
    let properties = json!({ "PolicyName": "own", "RoleName": "rotator", "PolicyDocument": allow("iam:GetUser") });
    let policy = order(ROLE_POLICY, properties);
    let created = create(&mut world, &policy).unwrap();
    assert_eq!(created.physical_id, "own|rotator");
    assert!(may(&world, "rotator", "iam:GetUser"));
    assert_eq!(code(create(&mut world, &policy)), Some("EntityAlreadyExists".into()));
    delete(&mut world, &policy, &created.physical_id).unwrap();
    assert!(!may(&world, "rotator", "iam:GetUser"));
}

#[test]
fn a_role_with_policies_of_others_cannot_be_deleted() {
    let mut world = world();
    let own = json!([{ "PolicyName": "own", "PolicyDocument": allow("iam:GetUser") }]);
    let role = role(json!({ "RoleName": "rotator", "Policies": own }));
    create(&mut world, &role).unwrap();
    let policy = order(MANAGED_POLICY, json!({ "PolicyDocument": allow("iam:GetUser"), "Roles": ["rotator"] }));
    let id = create(&mut world, &policy).unwrap().physical_id;
    assert_eq!(code(delete(&mut world, &role, "rotator")), Some("DeleteConflict".into()));
    delete(&mut world, &policy, &id).unwrap();
    assert_eq!(delete(&mut world, &role, "rotator"), Ok(()));
    assert!(find(&mut world, &role).unwrap().is_none());
}

#[test]
fn a_policy_that_others_use_cannot_be_deleted() {
    let mut world = world();
    let policy = order(MANAGED_POLICY, json!({ "PolicyDocument": allow("*") }));
    let id = create(&mut world, &policy).unwrap().physical_id;
    let bounded = role(json!({ "RoleName": "bounded", "PermissionsBoundary": id }));
    let attached = role(json!({ "RoleName": "attached", "ManagedPolicyArns": [id] }));
    for user in [bounded, attached] {
        let name = create(&mut world, &user).unwrap().physical_id;
        assert_eq!(code(delete(&mut world, &policy, &id)), Some("DeleteConflict".into()));
        delete(&mut world, &user, &name).unwrap();
    }
    assert_eq!(delete(&mut world, &policy, &id), Ok(()));
}

#[test]
fn an_update_leaves_alone_what_others_gave_a_role() {
    let mut world = world();
    let inline = |action: &str| json!([{ "PolicyName": action.replace(':', "-"), "PolicyDocument": allow(action) }]);
    let before = role(json!({ "RoleName": "rotator", "Policies": inline("iam:GetUser") }));
    create(&mut world, &before).unwrap();
    let policy = order(MANAGED_POLICY, json!({ "PolicyDocument": allow("sts:AssumeRole"), "Roles": ["rotator"] }));
    create(&mut world, &policy).unwrap();
    let after = role(json!({ "RoleName": "rotator", "Policies": inline("iam:ListUsers") }));
    update(&mut world, &after, "rotator", &before.properties).unwrap();
    let can = ["iam:GetUser", "iam:ListUsers"].map(|action| may(&world, "rotator", action));
    assert_eq!(can, [false, true]);
    let attached = &world.iam.role(ACCOUNT, "rotator").unwrap().permissions.attached;
    assert_eq!(attached.len(), 1);
}

#[test]
fn policies_have_a_largest_size_that_leaves_white_space_out() {
    let mut world = world();
    let managed = |document: Value| order(MANAGED_POLICY, json!({ "PolicyDocument": document }));
    assert_eq!(code(create(&mut world, &managed(long(6_144)))), None);
    assert_eq!(code(create(&mut world, &managed(long(6_145)))), Some("LimitExceeded".into()));
    let blank = format!("arn:aws:s3:::{}", " ".repeat(7_000));
    let spaced = document(json!({ "Effect": "Allow", "Action": "a:b", "Resource": blank }));
    assert_eq!(code(create(&mut world, &managed(spaced))), None);
    let inline = |sizes: [usize; 2]| {
        let policies: Vec<Value> = sizes
            .iter()
            .map(|size| json!({ "PolicyName": format!("p{size}"), "PolicyDocument": long(*size) }))
            .collect();
        role(json!({ "Policies": policies }))
    };
    assert_eq!(code(create(&mut world, &inline([240, 10_000]))), None);
    assert_eq!(code(create(&mut world, &inline([241, 10_000]))), Some("LimitExceeded".into()));
}

#[test]
fn a_role_takes_ten_managed_policies() {
    let mut world = world();
    create(&mut world, &role(json!({ "RoleName": "rotator" }))).unwrap();
    let policy = order(MANAGED_POLICY, json!({ "PolicyDocument": allow("iam:GetUser"), "Roles": ["rotator"] }));
    for _ in 0..10 {
        create(&mut world, &policy).unwrap();
    }
    let policies = world.iam.accounts[ACCOUNT].policies.len();
    assert_eq!(code(create(&mut world, &policy)), Some("LimitExceeded".into()));
    assert_eq!(world.iam.accounts[ACCOUNT].policies.len(), policies, "nothing is left of the eleventh");
}

#[test]
fn names_are_taken_without_case() {
    let mut world = world();
    create(&mut world, &role(json!({ "RoleName": "rotator" }))).unwrap();
    let other = role(json!({ "RoleName": "Rotator" }));
    assert_eq!(code(create(&mut world, &other)), Some("EntityAlreadyExists".into()));
    let found = find(&mut world, &other).unwrap();
    assert_eq!(found.map(|found| found.physical_id), Some("rotator".into()));
}

#[test]
fn what_is_not_there_or_not_known_is_named() {
    let mut world = world();
    let gone = "arn:aws:iam::111122223333:policy/gone";
    let named = |result: Result<Created, ApiError>, text: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    named(create(&mut world, &role(json!({ "ManagedPolicyArns": [gone] }))), gone);
    named(create(&mut world, &role(json!({ "PermissionsBoundary": gone }))), gone);
    named(create(&mut world, &role(json!({ "Groups": [] }))), "`Groups`");
    named(create(&mut world, &role(json!({ "MaxSessionDuration": 60 }))), "MaxSessionDuration");
    let policy = json!({ "PolicyDocument": allow("iam:GetUser"), "Roles": ["nobody"] });
    named(create(&mut world, &order(MANAGED_POLICY, policy)), "nobody");
    assert!(world.iam.accounts[ACCOUNT].policies.is_empty(), "nothing is left of a policy that failed");
    assert!(schema("AWS::IAM::Group").is_err());
}

/// CloudFormation acts with the permissions of whoever started the stack operation.
#[test]
fn every_permission_is_needed() {
    let tags = json!([{ "Key": "team", "Value": "a" }]);
    let inline = json!([{ "PolicyName": "own", "PolicyDocument": allow("iam:GetUser") }]);
    let role = |world: &mut World| {
        let id = world.create_policy(ACCOUNT, "shared", &allow("iam:GetUser").to_string()).unwrap();
        role(json!({ "RoleName": "rotator", "Tags": tags, "Policies": inline, "ManagedPolicyArns": [id] }))
    };
    let for_creation = ["iam:CreateRole", "iam:TagRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"];
    let for_deletion = ["iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy"];
    for missing in for_creation.iter().chain(&for_deletion) {
        let mut world = world();
        let order = role(&mut world);
        let given: Vec<&str> =
            for_creation.iter().chain(&for_deletion).filter(|action| *action != missing).copied().collect();
        let order = as_deployer(&mut world, &order, &given);
        let created = create(&mut world, &order);
        let result = created.and_then(|created| delete(&mut world, &order, &created.physical_id));
        let refusal = result.unwrap_err();
        assert_eq!(refusal.code, "AccessDenied");
        assert!(refusal.message.contains(&format!("not authorized to perform: {missing} on resource")), "{refusal}");
        assert_eq!(world.iam.role(ACCOUNT, "rotator").is_ok(), for_deletion.contains(missing), "{missing}");
    }
}
