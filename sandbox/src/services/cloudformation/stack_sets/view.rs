//! Stack sets as tests see them.

use super::operation::Operation;
use super::set::{Instance, Place, StackSet};
use crate::World;

/// A stack set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackSetView {
    /// The name, a colon, and a UUID.
    pub id: String,
    /// The name, unique among the sets of its account and region that are not deleted.
    pub name: String,
    /// The account it is in: of a service-managed one the management account.
    pub account: String,
    /// The region it is in.
    pub region: String,
    /// Whether it has been deleted.
    pub deleted: bool,
    /// Its instances, in the order of accounts and regions.
    pub instances: Vec<StackInstanceView>,
    /// Its operations, oldest first, as `ACTION STATUS`.
    pub operations: Vec<String>,
}

/// An instance of a stack set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackInstanceView {
    /// The account it is in.
    pub account: String,
    /// The region it is in.
    pub region: String,
    /// The id of its stack, if there is one.
    pub stack: Option<String>,
    /// The status by its name in the API, such as `CURRENT`.
    pub status: String,
    /// The detailed status by its name in the API, such as `SUCCEEDED`.
    pub detailed: String,
}

impl World {
    /// Every stack set there is or was.
    pub fn stack_sets(&self) -> Vec<StackSetView> {
        self.cloudformation.sets.sets.values().map(view).collect()
    }
}

fn view(set: &StackSet) -> StackSetView {
    let instance = |(place, instance): (&Place, &Instance)| StackInstanceView {
        account: place.account.clone(),
        region: place.region.clone(),
        stack: instance.stack.clone(),
        status: instance.status.name().to_owned(),
        detailed: instance.detailed.name().to_owned(),
    };
    let operation = |operation: &Operation| format!("{} {}", operation.action.name(), operation.status.name());
    StackSetView {
        id: set.id.clone(),
        name: set.name.clone(),
        account: set.account.clone(),
        region: set.region.clone(),
        deleted: set.deleted,
        instances: set.instances.iter().map(instance).collect(),
        operations: set.operations.iter().map(operation).collect(),
    }
}
