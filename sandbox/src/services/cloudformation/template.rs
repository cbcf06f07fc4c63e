//! A template: its text read into parameters, conditions, resources and outputs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::conditions::Condition;
use super::expression::Expression;
use super::parameters::Parameter;
use super::{invalid, long_form, resource};
use crate::ApiError;

/// CloudFormation's quota of resources in a template.
const MOST_RESOURCES: usize = 500;

/// The only version there has ever been.
const FORMAT_VERSION: &str = "2010-09-09";

/// A template that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    pub(super) description: Option<String>,
    pub(super) parameters: BTreeMap<String, Parameter>,
    pub(super) conditions: BTreeMap<String, Condition>,
    pub(super) resources: BTreeMap<String, Resource>,
    pub(super) outputs: BTreeMap<String, Output>,
}

/// A resource as the template describes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resource {
    pub(super) kind: String,
    pub(super) properties: BTreeMap<String, Expression>,
    pub(super) depends_on: BTreeSet<String>,
    pub(super) condition: Option<String>,
    pub(super) deletion_policy: Policy,
    pub(super) update_replace_policy: Policy,
}

/// What becomes of a resource that its stack gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Delete,
    Retain,
    /// Kept, unless the operation that created it is rolled back.
    RetainExceptOnCreate,
}

/// A value that a stack shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Output {
    pub(super) value: Expression,
    pub(super) description: Option<String>,
    pub(super) condition: Option<String>,
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let mut sections = Fields::of("template", long_form::read(text)?)?;
        if sections.text("AWSTemplateFormatVersion")?.is_some_and(|version| version != FORMAT_VERSION) {
            return Err(invalid("Template format error: unsupported value for AWSTemplateFormatVersion."));
        }
        // Metadata is for people and tools; CloudFormation passes over it.
        sections.value("Metadata");
        let template = Self {
            description: sections.text("Description")?,
            parameters: sections.map("Parameters", Parameter::parse)?,
            conditions: sections.map("Conditions", |_, value| Condition::parse(&value))?,
            resources: sections.map("Resources", Resource::parse)?,
            outputs: sections.map("Outputs", Output::parse)?,
        };
        sections.finish()?;
        template.check()?;
        Ok(template)
    }

    fn check(&self) -> Result<(), ApiError> {
        if self.resources.is_empty() {
            return Err(invalid("Template format error: At least one Resources member must be defined."));
        }
        if self.resources.len() > MOST_RESOURCES {
            let (count, most) = (self.resources.len(), MOST_RESOURCES);
            let what = format!("Number of resources, {count}, is greater than maximum allowed, {most}");
            return Err(invalid(format!("Template format error: {what}")));
        }
        for (name, resource) in &self.resources {
            if !name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
                let what = format!("Resource name {name} is non alphanumeric.");
                return Err(invalid(format!("Template format error: {what}")));
            }
            if let Some(target) = resource.depends_on.iter().find(|target| !self.resources.contains_key(*target)) {
                return Err(super::intrinsics::unresolved(target));
            }
        }
        self.check_conditions()
    }

    fn check_conditions(&self) -> Result<(), ApiError> {
        let resources = self.resources.values().flat_map(|resource| {
            let asked = resource.properties.values().flat_map(Expression::conditions);
            asked.chain(resource.condition.as_deref())
        });
        let outputs = self.outputs.values().flat_map(|output| {
            let asked = output.value.conditions();
            asked.into_iter().chain(output.condition.as_deref())
        });
        match resources.chain(outputs).find(|name| !self.conditions.contains_key(*name)) {
            Some(name) => Err(invalid(format!("Template error: unresolved condition dependency {name}"))),
            None => Ok(()),
        }
    }
}

impl Resource {
    fn parse(name: &str, value: Value) -> Result<Self, ApiError> {
        let mut fields = Fields::of(name, value)?;
        let kind = fields.text("Type")?.ok_or_else(|| {
            invalid(format!(
                "Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
            ))
        })?;
        resource::schema(&kind)?;
        fields.value("Metadata");
        let depends_on = match fields.value("DependsOn") {
            None => BTreeSet::new(),
            Some(Value::Array(targets)) => {
                targets.iter().map(|target| super::expression::text("DependsOn", target)).collect::<Result<_, _>>()?
            }
            Some(target) => BTreeSet::from([super::expression::text("DependsOn", &target)?]),
        };
        let resource = Self {
            kind,
            properties: fields.map("Properties", |_, value| Expression::parse(&value))?,
            depends_on,
            condition: fields.text("Condition")?,
            deletion_policy: fields.text("DeletionPolicy")?.map_or(Ok(Policy::Delete), Policy::parse)?,
            update_replace_policy: match fields
                .text("UpdateReplacePolicy")?
                .map_or(Ok(Policy::Delete), Policy::parse)?
            {
                Policy::RetainExceptOnCreate => return Err(unknown_policy("RetainExceptOnCreate")),
                policy => policy,
            },
        };
        fields.finish()?;
        Ok(resource)
    }
}

impl Policy {
    fn parse(text: String) -> Result<Self, ApiError> {
        match text.as_str() {
            "Delete" => Ok(Self::Delete),
            "Retain" => Ok(Self::Retain),
            "RetainExceptOnCreate" => Ok(Self::RetainExceptOnCreate),
            other => Err(unknown_policy(other)),
        }
    }
}

fn unknown_policy(name: &str) -> ApiError {
    invalid(format!("Template error: unknown policy {name}"))
}

impl Output {
    fn parse(name: &str, value: Value) -> Result<Self, ApiError> {
        let mut fields = Fields::of(name, value)?;
        let value = fields.value("Value").ok_or_else(|| {
            invalid(format!("Template format error: Output {name} is malformed. The Value member is missing"))
        })?;
        let output = Self {
            value: Expression::parse(&value)?,
            description: fields.text("Description")?,
            condition: fields.text("Condition")?,
        };
        fields.finish()?;
        Ok(output)
    }
}

/// A structure of the template, taken field by field: what is left at the end is an error.
#[derive(Debug)]
pub(super) struct Fields {
    place: String,
    fields: Map<String, Value>,
}

impl Fields {
    pub(super) fn of(place: &str, value: Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(fields) => Ok(Self { place: place.to_owned(), fields }),
            _ => Err(invalid(format!("Template format error: {place} must be an object"))),
        }
    }

    pub(super) fn value(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.fields.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(format!("Template format error: {name} of {} must be a string", self.place))),
        }
    }

    pub(super) fn map<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str, Value) -> Result<T, ApiError>,
    ) -> Result<BTreeMap<String, T>, ApiError> {
        match self.fields.remove(name) {
            None => Ok(BTreeMap::new()),
            Some(Value::Object(fields)) => {
                let field = |(name, value): (String, Value)| parse(&name, value).map(|parsed| (name, parsed));
                fields.into_iter().map(field).collect()
            }
            Some(_) => Err(invalid(format!("Template format error: {name} of {} must be an object", self.place))),
        }
    }

    pub(super) fn finish(self) -> Result<(), ApiError> {
        match self.fields.into_iter().next() {
            Some((name, _)) => Err(ApiError::unknown("template field", &format!("{name} of {}", self.place))),
            None => Ok(()),
        }
    }
}
