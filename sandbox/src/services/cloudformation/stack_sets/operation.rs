//! An operation on a stack set as data: what is to be done where, and how far it is.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::preferences::Preferences;
use super::set::{AutoDeployment, Place, Recipe};
use super::targets::Targets;

/// An operation.
#[derive(Debug)]
pub(in super::super) struct Operation {
    pub(super) id: String,
    pub(super) action: Action,
    pub(super) status: Status,
    pub(super) preferences: Preferences,
    pub(super) targets: Targets,
    pub(super) created: Timestamp,
    pub(super) ended: Option<Timestamp>,
    /// How it goes in each place.
    pub(super) work: BTreeMap<Place, Work>,
}

/// What is done with the instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Create {
        overrides: BTreeMap<String, String>,
    },
    /// Of the instances alone, when `change` is not there.
    Update {
        overrides: Option<BTreeMap<String, String>>,
        change: Option<Box<Change>>,
    },
    Delete {
        retain: bool,
    },
}

/// What becomes of the set itself when an update of it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) recipe: Recipe,
    /// Whether every instance is outdated by it, not only those that the operation is about (API reference,
    /// UpdateStackSet, Accounts).
    pub(super) outdates_all: bool,
    pub(super) description: Option<String>,
    pub(super) auto_deployment: Option<AutoDeployment>,
    pub(super) administration_role: Option<String>,
    pub(super) execution_role: Option<String>,
    pub(super) managed_execution: Option<bool>,
}

/// How far an operation is (API reference, StackSetOperation, Status).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Queued,
    Running,
    Stopping,
    Stopped,
    Succeeded,
    Failed,
}

/// How it goes in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) unit: Option<String>,
    pub(super) progress: Progress,
    pub(super) reason: Option<String>,
}

/// How far it is there (API reference, StackSetOperationResultSummary, Status).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Pending,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

/// How many places of a region are how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) all: usize,
    pub(super) pending: usize,
    pub(super) running: usize,
    pub(super) failed: usize,
}

impl Operation {
    /// Whether it cannot run at the same time as another: both are about the same place, or one changes the set.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        let changes = |it: &Self| matches!(it.action, Action::Update { change: Some(_), .. });
        changes(self) || changes(other) || self.work.keys().any(|place| other.work.contains_key(place))
    }

    /// The regions in the order in which they are worked on.
    pub(super) fn regions(&self) -> Vec<String> {
        let mut regions: Vec<String> = self.work.keys().map(|place| place.region.clone()).collect();
        regions.sort_unstable();
        regions.dedup();
        self.preferences.in_order(regions)
    }

    pub(super) fn count(&self, region: &str) -> Count {
        let mut count = Count::default();
        for (_, work) in self.work.iter().filter(|(place, _)| place.region == region) {
            count.all += 1;
            match work.progress {
                Progress::Pending => count.pending += 1,
                Progress::Running => count.running += 1,
                Progress::Failed => count.failed += 1,
                Progress::Succeeded | Progress::Cancelled => {}
            }
        }
        count
    }

    /// Whether more has failed in some region than may.
    pub(super) fn is_beyond_tolerance(&self) -> bool {
        self.regions().iter().any(|region| {
            let count = self.count(region);
            count.failed > self.preferences.tolerance(count.all)
        })
    }

    /// The next place that can be begun now: of the first region that is not done, or of any.
    pub(super) fn next(&self) -> Option<Place> {
        if self.status != Status::Running || self.is_beyond_tolerance() {
            return None;
        }
        for region in self.regions() {
            let count = self.count(&region);
            let has_room = self.preferences.at_once(count.all, count.failed) > count.running;
            let mut work = self.work.iter();
            let waiting = work.find(|(place, work)| place.region == region && work.progress == Progress::Pending);
            if let (true, Some((place, _))) = (has_room, waiting) {
                return Some(place.clone());
            }
            if !self.preferences.parallel && count.pending + count.running > 0 {
                return None;
            }
        }
        None
    }

    pub(super) fn failures(&self) -> usize {
        self.work.values().filter(|work| work.progress == Progress::Failed).count()
    }
}

impl Action {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "CREATE",
            Self::Update { .. } => "UPDATE",
            Self::Delete { .. } => "DELETE",
        }
    }
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether nothing more will happen.
    pub(super) fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Succeeded | Self::Failed)
    }
}

impl Progress {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl Work {
    pub(super) fn pending(unit: Option<String>) -> Self {
        Self { unit, progress: Progress::Pending, reason: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account, a region, and how far it is there.
    type At<'a> = (&'a str, &'a str, Progress);

    fn operation(action: Action, places: &[At<'_>]) -> Operation {
        let work = places.iter().map(|(account, region, progress)| {
            let place = Place { account: (*account).to_owned(), region: (*region).to_owned() };
            (place, Work { unit: None, progress: *progress, reason: None })
        });
        Operation {
            id: "id".to_owned(),
            action,
            status: Status::Running,
            preferences: Preferences::usual(),
            targets: Targets::default(),
            created: Timestamp::UNIX_EPOCH,
            ended: None,
            work: work.collect(),
        }
    }

    #[test]
    fn the_next_place_is_one_of_the_first_region_that_is_not_done() {
        use Progress::{Cancelled, Failed, Pending, Running, Succeeded};
        let table: [(&[At<'_>], _); 6] = [
            (&[("1", "a", Pending), ("2", "a", Pending), ("1", "b", Pending)], Some(("1", "a"))),
            (&[("1", "a", Running), ("2", "a", Pending)], None),
            (&[("1", "a", Succeeded), ("2", "a", Running), ("1", "b", Pending)], None),
            (&[("1", "a", Succeeded), ("2", "a", Cancelled), ("1", "b", Pending)], Some(("1", "b"))),
            (&[("1", "a", Failed), ("2", "a", Pending)], None),
            (&[("1", "a", Succeeded)], None),
        ];
        for (places, expected) in table {
            let next = operation(Action::Delete { retain: false }, places).next();
            let next = next.as_ref().map(|place| (place.account.as_str(), place.region.as_str()));
            assert_eq!(next, expected, "{places:?}");
        }
    }

    #[test]
    fn operations_get_in_each_others_way_in_one_place_and_when_the_set_changes() {
        let recipe = Recipe {
            body: String::new(),
            parameters: BTreeMap::new(),
            tags: BTreeMap::new(),
            capabilities: Vec::new(),
        };
        let change = Change {
            outdates_all: true,
            recipe,
            description: None,
            auto_deployment: None,
            administration_role: None,
            execution_role: None,
            managed_execution: None,
        };
        let delete = |account| operation(Action::Delete { retain: false }, &[(account, "a", Progress::Pending)]);
        let update = operation(Action::Update { overrides: None, change: Some(Box::new(change)) }, &[]);
        assert!(delete("1").conflicts_with(&delete("1")) && !delete("1").conflicts_with(&delete("2")));
        assert!(update.conflicts_with(&delete("1")) && delete("1").conflicts_with(&update));
    }
}
