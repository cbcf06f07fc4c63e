//! The management account, which StackSets passes over: it is served directly, and as well as the others.

use sandbox::{StackAction, World};

use super::callers::prepend;
use super::{ACCOUNT, HOUR, REGION, USERS, account, amend, keys, pass, rollout, served, settings, stacks, stage, unit};
use crate::drift::exchange_code;
use crate::stage::{Run, Stage, function};

const TEARDOWN: [&str; 4] = ["--yes", "teardown", "--fleet", "fleet.yaml"];

/// A fleet whose unit has the management account in it as well.
pub(super) async fn with_management(members: usize) -> Stage {
    let stage = stage(members).await;
    let unit = unit(&stage);
    let gather = move |world: &mut World| {
        world.move_account(ACCOUNT, &unit).unwrap();
        USERS.iter().for_each(|user| drop(world.create_user(ACCOUNT, user, "/service/").unwrap()));
    };
    stage.sandbox.visit(gather).await;
    stage
}

async fn plan(stage: &Stage) -> Run {
    let artifact = function().to_str().unwrap();
    stage.keyturn(&["plan", "--fleet", "fleet.yaml", "--artifact", artifact, "--detailed-exitcode"]).await
}

/// How many users of the management account have a working key.
async fn served_directly(stage: &Stage) -> usize {
    stage.sandbox.visit(|world| keys(world, ACCOUNT).len()).await
}

#[tokio::test]
async fn it_is_rolled_out_to_looked_at_and_taken_away_like_any_other() {
    let stage = with_management(2).await;
    let run = plan(&stage).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_management_a_plan", run));
    assert_eq!(run.code, 2);
    let run = rollout(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_management_a_rollout", run));
    assert_eq!(run.code, 0);
    pass(&stage).await;
    assert_eq!((served(&stage, 2).await, served_directly(&stage).await), (vec![1, 2], USERS.len()));

    assert_eq!(plan(&stage).await.code, 0);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("3 accounts: 3 unchanged"), "{run}");
    let status = ["status", "--fleet", "fleet.yaml", "--detailed-exitcode"];
    let run = stage.keyturn(&status).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_management_a_status", run));
    assert_eq!(run.code, 0);

    // What StackSets does not see it does not see here either.
    exchange_code(&stage, ACCOUNT).await;
    assert_eq!(plan(&stage).await.code, 2);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("1 deployed, 2 unchanged"), "{run}");
    assert_eq!(plan(&stage).await.code, 0);

    let before = stage.sandbox.visit(|world| keys(world, ACCOUNT)).await;
    amend(&stage, "  function: { memory: 512 }\n");
    assert_eq!(plan(&stage).await.code, 2);
    assert_eq!(stage.keyturn(&status).await.code, 3, "its stack is not what the file wants");
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("3 accounts: 3 deployed"), "{run}");

    let run = stage.keyturn(&[TEARDOWN.as_slice(), &["--dry-run"]].concat()).await;
    assert!(run.code == 0 && run.stdout.contains("3 accounts: 3 to be taken away"), "{run}");
    let run = stage.keyturn(&TEARDOWN).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_management_a_teardown", run));
    assert_eq!(run.code, 0);
    assert_eq!(stacks(&stage).await, [""; 0]);
    stage.sandbox.advance(HOUR * 24 * 40).await;
    assert_eq!(stage.sandbox.visit(|world| keys(world, ACCOUNT)).await, before, "whoever is left keeps the key");
    let run = stage.keyturn(&TEARDOWN).await;
    assert!(run.code == 0 && run.stdout.contains("3 accounts: 3 unchanged"), "{run}");

    // And whoever was rotated before is again.
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    let on = |world: &mut World| world.secrets(ACCOUNT, REGION).iter().all(|secret| secret.rotation_enabled);
    assert!(stage.sandbox.visit(on).await);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn its_failure_is_a_failure_and_what_stops_the_others_stops_it() {
    for (tolerate, code) in [("", 4), ("waves: [{ percent: 100, tolerate: 1 }]", 3)] {
        let stage = with_management(2).await;
        prepend(&stage, tolerate);
        stage.sandbox.visit(|world| world.fail_resource_in(ACCOUNT, "Role", StackAction::Create, "not today")).await;
        let run = rollout(&stage, &[]).await;
        settings().bind(|| insta::assert_snapshot!(format!("stack_sets_management_fails_{code}"), run));
        assert_eq!(run.code, code);
        let run = rollout(&stage, &[]).await;
        assert!(run.code == 0 && run.stdout.contains("3 accounts: 1 deployed, 2 unchanged"), "{run}");
    }
    let stage = with_management(1).await;
    stage.sandbox.visit(|world| world.fail_resource_in(&account(1), "Role", StackAction::Create, "not today")).await;
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 4 && run.stdout.contains("2 accounts: 1 failed, 1 not reached"), "{run}");
    assert_eq!(stacks(&stage).await, ["01 ROLLBACK_COMPLETE", "33 CREATE_COMPLETE"], "the bucket alone");
}

