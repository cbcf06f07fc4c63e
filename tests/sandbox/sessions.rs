//! Contracts of AssumeRole between accounts: whom a trust policy lets in, under which conditions, and tags of sessions.

use sandbox::Credentials;
use serde_json::{Value, json};

use crate::clients::ACCOUNT;
use crate::identity::{OTHER_ACCOUNT, change, error, refusal, session, start, sts, trust, user};
use crate::organizations::{MEMBER, organized};

/// A policy that lets its bearer do one thing anywhere.
fn allowing(action: &str) -> String {
    json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": action, "Resource": "*" } })
        .to_string()
}

/// A trust policy for everybody in an account, for these actions and under these conditions.
fn trusting(actions: Value, conditions: Value) -> String {
    let statement = json!({
        "Effect": "Allow", "Action": actions, "Principal": { "AWS": format!("arn:aws:iam::{OTHER_ACCOUNT}:root") },
        "Condition": conditions,
    });
    json!({ "Version": "2012-10-17", "Statement": statement }).to_string()
}

/// Whether somebody can assume a role, and as whom.
async fn assume(sandbox: &sandbox::Sandbox, key: &Credentials, role: &str) -> Option<Credentials> {
    let answer = sts(sandbox, key).assume_role().role_arn(role).role_session_name("from-a-test").send().await;
    match answer {
        Ok(answer) => Some(session(&answer)),
        Err(_) => {
            assert_eq!(refusal(answer), error(403, "AccessDenied"));
            None
        }
    }
}

#[tokio::test]
async fn between_accounts_both_sides_must_agree() {
    let (sandbox, _) = start().await;
    let stranger = change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    let alice = user(&sandbox, OTHER_ACCOUNT, "alice").await;
    let table = [
        (format!("arn:aws:iam::{OTHER_ACCOUNT}:root"), "by-root", [true, false]),
        (OTHER_ACCOUNT.to_owned(), "by-number", [true, false]),
        (format!("arn:aws:iam::{OTHER_ACCOUNT}:user/administrator"), "by-user", [true, false]),
        (format!("arn:aws:iam::{OTHER_ACCOUNT}:user/team/alice"), "by-alice", [false, false]),
        (format!("arn:aws:iam::{ACCOUNT}:root"), "by-own", [false, false]),
    ];
    for (principal, name, [administrator, without_permission]) in table {
        let document = trust(&principal, json!({}));
        let role = change(&sandbox, move |world| world.create_role(ACCOUNT, name, &document)).await;
        assert_eq!(assume(&sandbox, &stranger, &role).await.is_some(), administrator, "{principal}");
        assert_eq!(assume(&sandbox, &alice, &role).await.is_some(), without_permission, "{principal}");
    }
    change(&sandbox, |world| world.put_user_policy(OTHER_ACCOUNT, "alice", "out", &allowing("sts:AssumeRole"))).await;
    for (name, expected) in [("by-root", true), ("by-user", false), ("by-alice", true), ("by-own", false)] {
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{name}");
        assert_eq!(assume(&sandbox, &alice, &role).await.is_some(), expected, "{name}");
    }
}

#[tokio::test]
async fn a_role_may_trust_another_role_or_one_session_of_it() {
    let (sandbox, _) = start().await;
    let stranger = change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    let own = trust(OTHER_ACCOUNT, json!({}));
    let hub = change(&sandbox, move |world| {
        let hub = world.create_role(OTHER_ACCOUNT, "hub", &own)?;
        world.put_role_policy(OTHER_ACCOUNT, "hub", "out", &allowing("sts:AssumeRole"))?;
        Ok(hub)
    })
    .await;
    let inside = assume(&sandbox, &stranger, &hub).await.unwrap();
    let session_of = |name: &str| format!("arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/hub/{name}");
    let table = [(hub, "role", true), (session_of("from-a-test"), "this", true), (session_of("other"), "other", false)];
    for (principal, name, expected) in table {
        let document = trust(&principal, json!({}));
        let role = change(&sandbox, move |world| world.create_role(ACCOUNT, name, &document)).await;
        assert_eq!(assume(&sandbox, &inside, &role).await.is_some(), expected, "{principal}");
        assert!(assume(&sandbox, &stranger, &role).await.is_none(), "{principal}");
    }
}

