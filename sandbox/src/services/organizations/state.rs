//! What Organizations keeps: organizations, their units, and the accounts in them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::readiness::Newcomer;
use crate::ApiError;

/// Every organization. Organizations is global: no region here.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// By id.
    organizations: BTreeMap<String, Organization>,
    /// The id of the organization that an account is in.
    memberships: BTreeMap<String, String>,
    /// The accounts that are not ready yet, or were not for a while.
    pub(super) newcomers: BTreeMap<String, Newcomer>,
}

/// An organization. The root is the parent of everything that is in no unit.
#[derive(Debug)]
pub(super) struct Organization {
    pub(super) id: String,
    pub(super) partition: &'static str,
    pub(super) root: String,
    /// The management account.
    pub(super) management: String,
    /// By id.
    pub(super) units: BTreeMap<String, Unit>,
    /// By account number.
    pub(super) accounts: BTreeMap<String, Member>,
    /// The delegated administrators: since when, for which service, by account number.
    pub(super) delegates: BTreeMap<String, BTreeMap<String, Timestamp>>,
    /// The services that may act in the accounts, and since when.
    pub(super) services: BTreeMap<String, Timestamp>,
}

/// An organizational unit.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) parent: String,
    pub(super) name: String,
}

/// An account as its organization knows it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) parent: String,
    pub(super) name: String,
    pub(super) state: AccountState,
    /// Whether it was there before it came into the organization.
    pub(super) invited: bool,
    pub(super) joined: Timestamp,
}

/// What an account goes through (Organizations user guide, "Monitor the state of your AWS accounts").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountState {
    /// Nobody has finished signing it up.
    PendingActivation,
    /// It can be used.
    Active,
    /// AWS has suspended it.
    Suspended,
    /// It is being closed.
    PendingClosure,
    /// It is closed, and can be opened again for 90 days.
    Closed,
}

impl AccountState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::PendingActivation => "PENDING_ACTIVATION",
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::PendingClosure => "PENDING_CLOSURE",
            Self::Closed => "CLOSED",
        }
    }

    /// The same in the field `Status`, which knows less.
    pub(super) fn as_status(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::PendingClosure => "PENDING_CLOSURE",
            Self::PendingActivation | Self::Suspended | Self::Closed => "SUSPENDED",
        }
    }
}

impl State {
    /// The id of the organization that an account is in.
    pub(crate) fn id_of(&self, account: &str) -> Option<&str> {
        self.memberships.get(account).map(String::as_str)
    }

    /// The state of an account; one that is in no organization is active.
    pub(crate) fn state_of(&self, account: &str) -> AccountState {
        self.of(account).and_then(|it| it.accounts.get(account)).map_or(AccountState::Active, |member| member.state)
    }

    /// The organization that an account is in.
    pub(super) fn of(&self, account: &str) -> Option<&Organization> {
        self.organizations.get(self.memberships.get(account)?)
    }

    pub(super) fn of_mut(&mut self, account: &str) -> Result<&mut Organization, ApiError> {
        let id = self.memberships.get(account);
        id.and_then(|id| self.organizations.get_mut(id)).ok_or_else(account_not_found)
    }

    pub(super) fn member_mut(&mut self, account: &str) -> Result<&mut Member, ApiError> {
        self.of_mut(account)?.accounts.get_mut(account).ok_or_else(account_not_found)
    }

    /// The organization that a root or unit is in.
    pub(super) fn holding(&mut self, parent: &str) -> Result<&mut Organization, ApiError> {
        self.organizations.values_mut().find(|it| it.has_parent(parent)).ok_or_else(parent_not_found)
    }

    pub(super) fn insert(&mut self, organization: Organization) {
        self.organizations.insert(organization.id.clone(), organization);
    }

    /// Puts an account under a root or unit.
    pub(super) fn join(&mut self, account: &str, member: Member) -> Result<(), ApiError> {
        if self.memberships.contains_key(account) {
            let message = format!("The account {account} is in an organization already.");
            return Err(ApiError::new("AlreadyInOrganizationException", message));
        }
        let organization = self.holding(&member.parent)?;
        organization.accounts.insert(account.to_owned(), member);
        let id = organization.id.clone();
        self.memberships.insert(account.to_owned(), id);
        Ok(())
    }
}

impl State {
    /// Takes an account out of its organization.
    pub(super) fn leave(&mut self, account: &str) {
        if let Some(organization) = self.memberships.remove(account).and_then(|id| self.organizations.get_mut(&id)) {
            organization.accounts.remove(account);
            organization.delegates.remove(account);
        }
    }
}

impl Organization {
    /// Whether something with this id can have accounts and units below it.
    pub(super) fn has_parent(&self, id: &str) -> bool {
        self.root == id || self.units.contains_key(id)
    }

    /// Whether an account is below a root or unit, however deep.
    pub(super) fn is_below(&self, account: &str, parent: &str) -> bool {
        let mut at = self.accounts.get(account).map(|member| member.parent.as_str());
        while let Some(id) = at {
            if id == parent {
                return true;
            }
            at = self.units.get(id).map(|unit| unit.parent.as_str());
        }
        false
    }

    /// How many units there are from the root down to this one.
    pub(super) fn depth(&self, id: &str) -> usize {
        self.units.get(id).map_or(0, |unit| 1 + self.depth(&unit.parent))
    }

    /// Whether an account may look into the organization.
    pub(super) fn is_open_to(&self, account: &str) -> bool {
        self.management == account || self.delegates.contains_key(account)
    }

    /// The ARN of something in it, such as `account/<id>`.
    pub(super) fn arn(&self, kind: &str, id: &str) -> String {
        let Self { partition, management, id: organization, .. } = self;
        format!("arn:{partition}:organizations::{management}:{kind}/{organization}/{id}")
    }

    /// The ARN of a root or unit.
    pub(super) fn parent_arn(&self, id: &str) -> String {
        self.arn(if id.starts_with("r-") { "root" } else { "ou" }, id)
    }

    /// Its own ARN.
    pub(super) fn own_arn(&self) -> String {
        let Self { partition, management, id, .. } = self;
        format!("arn:{partition}:organizations::{management}:organization/{id}")
    }
}

pub(super) fn account_not_found() -> ApiError {
    ApiError::new("AccountNotFoundException", "You specified an account that doesn't exist.")
}

pub(super) fn parent_not_found() -> ApiError {
    ApiError::new("ParentNotFoundException", "You specified parent that doesn't exist.")
}
