//! The stack in which the events and alarms of all accounts come together: there before the first account forwards to it,
//! and taken away behind the last.

use contract::Region;
use serde::Serialize;

use super::report::AccountRow;
use super::{FleetError, Work};
use crate::apply::stack::{self, Doomed};
use crate::aws::identity::Caller;
use crate::aws::organizations;
use crate::aws::stacks::Rest;
use crate::config::Config;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::names::{CENTRAL_STACK, central_bus};
use crate::observe::{self, ObservedStack};
use crate::plan::{self, Deployment};
use crate::session::Session;
use crate::template;

/// The stack, and what has to be done with it.
pub(super) struct Central {
    /// In the caller's account, in the region of the fleet.
    session: Session,
    region: Region,
    found: Option<ObservedStack>,
    /// What brings it to its template; `None` when it is there already, or is to be taken away.
    deployment: Option<Deployment>,
}

/// What came of it, for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::commands) enum CentralOutcome {
    /// It is as it should be.
    Unchanged,
    /// It would be brought to its template.
    Changes,
    /// It is brought to its template.
    Deployed,
    /// It is there; nobody asked for more.
    There,
    /// It is not there.
    Absent,
    /// It is taken away.
    TakenAway,
    /// It stays: there are accounts that may forward to it.
    Kept,
}

/// Has accounts forward to the fleet's bus, unless the file names another one for them.
pub(super) fn direct<'a>(configs: impl Iterator<Item = &'a mut Config>, fleet: &Fleet, caller: &Caller) {
    if fleet.central.is_some() {
        let bus = central_bus(&caller.partition, &caller.account, &fleet.defaults.config.region);
        for config in configs {
            config.alerts.central.get_or_insert_with(|| bus.clone());
        }
    }
}

/// Has the place ready where all comes together, before the first account forwards to it.
pub(super) async fn begin(central: Option<&Central>, work: Work) -> Result<Option<CentralOutcome>, Error> {
    match (central, work) {
        (Some(central), Work::Deploy) => central.deploy().await.map(Some),
        (Some(central), _) => Ok(Some(central.outcome())),
        (None, _) => Ok(None),
    }
}

/// Takes that place away behind the last account.
pub(super) async fn end(
    central: Option<&Central>,
    work: Work,
    before: Option<CentralOutcome>,
    rows: &[AccountRow],
    is_stopped: bool,
) -> Result<Option<CentralOutcome>, Error> {
    let everybody_is_gone = !is_stopped && !rows.iter().any(|row| row.outcome.has_failed());
    match (central, work) {
        (Some(central), Work::TearDown { dry_run: false, .. }) => central.take_away(everybody_is_gone).await.map(Some),
        _ => Ok(before),
    }
}

impl Central {
    /// Looks at the stack; `None` when the fleet has none. `deploys` says whether it is to be brought to its template.
    pub(super) async fn look(session: &Session, fleet: &Fleet, deploys: bool) -> Result<Option<Self>, Error> {
        let Some(wanted) = &fleet.central else { return Ok(None) };
        let config = &fleet.defaults.config;
        let session = Session { clients: session.clients.in_region(&config.region), ..session.clone() };
        stack::await_idle(&session, CENTRAL_STACK).await?;
        let looking = observe::stack(&session.clients, CENTRAL_STACK);
        let found = session.interrupts.unless_pressed(looking).await??;
        let found = found.filter(|found| found.stack.status.rest() != Rest::Gone);
        let mut deployment = None;
        if deploys {
            let asking = organizations::organization(&session.clients);
            let organization = session.interrupts.unless_pressed(asking).await??;
            let organization = organization.ok_or(FleetError::NobodyToTell)?;
            let template = template::central(&organization.id, wanted)?;
            deployment = plan::alone(CENTRAL_STACK, config, &template, found.as_ref())?;
        }
        Ok(Some(Self { session, region: config.region.clone(), found, deployment }))
    }

    /// What is to be done, for the one who is asked.
    pub(super) fn in_words(&self) -> String {
        let region = &self.region;
        match &self.deployment {
            None => format!("the stack `{CENTRAL_STACK}` in {region}, where all comes together, is as it should be"),
            Some(Deployment { reason, changes, .. }) => {
                let changes: String = changes.iter().map(|change| format!("\n  {change}")).collect();
                format!("deploy the stack `{CENTRAL_STACK}` in {region}, where all comes together: {reason}{changes}")
            }
        }
    }

    /// What came of it as long as nothing is done.
    pub(super) fn outcome(&self) -> CentralOutcome {
        match (&self.deployment, &self.found) {
            (Some(_), _) => CentralOutcome::Changes,
            (None, Some(_)) => CentralOutcome::There,
            (None, None) => CentralOutcome::Absent,
        }
    }

    /// Brings it to its template.
    pub(super) async fn deploy(&self) -> Result<CentralOutcome, Error> {
        let Some(deployment) = &self.deployment else { return Ok(CentralOutcome::Unchanged) };
        // The template fits into a request, so no bucket is needed.
        Box::pin(stack::deploy(&self.session, &[deployment], "")).await?;
        Ok(CentralOutcome::Deployed)
    }

    /// Takes it away, if nobody is left who forwards to it.
    pub(super) async fn take_away(&self, everybody_is_gone: bool) -> Result<CentralOutcome, Error> {
        let Some(found) = &self.found else { return Ok(CentralOutcome::Absent) };
        if !everybody_is_gone {
            let why = "accounts are left that may forward to it";
            self.session.printer.say(format!("the stack `{CENTRAL_STACK}` stays: {why}"));
            return Ok(CentralOutcome::Kept);
        }
        let doomed = Doomed { name: CENTRAL_STACK.to_owned(), id: found.stack.id.clone(), force: false };
        Box::pin(stack::delete_all(&self.session, vec![doomed])).await?;
        Ok(CentralOutcome::TakenAway)
    }
}
