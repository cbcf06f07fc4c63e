//! What a change set would change: the blueprint of a stack compared with a new one, resource by resource and
//! property by property.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::blueprint::Blueprint;
use super::drift::{self, Live, Status};
use super::expression::Reference;
use super::graph;
use super::intrinsics::{KNOWN_LATER, Referent};
use super::invalid;
use super::resource::{self, Created};
use super::stack::{Stack, StackResource};
use super::status::Stage;
use super::template::{Policy, Resource};
use crate::ApiError;

/// What would happen with one resource.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) action: &'static str,
    pub(super) logical_id: String,
    pub(super) physical_id: Option<String>,
    pub(super) kind: String,
    pub(super) replacement: Option<&'static str>,
    pub(super) policy_action: Option<&'static str>,
    /// In a change set that reverts drift: how the resource stands to its template.
    pub(super) drift: Option<Status>,
    pub(super) details: Vec<Detail>,
    /// The resource before and after, as far as it is known.
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

/// What would happen with one attribute of a resource, or with one value inside a property.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Detail {
    /// `Properties`, `Tags`, `DeletionPolicy` or `UpdateReplacePolicy`.
    pub(super) attribute: &'static str,
    /// The property's name.
    pub(super) name: Option<String>,
    pub(super) path: String,
    pub(super) always_recreates: bool,
    /// Known only when the change set is executed; it may turn out to be no change at all.
    pub(super) dynamic: bool,
    pub(super) source: &'static str,
    pub(super) causing_entity: Option<String>,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
    /// In a change set that reverts drift: what the template before said, when somebody has changed it since.
    pub(super) drifted_from: Option<Value>,
}

/// Compares a stack with the blueprint of a change set. `imports` are the existing resources that it takes over, `live` is
/// what there is of those of which drift is to be reverted.
pub(super) fn changes(
    stack: &Stack,
    new: &Blueprint,
    imports: &BTreeMap<String, Created>,
    live: &BTreeMap<String, Live>,
) -> Result<Vec<Change>, ApiError> {
    let mut referents = BTreeMap::new();
    let mut modified = BTreeSet::new();
    let mut changes = Vec::new();
    let order = graph::in_order(&new.dependencies)?;
    for name in &order {
        let Some(described) = new.resource(name) else { continue };
        let after = new.properties(described, &referents)?;
        let existing = stack.resources.get(name).and_then(|resource| Some((resource, resource.owned.as_ref()?)));
        let referent = match (existing, imports.get(name)) {
            (None, None) => {
                changes.push(arrival("Add", name, described, None, after));
                Referent::Later
            }
            (Some((resource, _)), _) if live.get(name) == Some(&Live::Gone) => {
                let change = arrival("Add", name, described, resource.physical_id.clone(), after);
                changes.push(Change { drift: Some(Status::Deleted), ..change });
                modified.insert(name.as_str());
                Referent::Later
            }
            (None, Some(found)) => {
                changes.push(arrival("Import", name, described, Some(found.physical_id.clone()), after));
                Referent::Exists(found)
            }
            (Some((resource, owned)), _) => {
                let now = now(resource, &after, live.get(name))?;
                let live = live.get(name);
                let comparison = Comparison { stack, new, name, resource, live, now, described, modified: &modified };
                let change = comparison.run(after)?;
                let is_replaced = change.as_ref().is_some_and(|change| change.replacement == Some("True"));
                if let Some(change) = change {
                    modified.insert(name.as_str());
                    changes.push(change);
                }
                if is_replaced { Referent::Later } else { Referent::Exists(owned) }
            }
        };
        referents.insert(name.as_str(), referent);
    }
    changes.extend(removals(stack, new));
    changes.sort_by(|one, other| one.logical_id.cmp(&other.logical_id));
    Ok(changes)
}

/// The properties that a resource has before the change.
fn now(resource: &StackResource, wanted: &Value, live: Option<&Live>) -> Result<Value, ApiError> {
    match live {
        Some(Live::There(actual)) => {
            Ok(drift::with_others(&resource::schema(&resource.kind)?, &resource.properties, wanted, actual))
        }
        Some(Live::Gone | Live::Unknown) | None => Ok(resource.properties.clone()),
    }
}

