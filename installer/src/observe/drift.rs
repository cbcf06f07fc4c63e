//! Looks for what somebody has changed in stacks past CloudFormation.

use std::time::Duration;

use tokio::time::Instant;

use super::ObservedStack;
use crate::aws::drift::{self, Detection, Drifted};
use crate::aws::stacks::{self, Rest};
use crate::aws::{CallError, Clients};

/// How long a detection may take. It looks at each of up to 500 resources by itself.
const WITHIN: Duration = Duration::from_secs(900);

/// The first pause and the longest one: small stacks take seconds, large ones minutes.
const FIRST: Duration = Duration::from_millis(300);
const LONGEST: Duration = Duration::from_secs(5);

/// What was found of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drift {
    /// The resources that are not as the template says, or of which nobody can tell.
    pub resources: Vec<Drifted>,
    /// The resources that CloudFormation cannot look at, with their types.
    pub unchecked: Vec<(String, String)>,
    /// Why the detection has failed for some.
    pub failure: Option<String>,
}

/// Looks for drift in a stack, unless it is in no state for that.
///
/// # Errors
/// [`CallError`], also when it takes too long.
pub(super) async fn detect(clients: &Clients, name: &str, found: &ObservedStack) -> Result<Option<Drift>, CallError> {
    if found.stack.status.rest() != Rest::Usable {
        return Ok(None);
    }
    let (began, mut pause, mut id) = (Instant::now(), FIRST, None);
    let failure = loop {
        if id.is_none() {
            id = drift::detect(clients, name).await?;
        }
        if let Some(id) = &id {
            match drift::detection(clients, id).await? {
                Detection::UnderWay => {}
                Detection::Complete => break None,
                Detection::Failed(reason) => break Some(reason),
            }
        }
        if began.elapsed() > WITHIN {
            let cause = format!("looking for drift in the stack `{name}` took too long");
            return Err(CallError::NoAnswer { operation: "cloudformation:DetectStackDrift", cause });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST);
    };
    let (resources, all) = tokio::try_join!(drift::found(clients, name), stacks::resources(clients, name))?;
    let unchecked = all.into_iter().filter(|resource| !resource.is_checked && resource.is_named);
    let unchecked = unchecked.map(|resource| (resource.logical_id, resource.kind)).collect();
    Ok(Some(Drift { resources, unchecked, failure }))
}
