//! What tests may do to topics, and see of them.

use std::collections::BTreeMap;

use super::publication::MessageView;
use super::topic::Topic;
use crate::World;

/// A topic as tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicView {
    /// Its ARN.
    pub arn: String,
    /// The name that mails show.
    pub display_name: Option<String>,
    /// The key that encrypts it.
    pub kms_key: Option<String>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// Who has subscribed to it.
    pub subscriptions: Vec<SubscriptionView>,
}

/// A subscription as tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionView {
    /// The e-mail address.
    pub endpoint: String,
    /// Whether its owner has confirmed it.
    pub confirmed: bool,
}

impl World {
    /// The topics of an account and region.
    pub fn topics(&self, account: &str, region: &str) -> Vec<TopicView> {
        let is_own = |arn: &str| arn.split(':').skip(3).take(2).eq([region, account]);
        let topics = self.sns.topics.iter().filter(|(arn, _)| is_own(arn));
        topics.map(|(arn, topic)| self.view_topic(arn, topic)).collect()
    }

    /// Makes a topic that belongs to no stack, and gives its ARN. `kms_key` encrypts it.
    pub fn create_topic(&mut self, account: &str, region: &str, name: &str, kms_key: Option<&str>) -> String {
        let arn = format!("arn:{}:sns:{region}:{account}:{name}", crate::partition::of(region));
        self.sns.topics.insert(arn.clone(), Topic { kms_key: kms_key.map(str::to_owned), ..Topic::default() });
        arn
    }

    /// What rules of EventBridge have sent to a topic, oldest first.
    pub fn messages(&self, topic: &str) -> Vec<MessageView> {
        self.sns.messages.iter().filter(|message| message.topic == topic).cloned().collect()
    }

    /// Has the owners of all addresses confirm their subscriptions.
    pub fn confirm_subscriptions(&mut self) {
        let now = self.now();
        for subscription in self.sns.subscriptions.values_mut() {
            subscription.confirmed.get_or_insert(now);
        }
    }

    fn view_topic(&self, arn: &str, topic: &Topic) -> TopicView {
        let subscriptions = self.sns.subscriptions.values().filter(|subscription| subscription.topic == arn);
        TopicView {
            arn: arn.to_owned(),
            display_name: topic.display_name.clone(),
            kms_key: topic.kms_key.clone(),
            tags: topic.tags.clone(),
            subscriptions: subscriptions
                .map(|it| SubscriptionView { endpoint: it.endpoint.clone(), confirmed: it.confirmed.is_some() })
                .collect(),
        }
    }
}
