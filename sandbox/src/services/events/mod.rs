//! EventBridge: event buses, who may put events on them, and rules that pass events on or call functions on a schedule.

mod bus;
mod controls;
mod delivery;
mod event;
mod firing;
mod pattern;
mod rate;
pub(crate) mod resources;
mod rule;
mod target;
mod transformer;

use std::collections::BTreeMap;

pub(crate) use bus::policy_on;
pub use controls::RuleView;
pub(crate) use delivery::{are_awaited, publish};
pub(crate) use event::Event;
pub(crate) use firing::fire;

/// The principal that calls the targets.
const PRINCIPAL: &str = "events.amazonaws.com";

/// What is due, see [`crate::agenda`]: the rule with this ARN fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due(String);

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Every rule, by its ARN.
    rules: BTreeMap<String, rule::Rule>,
    /// Every bus that somebody has made, by its ARN. The default one of each account and region is there anyway.
    buses: BTreeMap<String, bus::Bus>,
    /// Whether a test has switched them all off.
    paused: bool,
}

impl State {
    /// The ARNs of the rules.
    pub(crate) fn arns(&self) -> impl Iterator<Item = &String> {
        self.rules.keys()
    }

    /// The ARNs of the buses that somebody has made.
    pub(crate) fn bus_arns(&self) -> impl Iterator<Item = &String> {
        self.buses.keys()
    }
}
