//! Decides what brings a stack set and its instances to what a fleet wants: what is wanted and what was found go in, a value
//! comes out. Nothing is done here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use contract::AccountId;
use serde::Serialize;

use crate::aws::stack_sets::{Instance, InstanceStatus, MOST_UNITS, Permissions, Set, Targets};
use crate::plan::{self, ResourceChange};
use crate::template::{Template, TemplateError};

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Desired<'a> {
    /// The template of every instance.
    pub template: &'a Template,
    /// The tags of the set.
    pub tags: &'a BTreeMap<String, String>,
    /// With whose permissions the stacks are made.
    pub permissions: &'a Permissions,
    /// The accounts, in the order of the fleet.
    pub accounts: Vec<AccountId>,
    /// The units of the fleet, each with those of the accounts that are below it.
    pub units: &'a BTreeMap<String, BTreeSet<AccountId>>,
    /// The accounts that the fleet leaves out.
    pub except: &'a BTreeSet<AccountId>,
    /// The root of the organization: accounts that are named are found below it.
    pub root: Option<&'a str>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The set, if there is one.
    pub set: Option<Set>,
    /// Its instances in the region.
    pub instances: BTreeMap<AccountId, Instance>,
}

/// What is to be done with the set, and what becomes of each account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The name of the set.
    pub set: String,
    /// What is to be done, in this order; nothing when it is empty.
    pub steps: Vec<Step>,
    /// What becomes of each account.
    pub accounts: BTreeMap<AccountId, Change>,
    /// What whoever decides should know besides.
    pub remarks: Vec<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// Make the set.
    Create,
    /// Make the set another one, and all of its instances.
    Update {
        /// Why.
        reason: String,
        /// What changes in every stack.
        changes: Vec<ResourceChange>,
    },
    /// Bring instances to the set that are not what it is.
    Mend {
        /// Their accounts.
        accounts: Vec<AccountId>,
    },
    /// Make instances.
    Add {
        /// Where.
        targets: Targets,
        /// How many accounts that are, as far as anybody knows now.
        count: usize,
    },
}

/// What becomes of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// It gets a stack.
    Add,
    /// Its stack is updated.
    Update,
    /// Its stack is brought to what it should have been.
    Mend,
    /// It is as it should be.
    None,
    /// StackSets does nothing more with its stack.
    Stuck {
        /// Why, in CloudFormation's words.
        reason: Option<String>,
    },
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum StackSetError {
    /// The template of the set cannot be read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// StackSets cannot change that of a set.
    #[error("the stack set `{set}` has {found} permissions, and the fleet wants {wanted} ones")]
    OtherPermissions {
        /// The set.
        set: String,
        /// What it has.
        found: &'static str,
        /// What is wanted.
        wanted: &'static str,
    },
}

impl StackSetError {
    /// What to do now.
    pub fn hint(&self) -> String {
        match self {
            Self::Template(error) => error.hint(),
            Self::OtherPermissions { .. } => {
                "correct `stacksets.permissions`, or `keyturn teardown --fleet` with the old ones first".to_owned()
            }
        }
    }
}

/// Decides.
///
/// # Errors
/// [`StackSetError`].
pub fn plan(name: &str, desired: &Desired<'_>, observed: &Observed) -> Result<Plan, StackSetError> {
    let mut plan = Plan { set: name.to_owned(), steps: Vec::new(), accounts: BTreeMap::new(), remarks: Vec::new() };
    let change = match &observed.set {
        None => Some(Step::Create),
        Some(set) => update(name, desired, set)?,
    };
    let updates = matches!(change, Some(Step::Update { .. }));
    for account in &desired.accounts {
        let change = match observed.instances.get(account) {
            None => Change::Add,
            Some(Instance { status: InstanceStatus::Inoperable, reason, .. }) => {
                Change::Stuck { reason: reason.clone() }
            }
            Some(_) if updates => Change::Update,
            // An operation has ended before it got there.
            Some(Instance { status: InstanceStatus::Outdated, stack: None, .. }) => Change::Add,
            Some(Instance { status: InstanceStatus::Outdated, .. }) => Change::Mend,
            Some(Instance { status: InstanceStatus::Current, .. }) => Change::None,
        };
        plan.accounts.insert(account.clone(), change);
    }
    plan.steps.extend(change);
    let mended = plan.with(&Change::Mend);
    if !mended.is_empty() {
        plan.steps.push(Step::Mend { accounts: mended });
    }
    let added = plan.with(&Change::Add);
    plan.steps.extend(additions(desired, observed.set.as_ref(), &added));
    plan.remarks = remarks(desired, observed);
    Ok(plan)
}

