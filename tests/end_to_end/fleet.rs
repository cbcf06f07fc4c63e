//! Many accounts: `rollout`, and `plan`, `status` and `teardown` over a fleet.

mod central;
mod drift;
mod killed;
mod rehearsal;
mod role;
mod stack_sets;
mod trouble;

use std::collections::BTreeMap;
use std::time::Duration;

use sandbox::{KeyStatus, Options, World};
use serde_json::Value;

use crate::stage::{self, ACCOUNT, REGION, Run, Stage, function};

/// The users of every account.
const USERS: [&str; 2] = ["ci", "mail"];

fn account(number: usize) -> String {
    format!("2222333344{number:02}")
}

/// The columns of a table are as wide as the times in it.
fn settings() -> insta::Settings {
    let mut settings = stage::settings();
    settings.add_filter(" {2,}", "  ");
    settings
}

/// An organization with so many accounts in a unit below another one, each with the same users, and a fleet's file about
/// all of them.
async fn stage(accounts: usize) -> Stage {
    staged(accounts, Options::default()).await
}

/// The same in another sandbox.
async fn staged(accounts: usize, options: Options) -> Stage {
    // The SDK looks at the clock of this machine for the end of a session.
    let start = jiff::Timestamp::constant(4_102_444_800, 0);
    let stage = Stage::with_options(&[], Options { start, ..options }).await;
    let unit = stage.sandbox.visit(move |world| populate(world, accounts)).await;
    configure(&stage, &format!("units: [{unit}]\n"));
    stage
}

/// Gives the upper unit.
fn populate(world: &mut World, accounts: usize) -> String {
    let root = world.create_organization(ACCOUNT).unwrap();
    let upper = world.create_organizational_unit(&root, "workloads").unwrap();
    let unit = world.create_organizational_unit(&upper, "teams").unwrap();
    for number in 1..=accounts {
        world.create_member_account(&unit, &account(number), &format!("team {number}")).unwrap();
        USERS.iter().for_each(|user| drop(world.create_user(&account(number), user, "/service/").unwrap()));
    }
    upper
}

fn configure(stage: &Stage, more: &str) {
    let text = format!(
        "version: 1\nat_once: 1\n{more}defaults:\n  region: {REGION}\n  users: [{}]\n  alerts: {{ dashboard: false }}\n",
        USERS.join(", ")
    );
    std::fs::write(stage.path("fleet.yaml"), text).unwrap();
}

async fn rollout(stage: &Stage, arguments: &[&str]) -> Run {
    let fixed = ["--yes", "rollout", "--artifact", function().to_str().unwrap()];
    stage.keyturn(&[&fixed, arguments].concat()).await
}

/// The working keys of an account's users.
fn keys(world: &World, account: &str) -> BTreeMap<String, String> {
    let secrets = world.secrets(account, REGION).into_iter().filter(|secret| secret.deletion.is_none());
    let key = |secret: sandbox::SecretView| {
        let user = secret.tags.get("keyturn:user")?.clone();
        let value = secret.labelled("AWSCURRENT")?.value.as_ref()?;
        let value: Value = serde_json::from_str(value.expose()).ok()?;
        let id = value.get("AccessKeyId")?.as_str()?.to_owned();
        let works = |key: &sandbox::AccessKey| key.credentials.access_key_id == id && key.status == KeyStatus::Active;
        world.access_keys(account, &user).iter().any(works).then_some((user, id))
    };
    secrets.filter_map(key).collect()
}

/// The accounts in which every user has a working key.
async fn served(stage: &Stage, accounts: usize) -> Vec<usize> {
    let look = move |world: &mut World| {
        (1..=accounts).filter(|number| keys(world, &account(*number)).len() == USERS.len()).collect()
    };
    stage.sandbox.visit(look).await
}

/// The calls so far in each account, and forgets them.
async fn take_calls(stage: &Stage) -> BTreeMap<String, Vec<String>> {
    let taken = stage.sandbox.visit(|world| {
        let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for call in world.calls() {
            let account = call.principal.split(':').nth(4).unwrap_or_default().to_owned();
            calls.entry(account).or_default().push(call.operation.clone());
        }
        world.clear_calls();
        calls
    });
    taken.await
}

