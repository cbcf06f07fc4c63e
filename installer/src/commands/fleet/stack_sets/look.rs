//! Looks at the organization of a fleet, and at the bucket.

use std::collections::{BTreeMap, BTreeSet};

use contract::AccountId;

use crate::apply::stack;
use crate::aws::identity::{self, Caller};
use crate::aws::organizations::{self, Organization};
use crate::aws::stack_sets::{self, Permissions};
use crate::aws::stacks::Rest;
use crate::commands::fleet::FleetError;
use crate::config::Config;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::fleet::targets::{self, LeftOut, Targets, Why};
use crate::names::ARTIFACTS_STACK;
use crate::observe::{self, ObservedStack};
use crate::session::Session;

/// What was found.
pub(super) struct Looked {
    pub(super) caller: Caller,
    /// None when the caller's account is in none.
    pub(super) organization: Option<Organization>,
    pub(super) targets: Targets,
    /// The units of the fleet, each with those of the accounts that are below it.
    pub(super) units: BTreeMap<String, BTreeSet<AccountId>>,
    /// The root of the organization, when accounts are named.
    pub(super) root: Option<String>,
}

/// Looks at the organization, and whether StackSets can be asked as the fleet wants it.
pub(super) async fn look(session: &Session, fleet: &Fleet) -> Result<Looked, Error> {
    let clients = &session.clients;
    let caller = identity::caller(clients).await?;
    let organization = organizations::organization(clients).await?;
    let is_service_managed = matches!(fleet.stack_sets.permissions, Permissions::ServiceManaged { .. });
    if is_service_managed {
        check(session, fleet, &caller, organization.as_ref()).await?;
    } else if organization.is_none() && fleet.defaults.config.artifact_bucket.is_none() {
        // Nobody but an organization is let into the bucket that is made.
        return Err(FleetError::NoOrganization(caller.account).into());
    }
    let (mut found, mut units) = (Vec::new(), BTreeMap::new());
    for unit in &fleet.units {
        let accounts = organizations::accounts_below(clients, unit).await?;
        units.insert(unit.clone(), accounts.iter().map(|account| account.id.clone()).collect::<BTreeSet<_>>());
        found.extend(accounts);
    }
    let mut targets = targets::choose(fleet, &found, clients.clock.now());
    if let Some(organization) = organization.as_ref().filter(|_| is_service_managed) {
        let is_management = |account: &AccountId| *account == organization.management;
        let (out, chosen) = targets.chosen.into_iter().partition(|target| is_management(&target.account));
        targets.chosen = chosen;
        let out: Vec<targets::Target> = out;
        let left = out.into_iter().map(|it| LeftOut { account: it.account, name: it.name, why: Why::Management });
        targets.left_out.extend(left);
    }
    let chosen: BTreeSet<&AccountId> = targets.chosen.iter().map(|target| &target.account).collect();
    units.values_mut().for_each(|members| members.retain(|account| chosen.contains(account)));
    let root =
        if is_service_managed && !fleet.accounts.is_empty() { Some(organizations::root(clients).await?) } else { None };
    Ok(Looked { caller, organization, targets, units, root })
}

/// Whether the caller is who may ask StackSets for the organization, and StackSets may work in it.
async fn check(
    session: &Session,
    fleet: &Fleet,
    caller: &Caller,
    organization: Option<&Organization>,
) -> Result<(), Error> {
    let account = caller.account.clone();
    let Some(Organization { management, .. }) = organization else {
        return Err(FleetError::NoOrganization(account).into());
    };
    match (fleet.stack_sets.is_delegate, *management == account) {
        (false, false) => {
            return Err(FleetError::NotManagement { management: management.clone(), caller: account }.into());
        }
        (true, true) => return Err(FleetError::NotDelegate(account).into()),
        (false, true) | (true, false) => {}
    }
    if stack_sets::is_activated(&session.clients, fleet.stack_sets.is_delegate).await? {
        Ok(())
    } else {
        Err(FleetError::NotActivated.into())
    }
}

/// Looks at the stack of the bucket, once nobody works on it any more.
pub(super) async fn artifacts(session: &Session, config: &Config) -> Result<Option<ObservedStack>, Error> {
    if config.artifact_bucket.is_some() {
        return Ok(None);
    }
    loop {
        let looking = observe::stack(&session.clients, ARTIFACTS_STACK);
        let found = session.interrupts.unless_pressed(looking).await??;
        match found {
            Some(found) if found.stack.status.rest() == Rest::Busy => {
                stack::await_idle(session, ARTIFACTS_STACK).await?;
            }
            found => return Ok(found),
        }
    }
}
