//! The organization that the caller's account is in, and the accounts in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_sdk_organizations::types::{self, AccountState};
use contract::AccountId;
use jiff::Timestamp;
use serde::Serialize;

use super::pages::Pages;
use super::{CallError, Clients, moment, reduce};

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Organization {
    /// Its id: `o-…`.
    pub id: String,
    /// The management account.
    pub management: AccountId,
}

/// An account of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// The name that somebody gave it; empty when AWS shows none.
    pub name: String,
    /// Whether it can be used.
    pub status: AccountStatus,
    /// When it became part of the organization; none when AWS does not tell.
    pub joined: Option<Timestamp>,
}

/// What an account goes through (Organizations user guide, "Monitor the state of your AWS accounts").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountStatus {
    /// Nobody has finished signing it up.
    PendingActivation,
    /// It can be used.
    Active,
    /// AWS has suspended it.
    Suspended,
    /// It is being closed.
    PendingClosure,
    /// It is closed.
    Closed,
    /// One that AWS has thought of since, in its words.
    Unknown(String),
}

impl fmt::Display for AccountStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PendingActivation => "pending activation",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::PendingClosure => "being closed",
            Self::Closed => "closed",
            Self::Unknown(status) => status,
        })
    }
}

/// The organization that the caller's account is in; `None` when it is in none. Any account may ask.
///
/// # Errors
/// [`CallError`].
pub async fn organization(clients: &Clients) -> Result<Option<Organization>, CallError> {
    const OPERATION: &str = "organizations:DescribeOrganization";
    let answer = clients.organizations.describe_organization().send().await.map_err(reduce(OPERATION));
    let Some(answer) = unless("AWSOrganizationsNotInUseException", answer)? else { return Ok(None) };
    let organization = answer.organization.and_then(|it| Some((it.id?, it.master_account_id?)));
    let (id, management) = organization.ok_or_else(|| CallError::incomplete(OPERATION, "Organization"))?;
    let management = AccountId::new(management).map_err(|_| CallError::incomplete(OPERATION, "MasterAccountId"))?;
    Ok(Some(Organization { id, management }))
}

/// A root (`r-…`) or unit (`ou-…`), and what is right in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its id.
    pub id: String,
    /// The root or unit that it is in; none of the one that was asked about.
    pub parent: Option<String>,
    /// The accounts in it, also those that cannot be used.
    pub accounts: Vec<Account>,
}

/// A root or unit, and all units below it, each once and behind the one that it is in. An account that is moved meanwhile may
/// be missed. Only the management account and delegated administrators may ask.
///
/// # Errors
/// [`CallError`], with the code `ParentNotFoundException` when there is no such root or unit.
pub async fn units_below(clients: &Clients, unit: &str) -> Result<Vec<Unit>, CallError> {
    // Units are a tree five levels deep; what was seen is noted, so that this ends whatever AWS says.
    let (mut units, mut left, mut seen) = (Vec::new(), vec![(unit.to_owned(), None)], BTreeSet::new());
    while let Some((id, parent)) = left.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let accounts = accounts_of(clients, &id).await?;
        left.extend(units_of(clients, &id).await?.into_iter().map(|unit| (unit, Some(id.clone()))));
        units.push(Unit { id, parent, accounts });
    }
    Ok(units)
}

/// The accounts in a root or unit and in all units below it, each once, by number; also those that cannot be used.
///
/// # Errors
/// As for [`units_below`].
pub async fn accounts_below(clients: &Clients, unit: &str) -> Result<Vec<Account>, CallError> {
    let units = units_below(clients, unit).await?.into_iter();
    let accounts = units.flat_map(|unit| unit.accounts).map(|account| (account.id.clone(), account));
    Ok(accounts.collect::<BTreeMap<_, _>>().into_values().collect())
}

