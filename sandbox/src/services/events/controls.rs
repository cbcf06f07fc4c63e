//! What tests may do to rules and buses, and see of them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::rule::{Rule, When, arn_of};
use super::{Event, bus, delivery, firing};
use crate::services::iam;
use crate::{ApiError, Outcome, World};

/// A rule as tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// The name of its bus.
    pub bus: String,
    /// Its description.
    pub description: Option<String>,
    /// What lies between two firings; `None` for a rule that waits for events.
    pub interval: Option<Duration>,
    /// The events that it is about; `None` for a rule with a schedule.
    pub pattern: Option<Value>,
    /// When it fires next; `None` while it is disabled.
    pub next: Option<Timestamp>,
    /// The ARNs of its targets.
    pub targets: Vec<String>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

impl World {
    /// Switches every schedule off, or on again, whatever the State of its rule says. They go on meanwhile; what falls
    /// due while they are off is left out and not made up for.
    pub fn pause_rules(&mut self, pause: bool) {
        self.events.paused = pause;
    }

    /// Fires every enabled rule with a schedule now, in addition to that, also while the rules are switched off.
    pub fn fire_rules(&mut self) {
        let enabled = self.events.rules.iter().filter(|(_, rule)| rule.enabled && rule.interval().is_some());
        for arn in enabled.map(|(arn, _)| arn.clone()).collect::<Vec<_>>() {
            firing::send(self, &arn);
        }
    }

    /// The rules of an account and region.
    pub fn rules(&self, account: &str, region: &str) -> Vec<RuleView> {
        let prefix = arn_of(account, region, bus::DEFAULT, "");
        let rules = self.events.rules.iter().filter(|(arn, _)| arn.starts_with(&prefix));
        rules.map(|(_, rule)| view(rule)).collect()
    }

    /// The policies of the buses that somebody has made in an account, by the ARN of the bus.
    pub fn event_buses(&self, account: &str) -> BTreeMap<String, Option<Value>> {
        let of_account = |arn: &str| arn.split(':').nth(4) == Some(account);
        let buses = self.events.buses.iter().filter(|(arn, _)| of_account(arn));
        buses.map(|(arn, bus)| (arn.clone(), bus.policy())).collect()
    }

    /// Has the administrator of an account put an event on a bus, which may be another account's.
    ///
    /// # Errors
    /// What PutEvents would answer, such as `AccessDeniedException`.
    pub fn put_event(
        &mut self,
        account: &str,
        bus: &str,
        (source, detail_type): (&str, &str),
        detail: Value,
    ) -> Result<(), ApiError> {
        let caller = iam::administrator(self, account)?;
        let result = self.authorize(&caller, "events:PutEvents", bus, &BTreeMap::new());
        let result = result.and_then(|()| match (bus::exists(self, bus), source.starts_with("aws.")) {
            (false, _) => Err(bus::not_found(bus)),
            // Nobody speaks for a service of AWS (API reference, PutEventsResultEntry).
            (_, true) => Err(ApiError::new("NotAuthorizedForSourceException", "Not authorized for the source.")),
            _ => Ok(()),
        });
        let outcome = result.as_ref().map_or_else(|error| Outcome::Refused(error.code.clone()), |()| Outcome::Done);
        self.note_call(&caller.arn, "events:PutEvents", outcome);
        result?;
        let event = Event {
            account: account.to_owned(),
            region: bus.split(':').nth(3).unwrap_or_default().to_owned(),
            source: source.to_owned(),
            detail_type: detail_type.to_owned(),
            resources: Vec::new(),
            detail,
        };
        let event = event.envelope(self);
        delivery::route(self, bus, &event, true);
        Ok(())
    }
}

fn view(rule: &Rule) -> RuleView {
    let next = match &rule.when {
        When::Scheduled { next, .. } if rule.enabled => Some(*next),
        When::Scheduled { .. } | When::Matching(_) => None,
    };
    RuleView {
        name: rule.name.clone(),
        bus: rule.bus.clone(),
        description: rule.description.clone(),
        interval: rule.interval(),
        pattern: rule.pattern().map(|pattern| pattern.given.clone()),
        next,
        targets: rule.targets.iter().map(|target| target.to.arn().to_owned()).collect(),
        tags: rule.tags.clone(),
    }
}
