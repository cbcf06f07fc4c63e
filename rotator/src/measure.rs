//! What a pass tells of one user in numbers: a pure function from what was observed and decided.

use std::time::Duration;

use contract::{AccessKeyId, Settings};
use jiff::Timestamp;

use crate::blocked::Blocked;
use crate::observed::{Key, KeyStatus, Observed};
use crate::sweep::{ASK_AGAIN_AFTER, Sweep};

const DAY: Duration = Duration::from_secs(86_400);

/// One user in numbers. Of a user whose keys were not looked at, nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Measures {
    /// The age of the current key, in whole days.
    pub(crate) key_days: Option<u64>,
    /// How many Active keys are older than the settings allow.
    pub(crate) over_age: usize,
    /// Whether a rotation stands still and time alone does not bring it on.
    pub(crate) is_stuck: bool,
    /// When the next key moves on, or the user is rotated next.
    pub(crate) next: Option<Timestamp>,
}

/// Measures a user for whom this is about to be done.
pub(crate) fn measure(observed: &Observed, sweep: &Sweep, settings: &Settings) -> Measures {
    let current = observed.current.key().and_then(|id| observed.key(id));
    // The other findings stop the whole pass, so a key that is let be is always named.
    let is_left_alone = |id: &AccessKeyId| {
        sweep.findings.iter().any(|finding| matches!(finding, Blocked::Foreign { key } if key == id))
    };
    let is_too_old = |key: &&Key| {
        key.status == KeyStatus::Active && observed.since(key.created) > settings.max_key_age && !is_left_alone(&key.id)
    };
    Measures {
        key_days: current.map(|key| observed.since(key.created).as_secs() / DAY.as_secs()),
        over_age: observed.keys.iter().filter(is_too_old).count(),
        is_stuck: is_stuck(observed, sweep),
        next: sweep.next.into_iter().chain(observed.secret.next_rotation).min(),
    }
}

/// Whether a rotation has been under way for longer than one takes. One that waits for a key on its way out goes on by
/// itself.
fn is_stuck(observed: &Observed, sweep: &Sweep) -> bool {
    let Some(token) = observed.secret.unfinished() else { return false };
    if let Some(version) = &observed.pending {
        // A copy of the current value is what a test of the schedule leaves behind.
        let is_copy = version.key() == observed.current.key();
        return !is_copy && observed.age_of(version) >= ASK_AGAIN_AFTER;
    }
    if !sweep.findings.is_empty() && sweep.findings.iter().all(Blocked::passes_with_time) {
        return false;
    }
    // When no attempt is on record, nobody knows since when: the next pass will.
    let attempt = observed.secret.attempt().ok().flatten().filter(|attempt| &attempt.token == token);
    attempt.is_none_or(|attempt| observed.since(attempt.since) >= ASK_AGAIN_AFTER)
}

#[cfg(test)]
mod tests {
    use contract::tag_keys;

    use super::*;
    use crate::sweep::sweep;
    use crate::worlds::{World, ago, key, now, settings};

    const HOUR: Duration = Duration::from_secs(3_600);

    fn measured(world: World) -> Measures {
        let observed = world.observed();
        measure(&observed, &sweep(&observed, &settings()), &settings())
    }

    fn rotated(days: u32) -> World {
        World::new().at_rest().current_since(&key('C'), days).rotated(days).key(&key('C'), days)
    }

    #[test]
    fn a_healthy_user_has_an_age_and_a_next_step() {
        let measures = measured(rotated(3));
        assert_eq!(measures, Measures { key_days: Some(3), ..Measures::default() });
        let mut observed = rotated(3).previous(&key('P')).key(&key('P'), 40).mark(&key('P'), 3, None).observed();
        let next = |observed: &Observed| measure(observed, &sweep(observed, &settings()), &settings()).next;
        assert_eq!(next(&observed), now().checked_add(4 * DAY).ok());
        observed.secret.next_rotation = now().checked_add(DAY).ok();
        assert_eq!(next(&observed), now().checked_add(DAY).ok());
    }

    #[test]
    fn active_keys_over_age_count_unless_they_are_let_be() {
        let over_age = |world| measured(world).over_age;
        assert_eq!(over_age(rotated(90)), 0);
        assert_eq!(over_age(rotated(91)), 1);
        let superseded = |world: World| world.previous(&key('P')).mark(&key('P'), 9, None);
        assert_eq!(over_age(superseded(rotated(91)).key(&key('P'), 200)), 2);
        assert_eq!(over_age(superseded(rotated(3)).inactive(&key('P'), 200)), 0);
        assert_eq!(over_age(rotated(3).key(&key('F'), 900)), 0, "`retire.foreign` is `refuse`");
        let told = Settings { foreign: contract::ForeignPolicy::Retire, ..settings() };
        let observed = rotated(3).key(&key('F'), 900).observed();
        assert_eq!(measure(&observed, &sweep(&observed, &told), &told).over_age, 1);
    }

    #[test]
    fn a_rotation_that_time_does_not_bring_on_is_stuck() {
        let is_stuck = |world| measured(world).is_stuck;
        let rotating = || World::new().current_since(&key('C'), 30).key(&key('C'), 30);
        assert!(!is_stuck(rotated(30)));
        assert!(is_stuck(rotating()), "nobody knows since when");
        assert!(!is_stuck(rotating().attempt_of('n', HOUR / 2)));
        assert!(is_stuck(rotating().attempt_of('n', HOUR)));
        // It is tried again and again, and the last time was just now.
        let tried = contract::Attempt { token: crate::worlds::token('n'), since: ago(2 * HOUR), at: now() };
        assert!(is_stuck(rotating().tag(tag_keys::ATTEMPT, &tried.to_tag())));
        assert!(is_stuck(rotating().key(&key('F'), 900)), "a key that is not given up is in the way");
        let waiting = |world: World| world.previous(&key('P')).key(&key('P'), 40);
        assert!(!is_stuck(waiting(rotating().rotated(1)).mark(&key('P'), 1, None)));
        let used = waiting(rotating()).mark(&key('P'), 30, None).used(&key('P'), HOUR);
        assert!(is_stuck(used), "somebody has to stop using it");

        let stored = |age| rotating().pending_since(&key('N'), age).with_key(&key('N'), ago(age), KeyStatus::Active);
        assert!(!is_stuck(stored(HOUR / 2)));
        assert!(is_stuck(stored(HOUR)));
        assert!(!is_stuck(rotating().pending_since(&key('C'), HOUR)), "left behind by a test");
    }
}
