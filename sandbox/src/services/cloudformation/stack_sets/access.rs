//! Who may work with the stack sets of an organization: its management account, and the accounts that administer them for
//! it. Both only while the organization trusts StackSets.

use super::super::invalid;
use crate::input::QueryInput;
use crate::request::Request;
use crate::services::organizations;
use crate::{ApiError, World};

/// StackSets as Organizations knows it.
pub(super) const SERVICE: &str = "member.org.stacksets.cloudformation.amazonaws.com";

/// In whose name a caller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallAs {
    Own,
    DelegatedAdministrator,
}

impl CallAs {
    pub(super) fn take(input: &mut QueryInput) -> Result<Self, ApiError> {
        match input.text("CallAs").as_deref() {
            None | Some("SELF") => Ok(Self::Own),
            Some("DELEGATED_ADMIN") => Ok(Self::DelegatedAdministrator),
            Some(other) => Err(ApiError::unknown("value of CallAs", other)),
        }
    }

    /// The account whose stack sets the caller means.
    pub(super) fn home(self, world: &World, request: &Request) -> Result<String, ApiError> {
        let account = &request.caller.account;
        match self {
            Self::Own => Ok(account.clone()),
            Self::DelegatedAdministrator if organizations::is_delegate(world, account, SERVICE) => {
                organizations::management_of(world, account).ok_or_else(not_a_delegate)
            }
            Self::DelegatedAdministrator => Err(not_a_delegate()),
        }
    }
}

/// Whether StackSets may act in the accounts of an organization.
pub(super) fn is_activated(world: &World, management: &str) -> bool {
    world.cloudformation.sets.activated.contains(management) && organizations::trusts(world, management, SERVICE)
}

/// Refuses what a set with service-managed permissions cannot do: its home must be a management account, and its
/// organization trust the service.
pub(super) fn check(world: &World, home: &str) -> Result<(), ApiError> {
    if organizations::management_of(world, home).as_deref() != Some(home) {
        return Err(invalid(
            "You must be the management account or delegated admin account of an organization before operating a SERVICE_MANAGED stack set",
        ));
    }
    if !is_activated(world, home) {
        return Err(invalid("You must enable organizations access to operate a service managed stack set"));
    }
    Ok(())
}

/// Has an organization trust the service, as its management account asks.
pub(super) fn activate(world: &mut World, management: &str) {
    world.cloudformation.sets.activated.insert(management.to_owned());
    organizations::trust(world, management, SERVICE);
}

fn not_a_delegate() -> ApiError {
    invalid("Account used is not a delegated administrator")
}

impl World {
    /// Has the organization of a management account trust StackSets, as `ActivateOrganizationsAccess` does.
    pub fn activate_stack_sets(&mut self, management: &str) {
        activate(self, management);
    }
}
