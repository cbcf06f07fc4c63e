//! `keyturn bootstrap`: brings an account to what the configuration asks for. The JSON document is the plan under
//! `plan`, and what was done under `applied`: `stacks` and `rotations`. One that has failed names its
//! `log_group`, where the function says why; the one beside `applied` is that of the first cell.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::pipeline::{self, Manner};
use super::rotate;
use crate::apply::{self, Applied, stack};
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::names::log_group;
use crate::plan::{Options, Plan, Refusals, check_saved, saved_options};
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
    // A plan that is kept says itself how it came about.
    let kept = saved.map(saved_options).transpose()?.unwrap_or_default();
    let Options { drift, express } = manner.options;
    let manner = Manner { options: Options { drift: drift || kept.drift, express: express || kept.express }, ..manner };
    let prepared = match pipeline::prepare(session, config, manner).await {
        Err(Error::Refused(refusals)) => {
            recover(session, refusals).await?;
            pipeline::prepare(session, config, manner).await
        }
        prepared => prepared,
    };
    let (artifact, plan) = prepared?;
    // What was done already, by this plan or by whatever else, needs no plan.
    if let Some(saved) = saved.filter(|_| !plan.steps.is_empty()) {
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
        let Self { plan, applied, .. } = self;
        if plan.steps.is_empty() {
            return write!(f, "{plan}");
        }
        for function in &applied.restored {
            writeln!(f, "restored the code of the function `{function}`")?;
        }
        for stack in &applied.stacks {
            writeln!(f, "deployed the stack `{stack}`")?;
        }
        for stack in &applied.deleted {
            writeln!(f, "deleted the stack `{stack}`")?;
        }
        rotate::list(f, &applied.rotations, &plan.region)
    }
}
