//! Contracts of signing in: MFA codes, tokens of OIDC providers, and the access portal.

use std::time::Duration;

use sandbox::Credentials;
use serde_json::json;

use crate::clients::ACCOUNT;
use crate::identity::{change, error, refusal, session, start, sts, trust, user};

const ISSUER: &str = "tokens.example.com";

#[tokio::test]
async fn an_mfa_code_counts_once_and_only_for_its_user() {
    let (sandbox, admin) = start().await;
    let alice = user(&sandbox, ACCOUNT, "alice").await;
    let serial = change(&sandbox, |world| world.enable_mfa_device(ACCOUNT, "alice")).await;
    let present = json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } });
    let policy = trust(&format!("arn:aws:iam::{ACCOUNT}:user/team/alice"), present);
    let role = change(&sandbox, move |world| world.create_role(ACCOUNT, "guarded", &policy)).await;
    let assume = async |key: &Credentials, serial: Option<&str>, code: Option<&str>| {
        let call = sts(&sandbox, key).assume_role().role_arn(&role).role_session_name("from-a-test");
        call.set_serial_number(serial.map(str::to_owned)).set_token_code(code.map(str::to_owned)).send().await
    };
    let code = async || {
        let serial = serial.clone();
        sandbox.visit(move |world| world.mfa_code(&serial)).await.unwrap()
    };
    let (denied, device) = (error(403, "AccessDenied"), Some(serial.as_str()));
    assert_eq!(refusal(assume(&alice, None, None).await), denied);
    assert_eq!(refusal(assume(&alice, device, None).await), denied);
    assert_eq!(refusal(assume(&alice, Some("arn:aws:iam::111122223333:mfa/other"), Some("123456")).await), denied);
    assert_eq!(refusal(assume(&alice, device, Some("12345")).await), error(400, "ValidationError"));
    let shown = code().await;
    let wrong = if shown == "000000" { "111111" } else { "000000" };
    assert_eq!(refusal(assume(&alice, device, Some(wrong)).await), denied);
    assert_eq!(refusal(assume(&admin, device, Some(&shown)).await), denied, "the device of somebody else");
    let opened = session(&assume(&alice, device, Some(&shown)).await.unwrap());
    sts(&sandbox, &opened).get_caller_identity().send().await.unwrap();
    assert_eq!(refusal(assume(&alice, device, Some(&shown)).await), denied, "the code has been used");
    assert!(assume(&alice, device, Some(&code().await)).await.is_ok());
}

#[tokio::test]
async fn a_token_opens_the_roles_that_trust_its_provider() {
    let (sandbox, admin) = start().await;
    let provider = change(&sandbox, |world| world.create_oidc_provider(ACCOUNT, ISSUER)).await;
    let statement = json!({
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": { "Federated": provider },
        "Condition": { "StringEquals": { "tokens.example.com:sub": "build", "tokens.example.com:aud": "aws" } },
    });
    let policy = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
    let role = change(&sandbox, move |world| world.create_role(ACCOUNT, "builder", &policy)).await;
    let issue = async |issuer: &'static str, subject: &'static str| {
        sandbox.visit(move |world| world.issue_identity_token(issuer, subject, "aws", Duration::from_secs(60))).await
    };
    let assume = async |role: &str, token: &str| {
        let call = sts(&sandbox, &admin).assume_role_with_web_identity().role_arn(role).role_session_name("build");
        call.web_identity_token(token).send().await
    };
    let token = issue(ISSUER, "build").await;
    let opened = assume(&role, &token).await.unwrap().credentials.unwrap();
    let opened = Credentials {
        access_key_id: opened.access_key_id,
        secret_access_key: opened.secret_access_key,
        session_token: Some(opened.session_token),
    };
    let caller = sts(&sandbox, &opened).get_caller_identity().send().await.unwrap();
    assert_eq!(caller.arn(), Some("arn:aws:sts::111122223333:assumed-role/builder/build"));
    let denied = error(403, "AccessDenied");
    assert_eq!(refusal(assume(&role, &issue(ISSUER, "somebody").await).await), denied);
    assert_eq!(refusal(assume(&format!("{role}x"), &token).await), denied);
    let invalid = error(400, "InvalidIdentityToken");
    assert_eq!(refusal(assume(&role, &issue("other.example.com", "build").await).await), invalid);
    assert_eq!(refusal(assume(&role, "made-up").await), invalid);
    sandbox.advance(Duration::from_secs(61)).await;
    assert_eq!(refusal(assume(&role, &token).await), error(400, "ExpiredTokenException"));
}
