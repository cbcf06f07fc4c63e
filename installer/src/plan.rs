//! Decides what is to be done: what is wanted and what was found go in, a value comes out. Nothing is done here.

mod cells;
mod cost;
mod deployment;
mod diff;
mod display;
mod drift;
mod effect;
mod found;
mod give_up;
mod key_report;
mod meeting;
mod now;
mod refusal;
mod running;
mod saved;
mod stacks;
mod standing;
mod step;
mod unadoptable;
mod users;

use std::collections::{BTreeMap, BTreeSet};

use contract::{Region, UserName};
use serde::Serialize;

use crate::aws::identity::Caller;
use crate::config::{Alerts, Config};
use crate::names::{ARTIFACTS_STACK, artifact_bucket};
use crate::observe::{Observed, ObservedStack};
use crate::regions;
use crate::template::{self, BoundUser, CodeLocation, TemplateError};

pub use cells::{Cell, assign, deployed as deployed_cells, deserted as deserted_cells};
pub use cost::Cost;
pub use deployment::{Deployment, Joining, deployed, template_key};
pub use diff::{PropertyChange, ResourceChange, Verb, resources as differences};
pub use drift::{DriftKind, DriftedResource, drifted, unlooked};
pub use found::{Found, Kind, mending};
pub use give_up::{GivenUpKey, GivenUpKeys, Unfit, judge as judge_given_up};
pub use key_report::KeyReport;
pub use meeting::Meeting;
pub use now::{InTheWay, in_the_way};
pub use refusal::{Refusal, Refusals};
pub use running::{FunctionFault, fault_of, function_fault};
pub use saved::{Options, SavedPlanError, check_saved, save, saved_options};
pub use stacks::Action;
pub use standing::KEYS_PER_USER;
pub(crate) use standing::may_come_from;
pub use step::{Adoption, Step};
pub use unadoptable::Unadoptable;
pub use users::judge_each;

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Desired<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The key of the function's zip in the bucket.
    pub code: &'a str,
    /// Whether stacks are deployed in express mode.
    pub express: bool,
}

/// What is to be done, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Who does it, and where.
    pub caller: Caller,
    /// The region.
    pub region: Region,
    /// The bucket of the function's code.
    pub bucket: String,
    /// What is to be done, in this order; nothing when it is empty.
    pub steps: Vec<Step>,
    /// How those users were found that are not, or not only, in keyturn's hands, and what becomes of them.
    pub users: Vec<Found>,
    /// What needs nothing, and why.
    pub unchanged: Vec<String>,
    /// What whoever decides should know besides.
    pub remarks: Vec<String>,
    /// What all of it costs, once it is done.
    pub cost: Cost,
}

impl Plan {
    /// A plan that is not about users, and has nothing in it yet.
    fn without_users(config: &Config, caller: &Caller, bucket: String, wanted: Option<&template::Template>) -> Self {
        Self {
            caller: caller.clone(),
            region: config.region.clone(),
            bucket,
            steps: Vec::new(),
            users: Vec::new(),
            unchanged: Vec::new(),
            remarks: Vec::new(),
            cost: cost::of(config, wanted.into_iter()),
        }
    }

    /// Adds the deployment of a stack, or says that it needs none.
    fn deploy(&mut self, stack: &str, step: Option<Step>) {
        match step {
            Some(step) => self.steps.push(step),
            None => self.unchanged.push(format!("the stack `{stack}` is as it should be")),
        }
    }

