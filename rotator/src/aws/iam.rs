//! IAM: users, their keys, and the last use of these.

use std::collections::BTreeMap;

use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::types::StatusType;
use contract::{AccessKeyId, KeyPair, SecretText, UserId, UserName};
use jiff::Timestamp;

use super::clock::AnswerTime;
use super::pages::{OF_A_USER, OF_AN_ACCOUNT, Pages};
use super::{Clients, call_error, timestamp};
use crate::error::{CallError, RotationError};
use crate::observed::{Key, KeyStatus, LastUse, User};

/// The user, or `None` when there is none of that name.
pub(crate) async fn user(clients: &Clients, name: &UserName) -> Result<Option<User>, RotationError> {
    let answer = match clients.iam.get_user().user_name(name.as_str()).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let is_absent = error.as_service_error().is_some_and(|error| error.is_no_such_entity_exception());
            return if is_absent { Ok(None) } else { Err(call_error("iam:GetUser", &error).into()) };
        }
    };
    let user = answer.user.ok_or(RotationError::Answer("User"))?;
    Ok(Some(User {
        name: UserName::new(user.user_name).map_err(|_| RotationError::Answer("UserName"))?,
        id: UserId::new(user.user_id).map_err(|_| RotationError::Answer("UserId"))?,
        path: user.path,
    }))
}

/// The largest page that IAM gives (API reference, ListUsers, MaxItems).
const LARGEST_PAGE: i32 = 1000;

/// The users that a listing has told of.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) people: Vec<User>,
    /// The time by the clock of AWS.
    pub(crate) now: Option<Timestamp>,
    /// Why these are not all.
    pub(crate) failure: Option<RotationError>,
}

/// The users whose path begins with this. Those before a page that cannot be read are told all the same.
pub(crate) async fn people(clients: &Clients, path: &str) -> People {
    const OPERATION: &str = "iam:ListUsers";
    let clock = AnswerTime::default();
    let (mut people, mut marker, mut failure) = (Vec::new(), None, None);
    let mut read = Pages::of(OPERATION, OF_AN_ACCOUNT);
    loop {
        if let Err(error) = read.one_more() {
            failure = Some(error.into());
            break;
        }
        let call = clients.iam.list_users().path_prefix(path).max_items(LARGEST_PAGE).set_marker(marker);
        let page = match call.customize().interceptor(clock.clone()).send().await {
            Ok(page) => page,
            Err(error) => {
                failure = Some(call_error(OPERATION, &error).into());
                break;
            }
        };
        for user in page.users {
            match (UserName::new(user.user_name), UserId::new(user.user_id)) {
                (Ok(name), Ok(id)) => people.push(User { name, id, path: user.path }),
                _ => failure = Some(RotationError::Answer("UserName")),
            }
        }
        marker = page.marker.filter(|_| page.is_truncated);
        if marker.is_none() {
            break;
        }
    }
    People { people, now: clock.read().ok(), failure }
}

/// The user's tags, or `None` when there is no such user.
pub(crate) async fn tags(clients: &Clients, name: &UserName) -> Result<Option<BTreeMap<String, String>>, CallError> {
    // A user has 50 tags at most (IAM quotas), so the answer has one page.
    match clients.iam.list_user_tags().user_name(name.as_str()).send().await {
        Ok(answer) => Ok(Some(answer.tags.into_iter().map(|tag| (tag.key, tag.value)).collect())),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_entity_exception()) => Ok(None),
        Err(error) => Err(call_error("iam:ListUserTags", &error)),
    }
}

