//! What tests may do to stacks, and see of them, beside the API.

use jiff::Timestamp;
use serde_json::Value;

use super::blueprint::Identity;
use super::invalid;
use super::population;
use super::resource::{self, Order};
use super::template::Policy;
use crate::{ApiError, Outcome, World};

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
    of: Struck,
    logical_id: String,
    on: On,
    reason: String,
}

/// Which stacks an ordered failure strikes.
#[derive(Debug, PartialEq, Eq)]
enum Struck {
    Name(String),
    Account(String),
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
        self.order_failure(Struck::Name(stack.to_owned()), logical_id, on, reason);
    }

    /// The same for the stacks of an account, whatever their names are: those of stack sets have random ones.
    pub fn fail_resource_in(&mut self, account: &str, logical_id: &str, on: On, reason: &str) {
        self.order_failure(Struck::Account(account.to_owned()), logical_id, on, reason);
    }

    fn order_failure(&mut self, of: Struck, logical_id: &str, on: On, reason: &str) {
        let (logical_id, reason) = (logical_id.to_owned(), reason.to_owned());
        self.cloudformation.failures.push(OrderedFailure { of, logical_id, on, reason });
    }

    /// Changes properties of a resource of a stack past CloudFormation, as a person with every permission does; a `null`
    /// takes one away. All others stay what they are.
    ///
    /// # Errors
    /// What the service says, and when there is no such resource, or none that can be read back.
    pub fn change_resource(&mut self, stack: &str, logical_id: &str, changes: &Value) -> Result<(), ApiError> {
        let (order, id) = self.person_at(stack, logical_id)?;
        let present = resource::read(self, &order, &id)?.ok_or_else(|| invalid(format!("{logical_id} is gone")))?;
        let mut before = order.properties.as_object().cloned().unwrap_or_default();
        let readable = resource::schema(&order.kind)?.readable.unwrap_or_default();
        before.retain(|name, _| !readable.contains(&name.as_str()));
        before.extend(present.as_object().cloned().unwrap_or_default());
        let mut after = before.clone();
        for (name, value) in changes.as_object().into_iter().flatten() {
            match value {
                Value::Null => drop(after.remove(name)),
                value => drop(after.insert(name.clone(), value.clone())),
            }
        }
        let system = order.properties.get("Tags").and_then(Value::as_array).into_iter().flatten();
        let system =
            system.filter(|tag| tag.get("Key").and_then(Value::as_str).is_some_and(|key| key.starts_with("aws:")));
        if let Some(Value::Array(tags)) = after.get_mut("Tags") {
            tags.extend(system.cloned());
        }
        let order = Order { properties: after.into(), ..order };
        let changed = resource::update(self, &order, &id, &before.into());
        self.note_call("a person", &format!("test:Change {}", order.kind), Outcome::Done);
        changed.map(drop)
    }

    /// Deletes a resource of a stack past CloudFormation, as a person with every permission does.
    ///
    /// # Errors
    /// What the service says, and when there is no such resource.
    pub fn delete_resource(&mut self, stack: &str, logical_id: &str) -> Result<(), ApiError> {
        let (order, id) = self.person_at(stack, logical_id)?;
        let deleted = resource::delete(self, &order, &id);
        self.note_call("a person", &format!("test:Delete {}", order.kind), Outcome::Done);
        deleted
    }

    /// An order of somebody who may do everything in the account, about a resource of a stack, and the id of the resource.
    fn person_at(&self, stack: &str, logical_id: &str) -> Result<(Order, String), ApiError> {
        let missing = || invalid(format!("the stack {stack} has no resource {logical_id}"));
        let alive = |it: &&super::stack::Stack| it.identity.name == stack && it.deleted_at.is_none();
        let stack = self.cloudformation.stacks.values().find(alive).ok_or_else(missing)?;
        let resource = stack.resources.get(logical_id).ok_or_else(missing)?;
        let id = resource.owned.as_ref().ok_or_else(missing)?.physical_id.clone();
        let caller = population::owner(self, &stack.identity.account)?;
        Ok((stack.order(&caller, logical_id, &resource.kind, &resource.properties), id))
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
            let is_struck = match &failure.of {
                Struck::Name(name) => *name == stack.name,
                Struck::Account(account) => *account == stack.account,
            };
            is_struck && failure.logical_id == logical_id && failure.on == on
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
