//! Lambda: functions, and the processes they run in.
//!
//! The world keeps what is known of functions, instances and invocations, and orders [`Effect`]s. The engine's
//! [`Instances`] are the processes themselves; how an invocation ended comes back as an [`InvocationEnd`].

mod api;
mod code;
mod function;
mod instances;
mod invocation;
mod launch;
mod platform_log;
mod process;
mod queue;
pub(crate) mod resources;
mod room;
mod runtime_api;
mod view;

use std::collections::BTreeMap;

pub(crate) use api::{handle, operation};
pub(crate) use function::{admits, exists, is_ready_at};
pub(crate) use instances::{Effect, Instances};
pub(crate) use invocation::{Purpose, begin_beside, ended, invoke_for};
pub(crate) use process::InvocationEnd;
pub(crate) use queue::{Due, attempt, send_for};

/// One invocation of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InvocationId(pub(crate) u64);

/// One process that a function runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstanceId(pub(crate) u64);

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Every function, by its ARN.
    functions: BTreeMap<String, function::Function>,
    instances: BTreeMap<InstanceId, launch::Instance>,
    invocations: BTreeMap<InvocationId, invocation::Invocation>,
    /// What was accepted for asynchronous invocation and is not done yet.
    events: BTreeMap<queue::EventId, queue::Event>,
    /// How many instances, invocations and events there have been.
    count: u64,
}

impl State {
    /// The ARNs of the functions.
    pub(crate) fn arns(&self) -> impl Iterator<Item = &String> {
        self.functions.keys()
    }

    /// The ARN of the function that an instance runs.
    pub(crate) fn function_of(&self, instance: InstanceId) -> Option<&str> {
        self.instances.get(&instance).map(|instance| instance.function.as_str())
    }

    /// Whether an invocation is under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.invocations.is_empty()
    }

    /// Whether this invocation is under way.
    pub(crate) fn is_under_way(&self, id: InvocationId) -> bool {
        self.invocations.contains_key(&id)
    }

    fn next_number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}
