//! Contracts of the conditions that keyturn's templates use between accounts and on tags: buckets that an organization
//! may read, and secrets and users that a policy knows by their tags.

use aws_sdk_cloudformation::types::{Capability, ChangeSetType};
use aws_sdk_secretsmanager::types::Tag;
use sandbox::{Credentials, Sandbox};
use serde_json::{Value, json};

use crate::clients::{ACCOUNT, REGION, s3};
use crate::identity::{OTHER_ACCOUNT, change, error, iam, refusal, session, signed_by, start, sts, user};
use crate::organizations::{MEMBER, ROLE, organized};

/// Gives alice these statements and no others.
async fn permit(sandbox: &Sandbox, statements: Value) {
    let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    change(sandbox, move |world| world.put_user_policy(ACCOUNT, "alice", "hers", &policy)).await;
}

/// Deploys a bucket `shared` whose policy has this statement; gives the stack's status.
async fn share(sandbox: &Sandbox, admin: &Credentials, statement: Value) -> String {
    let blocked = json!({ "BlockPublicPolicy": true });
    let template = json!({ "Resources": {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": { "BucketName": "shared", "PublicAccessBlockConfiguration": blocked },
        },
        "Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": { "Ref": "Bucket" },
                "PolicyDocument": { "Version": "2012-10-17", "Statement": [statement] },
            },
        },
    } });
    let client = aws_sdk_cloudformation::Client::new(&signed_by(sandbox, admin));
    let made = client.create_change_set().stack_name("bucket").change_set_name("changes");
    let made = made.change_set_type(ChangeSetType::Create).capabilities(Capability::CapabilityNamedIam);
    made.template_body(template.to_string()).send().await.unwrap();
    client.execute_change_set().stack_name("bucket").change_set_name("changes").send().await.unwrap();
    sandbox.settle().await;
    let described = client.describe_stacks().stack_name("bucket").send().await.unwrap();
    described.stacks()[0].stack_status().unwrap().to_string()
}

fn reading(principal: Value, condition: Value) -> Value {
    let resource = "arn:aws:s3:::shared/*";
    json!({ "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": resource, "Condition": condition })
}

#[tokio::test]
async fn a_bucket_lets_in_whom_its_policy_and_their_own_let() {
    let (sandbox, admin, root) = organized().await;
    let organization = sandbox.visit(|world| world.organization_of(ACCOUNT)).await.unwrap();
    let of_organization = json!({ "StringEquals": { "aws:PrincipalOrgID": organization } });
    assert_eq!(share(&sandbox, &admin, reading(json!("*"), of_organization)).await, "CREATE_COMPLETE");
    let put = async |key: &Credentials| {
        s3(&signed_by(&sandbox, key)).put_object().bucket("shared").key("k").body(b"x".to_vec().into()).send().await
    };
    let get = async |key: &Credentials| {
        let got = s3(&signed_by(&sandbox, key)).get_object().bucket("shared").key("k").send().await;
        got.map(|_| ()).map_err(|_| ())
    };
    put(&admin).await.unwrap();
    let answer = sts(&sandbox, &admin).assume_role().role_arn(ROLE).role_session_name("from-a-test").send().await;
    let member = session(&answer.unwrap());
    assert_eq!(get(&member).await, Ok(()), "of the organization, and its own policies let it");
    assert_eq!(refusal(put(&member).await), error(403, "AccessDenied"), "to read only");
    let without = user(&sandbox, MEMBER, "carol").await;
    assert_eq!(get(&without).await, Err(()), "her own account does not let her");
    let own = user(&sandbox, ACCOUNT, "dave").await;
    assert_eq!(get(&own).await, Ok(()), "inside the account one of the two is enough");
    let stranger = change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    assert_eq!(get(&stranger).await, Err(()), "of no organization");
    change(&sandbox, move |world| world.invite_account(&root, OTHER_ACCOUNT, "guest")).await;
    assert_eq!(get(&stranger).await, Ok(()), "by now of the same");
}