/// What makes the set what it should be; `None` when it is that.
fn update(name: &str, desired: &Desired<'_>, set: &Set) -> Result<Option<Step>, StackSetError> {
    let (found, wanted) = (model(&set.permissions), model(desired.permissions));
    if found != wanted {
        return Err(StackSetError::OtherPermissions { set: name.to_owned(), found, wanted });
    }
    let current = Template::parse(&set.template)?;
    let is_same = current.to_text() == desired.template.to_text();
    let changes =
        if is_same { Vec::new() } else { plan::differences(Some(&current), desired.template, &BTreeMap::new()) };
    let reason = match (is_same, &set.tags == desired.tags) {
        (false, _) if changes.is_empty() => "its template differs outside of the resources",
        (false, _) => "its template differs",
        (true, false) => "its tags differ",
        (true, true) if !agree(&set.permissions, desired.permissions) => "its permissions differ",
        (true, true) if !set.queues => "it lets no operation wait for another one",
        (true, true) => return Ok(None),
    };
    Ok(Some(Step::Update { reason: reason.to_owned(), changes }))
}

fn model(permissions: &Permissions) -> &'static str {
    match permissions {
        Permissions::ServiceManaged { .. } => "service-managed",
        Permissions::SelfManaged { .. } => "self-managed",
    }
}

/// Whether a set has the permissions that are wanted. Where nobody says which role, any is right.
fn agree(found: &Permissions, wanted: &Permissions) -> bool {
    use Permissions::{SelfManaged, ServiceManaged};
    let fits = |found: &Option<String>, wanted: &Option<String>| wanted.is_none() || found == wanted;
    match (found, wanted) {
        (ServiceManaged { follows_accounts: found }, ServiceManaged { follows_accounts: wanted }) => found == wanted,
        (
            SelfManaged { administration_role: one, execution_role: two },
            SelfManaged { administration_role, execution_role },
        ) => fits(one, administration_role) && fits(two, execution_role),
        (ServiceManaged { .. }, SelfManaged { .. }) | (SelfManaged { .. }, ServiceManaged { .. }) => false,
    }
}

/// What makes the instances that lack. A unit that the set does not know yet is named as a whole, so that accounts that
/// come into it later are meant too.
fn additions(desired: &Desired<'_>, set: Option<&Set>, missing: &[AccountId]) -> Vec<Step> {
    let count = missing.len();
    if matches!(desired.permissions, Permissions::SelfManaged { .. }) {
        let targets = Targets::Accounts(missing.to_vec());
        return if count == 0 { Vec::new() } else { vec![Step::Add { targets, count }] };
    }
    let is_known = |unit: &&String| set.is_some_and(|set| set.units.contains(*unit));
    let (known, new): (Vec<&String>, Vec<&String>) = desired.units.keys().partition(is_known);
    let mut rest: BTreeSet<&AccountId> = missing.iter().collect();
    // Takes those out of the rest that are below a unit.
    let mut take = |unit: &String| -> Vec<AccountId> {
        let members = desired.units.get(unit).into_iter().flatten();
        members.filter(|account| rest.remove(account)).cloned().collect()
    };
    let mut steps = Vec::new();
    for units in new.chunks(MOST_UNITS) {
        let count = units.iter().map(|unit| take(unit).len()).sum();
        let (units, except) = (units.iter().copied().cloned().collect(), desired.except.iter().cloned().collect());
        steps.push(Step::Add { targets: Targets::Below { units, except }, count });
    }
    let lacking = known.into_iter().map(|unit| (unit.clone(), take(unit))).filter(|(_, lacking)| !lacking.is_empty());
    for chunk in lacking.collect::<Vec<_>>().chunks(MOST_UNITS) {
        let units = chunk.iter().map(|(unit, _)| unit.clone()).collect();
        let accounts: BTreeSet<AccountId> = chunk.iter().flat_map(|(_, accounts)| accounts.clone()).collect();
        let (count, accounts) = (accounts.len(), accounts.into_iter().collect());
        steps.push(Step::Add { targets: Targets::Among { units, accounts }, count });
    }
    if let (false, Some(root)) = (rest.is_empty(), desired.root) {
        let (count, accounts) = (rest.len(), rest.into_iter().cloned().collect());
        steps.push(Step::Add { targets: Targets::Among { units: vec![root.to_owned()], accounts }, count });
    }
    steps
}

