//! Work on many secrets within the time of one invocation, and below the rates of the APIs.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// So many secrets are worked on at the same time.
const AT_ONCE: usize = 8;

/// So many begin at once; the others follow at this distance. IAM publishes no rate: with some three calls to it for
/// each user this is a burst of sixty, and fifteen a second after that.
const BURST: usize = 20;
const APART: Duration = Duration::from_millis(200);

/// What was done, and how many were not begun because the time was over.
#[derive(Debug)]
pub(crate) struct Paced<T> {
    pub(crate) done: Vec<T>,
    pub(crate) left: usize,
}

/// So many can be begun until `latest`, when nothing holds them up.
pub(crate) fn reach(latest: Instant) -> usize {
    let left = latest.saturating_duration_since(Instant::now());
    BURST + usize::try_from(left.as_millis() / APART.as_millis()).unwrap_or(usize::MAX - BURST)
}

/// Does `work` on every item, beginning none after `latest`.
pub(crate) async fn for_each<I, T, F>(items: Vec<I>, latest: Instant, work: impl Fn(I) -> F) -> Paced<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (start, mut running, mut done) = (Instant::now(), JoinSet::new(), Vec::new());
    let mut items = items.into_iter();
    for begun in 0_usize.. {
        while running.len() >= AT_ONCE {
            done.extend(running.join_next().await.and_then(Result::ok));
        }
        let later = u32::try_from(begun.saturating_sub(BURST)).unwrap_or(u32::MAX);
        let at = start + APART.saturating_mul(later);
        if at.max(Instant::now()) > latest {
            break;
        }
        let Some(item) = items.next() else { break };
        sleep_until(at).await;
        running.spawn(work(item));
    }
    while let Some(result) = running.join_next().await {
        done.extend(result.ok());
    }
    Paced { done, left: items.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn paced(count: usize, seconds: u64) -> (Paced<usize>, Duration) {
        let start = Instant::now();
        let paced = for_each((0..count).collect(), start + Duration::from_secs(seconds), |item| async move { item });
        (paced.await, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_not_held_up() {
        let (paced, took) = paced(BURST, 60).await;
        assert_eq!((paced.done.len(), paced.left), (BURST, 0));
        assert!(took < APART, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_spread_out_and_cut_off_in_time() {
        let (paced, took) = paced(100_000, 60).await;
        assert_eq!(paced.done.len(), BURST + 1 + 60 * 5);
        assert_eq!(paced.done.len() + paced.left, 100_000);
        assert!(took <= Duration::from_secs(61), "{took:?}");
    }
}
