//! What the policy of a role, bucket or event bus says of somebody, and what follows from that together with their own policies.

use super::policy::{Policy, Principal, Question, Verdict};
use crate::request::Caller;

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    NoIdentityPolicy,
    NoBoundary,
    /// The policy of the resource does not allow it: of a role, its trust policy.
    NoConsent,
    DeniedByIdentityPolicy,
    DeniedByBoundary,
    DeniedByResource,
}

/// What the policy of a resource says of a caller.
pub(super) struct Consent {
    /// Of them by their own ARN.
    direct: Verdict,
    /// Of all of their account, as far as the account's own policies let them.
    through_account: Verdict,
}

impl Consent {
    /// A resource without a policy says nothing.
    pub(super) fn of(policy: Option<&Policy>, caller: &Caller, principal_arn: &str, question: &Question<'_>) -> Self {
        let Some(policy) = policy else { return Self { direct: Verdict::Silent, through_account: Verdict::Silent } };
        let is_direct = |principal: &Principal| match principal {
            Principal::Anyone => true,
            Principal::Arn(arn) => *arn == caller.arn || *arn == principal_arn,
            Principal::Account(_) | Principal::Federated(_) | Principal::Service(_) => false,
        };
        let is_account = |principal: &Principal| *principal == Principal::Account(caller.account.clone());
        Self {
            direct: policy.verdict_for(is_direct, question),
            through_account: policy.verdict_for(is_account, question),
        }
    }

    /// Why a role cannot be assumed. Inside an account, a trust policy that names the caller is enough; otherwise
    /// both sides must agree.
    pub(super) fn refusal(&self, own_refusal: Option<Reason>, same_account: bool) -> Option<Reason> {
        match (self.direct.max(self.through_account), own_refusal) {
            (Verdict::Deny, _) => Some(Reason::DeniedByResource),
            (Verdict::Silent, _) => Some(Reason::NoConsent),
            (Verdict::Allow, Some(Reason::NoIdentityPolicy)) if same_account && self.direct == Verdict::Allow => None,
            (Verdict::Allow, own_refusal) => own_refusal,
        }
    }

    /// Why something in a bucket, or on an event bus, cannot be done. The difference to a role: inside an account, the caller's own policies
    /// are enough.
    pub(super) fn refusal_inside_account(&self, own_refusal: Option<Reason>, same_account: bool) -> Option<Reason> {
        match self.direct.max(self.through_account) {
            Verdict::Silent if same_account => own_refusal,
            Verdict::Silent | Verdict::Allow | Verdict::Deny => self.refusal(own_refusal, same_account),
        }
    }
}