    /// Adds what brings the function's code to where CloudFormation finds it.
    fn provide_code(
        &mut self,
        desired: &Desired<'_>,
        (current, action): (Option<&ObservedStack>, Action),
        has_code: bool,
        organization: Option<&str>,
    ) -> Result<(), TemplateError> {
        if desired.config.artifact_bucket.is_none() {
            let wanted = template::artifacts(organization)?;
            let none = BTreeMap::new();
            let step = deployment::of(ARTIFACTS_STACK, desired, &wanted, current, action, &none)?;
            self.remarks.extend(deployment::remarks(ARTIFACTS_STACK, current, step.as_ref())?);
            self.deploy(ARTIFACTS_STACK, step.map(Step::DeployArtifacts));
        }
        if has_code {
            self.unchanged.push("the bucket holds the function's code".to_owned());
        } else {
            let reason = "the bucket does not hold it".to_owned();
            self.steps.push(Step::UploadCode { key: desired.code.to_owned(), reason });
        }
        Ok(())
    }

    /// Tells when the function of a stack runs other code or is gone, and adds what gives it its code back, where the
    /// stack's own update would not.
    fn restore_code(
        &mut self,
        stack: &str,
        found: &ObservedStack,
        wanted: Option<&CodeLocation>,
    ) -> Result<(), TemplateError> {
        let fault = function_fault(found)?;
        if let Some(fault) = fault.filter(|fault| *fault == FunctionFault::OtherCode || found.drift.is_none()) {
            self.remarks.push(format!("the stack `{stack}`: {fault}"));
        }
        let has_code_of = |wanted: &CodeLocation| {
            deployed(found).map(|template| template.and_then(|template| template.code()).as_ref() == Some(wanted))
        };
        if let (Some(FunctionFault::OtherCode), Some(wanted)) = (fault, wanted)
            && has_code_of(wanted)?
        {
            let reason = "somebody has exchanged it past CloudFormation".to_owned();
            self.steps.push(Step::RestoreCode { stack: stack.to_owned(), key: wanted.key.clone(), reason });
        }
        Ok(())
    }
}

/// The organization that the bucket is shared with. A deployment in the bucket's own account leaves that as it is.
///
/// # Errors
/// [`TemplateError`] when the stack's template cannot be read.
pub fn organization(artifacts: Option<&ObservedStack>) -> Result<Option<String>, TemplateError> {
    Ok(artifacts.map(deployed).transpose()?.flatten().and_then(|template| template.organization()))
}

/// Decides what brings the function's code to where all accounts of an organization can read it.
///
/// # Errors
/// [`PlanError`].
pub fn shared_code(
    desired: &Desired<'_>,
    caller: &Caller,
    artifacts: Option<&ObservedStack>,
    has_code: bool,
    organization: Option<&str>,
) -> Result<Plan, PlanError> {
    let config = desired.config;
    let action = stacks::action(ARTIFACTS_STACK, artifacts).map_err(|refusal| Refusals(vec![refusal]))?;
    let bucket = config.artifact_bucket.clone().unwrap_or_else(|| artifact_bucket(&caller.account, &config.region));
    let mut plan = Plan::without_users(config, caller, bucket, None);
    plan.provide_code(desired, (artifacts, action), has_code, organization)?;
    Ok(plan)
}

