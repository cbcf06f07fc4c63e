//! SNS: topics, who may publish to them, and whom they tell. Nothing is sent anywhere.

mod publication;
pub(crate) mod resources;
mod subscription;
mod topic;
mod view;

use std::collections::BTreeMap;

pub use publication::MessageView;
pub(crate) use publication::{deliver, publish};
pub use view::{SubscriptionView, TopicView};

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Every topic, by its ARN.
    topics: BTreeMap<String, topic::Topic>,
    /// Every subscription, by its ARN.
    subscriptions: BTreeMap<String, subscription::Subscription>,
    /// What EventBridge has published, oldest first.
    messages: Vec<MessageView>,
}

impl State {
    /// The ARNs of the topics.
    pub(crate) fn topic_arns(&self) -> impl Iterator<Item = &String> {
        self.topics.keys()
    }

    /// The ARNs of the subscriptions.
    pub(crate) fn subscription_arns(&self) -> impl Iterator<Item = &String> {
        self.subscriptions.keys()
    }
}
