//! What a resource is now, whoever made it so, in the words of its template.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::resource::{self, Created, Order, Schema};
use super::super::stack::{Stack, StackResource};
use super::difference::{same, tags};
use crate::call_log::Outcome;
use crate::request::Caller;
use crate::{ApiError, World};

/// A resource as it is.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Live {
    /// Nobody can tell: the type cannot be read back, or the caller may not look.
    Unknown,
    Gone,
    /// Its readable properties.
    There(Value),
}

/// Looks at a resource without asking whether anybody may.
pub(in super::super) fn look(world: &World, stack: &Stack, caller: &Caller, name: &str) -> Result<Live, ApiError> {
    let Some((resource, owned)) = owned(stack, name) else { return Ok(Live::Unknown) };
    let Some(readable) = resource::schema(&resource.kind)?.readable else { return Ok(Live::Unknown) };
    let order = stack.order(caller, name, &resource.kind, &resource.properties);
    let Some(mut actual) = resource::read(world, &order, &owned.physical_id)? else { return Ok(Live::Gone) };
    let fields = actual.as_object_mut().map(std::mem::take).unwrap_or_default();
    let mut fields: Map<String, Value> =
        fields.into_iter().filter(|(property, _)| readable.contains(&property.as_str())).collect();
    detach(stack, resource, &mut fields);
    Ok(Live::There(fields.into()))
}

/// The same with the caller's permissions, and in the call log.
pub(in super::super) fn read(world: &mut World, stack: &Stack, caller: &Caller, name: &str) -> Result<Live, ApiError> {
    let Some((resource, owned)) = owned(stack, name) else { return Ok(Live::Unknown) };
    if resource::schema(&resource.kind)?.readable.is_none() {
        return Ok(Live::Unknown);
    }
    let order = stack.order(caller, name, &resource.kind, &resource.properties);
    let allowed = permit(world, &order, owned);
    let outcome = allowed.as_ref().map_or_else(|error| Outcome::Refused(error.code.clone()), |()| Outcome::Done);
    world.note_call(&caller.arn, &format!("cloudformation:Read {}", resource.kind), outcome);
    allowed.and_then(|()| look(world, stack, caller, name))
}

fn owned<'a>(stack: &'a Stack, name: &str) -> Option<(&'a StackResource, &'a Created)> {
    stack.resources.get(name).and_then(|resource| Some((resource, resource.owned.as_ref()?)))
}

/// Checks what the read handler of a type needs (the `handlers` of AWS's resource schemas, as far as they are about the
/// properties that the sandbox knows).
fn permit(world: &mut World, order: &Order, owned: &Created) -> Result<(), ApiError> {
    let id = owned.physical_id.as_str();
    let (partition, account, region) = (order.caller.partition(), &order.caller.account, &order.region);
    let attribute = |name: &str| owned.attributes.get(name).cloned().unwrap_or_default();
    let property = |name: &str| order.properties.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (arn, actions): (String, &[&str]) = match order.kind.as_str() {
        "AWS::CloudWatch::Alarm" => {
            (attribute("Arn"), &["cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"])
        }
        "AWS::CloudWatch::Dashboard" => {
            (format!("arn:{partition}:cloudwatch::{account}:dashboard/{id}"), &["cloudwatch:GetDashboard"])
        }
        "AWS::Events::EventBus" => (attribute("Arn"), &["events:DescribeEventBus", "events:ListTagsForResource"]),
        "AWS::Events::EventBusPolicy" => (
            format!("arn:{partition}:events:{region}:{account}:event-bus/{}", property("EventBusName")),
            &["events:DescribeEventBus"],
        ),
        "AWS::Events::Rule" => (attribute("Arn"), &["events:DescribeRule", "events:ListTargetsByRule"]),
        "AWS::IAM::ManagedPolicy" => {
            (id.to_owned(), &["iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListEntitiesForPolicy"])
        }
        "AWS::IAM::Role" => (
            attribute("Arn"),
            &["iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy"],
        ),
        "AWS::Lambda::Function" => (attribute("Arn"), &["lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig"]),
        "AWS::Lambda::Permission" => (property("FunctionName"), &["lambda:GetPolicy"]),
        "AWS::Logs::LogGroup" => (
            attribute("Arn").trim_end_matches(":*").to_owned(),
            &["logs:DescribeLogGroups", "logs:ListTagsForResource"],
        ),
        // It knows no narrower resource than all policies of the account.
        "AWS::Logs::ResourcePolicy" => ("*".to_owned(), &["logs:DescribeResourcePolicies"]),
        "AWS::S3::Bucket" => (
            attribute("Arn"),
            &[
                "s3:GetBucketVersioning",
                "s3:GetEncryptionConfiguration",
                "s3:GetBucketPublicAccessBlock",
                "s3:GetBucketOwnershipControls",
                "s3:GetLifecycleConfiguration",
                "s3:GetBucketTagging",
            ],
        ),
        "AWS::S3::BucketPolicy" => (format!("arn:{partition}:s3:::{id}"), &["s3:GetBucketPolicy"]),
        // IAM knows no resource for it.
        "AWS::SNS::Subscription" => ("*".to_owned(), &["sns:GetSubscriptionAttributes"]),
        "AWS::SNS::Topic" => (id.to_owned(), &["sns:GetTopicAttributes", "sns:ListTagsForResource"]),
        "AWS::SecretsManager::Secret" | "AWS::SecretsManager::RotationSchedule" => {
            (id.to_owned(), &["secretsmanager:DescribeSecret"])
        }
        other => return Err(ApiError::unknown("reading of", &format!("{other} in {region}"))),
    };
    actions.iter().try_for_each(|action| world.authorize(&order.caller, action, &arn, &BTreeMap::new()))
}

