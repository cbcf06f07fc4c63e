//! As whom StackSets is asked, and with whose permissions it works.

use std::collections::BTreeSet;

use installer::permissions::{CENTRAL, PERMISSIONS, STACK_SETS};
use sandbox::World;
use serde_json::json;

use super::management::with_management;
use super::{ACCOUNT, account, pass, rollout, served, settings, stacks, stage};
use crate::stage::Stage;

const SERVICE: &str = "member.org.stacksets.cloudformation.amazonaws.com";

/// Puts a line at the top of the fleet's file.
pub(super) fn prepend(stage: &Stage, line: &str) {
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    std::fs::write(stage.path("fleet.yaml"), format!("{line}\n{fleet}")).unwrap();
}

#[tokio::test]
async fn a_delegated_administrator_serves_the_organization_from_an_account_of_its_own() {
    let stage = stage(2).await;
    prepend(&stage, "stacksets: { as: delegated-administrator }");
    let role = format!("arn:aws:iam::{}:role/OrganizationAccountAccessRole", account(1));
    let asked = ["--assume-role", role.as_str()];
    let run = rollout(&stage, &asked).await;
    assert_ne!(run.code, 0, "{run}");
    stage.sandbox.visit(|world| world.delegate_administrator(&account(1), SERVICE).unwrap()).await;
    let run = rollout(&stage, &asked).await;
    assert_eq!(run.code, 0, "{run}");
    pass(&stage).await;
    assert_eq!(served(&stage, 2).await, [1, 2]);
    let run = rollout(&stage, &asked).await;
    assert!(run.code == 0 && run.stdout.contains("2 accounts: 2 unchanged"), "{run}");
    // The usual role lets the management account in alone.
    let run = stage.keyturn(&[&["--yes", "teardown", "--fleet", "fleet.yaml"], asked.as_slice()].concat()).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_teardown_by_a_delegate", run));
    assert_eq!(run.code, 3);
    assert_eq!(stacks(&stage).await, [""; 0]);
}

#[tokio::test]
async fn roles_of_ones_own_serve_as_well() {
    let stage = stage(2).await;
    prepend(&stage, "stacksets: { permissions: self-managed }");
    let allowing = |action: &str, resource: &str| {
        let statement = json!({ "Effect": "Allow", "Action": action, "Resource": resource });
        json!({ "Version": "2012-10-17", "Statement": statement }).to_string()
    };
    let trusting = |principal: serde_json::Value| {
        let statement = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal });
        json!({ "Version": "2012-10-17", "Statement": statement }).to_string()
    };
    let admit = move |world: &mut World| {
        let (outer, inner) = ("AWSCloudFormationStackSetAdministrationRole", "AWSCloudFormationStackSetExecutionRole");
        let service = trusting(json!({ "Service": "cloudformation.amazonaws.com" }));
        world.create_role(ACCOUNT, outer, &service).unwrap();
        let enter = allowing("sts:AssumeRole", &format!("arn:aws:iam::*:role/{inner}"));
        world.put_role_policy(ACCOUNT, outer, "enter", &enter).unwrap();
        let trust = trusting(json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:role/{outer}") }));
        for number in 1..=2 {
            world.create_role(&account(number), inner, &trust).unwrap();
            world.put_role_policy(&account(number), inner, "all", &allowing("*", "*")).unwrap();
        }
    };
    stage.sandbox.visit(admit).await;
    let run = rollout(&stage, &[]).await;
    assert_eq!(run.code, 0, "{run}");
    pass(&stage).await;
    assert_eq!(served(&stage, 2).await, [1, 2]);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("2 accounts: 2 unchanged"), "{run}");
    let run = stage.keyturn(&["--yes", "teardown", "--fleet", "fleet.yaml"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(stacks(&stage).await, [""; 0]);
}

/// Accounts that are named are found below the root, and nobody follows them.
#[tokio::test]
async fn accounts_can_be_named() {
    let stage = stage(3).await;
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    let named = format!("accounts: ['{}', '{}']", account(1), account(3));
    let lines = fleet.lines().map(|line| if line.starts_with("units") { named.as_str() } else { line });
    let text: Vec<&str> = lines.collect();
    std::fs::write(stage.path("fleet.yaml"), text.join("\n")).unwrap();
    let run = rollout(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_named_accounts", run));
    assert_eq!(run.code, 0);
    pass(&stage).await;
    assert_eq!(served(&stage, 3).await, [1, 3]);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("2 accounts: 2 unchanged"), "{run}");
}

#[tokio::test]
async fn the_caller_needs_what_is_written_down_and_nothing_else() {
    let stage = with_management(1).await;
    prepend(&stage, "central: { emails: [team@example.org] }");
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    assert_eq!(stage.keyturn(&["status", "--fleet", "fleet.yaml"]).await.code, 0);
    std::fs::write(stage.path("fleet.yaml"), format!("accounts: ['{}']\n{fleet}  tags: {{ a: b }}\n", account(1)))
        .unwrap();
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    assert_eq!(stage.keyturn(&["--yes", "teardown", "--fleet", "fleet.yaml"]).await.code, 0);
    let asked = stage.sandbox.visit(|world| {
        let own = world.calls().iter().filter(|call| call.principal.ends_with(":user/administrator"));
        own.flat_map(|call| call.checks.iter().map(|check| check.action.clone())).collect::<BTreeSet<_>>()
    });
    let known: BTreeSet<&str> = PERMISSIONS.iter().map(|permission| permission.action).collect();
    let asked = asked.await;
    let beside: BTreeSet<&str> = asked.iter().map(String::as_str).filter(|action| !known.contains(action)).collect();
    let mut written: BTreeSet<&str> = STACK_SETS.iter().chain(&CENTRAL).map(|(action, _)| *action).collect();
    written.retain(|action| !known.contains(action));
    // Only after Ctrl-C; and how accounts are entered, which is the file's `access`.
    written.remove("cloudformation:StopStackSetOperation");
    written.insert("sts:AssumeRole");
    assert_eq!(beside, written);
}
