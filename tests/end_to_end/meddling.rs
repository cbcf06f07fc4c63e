//! What somebody else does at the last moment: between the look on which the function has decided and the change that
//! it makes, and by hand with what is not theirs. The function looks again, and touches nothing that it must not.

use std::time::Duration;

use aws_sdk_cloudformation::types::{Capability, ChangeSetType};
use aws_sdk_secretsmanager::types::Tag;
use sandbox::{Fault, FaultEffect, KeyStatus, World};
use serde_json::json;

use crate::bootstrap::{configure, current_keys};
use crate::invariants::{assert_at_rest, key_in, watch};
use crate::stage::{ACCOUNT, REGION, Stage};

const NAME: &str = "keyturn/alice";

/// The function, among the principals.
const FUNCTION: &str = "assumed-role/";

const DAY: Duration = Duration::from_hours(24);

/// Longer than Secrets Manager goes on retrying.
const ALL_RETRIES: Duration = Duration::from_hours(6);

/// A schedule that stays out of the way: these tests say when to rotate.
const SELDOM: &str =
    "schedule: { every: 300d }\nretire: { max_key_age: 400d, deactivate_after: 1d, quiet: 1h, delete_after: 1d }";

/// Alice with a first key, watched after every call, and without the sweeper.
async fn stage_with_alice() -> Stage {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    configure(&stage, &["alice"], SELDOM);
    watch(&stage).await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage
}

/// The same with a superseded key, in AWSPREVIOUS, that the next rotation deactivates.
async fn stage_with_superseded_key() -> (Stage, String) {
    let stage = stage_with_alice().await;
    stage.rotate_secret("alice").await;
    stage.sandbox.advance(2 * DAY).await;
    let superseded = stage.sandbox.visit(|world| key_in(&secret(world), "AWSPREVIOUS").unwrap()).await;
    (stage, superseded)
}

/// The same with a superseded key that the next rotation deletes: it is Inactive, and its grace is over.
async fn stage_with_inactive_key() -> (Stage, String) {
    let (stage, superseded) = stage_with_superseded_key().await;
    stage.rotate_secret("alice").await;
    stage.sandbox.advance(DAY / 2).await;
    assert_eq!(status(&stage, &superseded).await, Some(KeyStatus::Inactive));
    stage.sandbox.advance(DAY).await;
    (stage, superseded)
}

fn secret(world: &World) -> sandbox::SecretView {
    world.secret(ACCOUNT, REGION, NAME).unwrap()
}

/// Hands the key in AWSPREVIOUS out again, as a person does when the new key makes trouble.
fn go_back(world: &mut World) {
    let id = secret(world).labelled("AWSPREVIOUS").unwrap().id.clone();
    world.move_label(ACCOUNT, REGION, NAME, "AWSCURRENT", Some(&id)).unwrap();
}

/// Has something happen right before a call of the function.
async fn interfere(
    stage: &Stage,
    operation: &'static str,
    after: usize,
    act: impl FnOnce(&mut World) + Send + 'static,
) {
    stage.sandbox.visit(move |world| world.interfere(operation, FUNCTION, after, act)).await;
}

/// Rotates, until the first failure or the end, and gives what the function has logged.
async fn rotate(stage: &Stage) -> String {
    let before = stage.function_log().await.len();
    stage.rotate_secret("alice").await;
    stage.sandbox.settle().await;
    assert_eq!(stage.sandbox.visit(|world| world.pending_interferences()).await, 0, "nobody has meddled");
    stage.function_log().await.split_off(before)
}

async fn status(stage: &Stage, key: &str) -> Option<KeyStatus> {
    let key = key.to_owned();
    let find = move |world: &mut World| world.access_keys(ACCOUNT, "alice").into_iter().find(|found| found.id() == key);
    stage.sandbox.visit(find).await.map(|key| key.status)
}

async fn count(stage: &Stage, operation: &'static str) -> usize {
    let count = move |world: &mut World| {
        world.calls().iter().filter(|call| call.operation == operation && call.principal.contains(FUNCTION)).count()
    };
    stage.sandbox.visit(count).await
}

