//! Does what the plan for a stack set says, one operation after the other, and says what came of each account.

use std::collections::BTreeMap;

use contract::AccountId;

use super::follow::{self, Ended};
use super::{Change, DESCRIPTION, OperationResult, Outcome, Plan, ResultStatus, Scene, Stopped};
use crate::apply::{Applied, stack};
use crate::aws::CallError;
use crate::aws::stack_sets::{self, OperationStatus, Wish};
use crate::commands::fleet::report::AccountRow;
use crate::error::{Error, Exit};
use crate::fleet::stack_sets::Step;
use crate::plan::template_key;
use crate::template::Template;

/// What StackSets says where there was nothing to do.
const NOTHING_TO_DO: &str = "No updates are to be performed";

/// Does it, up to the first operation that does not succeed.
///
/// # Errors
/// [`Error`]; the same again goes on from what is there.
pub(super) async fn apply(
    scene: &Scene,
    plan: &Plan,
    template: &Template,
    bucket: &str,
) -> Result<(BTreeMap<AccountId, OperationResult>, Option<Stopped>), Error> {
    let (session, text) = (&scene.session, template.to_text());
    let mut results: BTreeMap<AccountId, OperationResult> = BTreeMap::new();
    if plan.steps.is_empty() {
        return Ok((results, None));
    }
    let key = template_key(&text);
    let config = &scene.fleet.defaults.config;
    let wish = Wish {
        description: DESCRIPTION,
        template: stack::source(session, (&text, key.as_deref()), bucket).await?,
        tags: &config.tags,
        permissions: &scene.fleet.stack_sets.permissions,
    };
    for (number, step) in plan.steps.iter().enumerate() {
        if session.interrupts.check().is_err() {
            return Ok((results, Some(Stopped::Interrupted)));
        }
        // Another run has other ids.
        let id = format!("keyturn-{:016x}-{number}", session.seed);
        if *step == Step::Create {
            stack_sets::create(&session.clients, &scene.name, &id, &wish).await?;
            continue;
        }
        begin(scene, step, &id, &wish).await?;
        let told = |result: &OperationResult| tell(scene, plan, result);
        let Ended { status, is_interrupted, results: of_step } = follow::follow(scene, &id, &title(step), told).await?;
        results.extend(of_step);
        let failed = results.values().filter(|result| result.status == ResultStatus::Failed).count();
        match status {
            OperationStatus::Succeeded => {
                if let Some(stopped) = scene.too_many(failed) {
                    return Ok((results, Some(stopped)));
                }
            }
            OperationStatus::Stopped if is_interrupted => return Ok((results, Some(Stopped::Interrupted))),
            OperationStatus::Stopped => return Ok((results, Some(Stopped::Elsewhere))),
            OperationStatus::Failed => return Ok((results, Some(Stopped::TooManyFailed { wave: 1, failed }))),
            OperationStatus::Running | OperationStatus::Queued | OperationStatus::Stopping => {
                return Ok((results, Some(Stopped::Interrupted)));
            }
        }
    }
    Ok((results, None))
}

/// Begins an operation, once nothing is in its way.
async fn begin(scene: &Scene, step: &Step, id: &str, wish: &Wish<'_>) -> Result<(), Error> {
    loop {
        match ask(scene, step, id, wish).await {
            Err(error) if error.code() == Some("OperationInProgressException") => follow::await_idle(scene).await?,
            asked => return Ok(asked?),
        }
    }
}

async fn ask(scene: &Scene, step: &Step, id: &str, wish: &Wish<'_>) -> Result<(), CallError> {
    let (clients, name, preferences) = (&scene.session.clients, &scene.name, scene.preferences());
    let region = scene.fleet.defaults.config.region.as_str();
    match step {
        Step::Create => Ok(()),
        Step::Update { .. } => stack_sets::update(clients, name, id, wish, preferences, None).await,
        Step::Mend { accounts } => {
            stack_sets::update(clients, name, id, wish, preferences, Some((accounts, region))).await
        }
        Step::Add { targets, .. } => stack_sets::add(clients, name, id, (targets, region), preferences).await,
    }
}

fn title(step: &Step) -> String {
    match step {
        Step::Create => "making the stack set".to_owned(),
        Step::Update { .. } => "updating the stacks of the stack set".to_owned(),
        Step::Mend { .. } => "mending stacks of the stack set".to_owned(),
        Step::Add { .. } => "adding stacks to the stack set".to_owned(),
    }
}

/// Tells what came of an account.
fn tell(scene: &Scene, plan: &Plan, result: &OperationResult) {
    let target = scene.looked.targets.chosen.iter().find(|target| target.account == result.account);
    if let Some(target) = target {
        let outcome = outcome(plan, &result.account, Some(result), None);
        AccountRow::of(target, outcome).tell(&scene.session.printer);
    }
}

/// What came of an account.
pub(super) fn outcome(
    plan: &Plan,
    account: &AccountId,
    result: Option<&OperationResult>,
    stopped: Option<&Stopped>,
) -> Outcome {
    let failed = |cause: String, hint: &str| Outcome::Failed {
        cause,
        hint: Some(hint.to_owned()),
        exit_code: Exit::StackFailed as u8,
    };
    if let Change::Stuck { reason } = plan.change(account) {
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let hint = "look at the stack there; then delete the instance with `aws cloudformation delete-stack-instances --retain-stacks`, delete the stack, and run the same command again";
        return failed(format!("StackSets cannot work on its stack{reason}"), hint);
    }
    let reason = |result: &OperationResult| result.reason.clone().unwrap_or_default();
    match result {
        Some(result) => match result.status {
            ResultStatus::Succeeded if reason(result).contains(NOTHING_TO_DO) => Outcome::Unchanged,
            ResultStatus::Succeeded => {
                Outcome::Deployed { applied: Applied { stacks: vec![plan.set.clone()], ..Applied::default() } }
            }
            ResultStatus::Failed => {
                let cause =
                    if reason(result).is_empty() { "StackSets gives no reason".to_owned() } else { reason(result) };
                let hint = match is_taken(&cause) {
                    true => {
                        "if `keyturn bootstrap` serves the account under the same name, leave it to that with `except`, or choose another `stack`; else mend what it says, and run the same command again"
                    }
                    false => "mend what it says, and run the same command again",
                };
                failed(cause, hint)
            }
            ResultStatus::Cancelled | ResultStatus::Pending | ResultStatus::Running => Outcome::NotReached,
        },
        None if plan.change(account) == Change::None => Outcome::Unchanged,
        None if stopped.is_some() => Outcome::NotReached,
        None => failed(
            "StackSets has passed it over".to_owned(),
            "is it an account of the organization, and in use? Then run the same command again",
        ),
    }
}

/// Whether something of that name is there already, in the words of the services and of CloudFormation's early validation.
fn is_taken(cause: &str) -> bool {
    ["already exist", "AlreadyExist"].iter().any(|words| cause.contains(words))
}
