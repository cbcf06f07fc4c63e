//! The year itself: the cells are deployed, and then each day has its rotations, its people, its
//! applications, and on some days the sweeper.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use aws_sdk_secretsmanager::types::Tag;
use jiff::Timestamp;
use sandbox::{Options, World};
use serde_json::json;

use crate::chance::Chance;
use crate::ledger::{Ledger, User};
use crate::people::{self, Errand};
use crate::stage::{ACCOUNT, REGION, Stage};
use crate::{applications, faults, watch};

pub(crate) const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);

/// The settings that the function runs with; the template's defaults.
pub(crate) const DEACTIVATE_AFTER: Duration = Duration::from_hours(7 * 24);
pub(crate) const QUIET: Duration = DAY;
pub(crate) const DELETE_AFTER: Duration = Duration::from_hours(7 * 24);

/// On so many days at the end nothing goes wrong any more: whoever is not at rest after them never will be. A rotation
/// that is given up costs its key two weeks and a few sweeps, and the schedule comes after thirty days.
const QUIET_DAYS: u32 = 45;

/// So many rotations are under way at once, and so many sweeps: many more than there are cores, since one that was struck
/// waits for most of its time.
const AT_ONCE: usize = 96;
const SWEEPS_AT_ONCE: usize = 96;

/// So many users begin within one sweep without being paced.
const BURST: usize = 20;

const DAYS_BETWEEN_LINES: u32 = 30;

/// Where the function's code is put.
const BUCKET: &str = "artifacts";

/// So many of a thousand sweeps of a user have an invocation of their own, in which the process may be killed.
const ALONE_PER_THOUSAND: u32 = 40;

/// How large a year is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) users: usize,
    /// Stacks, each with a function of its own and with as many users.
    pub(crate) cells: usize,
    pub(crate) days: u32,
    pub(crate) days_between_sweeps: u32,
}

pub(crate) struct Year {
    chance: Chance,
    scale: Scale,
    stage: Stage,
    ledger: Arc<Mutex<Ledger>>,
    calls: usize,
    begun: Instant,
}

/// What has happened in a year.
pub(crate) struct Report {
    pub(crate) histories: BTreeMap<String, Vec<String>>,
    counts: BTreeMap<String, usize>,
    calls: usize,
    took: Duration,
}

/// The name of a cell's stack. A number at its end would make it a part of another deployment.
fn stack_of(cell: usize) -> String {
    format!("cell-{}", ["a", "b", "c", "d", "e"][cell])
}

/// How long ago `then` was.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).try_into().unwrap_or_default()
}

impl Year {
    /// Begins a year with all users, or with one only: what befalls somebody does not depend on the others.
    pub(crate) async fn begin(chance: Chance, scale: Scale, only: Option<&str>) -> Self {
        let begun = Instant::now();
        let users = (0..scale.users).map(|number| format!("user-{number:04}"));
        let users: Vec<String> = users.filter(|user| only.is_none_or(|only| only == user)).collect();
        let names: Vec<&str> = users.iter().map(String::as_str).collect();
        let seed = chance.about(&["sandbox"]).u64(..);
        let stage = Stage::with_options(&names, Options { seed, ..Options::default() }).await;
        let ledger =
            Ledger { users: users.into_iter().map(|name| (name, User::default())).collect(), ..Ledger::default() };
        let ledger = Arc::new(Mutex::new(ledger));
        let watched = ledger.clone();
        let prepare = move |world: &mut World| {
            // This year has a sweeper of its own.
            world.pause_rules(true);
            world.create_bucket(ACCOUNT, REGION, BUCKET).unwrap();
            world.rotate_at_once(AT_ONCE);
            watch::watch(world, watched.clone());
            faults::strike(world, chance, watched);
        };
        stage.sandbox.visit(prepare).await;
        Self { chance, scale, stage, ledger, calls: 0, begun }
    }

