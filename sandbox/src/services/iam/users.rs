//! The operations on users.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::account::{User, delete_conflict, tag_context};
use super::date;
use super::names::{check_name, folded};
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::{Caller, Principal};
use crate::{ApiError, World};

/// How many users a page has when nobody says (IAM API reference, ListUsers and GetAccountAuthorizationDetails,
/// MaxItems).
const PAGE: usize = 100;

/// The most that a page may have.
const LARGEST_PAGE: usize = 1000;

pub(super) fn get(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let name = subject(caller, &mut input)?;
    input.finish()?;
    permit(world, caller, "iam:GetUser", &name)?;
    let user = world.iam.user(&caller.account, &name)?;
    Ok(Xml::new().element("User", with_tags(shown(user), user)))
}

pub(super) fn list(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let prefix = input.text("PathPrefix").unwrap_or_else(|| "/".to_owned());
    let marker = input.text("Marker");
    let size = page_size(&mut input)?;
    input.finish()?;
    // ListUsers knows no resource of its own (service authorization reference).
    world.authorize(caller, "iam:ListUsers", "*", &BTreeMap::new())?;
    let users = &world.iam.account_mut(&caller.account)?.users;
    let start = marker.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = users.range((start, Bound::Unbounded)).filter(|(_, user)| user.path.starts_with(&prefix)).peekable();
    let page: Vec<(&String, &User)> = rest.by_ref().take(size).collect();
    let truncated = rest.peek().is_some();
    let next = page.last().filter(|_| truncated).map(|(marker, _)| marker);
    let users = page.iter().map(|(_, user)| shown(user));
    Ok(Xml::new().members("Users", users).text("IsTruncated", truncated).optional("Marker", next))
}

/// ListUserTags. A user has 50 tags at most, which fit on one page.
pub(super) fn list_tags(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let name = input.required("UserName")?;
    page_size(&mut input)?;
    input.finish()?;
    check_name("userName", &name, 1..=128)?;
    permit(world, caller, "iam:ListUserTags", &name)?;
    let tags = tag_list(world.iam.user(&caller.account, &name)?);
    Ok(Xml::new().members("Tags", tags).text("IsTruncated", false))
}

pub(super) fn delete(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let name = input.required("UserName")?;
    input.finish()?;
    permit(world, caller, "iam:DeleteUser", &name)?;
    let User { permissions, groups, .. } = world.iam.user(&caller.account, &name)?;
    let in_the_way = if !world.iam.keys_of(&caller.account, &name).is_empty() {
        Some("delete access keys")
    } else if !permissions.inline.is_empty() {
        Some("delete policies")
    } else if !permissions.attached.is_empty() {
        Some("detach all policies")
    } else if !groups.is_empty() {
        Some("remove users from group")
    } else {
        None
    };
    match in_the_way {
        Some(first) => Err(delete_conflict(&format!("Cannot delete entity, must {first} first."))),
        None => {
            world.iam.account_mut(&caller.account)?.users.remove(&folded(&name));
            Ok(Xml::new())
        }
    }
}

/// The user that an operation is about: the one it names, else the caller.
pub(super) fn subject(caller: &Caller, input: &mut QueryInput) -> Result<String, ApiError> {
    match (input.text("UserName"), &caller.principal) {
        (Some(name), _) => check_name("userName", &name, 1..=64).map(|()| name),
        (None, Principal::User(name)) => Ok(name.clone()),
        (None, _) => {
            Err(ApiError::new("ValidationError", "Must specify userName when calling with non-User credentials"))
        }
    }
}

/// Checks that the caller may do something with a user. One who is not there has an ARN without a path.
pub(super) fn permit(world: &mut World, caller: &Caller, action: &str, name: &str) -> Result<(), ApiError> {
    let (arn, tags) = match world.iam.user(&caller.account, name) {
        Ok(user) => (user.arn.clone(), user.tags.clone()),
        Err(_) => (format!("arn:{}:iam::{}:user/{name}", caller.partition(), caller.account), BTreeMap::new()),
    };
    world.authorize(caller, action, &arn, &tag_context(&tags))
}

/// How many items a page may have.
pub(super) fn page_size(input: &mut QueryInput) -> Result<usize, ApiError> {
    match input.text("MaxItems").map(|text| text.parse()) {
        None => Ok(PAGE),
        Some(Ok(size)) if (1..=LARGEST_PAGE).contains(&size) => Ok(size),
        Some(_) => Err(ApiError::new("ValidationError", "MaxItems must be between 1 and 1000")),
    }
}

/// Adds a user's tags, when there are any.
pub(super) fn with_tags(xml: Xml, user: &User) -> Xml {
    if user.tags.is_empty() { xml } else { xml.members("Tags", tag_list(user)) }
}

fn tag_list(user: &User) -> impl Iterator<Item = Xml> {
    user.tags.iter().map(|(key, value)| Xml::new().text("Key", key).text("Value", value))
}

pub(super) fn shown(user: &User) -> Xml {
    Xml::new()
        .text("Path", &user.path)
        .text("UserName", &user.name)
        .text("UserId", &user.id)
        .text("Arn", &user.arn)
        .text("CreateDate", date(user.created))
}
