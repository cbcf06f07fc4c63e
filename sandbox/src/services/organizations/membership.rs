//! What other services ask of an organization: who manages it, whom it trusts, and which accounts are where.

use super::AccountState;
use super::state::Organization;
use crate::World;

/// An account below a root or unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Below {
    pub(crate) account: String,
    pub(crate) is_active: bool,
}

/// The management account of the organization that an account is in.
pub(crate) fn management_of(world: &World, account: &str) -> Option<String> {
    world.organizations.of(account).map(|organization| organization.management.clone())
}

/// Whether an account administers a service for its organization.
pub(crate) fn is_delegate(world: &World, account: &str, service: &str) -> bool {
    let services = world.organizations.of(account).and_then(|organization| organization.delegates.get(account));
    services.is_some_and(|services| services.contains_key(service))
}

/// Whether a service may act in the accounts of the organization that an account is in.
pub(crate) fn trusts(world: &World, account: &str, service: &str) -> bool {
    world.organizations.of(account).is_some_and(|organization| organization.services.contains_key(service))
}

/// Has an organization trust a service.
pub(crate) fn trust(world: &mut World, account: &str, service: &str) {
    let now = world.now();
    if let Ok(organization) = world.organizations.of_mut(account) {
        organization.services.entry(service.to_owned()).or_insert(now);
    }
}

/// The accounts below a root or unit, however deep, the management account not among them; `None` when the organization
/// of `management` has no such root or unit.
pub(crate) fn accounts_below(world: &World, management: &str, parent: &str) -> Option<Vec<Below>> {
    let organization = world.organizations.of(management).filter(|it: &&Organization| it.has_parent(parent))?;
    let members = organization.accounts.iter().filter(|(id, _)| **id != organization.management);
    let below = members.filter(|(id, _)| organization.is_below(id, parent));
    let shown = |(id, member): (&String, &super::state::Member)| Below {
        account: id.clone(),
        is_active: member.state == AccountState::Active,
    };
    Some(below.map(shown).collect())
}
