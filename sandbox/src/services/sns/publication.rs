//! What becomes of a message that a service publishes to a topic.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::topic::Topic;
use crate::World;
use crate::services::iam;

/// The alias of the key that AWS manages. Its policy cannot be changed, and lets no service in (AWS Knowledge Center,
/// "How do I configure a CloudWatch alarm with an encrypted SNS topic").
const KEY_OF_AWS: &str = "alias/aws/sns";

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
    let Some(policy) = &topic.policy else { return Ok(account(source) == account(arn)) };
    let context = BTreeMap::from([
        ("aws:SourceArn".to_owned(), source.to_owned()),
        ("aws:SourceAccount".to_owned(), account(source)),
        ("aws:SecureTransport".to_owned(), "true".to_owned()),
    ]);
    iam::resource_policy_allows(policy, service, "sns:Publish", arn, &context).map_err(|error| error.to_string())
}
