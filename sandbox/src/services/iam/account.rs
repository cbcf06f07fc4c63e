//! What IAM keeps: the accounts with their users, roles and policies, and everything that requests are signed with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::credentials::{AccessKey, Session};
use super::federation::{IdentityToken, PortalSession};
use super::mfa::Device;
use super::names::{account_of, folded};
use super::policy::Policy;
use crate::{ApiError, partition};

/// Everything IAM and STS know. Both are global: no region here.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<String, Account>,
    /// Every user's access keys, by id.
    pub(crate) keys: BTreeMap<String, AccessKey>,
    /// Sessions by the id of their key.
    pub(crate) sessions: BTreeMap<String, Session>,
    /// MFA devices, by serial number.
    pub(crate) devices: BTreeMap<String, Device>,
    /// The ARNs of the OIDC providers that accounts trust.
    pub(crate) oidc_providers: BTreeSet<String>,
    /// What the tokens of OIDC providers say, by token.
    pub(crate) identity_tokens: BTreeMap<String, IdentityToken>,
    /// Who has signed in to the access portal, by token.
    pub(crate) portal_sessions: BTreeMap<String, PortalSession>,
    /// Managed policies that do not count yet, and when they will: what an express deployment has not waited for.
    pub(crate) unsettled: BTreeMap<String, Timestamp>,
    /// How long a key that is created from now on stays unknown to the services.
    pub(crate) new_keys_unknown_for: Duration,
}

/// One account. Users, groups and roles are found by their [`folded`] names.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) partition: &'static str,
    /// The name of the user who may do everything, in an account that begins with one.
    pub(crate) administrator: Option<String>,
    pub(crate) users: BTreeMap<String, User>,
    /// The names of the groups, by the folded name.
    pub(crate) groups: BTreeMap<String, String>,
    pub(crate) roles: BTreeMap<String, Role>,
    /// Customer managed policies, by ARN.
    pub(crate) policies: BTreeMap<String, Policy>,
}

/// A user.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) arn: String,
    pub(crate) created: Timestamp,
    pub(crate) tags: BTreeMap<String, String>,
    /// The names of the groups that the user is in.
    pub(crate) groups: BTreeSet<String>,
    pub(crate) permissions: Permissions,
    /// The ids of the access keys.
    pub(crate) keys: Vec<String>,
}

/// A role.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) trust: Policy,
    pub(crate) description: Option<String>,
    pub(crate) longest_session: Duration,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) permissions: Permissions,
}

/// What a user or a role may do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Permissions {
    /// Inline policies, by name.
    pub(crate) inline: BTreeMap<String, Policy>,
    /// The ARNs of attached managed policies.
    pub(crate) attached: BTreeSet<String>,
    /// The ARN of the managed policy that bounds the others.
    pub(crate) boundary: Option<String>,
}

/// The condition keys that come with the tags of a user or role.
pub(super) fn tag_context(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let prefixes = ["aws:ResourceTag/", "iam:ResourceTag/"];
    tags.iter().flat_map(|(key, value)| prefixes.map(|prefix| (format!("{prefix}{key}"), value.clone()))).collect()
}

/// An error for something that is not there.
pub(super) fn no_such_entity(message: String) -> ApiError {
    ApiError::new("NoSuchEntity", message).with_status(404)
}

impl Role {
    /// The ARN of a session of this role.
    pub(crate) fn session_arn(&self, session: &str) -> String {
        let (partition, account) = (partition::in_arn(&self.arn), account_of(&self.arn));
        format!("arn:{partition}:sts::{account}:assumed-role/{}/{session}", self.name)
    }

    /// What GetCallerIdentity calls the UserId of a session of this role.
    pub(crate) fn session_id(&self, session: &str) -> String {
        format!("{}:{session}", self.id)
    }
}

impl State {
    pub(crate) fn account_mut(&mut self, account: &str) -> Result<&mut Account, ApiError> {
        self.accounts.get_mut(account).ok_or_else(|| no_such_entity(format!("The account {account} does not exist.")))
    }

    pub(crate) fn user(&self, account: &str, name: &str) -> Result<&User, ApiError> {
        let user = self.accounts.get(account).and_then(|account| account.users.get(&folded(name)));
        user.ok_or_else(|| no_such_user(name))
    }

    pub(crate) fn user_mut(&mut self, account: &str, name: &str) -> Result<&mut User, ApiError> {
        let user = self.accounts.get_mut(account).and_then(|account| account.users.get_mut(&folded(name)));
        user.ok_or_else(|| no_such_user(name))
    }

    pub(crate) fn role(&self, account: &str, name: &str) -> Result<&Role, ApiError> {
        let role = self.accounts.get(account).and_then(|account| account.roles.get(&folded(name)));
        role.ok_or_else(|| no_such_role(name))
    }

    pub(crate) fn role_mut(&mut self, account: &str, name: &str) -> Result<&mut Role, ApiError> {
        let role = self.accounts.get_mut(account).and_then(|account| account.roles.get_mut(&folded(name)));
        role.ok_or_else(|| no_such_role(name))
    }

