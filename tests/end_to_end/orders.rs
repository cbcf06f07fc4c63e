//! Orders of a person, followed by the real function: rollback and revocation, their refusals, and what comes of them
//! when they are killed or meet a sweep or a rotation.

mod interruptions;
mod revocation;
mod rollback;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_secretsmanager::types::Tag;
use sandbox::{KeyStatus, World};
use serde_json::{Value, json};

use crate::invariants::{key_in, watch};
use crate::stage::{ACCOUNT, REGION, Stage};

/// Longer than Secrets Manager goes on retrying.
const ALL_RETRIES: Duration = Duration::from_hours(6);

/// A schedule that stays out of the way, and keys that retire within days.
const SELDOM: &str =
    "schedule: { every: 300d }\nretire: { max_key_age: 400d, deactivate_after: 1d, quiet: 1h, delete_after: 1d }";

/// A user's keys as the secret sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Keys {
    current: String,
    previous: Option<String>,
    statuses: BTreeMap<String, KeyStatus>,
}

impl Keys {
    fn of(world: &World, user: &str) -> Self {
        let secret = world.secret(ACCOUNT, REGION, &format!("keyturn/{user}")).unwrap();
        let keys = world.access_keys(ACCOUNT, user);
        Self {
            current: key_in(&secret, "AWSCURRENT").unwrap(),
            previous: key_in(&secret, "AWSPREVIOUS"),
            statuses: keys.iter().map(|key| (key.id().to_owned(), key.status)).collect(),
        }
    }

    fn previous(&self) -> &str {
        self.previous.as_deref().unwrap()
    }

    fn status(&self, key: &str) -> Option<KeyStatus> {
        self.statuses.get(key).copied()
    }
}

async fn keys_of(stage: &Stage, user: &str) -> Keys {
    let user = user.to_owned();
    stage.sandbox.visit(move |world| Keys::of(world, &user)).await
}

async fn tags_of(stage: &Stage, user: &str) -> BTreeMap<String, String> {
    let name = format!("keyturn/{user}");
    stage.sandbox.visit(move |world| world.secret(ACCOUNT, REGION, &name).unwrap().tags).await
}

async fn tag(stage: &Stage, user: &str, key: &str, value: &str) {
    let tag = Tag::builder().key(key).value(value).build();
    stage.secrets().tag_resource().secret_id(format!("keyturn/{user}")).tags(tag).send().await.unwrap();
}

async fn untag(stage: &Stage, user: &str, key: &str) {
    stage.secrets().untag_resource().secret_id(format!("keyturn/{user}")).tag_keys(key).send().await.unwrap();
}

/// A stage on which each user has a first key, on which the invariants are watched after every call, and on which the
/// sweeper comes only when it is called.
async fn stage_with(users: &[&str]) -> Stage {
    let stage = Stage::with_users(users).await;
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [{}]\n{SELDOM}", users.join(", ")));
    watch(&stage).await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.sandbox.advance(Duration::from_hours(1)).await;
    stage
}

/// The same, and each user has been rotated once more: both slots are taken.
async fn rotated(users: &[&str]) -> Stage {
    let stage = stage_with(users).await;
    for user in users {
        stage.rotate_secret(user).await;
    }
    stage.sandbox.settle().await;
    stage.sandbox.advance(Duration::from_hours(1)).await;
    stage
}

/// The sweeper comes to this user, and what it has begun comes to its end. A pass over all users takes its time.
async fn sweep(stage: &Stage, user: &str) {
    let (error, answer) = stage.invoke(json!({ "sweep": [user] }).to_string().as_bytes()).await;
    assert_eq!(error, None, "{user}: {answer}\n{}", stage.function_log().await);
    stage.sandbox.settle().await;
}

/// Days in which the sweeper comes to this user often.
async fn days_pass(stage: &Stage, user: &str, days: u64) {
    for _ in 0..days * 4 {
        stage.sandbox.advance(Duration::from_hours(6)).await;
        sweep(stage, user).await;
    }
}

/// The sweeper has come to everybody once, right when the superseded keys were due to be deactivated.
async fn deactivated(users: &[&str]) -> Stage {
    let stage = rotated(users).await;
    stage.sandbox.advance(Duration::from_hours(25)).await;
    stage.sandbox.visit(World::fire_rules).await;
    stage.sandbox.settle().await;
    for user in users {
        let keys = keys_of(&stage, user).await;
        assert_eq!(keys.status(keys.previous()), Some(KeyStatus::Inactive), "{user}");
    }
    stage
}

/// Gives an order. The answer tells what has come of it for each user.
async fn order(stage: &Stage, order: Value) -> Value {
    let (error, answer) = stage.invoke(order.to_string().as_bytes()).await;
    assert_eq!(error, None, "{answer}");
    answer["users"].clone()
}

async fn roll_back(stage: &Stage, user: &str) -> Value {
    order(stage, json!({ "rollback": [user] })).await[user].clone()
}

async fn revoke(stage: &Stage, user: &str) -> Value {
    order(stage, json!({ "revoke": [user] })).await[user].clone()
}

fn text_of(outcome: &Value) -> &str {
    ["why", "text"].iter().find_map(|field| outcome[field].as_str()).unwrap_or_default()
}

/// What the function has written since the last look, without its log.
async fn writes(stage: &Stage) -> Vec<String> {
    let writes = stage.sandbox.visit(|world| {
        let calls = world.calls().iter().filter(|call| call.is_write() && call.principal.contains("assumed-role/"));
        let writes: Vec<_> =
            calls.map(|call| call.operation.clone()).filter(|name| !name.starts_with("logs:")).collect();
        world.clear_calls();
        writes
    });
    writes.await
}

async fn assert_nothing_found(stage: &Stage) {
    let findings = stage.sandbox.visit(|world| world.findings().to_vec()).await;
    assert_eq!(findings, [] as [String; 0]);
    stage.assert_no_secret_left_behind().await;
}
