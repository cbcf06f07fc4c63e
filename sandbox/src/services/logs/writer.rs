//! Writing into a log group, as Lambda does it: with the permissions of the function's role.

use std::collections::BTreeMap;

use super::group::{LogGroup, arn_of};
use crate::request::Caller;
use crate::services::cloudwatch;
use crate::{Outcome, World};

/// Who writes, and where to.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) caller: Caller,
    pub(crate) region: String,
    pub(crate) group: String,
    pub(crate) stream: String,
}

/// Writes into the stream, after making it and its group if need be. Each of these is a call of its own; what is
/// refused is lost, and whoever called the function does not notice. Metrics in the text count from then on.
pub(crate) fn write(world: &mut World, writer: &Writer, text: &str) {
    let group_arn = arn_of(&writer.caller.account, &writer.region, &writer.group);
    let stream_arn = format!("{group_arn}:log-stream:{}", writer.stream);
    if !world.logs.groups.contains_key(&group_arn) {
        // Its permission is asked for on the group with any stream, as policies are written for it.
        if !allowed(world, writer, "CreateLogGroup", &format!("{group_arn}:log-stream:")) {
            return;
        }
        let group = LogGroup { name: writer.group.clone(), ..LogGroup::default() };
        world.logs.groups.insert(group_arn.clone(), group);
    }
    let has_stream = world.logs.groups.get(&group_arn).is_some_and(|group| group.streams.contains(&writer.stream));
    if !has_stream && !allowed(world, writer, "CreateLogStream", &stream_arn) {
        return;
    }
    if let Some(group) = world.logs.groups.get_mut(&group_arn) {
        group.streams.insert(writer.stream.clone());
    }
    if allowed(world, writer, "PutLogEvents", &stream_arn)
        && let Some(group) = world.logs.groups.get_mut(&group_arn)
    {
        group.text.push_str(text);
        for line in text.lines() {
            cloudwatch::take_in(world, &writer.caller.account, &writer.region, line);
        }
    }
}

fn allowed(world: &mut World, writer: &Writer, operation: &str, resource: &str) -> bool {
    let name = format!("logs:{operation}");
    let result = world.authorize(&writer.caller, &name, resource, &BTreeMap::new());
    let outcome = result.as_ref().map_or_else(|error| Outcome::Refused(error.code.clone()), |()| Outcome::Done);
    world.note_call(&writer.caller.arn, &name, outcome);
    result.is_ok()
}
