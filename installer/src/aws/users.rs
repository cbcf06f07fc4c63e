//! IAM users and their access keys.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{EntityType, StatusType};
use contract::{AccessKeyId, AccountId, UserId, UserName};
use jiff::Timestamp;
use serde::Serialize;

use super::pages::Pages;
use super::{CallError, Clients, identity, moment, reduce};
use crate::template::BoundUser;

/// An access key of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessKey {
    /// Its id.
    pub id: AccessKeyId,
    /// Whether it may be used.
    pub status: KeyStatus,
    /// When it was made.
    pub created: Timestamp,
}

/// The states of an access key that the installer tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    /// It may be used.
    Active,
    /// It may not be used: deactivated or expired.
    Inactive,
}

/// When, where and for what a key was last used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastUse {
    /// When; IAM keeps it with an exactness of some minutes.
    pub at: Timestamp,
    /// The service's name in IAM actions.
    pub service: String,
    /// The region.
    pub region: String,
}

/// A user as IAM tells of many at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The name as IAM spells it.
    pub name: UserName,
    /// The unique id.
    pub id: UserId,
    /// The ARN, with the path.
    pub arn: String,
    /// `/`, or text that begins and ends with one.
    pub path: String,
    /// The names of the groups that the user is in.
    pub groups: BTreeSet<String>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

/// The largest page that IAM gives (API reference, GetAccountAuthorizationDetails, MaxItems).
const LARGEST_PAGE: i32 = 1000;

/// Whose a key is that a user does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOwner {
    /// Another user of the account.
    User(UserName),
    /// Somebody of another account.
    Account(AccountId),
    /// Nobody's: it was deleted.
    Nobody,
    /// AWS does not tell, or not this caller.
    Unknown,
}

/// How IAM names the resource of a denied request for a key that is nobody's in the account (seen): where it knows the
/// user, it names that one.
const KEY_AS_RESOURCE: &str = "on resource: access key ";

/// Looks a user up. The lookup ignores case, the answer has the name as IAM spells it.
///
/// # Errors
/// [`CallError`], but not when there is no such user.
pub async fn user(clients: &Clients, name: &UserName) -> Result<Option<BoundUser>, CallError> {
    const OPERATION: &str = "iam:GetUser";
    let answer = clients.iam.get_user().user_name(name.as_str()).send().await.map_err(reduce(OPERATION));
    let Some(answer) = found(answer)? else { return Ok(None) };
    let user = answer.user().ok_or_else(|| CallError::incomplete(OPERATION, "User"))?;
    let name = UserName::new(user.user_name()).map_err(|_| CallError::incomplete(OPERATION, "UserName"))?;
    let id = UserId::new(user.user_id()).map_err(|_| CallError::incomplete(OPERATION, "UserId"))?;
    Ok(Some(BoundUser { name, id, arn: user.arn().to_owned() }))
}

/// All users of an account, with their groups and tags, in as few calls as IAM allows.
///
/// # Errors
/// [`CallError`].
pub async fn population(clients: &Clients) -> Result<Vec<Person>, CallError> {
    const OPERATION: &str = "iam:GetAccountAuthorizationDetails";
    let call = clients.iam.get_account_authorization_details().filter(EntityType::User).max_items(LARGEST_PAGE);
    let mut pages = call.into_paginator().stop_on_duplicate_token(false).send();
    let mut people = Vec::new();
    let mut read = Pages::of(OPERATION);
    while let Some(page) = pages.next().await {
        read.one_more()?;
        for user in page.map_err(reduce(OPERATION))?.user_detail_list.unwrap_or_default() {
            let incomplete = |field| move || CallError::incomplete(OPERATION, field);
            let name = user.user_name.and_then(|name| UserName::new(name).ok()).ok_or_else(incomplete("UserName"))?;
            let id = user.user_id.and_then(|id| UserId::new(id).ok()).ok_or_else(incomplete("UserId"))?;
            people.push(Person {
                name,
                id,
                arn: user.arn.ok_or_else(incomplete("Arn"))?,
                path: user.path.ok_or_else(incomplete("Path"))?,
                groups: user.group_list.unwrap_or_default().into_iter().collect(),
                tags: user.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
            });
        }
    }
    Ok(people)
}

