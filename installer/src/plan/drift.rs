//! What somebody has changed in a stack past CloudFormation: what of it counts, what can be changed back, and how that joins
//! what the template changes anyway.

use std::fmt;

use serde::Serialize;
use serde_json::Value as Json;

use super::{PropertyChange, ResourceChange, Verb, effect};
use crate::aws::drift::{Difference, Drifted, Fate, tags};
use crate::observe::Drift;
use crate::template::{Resource, Template};

/// What stands in the place of a value that nobody may see.
const HIDDEN: &str = "(not shown)";

/// A resource that is not as its template says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriftedResource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What became of it.
    pub drift: DriftKind,
    /// The properties that differ: what they are, and what the template says.
    pub properties: Vec<PropertyChange>,
    /// Whether somebody may do more now than the template says.
    pub broadened: bool,
}

/// What became of a resource past CloudFormation. The names are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// It was changed.
    Modified,
    /// It was deleted.
    Deleted,
}

/// The resources of a stack that are not as its template says.
pub fn drifted(drift: &Drift, deployed: Option<&Template>) -> Vec<DriftedResource> {
    let deployed = deployed.map(Template::resources).unwrap_or_default();
    let resource = |found: &Drifted| {
        let Drifted { logical_id, kind, fate, .. } = found;
        let (drift, properties, broadened) = match fate {
            Fate::Changed(difference) => {
                let properties = counted(difference);
                let expected = Resource { kind: kind.clone(), properties: difference.expected.clone() };
                let actual = Resource { kind: kind.clone(), properties: difference.actual.clone() };
                (DriftKind::Modified, properties, effect::broadens(Some(&expected), Some(&actual)))
            }
            Fate::Deleted => (DriftKind::Deleted, Vec::new(), effect::broadens(deployed.get(logical_id), None)),
            Fate::Unknown(_) => return None,
        };
        let counts = drift == DriftKind::Deleted || !properties.is_empty();
        let (logical_id, kind) = (logical_id.clone(), kind.clone());
        counts.then_some(DriftedResource { logical_id, kind, drift, properties, broadened })
    };
    let mut resources: Vec<_> = drift.resources.iter().filter_map(resource).collect();
    resources.sort_by(|one, other| one.logical_id.cmp(&other.logical_id));
    resources
}

/// The values that differ, as far as they are the template's. Tags that it does not name are those of others, and of
/// keyturn itself: the function keeps its notes in the tags of the secrets, and a reversion leaves them alone.
fn counted(difference: &Difference) -> Vec<PropertyChange> {
    let Difference { expected, actual, values } = difference;
    let is_tag = |path: &str| path == "/Tags" || path.starts_with("/Tags/");
    let values = values.iter().filter(|value| !is_tag(&value.path)).map(|value| PropertyChange {
        path: dotted(&value.path),
        before: value.actual.clone(),
        after: value.expected.clone(),
        drifted: true,
    });
    let there = tags(actual);
    let tags = tags(expected).into_iter().filter(|(key, value)| there.get(key) != Some(value));
    let tags = tags.map(|(key, value)| PropertyChange {
        before: there.get(&key).map(|value| Json::String(value.clone())),
        after: Some(Json::String(value)),
        path: format!("Tags.{key}"),
        drifted: true,
    });
    values.chain(tags).map(hidden).collect()
}

/// CloudFormation does not look at what is secret. Should it ever, nobody is to see it.
fn hidden(mut change: PropertyChange) -> PropertyChange {
    if change.path.contains("SecretString") {
        let hide = |value: Option<Json>| value.map(|_| Json::String(HIDDEN.to_owned()));
        (change.before, change.after) = (hide(change.before), hide(change.after));
    }
    change
}

/// A path as the plan writes paths: `Statement[0].Action` for `/Statement/0/Action`.
fn dotted(path: &str) -> String {
    let mut text = String::new();
    for part in path.trim_start_matches('/').split('/') {
        match part.parse::<usize>() {
            Ok(index) => text.push_str(&format!("[{index}]")),
            Err(_) if text.is_empty() => text.push_str(part),
            Err(_) => text.push_str(&format!(".{part}")),
        }
    }
    text
}

/// Has the changes of a stack bring back what was changed past CloudFormation, too. What cannot be brought back in place is
/// left out: CloudFormation makes no new resource for it.
pub(super) fn join(changes: &mut Vec<ResourceChange>, drifted: &[DriftedResource], wanted: &Template) {
    let wanted = wanted.resources();
    for found in drifted.iter().filter(|found| found.is_reversible()) {
        let Some(resource) = wanted.get(&found.logical_id) else { continue };
        let known = changes.iter_mut().find(|change| change.logical_id == found.logical_id);
        match known {
            Some(change) => change.join(found),
            None => {
                let mut change = ResourceChange::of(&found.logical_id, resource, Verb::Modify);
                change.join(found);
                changes.push(change);
            }
        }
    }
    changes.sort_by(|one, other| one.logical_id.cmp(&other.logical_id));
}

