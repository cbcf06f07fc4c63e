//! Who the caller is, and in which account and partition.

use contract::AccountId;
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
        (Some(account), Some(partition), Some(arn)) => Ok(Caller { account, partition, arn }),
        _ => Err(CallError::incomplete(OPERATION, "Account")),
    }
}
