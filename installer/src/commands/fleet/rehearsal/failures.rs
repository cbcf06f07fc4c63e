//! Decides what goes wrong in a rehearsal, and where: by a seed, so that it can be seen once more.

use std::fmt;

use contract::AccountId;
use serde::Serialize;

/// Something that goes wrong in one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::commands) struct Injected {
    /// The account.
    pub(in crate::commands) account: AccountId,
    /// What goes wrong there.
    #[serde(flatten)]
    pub(in crate::commands) what: What,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "injected")]
pub(in crate::commands) enum What {
    /// The role that the account is entered by is not there.
    NoRole,
    /// A policy of the organization forbids an action.
    Denied {
        /// Which one.
        action: &'static str,
    },
    /// The function may make no key.
    NoKeys,
    /// Some calls are refused because there were too many. They are repeated, so nothing comes of it.
    Throttled {
        /// Which ones.
        operation: &'static str,
    },
    /// A call is done, and its answer is lost. It is repeated, so nothing comes of it.
    LostAnswer {
        /// Which one.
        operation: &'static str,
    },
}

/// What there is to go wrong, in turn. Three of five are failures, two are not, if keyturn keeps its word.
pub(super) const KINDS: [What; 8] = [
    What::Denied { action: "iam:CreateRole" },
    What::Throttled { operation: "cloudformation:DescribeStacks" },
    What::NoRole,
    What::LostAnswer { operation: "cloudformation:ExecuteChangeSet" },
    What::NoKeys,
    What::Denied { action: "s3:PutObject" },
    What::LostAnswer { operation: "secretsmanager:RotateSecret" },
    What::Denied { action: "secretsmanager:RotateSecret" },
];

/// The same where StackSets brings the stacks into the accounts: nobody enters them for that, and it repeats its calls
/// itself.
pub(super) const OF_STACK_SETS: [What; 4] = [
    What::Denied { action: "iam:CreateRole" },
    What::Denied { action: "lambda:*" },
    What::NoKeys,
    What::Denied { action: "events:PutRule" },
];

/// Draws so many of a hundred accounts, rounded up, and something for each.
pub(super) fn draw(accounts: &[AccountId], kinds: &[What], percent: u8, seed: u64) -> Vec<Injected> {
    let mut random = fastrand::Rng::with_seed(seed);
    let count = accounts.len().saturating_mul(usize::from(percent)).div_ceil(100);
    let mut drawn = random.choose_multiple(accounts, count);
    drawn.sort();
    let first = random.usize(..kinds.len().max(1));
    let kinds = kinds.iter().copied().cycle().skip(first);
    drawn.into_iter().zip(kinds).map(|(account, what)| Injected { account: account.clone(), what }).collect()
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, what } = self;
        match what {
            What::NoRole => write!(f, "{account}: there is no role to enter it by"),
            What::Denied { action } => write!(f, "{account}: a policy of the organization forbids `{action}`"),
            What::NoKeys => write!(f, "{account}: the function is not allowed to make keys"),
            What::Throttled { operation } => write!(f, "{account}: `{operation}` is throttled for a while"),
            What::LostAnswer { operation } => write!(f, "{account}: the first answer to `{operation}` is lost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_accounts_is_drawn_and_the_same_one_by_the_same_seed() {
        let accounts: Vec<_> = (0..40_u64).map(|number| AccountId::new(format!("{number:012}")).unwrap()).collect();
        let drawn = draw(&accounts, &KINDS, 5, 7);
        assert_eq!((drawn.len(), &drawn), (2, &draw(&accounts, &KINDS, 5, 7)));
        assert_ne!(drawn, draw(&accounts, &KINDS, 5, 8));
        assert_eq!(
            (
                draw(&accounts, &KINDS, 0, 7).len(),
                draw(&accounts[..3], &KINDS, 5, 7).len(),
                draw(&[], &KINDS, 100, 7).len()
            ),
            (0, 1, 0)
        );
        // With enough of them everything happens.
        let all = draw(&accounts, &KINDS, 100, 7);
        assert!(KINDS.iter().all(|kind| all.iter().any(|injected| injected.what == *kind)), "{all:?}");
    }
}
