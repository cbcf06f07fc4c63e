//! Organizations: a tree of organizational units with the accounts in it, who may look into it, and which of its
//! accounts can be used.

mod api;
mod membership;
mod page;
mod population;
mod readiness;
mod state;
mod trusted_access;

use crate::answer::Answer;
use crate::input::JsonInput;
use crate::request::Request;
use crate::{ApiError, World};

pub(crate) use membership::{Below, accounts_below, is_delegate, management_of, trust, trusts};
pub(crate) use population::ACCESS_ROLE;
pub(crate) use readiness::{admits_sessions, check_readiness, is_ready, wait_after_refusal};
pub use state::AccountState;
pub(crate) use state::State;

pub(crate) fn handle(world: &mut World, request: &Request) -> Result<Answer, ApiError> {
    let operation = match request.operation.as_str() {
        "DeregisterDelegatedAdministrator" => trusted_access::deregister,
        "DescribeAccount" => api::describe_account,
        "DescribeOrganization" => api::describe_organization,
        "DisableAWSServiceAccess" => trusted_access::disable_service,
        "EnableAWSServiceAccess" => trusted_access::enable_service,
        "ListAWSServiceAccessForOrganization" => trusted_access::list_services,
        "ListAccounts" => api::list_accounts,
        "ListAccountsForParent" => api::list_accounts_for_parent,
        "ListDelegatedAdministrators" => api::list_delegated_administrators,
        "ListOrganizationalUnitsForParent" => api::list_organizational_units_for_parent,
        "ListParents" => api::list_parents,
        "ListRoots" => api::list_roots,
        "RegisterDelegatedAdministrator" => trusted_access::register,
        other => return Err(ApiError::unknown("operation", other)),
    };
    operation(world, &request.caller, JsonInput::new(&request.http)?).map(Answer::Json)
}