/// Lists a user's access keys, oldest first; a user that does not exist has none.
///
/// # Errors
/// [`CallError`].
pub async fn access_keys(clients: &Clients, name: &UserName) -> Result<Vec<AccessKey>, CallError> {
    const OPERATION: &str = "iam:ListAccessKeys";
    // A user has two keys at most, so the answer has one page.
    let answer = clients.iam.list_access_keys().user_name(name.as_str()).send().await.map_err(reduce(OPERATION));
    let Some(answer) = found(answer)? else { return Ok(Vec::new()) };
    let mut keys = Vec::new();
    for key in answer.access_key_metadata() {
        let id = key.access_key_id().and_then(|id| AccessKeyId::new(id).ok());
        let id = id.ok_or_else(|| CallError::incomplete(OPERATION, "AccessKeyId"))?;
        let created = key.create_date().and_then(moment);
        let created = created.ok_or_else(|| CallError::incomplete(OPERATION, "CreateDate"))?;
        let status = if key.status() == Some(&StatusType::Active) { KeyStatus::Active } else { KeyStatus::Inactive };
        keys.push(AccessKey { id, status, created });
    }
    keys.sort_by_key(|key| key.created);
    Ok(keys)
}

/// When a key was last used; `None` when it never was.
///
/// # Errors
/// [`CallError`].
pub async fn last_use(clients: &Clients, key: &AccessKeyId) -> Result<Option<LastUse>, CallError> {
    const OPERATION: &str = "iam:GetAccessKeyLastUsed";
    let asked = clients.iam.get_access_key_last_used().access_key_id(key.as_str());
    let answer = asked.send().await.map_err(reduce(OPERATION))?;
    Ok(answer.access_key_last_used().and_then(|last| {
        let at = last.last_used_date().and_then(moment)?;
        Some(LastUse { at, service: last.service_name().to_owned(), region: last.region().to_owned() })
    }))
}

/// Whose key it is.
///
/// # Errors
/// [`CallError`], but not when the caller may not know.
pub async fn owner(clients: &Clients, key: &AccessKeyId) -> Result<KeyOwner, CallError> {
    const OPERATION: &str = "iam:GetAccessKeyLastUsed";
    let asked = clients.iam.get_access_key_last_used().access_key_id(key.as_str());
    let answer = found(asked.send().await.map_err(reduce(OPERATION)));
    match answer {
        Ok(None) => Ok(KeyOwner::Nobody),
        Ok(Some(answer)) => {
            Ok(UserName::new(answer.user_name().unwrap_or_default()).map_or(KeyOwner::Unknown, KeyOwner::User))
        }
        Err(CallError::Denied { message, .. }) => {
            let own = identity::account(clients).await?;
            owner_of_denied(&message, &own, identity::account_of(clients, key).await)
        }
        Err(error) => Err(error),
    }
}

/// Whose key it is of which the caller may not know when it was last used. IAM refuses for a key of another account, for
/// one that does not exist, and when a permission is lacking; what it names as the resource, and the account that STS
/// tells, keep the three apart.
fn owner_of_denied(
    message: &str,
    own: &AccountId,
    account: Result<Option<AccountId>, CallError>,
) -> Result<KeyOwner, CallError> {
    match account {
        Ok(None) => Ok(KeyOwner::Nobody),
        Ok(Some(account)) if account != *own => Ok(KeyOwner::Account(account)),
        Ok(Some(_)) if message.contains(KEY_AS_RESOURCE) => Ok(KeyOwner::Nobody),
        Ok(Some(_)) | Err(CallError::Denied { .. }) => Ok(KeyOwner::Unknown),
        Err(error) => Err(error),
    }
}

