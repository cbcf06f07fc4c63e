//! AWS::SNS::Subscription, for e-mail. Whoever owns the address has to confirm it first.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::resources::{invalid, permit};
use super::topic::not_found;
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema};
use crate::{ApiError, World};

pub(super) const SUBSCRIPTION: Schema = Schema {
    properties: &["Endpoint", "Protocol", "TopicArn"],
    required: &["Endpoint", "Protocol", "TopicArn"],
    create_only: &["Endpoint", "Protocol", "TopicArn"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::None,
    readable: Some(&["Endpoint", "Protocol", "TopicArn"]),
};

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) topic: String,
    pub(super) endpoint: String,
    /// `None` while its confirmation is pending.
    pub(super) confirmed: Option<Timestamp>,
}

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let mut input = order.input()?;
    let (endpoint, protocol) = (input.required("Endpoint")?, input.required("Protocol")?);
    let topic = input.required("TopicArn")?;
    input.finish()?;
    if protocol != "email" {
        return Err(ApiError::unknown("subscription protocol", &protocol));
    }
    if endpoint.split_once('@').is_none_or(|(user, host)| user.is_empty() || host.is_empty()) {
        return Err(invalid(format!("Invalid parameter: Email address: {endpoint}")));
    }
    permit(world, order, "Subscribe", &topic)?;
    if !world.sns.topics.contains_key(&topic) {
        return Err(not_found(&topic));
    }
    let is_same = |known: &Subscription| known.topic == topic && known.endpoint == endpoint;
    if world.sns.subscriptions.values().any(is_same) {
        return Err(ApiError::new("ResourceAlreadyExists", format!("{endpoint} is subscribed already")));
    }
    let arn = format!("{topic}:{}", world.random_uuid());
    let attributes = BTreeMap::from([("Arn".to_owned(), arn.clone())]);
    world.sns.subscriptions.insert(arn.clone(), Subscription { topic, endpoint, confirmed: None });
    Ok(Created { physical_id: arn, attributes })
}

pub(super) fn read(world: &World, arn: &str) -> Option<Value> {
    let Subscription { topic, endpoint, .. } = world.sns.subscriptions.get(arn)?;
    Some(json!({ "Endpoint": endpoint, "Protocol": "email", "TopicArn": topic }))
}

pub(super) fn delete(world: &mut World, order: &Order, arn: &str) -> Result<(), ApiError> {
    // IAM knows no resource for it (service authorization reference).
    permit(world, order, "Unsubscribe", "*")?;
    world.sns.subscriptions.remove(arn);
    Ok(())
}
