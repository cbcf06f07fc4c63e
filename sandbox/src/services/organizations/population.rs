//! How tests describe an organization, its units and its accounts.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::readiness::Newcomer;
use super::state::{AccountState, Member, Organization, Unit};
use crate::services::{cloudformation, iam};
use crate::{ApiError, World};

/// The role that Organizations puts into the accounts that it creates, unless another name is asked for.
pub(crate) const ACCESS_ROLE: &str = "OrganizationAccountAccessRole";

/// How deep units may be (Organizations user guide, "Quotas": five levels below the root).
const DEEPEST: usize = 5;

/// The characters of the ids.
const ID_ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

impl World {
    /// Makes an account the management account of a new organization, and gives the id of the root (`r-…`).
    ///
    /// # Errors
    /// `NoSuchEntity` when there is no such account, `AlreadyInOrganizationException`.
    pub fn create_organization(&mut self, management: &str) -> Result<String, ApiError> {
        let root = format!("r-{}", self.random_text(ID_ALPHABET, 4));
        let id = format!("o-{}", self.random_text(ID_ALPHABET, 10));
        self.copy_organization((management, "management"), &id, &root).map(|()| root)
    }

    /// The same with the ids of an organization that this one is a copy of, and the name of its management account.
    ///
    /// # Errors
    /// As for [`World::create_organization`].
    pub fn copy_organization(
        &mut self,
        (management, name): (&str, &str),
        id: &str,
        root: &str,
    ) -> Result<(), ApiError> {
        let organization = Organization {
            id: id.to_owned(),
            partition: self.iam.account_mut(management)?.partition,
            root: root.to_owned(),
            management: management.to_owned(),
            units: BTreeMap::new(),
            accounts: BTreeMap::new(),
            delegates: BTreeMap::new(),
            services: BTreeMap::new(),
        };
        if self.organizations.id_of(management).is_none() {
            self.organizations.insert(organization);
        }
        self.join(root, management, name, true)
    }

    /// The id of the organization (`o-…`) that an account is in.
    pub fn organization_of(&self, account: &str) -> Option<String> {
        self.organizations.id_of(account).map(str::to_owned)
    }

    /// Creates a unit under a root or another unit, and gives its id (`ou-…`).
    ///
    /// # Errors
    /// `ParentNotFoundException`, `DuplicateOrganizationalUnitException`, and `ConstraintViolationException` when it
    /// is too deep.
    pub fn create_organizational_unit(&mut self, parent: &str, name: &str) -> Result<String, ApiError> {
        let random = self.random_text(ID_ALPHABET, 8);
        let root = self.organizations.holding(parent)?.root.clone();
        let id = format!("ou-{}-{random}", root.trim_start_matches("r-"));
        self.copy_organizational_unit(parent, &id, name).map(|()| id)
    }

    /// The same with the id of a unit that this one is a copy of.
    ///
    /// # Errors
    /// As for [`World::create_organizational_unit`].
    pub fn copy_organizational_unit(&mut self, parent: &str, id: &str, name: &str) -> Result<(), ApiError> {
        let organization = self.organizations.holding(parent)?;
        if organization.depth(parent) >= DEEPEST {
            return Err(ApiError::new("ConstraintViolationException", "OU_DEPTH_LIMIT_EXCEEDED"));
        }
        if organization.units.values().any(|unit| unit.parent == parent && unit.name == name) {
            let message = format!("There is a unit `{name}` under the same parent.");
            return Err(ApiError::new("DuplicateOrganizationalUnitException", message));
        }
        organization.units.insert(id.to_owned(), Unit { parent: parent.to_owned(), name: name.to_owned() });
        Ok(())
    }

