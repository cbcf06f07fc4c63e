//! Contracts of policies: what is evaluated for every call, and how a refusal reads.

use aws_sdk_iam::error::ProvideErrorMetadata;
use sandbox::{Check, Credentials, Sandbox};
use serde_json::{Value, json};

use crate::clients::ACCOUNT;
use crate::identity::{OTHER_ACCOUNT, change, error, iam, refusal, session, start, sts, trust, user};

const ALICE: &str = "arn:aws:iam::111122223333:user/team/alice";

fn document(statements: Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// Gives alice these statements and no others.
async fn permit(sandbox: &Sandbox, statements: Value) {
    let policy = document(statements);
    change(sandbox, move |world| world.put_user_policy(ACCOUNT, "alice", "hers", &policy)).await;
}

/// A role that all of the account may assume, with these statements, and a session of it.
async fn role_session(sandbox: &Sandbox, admin: &Credentials, statements: Value) -> Credentials {
    let (trusted, policy) = (trust(ACCOUNT, json!({})), document(statements));
    let arn = change(sandbox, move |world| {
        let arn = world.create_role(ACCOUNT, "rotator", &trusted)?;
        world.put_role_policy(ACCOUNT, "rotator", "its", &policy)?;
        Ok(arn)
    })
    .await;
    session(&sts(sandbox, admin).assume_role().role_arn(arn).role_session_name("a-function").send().await.unwrap())
}

/// Whether the holder of these credentials may read that user.
async fn may_get(sandbox: &Sandbox, credentials: &Credentials, user: &str) -> bool {
    match iam(sandbox, credentials).get_user().user_name(user).send().await {
        Ok(_) => true,
        Err(refused) if refused.code() == Some("AccessDenied") => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_no_policy_allows_is_denied_in_the_words_of_aws() {
    let (sandbox, _) = start().await;
    let alice = user(&sandbox, ACCOUNT, "alice").await;
    let refused = iam(&sandbox, &alice).create_access_key().send().await.expect_err("refused");
    let expected = format!(
        "User: {ALICE} is not authorized to perform: iam:CreateAccessKey on resource: {ALICE} because no \
         identity-based policy allows the iam:CreateAccessKey action"
    );
    assert_eq!((refused.code(), refused.message()), (Some("AccessDenied"), Some(expected.as_str())));
    assert_eq!(sandbox.visit(|world| world.access_keys(ACCOUNT, "alice").len()).await, 1, "nothing was done");
}

#[tokio::test]
async fn an_explicit_deny_wins() {
    let (sandbox, _) = start().await;
    let alice = user(&sandbox, ACCOUNT, "alice").await;
    permit(&sandbox, json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }])).await;
    assert!(may_get(&sandbox, &alice, "alice").await);
    let deny = document(json!([{ "Effect": "Deny", "Action": "iam:Get*", "Resource": ALICE }]));
    change(&sandbox, move |world| world.put_user_policy(ACCOUNT, "alice", "a-deny", &deny)).await;
    assert!(!may_get(&sandbox, &alice, "alice").await);
    assert!(may_get(&sandbox, &alice, "administrator").await);
}

#[tokio::test]
async fn resources_are_arns_with_their_path() {
    let (sandbox, _) = start().await;
    let alice = user(&sandbox, ACCOUNT, "alice").await;
    let table = [
        (ALICE, true),
        ("arn:aws:iam::111122223333:user/team/*", true),
        ("arn:aws:iam::111122223333:user/alice", false),
        ("arn:aws:iam::444455556666:user/team/alice", false),
    ];
    for (resource, allowed) in table {
        permit(&sandbox, json!([{ "Effect": "Allow", "Action": "iam:GetUser", "Resource": resource }])).await;
        assert_eq!(may_get(&sandbox, &alice, "Alice").await, allowed, "{resource}");
    }
    permit(&sandbox, json!([{ "Effect": "Allow", "Action": "iam:ListUsers", "Resource": "arn:aws:iam::*:*" }])).await;
    let listed = iam(&sandbox, &alice).list_users().send().await;
    assert_eq!(refusal(listed), error(403, "AccessDenied"), "ListUsers knows no resource but `*`");
}

