//! AWS::SNS::Topic and AWS::SNS::TopicPolicy.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::resources::{invalid, permit};
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set, tags};
use crate::services::iam::check_resource_policy;
use crate::{ApiError, World};

pub(super) const TOPIC: Schema = Schema {
    properties: &["DisplayName", "KmsMasterKeyId", "Tags", "TopicName"],
    required: &[],
    create_only: &["TopicName"],
    creation_takes: Duration::from_secs(10),
    identifier: Identifier::None,
    readable: Some(&["DisplayName", "Tags"]),
};

pub(super) const POLICY: Schema = Schema {
    properties: &["PolicyDocument", "Topics"],
    required: &["PolicyDocument", "Topics"],
    create_only: &[],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::None,
    readable: None,
};

/// Characters of a topic's name, and of the name that is shown in mails (API reference, CreateTopic).
const LONGEST_NAME: usize = 256;
const LONGEST_DISPLAY_NAME: usize = 100;

/// A standard topic.
#[derive(Debug, Default)]
pub(super) struct Topic {
    pub(super) display_name: Option<String>,
    pub(super) kms_key: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    /// `None` is the policy that every topic begins with: its account may publish.
    pub(super) policy: Option<Value>,
}

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let (name, topic) = wanted(order)?;
    let name = name.unwrap_or_else(|| order.generated_name(world, LONGEST_NAME));
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !(1..=LONGEST_NAME).contains(&name.len()) || !name.chars().all(legal) {
        return Err(invalid(format!("`{name}` is not the name of a standard topic: letters, digits, - and _")));
    }
    let arn = format!("arn:{}:sns:{}:{}:{name}", order.caller.partition(), order.region, order.caller.account);
    permit(world, order, "CreateTopic", &arn)?;
    if !topic.tags.is_empty() {
        permit(world, order, "TagResource", &arn)?;
    }
    if world.sns.topics.contains_key(&arn) {
        return Err(ApiError::new("ResourceAlreadyExists", format!("Topic {name} already exists")));
    }
    world.sns.topics.insert(arn.clone(), topic);
    Ok(created(arn, &name))
}

pub(super) fn update(world: &mut World, order: &Order, arn: &str) -> Result<Created, ApiError> {
    let (_, wanted) = wanted(order)?;
    permit(world, order, "SetTopicAttributes", arn)?;
    let topic = world.sns.topics.get_mut(arn).ok_or_else(|| not_found(arn))?;
    *topic = Topic { policy: topic.policy.take(), ..wanted };
    Ok(created(arn.to_owned(), arn.rsplit(':').next().unwrap_or_default()))
}

/// A topic takes its subscriptions with it.
pub(super) fn delete(world: &mut World, order: &Order, arn: &str) -> Result<(), ApiError> {
    permit(world, order, "DeleteTopic", arn)?;
    world.sns.topics.remove(arn);
    world.sns.subscriptions.retain(|_, subscription| subscription.topic != arn);
    Ok(())
}

pub(super) fn read(world: &World, arn: &str) -> Option<Value> {
    let topic = world.sns.topics.get(arn)?;
    Some(set([("DisplayName", topic.display_name.as_deref().map(Value::from)), ("Tags", tags(&topic.tags))]))
}

/// Puts a policy in the place of the one that each topic has.
pub(super) fn put_policy(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let mut input = order.input()?;
    let topics = input.texts("Topics")?;
    let policy = input.value("PolicyDocument").ok_or_else(|| invalid("PolicyDocument is missing"))?;
    input.finish()?;
    check_resource_policy(&policy)?;
    for arn in &topics {
        permit(world, order, "SetTopicAttributes", arn)?;
        world.sns.topics.get_mut(arn).ok_or_else(|| not_found(arn))?.policy = Some(policy.clone());
    }
    Ok(Created { physical_id: format!("{}-{}", order.stack_name, order.logical_id), attributes: BTreeMap::new() })
}

pub(super) fn delete_policy(world: &mut World, order: &Order) -> Result<(), ApiError> {
    for arn in order.input()?.texts("Topics")? {
        permit(world, order, "SetTopicAttributes", &arn)?;
        if let Some(topic) = world.sns.topics.get_mut(&arn) {
            topic.policy = None;
        }
    }
    Ok(())
}

fn wanted(order: &Order) -> Result<(Option<String>, Topic), ApiError> {
    let mut input = order.input()?;
    let name = input.text("TopicName")?;
    let topic = Topic {
        display_name: input.text("DisplayName")?,
        kms_key: input.text("KmsMasterKeyId")?,
        tags: input.tags("Tags")?,
        policy: None,
    };
    input.finish()?;
    match &topic.display_name {
        Some(name) if name.chars().count() > LONGEST_DISPLAY_NAME => {
            Err(invalid(format!("a DisplayName has up to {LONGEST_DISPLAY_NAME} characters")))
        }
        _ => Ok((name, topic)),
    }
}

fn created(arn: String, name: &str) -> Created {
    let attributes = [("TopicArn".to_owned(), arn.clone()), ("TopicName".to_owned(), name.to_owned())];
    Created { physical_id: arn, attributes: attributes.into() }
}

pub(super) fn not_found(arn: &str) -> ApiError {
    ApiError::new("NotFound", format!("Topic does not exist: {arn}"))
}
