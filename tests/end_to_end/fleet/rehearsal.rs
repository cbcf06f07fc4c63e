//! `rollout --sandbox`: a rollout over a copy, in which accounts fail, and which changes nothing.

use std::collections::BTreeSet;

use sandbox::World;
use serde_json::Value;

use super::{USERS, account, configure, rollout, served, stage};
use crate::stage::{REGION, Run, Stage};

const WAVES: &str = "waves: [{ count: 1, soak: 30d, tolerate: 1 }, { percent: 100, tolerate: 100% }]\n";

async fn rehearse(stage: &Stage, arguments: &[&str]) -> (Run, Value) {
    let run = rollout(stage, &[&["--sandbox", "--output", "json"], arguments].concat()).await;
    let report = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"));
    (run, report)
}

/// The accounts with this outcome.
fn with<'a>(report: &'a Value, outcome: &str) -> BTreeSet<&'a str> {
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
