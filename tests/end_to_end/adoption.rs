//! Users as they are found: with keys that keyturn did not make, and with secrets that others have made.

mod keys;
mod secrets;
mod strikes;

use std::time::Duration;

use sandbox::{KeyStatus, World};
use serde_json::{Value, json};

use crate::stage::{ACCOUNT, REGION, Run, Stage, function};

const DAY: Duration = Duration::from_secs(86_400);

/// What a run has written that stopped in time.
const NOTHING: [&str; 0] = [];

/// Gives a user a key, a second later than the one before.
async fn key(stage: &Stage, user: &'static str, status: KeyStatus) -> String {
    stage.sandbox.advance(Duration::from_secs(1)).await;
    let make = move |world: &mut World| {
        let id = world.create_access_key(ACCOUNT, user).unwrap().access_key_id;
        world.set_access_key_status(&id, status).unwrap();
        id
    };
    stage.sandbox.visit(make).await
}

/// Makes a secret by hand that holds this key of the user, and fields that others read.
async fn handmade(stage: &Stage, user: &'static str, name: &'static str, key: &str) {
    let id = key.to_owned();
    let make = move |world: &mut World| {
        let keys = world.access_keys(ACCOUNT, user);
        let secret = keys.iter().find(|key| key.id() == id).unwrap().credentials.secret_access_key.clone();
        let value = json!({ "UserName": user, "AccessKeyId": id, "SecretAccessKey": secret, "Team": ["mail"] });
        world.create_secret(ACCOUNT, REGION, name, &value.to_string(), &[("team", "mail")]).unwrap();
    };
    stage.sandbox.visit(make).await;
}

/// The user's keys with their states, oldest first.
async fn keys_of(stage: &Stage, user: &'static str) -> Vec<(String, KeyStatus)> {
    let keys = stage.sandbox.visit(move |world| world.access_keys(ACCOUNT, user)).await;
    keys.iter().map(|key| (key.id().to_owned(), key.status)).collect()
}

async fn plan(stage: &Stage, arguments: &[&str]) -> Run {
    stage.keyturn(&[&["plan", "--artifact", function().to_str().unwrap()], arguments].concat()).await
}

/// The kinds that a plan for machines gives the users.
fn kinds(run: &Run) -> Vec<(String, String)> {
    let plan: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}"));
    let text = |user: &Value, name: &str| user[name].as_str().unwrap().to_owned();
    plan["users"].as_array().unwrap().iter().map(|user| (text(user, "user"), text(user, "kind"))).collect()
}
