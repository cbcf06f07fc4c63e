//! How tests describe the accounts, users and keys that are there, and look at what has become of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::account::{Account, Permissions, Role, User, already_exists, no_such_entity};
use super::authentication::user_of;
use super::credentials::{AccessKey, Credentials, KeyStatus, LastUse};
use super::names::{ID_ALPHABET, check_name, check_path, folded, unique_id};
use super::policy::{Kind, Policy};
use super::quotas::{self, limit_exceeded};
use crate::request::Caller;
use crate::{ApiError, World, partition};

/// The user that an account begins with, who may do everything, unless it is said who that is.
const ADMINISTRATOR: &str = "administrator";

/// How many access keys a user may have, Inactive ones included (IAM user guide, "IAM and AWS STS quotas").
const KEYS_PER_USER: usize = 2;

/// How many groups a user may be in (the same page).
const GROUPS_PER_USER: usize = 10;

/// How long the sessions of a role may last when nobody says (IAM API reference, CreateRole, MaxSessionDuration).
const LONGEST_SESSION: Duration = Duration::from_secs(3600);

/// The administrator of an account, as a caller.
pub(crate) fn administrator(world: &World, account: &str) -> Result<Caller, ApiError> {
    let name = world.iam.accounts.get(account).and_then(|account| account.administrator.as_deref());
    user_of(&world.iam, account, name.unwrap_or(ADMINISTRATOR))
}

impl World {
    /// Creates an account with a user `administrator`, who may do everything, and gives that user's credentials.
    ///
    /// # Errors
    /// `EntityAlreadyExists` when the account is there.
    pub fn create_account(&mut self, account: &str) -> Result<Credentials, ApiError> {
        self.create_account_in(account, "us-east-1")
    }

    /// The same in the partition of a region, such as that of `cn-north-1`.
    ///
    /// # Errors
    /// `EntityAlreadyExists` when the account is there.
    pub fn create_account_in(&mut self, account: &str, region: &str) -> Result<Credentials, ApiError> {
        self.create_account_of(ADMINISTRATOR, account, region)
    }

    /// The same with another name for the administrator.
    ///
    /// # Errors
    /// `EntityAlreadyExists` when the account is there, `ValidationError` for a name that IAM refuses.
    pub fn create_account_of(
        &mut self,
        administrator: &str,
        account: &str,
        region: &str,
    ) -> Result<Credentials, ApiError> {
        open_account(self, account, partition::of(region))?;
        self.create_user(account, administrator, "/")?;
        self.iam.account_mut(account)?.administrator = Some(administrator.to_owned());
        let everything = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        self.put_user_policy(account, administrator, "everything", everything)?;
        self.create_access_key(account, administrator)
    }

    /// Creates a user who may do nothing yet, and gives the unique id (`AIDA…`). A path is `/`, or begins and ends
    /// with one.
    ///
    /// # Errors
    /// `EntityAlreadyExists`, `NoSuchEntity` for the account, `ValidationError` for a name or path that IAM refuses.
    pub fn create_user(&mut self, account: &str, name: &str, path: &str) -> Result<String, ApiError> {
        let id = unique_id(self, "AIDA");
        self.copy_user(account, name, path, &id).map(|()| id)
    }

    /// The same with the unique id of a user whom this one is a copy of.
    ///
    /// # Errors
    /// As for [`World::create_user`].
    pub fn copy_user(&mut self, account: &str, name: &str, path: &str, id: &str) -> Result<(), ApiError> {
        check_name("userName", name, 1..=64)?;
        check_path(path)?;
        let created = self.now();
        let partition = self.iam.account_mut(account)?.partition;
        let users = &mut self.iam.account_mut(account)?.users;
        if users.contains_key(&folded(name)) {
            return Err(already_exists(&format!("User with name {name}")));
        }
        let user = User {
            id: id.to_owned(),
            name: name.to_owned(),
            path: path.to_owned(),
            arn: format!("arn:{partition}:iam::{account}:user{path}{name}"),
            created,
            tags: BTreeMap::new(),
            groups: BTreeSet::new(),
            permissions: Permissions::default(),
            keys: Vec::new(),
        };
        users.insert(folded(name), user);
        Ok(())
    }

