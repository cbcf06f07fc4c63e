//! STS: proof that a key works, and whose it is.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::config::retry::RetryConfig;
use contract::KeyPair;

use super::{Clients, call_error};
use crate::error::CallError;

/// Whom a key authenticates as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) account: String,
    pub(crate) user_id: String,
}

/// A client that signs with `key`, at the STS endpoint of the function's region. It does not retry: whoever tests a
/// key polls, and wants every answer.
pub(crate) fn client_for(clients: &Clients, key: &KeyPair) -> aws_sdk_sts::Client {
    let credentials = Credentials::new(key.id.as_str(), key.secret.expose(), None, None, "pending key");
    let config = aws_sdk_sts::config::Builder::from(&clients.config)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled());
    aws_sdk_sts::Client::from_conf(config.build())
}

/// Asks STS whose key this is. It needs no permission and answers even under an explicit deny (STS API reference).
pub(crate) async fn caller_identity(client: &aws_sdk_sts::Client) -> Result<Identity, CallError> {
    let answer = client.get_caller_identity().send().await;
    let answer = answer.map_err(|error| call_error("sts:GetCallerIdentity", &error))?;
    Ok(Identity { account: answer.account.unwrap_or_default(), user_id: answer.user_id.unwrap_or_default() })
}
