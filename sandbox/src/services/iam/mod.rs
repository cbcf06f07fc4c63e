//! IAM: users and their access keys, roles, policies, and who sent a request and may do what it asks for.

mod access_keys;
mod account;
mod authentication;
mod authorization_details;
mod consent;
mod credentials;
mod decision;
mod federation;
mod mfa;
mod names;
mod need;
mod policies;
mod policy;
mod population;
mod quotas;
pub(crate) mod resources;
mod roles;
mod session;
mod signature;
mod simulation;
mod users;

use jiff::Timestamp;

use crate::answer::Answer;
use crate::input::QueryInput;
use crate::request::Request;
use crate::{ApiError, World};

pub(crate) use account::State;
pub(crate) use authentication::{as_role, authenticate};
pub use credentials::{AccessKey, Credentials, KeyStatus, LastUse};
pub(crate) use decision::{
    check_resource_policy, decide, is_public, is_unsettled, resource_policy_allows, trusts_provider, trusts_service,
};
pub(crate) use federation::{portal_role, read_identity_token};
pub(crate) use mfa::is_proven as is_mfa_proven;
pub(crate) use names::check_name;
pub(crate) use need::{Needed, sole_grant};
pub(crate) use population::{administrator, open_account};
pub(crate) use session::open_session;
pub(crate) use signature::mac;

pub(crate) fn handle(world: &mut World, request: &Request) -> Result<Answer, ApiError> {
    let operation = match request.operation.as_str() {
        "CreateAccessKey" => access_keys::create,
        "DeleteAccessKey" => access_keys::delete,
        "DeleteUser" => users::delete,
        "GetAccessKeyLastUsed" => access_keys::last_used,
        "GetAccountAuthorizationDetails" => authorization_details::get,
        "GetPolicyVersion" => policies::version,
        "GetRole" => roles::get,
        "GetUser" => users::get,
        "ListAccessKeys" => access_keys::list,
        "ListPolicies" => policies::list,
        "ListUserTags" => users::list_tags,
        "ListUsers" => users::list,
        "SimulatePrincipalPolicy" => simulation::principal,
        "UpdateAccessKey" => access_keys::update,
        other => return Err(ApiError::unknown("operation", other)),
    };
    operation(world, &request.caller, QueryInput::new(&request.http)).map(Answer::Xml)
}

/// A moment as IAM and STS write it: to the second.
pub(crate) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
