//! Users who have keys already: one is in nobody's way, of two one has to be given up.

use sandbox::KeyStatus::{Active, Inactive};
use sandbox::{KeyStatus, World};

use super::{DAY, NOTHING, key, keys_of, kinds, plan};
use crate::bootstrap::{configure, current_keys, deployed, in_order, working_key};
use crate::stage::{ACCOUNT, Stage, settings};

/// A stage on which `bob` has two keys of 200 and 100 days, of which the newer one is used, and their ids.
async fn stage_with_two_keys(older: KeyStatus, newer: KeyStatus) -> (Stage, String, String) {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    configure(&stage, &["alice", "bob"], "");
    let old = key(&stage, "bob", older).await;
    stage.sandbox.advance(100 * DAY).await;
    let new = key(&stage, "bob", newer).await;
    let used = new.clone();
    stage.sandbox.visit(move |world| world.record_use(&used, "s3", "eu-west-1").unwrap()).await;
    stage.sandbox.advance(100 * DAY).await;
    stage.take_writes().await;
    (stage, old, new)
}

#[tokio::test]
async fn users_without_a_secret_are_told_in_one_line_each() {
    let stage = Stage::with_users(&["alice", "bob", "carol"]).await;
    configure(&stage, &["alice", "bob", "carol"], "");
    let (active, inactive) = (key(&stage, "bob", Active).await, key(&stage, "carol", Inactive).await);
    let planned = plan(&stage, &[]).await;
    let lines = planned.stdout.lines().skip_while(|line| *line != "to know:").skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let expected = [
        "  alice: has no access key; the first rotation makes one".to_owned(),
        format!(
            "  bob: has the key {active} (Active, 1 second old, never used); the first rotation makes another key, and this one stays until you give it up: `keyturn rotate bob --retire {active}`"
        ),
        format!(
            "  carol: has the key {inactive} (Inactive, 0 seconds old, never used); the first rotation makes another key, and this one stays until you give it up: `keyturn rotate carol --reclaim {inactive}`"
        ),
    ];
    assert_eq!(lines, expected);
    let machines = kinds(&plan(&stage, &["--output", "json"]).await);
    let expected = [("alice", "no-key"), ("bob", "one-active-key"), ("carol", "one-inactive-key")];
    assert_eq!(machines, expected.map(|(user, kind)| (user.to_owned(), kind.to_owned())));

    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    current_keys(&stage, &["alice", "bob", "carol"]).await;
    assert_eq!(keys_of(&stage, "bob").await[0], (active, Active));
    assert_eq!(keys_of(&stage, "carol").await[0], (inactive, Inactive));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn an_inactive_key_that_is_reclaimed_makes_room() {
    let (stage, old, new) = stage_with_two_keys(Inactive, Active).await;
    let planned = plan(&stage, &["--reclaim", &old]).await;
    settings().bind(|| insta::assert_snapshot!("an_inactive_key_is_reclaimed_plan", planned));
    assert_eq!(stage.take_writes().await, NOTHING);
    let run = stage.bootstrap(&["--reclaim", &old]).await;
    settings().bind(|| insta::assert_snapshot!("an_inactive_key_is_reclaimed", in_order(run)));
    let current = current_keys(&stage, &["bob"]).await.remove(0);
    assert_eq!(keys_of(&stage, "bob").await, [(new, Active), (current, Active)]);

    // The same command again finds that all of it is done.
    let again = stage.bootstrap(&["--reclaim", &old]).await;
    assert!(again.code == 0 && again.stdout.contains("nothing to do"), "{again}");
    assert!(again.stdout.contains(&format!("{old}: nobody here has this key")), "{again}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn an_active_key_that_is_retired_makes_room_after_a_while() {
    let (stage, old, new) = stage_with_two_keys(Active, Active).await;
    let retire = ["--retire", &old];
    let planned = plan(&stage, &retire).await;
    settings().bind(|| insta::assert_snapshot!("an_active_key_is_retired_plan", planned));
    let run = stage.bootstrap(&retire).await;
    settings().bind(|| insta::assert_snapshot!("an_active_key_is_retired", in_order(run)));
    assert_eq!(keys_of(&stage, "bob").await, [(old.clone(), Inactive), (new.clone(), Active)]);
    current_keys(&stage, &["alice"]).await;

    let again = stage.bootstrap(&retire).await;
    settings().bind(|| insta::assert_snapshot!("an_active_key_is_retired_again", in_order(again)));
    assert_eq!(keys_of(&stage, "bob").await, [(old, Inactive), (new.clone(), Active)], "nothing is done twice");

    // Nobody has to come back for it.
    stage.sandbox.advance(8 * DAY).await;
    let current = current_keys(&stage, &["bob"]).await.remove(0);
    assert_eq!(keys_of(&stage, "bob").await, [(new, Active), (current, Active)]);
    let done = plan(&stage, &["--detailed-exitcode"]).await;
    assert_eq!(done.code, 0, "{done}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_retired_key_that_is_reclaimed_is_not_waited_for() {
    let (stage, old, new) = stage_with_two_keys(Active, Active).await;
    assert_eq!(stage.bootstrap(&["--retire", &old]).await.code, 3);
    let run = stage.bootstrap(&["--reclaim", &old]).await;
    assert_eq!(run.code, 0, "{run}");
    let current = current_keys(&stage, &["bob"]).await.remove(0);
    assert_eq!(keys_of(&stage, "bob").await, [(new, Active), (current, Active)]);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn the_policy_decides_about_an_inactive_key_but_not_between_two_that_work() {
    let (stage, old, new) = stage_with_two_keys(Inactive, Active).await;
    configure(&stage, &["alice", "bob"], "retire: { foreign: retire }\n");
    let planned = kinds(&plan(&stage, &["--output", "json"]).await);
    assert_eq!(planned[1], ("bob".to_owned(), "two-keys-waiting".to_owned()));
    let run = stage.bootstrap(&[]).await;
    assert!(run.code == 3 && run.stdout.contains(&format!("bob: waiting: the key {old}")), "{run}");
    stage.sandbox.advance(8 * DAY).await;
    let current = current_keys(&stage, &["bob"]).await.remove(0);
    assert!(keys_of(&stage, "bob").await.contains(&(current, Active)));
    assert!(!keys_of(&stage, "bob").await.iter().any(|(id, _)| *id == old));
    assert!(keys_of(&stage, "bob").await.iter().any(|(id, _)| *id == new), "it is used, and its week is not over");

    let (stage, ..) = stage_with_two_keys(Active, Active).await;
    configure(&stage, &["alice", "bob"], "retire: { foreign: retire }\n");
    let run = plan(&stage, &[]).await;
    assert!(run.code == 1 && run.stderr.contains("`bob` has two access keys already"), "{run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn keys_that_must_not_be_given_up_are_refused() {
    let stage = deployed(&["alice"]).await;
    let managed = current_keys(&stage, &["alice"]).await.remove(0);
    let make = |world: &mut World| ["bob", "carol"].map(|user| world.create_user(ACCOUNT, user, "/").unwrap());
    stage.sandbox.visit(make).await;
    let (active, inactive) = (key(&stage, "bob", Active).await, key(&stage, "bob", Inactive).await);
    let strangers = key(&stage, "carol", Active).await;
    configure(&stage, &["alice", "bob"], "");
    stage.take_writes().await;
    let table = [
        ("the_current_key", vec!["--retire", &managed]),
        ("an_active_key", vec!["--reclaim", &active]),
        ("an_inactive_key", vec!["--retire", &inactive]),
        ("a_key_of_somebody_else", vec!["--retire", &strangers]),
        ("in_both_ways", vec!["--retire", &inactive, "--reclaim", &inactive]),
        ("not_a_key", vec!["--retire", "bob"]),
    ];
    for (name, arguments) in table {
        let run = plan(&stage, &arguments).await;
        settings().bind(|| insta::assert_snapshot!(format!("must_not_be_given_up_{name}"), run));
    }
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_foreign_key_beside_a_managed_one_is_told_and_given_up_with_the_next_rotation() {
    let stage = deployed(&["alice"]).await;
    let managed = current_keys(&stage, &["alice"]).await.remove(0);
    // Later than any key that the rotation before may have left behind.
    stage.sandbox.advance(DAY).await;
    let foreign = key(&stage, "alice", Active).await;
    let planned = plan(&stage, &["--detailed-exitcode"]).await;
    settings().bind(|| insta::assert_snapshot!("a_foreign_key_beside_a_managed_one_plan", planned));
    let run = stage.keyturn(&["rotate", "alice", "--retire", &foreign]).await;
    settings().bind(|| insta::assert_snapshot!("a_foreign_key_is_given_up_without_an_answer", run));
    assert_eq!(keys_of(&stage, "alice").await, [(managed.clone(), Active), (foreign.clone(), Active)]);

    let run = stage.keyturn(&["--yes", "rotate", "alice", "--retire", &foreign]).await;
    settings().bind(|| insta::assert_snapshot!("a_foreign_key_is_retired", run));
    assert_eq!(keys_of(&stage, "alice").await, [(managed.clone(), Active), (foreign.clone(), Inactive)]);
    let run = stage.keyturn(&["--yes", "rotate", "alice", "--reclaim", &foreign]).await;
    settings().bind(|| insta::assert_snapshot!("a_foreign_key_is_reclaimed", run));
    let current = stage.sandbox.visit(|world| working_key(world, "alice", "keyturn/alice")).await;
    assert_eq!(keys_of(&stage, "alice").await, [(managed, Active), (current, Active)]);
    stage.assert_no_secret_left_behind().await;
}
