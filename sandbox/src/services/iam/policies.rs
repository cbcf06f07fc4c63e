//! The operations on managed policies that somebody calls directly; CloudFormation makes them as resources.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::account::no_such_entity;
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Caller;
use crate::{ApiError, World};

/// How many policies a page has when nobody says, and the most that it may have (IAM API reference, ListPolicies,
/// MaxItems).
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// The one version that every policy has here: CloudFormation replaces the document in place.
const VERSION: &str = "v1";

/// ListPolicies, for the account's own policies alone: AWS's are not kept here.
pub(super) fn list(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    match input.text("Scope").as_deref() {
        Some("Local") => {}
        other => return Err(ApiError::unknown("scope", other.unwrap_or("All"))),
    }
    let only_attached = input.flag("OnlyAttached")?.unwrap_or_default();
    let marker = input.text("Marker");
    let size = match input.text("MaxItems").map(|text| text.parse()) {
        None => PAGE,
        Some(Ok(size)) if (1..=LARGEST_PAGE).contains(&size) => size,
        Some(_) => return Err(ApiError::new("ValidationError", "MaxItems must be between 1 and 1000")),
    };
    input.finish()?;
    // ListPolicies knows no resource of its own (service authorization reference).
    world.authorize(caller, "iam:ListPolicies", "*", &BTreeMap::new())?;
    let start = marker.map_or(Bound::Unbounded, Bound::Excluded);
    let policies = &world.iam.account_mut(&caller.account)?.policies;
    let arns: Vec<String> = policies.range((start, Bound::Unbounded)).map(|(arn, _)| arn.clone()).collect();
    let wanted = arns.into_iter().filter(|arn| !only_attached || world.iam.is_attached(arn));
    let mut rest = wanted.peekable();
    let page: Vec<String> = rest.by_ref().take(size).collect();
    let truncated = rest.peek().is_some();
    let next = page.last().filter(|_| truncated);
    let shown = page.iter().map(|arn| {
        let name = arn.rsplit('/').next().unwrap_or_default();
        Xml::new().text("PolicyName", name).text("Arn", arn).text("DefaultVersionId", VERSION)
    });
    Ok(Xml::new().members("Policies", shown).text("IsTruncated", truncated).optional("Marker", next))
}

/// GetPolicyVersion. The document comes percent-encoded (RFC 3986).
pub(super) fn version(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let (arn, version) = (input.required("PolicyArn")?, input.required("VersionId")?);
    input.finish()?;
    world.authorize(caller, "iam:GetPolicyVersion", &arn, &BTreeMap::new())?;
    let policy = world.iam.managed_policy(&arn).filter(|_| version == VERSION);
    let policy = policy.ok_or_else(|| no_such_entity(format!("Policy {arn} version {version} was not found.")))?;
    let document: String = form_urlencoded::byte_serialize(policy.document.to_string().as_bytes()).collect();
    let shown = Xml::new()
        .text("Document", document.replace('+', "%20"))
        .text("VersionId", VERSION)
        .text("IsDefaultVersion", true);
    Ok(Xml::new().element("PolicyVersion", shown))
}
