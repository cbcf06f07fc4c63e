//! CloudWatch Logs: log groups, and what functions write into them.

mod group;
pub(crate) mod resources;
mod writer;

use std::collections::BTreeMap;

pub(crate) use group::text;
pub(crate) use writer::{Writer, write};

/// Every log group, by its ARN.
#[derive(Debug, Default)]
pub(crate) struct State {
    groups: BTreeMap<String, group::LogGroup>,
}

impl State {
    /// The ARNs of the groups.
    pub(crate) fn arns(&self) -> impl Iterator<Item = &String> {
        self.groups.keys()
    }
}