fn arrival(action: &'static str, name: &str, described: &Resource, id: Option<String>, after: Value) -> Change {
    Change {
        action,
        logical_id: name.to_owned(),
        physical_id: id,
        kind: described.kind.clone(),
        replacement: None,
        policy_action: None,
        drift: None,
        details: Vec::new(),
        before: None,
        after: Some(json!({ "Properties": after })),
    }
}

fn removals(stack: &Stack, new: &Blueprint) -> impl Iterator<Item = Change> {
    stack.resources.iter().filter(|(name, _)| new.resource(name).is_none()).filter_map(|(name, resource)| {
        let keep = resource.deletion_policy != Policy::Delete;
        Some(Change {
            action: "Remove",
            logical_id: name.clone(),
            physical_id: Some(resource.owned.as_ref()?.physical_id.clone()),
            kind: resource.kind.clone(),
            replacement: None,
            policy_action: Some(if keep { "Retain" } else { "Delete" }),
            drift: None,
            details: Vec::new(),
            before: Some(json!({ "Properties": resource.properties })),
            after: None,
        })
    })
}

/// One resource that is there before and after.
struct Comparison<'a> {
    stack: &'a Stack,
    new: &'a Blueprint,
    name: &'a str,
    resource: &'a StackResource,
    /// In a change set that reverts drift: what there is.
    live: Option<&'a Live>,
    /// The properties before the change.
    now: Value,
    described: &'a Resource,
    /// The resources that the change set modifies.
    modified: &'a BTreeSet<&'a str>,
}

