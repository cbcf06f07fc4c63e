//! Executes a plan, and makes no choices: what the plan does not say is not done.

mod follow;
mod function;
pub mod history;
pub(crate) mod pauses;
mod review;
pub mod rotations;
pub mod stack;
pub mod teardown;

use std::collections::BTreeMap;

use contract::tag_keys;
use serde::Serialize;

use crate::artifact::Artifact;
use crate::aws::{CallError, Clients, bucket, secrets};
use crate::config::Config;
use crate::error::Error;
use crate::plan::{Deployment, GivenUpKey, Plan, Step};
use crate::session::Session;
use crate::ui::Progress;
use rotations::{Rotation, Target};
use stack::Doomed;

pub use function::FunctionError;
pub use stack::StackError;

/// What was done.
#[derive(Debug, Default, Serialize)]
pub struct Applied {
    /// The stacks that were created or updated.
    pub stacks: Vec<String>,
    /// The functions that have their code back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<String>,
    /// The stacks that nobody was in any more, and that are deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<String>,
    /// The rotations, failed ones included.
    pub rotations: Vec<Rotation>,
}

/// Executes a plan.
///
/// # Errors
/// [`Error`] for what ends the whole run; a user whose rotation fails does not.
pub async fn apply(session: &Session, config: &Config, plan: &Plan, artifact: &Artifact) -> Result<Applied, Error> {
    let mut applied = Applied::default();
    for (index, step) in plan.steps.iter().enumerate() {
        match step {
            Step::DeployArtifacts(deployment) => {
                Box::pin(stack::deploy(session, &[deployment], &plan.bucket)).await?;
                applied.stacks.push(deployment.stack.clone());
            }
            Step::UploadCode { key, .. } => {
                let progress = session.printer.progress("uploading the function's code");
                let upload = bucket::put(&session.clients, &plan.bucket, key, artifact.bytes.clone());
                session.interrupts.unless_pressed(upload).await??;
                drop(progress);
            }
            Step::RestoreCode { stack, .. } => {
                restore_code(session, config, stack, (&plan.bucket, artifact)).await?;
                applied.restored.push(stack.clone());
            }
            Step::Adopt { secrets: adoptions, .. } => {
                for adopted in adoptions {
                    let tag = secrets::tag(&session.clients, adopted.arn.as_str(), &adopted.tags);
                    session.interrupts.unless_pressed(tag).await??;
                }
            }
            Step::GiveUp { keys, .. } => {
                for key in keys {
                    session.interrupts.unless_pressed(give_up(&session.clients, key)).await??;
                }
            }
            Step::ClearPending { versions, .. } => {
                for (secret, version) in versions {
                    let clear = secrets::clear_pending(&session.clients, secret, version);
                    session.interrupts.unless_pressed(clear).await??;
                }
            }
            Step::DeployCell(deployment) if applied.stacks.contains(&deployment.stack) => {}
            Step::DeployCell(_) => {
                let cells: Vec<&Deployment> = plan.steps.iter().skip(index).map_while(Step::as_cell).collect();
                Box::pin(stack::deploy(session, &cells, &plan.bucket)).await?;
                let progress = session.printer.progress("checking the function");
                for cell in cells {
                    session.interrupts.unless_pressed(function::check(session, &cell.stack, artifact)).await??;
                    if cell.express {
                        await_ready(session, config, &progress, &cell.stack).await?;
                    } else {
                        let trial = Box::pin(function::try_out(session, config, &cell.stack));
                        session.interrupts.unless_pressed(trial).await??;
                    }
                    applied.stacks.push(cell.stack.clone());
                }
                drop(progress);
            }
            Step::DeleteCell { stack, id, .. } => {
                let doomed = Doomed { name: stack.clone(), id: id.clone(), force: false };
                Box::pin(stack::delete_all(session, vec![doomed])).await?;
                applied.deleted.push(stack.clone());
            }
            Step::RotateFirst { users, awaits, .. } => {
                for stack in awaits.iter().filter(|stack| !applied.stacks.contains(stack)) {
                    let progress = session.printer.progress("checking the function");
                    await_ready(session, config, &progress, stack).await?;
                }
                let targets = users.iter().map(|(user, secret)| Target { user: user.clone(), secret: secret.clone() });
                applied.rotations = rotations::rotate(session, config, targets.collect()).await?;
            }
        }
    }
    Ok(applied)
}

/// Gives a function the code back that was deployed.
async fn restore_code(session: &Session, config: &Config, name: &str, from: (&str, &Artifact)) -> Result<(), Error> {
    let _progress = session.printer.progress("restoring the function's code");
    Ok(session.interrupts.unless_pressed(function::restore(session, config, name, from)).await??)
}

/// Waits until a function can work that CloudFormation has not waited for.
async fn await_ready(session: &Session, config: &Config, progress: &Progress, name: &str) -> Result<(), Error> {
    progress.now("waiting until it can work");
    let ready = Box::pin(function::await_ready(session, config, name));
    if let Some(why) = session.interrupts.unless_pressed(ready).await?? {
        progress.say(&format!("  the function `{name}` cannot work yet: {why}"));
    }
    Ok(())
}

/// Tells the function that a person has given up a key.
///
/// # Errors
/// [`CallError`].
pub async fn give_up(clients: &Clients, key: &GivenUpKey) -> Result<(), CallError> {
    let mut tags = BTreeMap::from([(tag_keys::give_up_of(&key.key), key.how.to_tag().to_owned())]);
    tags.extend(key.mark.map(|mark| (tag_keys::mark_of(&key.key), mark.to_tag())));
    secrets::tag(clients, &key.secret, &tags).await
}
