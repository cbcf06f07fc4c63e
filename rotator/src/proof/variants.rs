//! The function with one thing broken in it. Each must be caught, by the invariant that it breaks.

use super::aws::{Attempt, KeyNo, NOW, Time, VersionNo};
use super::calls::{Call, End};
use super::decide::{Program, Seen};

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    /// With two keys there, createSecret deletes the oldest, as many rotation functions do.
    DeleteOldest,
    /// createSecret deletes the key that it is about to replace before the new one is stored.
    DeleteBeforeStore,
    /// finishSecret does not prove the key, and testSecret was not called.
    PromoteUntested,
    /// The SDK tries CreateAccessKey again when the answer is lost.
    RetryCreateAccessKey,
    /// A last use that could not be read counts as none.
    ReadErrorMeansUnused,
    /// The attempt is not recorded before the key is created.
    ForgetAttempt,
    /// A key is deleted in the pass that has deactivated it.
    DeleteAtOnce,
    /// An Active key is deleted as it is.
    DeleteActive,
    /// The current key is not read again right before a key is changed.
    TrustStaleCurrent,
    /// finishSecret tidies up behind the label move.
    TidyAfterMove,
    /// A current key that was disabled is activated.
    ReactivateCurrent,
    /// Whoever bears the user's name is taken for the user.
    TrustTheName,
    /// The key that is about to be superseded is not marked before the label move.
    GuessTheTime,
    /// A pending version that cannot become current keeps its label.
    KeepDeadPending,
}

impl Variant {
    pub(super) const ALL: [(Self, &'static str); 14] = [
        (Self::DeleteOldest, "r1_current_key_untouched"),
        (Self::DeleteBeforeStore, "r1_current_key_untouched"),
        (Self::PromoteUntested, "r2_only_proven_keys_become_current"),
        (Self::RetryCreateAccessKey, "r3_one_key_per_attempt"),
        (Self::ReadErrorMeansUnused, "r5_nothing_goes_that_may_be_needed"),
        (Self::ForgetAttempt, "r7_progress_or_a_named_reason"),
        (Self::DeleteAtOnce, "r5_nothing_goes_that_may_be_needed"),
        (Self::DeleteActive, "r4_only_inactive_keys_are_deleted"),
        (Self::TrustStaleCurrent, "r1_current_key_untouched"),
        (Self::TidyAfterMove, "r6_nothing_after_the_label_move"),
        (Self::ReactivateCurrent, "r7_people_have_the_last_word"),
        (Self::TrustTheName, "r8_only_the_bound_user"),
        (Self::GuessTheTime, "r5_nothing_goes_that_may_be_needed"),
        (Self::KeepDeadPending, "r7_progress_or_a_named_reason"),
    ];

    /// What the broken function does instead of these calls.
    pub(super) fn instead(self, program: Program, token: VersionNo, seen: &Seen, calls: Vec<Call>) -> Vec<Call> {
        let without = |unwanted: fn(&Call) -> bool| calls.iter().copied().filter(|call| !unwanted(call)).collect();
        let creates = program == Program::Create && seen.pending.is_none() && calls != [Call::Evidence];
        match self {
            Self::DeleteOldest if creates => {
                let keys = (0..).zip(&seen.keys).filter_map(|(number, key)| key.map(|(_, created)| (created, number)));
                let keys: Vec<(Time, KeyNo)> = keys.collect();
                match keys.iter().min() {
                    Some((_, oldest)) if keys.len() >= 2 => careless(*oldest, token),
                    _ => calls,
                }
            }
            Self::DeleteBeforeStore if creates => match seen.secret.current_key() {
                Some(current) if calls.contains(&Call::CreateKey { again: false }) => careless(current, token),
                _ => calls,
            },
            Self::PromoteUntested if matches!(program, Program::Test | Program::Finish) => {
                without(|call| matches!(call, Call::Prove(_)))
            }
            Self::ForgetAttempt => without(|call| matches!(call, Call::Attempt(_))),
            Self::DeleteAtOnce => {
                let delete = |call: &Call| match call {
                    Call::Deactivate(key) => vec![*call, Call::ProtectCurrent(*key), Call::Delete(*key)],
                    call => vec![*call],
                };
                calls.iter().flat_map(delete).collect()
            }
            Self::DeleteActive => without(|call| matches!(call, Call::Deactivate(_) | Call::IsInactive(_))),
            Self::TrustStaleCurrent => without(|call| matches!(call, Call::ProtectCurrent(_))),
            Self::TidyAfterMove => {
                let tidy = |call: &Call| match call {
                    Call::MoveCurrent { .. } => vec![*call, Call::Forget { marks: 0, given_up: 0 }],
                    call => vec![*call],
                };
                calls.iter().flat_map(tidy).collect()
            }
            Self::ReactivateCurrent => match (calls.as_slice(), seen.secret.current_key()) {
                ([Call::End(End::Blocked("current_disabled"))], Some(key)) => {
                    vec![Call::Activate(key), Call::End(End::Done)]
                }
                _ => calls,
            },
            Self::GuessTheTime if program == Program::Finish => without(|call| matches!(call, Call::Mark(..))),
            Self::KeepDeadPending => without(|call| matches!(call, Call::DropPending(_))),
            _ => calls,
        }
    }
}

/// Deletes a key without asking, and goes on.
fn careless(key: KeyNo, token: VersionNo) -> Vec<Call> {
    let [deactivate, delete] = [Call::Deactivate(key), Call::Delete(key)];
    let attempt = Attempt { token, since: NOW, at: NOW };
    vec![deactivate, delete, Call::Attempt(attempt), Call::CreateKey { again: false }]
}
