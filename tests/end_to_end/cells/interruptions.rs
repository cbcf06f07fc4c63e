//! Two cells, struck at every kind of call that changes something, when they are made and when they are taken away: the
//! next run comes to the same end, no key is lost, and nothing is left.
//!
//! Most users bring a secret with a key that works, which is taken over as it is: so many rotations would take their
//! time. The first and the last have none; with them a rotation is made in each cell.

use std::collections::BTreeMap;
use std::time::Duration;

use sandbox::{KeyStatus, World};
use serde_json::json;

use super::{name, secret, sizes};
use crate::bootstrap::working_key;
use crate::invariants::Watch;
use crate::stage::{ACCOUNT, REGION, Stage, function};
use crate::strikes::{STRIKES, Strike, Written, all, writes};

/// More than one cell has room for: a policy is JSON, in which each letter of their path is written as two.
const USERS: usize = 23;

/// Those without a secret.
const FRESH: [usize; 2] = [0, USERS - 1];

/// What is left when nothing is.
const NOTHING: [&str; 0] = [];

async fn stage() -> Stage {
    let stage = Stage::with_users(&[]).await;
    super::configure(&stage, &(0..USERS).collect::<Vec<_>>());
    let path = format!("/{}/", "\"".repeat(510));
    let mut watch = Watch::default();
    let people = move |world: &mut World| {
        for number in 0..USERS {
            let user = name(number);
            world.create_user(ACCOUNT, &user, &path).unwrap();
            if FRESH.contains(&number) {
                continue;
            }
            let key = world.create_access_key(ACCOUNT, &user).unwrap();
            world.record_use(&key.access_key_id, "s3", REGION).unwrap();
            let value = json!({
                "UserName": user, "AccessKeyId": key.access_key_id, "SecretAccessKey": key.secret_access_key,
            });
            world.create_secret(ACCOUNT, REGION, &secret(number), &value.to_string(), &[]).unwrap();
        }
        world.pause_rules(true);
        world.observe(move |world, call| watch.look(world, call));
    };
    stage.sandbox.visit(people).await;
    stage
}

/// The key that works of each user who has one.
async fn keys(stage: &Stage) -> BTreeMap<String, String> {
    let look = |world: &mut World| {
        let secrets = world.secrets(ACCOUNT, REGION).into_iter().filter(|secret| secret.deletion.is_none());
        let names: Vec<String> = secrets.map(|secret| secret.name).collect();
        let of = |secret: String| {
            let user = secret.split_once('/').unwrap().0.to_owned();
            (user.clone(), working_key(world, &user, &secret))
        };
        names.into_iter().map(of).collect()
    };
    stage.sandbox.visit(look).await
}

async fn findings(stage: &Stage) -> Vec<String> {
    stage.sandbox.visit(|world| world.findings().to_vec()).await
}

/// What is in the account, but for the secrets.
async fn beside_secrets(stage: &Stage) -> Vec<String> {
    let inventory = stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    inventory.into_iter().filter(|item| !item.starts_with("secret ")).collect()
}

/// How many histories are told at once: they mostly wait.
const AT_ONCE: usize = 5;

/// Which calls are struck, and how.
#[derive(Clone, Copy, PartialEq)]
enum Extent {
    /// Every call to CloudFormation in each way; of each other kind of call the first and the last are killed. One user
    /// is like the other, and `bootstrap` and `teardown` have tests that strike their calls in each way.
    Usual,
    /// Every call in each way.
    Full,
}

impl Extent {
    fn of(self, writes: Vec<Written>) -> Vec<(Written, Strike)> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        writes.iter().for_each(|written| *counts.entry(written.operation.clone()).or_default() += 1);
        let strikes = |written: &Written| -> &[Strike] {
            let is_end = written.after == 0 || written.after == counts[&written.operation] - 1;
            match self {
                Self::Full => &STRIKES,
                Self::Usual if written.is_to("cloudformation") => &STRIKES,
                Self::Usual if is_end => &[Strike::Kill],
                Self::Usual => &[],
            }
        };
        let of = |written: Written| strikes(&written).iter().map(move |strike| (written.clone(), *strike));
        let struck: Vec<_> = writes.into_iter().flat_map(of).collect();
        assert!(struck.len() > 10, "hardly any call is struck: {struck:?}");
        struck
    }
}

