//! What `plan` and `bootstrap` share: from the configuration to the plan. Nothing is changed on the way.

use std::collections::BTreeSet;
use std::path::Path;

use crate::apply::stack;
use crate::artifact::{Artifact, Origin, sources};
use crate::aws::bucket::{self, Place};
use crate::aws::functions;
use crate::config::Config;
use crate::error::Error;
use crate::observe::{self, Observed, has_code, observe};
use crate::plan::{Desired, Meeting, Options, Plan, Refusal, Refusals, Step, check, plan};
use crate::session::Session;

/// What StackSets has the names of its stacks begin with.
const OF_STACK_SET: &str = "StackSet-";

/// How a plan comes about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner<'a> {
    /// The function that was built before.
    pub(super) prebuilt: Option<&'a Path>,
    pub(super) options: Options,
}

/// Looks at the account, builds the function or takes the one that was built before, and decides.
pub(super) async fn prepare(
    session: &Session,
    config: &Config,
    Manner { prebuilt, options }: Manner<'_>,
) -> Result<(Artifact, Plan), Error> {
    // First the account: whoever has no credentials, or misspelt a user, should not have to wait for the compiler to
    // hear about it.
    let mut observed = observed(session, config).await?;
    if options.drift {
        look_for_drift(session, config, &mut observed).await?;
    }
    check(config, &observed)?;
    check_bucket(session, config).await?;
    check_stack_sets(session, config, observed.cells.contains_key(&1)).await?;
    let artifact = artifact(session, config, prebuilt).await?;
    let plan = decided(session, config, observed, &artifact, options.express).await?;
    Ok((artifact, plan))
}

/// The same with a function that is there already. Gives the names of the cells too, those that are to be made among
/// them.
pub(super) async fn decide(
    session: &Session,
    config: &Config,
    artifact: &Artifact,
    options: Options,
) -> Result<(Plan, Vec<String>), Error> {
    let mut observed = observed(session, config).await?;
    if options.drift {
        look_for_drift(session, config, &mut observed).await?;
    }
    check_bucket(session, config).await?;
    check_stack_sets(session, config, observed.cells.contains_key(&1)).await?;
    let mut cells: BTreeSet<String> = observed.cells.keys().map(|number| config.stack.cell(*number)).collect();
    let plan = decided(session, config, observed, artifact, options.express).await?;
    cells.extend(plan.steps.iter().filter_map(Step::as_cell).map(|deployment| deployment.stack.clone()));
    Ok((plan, cells.into_iter().collect()))
}

async fn decided(
    session: &Session,
    config: &Config,
    mut observed: Observed,
    artifact: &Artifact,
    express: bool,
) -> Result<Plan, Error> {
    let code = artifact.object_key();
    observed.has_code = has_code(&session.clients, config, &observed, artifact).await?;
    Ok(plan(&Desired { config, code: &code, express }, &observed)?)
}

/// Refuses a bucket of the user's own that the function's code could not come from.
async fn check_bucket(session: &Session, config: &Config) -> Result<(), Error> {
    let Some(bucket) = config.artifact_bucket.clone() else { return Ok(()) };
    let refusal = match session.interrupts.unless_pressed(bucket::place(&session.clients, &bucket)).await?? {
        Place::Nowhere => Refusal::NoBucket(bucket),
        Place::Region(found) if found != config.region.as_str() => {
            Refusal::BucketElsewhere { bucket, found, wanted: config.region.clone() }
        }
        Place::Region(_) | Place::Unknown => return Ok(()),
    };
    Err(Refusals(vec![refusal]).into())
}

/// Refuses an account in which a stack set has made what the stack would make. Where the stack is there, nobody else has.
pub(super) async fn check_stack_sets(session: &Session, config: &Config, is_there: bool) -> Result<(), Error> {
    if is_there {
        return Ok(());
    }
    let function = config.stack.to_string();
    let asking = functions::stack_of(&session.clients, &function);
    match session.interrupts.unless_pressed(asking).await?? {
        Some(stack) if stack.starts_with(OF_STACK_SET) => {
            Err(Refusals(vec![Meeting::StackSet { function, stack }.into()]).into())
        }
        _ => Ok(()),
    }
}

/// Looks for what somebody has changed in the stacks past CloudFormation.
pub(super) async fn look_for_drift(session: &Session, config: &Config, observed: &mut Observed) -> Result<(), Error> {
    let progress = session.printer.progress("looking for what was changed past CloudFormation");
    let looking = Box::pin(observe::look_for_drift(&session.clients, config, observed));
    session.interrupts.unless_pressed(looking).await??;
    drop(progress);
    Ok(())
}

/// Takes the function that was built before, or builds it.
pub(super) async fn artifact(session: &Session, config: &Config, prebuilt: Option<&Path>) -> Result<Artifact, Error> {
    let architecture = config.function.architecture;
    let origin = Origin::of(prebuilt, architecture);
    if origin == Origin::Sources {
        session.printer.say(format!("building the function from `{}`", sources()?.display()));
    }
    Ok(session.interrupts.unless_pressed(origin.take(architecture)).await??)
}

/// Looks at the account, and looks again once nobody works on its stacks any more.
pub(super) async fn observed(session: &Session, config: &Config) -> Result<Observed, Error> {
    loop {
        let progress = session.printer.progress("looking at the account");
        let observing = Box::pin(observe(&session.clients, config));
        let observed = session.interrupts.unless_pressed(observing).await??;
        drop(progress);
        let busy = observed.busy_stacks(config);
        if busy.is_empty() {
            return Ok(observed);
        }
        for name in busy {
            stack::await_idle(session, &name).await?;
        }
    }
}