/// Two stacks of one name cannot be in one account, whichever of them comes first.
#[tokio::test]
async fn a_deployment_of_the_same_name_is_neither_taken_over_nor_doubled() {
    // A direct one is where the fleet's would be.
    let stage = with_management(1).await;
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [ci, mail]\n"));
    assert_eq!(stage.bootstrap(&[]).await.code, 0);
    let before = stacks(&stage).await;
    let run = rollout(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_management_deployed_directly", run));
    assert_eq!((run.code, stacks(&stage).await), (1, before));
    // As the hint says, it is left out; or taken away, and its secrets handed over.
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    prepend(&stage, &format!("except: ['{ACCOUNT}']"));
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    std::fs::write(stage.path("fleet.yaml"), fleet).unwrap();
    assert_eq!(stage.keyturn(&["--yes", "teardown"]).await.code, 0);
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    let run = stage.keyturn(&["status", "--fleet", "fleet.yaml", "--detailed-exitcode"]).await;
    assert!(run.code == 3 && run.stdout.contains("ci: rotation turned off"), "{run}");

    // The fleet's is where a direct one would be.
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_management_of_a_fleet", run));
    assert_eq!(run.code, 1);
}

#[tokio::test]
async fn the_stack_of_a_member_is_not_doubled_either() {
    let stage = stage(2).await;
    let role = |number| format!("arn:aws:iam::{}:role/OrganizationAccountAccessRole", account(number));
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [ci, mail]\n"));
    let run = stage.bootstrap(&["--assume-role", &role(1)]).await;
    assert_eq!(run.code, 0, "{run}");
    let before = stage.sandbox.visit(|world| keys(world, &account(1))).await;
    prepend(&stage, "waves: [{ percent: 100, tolerate: 1 }]");
    let run = rollout(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_member_deployed_directly", run));
    assert_eq!(run.code, 3);
    assert_eq!(stage.sandbox.visit(|world| keys(world, &account(1))).await, before);
    assert_eq!(before.len(), USERS.len());

    let run = stage.bootstrap(&["--assume-role", &role(2)]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_member_of_a_fleet", run));
    assert_eq!(run.code, 1);
    let run = rollout(&stage, &["--engine", "direct"]).await;
    assert!(run.code != 0 && run.stdout.contains("StackSets serves this account already"), "{run}");
}

/// With roles of one's own StackSets would reach the account that a deployment of the same name is in.
#[tokio::test]
async fn the_callers_own_account_is_looked_at_before_roles_of_ones_own_enter_it() {
    let stage = with_management(1).await;
    prepend(&stage, "stacksets: { permissions: self-managed }");
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [ci, mail]\n"));
    assert_eq!(stage.bootstrap(&[]).await.code, 0);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 1 && run.stderr.contains("the account has the stack `keyturn` already"), "{run}");
}

#[tokio::test]
async fn a_delegated_administrator_leaves_it_out_and_says_what_to_do() {
    let stage = with_management(2).await;
    prepend(&stage, "stacksets: { as: delegated-administrator }");
    let service = "member.org.stacksets.cloudformation.amazonaws.com";
    stage.sandbox.visit(move |world| world.delegate_administrator(&account(1), service).unwrap()).await;
    let role = format!("arn:aws:iam::{}:role/OrganizationAccountAccessRole", account(1));
    let run = rollout(&stage, &["--assume-role", &role]).await;
    assert!(run.code == 0 && run.stdout.contains("roll out with its own credentials"), "{run}");
    let ours = ["01 CREATE_COMPLETE", "01 CREATE_COMPLETE", "02 CREATE_COMPLETE"];
    assert_eq!(stacks(&stage).await, ours);
}

/// What the file does not want any more goes with the rest.
#[tokio::test]
async fn a_teardown_takes_it_away_also_when_the_fleet_leaves_it_out_by_now() {
    let stage = with_management(1).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    prepend(&stage, &format!("except: ['{ACCOUNT}']"));
    assert_eq!(stage.keyturn(&TEARDOWN).await.code, 0);
    assert_eq!(stacks(&stage).await, [""; 0]);
}