#[tokio::test]
async fn conditions_see_the_tags_of_a_user_and_who_asks() {
    let (sandbox, _) = start().await;
    let alice = user(&sandbox, ACCOUNT, "alice").await;
    change(&sandbox, |world| world.tag_user(ACCOUNT, "alice", "team", "a")).await;
    let table = [
        (json!({ "StringEquals": { "aws:ResourceTag/team": "a" } }), true),
        (json!({ "StringEquals": { "aws:ResourceTag/team": "b" } }), false),
        (json!({ "Null": { "aws:ResourceTag/team": "true" } }), false),
        (json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:user/team/*" } }), true),
        (json!({ "StringEquals": { "aws:ResourceAccount": ACCOUNT } }), true),
        (json!({ "StringEquals": { "aws:ResourceAccount": OTHER_ACCOUNT } }), false),
    ];
    for (condition, allowed) in table {
        let statement = json!({ "Effect": "Allow", "Action": "iam:GetUser", "Resource": "*", "Condition": condition });
        permit(&sandbox, json!([statement])).await;
        assert_eq!(may_get(&sandbox, &alice, "alice").await, allowed, "{condition}");
    }
}

#[tokio::test]
async fn an_unknown_condition_is_an_error() {
    let (sandbox, _) = start().await;
    user(&sandbox, ACCOUNT, "alice").await;
    for (condition, named) in [
        (json!({ "NumericLessThan": { "aws:ResourceAccount": "1" } }), "`NumericLessThan`"),
        (json!({ "StringEquals": { "aws:Weather": "fine" } }), "`aws:Weather`"),
    ] {
        let policy = document(json!([{ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition }]));
        let refused = sandbox.visit(move |world| world.put_user_policy(ACCOUNT, "alice", "hers", &policy)).await;
        let refused = refused.expect_err("refused").to_string();
        assert!(refused.starts_with("SandboxUnsupported") && refused.contains(named), "{refused}");
    }
}

#[tokio::test]
async fn the_policies_of_its_role_decide_for_a_session() {
    let (sandbox, admin) = start().await;
    user(&sandbox, ACCOUNT, "alice").await;
    let statement = json!({
        "Effect": "Allow", "Action": "iam:GetUser", "Resource": ALICE,
        // A condition knows a session by the ARN of its role.
        "Condition": { "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam::111122223333:role/rotator" } },
    });
    let rotator = role_session(&sandbox, &admin, json!([statement])).await;
    assert!(may_get(&sandbox, &rotator, "alice").await);
    assert!(!may_get(&sandbox, &rotator, "administrator").await);
    sandbox.visit(|world| world.clear_calls()).await;
    assert!(!may_get(&sandbox, &rotator, "bob").await);
    let calls = sandbox.visit(|world| world.calls().to_vec()).await;
    let resource = "arn:aws:iam::111122223333:user/bob".to_owned();
    let check = Check { action: "iam:GetUser".to_owned(), resource, allowed: false };
    assert_eq!(calls[0].principal, "arn:aws:sts::111122223333:assumed-role/rotator/a-function");
    assert_eq!(calls.iter().flat_map(|call| call.checks.clone()).collect::<Vec<_>>(), [check]);
}

#[tokio::test]
async fn a_boundary_bounds_what_a_role_may_do() {
    let (sandbox, admin) = start().await;
    let rotator = role_session(&sandbox, &admin, json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }])).await;
    assert!(may_get(&sandbox, &rotator, "administrator").await);
    let boundary = document(json!([{ "Effect": "Allow", "Action": "sts:*", "Resource": "*" }]));
    change(&sandbox, move |world| {
        let arn = world.create_policy(ACCOUNT, "boundary", &boundary)?;
        world.bound_role(ACCOUNT, "rotator", &arn)
    })
    .await;
    let refused = iam(&sandbox, &rotator).get_user().user_name("administrator").send().await.expect_err("refused");
    let message = refused.message().unwrap_or_default();
    assert!(message.ends_with("because no permissions boundary allows the iam:GetUser action"), "{message}");
}

#[tokio::test]
async fn another_account_needs_the_consent_of_both() {
    let (sandbox, _) = start().await;
    change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    let carol = user(&sandbox, OTHER_ACCOUNT, "carol").await;
    let trusted = trust("arn:aws:iam::444455556666:user/team/carol", json!({}));
    let role = change(&sandbox, move |world| world.create_role(ACCOUNT, "deployer", &trusted)).await;
    let assume = || sts(&sandbox, &carol).assume_role().role_arn(&role).role_session_name("a-rollout").send();
    assert_eq!(refusal(assume().await), error(403, "AccessDenied"), "her own account does not let her");
    let own = document(json!([{ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role }]));
    change(&sandbox, move |world| world.put_user_policy(OTHER_ACCOUNT, "carol", "hers", &own)).await;
    assume().await.unwrap();
}
