//! Who the caller is, and in which account and partition.

use contract::{AccessKeyId, AccountId};
use serde::Serialize;

use super::{CallError, Clients, reduce};

/// The caller, as STS sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// The account that everything happens in.
    pub account: AccountId,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The caller itself.
    pub arn: String,
}

/// Asks STS who the caller is.
///
/// # Errors
/// [`CallError`], in particular when there are no credentials or none that AWS accepts.
pub async fn caller(clients: &Clients) -> Result<Caller, CallError> {
    const OPERATION: &str = "sts:GetCallerIdentity";
    let answer = clients.sts.get_caller_identity().send().await.map_err(reduce(OPERATION))?;
    let account = answer.account().and_then(|account| AccountId::new(account).ok());
    let arn = answer.arn().map(str::to_owned);
    let partition = arn.as_deref().and_then(|arn| arn.split(':').nth(1)).map(str::to_owned);
    match (account, partition, arn) {
        (Some(account), Some(partition), Some(arn)) => {
            // Whoever knew it before knew the same: the credentials of a run are those of one account.
            let _ = clients.account.set(account.clone());
            Ok(Caller { account, partition, arn })
        }
        _ => Err(CallError::incomplete(OPERATION, "Account")),
    }
}

/// The account of the caller, which is asked for once a run.
///
/// # Errors
/// [`CallError`].
pub async fn account(clients: &Clients) -> Result<AccountId, CallError> {
    match clients.account.get() {
        Some(account) => Ok(account.clone()),
        None => Ok(caller(clients).await?.account),
    }
}

/// The account that a key belongs to, whether it is Active or not; `None` for one of which STS says that it does not exist.
/// For a deleted key it may still name the account (STS API reference, GetAccessKeyInfo).
///
/// # Errors
/// [`CallError`].
pub async fn account_of(clients: &Clients, key: &AccessKeyId) -> Result<Option<AccountId>, CallError> {
    const OPERATION: &str = "sts:GetAccessKeyInfo";
    let answer = clients.sts.get_access_key_info().access_key_id(key.as_str()).send().await.map_err(reduce(OPERATION));
    match answer {
        Ok(answer) => {
            let account = answer.account().and_then(|account| AccountId::new(account).ok());
            account.map(Some).ok_or_else(|| CallError::incomplete(OPERATION, "Account"))
        }
        // The reference gives this refusal no code.
        Err(error) if error.message().is_some_and(says_gone) => Ok(None),
        Err(error) => Err(error),
    }
}

fn says_gone(message: &str) -> bool {
    ["does not exist", "doesn't exist"].iter().any(|words| message.contains(words))
}