/// One history: a bootstrap that is struck, and then one that is not.
async fn is_made(written: &Written, strike: Strike) {
    let stage = stage().await;
    let before = keys(&stage).await;
    let at = format!("{strike:?} at {written:?}");
    let run = strike.run(&stage, written, &["bootstrap"]).await;
    stage.sandbox.settle().await;
    let again = stage.bootstrap(&[]).await;
    assert_eq!(again.code, 0, "{at}: {run}\n{again}");
    stage.sandbox.settle().await;
    let cells = super::cells(&stage).await;
    assert_eq!((sizes(&cells).len(), cells.len()), (2, USERS), "{at}: {again}");
    for (user, key) in before {
        assert_eq!(cells[&user].1, key, "{at}: {user} has another key");
    }
    let all_keys = |world: &mut World| (0..USERS).map(|user| world.access_keys(ACCOUNT, &name(user)).len()).sum();
    let keys: usize = stage.sandbox.visit(all_keys).await;
    assert_eq!((keys, findings(&stage).await), (USERS, vec![]), "{at}: a key was made in vain");
    if strike == Strike::Kill {
        let planned = stage.keyturn(&["plan", "--detailed-exitcode", "--artifact", function().to_str().unwrap()]).await;
        assert_eq!(planned.code, 0, "{at}: {planned}");
    }
    stage.assert_no_secret_left_behind().await;
}

async fn are_made(extent: Extent) {
    let stage = stage().await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(sizes(&super::cells(&stage).await).len(), 2, "{run}");
    for struck in extent.of(writes(&stage).await).chunks(AT_ONCE) {
        all(struck.iter().map(|(written, strike)| is_made(written, *strike))).await;
    }
}

/// A stage with two cells.
async fn deployed() -> Stage {
    let stage = stage().await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.sandbox.settle().await;
    stage
}

/// One history: a teardown that is struck, and then one that is not.
async fn is_taken_away(written: &Written, strike: Strike, fate: &str) {
    let stage = deployed().await;
    let before = keys(&stage).await;
    assert_eq!(before.len(), USERS);
    let at = format!("{fate}, {strike:?} at {written:?}");
    let teardown = ["teardown", "--keys", fate];
    let run = strike.run(&stage, written, &teardown).await;
    stage.sandbox.settle().await;
    let again = stage.keyturn(&[&["--yes"], &teardown[..]].concat()).await;
    assert_eq!(again.code, 0, "{at}: {run}\n{again}");
    assert_eq!(beside_secrets(&stage).await, NOTHING, "{at}");
    if fate == "keep" {
        assert_eq!((keys(&stage).await, findings(&stage).await), (before, vec![]), "{at}");
    } else {
        let left = |world: &mut World| {
            let is_left = world.secrets(ACCOUNT, REGION).iter().any(|secret| secret.deletion.is_none());
            let keys = (0..USERS).flat_map(|user| world.access_keys(ACCOUNT, &name(user)));
            (is_left, keys.filter(|key| key.status == KeyStatus::Active).count(), world.access_keys(ACCOUNT, &name(0)))
        };
        assert_eq!(stage.sandbox.visit(left).await, (false, 0, vec![]), "{at}");
    }
    stage.assert_no_secret_left_behind().await;
}

async fn are_taken_away(extent: Extent, fate: &'static str) {
    let stage = deployed().await;
    writes(&stage).await;
    let run = stage.keyturn(&["--yes", "teardown", "--keys", fate]).await;
    assert_eq!(run.code, 0, "{run}");
    for struck in extent.of(writes(&stage).await).chunks(AT_ONCE) {
        all(struck.iter().map(|(written, strike)| is_taken_away(written, *strike, fate))).await;
    }
}

#[tokio::test]
async fn a_rotation_that_fails_names_the_log_of_its_own_cell() {
    let stage = deployed().await;
    let user = name(USERS - 1);
    assert_eq!(super::cells(&stage).await[&user].0, "keyturn-2");
    // Later than any key that the rotation before may have left behind.
    stage.sandbox.advance(Duration::from_hours(24)).await;
    let second = user.clone();
    stage.sandbox.visit(move |world| world.create_access_key(ACCOUNT, &second).unwrap()).await;
    let run = stage.keyturn(&["rotate", &user]).await;
    assert!(
        run.code == 3 && run.stdout.ends_with("`aws logs tail /aws/lambda/keyturn-2 --region eu-central-1`\n"),
        "{run}"
    );
    let run = stage.keyturn(&["--output", "json", "rotate", &user]).await;
    let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["rotations"][0]["log_group"], "/aws/lambda/keyturn-2", "{run}");
    stage.assert_no_secret_left_behind().await;
}

