//! The subscription of an e-mail address to the topic of the alarms.

use serde::Serialize;

use super::resource::{Intrinsic, Resource};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Subscription {
    topic_arn: Intrinsic,
    protocol: &'static str,
    endpoint: String,
}

/// The subscription of an address. SNS asks its owner to confirm, and tells nothing before.
pub(super) fn of(address: &str) -> Resource<Subscription> {
    let topic_arn = Intrinsic::Ref("Alerts".to_owned());
    let properties = Subscription { topic_arn, protocol: "email", endpoint: address.to_owned() };
    Resource::new("AWS::SNS::Subscription", properties)
}