impl Comparison<'_> {
    fn run(&self, after: Value) -> Result<Option<Change>, ApiError> {
        let (resource, described) = (self.resource, self.described);
        // What failed before is tried again.
        let has_failed = resource.status.1 == Stage::Failed;
        if resource.kind != described.kind {
            let what = "Update of resource type is not permitted. The new template modifies resource type of the";
            return Err(invalid(format!("{what} following resources: [{}]", self.name)));
        }
        let create_only = resource::schema(&resource.kind)?.create_only;
        let mut details = self.properties(&after, create_only);
        details.extend(self.attributes_that_may_change(&details, create_only));
        details.extend(self.policies());
        // The template has become what somebody had made of the resource.
        let is_synchronized = details.is_empty() && self.now != resource.properties;
        if details.is_empty() && !is_synchronized && !has_failed {
            return Ok(None);
        }
        let recreates = |dynamic: bool| details.iter().any(|it| it.always_recreates && it.dynamic == dynamic);
        let (replacement, policy_action) = match (recreates(false), recreates(true), described.update_replace_policy) {
            (true, _, Policy::Delete) => ("True", Some("ReplaceAndDelete")),
            (true, ..) => ("True", Some("ReplaceAndRetain")),
            (false, true, _) => ("Conditional", None),
            (false, false, _) => ("False", None),
        };
        Ok(Some(Change {
            action: if is_synchronized { "SyncWithActual" } else { "Modify" },
            logical_id: self.name.to_owned(),
            physical_id: resource.physical_id.clone(),
            kind: resource.kind.clone(),
            replacement: Some(replacement),
            policy_action,
            drift: self.live.map(|live| match live {
                Live::Unknown => Status::Unknown,
                _ if self.now != resource.properties => Status::Modified,
                _ => Status::InSync,
            }),
            details,
            before: Some(json!({ "Properties": self.now })),
            after: Some(json!({ "Properties": after })),
        }))
    }

    /// The values that differ, or will.
    fn properties(&self, after: &Value, create_only: &[&str]) -> Vec<Detail> {
        let mut details = Vec::new();
        let (old, new) = (fields(&self.now), fields(after));
        for name in old.keys().chain(new.keys()).copied().collect::<BTreeSet<_>>() {
            let mut differences = Vec::new();
            let previous = self.resource.properties.get(name);
            let drifted_from = (previous != old.get(name).copied()).then(|| previous.cloned().unwrap_or_default());
            differ(format!("/Properties/{name}"), old.get(name).copied(), new.get(name).copied(), &mut differences);
            for (path, before, after) in differences {
                let dynamic = after.is_some_and(|after| after.to_string().contains(KNOWN_LATER));
                let (source, causing_entity) = self.cause(name, dynamic);
                details.push(Detail {
                    attribute: if name == "Tags" { "Tags" } else { "Properties" },
                    name: Some(name.to_owned()).filter(|name| name != "Tags"),
                    path,
                    always_recreates: create_only.contains(&name),
                    dynamic,
                    source,
                    causing_entity,
                    before: before.cloned(),
                    after: after.cloned(),
                    drifted_from: drifted_from.clone(),
                });
            }
        }
        details
    }

    /// CloudFormation does not know beforehand whether an attribute of a resource that is modified stays what it is.
    fn attributes_that_may_change(&self, known: &[Detail], create_only: &[&str]) -> Vec<Detail> {
        let mut details = Vec::new();
        for (name, property) in &self.described.properties {
            if known.iter().any(|detail| detail.name.as_ref() == Some(name)) {
                continue;
            }
            for reference in self.new.references(property) {
                if let Reference::Attribute { resource, .. } = &reference
                    && self.modified.contains(resource.as_str())
                {
                    details.push(Detail {
                        attribute: "Properties",
                        name: Some(name.clone()),
                        path: format!("/Properties/{name}"),
                        always_recreates: create_only.contains(&name.as_str()),
                        dynamic: true,
                        source: "ResourceAttribute",
                        causing_entity: Some(reference.to_string()),
                        before: self.resource.properties.get(name).cloned(),
                        after: self.resource.properties.get(name).cloned(),
                        drifted_from: None,
                    });
                }
            }
        }
        details
    }

    fn policies(&self) -> Vec<Detail> {
        let (resource, described) = (self.resource, self.described);
        let pairs = [
            ("DeletionPolicy", resource.deletion_policy, described.deletion_policy),
            ("UpdateReplacePolicy", resource.update_replace_policy, described.update_replace_policy),
        ];
        let changed = pairs.into_iter().filter(|(_, before, after)| before != after);
        let detail = |(attribute, before, after): (&'static str, Policy, Policy)| Detail {
            attribute,
            name: None,
            path: format!("/{attribute}"),
            always_recreates: false,
            dynamic: false,
            source: "DirectModification",
            causing_entity: None,
            before: Some(format!("{before:?}").into()),
            after: Some(format!("{after:?}").into()),
            drifted_from: None,
        };
        changed.map(detail).collect()
    }

    /// Why a property changes: another resource, a parameter, or the template itself.
    fn cause(&self, property: &str, dynamic: bool) -> (&'static str, Option<String>) {
        let expression = self.described.properties.get(property);
        let references = expression.map(|expression| self.new.references(expression)).unwrap_or_default();
        let parameters = |blueprint: &Blueprint, name: &str| blueprint.parameters.get(name).cloned();
        let old = self.stack.blueprint.as_ref();
        let is_changed = |name: &str| {
            let new = parameters(self.new, name);
            new.is_some() && old.and_then(|old| parameters(old, name)) != new
        };
        let cause = references.iter().find_map(|reference| {
            match reference {
                Reference::Attribute { .. } if dynamic => Some("ResourceAttribute"),
                Reference::Name(name) if dynamic && self.new.resource(name).is_some() => Some("ResourceReference"),
                Reference::Name(name) if !dynamic && is_changed(name) => Some("ParameterReference"),
                _ => None,
            }
            .map(|source| (source, Some(reference.to_string())))
        });
        cause.unwrap_or(("DirectModification", None))
    }
}

type Difference<'a> = (String, Option<&'a Value>, Option<&'a Value>);

/// Finds the values that differ, inside of structures too.
fn differ<'a>(path: String, before: Option<&'a Value>, after: Option<&'a Value>, found: &mut Vec<Difference<'a>>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                differ(format!("{path}/{name}"), old.get(name), new.get(name), found);
            }
        }
        _ => found.push((path, before, after)),
    }
}

fn fields(properties: &Value) -> BTreeMap<&str, &Value> {
    let fields = properties.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.as_str(), value)).collect()
}