#[tokio::test]
async fn a_bucket_that_denies_has_the_last_word() {
    let (sandbox, admin) = start().await;
    let deny = |condition| json!({ "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shared/*", "Condition": condition });
    let plain = deny(json!({ "Bool": { "aws:SecureTransport": "false" } }));
    assert_eq!(share(&sandbox, &admin, plain).await, "CREATE_COMPLETE");
    let client = s3(&signed_by(&sandbox, &admin));
    client.put_object().bucket("shared").key("k").body(b"x".to_vec().into()).send().await.unwrap();
    let get = || client.get_object().bucket("shared").key("k").send();
    get().await.expect("loopback stands for TLS");
    let properties = json!({ "Bucket": "shared", "PolicyDocument": {
        "Version": "2012-10-17", "Statement": [deny(json!({ "StringEquals": { "aws:ResourceAccount": ACCOUNT } }))],
    } });
    change(&sandbox, move |world| world.change_resource("bucket", "Policy", &properties)).await;
    assert_eq!(refusal(get().await), error(403, "AccessDenied"), "although she is the administrator");
}

#[tokio::test]
async fn a_policy_for_anybody_is_blocked() {
    for (principal, condition, status) in [
        (json!("*"), json!({}), "ROLLBACK_COMPLETE"),
        (json!("*"), json!({ "StringLike": { "aws:PrincipalOrgID": "o-*" } }), "ROLLBACK_COMPLETE"),
        (json!("*"), json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1234567890" } }), "CREATE_COMPLETE"),
        (json!({ "AWS": OTHER_ACCOUNT }), json!({}), "CREATE_COMPLETE"),
    ] {
        let (sandbox, admin) = start().await;
        let statement = reading(principal, condition);
        assert_eq!(share(&sandbox, &admin, statement.clone()).await, status, "{statement}");
    }
}

#[tokio::test]
async fn the_organization_of_a_resource_counts() {
    let (sandbox, _, _) = organized().await;
    let alice = user(&sandbox, ACCOUNT, "alice").await;
    let organization = sandbox.visit(|world| world.organization_of(ACCOUNT)).await.unwrap();
    for (id, allowed) in [(organization.as_str(), true), ("o-another", false)] {
        let condition = json!({ "StringEquals": { "aws:ResourceOrgID": id } });
        permit(&sandbox, json!({ "Effect": "Allow", "Action": "iam:*", "Resource": "*", "Condition": condition }))
            .await;
        let got = iam(&sandbox, &alice).get_user().user_name("alice").send().await;
        assert_eq!(got.is_ok(), allowed, "{id}");
    }
}

#[tokio::test]
async fn secrets_are_made_and_known_by_their_tags() {
    let (sandbox, _) = start().await;
    let alice = user(&sandbox, ACCOUNT, "alice").await;
    let secret = format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:keyturn/*");
    let requested = json!({ "StringEquals": { "aws:RequestTag/keyturn:stack": "keyturn" } });
    let tagged = json!({ "StringEquals": { "secretsmanager:ResourceTag/keyturn:stack": "keyturn" } });
    let may = |actions: Value, condition: Value| json!({ "Effect": "Allow", "Action": actions, "Resource": secret, "Condition": condition });
    permit(
        &sandbox,
        json!([
            may(json!(["secretsmanager:CreateSecret", "secretsmanager:TagResource"]), requested),
            may(json!(["secretsmanager:DescribeSecret", "secretsmanager:TagResource"]), tagged),
        ]),
    )
    .await;
    let client = aws_sdk_secretsmanager::Client::new(&signed_by(&sandbox, &alice));
    let tag = |value: &str| Tag::builder().key("keyturn:stack").value(value).build();
    let create = async |name: &str, tags: Vec<Tag>| client.create_secret().name(name).set_tags(Some(tags)).send().await;
    let denied = error(400, "AccessDeniedException");
    create("keyturn/a", vec![tag("keyturn")]).await.unwrap();
    for (name, tags) in [("keyturn/b", vec![]), ("keyturn/c", vec![tag("other")]), ("d", vec![tag("keyturn")])] {
        assert_eq!(refusal(create(name, tags).await), denied, "{name}");
    }
    change(&sandbox, |world| {
        world.create_secret(ACCOUNT, REGION, "keyturn/foreign", "x", &[("keyturn:stack", "other")])
    })
    .await;
    client.describe_secret().secret_id("keyturn/a").send().await.unwrap();
    assert_eq!(refusal(client.describe_secret().secret_id("keyturn/foreign").send().await), denied);
    let left = Tag::builder().key("keyturn:left").value("yes").build();
    client.tag_resource().secret_id("keyturn/a").tags(left.clone()).send().await.unwrap();
    assert_eq!(refusal(client.tag_resource().secret_id("keyturn/foreign").tags(left).send().await), denied);
}

#[tokio::test]
async fn users_are_known_by_their_tags_and_tell_them() {
    let (sandbox, _) = start().await;
    let alice = user(&sandbox, ACCOUNT, "alice").await;
    user(&sandbox, ACCOUNT, "bob").await;
    change(&sandbox, |world| world.tag_user(ACCOUNT, "bob", "rotate", "yes")).await;
    let condition = json!({ "StringEquals": { "iam:ResourceTag/rotate": "yes" } });
    let actions = json!(["iam:CreateAccessKey", "iam:ListUserTags"]);
    permit(&sandbox, json!({ "Effect": "Allow", "Action": actions, "Resource": "*", "Condition": condition })).await;
    let client = iam(&sandbox, &alice);
    let listed = client.list_user_tags().user_name("bob").send().await.unwrap();
    let tags: Vec<_> = listed.tags().iter().map(|tag| (tag.key(), tag.value())).collect();
    assert_eq!((tags, listed.is_truncated()), (vec![("rotate", "yes")], false));
    client.create_access_key().user_name("bob").send().await.unwrap();
    let denied = error(403, "AccessDenied");
    assert_eq!(refusal(client.list_user_tags().user_name("alice").send().await), denied);
    assert_eq!(refusal(client.create_access_key().user_name("alice").send().await), denied);
}

#[tokio::test]
async fn a_session_has_a_time_of_issue_and_a_key_has_none() {
    let (sandbox, admin) = start().await;
    let document =
        json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
    let trusted = crate::identity::trust(&format!("arn:aws:iam::{ACCOUNT}:root"), json!({}));
    let role = change(&sandbox, move |world| {
        let role = world.create_role(ACCOUNT, "ops", &trusted)?;
        world.put_role_policy(ACCOUNT, "ops", "may", &document.to_string())?;
        Ok(role)
    })
    .await;
    let alice = user(&sandbox, ACCOUNT, "alice").await;
    let open = async || {
        let answer = sts(&sandbox, &admin).assume_role().role_arn(&role).role_session_name("from-a-test").send().await;
        session(&answer.unwrap())
    };
    let older = open().await;
    let now = sandbox.visit(|world| world.now()).await;
    sandbox.advance(std::time::Duration::from_secs(2)).await;
    let newer = open().await;
    let border = now + std::time::Duration::from_secs(1);
    let older_than = json!({ "DateLessThan": { "aws:TokenIssueTime": border.to_string() } });
    let deny = json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": older_than });
    let allow = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
    permit(&sandbox, json!([allow.clone(), deny.clone()])).await;
    let document = json!({ "Version": "2012-10-17", "Statement": [deny] }).to_string();
    change(&sandbox, move |world| world.put_role_policy(ACCOUNT, "ops", "no-older", &document)).await;
    let may = async |key: &Credentials| iam(&sandbox, key).get_user().user_name("alice").send().await.is_ok();
    assert_eq!((may(&older).await, may(&newer).await, may(&alice).await), (false, true, true));

    let mistaken = json!({ "DateLessThan": { "aws:TokenIssueTime": "yesterday" } });
    let mistaken = json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": mistaken });
    let document = json!({ "Version": "2012-10-17", "Statement": mistaken }).to_string();
    let refused = sandbox.visit(move |world| world.put_role_policy(ACCOUNT, "ops", "mistaken", &document)).await;
    assert_eq!(refused.unwrap_err().code, "MalformedPolicyDocument");
}