    /// Sets a tag of a user.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn tag_user(&mut self, account: &str, user: &str, key: &str, value: &str) -> Result<(), ApiError> {
        self.iam.user_mut(account, user)?.tags.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// Creates a group of users. It has no policies: nobody may do anything because of it.
    ///
    /// # Errors
    /// `EntityAlreadyExists`, `NoSuchEntity` for the account, `ValidationError` for a name that IAM refuses.
    pub fn create_group(&mut self, account: &str, name: &str) -> Result<(), ApiError> {
        check_name("groupName", name, 1..=128)?;
        let groups = &mut self.iam.account_mut(account)?.groups;
        if groups.contains_key(&folded(name)) {
            return Err(already_exists(&format!("Group with name {name}")));
        }
        groups.insert(folded(name), name.to_owned());
        Ok(())
    }

    /// Puts a user into a group.
    ///
    /// # Errors
    /// `NoSuchEntity` for either, and `LimitExceeded` when the user is in as many groups as IAM allows.
    pub fn add_user_to_group(&mut self, account: &str, user: &str, group: &str) -> Result<(), ApiError> {
        let no_such = || no_such_entity(format!("The group with name {group} cannot be found."));
        let group = self.iam.account_mut(account)?.groups.get(&folded(group)).cloned().ok_or_else(no_such)?;
        let groups = &mut self.iam.user_mut(account, user)?.groups;
        if groups.len() >= GROUPS_PER_USER && !groups.contains(&group) {
            return Err(limit_exceeded(format!("Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER}")));
        }
        groups.insert(group);
        Ok(())
    }

    /// Gives a user an inline policy, in place of the one that had this name.
    ///
    /// # Errors
    /// `NoSuchEntity`, `MalformedPolicyDocument`, or the name of what the sandbox does not know in the policy.
    pub fn put_user_policy(&mut self, account: &str, user: &str, name: &str, document: &str) -> Result<(), ApiError> {
        let policy = Policy::read(Kind::Identity, document)?;
        self.iam.user_mut(account, user)?.permissions.inline.insert(name.to_owned(), policy);
        Ok(())
    }

    /// Creates a managed policy, for use as a permissions boundary or to be attached, and gives its ARN.
    ///
    /// # Errors
    /// `NoSuchEntity` for the account, `EntityAlreadyExists`, and those of [`World::put_user_policy`].
    pub fn create_policy(&mut self, account: &str, name: &str, document: &str) -> Result<String, ApiError> {
        let policy = Policy::read(Kind::Identity, document)?;
        let partition = self.iam.account_mut(account)?.partition;
        let arn = format!("arn:{partition}:iam::{account}:policy/{name}");
        self.iam.insert_policy(&arn, policy)?;
        Ok(arn)
    }

    /// Creates a role that may do nothing yet, for whom its trust policy names, and gives its ARN. The name may have a path
    /// before it: `ops/rollout`.
    ///
    /// # Errors
    /// `EntityAlreadyExists`, and those of [`World::put_user_policy`].
    pub fn create_role(&mut self, account: &str, name: &str, trust: &str) -> Result<String, ApiError> {
        let (path, name) =
            name.rsplit_once('/').map_or((String::new(), name), |(path, name)| (format!("{path}/"), name));
        check_path(&format!("/{path}"))?;
        check_name("roleName", name, 1..=64)?;
        let partition = self.iam.account_mut(account)?.partition;
        let role = Role {
            id: unique_id(self, "AROA"),
            name: name.to_owned(),
            arn: format!("arn:{partition}:iam::{account}:role/{path}{name}"),
            trust: Policy::read(Kind::Trust, trust)?,
            description: None,
            longest_session: LONGEST_SESSION,
            tags: BTreeMap::new(),
            permissions: Permissions::default(),
        };
        let arn = role.arn.clone();
        self.iam.insert_role(role)?;
        Ok(arn)
    }