/// Deactivates a key; `false` when it is gone already.
///
/// # Errors
/// [`CallError`].
pub async fn deactivate_key(clients: &Clients, user: &UserName, key: &AccessKeyId) -> Result<bool, CallError> {
    let asked = clients.iam.update_access_key().user_name(user.as_str()).access_key_id(key.as_str());
    let answer = asked.status(StatusType::Inactive).send().await.map_err(reduce("iam:UpdateAccessKey"));
    Ok(found(answer)?.is_some())
}

/// Deletes a key; `false` when it is gone already.
///
/// # Errors
/// [`CallError`].
pub async fn delete_key(clients: &Clients, user: &UserName, key: &AccessKeyId) -> Result<bool, CallError> {
    let asked = clients.iam.delete_access_key().user_name(user.as_str()).access_key_id(key.as_str());
    let answer = asked.send().await.map_err(reduce("iam:DeleteAccessKey"));
    Ok(found(answer)?.is_some())
}

fn found<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code() == Some("NoSuchEntity") => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use sandbox::Options;

    use super::*;
    use crate::sandboxed::{ACCOUNT, Sandboxed};

    #[tokio::test]
    async fn the_population_is_everybody_on_all_pages() {
        let Sandboxed { sandbox, session, .. } = Sandboxed::start(Options::default(), true).await;
        let populate = |world: &mut sandbox::World| {
            for number in 0..1500 {
                world.create_user(ACCOUNT, &format!("user-{number:04}"), "/team/")?;
            }
            world.create_group(ACCOUNT, "robots")?;
            world.add_user_to_group(ACCOUNT, "user-1499", "robots")?;
            world.tag_user(ACCOUNT, "user-1499", "owner", "somebody")
        };
        sandbox.visit(populate).await.unwrap();
        let people = population(&session.clients).await.unwrap();
        assert_eq!(people.len(), 1501, "1,500 users and the administrator");
        let last = people.last().unwrap();
        assert_eq!((last.name.as_str(), last.path.as_str()), ("user-1499", "/team/"));
        assert_eq!(last.arn, format!("arn:aws:iam::{ACCOUNT}:user/team/user-1499"));
        assert!(last.id.as_str().starts_with("AIDA"), "{last:?}");
        assert_eq!(last.groups, BTreeSet::from(["robots".to_owned()]));
        assert_eq!(last.tags, BTreeMap::from([("owner".to_owned(), "somebody".to_owned())]));
        assert!(people.iter().take(1500).all(|person| person.tags.is_empty() && person.groups.is_empty()));
    }

    #[test]
    fn a_key_is_nobodys_only_when_that_is_certain() {
        let [own, other] = ["111122223333", "444455556666"].map(|account| AccountId::new(account).unwrap());
        let missing = "User: x is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key AKIA";
        let denied = "User: x is not authorized to perform: iam:GetAccessKeyLastUsed on resource: user bob";
        let not_allowed = || CallError::Denied { action: "sts:GetAccessKeyInfo".to_owned(), message: String::new() };
        let no_answer = || CallError::incomplete("sts:GetAccessKeyInfo", "Account");
        for (message, account, expected) in [
            (missing, Ok(Some(own.clone())), Ok(KeyOwner::Nobody)),
            (missing, Ok(None), Ok(KeyOwner::Nobody)),
            (denied, Ok(Some(own.clone())), Ok(KeyOwner::Unknown)),
            (missing, Ok(Some(other.clone())), Ok(KeyOwner::Account(other.clone()))),
            (denied, Ok(Some(other.clone())), Ok(KeyOwner::Account(other.clone()))),
            (missing, Err(not_allowed()), Ok(KeyOwner::Unknown)),
            (missing, Err(no_answer()), Err(no_answer())),
        ] {
            assert_eq!(owner_of_denied(message, &own, account), expected, "{message}");
        }
    }
}
