//! The virtual clock where it runs by itself: no contract of AWS, but what a sandbox for the stopwatch rests on.

use std::time::Duration;

use sandbox::{Options, Sandbox};

/// A thousandth of a second for each second, so that a moment is most of a minute.
const PACE: f64 = 1e-3;

const MOMENT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_clock_that_runs_goes_on_while_nothing_happens_and_after_a_journey() {
    let sandbox = Sandbox::start(Options { pace: PACE, clock_runs: true, ..Options::default() }).await.unwrap();
    let mut before = sandbox.visit(|world| world.now()).await;
    for _ in 0..2 {
        tokio::time::sleep(MOMENT).await;
        let now = sandbox.visit(|world| world.now()).await;
        assert!(now.duration_since(before).as_secs() >= 50, "{before} to {now}");
        sandbox.advance(Duration::from_hours(24)).await;
        before = sandbox.visit(|world| world.now()).await;
        assert!(before.duration_since(now).as_hours() >= 24, "{now} to {before}");
    }
}

#[tokio::test]
async fn any_other_clock_stands_still() {
    let sandbox = Sandbox::start(Options { pace: PACE, ..Options::default() }).await.unwrap();
    let before = sandbox.visit(|world| world.now()).await;
    tokio::time::sleep(MOMENT).await;
    assert_eq!(sandbox.visit(|world| world.now()).await, before);
}