/// Decides what brings a stack whose function finds its users by itself to its template, where no stack set does that. A
/// stack that names its users is left alone: whom the template does not name it would no longer rotate.
///
/// # Errors
/// [`PlanError`].
pub fn enrolling(
    desired: &Desired<'_>,
    caller: &Caller,
    bucket: &str,
    wanted: &template::Template,
    found: Option<&ObservedStack>,
) -> Result<Plan, PlanError> {
    let config = desired.config;
    let stack = config.stack.as_str();
    let refused = |refusal| PlanError::from(Refusals(vec![refusal]));
    if found.map(deployed).transpose()?.flatten().is_some_and(|deployed| !deployed.enrols()) {
        return Err(refused(Meeting::NamesUsers(stack.to_owned()).into()));
    }
    let action = stacks::action(stack, found).map_err(refused)?;
    let mut plan = Plan::without_users(config, caller, bucket.to_owned(), Some(wanted));
    found.map(|found| plan.restore_code(stack, found, wanted.code().as_ref())).transpose()?;
    let step = deployment::of(stack, desired, wanted, found, action, &BTreeMap::new())?;
    plan.deploy(stack, step.map(Step::DeployCell));
    Ok(plan)
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The account is in a state that a person has to look at.
    #[error(transparent)]
    Refused(#[from] Refusals),
    /// The template cannot be made.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// Says whether there can be a plan at all; the function's code is not needed for that.
///
/// # Errors
/// [`PlanError`] with everything that stands in the way.
pub fn check(config: &Config, observed: &Observed) -> Result<(), PlanError> {
    verdict(config, observed).map(|_: Verdict| ())
}

/// What the account allows for.
struct Verdict {
    artifacts: Action,
    cells: BTreeMap<usize, (Action, Cell)>,
    /// The stacks that go: names and ids.
    deserted: Vec<(String, String)>,
    users: users::Users,
}

fn verdict(config: &Config, observed: &Observed) -> Result<Verdict, PlanError> {
    let mut refusals = Vec::new();
    let artifacts = stacks::action(ARTIFACTS_STACK, observed.artifacts.as_ref());
    let artifacts = artifacts.map_err(|refusal| refusals.push(refusal)).ok();
    let deployed = cells::deployed(&observed.cells)?;
    let of_a_fleet = deployed.iter().filter(|(_, template)| template.enrols());
    refusals.extend(of_a_fleet.map(|(number, _)| Meeting::FindsUsers(config.stack.cell(*number)).into()));
    let bound: Vec<BoundUser> = observed.users.iter().filter_map(|user| user.bound.clone()).collect();
    let mut assigned = assign(config, &bound, &deployed)?;
    let (going, staying) = cells::deserted(&observed.cells, &assigned);
    assigned.retain(|number, _| !going.contains(number));
    let deserted = going
        .iter()
        .filter_map(|number| Some((config.stack.cell(*number), observed.cells.get(number)?.stack.id.clone())));
    let deserted = deserted.collect();
    let mut cells = BTreeMap::new();
    // Also those that nobody is assigned to: whose template could not be read may have users all the same.
    let numbers: BTreeSet<usize> = assigned.keys().chain(observed.cells.keys()).copied().collect();
    for number in numbers {
        match (stacks::action(&config.stack.cell(number), observed.cells.get(&number)), assigned.remove(&number)) {
            (Ok(action), Some(cell)) => drop(cells.insert(number, (action, cell))),
            (Ok(_), None) => {}
            (Err(refusal), _) => refusals.push(refusal),
        }
    }
    let users = users::judge(config, observed, &deployed, cells.values().map(|(_, cell)| cell));
    let users = users.map_err(|mut more| refusals.append(&mut more)).ok();
    match (artifacts, users) {
        (Some(artifacts), Some(mut users)) if refusals.is_empty() => {
            users.remarks.extend(staying);
            Ok(Verdict { artifacts, cells, deserted, users })
        }
        _ => Err(Refusals(refusals).into()),
    }
}

/// Decides what is to be done.
///
/// # Errors
/// [`PlanError`] with everything that stands in the way.
pub fn plan(desired: &Desired<'_>, observed: &Observed) -> Result<Plan, PlanError> {
    let Desired { config, code, .. } = *desired;
    let Verdict { artifacts: artifacts_action, cells, deserted, users } = verdict(config, observed)?;
    let bucket = observed.bucket(config);
    let location = CodeLocation { bucket: bucket.clone(), key: code.to_owned() };
    let mut wanted = BTreeMap::new();
    for (number, (_, cell)) in &cells {
        wanted.insert(*number, template::numbered_cell(config, *number, &cell.users, &location)?);
    }
    let mut plan = Plan {
        caller: observed.caller.clone(),
        region: config.region.clone(),
        bucket,
        steps: Vec::new(),
        users: users.found,
        unchanged: Vec::new(),
        remarks: regions::doubt(&config.region)
            .into_iter()
            .map(|doubt| doubt.to_string())
            .chain(told_twice(config))
            .chain(users.remarks)
            .collect(),
        cost: cost::of(config, wanted.values()),
    };
    let awaits = not_awaited(observed, &cells, &users.unrotated);
    let shared = organization(observed.artifacts.as_ref())?;
    plan.provide_code(desired, (observed.artifacts.as_ref(), artifacts_action), observed.has_code, shared.as_deref())?;
    if !users.adoptions.is_empty() {
        let reason = "they hold what rotation needs".to_owned();
        plan.steps.push(Step::Adopt { secrets: users.adoptions, reason });
    }
    if !users.unfinished.is_empty() {
        let reason = "it would keep a schedule from being set".to_owned();
        plan.steps.push(Step::ClearPending { versions: users.unfinished, reason });
    }
    for (number, found) in &observed.cells {
        let wanted = cells.contains_key(number).then_some(&location);
        plan.restore_code(&config.stack.cell(*number), found, wanted)?;
    }
    for ((number, (action, cell)), wanted) in cells.into_iter().zip(wanted.values()) {
        let current = observed.cells.get(&number);
        let step = deployment::of(&cell.stack, desired, wanted, current, action, &users.imports)?;
        plan.remarks.extend(deployment::remarks(&cell.stack, current, step.as_ref())?);
        plan.deploy(&cell.stack, step.map(Step::DeployCell));
    }
    for (stack, id) in deserted {
        let reason = "nobody is in it any more".to_owned();
        plan.steps.push(Step::DeleteCell { stack, id, reason });
    }
    if !users.given_up.is_empty() {
        let reason = "they are in the way of new ones".to_owned();
        plan.steps.push(Step::GiveUp { keys: users.given_up, reason });
    }
    if users.unrotated.is_empty() {
        plan.unchanged.push(all_managed(&plan.users));
    } else {
        let reason = "no managed key yet".to_owned();
        plan.steps.push(Step::RotateFirst { users: users.unrotated, awaits, reason });
    }
    Ok(plan)
}

/// Decides what brings a stack that stands for itself to its template; `None` when it is there already.
///
/// # Errors
/// [`PlanError`] when a person has to look first.
pub fn alone(
    stack: &str,
    config: &Config,
    wanted: &template::Template,
    found: Option<&ObservedStack>,
) -> Result<Option<Deployment>, PlanError> {
    let action = stacks::action(stack, found).map_err(|refusal| Refusals(vec![refusal]))?;
    let desired = Desired { config, code: "", express: false };
    Ok(deployment::of(stack, &desired, wanted, found, action, &BTreeMap::new())?)
}

/// That alarms are told twice, if they are.
fn told_twice(config: &Config) -> Option<String> {
    let Alerts { email, topic, central, .. } = &config.alerts;
    let is_told_twice = central.is_some() && (topic.is_some() || !email.is_empty());
    let remark = "alarms are told here and where all accounts come together: without `alerts.email` and `alerts.topic` they are told once";
    is_told_twice.then(|| remark.to_owned())
}

/// The stacks of these users whose last deployment did not wait until what it made is ready.
fn not_awaited(
    observed: &Observed,
    cells: &BTreeMap<usize, (Action, Cell)>,
    users: &BTreeMap<UserName, String>,
) -> Vec<String> {
    let is_express = |number: &usize| observed.cells.get(number).is_some_and(|found| found.stack.express);
    let with_users = |cell: &&Cell| cell.users.iter().any(|user| users.contains_key(&user.name));
    let cells = cells.iter().filter(|(number, _)| is_express(number)).map(|(_, (_, cell))| cell);
    cells.filter(with_users).map(|cell| cell.stack.clone()).collect()
}

/// That nobody lacks a key, and how many of the keys are of no use.
fn all_managed(users: &[Found]) -> String {
    match users.iter().filter(|user| user.kind == Kind::ManagedWithDeadKey).count() {
        0 => "every user has a managed key".to_owned(),
        dead => format!("every user has a managed key, and {dead} of these keys do not work"),
    }
}

#[cfg(test)]
mod tests;
