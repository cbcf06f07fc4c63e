//! A log group.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ApiError, World, partition};

/// The days that logs can be kept for.
const RETENTIONS: &[i64] =
    &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// A log group. What is in it stays, whatever its retention: it is kept for tests to read.
#[derive(Debug, Default)]
pub(super) struct LogGroup {
    pub(super) name: String,
    pub(super) retention: Option<i64>,
    pub(super) key: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) streams: BTreeSet<String>,
    /// What the streams hold together, in the order in which it was written.
    pub(super) text: String,
}

/// The ARN of a log group.
pub(super) fn arn_of(account: &str, region: &str, name: &str) -> String {
    format!("arn:{}:logs:{region}:{account}:log-group:{name}", partition::of(region))
}

/// What has been written into a log group.
pub(crate) fn text(world: &World, account: &str, region: &str, name: &str) -> String {
    world.logs.groups.get(&arn_of(account, region, name)).map(|group| group.text.clone()).unwrap_or_default()
}

pub(super) fn check_retention(days: Option<i64>) -> Result<(), ApiError> {
    match days {
        Some(days) if !RETENTIONS.contains(&days) => Err(ApiError::new(
            "InvalidParameterException",
            format!("Logs can't be kept for {days} days; the days to choose from are {RETENTIONS:?}"),
        )),
        _ => Ok(()),
    }
}

pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._/#-".contains(c);
    if (1..=512).contains(&name.len()) && name.chars().all(legal) {
        return Ok(());
    }
    let message = format!("`{name}` is not a log group name: 1 to 512 letters, digits and . - _ / #");
    Err(ApiError::new("InvalidParameterException", message))
}
