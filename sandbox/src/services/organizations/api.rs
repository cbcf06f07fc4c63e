//! The operations of Organizations that read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::page::{Page, invalid};
use super::state::{Member, Organization, account_not_found, parent_not_found};
use crate::input::JsonInput;
use crate::request::Caller;
use crate::{ApiError, World};

/// From when on an account is shown without the field `Status` (API reference, Account: September 9, 2026).
const STATUS_RETIRES: Timestamp = Timestamp::constant(1_788_912_000, 0);

/// Any account of the organization may ask for this.
pub(super) fn describe_organization(world: &mut World, caller: &Caller, input: JsonInput) -> Result<Value, ApiError> {
    input.finish()?;
    world.authorize(caller, "organizations:DescribeOrganization", "*", &BTreeMap::new())?;
    let organization = world.organizations.of(&caller.account).ok_or_else(not_in_use)?;
    let management = &organization.management;
    Ok(json!({ "Organization": {
        "Id": organization.id,
        "Arn": organization.own_arn(),
        "FeatureSet": "ALL",
        "MasterAccountArn": organization.arn("account", management),
        "MasterAccountId": management,
        "MasterAccountEmail": email(management),
        "AvailablePolicyTypes": [],
    } }))
}

pub(super) fn list_roots(world: &mut World, caller: &Caller, mut input: JsonInput) -> Result<Value, ApiError> {
    let page = Page::take(&mut input, "roots".to_owned())?;
    input.finish()?;
    let organization = permit(world, caller, "ListRoots", |_| "*".to_owned())?;
    let root = &organization.root;
    let shown = json!({ "Id": root, "Arn": organization.parent_arn(root), "Name": "Root", "PolicyTypes": [] });
    Ok(listed("Roots", page.of([(root.clone(), shown)])))
}

pub(super) fn list_accounts(world: &mut World, caller: &Caller, mut input: JsonInput) -> Result<Value, ApiError> {
    let page = Page::take(&mut input, "accounts".to_owned())?;
    input.finish()?;
    let now = world.now();
    let organization = permit(world, caller, "ListAccounts", |_| "*".to_owned())?;
    let accounts = organization.accounts.iter();
    let shown = accounts.map(|(id, member)| (id.clone(), account(organization, id, member, now).into()));
    Ok(listed("Accounts", page.of(shown)))
}

/// The accounts right below a root or unit; those of the units below it are not among them.
pub(super) fn list_accounts_for_parent(
    world: &mut World,
    caller: &Caller,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let parent = parent_id(&mut input)?;
    let page = Page::take(&mut input, format!("accounts-of-{parent}"))?;
    input.finish()?;
    let now = world.now();
    let organization = permit(world, caller, "ListAccountsForParent", |it| it.parent_arn(&parent))?;
    if !organization.has_parent(&parent) {
        return Err(parent_not_found());
    }
    let accounts = organization.accounts.iter().filter(|(_, member)| member.parent == parent);
    let shown = accounts.map(|(id, member)| (id.clone(), account(organization, id, member, now).into()));
    Ok(listed("Accounts", page.of(shown)))
}

pub(super) fn list_organizational_units_for_parent(
    world: &mut World,
    caller: &Caller,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let parent = parent_id(&mut input)?;
    let page = Page::take(&mut input, format!("units-of-{parent}"))?;
    input.finish()?;
    let organization = permit(world, caller, "ListOrganizationalUnitsForParent", |it| it.parent_arn(&parent))?;
    if !organization.has_parent(&parent) {
        return Err(parent_not_found());
    }
    let units = organization.units.iter().filter(|(_, unit)| unit.parent == parent);
    let shown = units
        .map(|(id, unit)| (id.clone(), json!({ "Id": id, "Arn": organization.parent_arn(id), "Name": unit.name })));
    Ok(listed("OrganizationalUnits", page.of(shown)))
}

/// There is always one.
pub(super) fn list_parents(world: &mut World, caller: &Caller, mut input: JsonInput) -> Result<Value, ApiError> {
    let child = input.required("ChildId")?;
    let page = Page::take(&mut input, format!("parents-of-{child}"))?;
    input.finish()?;
    let kind = match () {
        () if is_account_id(&child) => "account",
        () if child.starts_with("ou-") => "ou",
        () => return Err(invalid("INVALID_PATTERN: you specified a ChildId that is of no account or unit.")),
    };
    let organization = permit(world, caller, "ListParents", |it| it.arn(kind, &child))?;
    let of_account = organization.accounts.get(&child).map(|member| &member.parent);
    let parent = of_account.or_else(|| organization.units.get(&child).map(|unit| &unit.parent));
    let not_found = || ApiError::new("ChildNotFoundException", "You specified a child that doesn't exist.");
    let parent = parent.ok_or_else(not_found)?;
    let kind = if *parent == organization.root { "ROOT" } else { "ORGANIZATIONAL_UNIT" };
    Ok(listed("Parents", page.of([(parent.clone(), json!({ "Id": parent, "Type": kind }))])))
}

