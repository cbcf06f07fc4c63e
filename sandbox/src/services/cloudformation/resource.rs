//! What CloudFormation asks of the services: create, update and delete one resource.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::input::JsonInput;
use crate::request::Caller;
use crate::services::{cloudwatch, events, iam, lambda, logs, s3, secrets_manager, sns};
use crate::{ApiError, World};

/// One resource of a stack, with its properties resolved: no intrinsic is left in them.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Whoever started the stack operation: CloudFormation acts with their permissions.
    pub(crate) caller: Caller,
    pub(crate) region: String,
    /// The resource type, such as `AWS::IAM::Role`.
    pub(crate) kind: String,
    pub(crate) stack_name: String,
    pub(crate) logical_id: String,
    /// Where the type takes `Tags`, the stack's are among them, and CloudFormation's own, which begin with `aws:`.
    /// `Ref` of a parameter of type Number is a number here, also where the type wants a text (CloudFormation
    /// converts): whoever takes a map of texts, such as a function's variables, takes numbers too.
    pub(crate) properties: Value,
}

/// A resource that exists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Created {
    /// The physical id, which is also what `Ref` gives.
    pub(crate) physical_id: String,
    /// What `Fn::GetAtt` gives.
    pub(crate) attributes: BTreeMap<String, String>,
}

/// What is known of a resource type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    /// Every property the sandbox knows; any other is an error.
    pub(crate) properties: &'static [&'static str],
    /// Properties that must be there.
    pub(crate) required: &'static [&'static str],
    /// Properties whose change replaces the resource.
    pub(crate) create_only: &'static [&'static str],
    /// How long AWS takes to create one, as measured.
    pub(crate) creation_takes: Duration,
    /// What identifies an existing resource for an import.
    pub(crate) identifier: Identifier,
    /// The properties that can be read back, which is less than what can be written: not what the resource schemas call
    /// write-only, no code, and no KMS key. `None` for a type that drift detection does not look at.
    pub(crate) readable: Option<&'static [&'static str]>,
}

/// The primary identifier of a resource type, as far as the sandbox imports resources of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identifier {
    /// It cannot be imported.
    None,
    /// A property that a template can set: such a resource is also found by ImportExistingResources.
    Property(&'static str),
    /// A property that only AWS sets: whoever imports such a resource has to say which one it is (CloudFormation user
    /// guide, "Import AWS resources into a CloudFormation stack automatically").
    ReadOnly(&'static str),
}

impl Identifier {
    /// The name of the property.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Property(name) | Self::ReadOnly(name) => Some(name),
        }
    }
}

impl Order {
    /// The properties, to be taken one by one.
    pub(crate) fn input(&self) -> Result<JsonInput, ApiError> {
        JsonInput::from_value(self.properties.clone())
    }

    /// A name for something that the template leaves unnamed: stack, logical id and random characters, like AWS's.
    pub(crate) fn generated_name(&self, world: &mut World, longest: usize) -> String {
        let tail = world.random_text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 12);
        let head = format!("{}-{}", self.stack_name, self.logical_id);
        let head: String = head.chars().take(longest.saturating_sub(tail.len() + 1)).collect();
        format!("{head}-{tail}")
    }
}

/// The module that owns a resource type.
macro_rules! owner {
    ($kind:expr, $function:ident ( $($argument:expr),* )) => {
        match $kind.split("::").nth(1) {
            Some("CloudWatch") => cloudwatch::resources::$function($($argument),*),
            Some("Events") => events::resources::$function($($argument),*),
            Some("IAM") => iam::resources::$function($($argument),*),
            Some("Lambda") => lambda::resources::$function($($argument),*),
            Some("Logs") => logs::resources::$function($($argument),*),
            Some("S3") => s3::resources::$function($($argument),*),
            Some("SecretsManager") => secrets_manager::resources::$function($($argument),*),
            Some("SNS") => sns::resources::$function($($argument),*),
            _ => Err(ApiError::unknown("resource type", $kind)),
        }
    };
}

/// What is known of a resource type.
pub(crate) fn schema(kind: &str) -> Result<Schema, ApiError> {
    owner!(kind, schema(kind))
}

/// Creates a resource.
pub(crate) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    owner!(&order.kind, create(world, order))
}

/// Changes a resource in place; `previous` are the properties it has now.
pub(crate) fn update(world: &mut World, order: &Order, id: &str, previous: &Value) -> Result<Created, ApiError> {
    owner!(&order.kind, update(world, order, id, previous))
}

/// Deletes a resource; one that is gone already counts as deleted.
pub(crate) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    owner!(&order.kind, delete(world, order, id))
}

/// Reads the properties of a resource as they are now, whoever made them so; `None` when it is gone. Only those that the
/// schema calls readable count.
pub(crate) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    owner!(&order.kind, read(world, order, id))
}

/// Properties by their names, without those that are not set.
pub(crate) fn set<const N: usize>(properties: [(&str, Option<Value>); N]) -> Value {
    let set = properties.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(set.collect())
}

/// Tags in CloudFormation's form, without those that CloudFormation itself has put there.
pub(crate) fn tags(tags: &BTreeMap<String, String>) -> Option<Value> {
    let own = tags.iter().filter(|(key, _)| !key.starts_with("aws:"));
    let list: Vec<Value> = own.map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    (!list.is_empty()).then(|| list.into())
}

/// Finds the existing resource that these properties identify, the read-only one among them; `None` when there is none.
pub(crate) fn find(world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    owner!(&order.kind, find(world, order))
}