/// What takes instances away, or only has them forgotten: all that the set has, or those of some accounts.
pub fn removals(
    permissions: &Permissions,
    set: Option<&Set>,
    instances: &BTreeMap<AccountId, Instance>,
    retains: bool,
) -> Vec<Targets> {
    let accounts: Vec<AccountId> = instances.keys().cloned().collect();
    if matches!(permissions, Permissions::SelfManaged { .. }) {
        return vec![Targets::Accounts(accounts)];
    }
    let of_instances = instances.values().filter_map(|instance| instance.unit.as_ref());
    let units: BTreeSet<&String> = set.into_iter().flat_map(|set| &set.units).chain(of_instances).collect();
    let units: Vec<String> = units.into_iter().cloned().collect();
    let targets = |units: &[String]| match retains {
        true => Targets::Among { units: units.to_vec(), accounts: accounts.clone() },
        false => Targets::Below { units: units.to_vec(), except: Vec::new() },
    };
    units.chunks(MOST_UNITS).map(targets).collect()
}

fn remarks(desired: &Desired<'_>, observed: &Observed) -> Vec<String> {
    let wanted: BTreeSet<&AccountId> = desired.accounts.iter().collect();
    let others: Vec<&str> =
        observed.instances.keys().filter(|account| !wanted.contains(account)).map(AccountId::as_str).collect();
    let mut remarks = Vec::new();
    if !others.is_empty() {
        remarks.push(format!(
            "the set has stacks in accounts that do not belong to the fleet any more; they are updated with it and stay: {}",
            others.join(", ")
        ));
    }
    remarks
}

impl Plan {
    /// What becomes of an account.
    pub fn change(&self, account: &AccountId) -> Change {
        self.accounts.get(account).cloned().unwrap_or(Change::None)
    }

    /// The accounts of which the same becomes.
    fn with(&self, change: &Change) -> Vec<AccountId> {
        self.accounts.iter().filter(|(_, found)| *found == change).map(|(account, _)| account.clone()).collect()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { set, steps, accounts, remarks } = self;
        if steps.is_empty() {
            writeln!(f, "  nothing to do: the stack set `{set}` and its stacks are as they should be")?;
        }
        for step in steps {
            match step {
                Step::Create => writeln!(f, "  create  the stack set `{set}`")?,
                Step::Update { reason, changes } => {
                    let count = accounts.values().filter(|change| **change == Change::Update).count();
                    writeln!(f, "  update  the stack set `{set}` and its stacks in {}: {reason}", counted(count))?;
                    changes.iter().try_for_each(|change| write!(f, "{change}"))?;
                }
                Step::Mend { accounts } => {
                    writeln!(f, "  mend    its stacks in {}: {}", counted(accounts.len()), listed(accounts))?;
                }
                Step::Add { targets, count } => writeln!(f, "  add     its stack to {}{targets}", counted(*count))?,
            }
        }
        for (account, change) in accounts {
            if let Change::Stuck { reason } = change {
                let reason = reason.as_deref().unwrap_or("nobody knows why");
                writeln!(f, "  leave   the stack in {account}, which StackSets cannot work on: {reason}")?;
            }
        }
        remarks.iter().try_for_each(|remark| writeln!(f, "  to know: {remark}"))
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below { units, except } if except.is_empty() => write!(f, " below {}", units.join(", ")),
            Self::Below { units, except } => write!(f, " below {}, but not {}", units.join(", "), listed(except)),
            Self::Among { accounts, .. } | Self::Accounts(accounts) => write!(f, ": {}", listed(accounts)),
        }
    }
}

/// The first of some accounts, and how many there are besides.
fn listed(accounts: &[AccountId]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<&str> = accounts.iter().take(SHOWN).map(AccountId::as_str).collect();
    let more = accounts.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

fn counted(accounts: usize) -> String {
    if accounts == 1 { "1 account".to_owned() } else { format!("{accounts} accounts") }
}

#[cfg(test)]
mod tests;
