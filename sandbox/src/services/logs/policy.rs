//! The policies that let services write into log groups, and what EventBridge writes by them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::services::iam;
use crate::{World, partition};

/// Who writes for EventBridge; a policy has to let both in (EventBridge user guide, "CloudWatch Logs permissions").
const DELIVERY: &str = "delivery.logs.amazonaws.com";

/// A policy of an account and region.
#[derive(Debug)]
pub(super) struct Policy {
    /// As it was written.
    pub(super) text: String,
    pub(super) document: Value,
}

/// What a policy is kept under. AWS has no ARN for it.
pub(super) fn arn_of(account: &str, region: &str, name: &str) -> String {
    format!("arn:{}:logs:{region}:{account}:resource-policy:{name}", partition::of(region))
}

/// Writes into a log group for a service, on behalf of the resource `source`. The error is a code.
pub(crate) fn write_for(world: &mut World, service: &str, source: &str, group: &str, text: &str) -> Result<(), String> {
    if !world.logs.groups.contains_key(group) {
        return Err("ResourceNotFoundException".to_owned());
    }
    let stream = source.rsplit('/').next().unwrap_or_default().to_owned();
    let resource = format!("{group}:log-stream:{stream}");
    for service in [service, DELIVERY] {
        for action in ["logs:CreateLogStream", "logs:PutLogEvents"] {
            if !admits(world, (service, source), action, &resource)? {
                return Err("AccessDeniedException".to_owned());
            }
        }
    }
    if let Some(group) = world.logs.groups.get_mut(group) {
        group.streams.insert(stream);
        group.text.push_str(text);
    }
    Ok(())
}

fn admits(world: &World, (service, source): (&str, &str), action: &str, resource: &str) -> Result<bool, String> {
    let mut fields = resource.split(':').skip(3);
    let (region, account) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let context = BTreeMap::from([("aws:SourceArn".to_owned(), source.to_owned())]);
    let all = arn_of(account, region, "");
    for (_, policy) in world.logs.policies.iter().filter(|(arn, _)| arn.starts_with(&all)) {
        let allows = iam::resource_policy_allows(&policy.document, service, action, resource, &context);
        if allows.map_err(|error| error.code)? {
            return Ok(true);
        }
    }
    Ok(false)
}
