//! What tests may do to rules, and see of them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::firing;
use super::rule::{Rule, arn_of};
use crate::World;

/// A rule as tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// What lies between two firings.
    pub interval: Duration,
    /// When it fires next; `None` while it is disabled.
    pub next: Option<Timestamp>,
    /// The ARNs of the functions that it calls.
    pub functions: Vec<String>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

impl World {
    /// Switches every rule off, or on again, whatever its State says. Their schedules go on meanwhile; what falls due
    /// while they are off is left out and not made up for.
    pub fn pause_rules(&mut self, pause: bool) {
        self.events.paused = pause;
    }

    /// Fires every enabled rule now, in addition to its schedule, also while the rules are switched off.
    pub fn fire_rules(&mut self) {
        let enabled = self.events.rules.iter().filter(|(_, rule)| rule.enabled);
        for arn in enabled.map(|(arn, _)| arn.clone()).collect::<Vec<_>>() {
            firing::send(self, &arn);
        }
    }

    /// The rules of an account and region.
    pub fn rules(&self, account: &str, region: &str) -> Vec<RuleView> {
        let prefix = arn_of(account, region, "");
        let rules = self.events.rules.iter().filter(|(arn, _)| arn.starts_with(&prefix));
        rules.map(|(_, rule)| view(rule)).collect()
    }
}

fn view(rule: &Rule) -> RuleView {
    RuleView {
        name: rule.name.clone(),
        description: rule.description.clone(),
        interval: rule.interval,
        next: rule.enabled.then_some(rule.next),
        functions: rule.targets.iter().map(|target| target.function.clone()).collect(),
        tags: rule.tags.clone(),
    }
}
