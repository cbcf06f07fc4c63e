//! What becomes of a message that a service publishes to a topic.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::topic::Topic;
use crate::World;
use crate::services::iam;

/// The alias of the key that AWS manages. Its policy cannot be changed, and lets no service in (AWS Knowledge Center,
/// "How do I configure a CloudWatch alarm with an encrypted SNS topic").
const KEY_OF_AWS: &str = "alias/aws/sns";

/// A message that a rule of EventBridge has sent to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// When it was sent.
    pub at: Timestamp,
    /// The ARN of the topic.
    pub topic: String,
    /// What it says.
    pub text: String,
    /// Whom it reached.
    pub reached: Vec<String>,
}

/// Publishes a text to a topic for a rule of EventBridge, and keeps it for tests to read.
pub(crate) fn deliver(world: &mut World, service: &str, rule: &str, topic: &str, text: &str) -> Result<(), String> {
    let at = world.now();
    let reached = publish(world, service, rule, topic, at)?;
    let (topic, text) = (topic.to_owned(), text.to_owned());
    world.sns.messages.push(MessageView { at, topic, text, reached });
    Ok(())
}

/// Publishes to a topic for a service, on behalf of the resource `source`. Gives the endpoints that the message has
/// reached, or why the topic did not take it.
pub(crate) fn publish(
    world: &World,
    service: &str,
    source: &str,
    topic: &str,
    at: Timestamp,
) -> Result<Vec<String>, String> {
    let found = world.sns.topics.get(topic).ok_or("the topic does not exist")?;
    if found.kms_key.as_deref().is_some_and(|key| key.ends_with(KEY_OF_AWS)) {
        return Err(format!("{service} is not authorized to access the topic's encryption key"));
    }
    if !admits(found, service, source, topic)? {
        return Err(format!("{source} is not authorized to perform: SNS:Publish on resource: {topic}"));
    }
    let subscriptions = world.sns.subscriptions.values().filter(|subscription| subscription.topic == topic);
    let confirmed = subscriptions.filter(|subscription| subscription.confirmed.is_some_and(|since| since <= at));
    Ok(confirmed.map(|subscription| subscription.endpoint.clone()).collect())
}

fn admits(topic: &Topic, service: &str, source: &str, arn: &str) -> Result<bool, String> {
    let account = |arn: &str| arn.split(':').nth(4).unwrap_or_default().to_owned();
    let Some(policy) = &topic.policy else {
        // That policy is about the account's own alarms, and lets no rule in.
        return Ok(account(source) == account(arn) && service != "events.amazonaws.com");
    };
    let mut context = BTreeMap::from([("aws:SecureTransport".to_owned(), "true".to_owned())]);
    // EventBridge has not always said for which rule it publishes, and its user guide still shows no policy that asks.
    if service != "events.amazonaws.com" {
        context.insert("aws:SourceArn".to_owned(), source.to_owned());
        context.insert("aws:SourceAccount".to_owned(), account(source));
    }
    iam::resource_policy_allows(policy, service, "sns:Publish", arn, &context).map_err(|error| error.to_string())
}
