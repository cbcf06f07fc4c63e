//! Proof that the pending key works: it must authenticate as the bound user before anybody is given it (R2).

use std::time::Duration;

use contract::{KeyPair, SecretArn};
use tokio::time::{Instant, sleep};

use crate::aws::Clients;
use crate::aws::sts::{Identity, caller_identity, client_for};
use crate::error::{CallError, RotationError};
use crate::protocol::Binding;

/// How long a new key is waited for. New keys have been seen to take 3 to 15 s until every endpoint knows them.
const PATIENCE: Duration = Duration::from_secs(75);

/// The pauses between two tries begin with the first and grow to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// The identity of the user to whom a secret is bound. The account is the secret's: a key of another account's user is
/// somebody else's.
pub(crate) fn bound_user(secret: &SecretArn, binding: &Binding) -> Identity {
    let account = secret.as_str().split(':').nth(4).unwrap_or_default().to_owned();
    Identity { account, user_id: binding.id.to_string() }
}

/// Waits until `key` authenticates as `expected`, until `end` at the latest.
pub(crate) async fn prove(
    clients: &Clients,
    key: &KeyPair,
    expected: &Identity,
    end: Instant,
) -> Result<(), RotationError> {
    let client = client_for(clients, key);
    let start = Instant::now();
    let end = end.min(start + PATIENCE);
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match caller_identity(&client).await {
            Ok(identity) if &identity == expected => return Ok(()),
            Ok(_) => return Err(RotationError::WrongIdentity),
            Err(error) => error,
        };
        if !may_pass(&error) || Instant::now() + pause >= end {
            let seconds = start.elapsed().as_secs();
            return Err(RotationError::NotProven { seconds, source: error });
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether a refusal can be one that a new key meets until everybody knows it, or a passing failure of the network.
fn may_pass(error: &CallError) -> bool {
    let new_key = ["InvalidClientTokenId", "SignatureDoesNotMatch", "InvalidAccessKeyId"];
    let throttled = ["Throttling", "ThrottlingException", "RequestLimitExceeded"];
    let code = error.code.as_str();
    !error.definite || new_key.contains(&code) || throttled.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_pass_is_waited_for() {
        let error = |code: &str, definite| CallError {
            operation: "sts:GetCallerIdentity",
            code: code.into(),
            message: String::new(),
            request: String::new(),
            definite,
        };
        for code in ["InvalidClientTokenId", "SignatureDoesNotMatch", "InvalidAccessKeyId", "Throttling"] {
            assert!(may_pass(&error(code, true)), "{code}");
        }
        assert!(may_pass(&error("no connection", false)));
        assert!(!may_pass(&error("RegionDisabledException", true)));
    }
}
