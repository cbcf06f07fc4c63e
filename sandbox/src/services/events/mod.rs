//! EventBridge: rules that call functions on a schedule.

mod controls;
mod firing;
mod rate;
pub(crate) mod resources;
mod rule;

use std::collections::BTreeMap;

pub use controls::RuleView;
pub(crate) use firing::fire;

/// What is due, see [`crate::agenda`]: the rule with this ARN fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due(String);

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Every rule, by its ARN.
    rules: BTreeMap<String, rule::Rule>,
    /// Whether a test has switched them all off.
    paused: bool,
}

impl State {
    /// The ARNs of the rules.
    pub(crate) fn arns(&self) -> impl Iterator<Item = &String> {
        self.rules.keys()
    }
}