    /// Adds a role.
    pub(super) fn insert_role(&mut self, role: Role) -> Result<(), ApiError> {
        let roles = &mut self.account_mut(account_of(&role.arn))?.roles;
        if roles.contains_key(&folded(&role.name)) {
            return Err(already_exists(&format!("Role with name {}", role.name)));
        }
        roles.insert(folded(&role.name), role);
        Ok(())
    }

    /// The role that an ARN names.
    pub(crate) fn role_by_arn(&self, arn: &str) -> Result<&Role, ApiError> {
        let name = arn.rsplit('/').next().unwrap_or_default();
        self.role(account_of(arn), name).ok().filter(|role| role.arn == arn).ok_or_else(|| no_such_role(name))
    }

    /// The managed policy that an ARN names.
    pub(crate) fn managed_policy(&self, arn: &str) -> Option<&Policy> {
        self.accounts.get(account_of(arn)).and_then(|account| account.policies.get(arn))
    }

    /// Adds a managed policy.
    pub(super) fn insert_policy(&mut self, arn: &str, policy: Policy) -> Result<(), ApiError> {
        let policies = &mut self.account_mut(account_of(arn))?.policies;
        if policies.contains_key(arn) {
            return Err(already_exists(&format!("A policy called {arn}")));
        }
        policies.insert(arn.to_owned(), policy);
        Ok(())
    }

    /// Gives a managed policy another document.
    pub(super) fn replace_policy(&mut self, arn: &str, policy: Policy) -> Result<(), ApiError> {
        let policies = &mut self.account_mut(account_of(arn))?.policies;
        let document = policies.get_mut(arn).ok_or_else(|| no_such_entity(format!("Policy {arn} was not found.")))?;
        *document = policy;
        Ok(())
    }

    /// Removes a managed policy.
    pub(super) fn remove_policy(&mut self, arn: &str) {
        if let Ok(account) = self.account_mut(account_of(arn)) {
            account.policies.remove(arn);
        }
    }

    /// Whether a managed policy is attached to anybody, or bounds anybody.
    pub(super) fn is_in_use(&self, arn: &str) -> bool {
        self.is_attached(arn) || self.any(arn, |permissions| permissions.boundary.as_deref() == Some(arn))
    }

    /// Whether a managed policy is attached to anybody.
    pub(super) fn is_attached(&self, arn: &str) -> bool {
        self.any(arn, |permissions| permissions.attached.contains(arn))
    }

    fn any(&self, arn: &str, uses: impl Fn(&Permissions) -> bool) -> bool {
        let account = self.accounts.get(account_of(arn));
        account.is_some_and(|account| {
            account.users.values().any(|user| uses(&user.permissions))
                || account.roles.values().any(|role| uses(&role.permissions))
        })
    }

    /// The names of the roles that a managed policy is attached to.
    pub(super) fn roles_with(&self, account: &str, policy: &str) -> Vec<&str> {
        let roles = self.accounts.get(account).into_iter().flat_map(|account| account.roles.values());
        roles.filter(|role| role.permissions.attached.contains(policy)).map(|role| role.name.as_str()).collect()
    }

    /// A user's keys, oldest first; none when there is no such user.
    pub(crate) fn keys_of(&self, account: &str, user: &str) -> Vec<&AccessKey> {
        let ids = self.user(account, user).map(|user| user.keys.as_slice()).unwrap_or_default();
        let mut keys: Vec<&AccessKey> = ids.iter().filter_map(|id| self.keys.get(id)).collect();
        keys.sort_by_key(|key| (key.created, key.id()));
        keys
    }

    /// Gives a user a key.
    pub(super) fn insert_key(&mut self, key: AccessKey) -> Result<(), ApiError> {
        self.user_mut(&key.account, &key.user)?.keys.push(key.id().to_owned());
        self.keys.insert(key.id().to_owned(), key);
        Ok(())
    }

    /// Removes a key from its user.
    pub(super) fn remove_key(&mut self, id: &str) -> Option<AccessKey> {
        let key = self.keys.remove(id)?;
        if let Ok(user) = self.user_mut(&key.account, &key.user) {
            user.keys.retain(|present| present != id);
        }
        Some(key)
    }
}

/// An error for something that cannot be deleted while something else is there.
pub(super) fn delete_conflict(message: &str) -> ApiError {
    ApiError::new("DeleteConflict", message).with_status(409)
}

/// An error for a name that is taken.
pub(super) fn already_exists(what: &str) -> ApiError {
    ApiError::new("EntityAlreadyExists", format!("{what} already exists.")).with_status(409)
}

fn no_such_user(name: &str) -> ApiError {
    no_such_entity(format!("The user with name {name} cannot be found."))
}

fn no_such_role(name: &str) -> ApiError {
    no_such_entity(format!("The role with name {name} cannot be found."))
}
