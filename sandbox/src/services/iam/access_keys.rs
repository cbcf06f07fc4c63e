//! The operations on access keys.

use super::credentials::{AccessKey, KeyStatus};
use super::date;
use super::population::no_such_key;
use super::users::{permit, subject};
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Caller;
use crate::{ApiError, World};

pub(super) fn create(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let name = subject(caller, &mut input)?;
    input.finish()?;
    permit(world, caller, "iam:CreateAccessKey", &name)?;
    let credentials = world.create_access_key(&caller.account, &name)?;
    let key = key_of(world, caller, &name, &credentials.access_key_id)?;
    Ok(Xml::new().element("AccessKey", shown(key).text("SecretAccessKey", &credentials.secret_access_key)))
}

pub(super) fn list(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let name = subject(caller, &mut input)?;
    input.finish()?;
    permit(world, caller, "iam:ListAccessKeys", &name)?;
    world.iam.user(&caller.account, &name)?;
    let keys = world.iam.keys_of(&caller.account, &name);
    Ok(Xml::new().members("AccessKeyMetadata", keys.into_iter().map(shown)).text("IsTruncated", false))
}

pub(super) fn update(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let name = subject(caller, &mut input)?;
    let id = input.required("AccessKeyId")?;
    let status = match input.required("Status")?.as_str() {
        "Active" => KeyStatus::Active,
        "Inactive" => KeyStatus::Inactive,
        other => return Err(ApiError::new("ValidationError", format!("The status {other} cannot be set."))),
    };
    input.finish()?;
    permit(world, caller, "iam:UpdateAccessKey", &name)?;
    key_of(world, caller, &name, &id)?;
    world.set_access_key_status(&id, status)?;
    Ok(Xml::new())
}

pub(super) fn delete(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let name = subject(caller, &mut input)?;
    let id = input.required("AccessKeyId")?;
    input.finish()?;
    permit(world, caller, "iam:DeleteAccessKey", &name)?;
    key_of(world, caller, &name, &id)?;
    world.delete_access_key(&id)?;
    Ok(Xml::new())
}

pub(super) fn last_used(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let id = input.required("AccessKeyId")?;
    input.finish()?;
    // A key that is not there is refused like one of another account (seen): nobody learns which of the two it is.
    let Some(key) = world.iam.keys.get(&id).filter(|key| key.account == caller.account).cloned() else {
        let message = format!(
            "User: {} is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key {id}",
            caller.arn
        );
        return Err(ApiError::new("AccessDenied", message).with_status(403));
    };
    permit(world, caller, "iam:GetAccessKeyLastUsed", &key.user)?;
    let last = match &key.last_used {
        Some(last) => Xml::new()
            .text("LastUsedDate", date(last.at))
            .text("ServiceName", &last.service)
            .text("Region", &last.region),
        None => Xml::new().text("ServiceName", "N/A").text("Region", "N/A"),
    };
    Ok(Xml::new().text("UserName", &key.user).element("AccessKeyLastUsed", last))
}

/// A key of the user who is named; another user's key counts as not there.
fn key_of<'a>(world: &'a World, caller: &Caller, user: &str, id: &str) -> Result<&'a AccessKey, ApiError> {
    world.iam.user(&caller.account, user)?;
    let keys = world.iam.keys_of(&caller.account, user);
    keys.into_iter().find(|key| key.id() == id).ok_or_else(|| no_such_key(id))
}

fn shown(key: &AccessKey) -> Xml {
    Xml::new()
        .text("UserName", &key.user)
        .text("AccessKeyId", key.id())
        .text("Status", key.status.as_str())
        .text("CreateDate", date(key.created))
}