/// The root of the organization. Only the management account and delegated administrators may ask.
///
/// # Errors
/// [`CallError`].
pub async fn root(clients: &Clients) -> Result<String, CallError> {
    const OPERATION: &str = "organizations:ListRoots";
    let answer = clients.organizations.list_roots().send().await.map_err(reduce(OPERATION))?;
    // An organization has one root.
    let root = answer.roots.unwrap_or_default().into_iter().next().and_then(|root| root.id);
    root.ok_or_else(|| CallError::incomplete(OPERATION, "Roots"))
}

/// Looks an account of the organization up; `None` when there is none with this number.
///
/// # Errors
/// [`CallError`].
pub async fn account(clients: &Clients, id: &AccountId) -> Result<Option<Account>, CallError> {
    const OPERATION: &str = "organizations:DescribeAccount";
    let answer = clients.organizations.describe_account().account_id(id.as_str()).send().await;
    let Some(answer) = unless("AccountNotFoundException", answer.map_err(reduce(OPERATION)))? else {
        return Ok(None);
    };
    let account = answer.account.ok_or_else(|| CallError::incomplete(OPERATION, "Account"))?;
    read(OPERATION, account).map(Some)
}

async fn accounts_of(clients: &Clients, unit: &str) -> Result<Vec<Account>, CallError> {
    const OPERATION: &str = "organizations:ListAccountsForParent";
    // Pages may be empty although there are more; only the token says which is the last.
    let mut pages = clients
        .organizations
        .list_accounts_for_parent()
        .parent_id(unit)
        .into_paginator()
        .stop_on_duplicate_token(false)
        .send();
    let mut accounts = Vec::new();
    let mut read_pages = Pages::of(OPERATION);
    while let Some(page) = pages.next().await {
        read_pages.one_more()?;
        for account in page.map_err(reduce(OPERATION))?.accounts.unwrap_or_default() {
            accounts.push(read(OPERATION, account)?);
        }
    }
    Ok(accounts)
}

async fn units_of(clients: &Clients, unit: &str) -> Result<Vec<String>, CallError> {
    const OPERATION: &str = "organizations:ListOrganizationalUnitsForParent";
    let asked = clients.organizations.list_organizational_units_for_parent().parent_id(unit);
    let mut pages = asked.into_paginator().stop_on_duplicate_token(false).send();
    let mut units = Vec::new();
    let mut read_pages = Pages::of(OPERATION);
    while let Some(page) = pages.next().await {
        read_pages.one_more()?;
        for unit in page.map_err(reduce(OPERATION))?.organizational_units.unwrap_or_default() {
            units.push(unit.id.ok_or_else(|| CallError::incomplete(OPERATION, "Id"))?);
        }
    }
    Ok(units)
}

fn read(operation: &'static str, account: types::Account) -> Result<Account, CallError> {
    let id = account.id.and_then(|id| AccountId::new(id).ok());
    let id = id.ok_or_else(|| CallError::incomplete(operation, "Id"))?;
    let status = match (&account.state, &account.status) {
        (Some(AccountState::PendingActivation), _) => AccountStatus::PendingActivation,
        (Some(AccountState::Active), _) => AccountStatus::Active,
        (Some(AccountState::Suspended), _) => AccountStatus::Suspended,
        (Some(AccountState::PendingClosure), _) => AccountStatus::PendingClosure,
        (Some(AccountState::Closed), _) => AccountStatus::Closed,
        (Some(other), _) => AccountStatus::Unknown(other.as_str().to_owned()),
        // `Status` is what AWS showed alone until 2025, and what it was to leave out from September 2026 on.
        (None, Some(types::AccountStatus::Active)) => AccountStatus::Active,
        (None, Some(types::AccountStatus::Suspended)) => AccountStatus::Suspended,
        (None, Some(types::AccountStatus::PendingClosure)) => AccountStatus::PendingClosure,
        (None, Some(other)) => AccountStatus::Unknown(other.as_str().to_owned()),
        (None, None) => return Err(CallError::incomplete(operation, "State")),
    };
    let joined = account.joined_timestamp.as_ref().and_then(moment);
    Ok(Account { id, name: account.name.unwrap_or_default(), status, joined })
}

/// `None` when AWS refused with this code.
fn unless<T>(code: &str, answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code() == Some(code) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
