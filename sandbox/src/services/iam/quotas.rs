//! How large policies may be and how many a role may have (IAM user guide, "IAM and AWS STS quotas").

use super::account::{Permissions, State, no_such_entity};
use super::policy::Policy;
use crate::ApiError;

/// Managed policies that a role may have. Accounts can have it raised to 20; the sandbox's have not.
const POLICIES_PER_ROLE: usize = 10;

/// Characters, without white space, of a managed policy.
const MANAGED_POLICY_SIZE: usize = 6_144;

/// Characters, without white space, of all inline policies of a role together.
const INLINE_POLICIES_SIZE: usize = 10_240;

/// Characters, without white space, of a trust policy.
const TRUST_POLICY_SIZE: usize = 2_048;

/// Checks what a role is about to be permitted: that the policies are there, and not too many or too large.
pub(super) fn check(iam: &State, role: &str, permissions: &Permissions) -> Result<(), ApiError> {
    let Permissions { inline, attached, boundary } = permissions;
    if let Some(arn) = attached.iter().chain(boundary).find(|arn| iam.managed_policy(arn).is_none()) {
        return Err(no_such_entity(format!("Policy {arn} does not exist or is not attachable.")));
    }
    if attached.len() > POLICIES_PER_ROLE {
        return Err(limit_exceeded(format!("Cannot exceed quota for PoliciesPerRole: {POLICIES_PER_ROLE}")));
    }
    if inline.values().map(|policy| policy.length).sum::<usize>() > INLINE_POLICIES_SIZE {
        let message = format!("Maximum policy size of {INLINE_POLICIES_SIZE} bytes exceeded for role {role}");
        return Err(limit_exceeded(message));
    }
    Ok(())
}

/// Checks the size of a managed policy.
pub(super) fn check_managed(policy: &Policy) -> Result<(), ApiError> {
    if policy.length <= MANAGED_POLICY_SIZE {
        return Ok(());
    }
    Err(limit_exceeded(format!("Cannot exceed quota for PolicySize: {MANAGED_POLICY_SIZE}")))
}

/// Checks the size of a trust policy.
pub(super) fn check_trust(policy: &Policy) -> Result<(), ApiError> {
    if policy.length <= TRUST_POLICY_SIZE {
        return Ok(());
    }
    Err(limit_exceeded(format!("Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY_SIZE}")))
}

/// The error for a quota that is used up.
pub(super) fn limit_exceeded(message: String) -> ApiError {
    ApiError::new("LimitExceeded", message).with_status(409)
}
