//! What tests may do to stacks, and see of them, beside the API.

use jiff::Timestamp;

use super::blueprint::Identity;
use super::template::Policy;
use crate::World;

/// What CloudFormation does with a resource, as a test names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// It is created, or imported.
    Create,
    /// It is updated, replaced, or brought back by a rollback.
    Update,
    /// It is deleted.
    Delete,
}

/// A failure that a test has ordered.
#[derive(Debug)]
pub(super) struct OrderedFailure {
    stack: String,
    logical_id: String,
    on: On,
    reason: String,
}

/// A stack as tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackView {
    /// The ARN.
    pub id: String,
    /// The name, unique among the stacks of its account and region that are not deleted.
    pub name: String,
    /// The account it is in.
    pub account: String,
    /// The region it is in.
    pub region: String,
    /// The status by its name in the API.
    pub status: String,
    /// When its last event happened; `None` while there is none.
    pub last_event: Option<Timestamp>,
    /// The stack's tags.
    pub tags: Vec<(String, String)>,
    /// The resources that exist and belong to it.
    pub resources: Vec<ResourceView>,
}

/// A resource of a stack as tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceView {
    /// Its name in the template.
    pub logical_id: String,
    /// The type, such as `AWS::IAM::Role`.
    pub kind: String,
    /// What `Ref` gives.
    pub physical_id: String,
    /// Whether it stays when the stack gives it up.
    pub retained: bool,
}

impl World {
    /// Has the next attempt to create, update or delete a resource of the named stacks fail with this reason. Each
    /// order strikes once; a rollback's update is an attempt of its own.
    pub fn fail_resource(&mut self, stack: &str, logical_id: &str, on: On, reason: &str) {
        self.cloudformation.failures.push(OrderedFailure {
            stack: stack.to_owned(),
            logical_id: logical_id.to_owned(),
            on,
            reason: reason.to_owned(),
        });
    }

    /// Every stack there is or was, oldest first.
    pub fn stacks(&self) -> Vec<StackView> {
        let mut stacks: Vec<_> = self.cloudformation.stacks.values().collect();
        stacks.sort_by_key(|stack| stack.created_at);
        stacks.into_iter().map(view).collect()
    }
}

impl super::State {
    /// The reason for which an attempt fails, when a test has ordered that.
    pub(super) fn strike(&mut self, stack: &Identity, logical_id: &str, on: On) -> Option<String> {
        let hits = |failure: &OrderedFailure| {
            failure.stack == stack.name && failure.logical_id == logical_id && failure.on == on
        };
        let index = self.failures.iter().position(hits)?;
        Some(self.failures.remove(index).reason)
    }
}

fn view(stack: &super::stack::Stack) -> StackView {
    let resource = |(name, resource): (&String, &super::stack::StackResource)| {
        Some(ResourceView {
            logical_id: name.clone(),
            kind: resource.kind.clone(),
            physical_id: resource.owned.as_ref()?.physical_id.clone(),
            retained: resource.deletion_policy != Policy::Delete,
        })
    };
    let tags = stack.blueprint.as_ref().map(|blueprint| blueprint.tags.clone()).unwrap_or_default();
    StackView {
        id: stack.identity.id.clone(),
        name: stack.identity.name.clone(),
        account: stack.identity.account.clone(),
        region: stack.identity.region.clone(),
        status: stack.status.name().to_owned(),
        last_event: stack.events.last().map(|event| event.at),
        tags: tags.into_iter().collect(),
        resources: stack.resources.iter().filter_map(resource).collect(),
    }
}