/// Whether CloudFormation would be given secrets to change. With drift to be brought back that must not be: it compares a
/// secret with what it can read of it, which is not its value, and might write the placeholder of the template over the
/// key.
pub(super) fn changes_secrets(changes: &[ResourceChange]) -> bool {
    changes.iter().any(|change| change.kind == "AWS::SecretsManager::Secret" && change.change == Verb::Modify)
}

/// Whether there is something that can be brought back.
pub(super) fn is_reversible(drifted: &[DriftedResource]) -> bool {
    drifted.iter().any(DriftedResource::is_reversible)
}

/// Says that drift stays.
pub(super) fn kept(stack: &str) -> String {
    format!(
        "what has drifted in the stack `{stack}` is left as it is: secrets in it would be changed too, and a reversion might write over the keys in them; put a drifted secret right by hand, or look again with `--drift` after this"
    )
}

impl ResourceChange {
    fn join(&mut self, found: &DriftedResource) {
        self.drift = Some(found.drift);
        self.broadened = found.broadened;
        if found.drift == DriftKind::Deleted {
            self.change = Verb::Recreate;
            self.properties.clear();
            return;
        }
        for property in found.properties.iter().filter(|property| !property.is_fixed(&self.kind)) {
            match self.properties.iter_mut().find(|known| known.path == property.path) {
                // The template says something new: it is told from what there is.
                Some(known) => (known.before, known.drifted) = (property.before.clone(), true),
                None => self.properties.push(property.clone()),
            }
        }
        self.properties.sort_by(|one, other| one.path.cmp(&other.path));
    }
}

impl PropertyChange {
    /// Whether only a new resource could have another value.
    fn is_fixed(&self, kind: &str) -> bool {
        effect::replaces(kind, std::slice::from_ref(self))
    }
}

impl DriftedResource {
    /// Whether any of it can be brought back.
    fn is_reversible(&self) -> bool {
        self.drift == DriftKind::Deleted || self.properties.iter().any(|property| !property.is_fixed(&self.kind))
    }
}

/// What whoever decides should know of what was looked for.
pub(super) fn remarks(stack: &str, drift: &Drift, drifted: &[DriftedResource]) -> Vec<String> {
    let mut remarks = Vec::new();
    for DriftedResource { logical_id, kind, properties, .. } in drifted {
        let fixed: Vec<String> =
            properties.iter().filter(|property| property.is_fixed(kind)).map(PropertyChange::to_string).collect();
        if !fixed.is_empty() {
            remarks.push(format!(
                "{logical_id} ({kind}) of the stack `{stack}` was changed in a way that cannot be changed back ({}); delete it, and `--drift` makes it anew",
                fixed.join(", ")
            ));
        }
    }
    remarks.extend(unlooked(stack, drift));
    remarks
}

/// What nobody could look at, and why.
pub fn unlooked(stack: &str, drift: &Drift) -> Vec<String> {
    let mut lines = Vec::new();
    for Drifted { logical_id, kind, fate, .. } in &drift.resources {
        if let Fate::Unknown(reason) = fate {
            lines
                .push(format!("{logical_id} ({kind}) of the stack `{stack}` could not be checked for drift: {reason}"));
        }
    }
    if let (Some(failure), true) = (&drift.failure, lines.is_empty()) {
        lines.push(format!("the stack `{stack}` could not be checked for drift altogether: {failure}"));
    }
    if !drift.unchecked.is_empty() {
        let names: Vec<String> = drift.unchecked.iter().map(|(id, kind)| format!("{id} ({kind})")).collect();
        lines.push(format!("CloudFormation cannot check for drift, in the stack `{stack}`: {}", names.join(", ")));
    }
    lines
}

impl fmt::Display for DriftedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logical_id, kind, drift, properties, broadened } = self;
        let what = match drift {
            DriftKind::Modified => "changed",
            DriftKind::Deleted => "deleted",
        };
        write!(f, "{logical_id} ({kind}) was {what} past CloudFormation")?;
        if *broadened {
            f.write_str(", and allows more than it should")?;
        }
        for PropertyChange { path, before, after, .. } in properties {
            let shown = super::display::shown;
            write!(f, "\n  {path}: {} instead of {}", shown(before.as_ref()), shown(after.as_ref()))?;
        }
        Ok(())
    }
}
