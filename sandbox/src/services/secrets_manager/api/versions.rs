//! ListSecretVersionIds and UpdateSecretVersionStage.

use serde_json::Value;

use super::super::error;
use super::super::lookup::{alive, permitted};
use super::{Page, describe, object, time};
use crate::input::JsonInput;
use crate::request::Caller;
use crate::{ApiError, World};

pub(in super::super) fn list_secret_version_ids(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let id = input.required("SecretId")?;
    let deprecated = input.flag("IncludeDeprecated")?.unwrap_or(false);
    let page = Page::take(&mut input)?;
    input.finish()?;
    let arn = permitted(world, caller, region, &id, "ListSecretVersionIds")?;
    let secret = world.secrets_manager.secrets.get(&arn).ok_or_else(error::not_found)?;
    let listed = secret.versions.iter().filter(|version| deprecated || !version.labels.is_empty());
    let (versions, next) = page.of(listed);
    let versions = versions.into_iter().map(|version| {
        object([
            ("VersionId", Some(version.id.as_str().into())),
            ("VersionStages", (!version.labels.is_empty()).then(|| describe::labels(version))),
            ("LastAccessedDate", version.accessed.map(time)),
            ("CreatedDate", Some(time(version.created))),
        ])
    });
    Ok(object([
        ("Versions", Some(versions.collect())),
        ("NextToken", next),
        ("ARN", Some(secret.arn.as_str().into())),
        ("Name", Some(secret.name.as_str().into())),
    ]))
}

pub(in super::super) fn update_secret_version_stage(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let id = input.required("SecretId")?;
    let label = input.required("VersionStage")?;
    let (from, to) = (input.text("RemoveFromVersionId")?, input.text("MoveToVersionId")?);
    input.finish()?;
    let arn = permitted(world, caller, region, &id, "UpdateSecretVersionStage")?;
    let now = world.now();
    let secret = alive(world, &arn)?;
    secret.move_label(&label, from.as_deref(), to.as_deref(), now)?;
    Ok(object([("ARN", Some(secret.arn.as_str().into())), ("Name", Some(secret.name.as_str().into()))]))
}
