//! Which services an organization trusts, and which accounts administer them for it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::page::{Page, invalid};
use super::state::{Organization, account_not_found};
use super::{api, membership};
use crate::input::JsonInput;
use crate::request::Caller;
use crate::{ApiError, World};

/// How many accounts may administer one service (Organizations and `StackSets` user guides: five for most of them).
const MOST_DELEGATES: usize = 5;

pub(super) fn enable_service(world: &mut World, caller: &Caller, mut input: JsonInput) -> Result<Value, ApiError> {
    let service = service(&mut input)?;
    input.finish()?;
    let now = world.now();
    let organization = managed(world, caller, "EnableAWSServiceAccess", &service, |_| "*".to_owned())?;
    organization.services.entry(service).or_insert(now);
    Ok(json!({}))
}

/// Stack sets that need the service stay what they are, and cannot be worked with.
pub(super) fn disable_service(world: &mut World, caller: &Caller, mut input: JsonInput) -> Result<Value, ApiError> {
    let service = service(&mut input)?;
    input.finish()?;
    let organization = managed(world, caller, "DisableAWSServiceAccess", &service, |_| "*".to_owned())?;
    organization.services.remove(&service);
    Ok(json!({}))
}

pub(super) fn list_services(world: &mut World, caller: &Caller, mut input: JsonInput) -> Result<Value, ApiError> {
    let page = Page::take(&mut input, "services".to_owned())?;
    input.finish()?;
    let organization = api::permit(world, caller, "ListAWSServiceAccessForOrganization", |_| "*".to_owned())?;
    let shown = organization.services.iter().map(|(service, since)| (service.clone(), enabled(service, *since)));
    Ok(api::listed("EnabledServicePrincipals", page.of(shown)))
}

pub(super) fn register(world: &mut World, caller: &Caller, mut input: JsonInput) -> Result<Value, ApiError> {
    let (account, service) = (input.required("AccountId")?, service(&mut input)?);
    input.finish()?;
    let now = world.now();
    let resource = |organization: &Organization| organization.arn("account", &account);
    let organization = managed(world, caller, "RegisterDelegatedAdministrator", &service, resource)?;
    if !organization.accounts.contains_key(&account) {
        return Err(account_not_found());
    }
    if organization.management == account {
        let message = "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR: you specified the management account.";
        return Err(ApiError::new("ConstraintViolationException", message));
    }
    if organization.delegates.get(&account).is_some_and(|services| services.contains_key(&service)) {
        let message = "The specified account is already a delegated administrator for this service.";
        return Err(ApiError::new("AccountAlreadyRegisteredException", message));
    }
    if organization.delegates.values().filter(|services| services.contains_key(&service)).count() >= MOST_DELEGATES {
        let message = "MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED";
        return Err(ApiError::new("ConstraintViolationException", message));
    }
    organization.delegates.entry(account).or_default().insert(service, now);
    Ok(json!({}))
}

pub(super) fn deregister(world: &mut World, caller: &Caller, mut input: JsonInput) -> Result<Value, ApiError> {
    let (account, service) = (input.required("AccountId")?, service(&mut input)?);
    input.finish()?;
    let resource = |organization: &Organization| organization.arn("account", &account);
    let organization = managed(world, caller, "DeregisterDelegatedAdministrator", &service, resource)?;
    let services = organization.delegates.get_mut(&account);
    if services.is_none_or(|services| services.remove(&service).is_none()) {
        let message = "The specified account is not a delegated administrator for this service.";
        return Err(ApiError::new("AccountNotRegisteredException", message));
    }
    organization.delegates.retain(|_, services| !services.is_empty());
    Ok(json!({}))
}

/// The organization, for its management account alone.
fn managed<'a>(
    world: &'a mut World,
    caller: &Caller,
    operation: &str,
    service: &str,
    resource: impl Fn(&Organization) -> String,
) -> Result<&'a mut Organization, ApiError> {
    let resource = world.organizations.of(&caller.account).map_or_else(|| "*".to_owned(), resource);
    let context = BTreeMap::from([("organizations:ServicePrincipal".to_owned(), service.to_owned())]);
    world.authorize(caller, &format!("organizations:{operation}"), &resource, &context)?;
    if membership::management_of(world, &caller.account).is_none() {
        return Err(api::not_in_use());
    }
    let organization = world.organizations.of_mut(&caller.account)?;
    if organization.management != caller.account {
        return Err(ApiError::new("AccessDeniedException", "You don't have permissions to access this resource."));
    }
    Ok(organization)
}

fn enabled(service: &str, since: Timestamp) -> Value {
    json!({ "ServicePrincipal": service, "DateEnabled": since.as_second() })
}

fn service(input: &mut JsonInput) -> Result<String, ApiError> {
    let service = input.required("ServicePrincipal")?;
    let wrong = || invalid("INVALID_SERVICE_PRINCIPAL: you specified a service that Organizations does not know.");
    if service.ends_with(".amazonaws.com") { Ok(service) } else { Err(wrong()) }
}
