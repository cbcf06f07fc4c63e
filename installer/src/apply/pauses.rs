//! How long to wait before asking again: short while there is news, longer and longer while there is none.

use std::time::Duration;

/// The first pause: small stacks and the sandbox are done at once.
const FIRST: Duration = Duration::from_millis(200);

/// The pause after news: the next event is seldom far.
const AFTER_NEWS: Duration = Duration::from_secs(1);

/// The longest pause. What is waited for takes minutes at most.
const LONGEST: Duration = Duration::from_secs(5);

/// The pauses of one wait.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    random: fastrand::Rng,
}

impl Pauses {
    pub(super) fn new(seed: u64) -> Self {
        Self { next: FIRST, random: fastrand::Rng::with_seed(seed) }
    }

    /// The pause after an answer with or without news. A quarter of it is random, so that many installers that were
    /// started together do not ask together.
    pub(super) fn after(&mut self, is_news: bool) -> Duration {
        let pause = if is_news { self.next.min(AFTER_NEWS) } else { self.next };
        self.next = (pause * 3 / 2).min(LONGEST);
        pause.mul_f64(0.75 + 0.25 * self.random.f64())
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
}
