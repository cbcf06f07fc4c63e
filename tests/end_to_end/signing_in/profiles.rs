//! Profiles that build upon each other, and processes that print keys.

use super::{Door, plan};
use crate::stage::{ACCOUNT, settings};

const ME: &str = r#"{"AWS":"arn:aws:iam::111122223333:user/me"}"#;
const FIRST: &str = r#"{"AWS":"arn:aws:iam::111122223333:role/first"}"#;

#[tokio::test]
async fn roles_are_assumed_one_after_the_other() {
    let door = Door::open().await;
    let first = door.role("first", ME, "{}").await;
    let second = door.role("second", FIRST, r#"{"StringEquals":{"sts:ExternalId":"ticket-7"}}"#).await;
    door.configure(&format!(
        "[profile work]\nrole_arn = {second}\nsource_profile = between\nexternal_id = ticket-7\nrole_session_name = rollout\n[profile between]\nrole_arn = {first}\nsource_profile = me\n"
    ));
    let run = door.plan_as("work").await;
    assert_eq!(run.code, 0, "{run}");
    let session = format!("arn:aws:sts::{ACCOUNT}:assumed-role/second/rollout");
    assert_eq!(door.looked().await, (session, 2), "each role was assumed once");
    // The same by the environment.
    let run = door.run(&[("AWS_PROFILE", "work")], &plan()).await;
    assert_eq!(run.code, 0, "{run}");
}

#[tokio::test]
async fn a_role_on_the_command_line_comes_on_top() {
    let door = Door::open().await;
    door.configure("");
    let role = door.role("second", ME, r#"{"StringEquals":{"sts:ExternalId":"ticket-7"}}"#).await;
    let on_top = ["--profile", "me", "--assume-role", &role, "--external-id", "ticket-7"];
    let run = door.run(&[], &[&on_top, &plan()[..]].concat()).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(door.looked().await, (format!("arn:aws:sts::{ACCOUNT}:assumed-role/second/keyturn"), 1));
    let run = door.run(&[], &[&on_top[..4], &plan()[..]].concat()).await;
    settings().bind(|| insta::assert_snapshot!("a_role_that_does_not_let_anybody_in", run));
}

#[tokio::test]
async fn profiles_that_lead_nowhere_are_told_by_name() {
    let door = Door::open().await;
    door.configure(
        "[profile lost]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = nobody\n\
         [profile round]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = about\n\
         [profile about]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = round\n",
    );
    let run = door.plan_as("lost").await;
    settings().bind(|| insta::assert_snapshot!("a_source_profile_that_is_not_there", run));
    let run = door.plan_as("round").await;
    settings().bind(|| insta::assert_snapshot!("profiles_in_a_circle", run));
    door.write(".aws/config", "[profile broken\nrole_arn = x\n");
    let run = door.plan_as("broken").await;
    settings().bind(|| insta::assert_snapshot!("a_configuration_that_cannot_be_read", run));
    assert_eq!(door.stage.sandbox.visit(|world| world.calls().len()).await, 0);
}

#[tokio::test]
async fn a_process_prints_the_key() {
    let door = Door::open().await;
    let admin = &door.stage.admin;
    let (id, secret) = (&admin.access_key_id, &admin.secret_access_key);
    let json = format!(r#"{{"Version":1,"AccessKeyId":"{id}","SecretAccessKey":"{secret}"}}"#);
    let file = door.write("vault.json", &json);
    door.configure(&format!(
        "[profile vault]\ncredential_process = cat {}\n\
         [profile sealed]\ncredential_process = sh -c 'echo the vault is sealed >&2; exit 2'\n\
         [profile babble]\ncredential_process = echo {{\\\"Version\\\":1}}\n",
        file.display()
    ));
    let run = door.plan_as("vault").await;
    assert_eq!(run.code, 0, "{run}");
    let run = door.plan_as("sealed").await;
    settings().bind(|| insta::assert_snapshot!("a_process_that_fails", run));
    let run = door.plan_as("babble").await;
    settings().bind(|| insta::assert_snapshot!("a_process_that_prints_no_key", run));
}
