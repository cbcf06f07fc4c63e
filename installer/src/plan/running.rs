//! Whether the functions run what was deployed. CloudFormation cannot read their code, so neither an update nor its
//! detection of drift sees that somebody has exchanged it.

use std::fmt;

use serde::Serialize;

use super::deployed;
use crate::artifact::digest_of;
use crate::observe::{ObservedStack, Running};
use crate::template::{Template, TemplateError};

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
    let deployed = deployed(found)?;
    Ok(found.running.as_ref().zip(deployed).and_then(|(running, deployed)| fault_of(running, &deployed)))
}

/// What is wrong with the function that a template has made.
pub fn fault_of(running: &Running, deployed: &Template) -> Option<FunctionFault> {
    let wanted = digest_of(&deployed.code()?.key);
    match running {
        Running::Nothing => Some(FunctionFault::Gone),
        Running::Code(found) if wanted.is_some_and(|wanted| *found != wanted) => Some(FunctionFault::OtherCode),
        Running::Code(_) => None,
    }
}

impl fmt::Display for FunctionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "its function is gone: nobody is rotated; `keyturn bootstrap --drift` makes it anew",
            Self::OtherCode => {
                "its function runs code that was not deployed, with everything that the function may do; CloudTrail tells who has called UpdateFunctionCode, and the next `bootstrap` or `rollout` that looks at the account puts back what was deployed"
            }
        })
    }
}