#[tokio::test]
async fn a_rollout_serves_every_account_in_waves() {
    let stage = stage(4).await;
    let run = rollout(&stage, &["--csv", "fleet.csv", "--html", "fleet.html"]).await;
    settings().bind(|| insta::assert_snapshot!("a_rollout", run));
    assert_eq!(served(&stage, 4).await, [1, 2, 3, 4]);
    let csv = std::fs::read_to_string(stage.path("fleet.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5, "{csv}");
    assert!(csv.contains(r#""222233334401","team 1","1","deployed""#), "{csv}");
    let html = std::fs::read_to_string(stage.path("fleet.html")).unwrap();
    assert!(html.contains("team 4") && !html.contains("http://") && !html.contains("https://"), "{html}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn where_nothing_has_changed_a_rollout_takes_two_calls() {
    let stage = stage(3).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    take_calls(&stage).await;
    let run = rollout(&stage, &[]).await;
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.contains("3 accounts: 3 unchanged"), "{run}");
    let mut calls = take_calls(&stage).await;
    let own = calls.remove(ACCOUNT).unwrap();
    assert_eq!(own.iter().filter(|call| *call == "sts:AssumeRole").count(), 3 + 1, "{own:?}");
    for number in 2..=3 {
        assert_eq!(calls[&account(number)], ["cloudformation:DescribeStacks"]);
    }
    // A stack that somebody has changed is seen, and the account looked at.
    let elsewhere = format!("version: 1\nregion: {REGION}\nusers: [ci, mail]\n");
    stage.configure(&elsewhere);
    let role = format!("arn:aws:iam::{}:role/OrganizationAccountAccessRole", account(2));
    let run = stage.bootstrap(&["--assume-role", &role]).await;
    assert_eq!(run.code, 0, "{run}");
    let run = rollout(&stage, &[]).await;
    assert!(run.stdout.contains("3 accounts: 1 deployed, 2 unchanged"), "{run}");
}

#[tokio::test]
async fn the_file_decides_for_each_account() {
    let stage = stage(3).await;
    let more = format!(
        "accounts:\n  - {{ id: '{}', users: [ci], schedule: {{ every: 60d }} }}\n  - '{}'\nexcept: ['{}']\n",
        account(1),
        account(2),
        account(3)
    );
    configure(&stage, &more);
    let run = rollout(&stage, &[]).await;
    assert_eq!(run.code, 0, "{run}");
    let look =
        |world: &mut World| [1, 2, 3].map(|number| keys(world, &account(number)).into_keys().collect::<Vec<_>>());
    let users = stage.sandbox.visit(look).await;
    assert_eq!(users, [vec!["ci"], vec!["ci", "mail"], vec![]]);
}

#[tokio::test]
async fn users_are_selected_and_the_exempt_are_told() {
    let stage = stage(1).await;
    let text = format!(
        "version: 1\naccounts: ['{}']\ndefaults:\n  region: {REGION}\n  users:\n    select: {{ path: /service/, tags: {{ rotate: '*' }} }}\n    exempt: {{ groups: [break-glass] }}\n",
        account(1)
    );
    std::fs::write(stage.path("fleet.yaml"), text).unwrap();
    let tag = |world: &mut World| {
        USERS.iter().for_each(|user| world.tag_user(&account(1), user, "Rotate", "yes").unwrap());
        world.create_user(&account(1), "person", "/people/").unwrap();
        world.create_group(&account(1), "break-glass").unwrap();
        world.add_user_to_group(&account(1), "mail", "break-glass").unwrap();
    };
    stage.sandbox.visit(tag).await;
    let run =
        stage.keyturn(&["--yes", "rollout", "--artifact", function().to_str().unwrap(), "--output", "json"]).await;
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let row = &report["accounts"][0];
    assert_eq!(row["exempted"][0]["user"], "mail", "{row}");
    assert_eq!(row["exempted"][0]["by"], "the group `break-glass`", "{row}");
    let users = stage.sandbox.visit(|world| keys(world, &account(1))).await;
    assert_eq!(users.into_keys().collect::<Vec<_>>(), ["ci"]);
}

#[tokio::test]
async fn a_fleet_is_planned_looked_at_and_taken_away() {
    let stage = stage(2).await;
    let artifact = function().to_str().unwrap();
    let plan = ["plan", "--fleet", "fleet.yaml", "--artifact", artifact, "--detailed-exitcode"];
    let run = stage.keyturn(&plan).await;
    settings().bind(|| insta::assert_snapshot!("a_plan", run));
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    assert_eq!(stage.keyturn(&plan).await.code, 0);
    let status = ["status", "--fleet", "fleet.yaml", "--detailed-exitcode", "--html", "status.html"];
    let run = stage.keyturn(&status).await;
    settings().bind(|| insta::assert_snapshot!("a_status", run));
    let html = std::fs::read_to_string(stage.path("status.html")).unwrap();
    assert!(html.contains("Ages of the current keys") && html.contains(">mail<"), "{html}");
    stage.sandbox.advance(Duration::from_hours(24 * 120)).await;
    let run = stage.keyturn(&["--yes", "teardown", "--fleet", "fleet.yaml", "--keys", "revoke"]).await;
    settings().bind(|| insta::assert_snapshot!("a_teardown", run));
    let left = stage.sandbox.visit(|world| {
        let stacks = world.stacks().into_iter().filter(|stack| stack.status != "DELETE_COMPLETE").count();
        let keys = |number| USERS.iter().map(|user| world.access_keys(&account(number), user).len()).sum::<usize>();
        stacks + keys(1) + keys(2)
    });
    assert_eq!(left.await, 0);
}