pub(super) fn describe_account(world: &mut World, caller: &Caller, mut input: JsonInput) -> Result<Value, ApiError> {
    let id = input.required("AccountId")?;
    input.finish()?;
    if !is_account_id(&id) {
        return Err(invalid("INVALID_PATTERN: you specified an AccountId that does not have twelve digits."));
    }
    let now = world.now();
    let organization = permit(world, caller, "DescribeAccount", |it| it.arn("account", &id))?;
    let member = organization.accounts.get(&id).ok_or_else(account_not_found)?;
    Ok(json!({ "Account": account(organization, &id, member, now) }))
}

pub(super) fn list_delegated_administrators(
    world: &mut World,
    caller: &Caller,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let service = input.text("ServicePrincipal")?;
    let page = Page::take(&mut input, format!("administrators-of-{}", service.as_deref().unwrap_or_default()))?;
    input.finish()?;
    let now = world.now();
    let organization = permit(world, caller, "ListDelegatedAdministrators", |_| "*".to_owned())?;
    let is_meant = |of: &&String| service.as_ref().is_none_or(|service| service == *of);
    let shown = organization.delegates.iter().filter_map(|(id, services)| {
        let since = services.iter().filter(|(of, _)| is_meant(of)).map(|(_, since)| *since).min()?;
        let mut shown = account(organization, id, organization.accounts.get(id)?, now);
        shown.insert("DelegationEnabledDate".to_owned(), since.as_second().into());
        Some((id.clone(), shown.into()))
    });
    Ok(listed("DelegatedAdministrators", page.of(shown)))
}

/// The organization that a caller may look into: whose policies let them, and who is of the management account or of a
/// delegated administrator.
pub(super) fn permit<'a>(
    world: &'a mut World,
    caller: &Caller,
    operation: &str,
    resource: impl Fn(&Organization) -> String,
) -> Result<&'a Organization, ApiError> {
    let resource = world.organizations.of(&caller.account).map_or_else(|| "*".to_owned(), resource);
    world.authorize(caller, &format!("organizations:{operation}"), &resource, &BTreeMap::new())?;
    let organization = world.organizations.of(&caller.account).ok_or_else(not_in_use)?;
    if !organization.is_open_to(&caller.account) {
        return Err(ApiError::new("AccessDeniedException", "You don't have permissions to access this resource."));
    }
    Ok(organization)
}

fn account(organization: &Organization, id: &str, member: &Member, now: Timestamp) -> Map<String, Value> {
    let mut shown = Map::from_iter(
        [
            ("Id", json!(id)),
            ("Arn", json!(organization.arn("account", id))),
            ("Email", json!(email(id))),
            ("Name", json!(member.name)),
            ("State", json!(member.state.as_str())),
            ("JoinedMethod", json!(if member.invited { "INVITED" } else { "CREATED" })),
            ("JoinedTimestamp", json!(member.joined.as_second())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if now < STATUS_RETIRES {
        shown.insert("Status".to_owned(), json!(member.state.as_status()));
    }
    shown
}

fn email(account: &str) -> String {
    format!("aws+{account}@example.com")
}

pub(super) fn listed(name: &str, (items, next): (Vec<Value>, Option<String>)) -> Value {
    match next {
        Some(next) => json!({ name: items, "NextToken": next }),
        None => json!({ name: items }),
    }
}

fn parent_id(input: &mut JsonInput) -> Result<String, ApiError> {
    let parent = input.required("ParentId")?;
    let is_legal = parent.starts_with("r-") || parent.starts_with("ou-");
    let wrong = || invalid("INVALID_PATTERN: you specified a ParentId that is of no root or unit.");
    if is_legal { Ok(parent) } else { Err(wrong()) }
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn not_in_use() -> ApiError {
    let message = "Your account is not a member of an organization.";
    ApiError::new("AWSOrganizationsNotInUseException", message)
}
