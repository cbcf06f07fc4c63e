//! What nobody should ask for, and what nobody would like to meet: each is told by name, and nothing is half done.

mod artifact;
mod config;
mod credentials;
mod rotation;
mod secrets;
mod stacks;
mod users;

use crate::stage::{ACCOUNT, Stage};

/// What a run has written that stopped in time.
const NOTHING: [&str; 0] = [];

/// What is left of a first deployment that failed: the bucket, and the empty secret, which the next one takes in.
const LEFT: [&str; 3] =
    ["stack keyturn-artifacts", "secret keyturn/alice", "bucket keyturn-artifacts-111122223333-eu-central-1"];

async fn what_is_left(stage: &Stage) -> Vec<String> {
    let left = stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    let name = |entry: String| match entry.split_once(":secret:").and_then(|(_, name)| name.rsplit_once('-')) {
        Some((name, _)) => format!("secret {name}"),
        None => entry,
    };
    left.into_iter().map(name).collect()
}
