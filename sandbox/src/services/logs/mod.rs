//! CloudWatch Logs: log groups, and what functions and rules write into them.

mod group;
mod policy;
pub(crate) mod resources;
mod writer;

use std::collections::BTreeMap;

pub(crate) use group::text;
pub(crate) use policy::write_for;
pub(crate) use writer::{Writer, write};

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Every log group, by its ARN.
    groups: BTreeMap<String, group::LogGroup>,
    /// Every policy that lets services write into log groups.
    policies: BTreeMap<String, policy::Policy>,
}

impl State {
    /// What the policies are kept under.
    pub(crate) fn policy_arns(&self) -> impl Iterator<Item = &String> {
        self.policies.keys()
    }

    /// The ARNs of the groups.
    pub(crate) fn arns(&self) -> impl Iterator<Item = &String> {
        self.groups.keys()
    }
}

impl crate::World {
    /// What has been written into a log group; nothing when there is none.
    pub fn log(&self, account: &str, region: &str, name: &str) -> String {
        text(self, account, region, name)
    }
}
