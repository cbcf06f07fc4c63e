//! GetAccountAuthorizationDetails: the users of an account with their groups, tags and policies, many at a time.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::account::User;
use super::users::{page_size, shown, with_tags};
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Caller;
use crate::{ApiError, World};

/// What a marker begins with, so that one of another operation is not taken for one of this.
const MARKER: &str = "user-after:";

/// Only for users: a caller who does not say so would get roles, groups and policies too, which nobody reads.
pub(super) fn get(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let filter = input.texts("Filter");
    let marker = input.text("Marker");
    let size = page_size(&mut input)?;
    input.finish()?;
    if let Some(other) = filter.iter().find(|kind| *kind != "User") {
        return Err(ApiError::unknown("filter", other));
    }
    if filter.is_empty() {
        return Err(ApiError::unknown("call without the parameter", "Filter"));
    }
    // It knows no resource of its own (service authorization reference).
    world.authorize(caller, "iam:GetAccountAuthorizationDetails", "*", &BTreeMap::new())?;
    let after = match marker.as_deref().map(|marker| marker.strip_prefix(MARKER)) {
        None => Bound::Unbounded,
        Some(Some(name)) => Bound::Excluded(name),
        Some(None) => return Err(ApiError::new("ValidationError", "Invalid Marker.")),
    };
    let users = &world.iam.account_mut(&caller.account)?.users;
    let rest: Vec<(&String, &User)> = users.range::<str, _>((after, Bound::Unbounded)).take(size + 1).collect();
    let page = rest.get(..taken(rest.len(), size)).unwrap_or_default();
    let truncated = page.len() < rest.len();
    let next = page.last().filter(|_| truncated).map(|(name, _)| format!("{MARKER}{name}"));
    let users = page.iter().map(|(_, user)| details(user));
    Ok(Xml::new().members("UserDetailList", users).text("IsTruncated", truncated).optional("Marker", next))
}

/// IAM may return fewer items than were asked for although there are more (API reference, MaxItems): a page that
/// another follows is a quarter shorter here.
fn taken(left: usize, size: usize) -> usize {
    if left <= size { left } else { size - size / 4 }
}

fn details(user: &User) -> Xml {
    let permissions = &user.permissions;
    let inline = permissions.inline.iter().map(|(name, policy)| {
        Xml::new().text("PolicyName", name).text("PolicyDocument", percent_encoded(&policy.document.to_string()))
    });
    let attached = permissions
        .attached
        .iter()
        .map(|arn| Xml::new().text("PolicyName", arn.rsplit('/').next().unwrap_or_default()).text("PolicyArn", arn));
    let xml = shown(user)
        .members("UserPolicyList", inline)
        .members("GroupList", user.groups.iter().map(Xml::plain))
        .members("AttachedManagedPolicies", attached);
    let xml = match &permissions.boundary {
        Some(arn) => {
            let boundary = Xml::new().text("PermissionsBoundaryType", "Policy").text("PermissionsBoundaryArn", arn);
            xml.element("PermissionsBoundary", boundary)
        }
        None => xml,
    };
    with_tags(xml, user)
}

/// Policies are shown as RFC 3986 encodes them (IAM API reference, UserDetail).
fn percent_encoded(text: &str) -> String {
    // Forms write a space as `+`, and a plus sign as `%2B`.
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
