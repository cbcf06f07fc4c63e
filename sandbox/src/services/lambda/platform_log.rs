//! What an invocation leaves in the log: the function's own output, framed by Lambda's lines.

use std::collections::BTreeMap;

use serde_json::json;

use super::InstanceId;
use super::process::Ending;
use crate::World;
use crate::request::{Caller, Principal};
use crate::services::logs;

/// The output with Lambda's lines around it. There is no REPORT: its numbers would be of the real clock.
pub(super) fn framed(world: &World, function: &str, request_id: &str, output: &str, ending: &Ending) -> String {
    let is_json = world.lambda.functions.get(function).is_some_and(|function| function.configuration.logging.is_json);
    let line = |event: &str, text: String| match is_json {
        false => text,
        true => {
            let record = json!({ "requestId": request_id, "version": "$LATEST" });
            json!({ "time": world.now().to_string(), "type": format!("platform.{event}"), "record": record })
                .to_string()
        }
    };
    let mut lines = vec![line("start", format!("START RequestId: {request_id} Version: $LATEST"))];
    lines.extend(output.lines().map(str::to_owned));
    if let Ending::Failed { kind, message } = ending {
        lines.push(format!("RequestId: {request_id} Error: {message}"));
        lines.push((*kind).to_owned());
    }
    lines.push(line("report", format!("END RequestId: {request_id}")));
    lines.join("\n") + "\n"
}

/// Writes into the function's log group with the permissions of its role. What the role may not write is lost.
pub(super) fn deliver(world: &mut World, function: &str, instance: InstanceId, log: &str) {
    let Some(function) = world.lambda.functions.get(function) else { return };
    let Some(instance) = world.lambda.instances.get(&instance) else { return };
    let (account, region) = place(&function.arn);
    let Ok(role) = world.iam.role_by_arn(&function.configuration.role) else { return };
    let writer = logs::Writer {
        caller: Caller {
            account: account.to_owned(),
            arn: role.session_arn(&function.name),
            user_id: role.session_id(&function.name),
            principal: Principal::Role(role.name.clone()),
            instance: None,
            session_tags: BTreeMap::new(),
            issued: None,
        },
        region: region.to_owned(),
        group: function.configuration.logging.group.clone(),
        stream: instance.log_stream.clone(),
    };
    logs::write(world, &writer, log);
}

/// The account and region of a function.
fn place(arn: &str) -> (&str, &str) {
    let mut parts = arn.split(':').skip(3);
    let region = parts.next().unwrap_or_default();
    (parts.next().unwrap_or_default(), region)
}