/// What other resources of the stack attach to a role is theirs.
fn detach(stack: &Stack, resource: &StackResource, actual: &mut Map<String, Value>) {
    if resource.kind != "AWS::IAM::Role" {
        return;
    }
    let policies = stack.resources.values().filter(|other| other.kind == "AWS::IAM::ManagedPolicy");
    let theirs: BTreeSet<&str> =
        policies.filter_map(|policy| policy.owned.as_ref()).map(|owned| owned.physical_id.as_str()).collect();
    if let Some(Value::Array(attached)) = actual.get_mut("ManagedPolicyArns") {
        attached.retain(|arn| arn.as_str().is_none_or(|arn| !theirs.contains(arn)));
        if attached.is_empty() {
            actual.remove("ManagedPolicyArns");
        }
    }
}

/// The properties of a template, `known`, with what is there in place of what can be read back and may be changed in
/// place. What means the same as in `wanted` or `known` is written as there, and tags that neither names are left out.
pub(in super::super) fn with_others(schema: &Schema, known: &Value, wanted: &Value, actual: &Value) -> Value {
    let mut properties = known.as_object().cloned().unwrap_or_default();
    let named = |name: &str| known.get(name).is_some() || wanted.get(name).is_some();
    let readable = schema.readable.unwrap_or_default().iter().filter(|name| !schema.create_only.contains(*name));
    for name in readable.filter(|name| named(name)) {
        let value = match (*name, actual.get(*name)) {
            ("Tags", found) => named_tags(known.get("Tags"), wanted.get("Tags"), found),
            (_, found) => found.cloned(),
        };
        properties.remove(*name);
        if let Some(value) = value {
            let spellings = [wanted.get(*name), known.get(*name)].into_iter().flatten();
            let value = spellings.into_iter().find(|it| same(it, &value)).cloned().unwrap_or(value);
            properties.insert((*name).to_owned(), value);
        }
    }
    properties.into()
}

/// Of the tags that are there, those whose keys a template names.
fn named_tags(known: Option<&Value>, wanted: Option<&Value>, found: Option<&Value>) -> Option<Value> {
    let keys: BTreeSet<String> = [known, wanted].into_iter().flat_map(listed).map(|(key, _)| key).collect();
    let tags: Vec<Value> = listed(found)
        .filter(|(key, _)| keys.contains(key))
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    (!tags.is_empty()).then(|| tags.into())
}

pub(super) fn listed(value: Option<&Value>) -> impl Iterator<Item = (String, String)> {
    value.and_then(Value::as_array).map(|items| tags(items)).unwrap_or_default().into_iter()
}

impl Live {
    /// What an update writes: what differs between the two templates, and beside it what is there.
    pub(in super::super) fn updated(&self, schema: &Schema, previous: &Value, wanted: &Value) -> Value {
        let Self::There(actual) = self else { return wanted.clone() };
        let mut written = wanted.as_object().cloned().unwrap_or_default();
        let readable = schema.readable.unwrap_or_default().iter().filter(|name| !schema.create_only.contains(*name));
        for name in readable {
            let unchanged = previous.get(*name) == wanted.get(*name);
            let value = match *name {
                "Tags" => updated_tags(previous.get("Tags"), wanted.get("Tags"), actual.get("Tags")),
                _ if unchanged => actual.get(*name).cloned(),
                _ => continue,
            };
            written.remove(*name);
            written.extend(value.map(|value| ((*name).to_owned(), value)));
        }
        written.into()
    }

    /// What a reversion writes: what the template says, and the tags of others.
    pub(in super::super) fn reverted(&self, previous: &Value, wanted: &Value) -> Value {
        let Self::There(actual) = self else { return wanted.clone() };
        let known: BTreeSet<String> =
            [previous, wanted].into_iter().flat_map(|side| listed(side.get("Tags"))).map(|(key, _)| key).collect();
        let foreign: Vec<Value> = listed(actual.get("Tags"))
            .filter(|(key, _)| !known.contains(key))
            .map(|(key, value)| json!({ "Key": key, "Value": value }))
            .collect();
        let mut written = wanted.clone();
        if let Some(fields) = written.as_object_mut().filter(|_| !foreign.is_empty())
            && let Some(tags) = fields.entry("Tags").or_insert_with(|| json!([])).as_array_mut()
        {
            tags.extend(foreign);
        }
        written
    }
}

/// Tags change one by one.
fn updated_tags(previous: Option<&Value>, wanted: Option<&Value>, actual: Option<&Value>) -> Option<Value> {
    let previous: BTreeMap<String, String> = listed(previous).collect();
    let wanted: BTreeMap<String, String> = listed(wanted).collect();
    let mut tags: BTreeMap<String, String> = listed(actual).collect();
    tags.retain(|key, _| wanted.contains_key(key) || !previous.contains_key(key));
    tags.extend(wanted.into_iter().filter(|(key, value)| previous.get(key) != Some(value)));
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    (!tags.is_empty()).then(|| tags.into())
}
