//! `rollout --sandbox`: a rollout over a copy, in which accounts fail, and which changes nothing.

use std::collections::BTreeSet;

use sandbox::World;
use serde_json::Value;

use super::{USERS, account, configure, keys, rollout, served, settings, stage};
use crate::stage::{ACCOUNT, REGION, Run, Stage};

const WAVES: &str = "waves: [{ count: 1, soak: 30d, tolerate: 1 }, { percent: 100, tolerate: 100% }]\n";

pub(super) async fn rehearse(stage: &Stage, arguments: &[&str]) -> (Run, Value) {
    let run = rollout(stage, &[&["--sandbox", "--output", "json"], arguments].concat()).await;
    let report = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"));
    (run, report)
}

/// The accounts with this outcome.
pub(super) fn with<'a>(report: &'a Value, outcome: &str) -> BTreeSet<&'a str> {
    let rows = report["accounts"].as_array().unwrap().iter();
    rows.filter(|row| row["outcome"] == outcome).map(|row| row["account"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_rehearsal_shows_what_would_happen_and_changes_nothing() {
    let stage = stage(8).await;
    let text = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap().replace("at_once: 1", "at_once: 4");
    std::fs::write(stage.path("fleet.yaml"), text + WAVES).unwrap();
    stage.sandbox.visit(|world| world.suspend_account(&account(8)).unwrap()).await;
    stage.take_writes().await;
    // A month passes behind the first wave: in a rehearsal that takes no time.
    let (run, report) = rehearse(&stage, &["--failures", "100", "--html", "rehearsal.html"]).await;
    assert!(run.stderr.contains("7 accounts and 14 users are copied"), "{run}");
    let injected = report["injected"].as_array().unwrap();
    assert_eq!(injected.len(), 7, "{run}");
    // What has an effect, and only that, is a failure.
    let harmless = |it: &&Value| ["throttled", "lost-answer"].contains(&it["injected"].as_str().unwrap());
    let account_of = |it: &'_ Value| it["account"].as_str().unwrap().to_owned();
    let unharmed: BTreeSet<String> = injected.iter().filter(harmless).map(account_of).collect();
    let done = with(&report, "deployed").into_iter().filter(|account| {
        let row = report["accounts"].as_array().unwrap().iter().find(|row| row["account"] == *account).unwrap();
        row["applied"]["rotations"].as_array().unwrap().iter().all(|rotation| rotation["outcome"] == "rotated")
    });
    assert_eq!(done.map(str::to_owned).collect::<BTreeSet<_>>(), unharmed, "{run}");
    assert_eq!((run.code, with(&report, "left-out").len(), unharmed.len()), (3, 1, 3), "{run}");
    assert!(std::fs::read_to_string(stage.path("rehearsal.html")).unwrap().contains("team 7"));
    // Nothing has happened.
    let sessions = |write: &String| write.ends_with("AssumeRole");
    assert!(stage.take_writes().await.iter().all(sessions), "only sessions are opened");
    assert!(served(&stage, 8).await.is_empty() && !stage.path("fleet.yaml.journal").exists());
}

#[tokio::test]
async fn a_copy_has_the_users_whom_the_fleet_is_about_as_they_are() {
    let stage = stage(2).await;
    let people = |world: &mut World| {
        // An account that cannot be entered, and one whose users have keys, tags and groups.
        world.delete_role(&account(1), "OrganizationAccountAccessRole").unwrap();
        world.create_group(&account(2), "break-glass").unwrap();
        world.add_user_to_group(&account(2), USERS[1], "break-glass").unwrap();
        world.tag_user(&account(2), USERS[0], "rotate", "yes").unwrap();
        for _ in 0..2 {
            let key = world.create_access_key(&account(2), USERS[0]).unwrap();
            world.record_use(&key.access_key_id, "s3", REGION).unwrap();
        }
        world.create_user(&account(2), "stranger", "/").unwrap();
    };
    stage.sandbox.visit(people).await;
    configure(&stage, &format!("accounts: ['{}', '{}']\n", account(1), account(2)));
    let text = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    let selection = "users: { select: { path: /service/ }, exempt: { groups: [break-glass] } }";
    let text =
        text.replace(&format!("users: [{}]", USERS.join(", ")), selection) + "waves: [{ percent: 100, tolerate: 2 }]\n";
    std::fs::write(stage.path("fleet.yaml"), text).unwrap();
    let (run, report) = rehearse(&stage, &["--failures", "0"]).await;
    assert!(
        run.stderr.contains("222233334401: cannot be copied") && run.stderr.contains("2 users are copied"),
        "{run}"
    );
    let rows = report["accounts"].as_array().unwrap();
    assert!(rows[0]["cause"].as_str().unwrap_or_default().contains("sts:AssumeRole"), "{run}");
    // Two keys in use leave no room for a third.
    let cause = rows[1]["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("has two access keys already"), "{run}");
    assert_eq!(run.code, 3, "{run}");
}

#[tokio::test]
async fn no_user_is_in_the_way_of_whoever_builds_the_copy() {
    let stage = stage(1).await;
    stage.sandbox.visit(|world| world.create_user(ACCOUNT, "Rehearsal", "/").unwrap()).await;
    configure(&stage, &format!("accounts: ['{ACCOUNT}']\n"));
    let text = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    let text = text.replace(&format!("users: [{}]", USERS.join(", ")), "users: [administrator, Rehearsal]");
    std::fs::write(stage.path("fleet.yaml"), text).unwrap();
    let (run, report) = rehearse(&stage, &["--failures", "0"]).await;
    let rotations = report["accounts"][0]["applied"]["rotations"].as_array().unwrap();
    assert!(run.code == 0 && rotations.iter().all(|rotation| rotation["outcome"] == "rotated"), "{run}");
    assert_eq!(rotations.len(), 2, "{run}");
    // What is forbidden to whoever rolls out is, also in the caller's own account.
    let (run, report) = rehearse(&stage, &["--failures", "100", "--failure-seed", "4"]).await;
    assert_eq!((run.code, &report["injected"][0]["action"]), (4, &Value::from("iam:CreateRole")), "{run}");
    assert!(with(&report, "failed").contains(ACCOUNT), "{run}");
}

#[tokio::test]
async fn a_boundary_that_the_copy_has_not_seen_stands_in_nobodys_way() {
    let stage = stage(2).await;
    let text = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    let users = format!("users: [{}]", USERS.join(", "));
    let boundary = format!("{users}\n  permissions_boundary: arn:aws:iam::{}:policy/it/boundary", account(1));
    std::fs::write(stage.path("fleet.yaml"), text.replace(&users, &boundary)).unwrap();
    let (run, _) = rehearse(&stage, &["--failures", "0"]).await;
    assert_eq!(run.code, 0, "{run}");
}

/// Deployed before: two accounts as they are wanted, one not at all.
async fn deployed() -> Stage {
    let stage = stage(3).await;
    let text = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    std::fs::write(stage.path("fleet.yaml"), format!("except: ['{}']\n{text}", account(3))).unwrap();
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    std::fs::write(stage.path("fleet.yaml"), text).unwrap();
    stage
}

#[tokio::test]
async fn what_is_deployed_already_is_updated_and_its_keys_stay() {
    let stage = deployed().await;
    stage.take_writes().await;
    let before = stage.sandbox.visit(|world| keys(world, &account(1))).await;
    let (run, report) = rehearse(&stage, &["--failures", "0"]).await;
    assert_eq!((run.code, with(&report, "unchanged").len(), with(&report, "deployed").len()), (0, 2, 1), "{run}");
    assert!(run.stderr.contains("with what is deployed in 2 of them"), "{run}");
    // Another memory, and somebody more.
    let text = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap().replace("[ci, mail]", "[ci, mail, web]");
    std::fs::write(stage.path("fleet.yaml"), text + "  function: { memory: 512 }\n").unwrap();
    let web = |world: &mut World| {
        (1..=3).for_each(|number| drop(world.create_user(&account(number), "web", "/service/").unwrap()));
    };
    stage.sandbox.visit(web).await;
    let run = rollout(&stage, &["--sandbox", "--failures", "0"]).await;
    settings().bind(|| insta::assert_snapshot!("a_rehearsed_update", run));
    let (run, report) = rehearse(&stage, &["--failures", "0"]).await;
    for row in report["accounts"].as_array().unwrap() {
        let rotated = row["applied"]["rotations"].as_array().unwrap().len();
        assert_eq!(rotated, if row["account"] == account(3) { 3 } else { 1 }, "{run}");
    }
    // Only reads, and no value of a secret.
    let calls =
        stage.sandbox.visit(|world| world.calls().iter().map(|call| call.operation.clone()).collect::<Vec<_>>());
    assert!(!calls.await.iter().any(|call| call == "secretsmanager:GetSecretValue"));
    assert!(stage.take_writes().await.iter().all(|write| write.ends_with("AssumeRole")));
    assert_eq!(stage.sandbox.visit(|world| keys(world, &account(1))).await, before);
}

#[tokio::test]
async fn what_cannot_be_copied_is_told_and_rolled_out_as_for_the_first_time() {
    let stage = deployed().await;
    let spoil = |world: &mut World| {
        let strange = "Resources: { Strange: { Type: 'AWS::Sandbox::Unknown', Properties: {} } }";
        world.exchange_template(&account(1), "keyturn", strange);
    };
    stage.sandbox.visit(spoil).await;
    let (run, report) = rehearse(&stage, &["--failures", "0"]).await;
    let told = "not copied, so rolled out as if for the first time: 222233334401: the stack `keyturn`";
    assert!(run.stderr.contains(told) && run.stderr.contains("AWS::Sandbox::Unknown"), "{run}");
    assert_eq!(with(&report, "deployed").into_iter().collect::<Vec<_>>(), [account(1), account(3)], "{run}");
}

#[tokio::test]
async fn the_place_where_all_comes_together_is_rehearsed_too() {
    let stage = stage(2).await;
    let text = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    std::fs::write(stage.path("fleet.yaml"), format!("central: {{ emails: [team@example.org] }}\n{text}")).unwrap();
    let (run, report) = rehearse(&stage, &["--failures", "0"]).await;
    assert_eq!((run.code, &report["central"]), (0, &Value::from("deployed")), "{run}");
    assert_eq!(with(&report, "deployed").len(), 2, "{run}");
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    let (run, report) = rehearse(&stage, &["--failures", "0"]).await;
    assert_eq!((run.code, &report["central"]), (0, &Value::from("unchanged")), "{run}");
    assert_eq!(with(&report, "unchanged").len(), 2, "{run}");
}
