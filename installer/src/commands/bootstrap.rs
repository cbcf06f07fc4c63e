//! `keyturn bootstrap`: brings an account to what the configuration asks for. The JSON document is the plan under
//! `plan`, and what was done under `applied`: `stacks` and `rotations`. `log_group` is where the function says why a
//! rotation failed.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::pipeline::{self, Manner};
use super::rotate;
use crate::apply::{self, Applied, stack};
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::names::log_group;
use crate::plan::{Plan, Refusals, check_saved, looks_for_drift};
use crate::session::Session;

#[derive(Serialize)]
struct Report<'a> {
    plan: &'a Plan,
    applied: Applied,
    log_group: String,
}

pub(super) async fn run(
    session: &Session,
    config: &Config,
    manner: Manner<'_>,
    saved: Option<&Path>,
) -> Result<Exit, Error> {
    let drift = manner.drift || saved.map(looks_for_drift).transpose()?.unwrap_or_default();
    let manner = Manner { drift, ..manner };
    let prepared = match pipeline::prepare(session, config, manner).await {
        Err(Error::Refused(refusals)) => {
            recover(session, refusals).await?;
            pipeline::prepare(session, config, manner).await
        }
        prepared => prepared,
    };
    let (artifact, plan) = prepared?;
    if let Some(saved) = saved {
        check_saved(&plan, saved)?;
    }
    let applied = if plan.steps.is_empty() {
        Applied::default()
    } else {
        session.printer.say(&plan);
        if saved.is_none() {
            let question = format!("Apply this to account {}?", plan.caller.account);
            session.interrupts.unless_pressed(session.printer.confirm(&question)).await??;
        }
        Box::pin(apply::apply(session, config, &plan, &artifact)).await?
    };
    let report = Report { plan: &plan, applied, log_group: log_group(config.stack.as_str()) };
    session.printer.result("bootstrap", &report)?;
    Ok(rotate::exit(&report.applied.rotations))
}

/// Goes on with rollbacks that have failed, if these are all that is in the way and somebody agrees.
async fn recover(session: &Session, refusals: Refusals) -> Result<(), Error> {
    let Some(stacks) = refusals.failed_rollbacks() else { return Err(refusals.into()) };
    session.printer.say(&refusals);
    let question = "Is what failed mended? Then the rollback goes on.";
    session.interrupts.unless_pressed(session.printer.confirm(question)).await??;
    for name in stacks {
        Box::pin(stack::continue_rollback(session, name)).await?;
    }
    Ok(())
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, applied, log_group } = self;
        if plan.steps.is_empty() {
            return write!(f, "{plan}");
        }
        for stack in &applied.stacks {
            writeln!(f, "deployed the stack `{stack}`")?;
        }
        rotate::list(f, &applied.rotations, log_group)
    }
}