async fn assert_nothing_was_broken(stage: &Stage) {
    assert_eq!(stage.sandbox.visit(|world| world.findings().to_vec()).await, [] as [String; 0]);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_key_that_becomes_current_at_the_last_moment_is_not_deactivated() {
    let (stage, superseded) = stage_with_superseded_key().await;
    // The mark comes first; then the function looks once more.
    interfere(&stage, "secretsmanager:TagResource", 0, go_back).await;
    let log = rotate(&stage).await;
    assert!(log.contains("a key was about to be changed that is AWSCURRENT by now"), "{log}");
    assert_eq!(status(&stage, &superseded).await, Some(KeyStatus::Active));
    assert_eq!(count(&stage, "iam:UpdateAccessKey").await, 0);
    assert_eq!(current_keys(&stage, &["alice"]).await, [superseded]);
    stage.sandbox.advance(ALL_RETRIES).await;
    assert_nothing_was_broken(&stage).await;
}

/// Right after a key was deactivated Secrets Manager does not say whether it is current by now.
#[tokio::test]
async fn a_key_of_which_nobody_can_tell_whether_it_is_current_is_active_again() {
    let (stage, superseded) = stage_with_superseded_key().await;
    let blind = |world: &mut World| {
        let (mut is_deactivated, mut is_over) = (false, false);
        world.sabotage(move |_, upcoming| {
            let is_look = is_deactivated && !is_over && upcoming.operation == "secretsmanager:GetSecretValue";
            is_deactivated |= upcoming.operation == "iam:UpdateAccessKey";
            is_over |= is_look;
            is_look.then(|| FaultEffect::FailBefore(sandbox::ApiError::new("DecryptionFailure", "not now")))
        });
    };
    stage.sandbox.visit(blind).await;
    let log = rotate(&stage).await;
    assert!(log.contains("DecryptionFailure"), "{log}");
    assert_eq!(status(&stage, &superseded).await, Some(KeyStatus::Active));
    stage.sandbox.advance(ALL_RETRIES).await;
    assert_eq!(status(&stage, &superseded).await, Some(KeyStatus::Inactive), "the next attempt goes on");
    assert_nothing_was_broken(&stage).await;
}

#[tokio::test]
async fn a_key_that_becomes_current_at_the_last_moment_is_not_deleted() {
    let (stage, superseded) = stage_with_inactive_key().await;
    let key = superseded.clone();
    // The second list is the last look at the key, and the value of AWSCURRENT the last at what it is.
    interfere(&stage, "iam:ListAccessKeys", 1, move |world| {
        let versions = secret(world).versions;
        let holds = |value: &sandbox::SecretValue| value.expose().contains(&key);
        let version = versions.iter().find(|version| version.value.as_ref().is_some_and(holds)).unwrap();
        world.move_label(ACCOUNT, REGION, NAME, "AWSCURRENT", Some(&version.id)).unwrap();
    })
    .await;
    stage.rotate_secret_again("alice").await;
    stage.sandbox.settle().await;
    let log = stage.function_log().await;
    assert!(log.contains("a key was about to be changed that is AWSCURRENT by now"), "{log}");
    assert_eq!(status(&stage, &superseded).await, Some(KeyStatus::Inactive), "it is as the person found it");
    assert_eq!(count(&stage, "iam:DeleteAccessKey").await, 0);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_key_that_is_activated_at_the_last_moment_is_not_deleted() {
    let (stage, superseded) = stage_with_inactive_key().await;
    let key = superseded.clone();
    interfere(&stage, "iam:ListAccessKeys", 1, move |world| {
        world.set_access_key_status(&key, KeyStatus::Active).unwrap();
    })
    .await;
    stage.rotate_secret_again("alice").await;
    stage.sandbox.settle().await;
    let log = stage.function_log().await;
    assert!(log.contains("a key was about to be deleted that somebody has activated meanwhile"), "{log}");
    assert_eq!(status(&stage, &superseded).await, Some(KeyStatus::Active));
    assert_eq!(count(&stage, "iam:DeleteAccessKey").await, 0);
    assert_nothing_was_broken(&stage).await;
}

#[tokio::test]
async fn a_value_that_is_put_at_the_last_moment_is_not_replaced_unseen() {
    let stage = stage_with_alice().await;
    interfere(&stage, "secretsmanager:UpdateSecretVersionStage", 0, |world| {
        let value = world.secret_value(ACCOUNT, REGION, NAME, "AWSCURRENT").unwrap();
        let with_note = value.replacen('{', r#"{"Note":"by hand","#, 1);
        world.put_secret_value(ACCOUNT, REGION, NAME, &with_note).unwrap();
    })
    .await;
    let log = rotate(&stage).await;
    assert!(log.contains("somebody has moved AWSCURRENT meanwhile"), "{log}");
    let note = |world: &mut World| {
        world.secret_value(ACCOUNT, REGION, NAME, "AWSCURRENT").is_some_and(|value| value.contains("by hand"))
    };
    assert!(stage.sandbox.visit(note).await, "what the person has put is what applications read");
    stage.sandbox.advance(ALL_RETRIES).await;
    stage.sandbox.visit(|world| assert_at_rest(world, "alice")).await;
    assert_nothing_was_broken(&stage).await;
}

#[tokio::test]
async fn of_two_attempts_the_one_that_stores_its_key_first_wins() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], SELDOM);
    interfere(&stage, "secretsmanager:PutSecretValue", 0, |world| {
        let other = world.create_access_key(ACCOUNT, "alice").unwrap();
        let (id, secret) = (other.access_key_id, other.secret_access_key);
        let value = json!({ "UserName": "alice", "AccessKeyId": id, "SecretAccessKey": secret });
        world.put_pending_value(ACCOUNT, REGION, NAME, &value.to_string()).unwrap();
    })
    .await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.sandbox.settle().await;
    assert_eq!(stage.sandbox.visit(|world| world.pending_interferences()).await, 0);
    current_keys(&stage, &["alice"]).await;
    let keys = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice").len()).await;
    assert_eq!((keys, count(&stage, "iam:DeleteAccessKey").await), (1, 1), "R3: the loser takes its own key away");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_key_of_somebody_else_never_becomes_current() {
    let stage = stage_with_alice().await;
    let before = current_keys(&stage, &["alice"]).await;
    // The rotation stands still before its key is stored. Then a person stores bob's, in alice's name.
    let die = Fault {
        operation: Some("secretsmanager:PutSecretValue".to_owned()),
        principal: Some(FUNCTION.to_owned()),
        after: 0,
        effect: FaultEffect::KillBefore,
    };
    stage.sandbox.visit(|world| world.inject(die)).await;
    rotate(&stage).await;
    let store = |world: &mut World| {
        let bobs = world.create_access_key(ACCOUNT, "bob").unwrap();
        let value = json!({ "UserName": "alice", "AccessKeyId": bobs.access_key_id, "SecretAccessKey": bobs.secret_access_key });
        world.put_pending_value(ACCOUNT, REGION, NAME, &value.to_string()).unwrap();
        let secret = secret(world);
        (secret.arn.clone(), secret.labelled("AWSPENDING").unwrap().id.clone())
    };
    let (arn, token) = stage.sandbox.visit(store).await;
    for step in ["testSecret", "finishSecret"] {
        let event = json!({ "Step": step, "SecretId": arn, "ClientRequestToken": token });
        let (kind, answer) = stage.invoke(event.to_string().as_bytes()).await;
        assert_eq!((kind.as_deref(), &answer["errorType"]), (Some("Unhandled"), &json!("WrongIdentity")), "{step}");
    }
    assert_eq!(current_keys(&stage, &["alice"]).await, before);
    assert_nothing_was_broken(&stage).await;
}

#[tokio::test]
async fn a_slot_that_somebody_takes_at_the_last_moment_is_theirs() {
    let stage = stage_with_alice().await;
    let before = current_keys(&stage, &["alice"]).await;
    interfere(&stage, "iam:CreateAccessKey", 0, |world| drop(world.create_access_key(ACCOUNT, "alice").unwrap())).await;
    let log = rotate(&stage).await;
    assert!(log.contains("\"blocked\":\"key_limit\""), "{log}");
    let look =
        |world: &mut World| (secret(world).tags["keyturn:blocked"].clone(), world.access_keys(ACCOUNT, "alice").len());
    assert_eq!(stage.sandbox.visit(look).await, ("key_limit".to_owned(), 2));
    assert_eq!(count(&stage, "iam:CreateAccessKey").await, 2, "one refused now, and one for the first key");
    assert_eq!(current_keys(&stage, &["alice"]).await, before);
    assert_nothing_was_broken(&stage).await;
}

#[tokio::test]
async fn a_slot_that_only_seemed_to_be_taken_is_tried_once_more() {
    let stage = stage_with_alice().await;
    let before = current_keys(&stage, &["alice"]).await;
    interfere(&stage, "iam:CreateAccessKey", 0, |world| drop(world.create_access_key(ACCOUNT, "alice").unwrap())).await;
    interfere(&stage, "iam:ListAccessKeys", 1, |world| {
        let keys = world.access_keys(ACCOUNT, "alice");
        let newest = keys.iter().max_by_key(|key| key.created).unwrap().id().to_owned();
        world.delete_access_key(&newest).unwrap();
    })
    .await;
    rotate(&stage).await;
    assert_ne!(current_keys(&stage, &["alice"]).await, before);
    stage.sandbox.visit(|world| assert_at_rest(world, "alice")).await;
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_key_whose_answer_is_lost_is_not_asked_for_again() {
    let stage = stage_with_alice().await;
    stage.sandbox.visit(|world| world.clear_calls()).await;
    let lose = Fault {
        operation: Some("iam:CreateAccessKey".to_owned()),
        principal: Some(FUNCTION.to_owned()),
        after: 0,
        effect: FaultEffect::LoseAnswer,
    };
    stage.sandbox.visit(|world| world.inject(lose)).await;
    rotate(&stage).await;
    assert_eq!(count(&stage, "iam:CreateAccessKey").await, 1, "R3: the SDK does not retry it");
    stage.sandbox.advance(ALL_RETRIES).await;
    stage.sandbox.visit(|world| assert_at_rest(world, "alice")).await;
    assert_nothing_was_broken(&stage).await;
}

/// `keyturn rollback` takes the label off a rotation that waits. The function may just have found room for its key.
#[tokio::test]
async fn a_rotation_that_is_given_up_while_it_goes_on_costs_nobody_a_key() {
    for (operation, principal) in [
        ("secretsmanager:TagResource", FUNCTION),
        ("iam:CreateAccessKey", FUNCTION),
        ("secretsmanager:PutSecretValue", FUNCTION),
        // The new key itself.
        ("sts:GetCallerIdentity", ":user/alice"),
        ("secretsmanager:UpdateSecretVersionStage", FUNCTION),
    ] {
        let stage = stage_with_alice().await;
        let give_up = |world: &mut World| world.move_label(ACCOUNT, REGION, NAME, "AWSPENDING", None).unwrap();
        stage.sandbox.visit(move |world| world.interfere(operation, principal, 0, give_up)).await;
        rotate(&stage).await;
        stage.sandbox.advance(ALL_RETRIES).await;
        for _ in 0..4 {
            stage.invoke(br#"{"sweep":["alice"]}"#).await;
            stage.sandbox.advance(2 * DAY).await;
        }
        stage.sandbox.visit(|world| assert_at_rest(world, "alice")).await;
        let keys = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")).await;
        let held = current_keys(&stage, &["alice"]).await;
        assert_eq!(keys.iter().map(sandbox::AccessKey::id).collect::<Vec<_>>(), held, "{operation}: no orphan is left");
        assert_nothing_was_broken(&stage).await;
    }
}

#[tokio::test]
async fn without_the_time_to_store_a_key_none_is_made() {
    let stage = stage_with_alice().await;
    shorten_the_timeout(&stage).await;
    stage.sandbox.visit(|world| world.clear_calls()).await;
    let log = rotate(&stage).await;
    assert!(log.contains("too little of the function's time is left to begin"), "{log}");
    let writes = |world: &mut World| {
        let calls = world.calls().iter().filter(|call| call.is_write() && call.principal.contains(FUNCTION));
        calls.map(|call| call.operation.clone()).filter(|name| !name.starts_with("logs:")).collect::<Vec<_>>()
    };
    assert_eq!(stage.sandbox.visit(writes).await, [] as [String; 0]);
    assert_nothing_was_broken(&stage).await;
}

/// Gives the function less time than it needs, behind keyturn's back.
async fn shorten_the_timeout(stage: &Stage) {
    let client = aws_sdk_cloudformation::Client::new(&stage.config());
    let template = client.get_template().stack_name("keyturn").send().await.unwrap().template_body.unwrap();
    let shorter = template.replace("Timeout: 120\n", "Timeout: 20\n");
    assert_ne!(shorter, template);
    let order = client.create_change_set().stack_name("keyturn").change_set_name("by-hand");
    let order = order.change_set_type(ChangeSetType::Update).template_body(shorter);
    order.capabilities(Capability::CapabilityNamedIam).send().await.unwrap();
    client.execute_change_set().stack_name("keyturn").change_set_name("by-hand").send().await.unwrap();
    stage.sandbox.settle().await;
}

/// A tag of ours with a value that nobody of ours wrote: the careful side.
#[tokio::test]
async fn a_mark_that_a_person_has_written_wrongly_stops_the_rotation() {
    let (stage, superseded) = stage_with_superseded_key().await;
    let tag = Tag::builder().key(format!("keyturn:key/{superseded}")).value("delete it").build();
    stage.secrets().tag_resource().secret_id(NAME).tags(tag).send().await.unwrap();
    let log = rotate(&stage).await;
    assert!(log.contains("\"blocked\":\"unreadable_mark\""), "{log}");
    assert_eq!(status(&stage, &superseded).await, Some(KeyStatus::Active));
    assert_nothing_was_broken(&stage).await;
}

/// Somebody has pasted something else over the value, and later the value from before over that.
#[tokio::test]
async fn a_value_that_is_none_of_keyturns_stops_the_rotation_until_it_is_put_right() {
    let (stage, superseded) = stage_with_superseded_key().await;
    let secrets = stage.secrets();
    let value = secrets.get_secret_value().secret_id(NAME).send().await.unwrap().secret_string.unwrap();
    let put = |text: &str| secrets.put_secret_value().secret_id(NAME).secret_string(text).send();
    put("hunter2").await.unwrap();
    // AWSPENDING is still on the version before, so Secrets Manager may refuse, and takes that rotation up again.
    let rotate = async || {
        let _ = secrets.rotate_secret().secret_id(NAME).send().await;
        stage.sandbox.settle().await;
    };
    rotate().await;
    let log = stage.function_log().await;
    assert!(log.contains("\"blocked\":\"unreadable_value\"") && !log.contains("hunter2"), "{log}");
    let (failure, answer) = stage.invoke(br#"{"sweep":["alice"]}"#).await;
    assert_eq!((failure, &answer["blocked"]["unreadable_value"]), (None, &json!(1)), "{answer}");
    assert_eq!(status(&stage, &superseded).await, Some(KeyStatus::Active));
    let told = stage.keyturn(&["status"]).await;
    assert!(told.stdout.contains("unreadable_value") && !told.stdout.contains("hunter2"), "{told}");

    put(&value).await.unwrap();
    stage.sandbox.advance(ALL_RETRIES).await;
    stage.sandbox.advance(2 * DAY).await;
    // The superseded key takes two steps to go.
    for _ in 0..2 {
        rotate().await;
        stage.sandbox.advance(2 * DAY).await;
    }
    let look = |world: &mut World| {
        let secret = secret(world);
        let log = world.function_log(ACCOUNT, REGION, "keyturn");
        (key_in(&secret, "AWSCURRENT"), secret.tags.get("keyturn:blocked").cloned(), log)
    };
    let (current, blocked, log) = stage.sandbox.visit(look).await;
    assert!(current.is_some_and(|key| !value.contains(&key)) && blocked.is_none(), "{blocked:?}: {log}");
    assert_nothing_was_broken(&stage).await;
}