    /// Creates an account under a root or unit, as Organizations does: without any user, but with the role
    /// `OrganizationAccountAccessRole`, by which the management account may do everything. Gives the ARN of that role.
    ///
    /// # Errors
    /// `ParentNotFoundException`, `EntityAlreadyExists`.
    pub fn create_member_account(&mut self, parent: &str, account: &str, name: &str) -> Result<String, ApiError> {
        let organization = self.organizations.holding(parent)?;
        let (partition, management) = (organization.partition, organization.management.clone());
        iam::open_account(self, account, partition)?;
        self.join(parent, account, name, false)?;
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole",
                "Principal":{{"AWS":"arn:{partition}:iam::{management}:root"}}}}}}"#
        );
        let everything = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        let arn = self.create_role(account, ACCESS_ROLE, &trust)?;
        self.put_role_policy(account, ACCESS_ROLE, "AdministratorAccess", everything)?;
        Ok(arn)
    }

    /// Takes an account that is there already into an organization. It gets no role by that.
    ///
    /// # Errors
    /// `NoSuchEntity`, `ParentNotFoundException`, `AlreadyInOrganizationException`.
    pub fn invite_account(&mut self, parent: &str, account: &str, name: &str) -> Result<(), ApiError> {
        self.iam.account_mut(account)?;
        self.join(parent, account, name, true)
    }

    /// Says when an account has joined its organization.
    ///
    /// # Errors
    /// `AccountNotFoundException`.
    pub fn backdate_account(&mut self, account: &str, joined: Timestamp) -> Result<(), ApiError> {
        self.organizations.member_mut(account)?.joined = joined;
        Ok(())
    }

    /// Moves an account under another root or unit of its organization.
    ///
    /// # Errors
    /// `AccountNotFoundException`, `ParentNotFoundException`.
    pub fn move_account(&mut self, account: &str, parent: &str) -> Result<(), ApiError> {
        if !self.organizations.of_mut(account)?.has_parent(parent) {
            return Err(super::state::parent_not_found());
        }
        parent.clone_into(&mut self.organizations.member_mut(account)?.parent);
        cloudformation::account_moved(self, account);
        Ok(())
    }

    /// Takes an account out of its organization. What the management account may do in it by a role, it still may.
    ///
    /// # Errors
    /// `AccountNotFoundException`, and `MasterCannotLeaveOrganizationException`.
    pub fn remove_account(&mut self, account: &str) -> Result<(), ApiError> {
        let management = self.organizations.of_mut(account)?.management.clone();
        if management == account {
            let message = "You can't remove a management account from an organization.";
            return Err(ApiError::new("MasterCannotLeaveOrganizationException", message));
        }
        self.organizations.leave(account);
        cloudformation::account_left(self, account, &management);
        Ok(())
    }

    /// Suspends an account: its keys and sessions are refused, and no role in it can be assumed.
    ///
    /// # Errors
    /// `AccountNotFoundException`.
    pub fn suspend_account(&mut self, account: &str) -> Result<(), ApiError> {
        self.set_account_state(account, AccountState::Suspended)
    }

    /// Puts an account into a state. In all but one of them it is as unusable as a suspended one.
    ///
    /// # Errors
    /// `AccountNotFoundException`.
    pub fn set_account_state(&mut self, account: &str, state: AccountState) -> Result<(), ApiError> {
        self.organizations.member_mut(account)?.state = state;
        Ok(())
    }

    /// Makes an account a delegated administrator for a service, such as
    /// `member.org.stacksets.cloudformation.amazonaws.com`, so that it may look into the organization.
    ///
    /// # Errors
    /// `AccountNotFoundException`.
    pub fn delegate_administrator(&mut self, account: &str, service: &str) -> Result<(), ApiError> {
        let now = self.now();
        let delegates = &mut self.organizations.of_mut(account)?.delegates;
        delegates.entry(account.to_owned()).or_default().entry(service.to_owned()).or_insert(now);
        Ok(())
    }

    /// Has an account be new for so long, from now on: for the first half of it no role in it can be assumed, for the
    /// second half services say that it needs a subscription. Each such refusal lets an eighth of it pass on the
    /// virtual clock, or a second if that is more: whoever is refused waits, but on a real clock.
    ///
    /// # Errors
    /// `AccountNotFoundException`.
    pub fn delay_account_readiness(&mut self, account: &str, while_new: Duration) -> Result<(), ApiError> {
        self.organizations.member_mut(account)?;
        let (admits, ready) = (self.agenda.after(while_new / 2), self.agenda.after(while_new));
        self.organizations.newcomers.insert(account.to_owned(), Newcomer::new(admits, ready, while_new));
        Ok(())
    }

    fn join(&mut self, parent: &str, account: &str, name: &str, invited: bool) -> Result<(), ApiError> {
        let (parent, name) = (parent.to_owned(), name.to_owned());
        let member = Member { parent, name, state: AccountState::Active, invited, joined: self.now() };
        self.organizations.join(account, member)?;
        cloudformation::account_moved(self, account);
        Ok(())
    }
}
