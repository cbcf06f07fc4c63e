//! Tokens in files: of an OIDC provider, and of the access portal (IAM Identity Center).

use std::time::Duration;

use super::{Door, plan};
use crate::stage::{ACCOUNT, settings};

const ISSUER: &str = "tokens.example.com";
const HOUR: Duration = Duration::from_hours(1);

/// Where the AWS CLI keeps the token of the `sso-session work`: under the SHA-1 of that name.
const CACHE: &str = ".aws/sso/cache/e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json";

async fn token(door: &Door, lasting: Duration) -> String {
    door.stage.sandbox.visit(move |world| world.issue_identity_token(ISSUER, "build", "aws", lasting)).await
}

#[tokio::test]
async fn a_token_in_a_file_opens_a_role() {
    let door = Door::open().await;
    door.stage.sandbox.visit(|world| world.create_oidc_provider(ACCOUNT, ISSUER).unwrap()).await;
    let provider = format!(r#"{{"Federated":"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"}}"#);
    let role = door.role("builder", &provider, r#"{"StringEquals":{"tokens.example.com:sub":"build"}}"#).await;
    let file = door.write("token", &format!("{}\n", token(&door, HOUR).await));
    let file = file.to_str().unwrap();
    let environment = [("AWS_WEB_IDENTITY_TOKEN_FILE", file), ("AWS_ROLE_ARN", role.as_str())];
    let run = door.run(&environment, &plan()).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(door.looked().await, (format!("arn:aws:sts::{ACCOUNT}:assumed-role/builder/keyturn"), 1));
    // The same by a profile, and by the endpoint of the command line: the token goes nowhere else.
    door.configure(&format!("[profile ci]\nrole_arn = {role}\nweb_identity_token_file = {file}\n"));
    let endpoint = door.stage.sandbox.endpoint().to_owned();
    let arguments = [&["--profile", "ci", "--endpoint-url", &endpoint], &plan()[..]].concat();
    let run = door.run(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")], &arguments).await;
    assert_eq!(run.code, 0, "{run}");

    door.write("token", &token(&door, Duration::ZERO).await);
    let run = door.run(&environment, &plan()).await;
    settings().bind(|| insta::assert_snapshot!("an_expired_token", run));
    std::fs::remove_file(file).unwrap();
    let run = door.run(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "missing/token"), environment[1]], &plan()).await;
    settings().bind(|| insta::assert_snapshot!("a_token_file_that_is_not_there", run));
}

#[tokio::test]
async fn who_has_signed_in_to_the_portal_gets_a_role() {
    let door = Door::open().await;
    door.role("operator", r#"{"Service":"sso.amazonaws.com"}"#, "{}").await;
    door.configure(&format!(
        "[profile work]\nsso_session = work\nsso_account_id = {ACCOUNT}\nsso_role_name = operator\n\
         [sso-session work]\nsso_start_url = https://example.awsapps.com/start\nsso_region = eu-central-1\n"
    ));
    let run = door.plan_as("work").await;
    settings().bind(|| insta::assert_snapshot!("nobody_has_signed_in", run));

    let token = door.stage.sandbox.visit(|world| world.sign_in_to_portal(ACCOUNT, "operator", HOUR).unwrap()).await;
    let cached = |until: &str| {
        let text = format!(r#"{{"accessToken":"{token}","expiresAt":"{until}","region":"eu-central-1"}}"#);
        door.write(CACHE, &text)
    };
    cached("2999-01-01T00:00:00Z");
    let run = door.plan_as("work").await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(door.looked().await.0, format!("arn:aws:sts::{ACCOUNT}:assumed-role/operator/person"));

    cached("2020-01-01T00:00:00Z");
    let run = door.plan_as("work").await;
    settings().bind(|| insta::assert_snapshot!("a_sign_in_that_is_over", run));
    cached("2999-01-01T00:00:00Z");
    door.stage.sandbox.advance(2 * HOUR).await;
    let run = door.plan_as("work").await;
    settings().bind(|| insta::assert_snapshot!("a_sign_in_that_was_ended", run));
}
