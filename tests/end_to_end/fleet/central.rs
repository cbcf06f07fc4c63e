//! The events and alarms of all accounts in one place: who is told, what is kept, who is kept out, and what is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sandbox::{KeyStatus, Outcome, StackAction, World};
use serde_json::{Value, json};

use super::{account, configure, rollout, stage};
use crate::stage::{ACCOUNT, REGION, Stage, function};

const HOUR: Duration = Duration::from_hours(1);
const BUS: &str = "arn:aws:events:eu-central-1:111122223333:event-bus/keyturn-central";
const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:keyturn-central-alerts";
const OUTSIDER: &str = "999999999999";

/// An organization whose accounts are all rolled out to, and a place where all comes together.
async fn central(accounts: usize, central: &str) -> Stage {
    let stage = stage(accounts).await;
    direct(&stage, accounts, central);
    stage
}

fn direct(stage: &Stage, accounts: usize, central: &str) {
    let named: Vec<String> = (1..=accounts).map(|number| format!("'{}'", account(number))).collect();
    configure(stage, &format!("accounts: [{}]\n{central}", named.join(", ")));
}

/// The events in the central log, oldest first.
async fn logged(stage: &Stage) -> Vec<Value> {
    let text = stage.sandbox.visit(|world| world.log(ACCOUNT, REGION, "/aws/events/keyturn-central")).await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn messages(stage: &Stage) -> Vec<String> {
    let messages = stage.sandbox.visit(|world| world.messages(TOPIC)).await;
    messages.into_iter().map(|message| message.text).collect()
}

fn set_status(number: usize, status: KeyStatus) -> impl FnOnce(&mut World) + Send + 'static {
    move |world| {
        let key = world.access_keys(&account(number), "ci")[0].id().to_owned();
        world.set_access_key_status(&key, status).unwrap();
    }
}

#[tokio::test]
async fn an_alarm_is_told_once_with_its_account_and_all_rotations_are_in_one_log() {
    let stage = central(2, "central: { emails: [team@example.org] }\n").await;
    let run = rollout(&stage, &[]).await;
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("deploy the stack `keyturn-central`"), "{run}");
    stage.sandbox.visit(|world| world.confirm_subscriptions()).await;
    // Until the first pass of each sweeper its alarm is on.
    stage.sandbox.advance(4 * HOUR).await;
    let before = messages(&stage).await.len();
    stage.sandbox.visit(set_status(2, KeyStatus::Inactive)).await;
    stage.sandbox.advance(4 * HOUR).await;
    let told = messages(&stage).await.split_off(before);
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["keyturn-blocked", &account(2), REGION, "keyturn status", "CloudWatch says"] {
        assert!(told[0].contains(part), "{part}: {told:?}");
    }
    stage.sandbox.visit(set_status(2, KeyStatus::Active)).await;
    stage.sandbox.advance(3 * HOUR).await;
    let told = messages(&stage).await.split_off(before + 1);
    assert!(told.len() == 1 && told[0].contains("is over") && told[0].contains(&account(2)), "{told:?}");
    let reached = stage.sandbox.visit(|world| world.messages(TOPIC).pop().unwrap().reached).await;
    assert_eq!(reached, ["team@example.org"]);

    stage.sandbox.advance(31 * 24 * HOUR).await;
    let events = logged(&stage).await;
    for number in [1, 2] {
        let of_account = events.iter().filter(|event| event["account"] == account(number));
        let names: Vec<&str> = of_account.filter_map(|event| event["detail"]["eventName"].as_str()).collect();
        let count = |name| names.iter().filter(|it| **it == name).count();
        assert!(count("RotationStarted") >= 2 && count("RotationSucceeded") >= 2, "{number}: {names:?}");
    }
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn nobody_outside_of_the_organization_puts_events_on_the_bus() {
    let stage = central(1, "central: {}\n").await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    let put = |account: String, source: &'static str| {
        let put = move |world: &mut World| world.put_event(&account, BUS, (source, "Test"), json!({}));
        let sandbox = &stage.sandbox;
        async move { sandbox.visit(put).await.map_err(|error| error.code) }
    };
    stage.sandbox.visit(|world| world.create_account(OUTSIDER).map(drop).unwrap()).await;
    let refused = Err("AccessDeniedException".to_owned());
    assert_eq!(put(OUTSIDER.to_owned(), "shop").await, refused);
    let forged = Err("NotAuthorizedForSourceException".to_owned());
    assert_eq!(put(ACCOUNT.to_owned(), "aws.cloudwatch").await, forged);
    let before = logged(&stage).await.len();
    assert_eq!(put(ACCOUNT.to_owned(), "shop").await, Ok(()));
    assert_eq!(logged(&stage).await.len(), before, "what is not keyturn's is not kept");
}

