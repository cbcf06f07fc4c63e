//! How long to wait before asking again: short while there is news, longer and longer while there is none, but not
//! beyond the moment at which something should be done.

use std::time::Duration;

use jiff::SignedDuration;

/// The first pause: small stacks and the sandbox are done at once.
const FIRST: Duration = Duration::from_millis(200);

/// The pause after news: the next event is seldom far.
const AFTER_NEWS: Duration = Duration::from_secs(1);

/// The longest pause. What is waited for takes minutes at most.
const LONGEST: Duration = Duration::from_secs(5);

/// The shortest pause while the end is near, or late: twice as often tells nobody anything sooner that matters.
const SHORTEST_UNTIL_DUE: Duration = Duration::from_millis(1400);

/// The longest pause while nothing is due: long enough for most resources, short enough for one that is early.
const LONGEST_UNTIL_DUE: Duration = Duration::from_secs(8);

/// How much later than it is due something is looked for, at most: the end is seldom early.
const GRACE: Duration = Duration::from_millis(250);

/// The pauses of one wait.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
    random: fastrand::Rng,
}

impl Pauses {
    pub(crate) fn new(seed: u64) -> Self {
        Self { next: FIRST, random: fastrand::Rng::with_seed(seed) }
    }

    /// The pause after an answer with or without news. A quarter of it is random, so that many installers that were
    /// started together do not ask together.
    pub(crate) fn after(&mut self, is_news: bool) -> Duration {
        let pause = if is_news { self.next.min(AFTER_NEWS) } else { self.next };
        self.next = (pause * 3 / 2).min(LONGEST);
        pause.mul_f64(0.75 + 0.25 * self.random.f64())
    }

    /// The pause while things are under way of which it is known how long each still takes as a rule, or for how long
    /// it should have been done. What is late for long is looked at less often: it may take minutes more.
    ///
    /// On AWS nothing that is waited for in this way is done within a second, so there is one early look only.
    pub(super) fn until(&mut self, is_news: bool, due_in: impl IntoIterator<Item = SignedDuration>) -> Duration {
        if self.next < AFTER_NEWS {
            self.next = AFTER_NEWS;
            return AFTER_NEWS.mul_f64(0.75 + 0.25 * self.random.f64());
        }
        let grace = GRACE.mul_f64(self.random.f64());
        let wanted = due_in.into_iter().map(|due_in| match due_in.is_positive() {
            true => due_in.unsigned_abs() + grace,
            false => due_in.unsigned_abs() / 2,
        });
        // With nothing under way the next thing is about to begin, or it is over.
        wanted
            .min()
            .unwrap_or(if is_news { SHORTEST_UNTIL_DUE } else { LONGEST })
            .clamp(SHORTEST_UNTIL_DUE, LONGEST_UNTIL_DUE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_without_news_and_shrink_with_it() {
        let mut pauses = Pauses::new(7);
        let first = pauses.after(false);
        assert!(first <= FIRST && first >= FIRST * 3 / 4, "{first:?}");
        let longest = (0..50).map(|_| pauses.after(false)).last().unwrap();
        assert!(longest <= LONGEST && longest >= LONGEST * 3 / 4, "{longest:?}");
        assert!(pauses.after(true) <= AFTER_NEWS);
    }

    #[test]
    fn a_pause_ends_when_something_should_be_done() {
        let mut pauses = Pauses::new(7);
        let due_in = SignedDuration::from_secs;
        assert!(pauses.until(false, [due_in(17)]) <= AFTER_NEWS);
        for (due_in, least, most) in [
            (vec![], LONGEST, LONGEST),
            (vec![due_in(17)], LONGEST_UNTIL_DUE, LONGEST_UNTIL_DUE),
            (vec![due_in(17), due_in(3)], Duration::from_secs(3), Duration::from_secs(3) + GRACE),
            (vec![due_in(0)], SHORTEST_UNTIL_DUE, SHORTEST_UNTIL_DUE),
            (vec![due_in(-6)], Duration::from_secs(3), Duration::from_secs(3)),
            (vec![due_in(-60)], LONGEST_UNTIL_DUE, LONGEST_UNTIL_DUE),
            (vec![due_in(-60), due_in(2)], Duration::from_secs(2), Duration::from_secs(2) + GRACE),
            (vec![SignedDuration::MIN, SignedDuration::MAX], LONGEST_UNTIL_DUE, LONGEST_UNTIL_DUE),
        ] {
            let pause = pauses.until(false, due_in.clone());
            assert!((least..=most).contains(&pause), "{due_in:?}: {pause:?}");
        }
        assert_eq!(pauses.until(true, []), SHORTEST_UNTIL_DUE, "the stack's own event is near");
    }

    #[test]
    fn a_stack_of_half_a_minute_is_asked_every_other_second_at_most_and_its_end_is_seen_soon() {
        // When the resources of a cell are done, one group after the other.
        let ends = [2.0, 17.0, 24.0, 25.0, 26.0, 27.0, 29.0];
        let mut pauses = Pauses::new(7);
        let (mut now, mut asked, mut done) = (0.0, 1, 0);
        while done < ends.len() {
            let due_in = ends[done..].iter().take(1).map(|end| SignedDuration::from_secs_f64(end - now));
            now += pauses.until(asked > 0, due_in).as_secs_f64();
            done = ends.iter().filter(|end| **end <= now).count();
            asked += 1;
        }
        assert!(f64::from(asked) <= now / 2.0, "{asked} times in {now} s");
        assert!(now <= 29.0 + SHORTEST_UNTIL_DUE.as_secs_f64(), "{now}");
    }
}
