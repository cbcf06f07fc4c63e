//! The users in the status of a fleet that StackSets serves.

use aws_sdk_secretsmanager::types::RotationRulesType;
use sandbox::{KeyStatus, World};
use serde_json::Value;

use super::callers::prepend;
use super::{ACCOUNT, REGION, account, pass, rollout, settings, stage, unit};
use crate::drift::exchange_code;
use crate::fleet::role::{denied, deploy, entered};
use crate::stage::Stage;

const STATUS: [&str; 4] = ["status", "--fleet", "fleet.yaml", "--detailed-exitcode"];

async fn report(stage: &Stage) -> Value {
    let run = stage.keyturn(&[STATUS.as_slice(), &["--output", "json"]].concat()).await;
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
}

#[tokio::test]
async fn each_user_is_told_with_age_and_last_use_of_the_key_and_what_stands_in_the_way() {
    let stage = stage(2).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    let run = stage.keyturn(&STATUS).await;
    assert!(run.code == 0 && run.stdout.contains("CURRENT, SUCCEEDED; 0 users"), "{run}");
    pass(&stage).await;
    let report = report(&stage).await;
    for row in report["accounts"].as_array().unwrap() {
        let users = row["status"]["users"].as_array().unwrap();
        assert_eq!(users.len(), 2, "{row}");
        for user in users {
            assert_eq!(user["state"], "in-sync", "{user}");
            assert!(user["key_age_seconds"].is_i64() && !user["last_use"].is_null(), "{user}");
        }
    }
    let spoil = |world: &mut World| {
        let key = world.access_keys(&account(2), "ci")[0].id().to_owned();
        world.set_access_key_status(&key, KeyStatus::Inactive).unwrap();
        world.cancel_rotation(&account(2), REGION, "keyturn/mail").unwrap();
    };
    stage.sandbox.visit(spoil).await;
    let run = stage.keyturn(&[STATUS.as_slice(), &["--csv", "fleet.csv", "--html", "fleet.html"]].concat()).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_status_of_users", run));
    assert_eq!(run.code, 3);
    let csv = std::fs::read_to_string(stage.path("fleet.csv")).unwrap();
    assert!(csv.contains("ci: key inactive; mail: rotation turned off"), "{csv}");
    let html = std::fs::read_to_string(stage.path("fleet.html")).unwrap();
    assert!(html.contains("Ages of the current keys") && html.contains("aws secretsmanager rotate-secret"), "{html}");
    assert_eq!(stage.keyturn(&STATUS[..3]).await.code, 0, "without --detailed-exitcode it is only told");
}

/// StackSets says that the stack is as it should be: it does not see the code.
#[tokio::test]
async fn other_code_in_a_member_is_told() {
    let stage = stage(2).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    assert_eq!(stage.keyturn(&STATUS).await.code, 0);
    exchange_code(&stage, &account(2)).await;
    let run = stage.keyturn(&STATUS).await;
    assert!(run.code == 3 && run.stdout.matches("`keyturn` runs other code").count() == 1, "{run}");
}

#[tokio::test]
async fn who_has_left_is_told_and_wants_nobody() {
    let stage = stage(1).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    let (all, some) = ("select: { path: /service/ }", "select: { path: /service/ }, exempt: { names: [mail] }");
    std::fs::write(stage.path("fleet.yaml"), fleet.replace(all, some)).unwrap();
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    pass(&stage).await;
    let run = stage.keyturn(&STATUS).await;
    assert!(run.code == 0 && run.stdout.contains("mail: left, since "), "{run}");
}

/// Nobody knows whether somebody is blocked there, so it counts as if.
#[tokio::test]
async fn an_account_that_cannot_be_entered_is_told_with_what_to_do() {
    let stage = stage(1).await;
    let unit = unit(&stage);
    let invite = move |world: &mut World| {
        world.create_account(&account(2)).unwrap();
        world.invite_account(&unit, &account(2), "invited").unwrap();
    };
    stage.sandbox.visit(invite).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    let run = stage.keyturn(&STATUS).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_status_unread", run));
    assert_eq!(run.code, 3);
    let report = report(&stage).await;
    assert!(report["accounts"][1]["unread"]["hint"].is_string() && report["accounts"][1]["status"].is_null());
    assert_ne!(report["accounts"][0]["account"], ACCOUNT);
}

/// StackSets deploys, but looking at users and ending their schedules is done by whoever enters.
#[tokio::test]
async fn the_printed_role_is_enough_to_look_at_the_users_and_to_end_their_schedules() {
    let stage = stage(1).await;
    prepend(&stage, "access: { role: ops/rollout, external_id: sesame }");
    let printed = stage.keyturn(&["template", "rollout-role"]).await;
    assert_eq!(printed.code, 0, "{printed}");
    deploy(&stage, 1, &printed.stdout).await;
    stage.sandbox.visit(|world| world.delete_role(&account(1), "OrganizationAccountAccessRole").unwrap()).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    let run = stage.keyturn(&STATUS).await;
    assert_eq!((run.code, denied(&stage).await), (0, Vec::new()), "{run}");
    assert!(run.stdout.contains("2 users"), "{run}");
    let run = stage.keyturn(&["--yes", "teardown", "--fleet", "fleet.yaml"]).await;
    assert_eq!((run.code, denied(&stage).await), (0, Vec::new()), "{run}");
    let on = |world: &mut World| world.secrets(&account(1), REGION).iter().any(|secret| secret.rotation_enabled);
    assert!(!stage.sandbox.visit(on).await);
}

/// Tags can be written by whoever may tag a single secret; its name cannot.
#[tokio::test]
async fn a_teardown_ends_only_the_schedules_of_secrets_with_the_names_that_the_function_gives() {
    let stage = stage(1).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    let create = |world: &mut World| {
        let tags = [("keyturn:stack", "keyturn"), ("keyturn:user", "ci")];
        world.create_secret(&account(1), REGION, "payments/db", "{}", &tags).map(drop).unwrap();
    };
    stage.sandbox.visit(create).await;
    let function = format!("arn:aws:lambda:{REGION}:{}:function:keyturn", account(1));
    let rules = RotationRulesType::builder().automatically_after_days(30).build();
    let rotate = aws_sdk_secretsmanager::Client::new(&entered(&stage, 1).await).rotate_secret();
    let rotate = rotate.secret_id("payments/db").rotation_lambda_arn(function).rotation_rules(rules);
    rotate.rotate_immediately(false).send().await.unwrap();
    let run = stage.keyturn(&["--yes", "teardown", "--fleet", "fleet.yaml"]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_teardown_beside_another_secret", run));
    assert_eq!(run.code, 0);
    let on = |world: &mut World| {
        let secrets = world.secrets(&account(1), REGION).into_iter();
        secrets.map(|secret| (secret.name, secret.rotation_enabled)).collect::<Vec<_>>()
    };
    let expected = [("keyturn/ci", false), ("keyturn/mail", false), ("payments/db", true)];
    let mut found = stage.sandbox.visit(on).await;
    found.sort();
    assert_eq!(found, expected.map(|(name, is_on)| (name.to_owned(), is_on)));
    let tags = stage.sandbox.visit(|world| world.secret(&account(1), REGION, "payments/db").unwrap().tags).await;
    assert!(!tags.contains_key("keyturn:left"), "{tags:?}");
}
