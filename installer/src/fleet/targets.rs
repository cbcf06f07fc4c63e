//! Decides which accounts are worked on: what the fleet says and what the organization has go in, a value comes out.

use std::collections::{BTreeMap, BTreeSet};

use contract::AccountId;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Fleet, Wanted};
use crate::aws::organizations::{Account, AccountStatus};
use crate::names::policy_in;

/// For how long an account counts as new. AWS makes one ready within minutes as a rule, within a day at worst.
const NEW: SignedDuration = SignedDuration::from_hours(24);

/// An account to be worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The account.
    pub account: AccountId,
    /// What the organization calls it; empty when nobody has asked.
    pub name: String,
    /// Whether it has joined the organization not long ago: AWS may not have made it ready yet.
    pub is_new: bool,
    /// What is wanted there.
    pub wanted: Wanted,
}

/// An account that is not worked on, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The account.
    pub account: AccountId,
    /// What the organization calls it.
    pub name: String,
    /// Why.
    #[serde(flatten)]
    pub why: Why,
}

/// Why an account is not worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum Why {
    /// The fleet says so.
    Excepted,
    /// It is not in use: AWS would refuse everything.
    NotInUse {
        /// Its status.
        status: AccountStatus,
    },
    /// It is the management account, into which StackSets never brings a stack of an organization, and the caller is a
    /// delegated administrator, who does not enter it.
    Management,
}

/// All accounts of a fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    /// Those that are worked on: the ones that the fleet names in its order, then those of the units by number.
    pub chosen: Vec<Target>,
    /// Those that are not.
    pub left_out: Vec<LeftOut>,
}

/// Decides. `members` are the accounts of the fleet's units; an account can be in several of them.
pub fn choose(fleet: &Fleet, members: &[Account], now: Option<Timestamp>) -> Targets {
    let known: BTreeMap<&AccountId, &Account> = members.iter().map(|account| (&account.id, account)).collect();
    let named = fleet.accounts.iter().map(|(account, wanted)| (account, wanted));
    let others = known.keys().map(|account| (*account, &fleet.defaults));
    let (mut targets, mut seen) = (Targets::default(), BTreeSet::new());
    for (account, wanted) in named.chain(others) {
        if !seen.insert(account) {
            continue;
        }
        let found = known.get(account);
        let name = found.map(|found| found.name.clone()).unwrap_or_default();
        let why = match found.map(|found| &found.status) {
            _ if fleet.except.contains(account) => Some(Why::Excepted),
            // One that is being signed up may be ready by the time its wave comes.
            None | Some(AccountStatus::Active | AccountStatus::PendingActivation) => None,
            Some(status) => Some(Why::NotInUse { status: status.clone() }),
        };
        match why {
            Some(why) => targets.left_out.push(LeftOut { account: account.clone(), name, why }),
            None => {
                let joined = found.and_then(|found| found.joined);
                let is_new = joined.zip(now).is_some_and(|(joined, now)| now.duration_since(joined) < NEW);
                let mut wanted = wanted.clone();
                // Each account has its own policy of that name: no other is taken for a boundary.
                let boundary = wanted.config.permissions_boundary.as_mut();
                boundary.into_iter().for_each(|arn| *arn = policy_in(arn, account.as_str()));
                targets.chosen.push(Target { account: account.clone(), name, is_new, wanted });
            }
        }
    }
    targets
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Excepted => f.write_str("excepted by the fleet"),
            Self::NotInUse { status } => write!(f, "not in use: {status}"),
            Self::Management => f.write_str(
                "the management account, which StackSets does not reach: roll out with its own credentials, or `keyturn bootstrap` there",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FLEET: &str = "
version: 1
accounts:
  - '000000000002'
  - { id: '000000000009', users: [nine] }
units: [ou-abcd-11111111]
except: ['000000000004', '000000000009']
defaults: { region: eu-central-1, users: [ci] }
";

    fn account(number: usize, status: AccountStatus) -> Account {
        let joined = format!("2026-01-0{number}T00:00:00Z").parse().ok();
        Account {
            id: AccountId::new(format!("{number:012}")).unwrap(),
            name: format!("account {number}"),
            status,
            joined,
        }
    }

    #[test]
    fn accounts_are_chosen_once_and_those_that_cannot_be_used_are_told() {
        let fleet = super::super::manifest::parse(Path::new("fleet.yaml"), FLEET).unwrap();
        let members = [
            account(5, AccountStatus::PendingActivation),
            account(1, AccountStatus::Active),
            account(2, AccountStatus::Active),
            account(3, AccountStatus::Suspended),
            account(4, AccountStatus::Active),
            account(1, AccountStatus::Active),
            account(6, AccountStatus::Unknown("PAUSED".to_owned())),
        ];
        let targets = choose(&fleet, &members, "2026-01-05T12:00:00Z".parse().ok());
        let new: Vec<_> =
            targets.chosen.iter().filter(|target| target.is_new).map(|target| target.name.as_str()).collect();
        assert_eq!(new, ["account 5"]);
        let chosen: Vec<_> = targets.chosen.iter().map(|target| target.account.as_str()).collect();
        assert_eq!(chosen, ["000000000002", "000000000001", "000000000005"]);
        let left_out: Vec<_> = targets.left_out.iter().map(|left| format!("{}: {}", left.account, left.why)).collect();
        let expected = [
            "000000000009: excepted by the fleet",
            "000000000003: not in use: suspended",
            "000000000004: excepted by the fleet",
            "000000000006: not in use: PAUSED",
        ];
        assert_eq!(left_out, expected);
    }
}