    /// Deletes a role with its policies, as the console does. Its sessions end with it.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn delete_role(&mut self, account: &str, name: &str) -> Result<(), ApiError> {
        self.iam.role(account, name)?;
        self.iam.account_mut(account)?.roles.remove(&folded(name));
        Ok(())
    }

    /// Gives a role an inline policy, in place of the one that had this name.
    ///
    /// # Errors
    /// Those of [`World::put_user_policy`].
    pub fn put_role_policy(&mut self, account: &str, role: &str, name: &str, document: &str) -> Result<(), ApiError> {
        let policy = Policy::read(Kind::Identity, document)?;
        self.iam.role_mut(account, role)?.permissions.inline.insert(name.to_owned(), policy);
        Ok(())
    }

    /// Sets the permissions boundary of a role.
    ///
    /// # Errors
    /// `NoSuchEntity`, also for the policy.
    pub fn bound_role(&mut self, account: &str, role: &str, policy_arn: &str) -> Result<(), ApiError> {
        let mut permissions = self.iam.role(account, role)?.permissions.clone();
        permissions.boundary = Some(policy_arn.to_owned());
        quotas::check(&self.iam, role, &permissions)?;
        self.iam.role_mut(account, role)?.permissions = permissions;
        Ok(())
    }

    /// Deletes a user with all keys and policies, as the console does; the API refuses it while there are keys.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn delete_user(&mut self, account: &str, name: &str) -> Result<(), ApiError> {
        let keys = self.iam.user(account, name)?.keys.clone();
        keys.iter().for_each(|id| drop(self.iam.remove_key(id)));
        self.iam.account_mut(account)?.users.remove(&folded(name));
        Ok(())
    }

    /// Creates an access key for a user.
    ///
    /// # Errors
    /// `NoSuchEntity`, and `LimitExceeded` when the user has two keys already.
    pub fn create_access_key(&mut self, account: &str, user: &str) -> Result<Credentials, ApiError> {
        let id = format!("AKIA{}", self.random_text(ID_ALPHABET, 16));
        self.copy_access_key(account, user, &id)
    }

    /// The same with the id of a key that this one stands for. Its secret half is its own.
    ///
    /// # Errors
    /// As for [`World::create_access_key`].
    pub fn copy_access_key(&mut self, account: &str, user: &str, id: &str) -> Result<Credentials, ApiError> {
        let user = self.iam.user(account, user)?.name.clone();
        if self.iam.keys_of(account, &user).len() >= KEYS_PER_USER {
            let message = format!("Cannot exceed quota for AccessKeysPerUser: {KEYS_PER_USER}");
            return Err(limit_exceeded(message));
        }
        let credentials = Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: self.random_secret(40),
            session_token: None,
        };
        let key = AccessKey {
            credentials: credentials.clone(),
            account: account.to_owned(),
            user,
            status: KeyStatus::Active,
            created: self.now(),
            last_used: None,
            known_from: self.agenda.after(self.iam.new_keys_unknown_for),
        };
        self.iam.insert_key(key)?;
        Ok(credentials)
    }

    /// Sets an access key to Active or Inactive.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn set_access_key_status(&mut self, id: &str, status: KeyStatus) -> Result<(), ApiError> {
        self.key_mut(id)?.status = status;
        Ok(())
    }

    /// Says when an access key was made, and when it was last used.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn backdate_access_key(&mut self, id: &str, created: Timestamp, used: Option<LastUse>) -> Result<(), ApiError> {
        let key = self.key_mut(id)?;
        (key.created, key.last_used) = (created, used);
        Ok(())
    }

    /// Deletes an access key.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn delete_access_key(&mut self, id: &str) -> Result<(), ApiError> {
        self.iam.remove_key(id).map(drop).ok_or_else(|| no_such_key(id))
    }

    /// The access keys of a user, oldest first; none when there is no such user.
    pub fn access_keys(&self, account: &str, user: &str) -> Vec<AccessKey> {
        self.iam.keys_of(account, user).into_iter().cloned().collect()
    }

    /// Notes a use of an access key now, as if a request for `service` in `region` had been signed with it.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn record_use(&mut self, id: &str, service: &str, region: &str) -> Result<(), ApiError> {
        let at = self.now();
        self.key_mut(id)?.last_used = Some(LastUse { at, service: service.to_owned(), region: region.to_owned() });
        Ok(())
    }

    /// Has every key that is created from now on refused for its first while, as AWS does until a key is known
    /// everywhere. Each such refusal lets a second pass on the virtual clock, or a quarter of that while if it is more.
    pub fn fail_new_keys_for(&mut self, while_new: Duration) {
        self.iam.new_keys_unknown_for = while_new;
    }

    fn key_mut(&mut self, id: &str) -> Result<&mut AccessKey, ApiError> {
        self.iam.keys.get_mut(id).ok_or_else(|| no_such_key(id))
    }
}

/// Creates an account that has nobody in it.
pub(crate) fn open_account(world: &mut World, account: &str, partition: &'static str) -> Result<(), ApiError> {
    if world.iam.accounts.contains_key(account) {
        return Err(already_exists(&format!("The account {account}")));
    }
    world.iam.accounts.insert(account.to_owned(), Account { partition, ..Account::default() });
    Ok(())
}

pub(super) fn no_such_key(id: &str) -> ApiError {
    no_such_entity(format!("The Access Key with id {id} cannot be found."))
}