    pub(crate) async fn live(mut self) -> Report {
        // How `keyturn` itself gets over faults is another test.
        self.ledger.lock().unwrap().is_quiet = true;
        self.deploy().await;
        let last = self.scale.days - QUIET_DAYS;
        for day in 0..self.scale.days {
            self.ledger.lock().unwrap().is_quiet = day >= last;
            self.wait_until(day, 9 * HOUR).await;
            // First, because it says more than an application that is locked out by it.
            self.check(day).await;
            // Before anything else of the day: a key that is used once in a whole quiet period is in use by an instant.
            self.use_keys(day).await;
            self.wait_until(day, 10 * HOUR).await;
            self.spread_on(day).await;
            self.meddle(day, last).await;
            if day.is_multiple_of(self.scale.days_between_sweeps) {
                // Never at the same time of day: no age is a whole number of days but for an instant.
                let pass = day / self.scale.days_between_sweeps;
                self.wait_until(day, 11 * HOUR + Duration::from_mins(23) * (pass % 29)).await;
                self.sweep(day).await;
                self.check_by_the_clock(day).await;
            }
            self.check(day).await;
            self.tell(day);
        }
        let ledger = self.ledger.clone();
        let findings = self.stage.sandbox.visit(move |world| watch::at_the_end(&ledger.lock().unwrap(), world)).await;
        self.fail_on(findings, self.scale.days);
        self.stage.assert_no_secret_left_behind().await;
        self.report()
    }

    /// Lets the clock go on to a time of a day, with all that is due on the way.
    async fn wait_until(&self, day: u32, time: Duration) {
        let then = Options::default().start + DAY * day + time;
        let now = self.stage.sandbox.visit(|world| world.now()).await;
        self.stage.sandbox.advance(age(now, then)).await;
    }

    /// Deploys every cell: `keyturn` takes its time between two users, so all at once.
    async fn deploy(&self) {
        let cells = (0..self.scale.cells).filter(|cell| !self.users_of(*cell).is_empty());
        together(cells.map(|cell| self.deploy_cell(cell))).await;
        self.stage.sandbox.settle().await;
        let ledger = self.ledger.lock().unwrap();
        assert!(ledger.users.values().all(|user| user.current.is_some()), "somebody has no first key");
    }

    async fn deploy_cell(&self, cell: usize) {
        let names = self.users_of(cell).join(", ");
        let configuration = self.stage.path(&format!("cell-{cell}.yaml"));
        let text = format!(
            "version: 1\nregion: {REGION}\nstack: {}\nartifact_bucket: {BUCKET}\nusers: [{names}]\n\
             retire: {{ sweep_every: 1d }}\n",
            stack_of(cell)
        );
        std::fs::write(&configuration, text).unwrap();
        let run = self.stage.bootstrap(&["--config", configuration.to_str().unwrap()]).await;
        assert_eq!(run.code, 0, "{run}");
    }

    /// Has the users of the cell rotated whose day it is. The cells lie apart from then on, so that not everybody is
    /// rotated on the same day.
    async fn spread_on(&self, day: u32) {
        let apart = 30 / u32::try_from(self.scale.cells).unwrap();
        let Some(cell) = (1..self.scale.cells).find(|cell| u32::try_from(*cell).unwrap() * apart == day) else {
            return;
        };
        let secrets = self.stage.secrets();
        for user in self.users_of(cell) {
            // A refusal means that a rotation is under way.
            let _ = secrets.rotate_secret().secret_id(format!("keyturn/{user}")).send().await;
        }
        self.stage.sandbox.settle().await;
    }

    fn users_of(&self, cell: usize) -> Vec<String> {
        let size = self.scale.users / self.scale.cells;
        let users = (cell * size..(cell + 1) * size).map(|number| format!("user-{number:04}"));
        let ledger = self.ledger.lock().unwrap();
        users.filter(|user| ledger.users.contains_key(user)).collect()
    }

    async fn meddle(&self, day: u32, last: u32) {
        let (ledger, chance) = (self.ledger.clone(), self.chance);
        let act = move |world: &mut World| people::act(world, &mut ledger.lock().unwrap(), chance, day, last);
        let secrets = self.stage.secrets();
        for errand in self.stage.sandbox.visit(act).await {
            match errand {
                Errand::Hold(user) => {
                    let hold = Tag::builder().key("keyturn:hold").value("wait").build();
                    secrets.tag_resource().secret_id(format!("keyturn/{user}")).tags(hold).send().await.unwrap();
                }
                Errand::Release(user) => {
                    let untag = secrets.untag_resource().secret_id(format!("keyturn/{user}"));
                    untag.tag_keys("keyturn:hold").send().await.unwrap();
                }
                // A refusal means that the rotation before is taken up again.
                Errand::Rotate(user) => {
                    let _ = secrets.rotate_secret().secret_id(format!("keyturn/{user}")).send().await;
                }
            }
        }
        self.stage.sandbox.settle().await;
    }

