//! SimulatePrincipalPolicy: what the policies of a user or role would say of calls that nobody makes.

use std::collections::BTreeMap;

use super::account::Permissions;
use super::decision::{Simulated, simulate};
use super::names::account_of;
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Caller;
use crate::{ApiError, World};

/// How many results a page has when nobody says, and the most that it may have (IAM API reference,
/// SimulatePrincipalPolicy, MaxItems).
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

pub(super) fn principal(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let source = input.required("PolicySourceArn")?;
    let actions = input.texts("ActionNames");
    let resources = match input.texts("ResourceArns") {
        none if none.is_empty() => vec!["*".to_owned()],
        resources => resources,
    };
    let context = context(&mut input)?;
    let (start, size) = page(&mut input)?;
    input.finish()?;
    if let Some(wrong) = actions.iter().find(|action| action.split_once(':').is_none_or(|(_, name)| name.is_empty())) {
        return Err(invalid(format!("{wrong} is not an action name")));
    }
    if actions.is_empty() {
        return Err(invalid("ActionNames must not be empty"));
    }
    if let Some(wrong) = resources.iter().find(|arn| *arn != "*" && arn.split(':').count() < 6) {
        return Err(invalid(format!("Invalid Entity Arn: {wrong}")));
    }
    world.authorize(caller, "iam:SimulatePrincipalPolicy", &source, &BTreeMap::new())?;
    let permissions = permissions_of(world, &source)?.clone();
    let pairs = actions.iter().flat_map(|action| resources.iter().map(move |resource| (action, resource)));
    let all = actions.len() * resources.len();
    let mut results = Vec::new();
    for (action, resource) in pairs.skip(start).take(size) {
        let simulated = simulate(&world.iam, &permissions, &source, (action, resource), &context);
        results.push(shown(action, resource, simulated));
    }
    let next = (start + size < all).then(|| (start + size).to_string());
    Ok(Xml::new().members("EvaluationResults", results).text("IsTruncated", next.is_some()).optional("Marker", next))
}

/// The condition keys that the simulated calls carry. The sandbox knows single values only.
fn context(input: &mut QueryInput) -> Result<BTreeMap<String, String>, ApiError> {
    let mut context = BTreeMap::new();
    for mut entry in input.items("ContextEntries") {
        let (name, kind) = (entry.required("ContextKeyName")?, entry.required("ContextKeyType")?);
        let values = entry.texts("ContextKeyValues");
        entry.finish()?;
        if kind != "string" {
            return Err(ApiError::unknown("context key type", &kind));
        }
        match values.as_slice() {
            [value] => context.insert(name, value.clone()),
            _ => return Err(ApiError::unknown("list of context key values of", &name)),
        };
    }
    Ok(context)
}

fn page(input: &mut QueryInput) -> Result<(usize, usize), ApiError> {
    let start = match input.text("Marker").map(|marker| marker.parse()) {
        None => 0,
        Some(Ok(start)) => start,
        Some(Err(_)) => return Err(invalid("the Marker is not one of this operation")),
    };
    match input.text("MaxItems").map(|text| text.parse()) {
        None => Ok((start, PAGE)),
        Some(Ok(size)) if (1..=LARGEST_PAGE).contains(&size) => Ok((start, size)),
        Some(_) => Err(ApiError::new("ValidationError", "MaxItems must be between 1 and 1000")),
    }
}

fn permissions_of<'a>(world: &'a World, arn: &str) -> Result<&'a Permissions, ApiError> {
    let (account, name) = (account_of(arn), arn.rsplit('/').next().unwrap_or_default());
    let no_such = || super::account::no_such_entity(format!("{arn} was not found."));
    match arn.splitn(6, ':').nth(5).and_then(|resource| resource.split_once('/')) {
        Some(("user", _)) => {
            let user = world.iam.user(account, name)?;
            if user.arn == arn { Ok(&user.permissions) } else { Err(no_such()) }
        }
        Some(("role", _)) => Ok(&world.iam.role_by_arn(arn)?.permissions),
        // Groups can be simulated too; those of the sandbox have no policies.
        _ => Err(invalid(format!("Invalid Entity Arn: {arn}"))),
    }
}

fn shown(action: &str, resource: &str, simulated: Simulated) -> Xml {
    let missing = simulated.missing.into_iter().map(Xml::plain);
    Xml::new()
        .text("EvalActionName", action)
        .text("EvalResourceName", resource)
        .text("EvalDecision", simulated.decision)
        .members("MissingContextValues", missing)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInput", message)
}
