//! `rollout --sandbox` of a fleet that StackSets serves.

use sandbox::World;
use serde_json::Value;

use super::callers::prepend;
use super::management::with_management;
use super::{ACCOUNT, account, amend, pass, rollout, settings, stacks, stage, unit};
use crate::fleet::rehearsal::{rehearse, with};
use crate::stage::Stage;

/// Whether only sessions were opened.
async fn assert_nothing_has_happened(stage: &Stage) {
    let writes = stage.take_writes().await;
    assert!(writes.iter().all(|write| write.ends_with("AssumeRole")), "{writes:?}");
    assert!(!stage.path("fleet.yaml.journal").exists());
}

#[tokio::test]
async fn it_shows_what_would_happen_with_failures_that_are_told_with_reasons_and_changes_nothing() {
    let stage = with_management(6).await;
    prepend(&stage, "central: { emails: [team@example.org] }\nwaves: [{ percent: 100, tolerate: 3 }]");
    stage.sandbox.visit(|world| world.suspend_account(&account(6)).unwrap()).await;
    stage.take_writes().await;
    let run = rollout(&stage, &["--sandbox", "--failures", "50"]).await;
    let mut settings = settings();
    settings.add_filter(r"StackSet-keyturn-[0-9A-Za-z-]+", "StackSet-keyturn-[suffix]");
    settings.bind(|| insta::assert_snapshot!("stack_sets_a_rehearsal", run));
    assert_eq!(run.code, 3);
    let (run, report) = rehearse(&stage, &["--failures", "50"]).await;
    let injected = report["injected"].as_array().unwrap();
    let harmed: Vec<&str> = injected.iter().map(|it| it["account"].as_str().unwrap()).collect();
    // A key that cannot be made shows when the function has looked for its users.
    let (failed, unsound) = (with(&report, "failed"), with(&report, "unsound"));
    assert_eq!(failed.union(&unsound).copied().collect::<Vec<_>>(), harmed, "{run}");
    assert_eq!((failed.len(), unsound.len(), &report["central"]), (2, 1, &Value::from("deployed")), "{run}");
    assert_eq!(with(&report, "deployed").len(), 3, "{run}");
    // More than are tolerated stop it, as they would in earnest.
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    std::fs::write(stage.path("fleet.yaml"), fleet.replace("tolerate: 3", "tolerate: 1")).unwrap();
    let (run, report) = rehearse(&stage, &["--failures", "100"]).await;
    assert_eq!((run.code, &report["stopped"]["why"]), (4, &Value::from("too-many-failed")), "{run}");
    assert_nothing_has_happened(&stage).await;
    assert_eq!(stacks(&stage).await, [""; 0]);
}

#[tokio::test]
async fn what_is_deployed_already_is_updated_and_only_what_differs() {
    let stage = with_management(3).await;
    prepend(&stage, "central: {}");
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    stage.take_writes().await;
    let (run, report) = rehearse(&stage, &["--failures", "0"]).await;
    assert!(run.code == 0 && with(&report, "unchanged").len() == 4, "{run}");
    assert_eq!(report["central"], "unchanged", "{run}");
    // Another memory, and an account more.
    amend(&stage, "  function: { memory: 512 }\n");
    let unit = unit(&stage);
    stage
        .sandbox
        .visit(move |world| world.create_member_account(&unit, &account(4), "team 4").map(drop).unwrap())
        .await;
    stage.sandbox.settle().await;
    stage.take_writes().await;
    let run = rollout(&stage, &["--sandbox", "--failures", "0"]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_rehearsed_update", run));
    assert_eq!(run.code, 0);
    // What forbids to touch a function fails there, and nowhere else.
    let (run, report) = rehearse(&stage, &["--failures", "100"]).await;
    let hit = |it: &&Value| it["action"] == "lambda:*";
    let expected = report["injected"].as_array().unwrap().iter().filter(hit).map(|it| it["account"].as_str().unwrap());
    assert!(expected.clone().all(|account| with(&report, "failed").contains(account)), "{run}");
    assert!(expected.count() > 0, "{run}");
    assert_nothing_has_happened(&stage).await;
}

#[tokio::test]
async fn a_stack_of_the_same_name_is_met_in_the_copy_as_it_would_be() {
    let stage = stage(2).await;
    let role = format!("arn:aws:iam::{}:role/OrganizationAccountAccessRole", account(1));
    stage.configure(&format!("version: 1\nregion: {}\nusers: [ci, mail]\n", super::REGION));
    assert_eq!(stage.bootstrap(&["--assume-role", &role]).await.code, 0);
    prepend(&stage, "waves: [{ percent: 100, tolerate: 1 }]");
    let (run, report) = rehearse(&stage, &["--failures", "0"]).await;
    assert_eq!(with(&report, "failed").into_iter().collect::<Vec<_>>(), [account(1)], "{run}");
    assert_eq!(run.code, 3);
}

/// Nobody is asked twice: what a rollout would refuse, its rehearsal refuses.
#[tokio::test]
async fn whoever_asks_is_asked_as_in_earnest() {
    let stage = stage(2).await;
    prepend(&stage, "stacksets: { as: delegated-administrator }");
    let run = rollout(&stage, &["--sandbox"]).await;
    assert!(run.code == 1 && run.stderr.contains("for a delegated administrator"), "{run}");
    let service = "member.org.stacksets.cloudformation.amazonaws.com";
    stage.sandbox.visit(move |world: &mut World| world.delegate_administrator(&account(1), service).unwrap()).await;
    let role = format!("arn:aws:iam::{}:role/OrganizationAccountAccessRole", account(1));
    let (run, report) = rehearse(&stage, &["--failures", "0", "--assume-role", &role]).await;
    assert!(run.code == 0 && with(&report, "deployed").len() == 2, "{run}");

    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    let own = fleet.replace("as: delegated-administrator", "permissions: self-managed");
    std::fs::write(stage.path("fleet.yaml"), own).unwrap();
    let (run, report) = rehearse(&stage, &["--failures", "0"]).await;
    assert!(run.code == 0 && with(&report, "deployed").len() == 2, "{run}");
    assert_ne!(report["accounts"][0]["account"], ACCOUNT);
}