    async fn use_keys(&self, day: u32) {
        let (ledger, chance) = (self.ledger.clone(), self.chance);
        let work = move |world: &mut World| applications::work(world, &mut ledger.lock().unwrap(), chance, day);
        let findings = self.stage.sandbox.visit(work).await;
        self.fail_on(findings, day);
    }

    /// Has everybody swept: most in company, some alone. Rotations that this asks for begin when all have been.
    async fn sweep(&self, day: u32) {
        let is_alone = |user: &String| self.chance.happens(ALONE_PER_THOUSAND, &["alone", user, &day.to_string()]);
        let mut sweeps: Vec<(usize, Vec<String>)> = Vec::new();
        let mut all_alone = BTreeSet::new();
        for cell in 0..self.scale.cells {
            let (alone, shared): (Vec<String>, Vec<String>) = self.users_of(cell).into_iter().partition(is_alone);
            all_alone.extend(alone.iter().cloned());
            sweeps.extend(shared.chunks(BURST).map(|users| (cell, users.to_vec())));
            sweeps.extend(alone.into_iter().map(|user| (cell, vec![user])));
        }
        self.ledger.lock().unwrap().swept_alone = Some(all_alone);
        self.stage.sandbox.visit(|world| world.rotate_at_once(0)).await;
        let functions = aws_sdk_lambda::Client::new(&self.stage.config());
        for some in sweeps.chunks(SWEEPS_AT_ONCE) {
            for (cell, users) in some {
                let event = Blob::new(json!({ "sweep": users }).to_string());
                let call = functions.invoke().function_name(stack_of(*cell)).payload(event);
                call.invocation_type(InvocationType::Event).send().await.unwrap();
            }
            self.stage.sandbox.settle().await;
        }
        // Lambda tries what failed again, twice.
        self.stage.sandbox.advance(Duration::from_mins(5)).await;
        self.ledger.lock().unwrap().swept_alone = None;
        self.stage.sandbox.visit(|world| world.rotate_at_once(AT_ONCE)).await;
        self.stage.sandbox.settle().await;
    }

    async fn check_by_the_clock(&self, day: u32) {
        let (ledger, between) = (self.ledger.clone(), DAY * self.scale.days_between_sweeps);
        let look = move |world: &mut World| watch::by_the_clock(&ledger.lock().unwrap(), world, between);
        let findings = self.stage.sandbox.visit(look).await;
        self.fail_on(findings, day);
    }

    /// Fails on what was found after the calls of the day.
    async fn check(&mut self, day: u32) {
        let look = |world: &mut World| {
            let calls = world.calls().len();
            world.clear_calls();
            (calls, world.findings().to_vec())
        };
        let (calls, findings) = self.stage.sandbox.visit(look).await;
        self.calls += calls;
        self.fail_on(findings, day);
    }

    /// Whoever waits for a large year wants to see that it goes on.
    #[expect(clippy::print_stderr, reason = "nothing else is there to tell it")]
    fn tell(&self, day: u32) {
        if day.is_multiple_of(DAYS_BETWEEN_LINES) {
            eprintln!(
                "{:?}: day {day}, {} calls, {:.0} s",
                self.chance,
                self.calls,
                self.begun.elapsed().as_secs_f64()
            );
        }
    }

    fn fail_on(&self, findings: Vec<String>, day: u32) {
        let Some(first) = findings.first() else { return };
        panic!("{:?}, day {day}, {} findings, the first:\n{first}", self.chance, findings.len());
    }

    fn report(self) -> Report {
        let mut ledger = self.ledger.lock().unwrap();
        let histories = std::mem::take(&mut ledger.users).into_iter().map(|(name, user)| (name, user.history));
        Report {
            histories: histories.collect(),
            counts: std::mem::take(&mut ledger.counts),
            calls: self.calls,
            took: self.begun.elapsed(),
        }
    }
}

/// Does all of this at once.
async fn together<F: Future<Output = ()>>(work: impl Iterator<Item = F>) {
    let mut work: Vec<_> = work.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        work.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if work.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls in {:.1} s", self.calls, self.took.as_secs_f64())?;
        self.counts.iter().try_for_each(|(what, count)| write!(f, ", {what}: {count}"))
    }
}
