//! The same work for many things, a few at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// How much work is under way at the same time, and how fast it is begun.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How many at the same time.
    pub at_once: usize,
    /// The least time between two beginnings.
    pub apart: Duration,
}

/// Does `work` for every item and gives the results in the order of the items.
pub async fn for_each<I, T, F>(items: Vec<I>, pace: Pace, work: impl Fn(I) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    // An interval must not be zero.
    let mut turns = interval(pace.apart.max(Duration::from_nanos(1)));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut under_way, mut results) = (JoinSet::new(), BTreeMap::new());
    for (index, item) in items.into_iter().enumerate() {
        if under_way.len() >= pace.at_once.max(1) {
            results.extend(under_way.join_next().await.map(finished));
        }
        turns.tick().await;
        let work = work(item);
        under_way.spawn(async move { (index, work.await) });
    }
    while let Some(result) = under_way.join_next().await {
        let (index, result) = finished(result);
        results.insert(index, result);
    }
    results.into_values().collect()
}

fn finished<T>(result: Result<T, tokio::task::JoinError>) -> T {
    // Nobody cancels these tasks, so one that did not finish has panicked: that is passed on.
    result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[tokio::test]
    async fn results_keep_their_order_and_no_more_than_allowed_run_at_the_same_time() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let pace = Pace { at_once: 3, apart: Duration::ZERO };
        let results = for_each((0..20).collect(), pace, |item: usize| {
            let (running, most) = (running.clone(), most.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Relaxed) + 1, Relaxed);
                for _ in 0..20 - item {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, Relaxed);
                item
            }
        })
        .await;
        assert_eq!(results, (0..20).collect::<Vec<_>>());
        assert_eq!(most.load(Relaxed), 3);
    }
}
