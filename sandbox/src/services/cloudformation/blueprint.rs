//! A blueprint: a template with everything that fills it in. A stack is built from one, and returns to the one before
//! when that fails.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::expression::{Expression, Reference};
use super::graph::{self, Dependencies};
use super::intrinsics::{Referent, Scope, unresolved};
use super::parameters::{self, Given};
use super::template::{Resource, Template};
use super::{conditions, resource};
use crate::{ApiError, partition};

/// Which stack it is, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) partition: String,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) name: String,
    /// The ARN.
    pub(super) id: String,
}

/// What is to be built.
#[derive(Debug, Clone)]
pub(super) struct Blueprint {
    pub(super) body: String,
    pub(super) template: Template,
    /// The parameters' values as texts.
    pub(super) parameters: BTreeMap<String, String>,
    /// What `Ref` gives for parameters and pseudo parameters.
    values: BTreeMap<String, Value>,
    conditions: BTreeMap<String, bool>,
    /// The resources that the conditions let exist, and what each waits for.
    pub(super) dependencies: Dependencies,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) capabilities: Vec<String>,
}

/// What a caller hands over to make a blueprint of.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) body: String,
    pub(super) parameters: BTreeMap<String, Given>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) capabilities: Vec<String>,
}

impl Blueprint {
    /// Fills in a template; `before` is what the stack is built from now.
    pub(super) fn draw(identity: &Identity, draft: Draft, before: Option<&Self>) -> Result<Self, ApiError> {
        let template = Template::parse(&draft.body)?;
        let earlier = before.map_or_else(BTreeMap::new, |before| before.parameters.clone());
        let parameters = parameters::fill(&template.parameters, &draft.parameters, &earlier)?;
        let mut values = parameters::values(&template.parameters, &parameters)?;
        values.extend(pseudo_parameters(identity));
        let conditions = conditions::decide(&template.conditions, &values)?;
        let dependencies = dependencies(&template, &conditions, &values)?;
        graph::in_order(&dependencies)?;
        let blueprint = Self {
            body: draft.body,
            template,
            parameters,
            values,
            conditions,
            dependencies,
            tags: draft.tags,
            capabilities: draft.capabilities,
        };
        blueprint.check_capabilities()?;
        Ok(blueprint)
    }

    /// A resource that the conditions let exist.
    pub(super) fn resource(&self, logical_id: &str) -> Option<&Resource> {
        self.template.resources.get(logical_id).filter(|_| self.dependencies.contains_key(logical_id))
    }

    /// A resource's properties without intrinsics, with the stack's tags among its own.
    pub(super) fn properties(
        &self,
        resource: &Resource,
        resources: &BTreeMap<&str, Referent<'_>>,
    ) -> Result<Value, ApiError> {
        let scope = Scope { values: &self.values, conditions: &self.conditions, resources };
        let mut properties = BTreeMap::new();
        for (name, expression) in &resource.properties {
            if let Some(value) = scope.resolve(expression)? {
                properties.insert(name.clone(), value);
            }
        }
        let takes_tags = resource::schema(&resource.kind)?.properties.contains(&"Tags");
        if takes_tags && !self.tags.is_empty() {
            let own = properties.remove("Tags");
            properties.insert("Tags".to_owned(), with_tags(&self.tags, own.as_ref()));
        }
        Ok(Value::Object(properties.into_iter().collect()))
    }

    /// The values of the outputs, with what describes them.
    pub(super) fn outputs(
        &self,
        resources: &BTreeMap<&str, Referent<'_>>,
    ) -> Result<BTreeMap<String, (String, Option<String>)>, ApiError> {
        let scope = Scope { values: &self.values, conditions: &self.conditions, resources };
        let exists = |name: &Option<String>| name.as_ref().is_none_or(|name| self.conditions.get(name) == Some(&true));
        let shown = self.template.outputs.iter().filter(|(_, output)| exists(&output.condition));
        shown
            .map(|(name, output)| Ok((name.clone(), (scope.text(&output.value)?, output.description.clone()))))
            .collect()
    }

    /// What a property refers to.
    pub(super) fn references(&self, property: &Expression) -> BTreeSet<Reference> {
        property.references(&self.conditions)
    }

    /// IAM resources must be acknowledged, and those with a name of their own more so.
    fn check_capabilities(&self) -> Result<(), ApiError> {
        let of_iam = || self.template.resources.values().filter(|resource| resource.kind.starts_with("AWS::IAM::"));
        let named = ["RoleName", "ManagedPolicyName"];
        let needed = match of_iam().next() {
            None => return Ok(()),
            Some(_) if of_iam().any(|resource| named.iter().any(|name| resource.properties.contains_key(*name))) => {
                "CAPABILITY_NAMED_IAM"
            }
            Some(_) => "CAPABILITY_IAM",
        };
        let has = |name: &str| self.capabilities.iter().any(|capability| capability == name);
        if has(needed) || has("CAPABILITY_NAMED_IAM") {
            return Ok(());
        }
        Err(ApiError::new("InsufficientCapabilitiesException", format!("Requires capabilities : [{needed}]")))
    }
}

fn pseudo_parameters(identity: &Identity) -> BTreeMap<String, Value> {
    let suffix = partition::domain(&identity.region);
    [
        ("AWS::AccountId", identity.account.as_str()),
        ("AWS::Partition", &identity.partition),
        ("AWS::Region", &identity.region),
        ("AWS::StackId", &identity.id),
        ("AWS::StackName", &identity.name),
        ("AWS::URLSuffix", suffix),
    ]
    .map(|(name, value)| (name.to_owned(), value.into()))
    .into()
}

/// What every resource that exists waits for: what it refers to, and what it names in `DependsOn`.
fn dependencies(
    template: &Template,
    conditions: &BTreeMap<String, bool>,
    values: &BTreeMap<String, Value>,
) -> Result<Dependencies, ApiError> {
    let exists = |resource: &Resource| {
        resource.condition.as_ref().is_none_or(|condition| conditions.get(condition) == Some(&true))
    };
    let existing: BTreeMap<_, _> = template.resources.iter().filter(|(_, resource)| exists(resource)).collect();
    let mut dependencies = Dependencies::new();
    for (name, resource) in &existing {
        // A dependency on a resource that its condition leaves out counts for nothing.
        let mut waits_for: BTreeSet<String> =
            resource.depends_on.iter().filter(|target| existing.contains_key(target)).cloned().collect();
        for reference in resource.properties.values().flat_map(|value| value.references(conditions)) {
            let target = reference.target();
            if existing.contains_key(&target.to_owned()) {
                waits_for.insert(target.to_owned());
            } else if !values.contains_key(target) && target != "AWS::NoValue" {
                return Err(unresolved(target));
            }
        }
        dependencies.insert((*name).clone(), waits_for);
    }
    Ok(dependencies)
}

/// A resource's tags: the stack's, unless its own `Tags` say otherwise.
fn with_tags(of_stack: &BTreeMap<String, String>, own: Option<&Value>) -> Value {
    let own = own.and_then(Value::as_array).cloned().unwrap_or_default();
    let has = |key: &String| own.iter().any(|tag| tag.get("Key").and_then(Value::as_str) == Some(key));
    let inherited: Vec<_> = of_stack
        .iter()
        .filter(|(key, _)| !has(key))
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    own.into_iter().chain(inherited).collect()
}