/// A stage with two cells, of which nobody is to be in the second any more, and the numbers of those who were.
async fn to_be_deserted() -> (Stage, Vec<usize>) {
    let stage = deployed().await;
    let cells = super::cells(&stage).await;
    let (stay, leave): (Vec<usize>, Vec<usize>) = (0..USERS).partition(|number| cells[&name(*number)].0 == "keyturn");
    assert!(!leave.is_empty());
    super::configure(&stage, &stay);
    writes(&stage).await;
    (stage, leave)
}

async fn live_stacks(stage: &Stage) -> Vec<String> {
    let stacks = stage.sandbox.visit(|world| world.stacks()).await;
    stacks.into_iter().filter(|stack| stack.status != "DELETE_COMPLETE").map(|stack| stack.name).collect()
}

/// One history: a bootstrap that deletes a cell is struck, and the next one is not.
async fn is_deserted(written: &Written, strike: Strike) {
    let (stage, _) = to_be_deserted().await;
    let before = keys(&stage).await;
    let at = format!("{strike:?} at {written:?}");
    let run = strike.run(&stage, written, &["bootstrap"]).await;
    stage.sandbox.settle().await;
    let again = stage.bootstrap(&[]).await;
    assert_eq!((again.code, live_stacks(&stage).await.len()), (0, 2), "{at}: {run}\n{again}");
    assert_eq!((keys(&stage).await, findings(&stage).await), (before, vec![]), "{at}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_nobody_is_in_any_more_is_deleted_and_its_secrets_stay() {
    let (stage, leave) = to_be_deserted().await;
    let before = keys(&stage).await;
    let status = stage.keyturn(&["status"]).await;
    assert!(status.stdout.contains("keyturn-2"), "{status}");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    assert!(
        run.stderr.contains("delete  the stack `keyturn-2` and its log: nobody is in it any more"),
        "the plan does not say so: {run}"
    );
    assert!(run.stdout.contains("deleted the stack `keyturn-2`"), "{run}");
    assert_eq!(live_stacks(&stage).await, ["keyturn-artifacts", "keyturn"]);
    assert_eq!(keys(&stage).await, before);
    let writes = writes(&stage).await;
    for written in &writes {
        all(STRIKES.map(|strike| is_deserted(written, strike))).await;
    }
    // They come back, to a cell that is made anew, with the keys that they had; or they are revoked with the others.
    super::configure(&stage, &(0..USERS).collect::<Vec<_>>());
    let run = stage.bootstrap(&[]).await;
    assert_eq!((run.code, keys(&stage).await), (0, before), "{run}");
    assert!(leave.iter().all(|_| run.stdout.contains("keyturn-2")), "{run}");
    let (stage, leave) = to_be_deserted().await;
    assert_eq!(stage.bootstrap(&[]).await.code, 0);
    // Neither a stack nor the configuration knows the names of their secrets any more, so a person has to say that they are.
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    assert!(run.code == 3 && run.stdout.contains("is left alone: the user's secret would have another name"), "{run}");
    super::configure(&stage, &(0..USERS).collect::<Vec<_>>());
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    let left = move |world: &mut World| leave.iter().map(|user| world.access_keys(ACCOUNT, &name(*user)).len()).sum();
    let left: usize = stage.sandbox.visit(left).await;
    assert_eq!((run.code, left), (0, 0), "{run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cells_that_are_struck_are_completed_by_the_next_bootstrap() {
    are_made(Extent::Usual).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cells_that_are_kept_are_taken_away_by_the_next_teardown() {
    are_taken_away(Extent::Usual, "keep").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cells_that_are_revoked_are_taken_away_by_the_next_teardown() {
    are_taken_away(Extent::Usual, "revoke").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes"]
async fn two_cells_survive_every_strike_at_every_call() {
    are_made(Extent::Full).await;
    are_taken_away(Extent::Full, "keep").await;
    are_taken_away(Extent::Full, "revoke").await;
}
