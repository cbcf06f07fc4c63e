//! `{"rollback": […]}`: back to the key from before the last rotation, as long as it is there.

use std::collections::BTreeMap;

use super::*;
use crate::invariants::assert_at_rest;

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn the_earlier_key_is_current_again_and_stays_so() {
    let stage = rotated(&["alice"]).await;
    let before = keys_of(&stage, "alice").await;
    let outcome = roll_back(&stage, "alice").await;
    let (old, new) = (before.previous(), before.current.as_str());
    assert_eq!(outcome, json!({ "outcome": "rolled-back", "key": old, "superseded": new }));
    let after = keys_of(&stage, "alice").await;
    assert_eq!((after.current.as_str(), after.previous()), (old, new));

    // The key that was left is on its way out from now on, and the rotation that made it is not taken up again.
    let tags = tags_of(&stage, "alice").await;
    assert!(tags.contains_key(&format!("keyturn:key/{new}")) && !tags.contains_key(&format!("keyturn:key/{old}")));
    stage.sandbox.visit(|world| assert_at_rest(world, "alice")).await;
    stage.sandbox.advance(ALL_RETRIES).await;
    sweep(&stage, "alice").await;
    assert_eq!(keys_of(&stage, "alice").await, after);

    days_pass(&stage, "alice", 4).await;
    let rest = keys_of(&stage, "alice").await;
    assert_eq!(rest.statuses, BTreeMap::from([(old.to_owned(), KeyStatus::Active)]), "it has had its time");
    stage.rotate_secret("alice").await;
    stage.sandbox.settle().await;
    assert_eq!(keys_of(&stage, "alice").await.previous(), old, "rotations go on from there");
    assert_nothing_found(&stage).await;
}

#[tokio::test]
async fn a_second_order_changes_nothing() {
    let stage = rotated(&["alice"]).await;
    roll_back(&stage, "alice").await;
    let before = keys_of(&stage, "alice").await;
    writes(&stage).await;
    let outcome = roll_back(&stage, "alice").await;
    assert_eq!(outcome["outcome"], "nothing", "{outcome}");
    assert!(text_of(&outcome).starts_with("already rolled back"), "{outcome}");
    assert_eq!((keys_of(&stage, "alice").await, writes(&stage).await), (before, vec![]));
    assert_nothing_found(&stage).await;
}

#[tokio::test]
async fn a_deactivated_key_is_activated_and_not_taken_away_again() {
    let stage = deactivated(&["alice"]).await;
    let before = keys_of(&stage, "alice").await;
    let old = before.previous();
    assert_eq!(roll_back(&stage, "alice").await["outcome"], "rolled-back");
    // The very next sweep finds a key whose mark would have it deleted by now.
    stage.sandbox.advance(2 * DAY).await;
    sweep(&stage, "alice").await;
    let after = keys_of(&stage, "alice").await;
    assert_eq!((after.current.as_str(), after.status(old)), (old, Some(KeyStatus::Active)));
    assert_nothing_found(&stage).await;
}

