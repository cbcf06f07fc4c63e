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
use crate::fleet::targets::{self, LeftOut, Target, Targets, Why};
use crate::names::ARTIFACTS_STACK;
use crate::observe::{self, ObservedStack};
use crate::session::Session;

/// What was found.
pub(super) struct Looked {
    pub(super) caller: Caller,
    /// None when the caller's account is in none.
    pub(super) organization: Option<Organization>,
    /// The accounts that StackSets is to serve, and those that are left out.
    pub(super) targets: Targets,
    /// The management account, when the fleet wants it and StackSets passes it over.
    pub(super) direct: Option<Target>,
    /// The units of the fleet, each with those of the accounts that are below it.
    pub(super) units: BTreeMap<String, BTreeSet<AccountId>>,
    /// The root of the organization, when accounts are named.
    pub(super) root: Option<String>,
}

/// Looks who asks, for which organization, and whether StackSets can be asked as the fleet wants it.
pub(in crate::commands::fleet) async fn organization(
    session: &Session,
    fleet: &Fleet,
) -> Result<(Caller, Option<Organization>), Error> {
    let caller = identity::caller(&session.clients).await?;
    let organization = organizations::organization(&session.clients).await?;
    if matches!(fleet.stack_sets.permissions, Permissions::ServiceManaged { .. }) {
        check(session, fleet, &caller, organization.as_ref()).await?;
    } else if organization.is_none() && fleet.defaults.config.artifact_bucket.is_none() {
        // Nobody but an organization is let into the bucket that is made.
        return Err(FleetError::NoOrganization(caller.account).into());
    }
    Ok((caller, organization))
}

/// Looks at that, and at the accounts.
pub(super) async fn look(session: &Session, fleet: &Fleet) -> Result<Looked, Error> {
    let clients = &session.clients;
    let (caller, organization) = organization(session, fleet).await?;
    let is_service_managed = matches!(fleet.stack_sets.permissions, Permissions::ServiceManaged { .. });
    let (mut found, mut units) = (Vec::new(), BTreeMap::new());
    for unit in &fleet.units {
        let accounts = organizations::accounts_below(clients, unit).await?;
        units.insert(unit.clone(), accounts.iter().map(|account| account.id.clone()).collect::<BTreeSet<_>>());
        found.extend(accounts);
    }
    let mut targets = targets::choose(fleet, &found, clients.clock.now());
    let management = organization.as_ref().filter(|_| is_service_managed).map(|organization| &organization.management);
    let place = targets.chosen.iter().position(|target| Some(&target.account) == management);
    let mut direct = place.map(|place| targets.chosen.remove(place));
    if let Some(Target { account, name, .. }) = direct.take_if(|target| target.account != caller.account) {
        targets.left_out.push(LeftOut { account, name, why: Why::Management });
    }
    let chosen: BTreeSet<&AccountId> = targets.chosen.iter().map(|target| &target.account).collect();
    units.values_mut().for_each(|members| members.retain(|account| chosen.contains(account)));
    let root =
        if is_service_managed && !fleet.accounts.is_empty() { Some(organizations::root(clients).await?) } else { None };
    Ok(Looked { caller, organization, targets, direct, units, root })
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

/// Looks at the stack of the bucket; `None` also when somebody else has made the bucket.
pub(super) async fn artifacts(session: &Session, config: &Config) -> Result<Option<ObservedStack>, Error> {
    match config.artifact_bucket {
        None => at_rest(session, ARTIFACTS_STACK).await,
        Some(_) => Ok(None),
    }
}

/// Looks at a stack of the caller's account, once nobody works on it any more.
pub(super) async fn at_rest(session: &Session, name: &str) -> Result<Option<ObservedStack>, Error> {
    loop {
        let looking = observe::stack(&session.clients, name);
        let found = session.interrupts.unless_pressed(looking).await??;
        match found {
            Some(found) if found.stack.status.rest() == Rest::Busy => stack::await_idle(session, name).await?,
            found => return Ok(found.filter(|found| found.stack.status.rest() != Rest::Gone)),
        }
    }
}
