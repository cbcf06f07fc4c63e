//! How much the environment of the function holds, and how many users can have a secret with a name of its own for that.

use contract::DIGEST_DIGITS;
use serde_json::Value as Json;

use super::{CodeLocation, Template, TemplateError, filled, parameters};
use crate::config::Config;
use crate::names::FUNCTION;

/// What the variables of a function may take together, in bytes (Lambda quotas). How they are counted is not documented;
/// here it is as JSON, in which Lambda shows them when they are too many.
const LARGEST: usize = 4_096;

/// The most that a value takes which is known to CloudFormation only: the name of the stack, with the number of a cell.
const LONGEST_REFERENCE: usize = 64;

/// Refuses a stack whose function Lambda would not take.
pub(super) fn check(template: &Template, own_secrets: usize) -> Result<(), TemplateError> {
    let bytes = size(template);
    if bytes > LARGEST { Err(TemplateError::Environment { bytes, most: LARGEST, own_secrets }) } else { Ok(()) }
}

/// How many users of one cell can have a secret with a name of its own.
///
/// # Errors
/// [`TemplateError`] when the template cannot be filled in.
pub fn room_for_own_secrets(config: &Config) -> Result<usize, TemplateError> {
    let nowhere = CodeLocation { bucket: String::new(), key: String::new() };
    let mut values = parameters::of(config, &nowhere);
    // The variable is there only with one, and so its name is counted.
    values.insert("OwnSecrets", "0".repeat(DIGEST_DIGITS));
    let template = filled(config, &values)?;
    Ok((LARGEST + DIGEST_DIGITS).saturating_sub(size(&template)) / DIGEST_DIGITS)
}

fn size(template: &Template) -> usize {
    let resources = template.resources();
    let variables = resources.get(FUNCTION).and_then(|function| function.properties.pointer("/Environment/Variables"));
    let value = |value: &Json| value.as_str().map_or(LONGEST_REFERENCE, |text| Json::from(text).to_string().len());
    let variables = variables.and_then(Json::as_object).into_iter().flatten();
    // A name and its value have quotes, a colon and a comma.
    variables.map(|(name, it)| name.len() + value(it) + 4).sum::<usize>() + 1
}
