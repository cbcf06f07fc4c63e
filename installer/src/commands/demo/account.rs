//! The demo's account: who is in it at the start, how it looks in between, and what must be true of it.

use sandbox::{ApiError, Credentials, KeyStatus, SecretView, World};
use serde_json::Value;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-central-1";
const USERS: [&str; 3] = ["deployer", "backups", "reporting"];

/// Puts the users there: one without a key, two with a key that was used once.
pub(super) fn populate(world: &mut World) -> Result<Credentials, ApiError> {
    let administrator = world.create_account(ACCOUNT)?;
    for user in USERS {
        world.create_user(ACCOUNT, user, "/applications/")?;
    }
    for user in ["backups", "reporting"] {
        let key = world.create_access_key(ACCOUNT, user)?;
        world.record_use(&key.access_key_id, "s3", REGION)?;
    }
    // New keys are refused for a while, as in AWS: whoever hands one out untested hands out one that does not work.
    world.fail_new_keys_for(std::time::Duration::from_secs(3));
    Ok(administrator)
}

/// One line per user: the keys in IAM, and which of them the secret hands out.
pub(super) fn users(world: &World) -> String {
    let lines = USERS.map(|user| {
        let current = secret(world, user).and_then(|secret| current_key(&secret));
        let keys = world.access_keys(ACCOUNT, user).into_iter().map(|key| {
            let status = match key.status {
                KeyStatus::Active => "Active",
                KeyStatus::Inactive => "Inactive",
            };
            let is_current = current.as_deref() == Some(key.id());
            format!("{} {status}{}", key.id(), if is_current { " = AWSCURRENT" } else { "" })
        });
        let keys: Vec<String> = keys.collect();
        format!("  {user:<10} {}", if keys.is_empty() { "no access key".to_owned() } else { keys.join(", ") })
    });
    format!("{}: IAM has\n{}", world.now().strftime("%Y-%m-%d"), lines.join("\n"))
}

/// What is wrong with the users' current keys after so many rotations.
pub(super) fn problem_with_keys(world: &World, rotations: usize) -> Option<String> {
    USERS.iter().find_map(|user| {
        let Some(secret) = secret(world, user) else { return Some(format!("{user} has no secret")) };
        let current = current_key(&secret);
        let keys = world.access_keys(ACCOUNT, user);
        let Some(key) = keys.iter().find(|key| Some(key.id()) == current.as_deref()) else {
            return Some(format!("AWSCURRENT of {user} names no key of the user"));
        };
        let proven = key.last_used.as_ref().is_some_and(|used| used.service == "sts");
        let versions = secret.versions.iter().filter(|version| key_of(version.value.as_ref()).is_some()).count();
        match (key.status, proven) {
            (KeyStatus::Inactive, _) => Some(format!("the current key of {user} is Inactive")),
            (KeyStatus::Active, false) => Some(format!("the current key of {user} was not proven")),
            (KeyStatus::Active, true) if versions < rotations => Some(format!("{user} was rotated {versions} times")),
            (KeyStatus::Active, true) => None,
        }
    })
}

/// Who has another key besides the current one.
pub(super) fn problem_with_count(world: &World) -> Option<String> {
    let count = |user: &&str| world.access_keys(ACCOUNT, user).len();
    USERS.iter().find(|user| count(user) != 1).map(|user| format!("{user} has {} keys", count(user)))
}

/// What is left of keyturn in the account, and the keys that are.
pub(super) fn left(world: &World) -> Vec<String> {
    let keys = USERS.iter().flat_map(|user| world.access_keys(ACCOUNT, user));
    world.inventory(ACCOUNT).into_iter().chain(keys.map(|key| format!("key {}", key.id()))).collect()
}

/// How many calls there were, and which of them were denied.
pub(super) fn calls(world: &World) -> (usize, Vec<String>) {
    let denied = world.calls().iter().filter(|call| call.is_denied());
    (world.calls().len(), denied.map(|call| format!("{} by {}", call.operation, call.principal)).collect())
}

fn secret(world: &World, user: &str) -> Option<SecretView> {
    world
        .secrets(ACCOUNT, REGION)
        .into_iter()
        .find(|secret| secret.tags.get("keyturn:user").is_some_and(|to| to == user))
}

fn current_key(secret: &SecretView) -> Option<String> {
    key_of(secret.labelled("AWSCURRENT")?.value.as_ref())
}

fn key_of(value: Option<&sandbox::SecretValue>) -> Option<String> {
    let document: Value = serde_json::from_str(value?.expose()).ok()?;
    Some(document.get("AccessKeyId")?.as_str()?.to_owned())
}
