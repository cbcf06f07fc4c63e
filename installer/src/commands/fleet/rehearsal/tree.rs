//! The tree that the accounts of a fleet are in, as far as the fleet is about it.

use std::collections::BTreeMap;

use contract::AccountId;

use crate::aws::organizations::{self, Account, Organization, Unit};
use crate::aws::{CallError, Clients};
use crate::fleet::Fleet;

/// The ids of an organization that nobody has asked about.
const NO_ORGANIZATION: &str = "o-rehearsal00";
const NO_ROOT: &str = "r-copy";

/// A part of an organization.
#[derive(Debug)]
pub(super) struct Tree {
    /// The organization: what is deployed may name it.
    pub(super) id: String,
    pub(super) management: AccountId,
    pub(super) root: String,
    /// The units of the fleet and those below them, each behind the one that it is in.
    pub(super) units: Vec<Unit>,
}

impl Tree {
    /// All accounts.
    pub(super) fn accounts(&self) -> Vec<Account> {
        self.units.iter().flat_map(|unit| unit.accounts.clone()).collect()
    }

    /// Where an account is: right below the root, when no unit of the fleet has it.
    pub(super) fn parents(&self) -> BTreeMap<&AccountId, &str> {
        let mut parents = BTreeMap::new();
        for Unit { id, accounts, .. } in &self.units {
            parents.extend(accounts.iter().map(|account| (&account.id, id.as_str())));
        }
        parents
    }
}

/// Reads it. Where no organization was asked about, the caller's account stands for the management account.
pub(super) async fn read(
    clients: &Clients,
    fleet: &Fleet,
    (caller, organization): (&AccountId, Option<Organization>),
    names_root: bool,
) -> Result<Tree, CallError> {
    let mut units: Vec<Unit> = Vec::new();
    for unit in &fleet.units {
        units.extend(organizations::units_below(clients, unit).await?);
    }
    let units = in_order(units);
    let root = match units.first() {
        Some(unit) => root_of(&unit.id),
        None if names_root => organizations::root(clients).await?,
        None => NO_ROOT.to_owned(),
    };
    let (id, management) = match organization {
        Some(Organization { id, management }) => (id, management),
        None => (NO_ORGANIZATION.to_owned(), caller.clone()),
    };
    Ok(Tree { id, management, root, units })
}

/// The root that a unit is below: its id begins with that of the root (Organizations API reference, OrganizationalUnit).
fn root_of(unit: &str) -> String {
    format!("r-{}", unit.split('-').nth(1).unwrap_or_default())
}

/// Each unit once, behind the one that it is in: a fleet may name both of them, in any order.
fn in_order(found: Vec<Unit>) -> Vec<Unit> {
    let mut units: BTreeMap<String, Unit> = BTreeMap::new();
    for unit in found {
        let parent = unit.parent.clone();
        let known = units.entry(unit.id.clone()).or_insert(unit);
        known.parent = known.parent.take().or(parent);
    }
    let depth = |unit: &Unit| {
        let above = |id: &String| units.get(id).and_then(|unit| unit.parent.clone());
        // As deep as units may be, whatever AWS says.
        std::iter::successors(unit.parent.clone(), above).take(5).count()
    };
    let mut ordered: Vec<(usize, Unit)> = units.values().map(|unit| (depth(unit), unit.clone())).collect();
    ordered.sort_by_key(|(depth, _)| *depth);
    ordered.into_iter().map(|(_, unit)| unit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_stands_behind_the_one_that_it_is_in_whichever_the_fleet_names_first() {
        let unit = |id: &str, parent: Option<&str>| Unit {
            id: id.to_owned(),
            parent: parent.map(str::to_owned),
            accounts: Vec::new(),
        };
        let (inner, outer) = ("ou-abcd-11111111", "ou-abcd-22222222");
        let found = vec![unit(inner, None), unit(outer, None), unit(inner, Some(outer))];
        assert_eq!(in_order(found), [unit(outer, None), unit(inner, Some(outer))]);
        assert_eq!((root_of(inner), root_of("r-abcd")), ("r-abcd".to_owned(), "r-abcd".to_owned()));
    }
}
