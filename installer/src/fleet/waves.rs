//! Divides the accounts of a fleet into waves, and says when to stop. Nothing is done here.

use std::collections::BTreeSet;
use std::time::Duration;

use contract::AccountId;

use crate::ui;

/// Accounts that are worked on before the next ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// Which ones.
    pub pick: Pick,
    /// How long to wait behind them, before the users are looked at once more and the next wave begins.
    pub soak: Duration,
    /// How many may fail.
    pub tolerate: Tolerance,
}

/// Which accounts a wave has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// These.
    Accounts(Vec<AccountId>),
    /// So many, of those that are in no wave before.
    Count(usize),
    /// As many as bring the accounts of this wave and those before to this share of all, in percent, rounded up.
    Percent(usize),
}

/// How many accounts of a wave may fail without ending the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// So many.
    Count(usize),
    /// So many in a hundred of the wave, rounded down.
    Percent(usize),
}

impl Wave {
    /// What there is to say of it beside its accounts.
    pub fn in_words(&self) -> String {
        let tolerance = match self.tolerate {
            Tolerance::Count(0) => "none may fail".to_owned(),
            Tolerance::Count(1) => "1 may fail".to_owned(),
            Tolerance::Count(count) => format!("{count} may fail"),
            Tolerance::Percent(percent) => format!("{percent} % may fail"),
        };
        if self.soak.is_zero() { tolerance } else { format!("{tolerance}, then {} to wait", ui::span(self.soak)) }
    }
}

impl Tolerance {
    /// Whether a wave of `size` accounts may go on with so many failures.
    pub fn allows(self, failed: usize, size: usize) -> bool {
        failed
            <= match self {
                Self::Count(count) => count,
                Self::Percent(percent) => size.saturating_mul(percent) / 100,
            }
    }
}

/// The waves when nobody says: one account, then a tenth of all, then the others, and nothing may fail.
pub fn by_default() -> Vec<Wave> {
    let wave = |pick| Wave { pick, soak: Duration::ZERO, tolerate: Tolerance::Count(0) };
    vec![wave(Pick::Count(1)), wave(Pick::Percent(10)), wave(Pick::Percent(100))]
}

/// The accounts of each wave, in the order of `accounts`. An account that a wave names is in no other one; those that
/// no wave picks are in none.
pub fn divide(waves: &[Wave], accounts: &[AccountId]) -> Vec<Vec<AccountId>> {
    let named = waves.iter().filter_map(|wave| match &wave.pick {
        Pick::Accounts(named) => Some(named),
        Pick::Count(_) | Pick::Percent(_) => None,
    });
    let named: BTreeSet<&AccountId> = named.flatten().collect();
    let mut others = accounts.iter().filter(|account| !named.contains(account));
    let mut placed = 0;
    let mut divided = Vec::new();
    for wave in waves {
        let picked: Vec<AccountId> = match &wave.pick {
            Pick::Accounts(named) => accounts.iter().filter(|account| named.contains(account)).cloned().collect(),
            Pick::Count(count) => others.by_ref().take(*count).cloned().collect(),
            Pick::Percent(percent) => {
                let share = accounts.len().saturating_mul(*percent).div_ceil(100);
                others.by_ref().take(share.saturating_sub(placed)).cloned().collect()
            }
        };
        placed += picked.len();
        divided.push(picked);
    }
    divided
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accounts(numbers: impl IntoIterator<Item = usize>) -> Vec<AccountId> {
        numbers.into_iter().map(|number| AccountId::new(format!("{number:012}")).unwrap()).collect()
    }

    fn wave(pick: Pick) -> Wave {
        Wave { pick, soak: Duration::ZERO, tolerate: Tolerance::Count(0) }
    }

    #[test]
    fn by_default_there_is_a_canary_then_a_tenth_then_the_rest() {
        let sizes = |count| divide(&by_default(), &accounts(0..count)).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(1_000), [1, 99, 900]);
        assert_eq!(sizes(11), [1, 1, 9]);
        assert_eq!(sizes(2), [1, 0, 1]);
        assert_eq!(sizes(0), [0, 0, 0]);
    }

    #[test]
    fn an_account_that_is_named_is_in_the_wave_that_names_it() {
        let waves = [wave(Pick::Percent(50)), wave(Pick::Accounts(accounts([1, 9]))), wave(Pick::Percent(100))];
        let divided = divide(&waves, &accounts(0..4));
        assert_eq!(divided, [accounts([0, 2]), accounts([1]), accounts([3])]);
    }

    #[test]
    fn a_tolerance_is_rounded_down() {
        let table = [
            (Tolerance::Count(0), 0, 10, true),
            (Tolerance::Count(0), 1, 10, false),
            (Tolerance::Percent(10), 1, 19, true),
            (Tolerance::Percent(10), 2, 19, false),
            (Tolerance::Percent(100), 19, 19, true),
        ];
        for (tolerance, failed, size, allowed) in table {
            assert_eq!(tolerance.allows(failed, size), allowed, "{tolerance:?}, {failed} of {size}");
        }
    }

    proptest! {
        #[test]
        fn the_last_wave_leaves_nobody_out_and_nobody_is_in_two(
            count in 0_usize..300, first in 0_usize..5, percents in proptest::collection::vec(0_usize..=100, 0..5),
            named in proptest::collection::btree_set(0_usize..400, 0..9),
        ) {
            let mut waves = vec![wave(Pick::Accounts(accounts(named))), wave(Pick::Count(first))];
            waves.extend(percents.into_iter().map(|percent| wave(Pick::Percent(percent))));
            waves.push(wave(Pick::Percent(100)));
            let all = accounts(0..count);
            let mut divided = divide(&waves, &all).concat();
            divided.sort();
            prop_assert_eq!(divided, all);
        }
    }
}
