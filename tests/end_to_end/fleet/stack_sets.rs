//! A fleet that StackSets serves: one template for all accounts, whose functions find their users themselves.

mod callers;
mod central;
mod large;
mod management;
mod rehearsal;
mod trouble;
mod users;

use std::time::Duration;

use sandbox::{Options, StackAction, World};

use super::{USERS, account, keys, rollout, served, settings, take_calls};
use crate::stage::{ACCOUNT, REGION, Stage, function};

const HOUR: Duration = Duration::from_hours(1);

/// An organization that trusts StackSets, and a fleet's file about its accounts.
async fn stage(accounts: usize) -> Stage {
    staged(accounts, Options::default()).await
}

/// The same in another sandbox.
async fn staged(accounts: usize, options: Options) -> Stage {
    let stage = super::staged(accounts, options).await;
    let prepare = |world: &mut World| {
        world.activate_stack_sets(ACCOUNT);
        world.pause_rules(false);
    };
    stage.sandbox.visit(prepare).await;
    configure(&stage, &format!("units: [{}]", unit(&stage)), "");
    stage
}

fn configure(stage: &Stage, units: &str, more: &str) {
    let text = format!(
        "version: 1\nengine: stacksets\nat_once: 10\n{units}\ndefaults:\n  region: {REGION}\n  users: {{ select: {{ path: /service/ }} }}\n  alerts: {{ dashboard: false }}\n{more}"
    );
    std::fs::write(stage.path("fleet.yaml"), text).unwrap();
}

/// Adds something to what the fleet wants of each account, or at the top.
fn amend(stage: &Stage, more: &str) {
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    std::fs::write(stage.path("fleet.yaml"), fleet + more).unwrap();
}

/// The unit of the fleet.
fn unit(stage: &Stage) -> String {
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    let units = fleet.lines().find_map(|line| line.strip_prefix("units: ["));
    units.unwrap().trim_end_matches(']').to_owned()
}

/// A pass of every function, and all that comes of it.
async fn pass(stage: &Stage) {
    stage.sandbox.advance(HOUR + HOUR / 2).await;
    stage.sandbox.settle().await;
}

/// The stacks that there are: account and status.
async fn stacks(stage: &Stage) -> Vec<String> {
    let stacks = stage.sandbox.visit(|world| world.stacks()).await;
    let alive = stacks.into_iter().filter(|stack| stack.status != "DELETE_COMPLETE");
    let mut stacks: Vec<_> = alive.map(|stack| format!("{} {}", &stack.account[10..], stack.status)).collect();
    stacks.sort();
    stacks
}