#[tokio::test]
async fn a_rollout_again_has_nothing_to_do_and_a_change_of_it_is_seen() {
    let stage = central(2, "central: { emails: [team@example.org] }\n").await;
    let artifact = function().to_str().unwrap();
    let plan = ["plan", "--fleet", "fleet.yaml", "--artifact", artifact, "--detailed-exitcode"];
    assert_eq!(stage.keyturn(&plan).await.code, 2);
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    assert_eq!(stage.keyturn(&plan).await.code, 0);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("2 accounts: 2 unchanged"), "{run}");
    assert!(run.stderr.contains("where all comes together, is as it should be"), "{run}");
    // Another address is about the central stack alone.
    direct(&stage, 2, "central: { emails: [others@example.org], retention: 30d }\n");
    assert_eq!(stage.keyturn(&plan).await.code, 2);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("2 accounts: 2 unchanged"), "{run}");
    let topics = stage.sandbox.visit(|world| world.topics(ACCOUNT, REGION)).await;
    assert_eq!(topics[0].subscriptions[0].endpoint, "others@example.org");
    // Without it nobody forwards anything any more; the stack itself stays until it is torn down.
    direct(&stage, 2, "");
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("2 accounts: 2 deployed"), "{run}");
    let forwards =
        |world: &mut World| world.rules(&account(1), REGION).iter().filter(|it| it.pattern.is_some()).count();
    assert_eq!(stage.sandbox.visit(forwards).await, 0);
}

#[tokio::test]
async fn it_goes_behind_the_last_account_and_stays_while_one_is_left() {
    let stage = central(2, "central: { emails: [team@example.org] }\n").await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    stage.sandbox.visit(|world| world.fail_resource_in(&account(2), "Forward", StackAction::Delete, "no")).await;
    let teardown = ["--yes", "teardown", "--fleet", "fleet.yaml", "--keys", "revoke"];
    let run = stage.keyturn(&teardown).await;
    assert!(run.code == 3 && run.stderr.contains("`keyturn-central` stays"), "{run}");
    let run = stage.keyturn(&teardown).await;
    assert_eq!(run.code, 0, "{run}");
    let left = |world: &mut World| {
        let accounts = [ACCOUNT.to_owned(), account(1), account(2)];
        let left: Vec<String> = accounts.iter().flat_map(|account| world.inventory(account)).collect();
        left.into_iter().filter(|it| !it.starts_with("secret ") && !it.starts_with("role Org")).collect::<Vec<_>>()
    };
    assert_eq!(stage.sandbox.visit(left).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_account_in_another_region_forwards_to_the_same_bus() {
    let stage = stage(1).await;
    configure(&stage, &format!("accounts: [{{ id: '{}', region: eu-west-1 }}]\ncentral: {{}}\n", account(1)));
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    let puts = |world: &mut World| {
        let puts = world.calls().iter().filter(|call| call.operation == "events:PutEvents");
        puts.map(|call| call.outcome.clone()).collect::<Vec<_>>()
    };
    let puts = stage.sandbox.visit(puts).await;
    assert!(!puts.is_empty() && puts.iter().all(|outcome| *outcome == Outcome::Done), "{puts:?}");
    let events = logged(&stage).await;
    assert!(!events.is_empty() && events.iter().all(|event| event["region"] == "eu-west-1"), "{events:?}");
}

/// Runs `keyturn` again and again, and kills it right after a call about stacks by the caller's own user, one later each
/// time. Gives how often it was killed.
async fn killed_everywhere(stage: &Stage, arguments: &[&str]) -> usize {
    for killed in 0..30 {
        let process = Arc::new(AtomicU32::new(0));
        let (victim, mut after) = (process.clone(), killed + 1);
        let strike = move |_: &World, call: &sandbox::Call| {
            let is_own =
                call.principal.ends_with("user/administrator") && call.operation.starts_with("cloudformation:");
            if is_own && call.is_write() && !call.operation.contains("AWS::") {
                after -= 1;
                let process = if after == 0 { victim.swap(0, Ordering::SeqCst) } else { 0 };
                if process != 0 {
                    let kill = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status();
                    assert!(kill.unwrap().success());
                }
                after = after.max(1);
            }
            Vec::new()
        };
        stage.sandbox.visit(move |world| world.observe(strike)).await;
        let run = stage.keyturn_noted(&process, arguments).await;
        stage.sandbox.visit(|world| world.observe(|_, _| Vec::new())).await;
        match run.code {
            0 => return killed,
            code => assert_eq!(code, -1, "{run}"),
        }
    }
    panic!("it never comes to its end");
}

#[tokio::test]
async fn whoever_dies_while_it_is_made_or_taken_away_goes_on() {
    let stage = central(1, "central: { emails: [team@example.org] }\n").await;
    let artifact = function().to_str().unwrap();
    assert!(killed_everywhere(&stage, &["--yes", "rollout", "--artifact", artifact]).await >= 1);
    let executed = |world: &mut World| {
        let executed = |call: &&sandbox::Call| call.operation == "cloudformation:ExecuteChangeSet";
        let own = world.calls().iter().filter(|call| call.principal.ends_with("user/administrator"));
        own.filter(executed).count()
    };
    assert_eq!(stage.sandbox.visit(executed).await, 1);
    assert!(!logged(&stage).await.is_empty());
    assert!(killed_everywhere(&stage, &["--yes", "teardown", "--fleet", "fleet.yaml"]).await >= 1);
    let left = stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    assert_eq!(left, Vec::<String>::new());
}