#[tokio::test]
async fn a_trust_policy_may_ask_for_more_than_the_account() {
    let (sandbox, admin, root) = organized().await;
    let stranger = change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    let organization = sandbox.visit(|world| world.organization_of(ACCOUNT)).await.unwrap();
    let of_organization = json!({ "StringEquals": { "aws:PrincipalOrgID": organization } });
    let named = json!({ "StringLike": { "sts:RoleSessionName": "keyturn-*" } });
    let agreed = json!({ "StringEquals": { "sts:ExternalId": "agreed" } });
    let roles = change(&sandbox, move |world| {
        Ok([
            world.create_role(MEMBER, "of-organization", &trust("*", of_organization))?,
            world.create_role(MEMBER, "named", &trust(ACCOUNT, named))?,
            world.create_role(MEMBER, "agreed", &trust(ACCOUNT, agreed))?,
        ])
    })
    .await;
    let ask = async |key: &Credentials, role: &str, name: &str, external_id: Option<&str>| {
        let call = sts(&sandbox, key).assume_role().role_arn(role).role_session_name(name);
        call.set_external_id(external_id.map(str::to_owned)).send().await.is_ok()
    };
    assert!(ask(&admin, &roles[0], "any", None).await);
    assert!(!ask(&stranger, &roles[0], "any", None).await, "of no organization");
    change(&sandbox, move |world| world.invite_account(&root, OTHER_ACCOUNT, "guest")).await;
    assert!(ask(&stranger, &roles[0], "any", None).await, "by now of the same");
    assert!(ask(&admin, &roles[1], "keyturn-1", None).await && !ask(&admin, &roles[1], "other", None).await);
    assert!(ask(&admin, &roles[2], "any", Some("agreed")).await && !ask(&admin, &roles[2], "any", None).await);
}

#[tokio::test]
async fn a_session_is_tagged_when_both_sides_allow_it() {
    let (sandbox, _) = start().await;
    let stranger = change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    let alice = user(&sandbox, OTHER_ACCOUNT, "alice").await;
    let (plain, tagging) = (json!("sts:AssumeRole"), json!(["sts:AssumeRole", "sts:TagSession"]));
    let prod = json!({ "StringEquals": { "aws:RequestTag/stage": "prod" } });
    let agreed = json!({ "StringEquals": { "sts:ExternalId": "agreed" } });
    let [plain, tagging, prod, agreed] = change(&sandbox, move |world| {
        world.put_user_policy(OTHER_ACCOUNT, "alice", "out", &allowing("sts:AssumeRole"))?;
        Ok([
            world.create_role(ACCOUNT, "plain", &trusting(plain, json!({})))?,
            world.create_role(ACCOUNT, "tagging", &trusting(tagging.clone(), json!({})))?,
            world.create_role(ACCOUNT, "prod", &trusting(tagging.clone(), prod))?,
            world.create_role(ACCOUNT, "agreed", &trusting(tagging, agreed))?,
        ])
    })
    .await;
    let ask = async |key: &Credentials, role: &str, tags: &[(&str, &str)]| {
        let tag =
            |(key, value): &(&str, &str)| aws_sdk_sts::types::Tag::builder().key(*key).value(*value).build().unwrap();
        let call = sts(&sandbox, key).assume_role().role_arn(role).role_session_name("from-a-test");
        call.external_id("agreed").set_tags(Some(tags.iter().map(tag).collect())).send().await
    };
    let denied = error(403, "AccessDenied");
    let (stage, other) = ([("stage", "prod")], [("stage", "test")]);
    assert!(ask(&stranger, &plain, &[]).await.is_ok());
    assert_eq!(refusal(ask(&stranger, &plain, &stage).await), denied, "the role does not let itself be tagged");
    assert_eq!(refusal(ask(&alice, &tagging, &stage).await), denied, "she may not tag");
    assert_eq!(refusal(ask(&stranger, &prod, &other).await), denied);
    assert!(ask(&stranger, &prod, &stage).await.is_ok());
    assert!(ask(&stranger, &agreed, &[]).await.is_ok());
    assert_eq!(refusal(ask(&stranger, &agreed, &stage).await), denied, "tagging does not know the external id");
    assert_eq!(refusal(ask(&stranger, &tagging, &[("aws:x", "y")]).await), error(400, "ValidationError"));
    assert_eq!(refusal(ask(&stranger, &tagging, &[("a", "1"), ("a", "2")]).await), error(400, "InvalidParameterValue"));

    let if_tagged = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*",
        "Condition": { "StringEquals": { "aws:PrincipalTag/stage": "prod" } },
    } });
    change(&sandbox, move |world| world.put_role_policy(ACCOUNT, "tagging", "may", &if_tagged.to_string())).await;
    for (tags, allowed) in [(stage, true), (other, false)] {
        let inside = session(&ask(&stranger, &tagging, &tags).await.unwrap());
        let listed = crate::identity::iam(&sandbox, &inside).list_users().send().await;
        assert_eq!(listed.is_ok(), allowed, "{tags:?}");
    }
}
