//! What a stack's state allows: create it, create it anew, update it, or refuse to touch it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Refusal;
use crate::aws::stacks::{Resource, Rest, Status, is_cancellation};
use crate::observe::ObservedStack;

/// How to bring a stack to its template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum Action {
    /// There is none.
    Create,
    /// One is in the way that was never deployed, or whose creation was taken back; it goes first.
    CreateAnew {
        /// The one in the way.
        id: String,
        /// Its status.
        status: Status,
    },
    /// It is deployed and differs.
    Update,
    /// What was done with it has failed and was not taken back: it goes on from there.
    Resume {
        /// Its status.
        status: Status,
        /// The resources that failed, and why.
        failed: Vec<String>,
    },
}

impl Action {
    /// Whether there is no stack before.
    pub fn creates(&self) -> bool {
        match self {
            Self::Create | Self::CreateAnew { .. } => true,
            Self::Update | Self::Resume { .. } => false,
        }
    }
}

/// Whether a stack has failed in a way that CloudFormation lets go on: nothing was taken back (user guide, "Choose how to
/// handle failures when provisioning resources").
pub(super) fn can_be_resumed(status: Status) -> bool {
    matches!(status, Status::CreateFailed | Status::UpdateFailed)
}

/// What can be done with a stack in the state in which it was found.
///
/// # Errors
/// [`Refusal`] when a person has to look first.
pub(super) fn action(name: &str, found: Option<&ObservedStack>) -> Result<Action, Refusal> {
    let Some(found) = found else { return Ok(Action::Create) };
    let status = found.stack.status;
    let anew = || Action::CreateAnew { id: found.stack.id.clone(), status };
    let is_cancelled = |resource: &Resource| resource.reason.as_deref().is_some_and(is_cancellation);
    let has_failed = |resource: &&Resource| resource.status.ends_with("_FAILED") && !is_cancelled(resource);
    let failed = || found.resources.iter().filter(has_failed);
    if can_be_resumed(status) {
        return Ok(Action::Resume { status, failed: failed().map(described).collect() });
    }
    match status.rest() {
        Rest::Gone => Ok(Action::Create),
        Rest::Usable => Ok(Action::Update),
        Rest::Review => Ok(anew()),
        Rest::Shell if live(&found.resources).next().is_none() => Ok(anew()),
        Rest::Shell | Rest::HalfMade => {
            let live = live(&found.resources).map(described).collect();
            Err(Refusal::HalfMadeStack { stack: name.to_owned(), status, live })
        }
        Rest::Stuck => {
            Err(Refusal::StuckStack { stack: name.to_owned(), status, failed: failed().map(described).collect() })
        }
        Rest::Busy => Err(Refusal::BusyStack { stack: name.to_owned(), status }),
    }
}

/// The resources of a stack that has failed and was not taken back: what has never been made is none of it. `None` when
/// the stack is as its template says.
pub(super) fn made(found: &ObservedStack) -> Option<BTreeSet<&str>> {
    let is_made = |resource: &&Resource| resource.is_named && resource.status != "DELETE_COMPLETE";
    let made = || found.resources.iter().filter(is_made).map(|resource| resource.logical_id.as_str()).collect();
    can_be_resumed(found.stack.status).then(made)
}

/// The resources that would lose their stack with it. Secrets are kept on purpose, and come back by being imported.
fn live(resources: &[Resource]) -> impl Iterator<Item = &Resource> {
    resources.iter().filter(|resource| {
        let kept = resource.kind == "AWS::SecretsManager::Secret" && resource.status == "DELETE_SKIPPED";
        let never_was = resource.status == "CREATE_FAILED" && !resource.is_named;
        resource.status != "DELETE_COMPLETE" && !kept && !never_was
    })
}

fn described(resource: &Resource) -> String {
    let Resource { logical_id, kind, status, .. } = resource;
    match &resource.reason {
        Some(reason) => format!("{logical_id} ({kind}) is {status}: {reason}"),
        None => format!("{logical_id} ({kind}) is {status}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::aws::stacks::Stack;

    fn found(status: Status, resources: &[(&str, &str, &str)]) -> ObservedStack {
        let resource = |(id, kind, status): &(&str, &str, &str)| Resource {
            logical_id: (*id).to_owned(),
            kind: (*kind).to_owned(),
            status: (*status).to_owned(),
            reason: None,
            is_named: *status != "CREATE_FAILED",
            is_checked: false,
        };
        let stack = Stack {
            id: "arn:stack/1".to_owned(),
            status,
            tags: BTreeMap::new(),
            protected: false,
            changed: None,
            express: false,
        };
        ObservedStack {
            stack,
            resources: resources.iter().map(resource).collect(),
            template: None,
            drift: None,
            running: None,
        }
    }

    #[test]
    fn every_status_has_its_answer() {
        use Status::*;
        for status in Status::ALL {
            let answer = action("keyturn", Some(&found(*status, &[])));
            let fits = match status {
                CreateComplete | UpdateComplete | UpdateRollbackComplete | ImportComplete | ImportRollbackComplete => {
                    matches!(answer, Ok(Action::Update))
                }
                RollbackComplete | ReviewInProgress => matches!(answer, Ok(Action::CreateAnew { .. })),
                DeleteComplete => matches!(answer, Ok(Action::Create)),
                CreateFailed | UpdateFailed => matches!(answer, Ok(Action::Resume { .. })),
                RollbackFailed | DeleteFailed => matches!(answer, Err(Refusal::HalfMadeStack { .. })),
                UpdateRollbackFailed | ImportRollbackFailed => {
                    matches!(answer, Err(Refusal::StuckStack { .. }))
                }
                CreateInProgress
                | RollbackInProgress
                | DeleteInProgress
                | UpdateInProgress
                | UpdateCompleteCleanupInProgress
                | UpdateRollbackInProgress
                | UpdateRollbackCompleteCleanupInProgress
                | ImportInProgress
                | ImportRollbackInProgress => matches!(answer, Err(Refusal::BusyStack { .. })),
            };
            assert!(fits, "{status}: {answer:?}");
        }
        assert_eq!(action("keyturn", None).ok(), Some(Action::Create));
    }

    #[test]
    fn a_shell_is_deleted_only_when_nothing_lives_in_it_but_kept_secrets() {
        let gone = ("Role", "AWS::IAM::Role", "DELETE_COMPLETE");
        let kept = ("SecretA", "AWS::SecretsManager::Secret", "DELETE_SKIPPED");
        let never_was = ("Function", "AWS::Lambda::Function", "CREATE_FAILED");
        let alive = ("Role", "AWS::IAM::Role", "DELETE_FAILED");
        let answer = action("keyturn", Some(&found(Status::RollbackComplete, &[gone, kept, never_was])));
        assert!(matches!(answer, Ok(Action::CreateAnew { .. })), "{answer:?}");
        let answer = action("keyturn", Some(&found(Status::RollbackComplete, &[kept, alive])));
        let Err(Refusal::HalfMadeStack { live, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(live, ["Role (AWS::IAM::Role) is DELETE_FAILED"]);
    }

    #[test]
    fn a_stuck_stack_names_the_resource_that_failed() {
        let resources =
            [("Role", "AWS::IAM::Role", "UPDATE_COMPLETE"), ("Function", "AWS::Lambda::Function", "UPDATE_FAILED")];
        let answer = action("keyturn", Some(&found(Status::UpdateRollbackFailed, &resources)));
        let Err(Refusal::StuckStack { failed, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(failed, ["Function (AWS::Lambda::Function) is UPDATE_FAILED"]);
    }
}
