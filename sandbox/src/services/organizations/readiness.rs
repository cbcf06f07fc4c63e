//! Whether an account can be used: one that is suspended cannot, and a new one is not ready at first.

use std::time::Duration;

use jiff::Timestamp;

use super::AccountState;
use crate::services::Service;
use crate::{ApiError, World};

/// What passes on the virtual clock, at least, when an account is refused because it is new.
const WAIT_AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// A new account is refused so many times at most: whoever doubles the pauses between the tries would wait for minutes.
const MOST_REFUSALS: u32 = 8;

/// An account that was created a moment ago.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Newcomer {
    /// From when on roles in it can be assumed.
    admits: Timestamp,
    /// From when on services work in it.
    ready: Timestamp,
    /// What each refusal lets pass.
    wait: Duration,
}

impl Newcomer {
    pub(super) fn new(admits: Timestamp, ready: Timestamp, while_new: Duration) -> Self {
        Self { admits, ready, wait: WAIT_AFTER_REFUSAL.max(while_new / MOST_REFUSALS) }
    }
}

/// Whether roles in an account can be assumed, and its keys be used.
pub(crate) fn admits_sessions(world: &World, account: &str) -> bool {
    let is_known = world.organizations.newcomers.get(account).is_none_or(|new| new.admits <= world.now());
    is_known && world.organizations.state_of(account) == AccountState::Active
}

/// Whether the services work in an account.
pub(crate) fn is_ready(world: &World, account: &str) -> bool {
    world.organizations.newcomers.get(account).is_none_or(|new| new.ready <= world.now())
}

/// Lets a moment pass when an account is refused because it is new; see [`World::delay_account_readiness`].
pub(crate) fn wait_after_refusal(world: &mut World, account: &str) {
    if let Some(new) = world.organizations.newcomers.get(account).filter(|new| new.ready > world.now()) {
        world.agenda.pass(new.wait);
    }
}

/// Refuses a request to a service that does not know an account yet. IAM, STS and Organizations are the first to know.
///
/// That the codes are these was seen with CloudFormation, Lambda and Systems Manager, whose protocol is that of Secrets
/// Manager; that of S3 is in its API reference, "List of error codes".
pub(crate) fn check_readiness(world: &mut World, service: Service, account: &str) -> Result<(), ApiError> {
    if is_ready(world, account) {
        return Ok(());
    }
    let (code, status) = match service {
        Service::Iam | Service::Organizations | Service::Sts => return Ok(()),
        Service::CloudFormation => ("OptInRequired", 403),
        Service::Lambda => ("SubscriptionRequiredException", 403),
        Service::SecretsManager => ("SubscriptionRequiredException", 400),
        Service::S3 => ("NotSignedUp", 403),
    };
    wait_after_refusal(world, account);
    let message = match service {
        Service::S3 => "Your account is not signed up for the Amazon S3 service.",
        _ => "The AWS Access Key Id needs a subscription for the service",
    };
    Err(ApiError::new(code, message).with_status(status))
}
