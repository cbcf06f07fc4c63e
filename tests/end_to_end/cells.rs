//! More users than one stack holds: they are spread over cells, and nobody notices but the inventory.
//!
//! Long paths and secret names fill the policies of a cell with a few dozen users, so that two cells do not need 201.

mod interruptions;

use std::collections::BTreeMap;

use sandbox::{StackAction, World};

use crate::bootstrap::working_key;
use crate::stage::{ACCOUNT, REGION, Stage, function};
use crate::strikes::{Strike, Written};

/// More than one cell has room for, and fewer than two.
const USERS: usize = 36;

const NOTHING: [&str; 0] = [];

fn name(number: usize) -> String {
    format!("user-{number:02}")
}

fn secret(number: usize) -> String {
    format!("{}/{}", name(number), "s".repeat(490))
}

fn configure(stage: &Stage, numbers: &[usize]) {
    let user = |number: &usize| format!("  - {{ name: {}, secret: {} }}\n", name(*number), secret(*number));
    let users: String = numbers.iter().map(user).collect();
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers:\n{users}"));
}

async fn stage() -> Stage {
    let stage = Stage::with_users(&[]).await;
    let path = format!("/{}/", "p".repeat(500));
    let users = move |world: &mut World| {
        (0..=USERS).for_each(|number| drop(world.create_user(ACCOUNT, &name(number), &path).unwrap()));
    };
    stage.sandbox.visit(users).await;
    stage
}

/// The cell of each user, as the tag of the secret says, and the key that works.
async fn cells(stage: &Stage) -> BTreeMap<String, (String, String)> {
    let look = |world: &mut World| {
        let secrets = world.secrets(ACCOUNT, REGION).into_iter().filter(|secret| secret.deletion.is_none());
        let of = |secret: sandbox::SecretView| {
            let user = secret.tags["keyturn:user"].clone();
            let key = working_key(world, &user, &secret.name);
            (user, (secret.tags["keyturn:stack"].clone(), key))
        };
        secrets.collect::<Vec<_>>().into_iter().map(of).collect()
    };
    stage.sandbox.visit(look).await
}

fn sizes(cells: &BTreeMap<String, (String, String)>) -> BTreeMap<&str, usize> {
    let mut sizes = BTreeMap::new();
    cells.values().for_each(|(cell, _)| *sizes.entry(cell.as_str()).or_default() += 1);
    sizes
}

#[tokio::test]
async fn users_are_spread_over_cells_and_stay_where_they_are() {
    let stage = stage().await;
    configure(&stage, &(0..USERS).collect::<Vec<_>>());
    // Killed when the second of the two stacks has begun: the next run goes on with both.
    let begins = Written { operation: "cloudformation:ExecuteChangeSet".to_owned(), after: 2 };
    Strike::Kill.run(&stage, &begins, &["bootstrap"]).await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let first = cells(&stage).await;
    assert_eq!(first.len(), USERS);
    let sizes_then = sizes(&first);
    assert!(sizes_then.len() == 2 && sizes_then["keyturn"] > sizes_then["keyturn-2"], "{sizes_then:?}");
    let functions = stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    assert_eq!(functions.iter().filter(|item| item.starts_with("function ")).count(), 2, "{functions:?}");
    stage.take_writes().await;
    let again = stage.bootstrap(&[]).await;
    assert_eq!((again.code, stage.take_writes().await), (0, NOTHING.map(str::to_owned).to_vec()), "{again}");

    // One leaves, in the first cell; another one comes, and takes that place.
    let left = first.iter().find(|(_, (cell, _))| cell == "keyturn").unwrap().0.clone();
    let numbers: Vec<usize> = (0..=USERS).rev().filter(|number| name(*number) != left).collect();
    configure(&stage, &numbers);
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let then = cells(&stage).await;
    assert_eq!(then[&name(USERS)].0, "keyturn");
    for (user, cell) in &first {
        assert_eq!(&then[user], cell, "{user} has moved, or has another key");
    }

    // Orders reach the function of each user.
    let second = first.iter().find(|(_, (cell, _))| cell == "keyturn-2").unwrap().0.clone();
    let newcomer = name(USERS);
    let run = stage.keyturn(&["--yes", "revoke", &newcomer, &second]).await;
    assert_eq!(run.code, 0, "{run}");
    let now = cells(&stage).await;
    assert!([&newcomer, &second].iter().all(|user| now[*user].1 != then[*user].1), "{run}");
    // What keeps the one function from following keeps no leaked key alive in the other cell.
    let invoked = Written { operation: "lambda:Invoke".to_owned(), after: 0 };
    let run = Strike::Refuse.run(&stage, &invoked, &["revoke", &newcomer, &second]).await;
    let (now, then) = (cells(&stage).await, now);
    assert_eq!((run.code, now[&newcomer].1 == then[&newcomer].1), (3, true), "{run}");
    assert!(
        run.stdout.contains(&format!("{newcomer}: failed")) && run.stdout.contains(&format!("{second}: ")),
        "{run}"
    );
    let status = stage.keyturn(&["status", "--output", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let row = |row: &serde_json::Value| format!("{} {}", row["stack"], row["state"]).replace('"', "");
    let stacks: Vec<_> = status["stacks"].as_array().unwrap().iter().map(row).collect();
    assert_eq!(stacks, ["keyturn-artifacts in-sync", "keyturn in-sync", "keyturn-2 in-sync"]);

    // What somebody has changed is found in all of them, and brought back in all of them.
    let meddle = |world: &mut World| {
        world.change_resource("keyturn", "Function", &serde_json::json!({ "Timeout": 600 })).unwrap();
        world.delete_resource("keyturn-2", "Sweeper").unwrap();
    };
    stage.sandbox.visit(meddle).await;
    let run = stage.bootstrap(&["--drift"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.contains("`keyturn`") && run.stdout.contains("`keyturn-2`"), "{run}");
    let status = stage.keyturn(&["status", "--drift"]).await;
    assert!(status.stdout.contains("nothing was found to have been changed"), "{status}");

    // Who has left has a secret that no stack and no configuration knows any more: a person has to say whose it is.
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    assert!(run.code == 3 && run.stdout.contains("is left alone: it is none of the stack's resources"), "{run}");
    configure(&stage, &(0..USERS).collect::<Vec<_>>());
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    assert_eq!(run.code, 0, "{run}");
    let left = stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    assert!(left.iter().all(|item| item.starts_with("secret ")), "{left:?}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_cell_that_fails_does_not_keep_the_others_back() {
    let stage = stage().await;
    configure(&stage, &(0..USERS).collect::<Vec<_>>());
    // The second cell cannot be made: the first is made all the same.
    let refuse = |world: &mut World| world.fail_resource("keyturn-2", "Function", StackAction::Create, "not today");
    stage.sandbox.visit(refuse).await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 4, "{run}");
    assert!(run.stderr.contains("the stack `keyturn-2` was not created: Function"), "{run}");
    let stacks = stage.sandbox.visit(|world| world.stacks()).await;
    let live: Vec<_> =
        stacks.iter().filter(|stack| stack.status == "CREATE_COMPLETE").map(|stack| &stack.name).collect();
    assert_eq!(live, ["keyturn-artifacts", "keyturn"]);
    let run = stage.keyturn(&["--yes", "bootstrap", "--artifact", function().to_str().unwrap()]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(sizes(&cells(&stage).await).values().sum::<usize>(), USERS);
    stage.assert_no_secret_left_behind().await;
}
