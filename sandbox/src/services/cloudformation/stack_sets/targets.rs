//! Which accounts an operation is about: those below units, those it names, or what a filter makes of both.

use std::collections::{BTreeMap, BTreeSet};

use super::super::invalid;
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::services::organizations::{self, Below};
use crate::{ApiError, World};

/// The deployment targets (API reference, DeploymentTargets).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Targets {
    pub(super) units: Vec<String>,
    pub(super) accounts: BTreeSet<String>,
    filter: Filter,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Filter {
    /// All accounts below the units.
    #[default]
    None,
    /// Those of them that are named.
    Intersection,
    /// Those of them that are not named.
    Difference,
    /// These, and those that are named.
    Union,
}

/// The accounts below a unit that a stack set covers, also those that are still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Extent {
    AllBut(BTreeSet<String>),
    Only(BTreeSet<String>),
}

impl Targets {
    /// Takes the targets, also where accounts stand outside of the structure, as for self-managed permissions.
    pub(super) fn take(input: &mut QueryInput) -> Result<Self, ApiError> {
        let (units, accounts) = (input.texts("DeploymentTargets.OrganizationalUnitIds"), "DeploymentTargets.Accounts");
        let (inside, outside) = (input.texts(accounts), input.texts("Accounts"));
        let filter = match input.text("DeploymentTargets.AccountFilterType").as_deref() {
            None => None,
            Some("NONE") => Some(Filter::None),
            Some("INTERSECTION") => Some(Filter::Intersection),
            Some("DIFFERENCE") => Some(Filter::Difference),
            Some("UNION") => Some(Filter::Union),
            Some(other) => return Err(ApiError::unknown("account filter type", other)),
        };
        if !outside.is_empty() && (!inside.is_empty() || !units.is_empty()) {
            return Err(invalid("Accounts and DeploymentTargets cannot be specified together"));
        }
        let accounts: BTreeSet<String> = inside.into_iter().chain(outside).collect();
        let is_number = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(wrong) = accounts.iter().find(|account| !is_number(account)) {
            return Err(invalid(format!("Value '{wrong}' at 'accounts' is not the number of an account")));
        }
        match filter {
            None if !units.is_empty() && !accounts.is_empty() => {
                Err(invalid("AccountFilterType must be specified with Accounts and OrganizationalUnitIds"))
            }
            Some(Filter::Intersection | Filter::Difference | Filter::Union)
                if accounts.is_empty() || units.is_empty() =>
            {
                Err(invalid("AccountFilterType needs Accounts and OrganizationalUnitIds"))
            }
            Some(Filter::None) if !accounts.is_empty() => {
                Err(invalid("Accounts cannot be specified with the AccountFilterType NONE"))
            }
            filter => Ok(Self { units, accounts, filter: filter.unwrap_or_default() }),
        }
    }

    pub(super) fn of_unit(unit: &str, account: &str) -> Self {
        let accounts = BTreeSet::from([account.to_owned()]);
        Self { units: vec![unit.to_owned()], accounts, filter: Filter::Intersection }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty() && self.accounts.is_empty()
    }

    /// The accounts in an organization, each with the unit for which it is among them. Those that cannot be used are
    /// passed over, unless `also_inactive`; the management account always is.
    pub(super) fn resolve(
        &self,
        world: &World,
        management: &str,
        also_inactive: bool,
    ) -> Result<BTreeMap<String, Option<String>>, ApiError> {
        let mut found = BTreeMap::new();
        for unit in &self.units {
            let below = organizations::accounts_below(world, management, unit);
            let below = below.ok_or_else(|| invalid(format!("Organizational unit {unit} not found")))?;
            let usable = below.into_iter().filter(|it| it.is_active || also_inactive);
            for Below { account, .. } in usable.filter(|it| self.extent().covers(&it.account)) {
                found.entry(account).or_insert_with(|| Some(unit.clone()));
            }
        }
        if self.units.is_empty() || self.filter == Filter::Union {
            for account in self.accounts.iter().filter(|account| *account != management) {
                found.entry(account.clone()).or_insert(None);
            }
        }
        Ok(found)
    }

    /// What is covered of each unit.
    pub(super) fn extent(&self) -> Extent {
        match self.filter {
            Filter::None | Filter::Union => Extent::AllBut(BTreeSet::new()),
            Filter::Difference => Extent::AllBut(self.accounts.clone()),
            Filter::Intersection => Extent::Only(self.accounts.clone()),
        }
    }

    pub(super) fn shown(&self) -> Xml {
        let filter = match self.filter {
            Filter::None => "NONE",
            Filter::Intersection => "INTERSECTION",
            Filter::Difference => "DIFFERENCE",
            Filter::Union => "UNION",
        };
        Xml::new()
            .members("Accounts", self.accounts.iter().map(Xml::plain))
            .members("OrganizationalUnitIds", self.units.iter().map(Xml::plain))
            .text("AccountFilterType", filter)
    }
}

impl Extent {
    pub(super) fn covers(&self, account: &str) -> bool {
        match self {
            Self::AllBut(left_out) => !left_out.contains(account),
            Self::Only(wanted) => wanted.contains(account),
        }
    }

    /// What both cover together.
    pub(super) fn with(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::AllBut(one), Self::AllBut(two)) => Self::AllBut(one & two),
            (Self::AllBut(left_out), Self::Only(wanted)) | (Self::Only(wanted), Self::AllBut(left_out)) => {
                Self::AllBut(left_out - wanted)
            }
            (Self::Only(one), Self::Only(two)) => Self::Only(one | two),
        }
    }

    /// What is left without the other; `None` when that is nothing.
    pub(super) fn without(&self, other: &Self) -> Option<Self> {
        let left = match (self, other) {
            (Self::AllBut(one), Self::AllBut(two)) => Self::Only(two - one),
            (Self::AllBut(left_out), Self::Only(given_up)) => Self::AllBut(left_out | given_up),
            (Self::Only(wanted), Self::AllBut(left_out)) => Self::Only(wanted & left_out),
            (Self::Only(wanted), Self::Only(given_up)) => Self::Only(wanted - given_up),
        };
        Some(left).filter(|left| *left != Self::Only(BTreeSet::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &str) -> BTreeSet<String> {
        names.chars().map(|name| name.to_string()).collect()
    }

    #[test]
    fn extents_are_put_together_and_taken_apart() {
        let (all_but, only) = (|names| Extent::AllBut(set(names)), |names| Extent::Only(set(names)));
        let extents = [all_but(""), all_but("ab"), all_but("b"), only("a"), only("bc")];
        for one in &extents {
            for two in &extents {
                for account in ["a", "b", "c", "d"] {
                    let (in_one, in_two) = (one.covers(account), two.covers(account));
                    assert_eq!(one.with(two).covers(account), in_one || in_two, "{one:?} {two:?} {account}");
                    let left = one.without(two).is_some_and(|left| left.covers(account));
                    assert_eq!(left, in_one && !in_two, "{one:?} {two:?} {account}");
                }
            }
        }
        assert_eq!(all_but("").without(&all_but("")), None);
    }
}
