//! The proof: every history of a rotation in a small model of AWS, decided by the real functions, judged by a
//! reference model that knows nothing of them.
//!
//! [`aws`] is the world, [`process`] a run of the function call by call, [`decide`] its decisions; [`people`] do what
//! they like, [`explore`] looks at everything that can happen in which order, [`invariants`] and [`settle`] say what
//! must never and what must always come of it.

mod aws;
mod calls;
mod decide;
mod explore;
mod fingerprint;
mod initial;
mod invariants;
mod people;
mod process;
mod settle;
mod translate;
mod variants;

use std::io::Write as _;
use std::time::Duration;

use contract::{ForeignPolicy, InUsePolicy, Settings};

use self::aws::Aws;
use self::explore::{Count, Left, explore};
use self::initial::{CURRENTS, Current, PENDINGS, Pending, Role};
use self::process::Model;
use self::variants::Variant;
use crate::worlds;

/// Nothing can happen but the rotation itself.
const CALM: Left =
    Left { start: true, fault: false, retry: false, second: false, sweep: false, person: false, pause: false };

/// Everything that can happen, once each.
const ALL: Left = Left { start: true, fault: true, retry: true, second: true, sweep: true, person: true, pause: true };

fn single_key() -> Settings {
    let (zero, in_use) = (Duration::ZERO, InUsePolicy::Deactivate);
    Settings { deactivate_after: zero, quiet: zero, in_use, ..worlds::settings() }
}

fn retire() -> Settings {
    Settings { foreign: ForeignPolicy::Retire, ..worlds::settings() }
}

/// Explores, tells what was looked at, and demands that it was not less than so many states.
fn prove(name: &str, settings: Settings, worlds: &[Aws], left: Left, at_least: usize) {
    let model = Model::new(settings);
    let count = explore(&model, worlds, left, None).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    let Count { worlds, states, steps, histories, endings } = count;
    let decisions = model.decisions();
    tell(&format!(
        "{name}: {worlds} worlds, {states} states, {steps} steps, {histories} histories, {endings} endings, \
         {decisions} decisions"
    ));
    assert!(states >= at_least, "{name}: only {states} states were looked at");
}

/// Writes a line past the test harness, which would keep it to itself.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The layouts in which histories with more than one at work begin.
fn busy(others: usize) -> Vec<Aws> {
    let pendings = [Pending::Nowhere, Pending::Fresh, Pending::Stored, Pending::StoredLongAgo];
    initial::some(&[Current::Placeholder, Current::Active(10)], &pendings, others)
}

#[test]
fn one_attempt_that_fails_and_is_tried_again() {
    let left = Left { fault: true, retry: true, pause: true, ..CALM };
    prove("one attempt", worlds::settings(), &initial::some(&CURRENTS, &PENDINGS, 1), left, 150_000);
}

#[test]
fn two_attempts_at_once() {
    let left = Left { fault: true, second: true, ..CALM };
    prove("two attempts", worlds::settings(), &busy(1), left, 90_000);
    prove("two attempts, no overlap", single_key(), &busy(0), left, 15_000);
}

#[test]
fn an_attempt_and_the_sweeper() {
    let left = Left { fault: true, sweep: true, ..CALM };
    prove("sweeper", worlds::settings(), &busy(1), left, 70_000);
    prove("sweeper, no overlap", single_key(), &busy(0), left, 7_000);
    let stuck = initial::some(&[Current::Placeholder, Current::Active(10)], &[Pending::Stuck], 1);
    prove("sweeper, foreign keys retired", retire(), &stuck, left, 15_000);
}

#[test]
fn a_person_interferes() {
    let left = Left { person: true, ..CALM };
    let pendings = [Pending::Nowhere, Pending::Fresh, Pending::Stored];
    prove("a person", worlds::settings(), &initial::some(&CURRENTS, &pendings, 1), left, 60_000);
}

#[test]
fn everything_at_once() {
    let world = |roles: &[Role]| initial::world(Current::Active(10), Pending::Fresh, roles);
    let worlds: Vec<Aws> = [world(&[]), world(&[Role::Retiring(8)])].into_iter().flatten().collect();
    let table = [
        ("a person, a fault, a retry", Left { second: false, sweep: false, ..ALL }, 35_000),
        ("a person, a fault, the sweeper", Left { second: false, retry: false, pause: false, ..ALL }, 100_000),
        ("a person, two attempts", Left { fault: false, retry: false, sweep: false, pause: false, ..ALL }, 85_000),
    ];
    for (name, left, at_least) in table {
        prove(name, worlds::settings(), &worlds, left, at_least);
    }
}

#[test]
#[ignore = "takes many minutes"]
fn every_world() {
    let all = initial::all();
    let left = Left { fault: true, retry: true, pause: true, ..CALM };
    prove("all worlds: one attempt", worlds::settings(), &all, left, 500_000);
    let two: Vec<Aws> = all.iter().filter(|world| world.alive().count() <= 2).copied().collect();
    for (name, settings) in [("", worlds::settings()), (", no overlap", single_key()), (", retired", retire())] {
        let left = Left { fault: true, second: true, ..CALM };
        prove(&format!("all worlds: two attempts{name}"), settings, &two, left, 500_000);
        let left = Left { fault: true, sweep: true, ..CALM };
        prove(&format!("all worlds: sweeper{name}"), settings, &two, left, 450_000);
        let left = Left { person: true, sweep: true, ..CALM };
        prove(&format!("all worlds: a person, the sweeper{name}"), settings, &two, left, 350_000);
    }
    let world = |roles: &[Role]| initial::world(Current::Active(10), Pending::Fresh, roles);
    let few: Vec<Aws> = [world(&[]), world(&[Role::Retiring(8)])].into_iter().flatten().collect();
    prove("everything but a person", worlds::settings(), &few, Left { person: false, ..ALL }, 200_000);
}

/// Each variant of the function with one thing broken in it is caught, by the invariant that it breaks.
#[test]
fn broken_variants_are_caught() {
    let all = initial::some(&CURRENTS, &PENDINGS, 1);
    let busy = busy(1);
    for (variant, invariant) in Variant::ALL {
        let model = Model::broken(worlds::settings(), variant);
        let left = match variant {
            Variant::TrustStaleCurrent | Variant::TrustTheName => Left { person: true, sweep: true, ..CALM },
            Variant::ReactivateCurrent => CALM,
            Variant::GuessTheTime => Left { person: true, ..CALM },
            _ => Left { fault: true, ..CALM },
        };
        let worlds = if left.person { &busy } else { &all };
        match explore(&model, worlds, left, Some(invariant)) {
            Err(wrong) => {
                tell(&format!("{variant:?} is caught by {}", wrong.to_string().lines().next().unwrap_or_default()))
            }
            Ok(count) => panic!("{variant:?} does not break {invariant}: {count:?}"),
        }
    }
}