/// All access keys of the user.
pub(crate) async fn keys(clients: &Clients, name: &UserName) -> Result<Vec<Key>, RotationError> {
    const OPERATION: &str = "iam:ListAccessKeys";
    let mut pages =
        clients.iam.list_access_keys().user_name(name.as_str()).into_paginator().stop_on_duplicate_token(false).send();
    let mut keys = Vec::new();
    let mut read = Pages::of(OPERATION, OF_A_USER);
    while let Some(page) = pages.next().await {
        read.one_more()?;
        let page = page.map_err(|error| call_error(OPERATION, &error))?;
        for key in page.access_key_metadata {
            let id = key.access_key_id.and_then(|id| AccessKeyId::new(id).ok());
            keys.push(Key {
                id: id.ok_or(RotationError::Answer("AccessKeyId"))?,
                status: match key.status.ok_or(RotationError::Answer("Status"))? {
                    StatusType::Active => KeyStatus::Active,
                    StatusType::Inactive => KeyStatus::Inactive,
                    other => KeyStatus::Other(other.as_str().to_owned()),
                },
                created: timestamp(&key.create_date.ok_or(RotationError::Answer("CreateDate"))?)?,
            });
        }
    }
    Ok(keys)
}

/// When and where a key was last used. "Never" is only what IAM says so; anything unclear is an error (R5).
pub(crate) async fn last_use(clients: &Clients, key: &AccessKeyId) -> Result<LastUse, RotationError> {
    let answer = clients.iam.get_access_key_last_used().access_key_id(key.as_str()).send().await;
    let answer = answer.map_err(|error| call_error("iam:GetAccessKeyLastUsed", &error))?;
    let used = answer.access_key_last_used.ok_or(RotationError::Answer("AccessKeyLastUsed"))?;
    match used.last_used_date {
        None => Ok(LastUse::Never),
        Some(when) => Ok(LastUse::At { when: timestamp(&when)?, service: used.service_name, region: used.region }),
    }
}

/// How the creation of a key can end.
#[derive(Debug)]
pub(crate) enum Created {
    Key(KeyPair),
    /// The user has two keys already.
    LimitExceeded,
}

/// Creates a key. The SDK must not retry it: it has no idempotency token, and a lost answer is a lost key (R3).
pub(crate) async fn create_key(clients: &Clients, user: &UserName) -> Result<Created, RotationError> {
    let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
    let call = clients.iam.create_access_key().user_name(user.as_str()).customize().config_override(once);
    match call.send().await {
        Ok(answer) => {
            let key = answer.access_key.ok_or(RotationError::Answer("AccessKey"))?;
            let secret = SecretText::new(key.secret_access_key);
            let id = AccessKeyId::new(key.access_key_id).map_err(|_| RotationError::Answer("AccessKeyId"))?;
            Ok(Created::Key(KeyPair { id, secret }))
        }
        Err(error) if error.as_service_error().is_some_and(|error| error.is_limit_exceeded_exception()) => {
            Ok(Created::LimitExceeded)
        }
        Err(error) => Err(call_error("iam:CreateAccessKey", &error).into()),
    }
}

/// Makes a key Active again.
pub(crate) async fn activate_key(clients: &Clients, user: &UserName, key: &AccessKeyId) -> Result<(), CallError> {
    let call = clients.iam.update_access_key().user_name(user.as_str()).access_key_id(key.as_str());
    let answer = call.status(StatusType::Active).send().await;
    answer.map(drop).map_err(|error| call_error("iam:UpdateAccessKey", &error))
}

/// Makes a key Inactive. One that is gone already is as good as that.
pub(crate) async fn deactivate_key(clients: &Clients, user: &UserName, key: &AccessKeyId) -> Result<(), CallError> {
    let call = clients.iam.update_access_key().user_name(user.as_str()).access_key_id(key.as_str());
    match call.status(StatusType::Inactive).send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_entity_exception()) => Ok(()),
        Err(error) => Err(call_error("iam:UpdateAccessKey", &error)),
    }
}

/// Deletes a key. One that is gone already counts as deleted.
pub(crate) async fn delete_key(clients: &Clients, user: &UserName, key: &AccessKeyId) -> Result<(), CallError> {
    let call = clients.iam.delete_access_key().user_name(user.as_str()).access_key_id(key.as_str());
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_entity_exception()) => Ok(()),
        Err(error) => Err(call_error("iam:DeleteAccessKey", &error)),
    }
}
