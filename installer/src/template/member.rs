//! The one template for many accounts: without users, whom the function finds by itself, and the same in each account.

use contract::Enrolment;
use serde_yaml::{Mapping, Value};

use super::{CodeLocation, ENROLMENT_POLICY, Template, TemplateError, filled, parameters};
use crate::config::Config;
use crate::names::policy_in;

/// The stack of a function that enrols its users by itself. Nothing in it depends on the account, and what is called
/// after the stack is called after that of the configuration, whatever name the stack gets: a stack that is made again
/// goes on with the secrets of the one before.
///
/// # Errors
/// [`TemplateError`] when the template cannot be filled in.
pub fn member(config: &Config, enrolment: &Enrolment, code: &CodeLocation) -> Result<Template, TemplateError> {
    let mut template = filled(config, &parameters::of_member(config, enrolment, code))?;
    if let Some(tags) = condition(enrolment) {
        keys_of(&mut template)?.insert("Condition".into(), tags.into());
    }
    if let Some(arn) = &config.permissions_boundary {
        bound(&mut template, arn);
    }
    Ok(template)
}

/// Has every role bounded by the account's own policy of that name.
fn bound(template: &mut Template, arn: &str) {
    let own = policy_in(arn, "${AWS::AccountId}");
    let roles =
        template.0.get_mut("Resources").and_then(Value::as_mapping_mut).into_iter().flat_map(Mapping::values_mut);
    let boundaries = roles.filter_map(|resource| resource.get_mut("Properties")?.get_mut("PermissionsBoundary"));
    for boundary in boundaries.filter(|_| own != arn) {
        *boundary = Mapping::from_iter([("Fn::Sub".into(), own.as_str().into())]).into();
    }
}

/// What a user's tags must be for the function to touch the keys: the names of tags, which no parameter can stand for.
/// IAM compares them as the function does, names without case and values with it.
fn condition(enrolment: &Enrolment) -> Option<Mapping> {
    let (any, exact): (Vec<_>, Vec<_>) = enrolment.tags.iter().partition(|(_, value)| value.as_str() == "*");
    let mapping = |tags: Vec<(&String, &String)>| -> Mapping {
        tags.into_iter().map(|(key, value)| (format!("iam:ResourceTag/{key}").into(), value.as_str().into())).collect()
    };
    let operators = [("StringEquals", mapping(exact)), ("StringLike", mapping(any))];
    let operators: Mapping = operators
        .into_iter()
        .filter(|(_, tags)| !tags.is_empty())
        .map(|(operator, tags)| (operator.into(), tags.into()))
        .collect();
    (!operators.is_empty()).then_some(operators)
}

/// The statement on the keys of users.
fn keys_of(template: &mut Template) -> Result<&mut Mapping, TemplateError> {
    let absent = || TemplateError::Unfillable(ENROLMENT_POLICY.to_owned());
    let mut value = template.0.get_mut("Resources").ok_or_else(absent)?;
    for name in [ENROLMENT_POLICY, "Properties", "PolicyDocument", "Statement"] {
        value = value.get_mut(name).ok_or_else(absent)?;
    }
    let statements = value.as_sequence_mut().ok_or_else(absent)?;
    let keys = statements.iter_mut().find(|statement| statement.get("Sid").is_some_and(|sid| sid == "Keys"));
    keys.and_then(Value::as_mapping_mut).ok_or_else(absent)
}

#[cfg(test)]
mod tests;
