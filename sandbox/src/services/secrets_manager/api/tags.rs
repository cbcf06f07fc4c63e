//! TagResource and UntagResource.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::check;
use super::super::lookup::{alive, permitted, permitted_with};
use crate::input::JsonInput;
use crate::request::Caller;
use crate::{ApiError, World};

pub(in super::super) fn tag_resource(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let id = input.required("SecretId")?;
    let new = check::tags(&mut input, "Tags")?;
    input.finish()?;
    let arn = permitted_with(world, caller, region, &id, "TagResource", requested(&new))?;
    let now = world.now();
    let secret = alive(world, &arn)?;
    let mut tags = secret.tags.clone();
    tags.extend(new);
    check::tag_count(&tags)?;
    secret.tags = tags;
    secret.changed = now;
    Ok(json!({}))
}

pub(in super::super) fn untag_resource(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let id = input.required("SecretId")?;
    let keys = input.texts("TagKeys")?;
    input.finish()?;
    let arn = permitted(world, caller, region, &id, "UntagResource")?;
    let now = world.now();
    let secret = alive(world, &arn)?;
    secret.tags.retain(|key, _| !keys.contains(key));
    secret.changed = now;
    Ok(json!({}))
}

/// The condition keys that tell the tags of a request.
pub(in super::super) fn requested(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    tags.iter().map(|(key, value)| (format!("aws:RequestTag/{key}"), value.clone())).collect()
}
