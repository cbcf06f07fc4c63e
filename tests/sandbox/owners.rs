//! Contracts of what tells whose something is: the account of a key, and the policies of an account.

use aws_sdk_iam::types::PolicyScopeType;

use crate::clients::ACCOUNT;
use crate::identity::{change, error, refusal, signed_by, start};

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}}"#;

#[tokio::test]
async fn the_account_of_a_key_is_told_whosever_it_is() {
    let (sandbox, administrator) = start().await;
    let other = change(&sandbox, |world| world.create_account("444455556666")).await;
    let sts = aws_sdk_sts::Client::new(&signed_by(&sandbox, &administrator));
    let ask = |id: &str| sts.get_access_key_info().access_key_id(id).send();
    for (id, account) in [(&administrator.access_key_id, ACCOUNT), (&other.access_key_id, "444455556666")] {
        assert_eq!(ask(id).await.unwrap().account(), Some(account));
    }
    assert_eq!(refusal(ask("AKIA0123456789ABCDEF").await), error(400, "ValidationError"));
    assert_eq!(refusal(ask("nobodys").await), error(400, "ValidationError"));

    change(&sandbox, |world| world.create_user(ACCOUNT, "bob", "/")).await;
    let bob = change(&sandbox, |world| world.create_access_key(ACCOUNT, "bob")).await;
    let sts = aws_sdk_sts::Client::new(&signed_by(&sandbox, &bob));
    let denied = sts.get_access_key_info().access_key_id(&other.access_key_id).send().await;
    assert_eq!(refusal(denied), error(403, "AccessDenied"), "unlike GetCallerIdentity, it needs a permission");
}

#[tokio::test]
async fn the_policies_of_an_account_are_listed_and_read() {
    let (sandbox, administrator) = start().await;
    let arn = change(&sandbox, |world| world.create_policy(ACCOUNT, "boundary", POLICY)).await;
    let iam = aws_sdk_iam::Client::new(&signed_by(&sandbox, &administrator));
    let list = |attached| iam.list_policies().scope(PolicyScopeType::Local).only_attached(attached).send();
    let all = list(false).await.unwrap();
    let [policy] = all.policies() else { panic!("{all:?}") };
    assert_eq!((policy.arn(), policy.policy_name(), all.is_truncated), (Some(arn.as_str()), Some("boundary"), false));
    assert_eq!(list(true).await.unwrap().policies(), []);
    let version = policy.default_version_id().unwrap();
    let read = iam.get_policy_version().policy_arn(&arn).version_id(version).send().await.unwrap();
    let document = read.policy_version.unwrap().document.unwrap();
    assert!(document.starts_with("%7B%22") && document.contains("iam%3AGetUser"), "{document}");
    let other = iam.get_policy_version().policy_arn(&arn).version_id("v7").send().await;
    assert_eq!(refusal(other), error(404, "NoSuchEntity"));
}
