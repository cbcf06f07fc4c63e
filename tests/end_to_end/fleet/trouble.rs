//! A rollout that does not go as it should: accounts that cannot be entered, failures, Ctrl-C, and death.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sandbox::{StackAction, World};
use serde_json::{Value, json};

use super::{USERS, account, configure, rollout, served, settings, stage, take_calls};
use crate::stage::{REGION, Stage, function};

#[tokio::test]
async fn accounts_that_cannot_be_used_are_told_and_the_others_served() {
    let stage = stage(5).await;
    let trouble = |world: &mut World| {
        world.suspend_account(&account(2)).unwrap();
        world.delete_role(&account(3), "OrganizationAccountAccessRole").unwrap();
        world.delay_account_readiness(&account(4), Duration::from_secs(4)).unwrap();
    };
    stage.sandbox.visit(trouble).await;
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    let waves = "waves: [{ percent: 100, tolerate: 1 }]\nready_within: 30s\n";
    std::fs::write(stage.path("fleet.yaml"), fleet + waves).unwrap();
    let run = rollout(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("accounts_that_cannot_be_used", run));
    assert_eq!(served(&stage, 5).await, [1, 4, 5]);
}

#[tokio::test]
async fn a_failure_that_is_not_tolerated_stops_the_rollout_and_another_run_goes_on() {
    let stage = stage(4).await;
    let fail = |world: &mut World| world.fail_resource("keyturn", "Role", StackAction::Create, "not today");
    stage.sandbox.visit(fail).await;
    let run = rollout(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("a_canary_that_fails", run));
    assert_eq!(run.code, 4);
    assert_eq!(served(&stage, 4).await, [0; 0], "the canary has failed, and no other account was begun");
    let run = rollout(&stage, &["--resume"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(served(&stage, 4).await, [1, 2, 3, 4]);
    let run = rollout(&stage, &["--resume"]).await;
    settings().bind(|| insta::assert_snapshot!("nothing_to_resume", run));
}

/// From this call on, each by its number, nothing is allowed in these accounts any more.
async fn forbid_from(stage: &Stage, victims: &[(usize, usize)]) {
    let mut left: BTreeMap<String, usize> = victims.iter().map(|(number, calls)| (account(*number), *calls)).collect();
    let forbid = move |world: &mut World| {
        world.sabotage(move |_, upcoming| {
            let is_ours = upcoming.principal.contains("OrganizationAccountAccessRole");
            let left = left.get_mut(upcoming.principal.split(':').nth(4)?).filter(|_| is_ours)?;
            let denial = sandbox::ApiError::new("AccessDenied", "explicit deny in a service control policy");
            match left.checked_sub(1) {
                Some(fewer) => {
                    *left = fewer;
                    None
                }
                None => Some(sandbox::FaultEffect::FailBefore(denial.with_status(403))),
            }
        });
    };
    stage.sandbox.visit(forbid).await;
}

#[tokio::test]
async fn one_account_in_twenty_that_fails_at_any_call_is_tolerated_and_two_are_not() {
    let stage = stage(40).await;
    let text = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap().replace("at_once: 1", "at_once: 8");
    let waves = "waves: [{ percent: 50, tolerate: 5% }, { percent: 100, tolerate: 5% }]\n";
    std::fs::write(stage.path("fleet.yaml"), text + waves).unwrap();
    let run_on = async |victims: &[(usize, usize)], arguments: &[&str]| {
        forbid_from(&stage, victims).await;
        let run = rollout(&stage, &[&["--output", "json"], arguments].concat()).await;
        stage.sandbox.visit(|world| world.sabotage(|_, _| None)).await;
        let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"));
        let rows = report["accounts"].as_array().unwrap().iter();
        let failed =
            rows.filter(|row| row["outcome"] == "failed" && row["cause"].as_str().unwrap().contains("not allowed"));
        let failed: Vec<String> = failed.map(|row| row["account"].as_str().unwrap().to_owned()).collect();
        (run.code, failed, report["summary"].clone())
    };
    // Two of twenty are one too many.
    let (code, failed, summary) = run_on(&[(3, 4), (9, 31)], &[]).await;
    assert_eq!((code, &failed), (4, &vec![account(3), account(9)]), "{summary}");
    assert_eq!(summary["failed"], 2);
    let not_reached = summary["not_reached"].as_u64().unwrap();
    assert!(not_reached >= 20 && summary["done"] == 38 - not_reached, "{summary}");
    // One in each wave is tolerated, whatever it is in the middle of.
    let (code, failed, summary) = run_on(&[(9, 12), (33, 27)], &["--resume"]).await;
    assert_eq!((code, &failed), (3, &vec![account(9), account(33)]), "{summary}");
    assert_eq!((&summary["failed"], &summary["not_reached"]), (&json!(2), &json!(0)), "{summary}");
    let done = served(&stage, 40).await;
    assert!((1..=40).all(|number| [9, 33].contains(&number) || done.contains(&number)), "{done:?}");
    // Both are whole, and what is left to do is done.
    assert_eq!(run_on(&[], &[]).await.0, 0);
    assert_eq!(served(&stage, 40).await, (1..=40).collect::<Vec<_>>());
    let calls = take_calls(&stage).await;
    for number in 1..=40 {
        let keys = stage.sandbox.visit(move |world| USERS.map(|user| world.access_keys(&account(number), user).len()));
        assert_eq!((keys.await, calls.contains_key(&account(number))), ([1, 1], true));
    }
}

#[tokio::test]
async fn ctrl_c_lets_the_account_under_way_come_to_its_end() {
    let stage = stage(3).await;
    let process = Arc::new(AtomicU32::new(0));
    let victim = process.clone();
    let press = move |_: &World, call: &sandbox::Call| {
        if call.operation == "cloudformation:ExecuteChangeSet" {
            let process = victim.swap(0, Ordering::SeqCst);
            if process != 0 {
                let told = std::process::Command::new("kill").args(["-INT", &process.to_string()]).status();
                assert!(told.unwrap().success());
            }
        }
        Vec::new()
    };
    stage.sandbox.visit(move |world| world.observe(press)).await;
    let run = stage.keyturn_noted(&process, &["--yes", "rollout", "--artifact", function().to_str().unwrap()]).await;
    stage.sandbox.visit(|world| world.observe(|_, _| Vec::new())).await;
    settings().bind(|| insta::assert_snapshot!("ctrl_c", run));
    assert_eq!(run.code, 6);
    assert_eq!(served(&stage, 3).await, [1]);
    assert_eq!(rollout(&stage, &["--resume"]).await.code, 0);
    assert_eq!(served(&stage, 3).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_key_that_stops_working_while_it_soaks_stops_the_rollout() {
    let stage = stage(2).await;
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    let waves = "waves: [{ count: 1, soak: 2s }, { percent: 100 }]\n";
    std::fs::write(stage.path("fleet.yaml"), fleet + waves).unwrap();
    // The only ones who list secrets are those who look again.
    let trouble = |world: &mut World| {
        let tags = [("keyturn:stack", "keyturn"), ("keyturn:blocked", "current_disabled")];
        world.create_secret(&account(1), REGION, "keyturn/late", "{}", &tags).unwrap();
    };
    let role = "OrganizationAccountAccessRole";
    stage.sandbox.visit(move |world| world.interfere("secretsmanager:ListSecrets", role, 0, trouble)).await;
    let run = rollout(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("a_wave_that_does_not_hold", run));
    assert_eq!(run.code, 4);
    assert_eq!(served(&stage, 2).await, [1]);
}

#[tokio::test]
async fn what_is_wrong_in_the_file_is_told_with_its_line() {
    let stage = stage(1).await;
    let own = account(1);
    for (name, more) in [
        ("an_unknown_field", "wavse: []\n".to_owned()),
        ("a_wrong_override", format!("accounts:\n  - {{ id: '{own}', schedule: {{ every: 1h }} }}\n")),
        ("an_account_twice", format!("accounts: ['{own}', '{own}']\n")),
        ("no_account_number", "accounts: [12345]\n".to_owned()),
        ("waves_that_leave_some_out", "units: [r-abcd]\nwaves: [{ count: 1 }]\n".to_owned()),
        ("no_accounts_at_all", String::new()),
        ("an_address_that_is_none", "units: [r-abcd]\ncentral: { emails: [team] }\n".to_owned()),
    ] {
        configure(&stage, &more);
        let run = rollout(&stage, &[]).await;
        assert_eq!(run.code, 1, "{run}");
        settings().bind(|| insta::assert_snapshot!(format!("wrong_{name}"), run));
    }
    assert_eq!(stage.sandbox.visit(|world| world.calls().len()).await, 0);
}
