//! How many stack sets there may be, how large they may be, and how many units one operation may name (CloudFormation user
//! guide, quotas; API reference, CreateStackInstances).

use super::super::invalid;
use super::targets::Targets;
use crate::{ApiError, World};

/// How many units an operation may name.
const MOST_UNITS: usize = 50;

/// What an account may have in a region. Service Quotas can raise both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quotas {
    sets: usize,
    instances: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { sets: 1_000, instances: 100_000 }
    }
}

impl Quotas {
    /// Refuses one more set when there are so many.
    pub(super) fn check_sets(self, there_are: usize) -> Result<(), ApiError> {
        if there_are < self.sets { Ok(()) } else { Err(exceeded(&format!("{} stack sets", self.sets))) }
    }

    /// Refuses a set that would have so many instances.
    pub(super) fn check_instances(self, would_be: usize) -> Result<(), ApiError> {
        let most = self.instances;
        if would_be <= most { Ok(()) } else { Err(exceeded(&format!("{most} stack instances in a stack set"))) }
    }
}

/// Refuses an operation that names too many units.
pub(super) fn check_units(targets: &Targets) -> Result<(), ApiError> {
    match targets.units.len() {
        0..=MOST_UNITS => Ok(()),
        many => Err(invalid(format!("{many} organizational units are more than the {MOST_UNITS} of an operation"))),
    }
}

impl World {
    /// Lowers or raises what an account may have: stack sets in a region, and instances in each.
    pub fn limit_stack_sets(&mut self, sets: usize, instances: usize) {
        self.cloudformation.sets.quotas = Quotas { sets, instances };
    }
}

fn exceeded(most: &str) -> ApiError {
    ApiError::new("LimitExceededException", format!("The quota of {most} is exceeded"))
}
