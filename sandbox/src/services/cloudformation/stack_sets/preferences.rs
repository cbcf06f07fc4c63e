//! How an operation goes about its accounts: how many at once, how many may fail, and in which order of regions.

use super::super::invalid;
use crate::ApiError;
use crate::answer::Xml;
use crate::input::QueryInput;

/// The operation preferences (API reference, StackSetOperationPreferences).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Preferences {
    order: Vec<String>,
    /// Whether the regions are worked on at the same time.
    pub(super) parallel: bool,
    tolerance: Share,
    concurrency: Share,
    mode: Mode,
}

/// A part of the accounts of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    Count(usize),
    Percentage(usize),
}

/// Whether failures slow the operation down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Strict,
    Soft,
}

impl Preferences {
    pub(super) fn take(input: &mut QueryInput) -> Result<Self, ApiError> {
        let order = input.texts("OperationPreferences.RegionOrder");
        let parallel = match input.text("OperationPreferences.RegionConcurrencyType").as_deref() {
            None | Some("SEQUENTIAL") => false,
            Some("PARALLEL") => true,
            Some(other) => return Err(ApiError::unknown("region concurrency type", other)),
        };
        let tolerance = Share::take(input, "FailureTolerance", 0)?;
        let concurrency = Share::take(input, "MaxConcurrent", 1)?;
        let mode = match input.text("OperationPreferences.ConcurrencyMode").as_deref() {
            None | Some("STRICT_FAILURE_TOLERANCE") => Mode::Strict,
            Some("SOFT_FAILURE_TOLERANCE") => Mode::Soft,
            Some(other) => return Err(ApiError::unknown("concurrency mode", other)),
        };
        Ok(Self { order, parallel, tolerance, concurrency, mode })
    }

    /// How StackSets itself works on accounts that come and go: the documented defaults.
    pub(super) fn usual() -> Self {
        let (tolerance, concurrency) = (Share::Count(0), Share::Count(1));
        Self { order: Vec::new(), parallel: false, tolerance, concurrency, mode: Mode::Strict }
    }

    /// The regions in the order that is asked for; those it does not name come last.
    pub(super) fn in_order(&self, mut regions: Vec<String>) -> Vec<String> {
        let place = |region: &String| self.order.iter().position(|wanted| wanted == region).unwrap_or(usize::MAX);
        regions.sort_by_key(|region| (place(region), region.clone()));
        regions
    }

    /// How many of so many accounts may fail in a region.
    pub(super) fn tolerance(&self, accounts: usize) -> usize {
        self.tolerance.of(accounts)
    }

    /// How many of so many accounts may be worked on at once when so many have failed. In the strict mode, no more than
    /// could all fail without the tolerance being exceeded by more than one.
    pub(super) fn at_once(&self, accounts: usize, failed: usize) -> usize {
        // Rounding down must not leave none (API reference, MaxConcurrentPercentage).
        let most = self.concurrency.of(accounts).max(1);
        match self.mode {
            Mode::Soft => most,
            Mode::Strict => most.min((self.tolerance(accounts) + 1).saturating_sub(failed)),
        }
    }

    pub(super) fn shown(&self) -> Xml {
        let mode = match self.mode {
            Mode::Strict => "STRICT_FAILURE_TOLERANCE",
            Mode::Soft => "SOFT_FAILURE_TOLERANCE",
        };
        let shown = Xml::new()
            .text("RegionConcurrencyType", if self.parallel { "PARALLEL" } else { "SEQUENTIAL" })
            .members("RegionOrder", self.order.iter().map(Xml::plain))
            .text("ConcurrencyMode", mode);
        self.concurrency.show(self.tolerance.show(shown, "FailureTolerance"), "MaxConcurrent")
    }
}

impl Share {
    fn take(input: &mut QueryInput, name: &str, least: usize) -> Result<Self, ApiError> {
        let mut number = |kind: &str, most: usize| {
            let number = input.text(&format!("OperationPreferences.{name}{kind}")).map(|text| text.parse::<usize>());
            match number {
                None => Ok(None),
                Some(Ok(number)) if (least..=most).contains(&number) => Ok(Some(number)),
                Some(_) => Err(invalid(format!("{name}{kind} is not between {least} and {most}"))),
            }
        };
        match (number("Count", usize::MAX)?, number("Percentage", 100)?) {
            (None, None) => Ok(Self::Count(least)),
            (Some(count), None) => Ok(Self::Count(count)),
            (None, Some(percentage)) => Ok(Self::Percentage(percentage)),
            (Some(_), Some(_)) => Err(invalid(format!("Specify either {name}Count or {name}Percentage, but not both"))),
        }
    }

    /// Rounded down.
    fn of(self, accounts: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percentage(percentage) => accounts * percentage / 100,
        }
    }

    fn show(self, xml: Xml, name: &str) -> Xml {
        match self {
            Self::Count(count) => xml.text(&format!("{name}Count"), count),
            Self::Percentage(percentage) => xml.text(&format!("{name}Percentage"), percentage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferences(tolerance: Share, concurrency: Share, mode: Mode) -> Preferences {
        Preferences { tolerance, concurrency, mode, ..Preferences::usual() }
    }

    #[test]
    fn shares_are_rounded_down_and_the_strict_mode_heeds_failures() {
        use Mode::{Soft, Strict};
        use Share::{Count, Percentage};
        for (tolerance, concurrency, mode, accounts, failed, expected) in [
            (Count(0), Count(1), Strict, 10, 0, (0, 1)),
            (Count(0), Count(10), Strict, 10, 0, (0, 1)),
            (Count(3), Count(10), Strict, 10, 0, (3, 4)),
            (Count(3), Count(10), Strict, 10, 2, (3, 2)),
            (Count(3), Count(10), Soft, 10, 2, (3, 10)),
            (Percentage(10), Percentage(50), Soft, 19, 0, (1, 9)),
            (Percentage(10), Percentage(1), Soft, 9, 0, (0, 1)),
            (Percentage(100), Percentage(100), Strict, 7, 0, (7, 7)),
        ] {
            let found = preferences(tolerance, concurrency, mode);
            let found = (found.tolerance(accounts), found.at_once(accounts, failed));
            assert_eq!(found, expected, "{tolerance:?} {concurrency:?} {mode:?} {accounts} {failed}");
        }
    }

    #[test]
    fn regions_that_the_order_does_not_name_come_last() {
        let preferences = Preferences { order: vec!["z".into(), "m".into()], ..Preferences::usual() };
        assert_eq!(preferences.in_order(vec!["a".into(), "m".into(), "b".into(), "z".into()]), ["z", "m", "a", "b"]);
    }
}
