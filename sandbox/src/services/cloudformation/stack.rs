//! A stack: what it is built from, the resources it owns, and what has happened to it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::blueprint::{Blueprint, Identity};
use super::drift::Drift;
use super::events::Event;
use super::intrinsics::Referent;
use super::operation::Operation;
use super::resource::{self, Created, Order};
use super::status::{ResourceStatus, StackStatus, Stage, Verb};
use super::template::{Policy, Resource};
use crate::request::Caller;

/// A stack.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) identity: Identity,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Option<Timestamp>,
    pub(super) deleted_at: Option<Timestamp>,
    pub(super) status: StackStatus,
    pub(super) reason: Option<String>,
    pub(super) protected: bool,
    /// Whether its last operation was in express mode.
    pub(super) express: bool,
    /// `None` while nothing has been built: the stack exists only so that its change set has something to belong to.
    pub(super) blueprint: Option<Blueprint>,
    pub(super) resources: BTreeMap<String, StackResource>,
    /// Values and descriptions.
    pub(super) outputs: BTreeMap<String, (String, Option<String>)>,
    /// The change set that was executed last.
    pub(super) change_set: Option<String>,
    /// Oldest first.
    pub(super) events: Vec<Event>,
    /// What the last detection of drift said, and when, unless the stack has been changed since.
    pub(super) drift: Option<(&'static str, Timestamp)>,
    /// The id of the stack set that it belongs to.
    pub(super) stack_set: Option<String>,
    /// What is under way, or has stopped and can be gone on with.
    pub(super) operation: Option<Operation>,
}

/// A resource of a stack.
#[derive(Debug, Clone)]
pub(super) struct StackResource {
    pub(super) kind: String,
    /// What exists and belongs to the stack.
    pub(super) owned: Option<Created>,
    /// The last physical id there was, for people to look at.
    pub(super) physical_id: Option<String>,
    /// The properties as applied last, without intrinsics.
    pub(super) properties: Value,
    pub(super) depends_on: BTreeSet<String>,
    pub(super) deletion_policy: Policy,
    pub(super) update_replace_policy: Policy,
    pub(super) status: ResourceStatus,
    pub(super) reason: Option<String>,
    pub(super) changed_at: Timestamp,
    /// What the last detection of drift found, unless the stack has been changed since.
    pub(super) drift: Option<Drift>,
}

impl Stack {
    pub(super) fn new(identity: Identity, now: Timestamp) -> Self {
        Self {
            identity,
            created_at: now,
            updated_at: None,
            deleted_at: None,
            status: StackStatus::ReviewInProgress,
            reason: None,
            protected: false,
            express: false,
            blueprint: None,
            resources: BTreeMap::new(),
            outputs: BTreeMap::new(),
            change_set: None,
            events: Vec::new(),
            drift: None,
            stack_set: None,
            operation: None,
        }
    }

    /// The resources that exist, for references to them.
    pub(super) fn referents(&self) -> BTreeMap<&str, Referent<'_>> {
        let resources = self.resources.iter();
        resources.filter_map(|(name, it)| Some((name.as_str(), Referent::Exists(it.owned.as_ref()?)))).collect()
    }

    /// An order to the service that owns a resource type.
    pub(super) fn order(&self, caller: &Caller, logical_id: &str, kind: &str, properties: &Value) -> Order {
        Order {
            caller: caller.clone(),
            region: self.identity.region.clone(),
            kind: kind.to_owned(),
            stack_name: self.identity.name.clone(),
            logical_id: logical_id.to_owned(),
            properties: self.with_system_tags(logical_id, kind, properties),
        }
    }

    /// The properties with the tags that CloudFormation itself puts on a resource, where the type takes tags.
    pub(super) fn with_system_tags(&self, logical_id: &str, kind: &str, properties: &Value) -> Value {
        let mut properties = properties.clone();
        let takes_tags = resource::schema(kind).is_ok_and(|schema| schema.properties.contains(&"Tags"));
        if let Value::Object(fields) = &mut properties
            && takes_tags
            && let Value::Array(tags) = fields.entry("Tags").or_insert_with(|| json!([]))
        {
            for (key, value) in [
                ("aws:cloudformation:logical-id", logical_id),
                ("aws:cloudformation:stack-id", &self.identity.id),
                ("aws:cloudformation:stack-name", &self.identity.name),
            ] {
                tags.push(json!({ "Key": key, "Value": value }));
            }
        }
        properties
    }
}

impl StackResource {
    /// A resource that is about to be built.
    pub(super) fn planned(
        resource: &Resource,
        properties: Value,
        depends_on: BTreeSet<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            kind: resource.kind.clone(),
            owned: None,
            physical_id: None,
            properties,
            depends_on,
            deletion_policy: resource.deletion_policy,
            update_replace_policy: resource.update_replace_policy,
            status: ResourceStatus(Verb::Create, Stage::InProgress),
            reason: None,
            changed_at: now,
            drift: None,
        }
    }

    /// Takes what is known of a resource that exists now.
    pub(super) fn own(&mut self, created: Created) {
        self.physical_id = Some(created.physical_id.clone());
        self.owned = Some(created);
    }
}
