//! A year in the life of many users, with the real function behind the sandbox: calls get lost, processes are killed,
//! people interfere, applications are slow to notice a new key. All of it by a seed, which is printed first.
//!
//! `KEYTURN_SEED=7 cargo test --test simulation` lives one year again, with `KEYTURN_USER=user-0042` that of one user only.
//! What befalls a user, and when, depends on the seed
//! and on that user's own calls only, never on who else is about, so it is the same each time; ids, the milliseconds of
//! the virtual clock, and the order among users are not.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod applications;
mod chance;
mod faults;
mod ledger;
mod people;
#[path = "../end_to_end/stage.rs"]
#[allow(dead_code, reason = "the end-to-end tests need more of it")]
mod stage;
mod watch;
mod year;

use chance::Chance;
use year::{Scale, Year};

const SMALL: Scale = Scale { users: 50, cells: 2, days: 365, days_between_sweeps: 5 };

const MIDDLE: Scale = Scale { users: 250, cells: 2, days: 365, days_between_sweeps: 7 };

const LARGE: Scale = Scale { users: 1_000, cells: 5, days: 365, days_between_sweeps: 7 };

#[expect(clippy::print_stderr, reason = "nothing else is there to tell it")]
async fn live(seed: u64, scale: Scale) {
    // Whoever sees a failure, or nothing for long, needs to know this.
    eprintln!("KEYTURN_SEED={seed}: {scale:?}");
    let only = variable("KEYTURN_USER");
    let report = Year::begin(Chance::new(seed), scale, only.as_deref()).await.live().await;
    eprintln!("KEYTURN_SEED={seed}: {report}");
}

/// The seed that somebody wants to see again.
fn wanted() -> Option<u64> {
    variable("KEYTURN_SEED").map(|seed| seed.parse().expect("KEYTURN_SEED is a number"))
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its environment what to do")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_of_some_users() {
    match wanted() {
        Some(seed) => live(seed, SMALL).await,
        None => drop(tokio::join!(live(1, SMALL), live(2, SMALL))),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes some minutes; `.ci/run` runs it"]
async fn a_year_of_many_users() {
    live(wanted().unwrap_or(1), MIDDLE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a quarter of an hour"]
async fn a_year_of_a_thousand_users() {
    live(wanted().unwrap_or(1), LARGE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_is_the_same_year() {
    let scale = Scale { users: 10, cells: 1, days: 150, days_between_sweeps: 5 };
    let live = async || Year::begin(Chance::new(3), scale, None).await.live().await.histories;
    let (first, again) = tokio::join!(live(), live());
    for (user, history) in &first {
        let differs = history.iter().zip(&again[user]).position(|(one, other)| one != other);
        let around =
            |history: &[String], call: usize| history[call.saturating_sub(20)..history.len().min(call + 5)].to_vec();
        if let Some(call) = differs {
            panic!("{user}, call {call}:\n{:#?}\n{:#?}", around(history, call), around(&again[user], call));
        }
        assert_eq!(history.len(), again[user].len(), "{user}");
    }
}
