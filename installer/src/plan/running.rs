//! Whether the functions run what was deployed. CloudFormation cannot read their code, so neither an update nor its
//! detection of drift sees that somebody has exchanged it.

use std::fmt;

use serde::Serialize;

use super::deployed;
use crate::artifact::digest_of;
use crate::observe::{ObservedStack, Running};
use crate::template::TemplateError;

/// What is wrong with a function. The names are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionFault {
    /// It was deleted past CloudFormation.
    Gone,
    /// It runs other code than what was deployed.
    OtherCode,
}

/// What is wrong with the function of a stack, as far as anybody has looked.
///
/// # Errors
/// [`TemplateError`] when the stack's template cannot be read.
pub fn function_fault(found: &ObservedStack) -> Result<Option<FunctionFault>, TemplateError> {
    let Some(running) = &found.running else { return Ok(None) };
    let Some(code) = deployed(found)?.as_ref().and_then(|template| template.code()) else { return Ok(None) };
    Ok(match (running, digest_of(&code.key)) {
        (Running::Nothing, _) => Some(FunctionFault::Gone),
        (Running::Code(found), Some(wanted)) if *found != wanted => Some(FunctionFault::OtherCode),
        (Running::Code(_), _) => None,
    })
}

impl fmt::Display for FunctionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "its function is gone: nobody is rotated; `keyturn bootstrap --drift` makes it anew",
            Self::OtherCode => {
                "its function runs code that was not deployed, with everything that the function may do; CloudTrail tells who has called UpdateFunctionCode, and `keyturn bootstrap` puts back what was deployed"
            }
        })
    }
}