#[tokio::test]
async fn each_refusal_has_its_reason_and_changes_nothing() {
    let users = ["rotating", "deleted", "revoked", "replaced", "unbound", "held", "alice"];
    let stage = rotated(&users).await;
    let previous = |keys: &Keys| keys.previous().to_owned();
    let deleted = previous(&keys_of(&stage, "deleted").await);
    let revoked = previous(&keys_of(&stage, "revoked").await);
    let refused = keys_of(&stage, "revoked").await;
    tag(&stage, "revoked", &format!("keyturn:give-up/{revoked}"), "revoke").await;
    tag(&stage, "unbound", "keyturn:user-id", "nobody").await;
    tag(&stage, "held", "keyturn:hold", "audit").await;
    stage
        .sandbox
        .visit(move |world| {
            world.delete_access_key(&deleted).unwrap();
            world.delete_user(ACCOUNT, "replaced").unwrap();
            world.create_user(ACCOUNT, "replaced", "/").unwrap();
        })
        .await;
    // Both slots are taken, so this one stands still.
    stage.rotate_secret("rotating").await;
    stage.sandbox.settle().await;
    writes(&stage).await;

    let answer = order(&stage, json!({ "rollback": ["rotating", "deleted", "revoked", "replaced", "unbound", "eve"] }));
    let answer = answer.await;
    let told = |user: &str| (answer[user]["outcome"].as_str().unwrap(), answer[user]["reason"].as_str());
    assert_eq!(told("rotating"), ("blocked", Some("rotation_under_way")));
    assert_eq!(told("replaced"), ("blocked", Some("user_replaced")));
    assert_eq!(told("unbound"), ("blocked", Some("unbound")));
    assert_eq!(told("deleted"), ("refused", None));
    assert_eq!(told("revoked"), ("refused", None));
    assert_eq!(answer["eve"], json!({ "outcome": "refused", "text": "no secret of the stack belongs to this user" }));
    assert_eq!(writes(&stage).await, [] as [&str; 0]);
    assert_eq!(keys_of(&stage, "revoked").await, refused);

    // A hold keeps rotation and sweeper away, and not the person who orders; case does not matter, as to IAM.
    let answer = order(&stage, json!({ "rollback": ["held", "ALICE", "alice"] })).await;
    for user in ["held", "ALICE", "alice"] {
        assert_eq!(answer[user]["outcome"], "rolled-back", "{answer}");
    }
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn without_an_earlier_key_there_is_nothing_to_do() {
    let stage = stage_with(&["alice"]).await;
    writes(&stage).await;
    let outcome = roll_back(&stage, "alice").await;
    assert_eq!(outcome["outcome"], "nothing", "{outcome}");
    assert!(text_of(&outcome).starts_with("there is no earlier key"), "{outcome}");
    assert_eq!(writes(&stage).await, [] as [&str; 0]);
}

/// The calls of one rollback, as operation and how many of the same kind came before.
async fn calls_of_a_rollback(stage: &Stage, user: &str) -> Vec<(String, usize)> {
    stage.sandbox.visit(World::clear_calls).await;
    assert_eq!(roll_back(stage, user).await["outcome"], "rolled-back");
    let operations = stage.sandbox.visit(|world| {
        let calls = world.calls().iter().filter(|call| call.principal.contains("assumed-role/"));
        calls.map(|call| call.operation.clone()).filter(|name| !name.starts_with("logs:")).collect::<Vec<_>>()
    });
    let mut seen = BTreeMap::new();
    let number = |operation: String| {
        let count = seen.entry(operation.clone()).or_insert(0_usize);
        *count += 1;
        (operation, *count - 1)
    };
    operations.await.into_iter().map(number).collect()
}

/// Users named after the call at which something happens.
fn names() -> Vec<String> {
    (0..24).map(|nth| format!("user-{nth}")).collect()
}

/// A stage on which the sweeper has deactivated every user's earlier key, and would delete it at its next pass.
async fn due() -> (Stage, Vec<String>) {
    let names = names();
    let users: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = deactivated(&users).await;
    stage.sandbox.advance(2 * DAY).await;
    (stage, names)
}

/// Has the earlier key taken away right before each call of a rollback in turn, as by a sweep that has decided before.
async fn take_away_at_every_call(take: fn(&mut World, &str)) {
    let (stage, names) = due().await;
    let calls = calls_of_a_rollback(&stage, "user-0").await;
    // What was decided long ago is out of the watch's reach, as a person's deed would be.
    stage.sandbox.visit(|world| world.observe(|_, _| Vec::new())).await;
    assert!(calls.len() < names.len(), "more calls than users");
    for ((operation, after), name) in calls.into_iter().zip(names.iter().skip(1)) {
        let before = keys_of(&stage, name).await;
        let (at, victim) = (format!("{operation} {after}"), before.previous().to_owned());
        let act = move |world: &mut World| take(world, &victim);
        stage.sandbox.visit(move |world| world.interfere(&operation, "assumed-role/", after, act)).await;
        let outcome = roll_back(&stage, name).await;
        assert_eq!(stage.sandbox.visit(|world| world.pending_interferences()).await, 0, "{at}");
        let keys = keys_of(&stage, name).await;
        let is_back = keys.current == before.previous();
        assert_eq!(outcome["outcome"] == "rolled-back", is_back, "{at}: {outcome}");
        // The look at the keys comes last: what happens after it is like what a person does the next day.
        let works = keys.status(&keys.current) == Some(KeyStatus::Active);
        let is_too_late = is_back && ["TagResource 2", "UntagResource 0"].iter().any(|late| at.ends_with(late));
        assert!(works || is_too_late, "{at}: {outcome} {keys:?}");
    }
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_deletion_that_was_decided_before_costs_the_rollback_and_not_the_current_key() {
    take_away_at_every_call(|world, key| world.delete_access_key(key).unwrap()).await;
}

#[tokio::test]
async fn a_deactivation_that_was_decided_before_costs_the_rollback_and_not_the_current_key() {
    take_away_at_every_call(|world, key| world.set_access_key_status(key, KeyStatus::Inactive).unwrap()).await;
}

#[tokio::test]
async fn sweeps_at_any_call_leave_a_current_key_that_works() {
    let (stage, names) = due().await;
    let calls = calls_of_a_rollback(&stage, "user-0").await;
    // Each sweep is for one user only.
    for name in &names {
        tag(&stage, name, "keyturn:hold", "not yet").await;
    }
    assert!(calls.len() < names.len(), "more calls than users");
    for ((operation, after), name) in calls.into_iter().zip(names.iter().skip(1)) {
        let at = format!("{operation} {after}");
        untag(&stage, name, "keyturn:hold").await;
        let (before, fire) = (keys_of(&stage, name).await, World::fire_rules);
        assert_eq!(before.status(before.previous()), Some(KeyStatus::Inactive), "{at}");
        stage.sandbox.visit(move |world| world.interfere(&operation, "assumed-role/", after, fire)).await;
        let outcome = roll_back(&stage, name).await;
        stage.sandbox.settle().await;
        assert_eq!(stage.sandbox.visit(|world| world.pending_interferences()).await, 0, "{at}");
        let keys = keys_of(&stage, name).await;
        assert_eq!(keys.status(&keys.current), Some(KeyStatus::Active), "{at}: {outcome} {keys:?}");
        tag(&stage, name, "keyturn:hold", "done").await;
    }
    // A sweep that has seen the key Inactive may delete it in the moment in which the order activates it: IAM has no
    // deletion under a condition. That costs the rollback, and never the current key.
    let findings = stage.sandbox.visit(|world| world.findings().to_vec()).await;
    let others: Vec<_> = findings.iter().filter(|finding| !finding.starts_with("R4: ")).collect();
    assert_eq!(others, [] as [&String; 0]);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn who_took_too_long_to_answer_does_not_get_another_key() {
    let stage = rotated(&["alice"]).await;
    let before = keys_of(&stage, "alice").await;
    let moves = |world: &mut World| {
        let earlier =
            world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap().labelled("AWSPREVIOUS").unwrap().id.clone();
        world.move_label(ACCOUNT, REGION, "keyturn/alice", "AWSCURRENT", Some(&earlier)).unwrap();
    };
    // The second look at the secret is the one behind the question.
    stage.sandbox.visit(move |world| world.interfere("secretsmanager:DescribeSecret", ":user/", 1, moves)).await;
    let run = stage.keyturn(&["--yes", "rollback", "alice"]).await;
    assert_eq!(run.code, 1, "{run}");
    assert!(
        run.stderr.contains("the secret of `alice` has another key, or a rotation under way, since you were asked"),
        "{run}"
    );
    assert_eq!(keys_of(&stage, "alice").await.current, before.previous(), "as the other one has left it");
    assert_eq!(stage.sandbox.visit(|world| world.pending_interferences()).await, 0);
}