#[tokio::test]
async fn a_rollout_serves_every_account_and_those_that_join_later() {
    let stage = stage(3).await;
    let run = rollout(&stage, &["--csv", "fleet.csv", "--html", "fleet.html"]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_rollout", run));
    assert_eq!(run.code, 0);
    pass(&stage).await;
    assert_eq!(served(&stage, 3).await, [1, 2, 3]);
    let csv = std::fs::read_to_string(stage.path("fleet.csv")).unwrap();
    assert!(csv.contains(r#""222233334401","team 1","1","deployed""#), "{csv}");

    // Nothing to do takes few calls, and none in an account.
    take_calls(&stage).await;
    let run = rollout(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_nothing_to_do", run));
    assert_eq!(run.code, 0);
    let calls = take_calls(&stage).await;
    assert_eq!(calls.keys().collect::<Vec<_>>(), [ACCOUNT], "{calls:?}");
    assert!(calls[ACCOUNT].len() <= 16, "{calls:?}");

    // A new account gets all of it by itself.
    let unit = unit(&stage);
    let join = move |world: &mut World| {
        world.create_member_account(&unit, &account(4), "team 4").unwrap();
        USERS.iter().for_each(|user| drop(world.create_user(&account(4), user, "/service/").unwrap()));
    };
    stage.sandbox.visit(join).await;
    pass(&stage).await;
    pass(&stage).await;
    assert_eq!(served(&stage, 4).await, [1, 2, 3, 4]);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("4 accounts: 4 unchanged"), "{run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn another_memory_reaches_every_account_and_no_key_changes() {
    let stage = stage(2).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    let before = stage.sandbox.visit(|world| [1, 2].map(|number| keys(world, &account(number)))).await;
    amend(&stage, "  function: { memory: 512 }\n");
    let plan = ["plan", "--fleet", "fleet.yaml", "--artifact", function().to_str().unwrap(), "--detailed-exitcode"];
    let run = stage.keyturn(&plan).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_plan", run));
    assert_eq!(run.code, 2);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("2 accounts: 2 deployed"), "{run}");
    assert_eq!(stage.keyturn(&plan).await.code, 0);
    let after = stage.sandbox.visit(|world| [1, 2].map(|number| keys(world, &account(number)))).await;
    assert_eq!(before, after);
    assert!(before.iter().all(|keys| keys.len() == 2));
}

#[tokio::test]
async fn an_account_that_fails_is_told_with_its_reason_and_mended_by_the_next_run() {
    for (tolerate, code) in [("", 4), ("waves: [{ percent: 100, tolerate: 1 }]\n", 3)] {
        let stage = stage(3).await;
        let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
        std::fs::write(stage.path("fleet.yaml"), format!("{tolerate}{fleet}")).unwrap();
        let fail = |world: &mut World| world.fail_resource_in(&account(2), "Role", StackAction::Create, "not today");
        stage.sandbox.visit(fail).await;
        let run = rollout(&stage, &[]).await;
        settings().bind(|| insta::assert_snapshot!(format!("stack_sets_a_failure_{code}"), run));
        assert_eq!(run.code, code);
        let status = ["status", "--fleet", "fleet.yaml", "--detailed-exitcode"];
        let run = stage.keyturn(&status).await;
        settings().bind(|| insta::assert_snapshot!(format!("stack_sets_status_{code}"), run));
        assert_eq!(run.code, 3);
        let run = rollout(&stage, &[]).await;
        assert_eq!(run.code, 0, "{run}");
        assert_eq!(stage.keyturn(&status).await.code, 0);
        pass(&stage).await;
        assert_eq!(served(&stage, 3).await, [1, 2, 3]);
    }
}

#[tokio::test]
async fn a_teardown_leaves_nothing_but_secrets_and_keys_which_a_later_rollout_goes_on_with() {
    let stage = stage(2).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    let before = stage.sandbox.visit(|world| [1, 2].map(|number| keys(world, &account(number)))).await;
    let run = stage.keyturn(&["--yes", "teardown", "--fleet", "fleet.yaml", "--keys", "revoke"]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_no_revocation", run));
    let run = stage.keyturn(&["--yes", "teardown", "--fleet", "fleet.yaml", "--dry-run"]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_dry_run", run));
    let run = stage.keyturn(&["--yes", "teardown", "--fleet", "fleet.yaml"]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_teardown", run));
    assert_eq!(run.code, 0);
    assert_eq!(stacks(&stage).await, [""; 0]);
    let left = stage.sandbox.visit(|world| [ACCOUNT.to_owned(), account(1)].map(|account| world.inventory(&account)));
    let left = left.await;
    settings().bind(|| insta::assert_debug_snapshot!("stack_sets_what_is_left", left));
    stage.sandbox.advance(HOUR * 24 * 40).await;
    let after = stage.sandbox.visit(|world| [1, 2].map(|number| keys(world, &account(number)))).await;
    assert_eq!(before, after);
    let run = stage.keyturn(&["--yes", "teardown", "--fleet", "fleet.yaml"]).await;
    settings().bind(|| insta::assert_snapshot!("stack_sets_a_second_teardown", run));
    assert_eq!(run.code, 0);

    assert_eq!(rollout(&stage, &[]).await.code, 0);
    pass(&stage).await;
    let on = |world: &mut World| world.secrets(&account(1), REGION).iter().all(|secret| secret.rotation_enabled);
    assert!(stage.sandbox.visit(on).await, "who was rotated before is rotated again");

    // Whoever wants the keys gone as well enters every account, once no function is left.
    assert_eq!(stage.keyturn(&["--yes", "teardown", "--fleet", "fleet.yaml"]).await.code, 0);
    let revoke = ["--yes", "teardown", "--fleet", "fleet.yaml", "--engine", "direct", "--keys", "revoke"];
    let run = stage.keyturn(&revoke).await;
    assert_eq!(run.code, 0, "{run}");
    let left = |world: &mut World| USERS.map(|user| world.access_keys(&account(1), user).len());
    assert_eq!(stage.sandbox.visit(left).await, [0, 0]);
}

/// The set is StackSets' own business. The bucket is that of the account as well.
#[tokio::test]
async fn a_deployment_beside_leaves_the_bucket_to_the_organization() {
    let stage = stage(1).await;
    assert_eq!(rollout(&stage, &[]).await.code, 0);
    stage.sandbox.visit(|world| world.create_user(ACCOUNT, "own", "/").map(drop).unwrap()).await;
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [own]\n"));
    assert_eq!(stage.bootstrap(&[]).await.code, 0);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 0 && run.stdout.contains("1 accounts: 1 unchanged"), "{run}");
    let run = stage.keyturn(&["--yes", "teardown"]).await;
    assert!(run.code == 0 && run.stderr.contains("until `keyturn teardown --fleet`"), "{run}");
    assert_eq!(stacks(&stage).await, ["01 CREATE_COMPLETE", "33 CREATE_COMPLETE"]);
}

/// Whoever asks for what StackSets cannot do hears it before anything is done.
#[tokio::test]
async fn what_stack_sets_cannot_do_is_refused() {
    let stage = stage(1).await;
    let fleet = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap();
    let other = format!("accounts: [{{ id: '{}', schedule: {{ every: 60d }} }}]\n", account(1));
    for (name, more) in [
        ("an_override", other.as_str()),
        ("waves", "waves: [{ count: 1 }, { percent: 100 }]\n"),
        ("roles", "stacksets: { execution_role: any }\n"),
        ("a_delegate_of_nobody", "stacksets: { permissions: self-managed, as: delegated-administrator }\n"),
        ("not_a_delegate", "stacksets: { as: delegated-administrator }\n"),
    ] {
        std::fs::write(stage.path("fleet.yaml"), format!("{more}{fleet}")).unwrap();
        let run = rollout(&stage, &[]).await;
        settings().bind(|| insta::assert_snapshot!(format!("stack_sets_refused_{name}"), run));
        assert_eq!(run.code, 1);
    }
    std::fs::write(stage.path("fleet.yaml"), fleet).unwrap();
    let refused =
        [["--waves", "1"].as_slice(), &["--sandbox", "--waves", "1"], &["--resume"], &["--drift"], &["--express"]];
    for option in refused {
        let run = rollout(&stage, option).await;
        let name = option[0].trim_start_matches("--");
        settings().bind(|| insta::assert_snapshot!(format!("stack_sets_refused_option_{name}"), run));
        assert_eq!(run.code, 64, "{option:?}");
    }
    assert_eq!(stage.keyturn(&["status", "--fleet", "fleet.yaml", "--drift"]).await.code, 64);
}
