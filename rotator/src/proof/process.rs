//! One run of the function: what it has read, which calls lie before it, and what each call does to the world.

use std::cell::RefCell;
use std::collections::HashMap;

use contract::Settings;

use super::aws::{Aws, KeyNo, Maker, NOW, Value, VersionNo};
use super::calls::{Call, End, Outcome, parts};
use super::decide::{self, Known, Program, Seen};
use super::fingerprint::Fast;
use super::invariants::{self, Violation};
use super::variants::Variant;
use crate::slots::KEYS_PER_USER;

/// What every run of the function shares: its settings, and what is broken in it.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) settings: Settings,
    pub(super) variant: Option<Variant>,
    /// The decisions that were taken before. They are pure functions, so each need be taken once only.
    decisions: RefCell<HashMap<Question, Vec<Call>, Fast>>,
}

/// Which program has read what, for which rotation.
type Question = (Program, VersionNo, Seen);

/// One run of the function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) program: Program,
    /// The rotation's ClientRequestToken; of no meaning for the sweeper.
    pub(super) token: VersionNo,
    seen: Option<Box<Seen>>,
    /// The last one is next.
    calls: Vec<Call>,
    /// The key that it has created; nobody else has its secret half yet.
    pub(super) own: Option<KeyNo>,
    /// It has moved AWSCURRENT.
    pub(super) moved: bool,
    pub(super) cover: Cover,
}

/// What a person has done behind the back of a run, since the run looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Cover {
    /// The keys that could rightly be deactivated, and deleted, right before.
    pub(super) deactivate: u8,
    pub(super) delete: u8,
    /// The parts of the world that were changed since the call before, and since these looks: at the key's status, at
    /// the proof, at the user.
    pub(super) protect: u8,
    pub(super) status: u8,
    pub(super) proof: u8,
    pub(super) user: u8,
}

/// How a call went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ran {
    /// The program's end. `None` with `dead`: it was killed.
    pub(super) end: Option<End>,
    pub(super) dead: bool,
    /// Secrets Manager was asked to rotate.
    pub(super) asked: bool,
}

impl Model {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, variant: None, decisions: RefCell::default() }
    }

    pub(super) fn broken(settings: Settings, variant: Variant) -> Self {
        Self { variant: Some(variant), ..Self::new(settings) }
    }

    pub(super) fn decisions(&self) -> usize {
        self.decisions.borrow().len()
    }

    fn decide(&self, program: Program, token: VersionNo, seen: &Seen) -> Vec<Call> {
        let question = (program, token, seen.as_far_as_it_matters(program));
        let seen = &question.2;
        if let Some(calls) = self.decisions.borrow().get(&question) {
            return calls.clone();
        }
        let trusting = Seen { replaced: seen.replaced && self.variant != Some(Variant::TrustTheName), ..seen.clone() };
        let calls = decide::decide(program, token, &trusting, &self.settings);
        let calls = self.variant.map_or(calls.clone(), |variant| variant.instead(program, token, seen, calls));
        self.decisions.borrow_mut().insert(question, calls.clone());
        calls
    }

    pub(super) fn lease(&self) -> u32 {
        seconds(self.settings.lease)
    }
}

pub(super) fn seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap()
}

impl Process {
    pub(super) fn new(program: Program, token: VersionNo) -> Self {
        let calls = vec![Call::Describe];
        Self { program, token, seen: None, calls, own: None, moved: false, cover: Cover::default() }
    }

    pub(super) fn next(&self) -> Call {
        *self.calls.last().unwrap()
    }

    fn then(&mut self, calls: &[Call]) {
        self.calls.clear();
        self.calls.extend(calls.iter().rev());
    }

    /// Makes the next call. `held` are the keys that other runs hold, one bit each.
    pub(super) fn run(&mut self, model: &Model, aws: &mut Aws, outcome: Outcome, held: u8) -> Result<Ran, Violation> {
        let call = self.calls.pop().unwrap();
        let dead = Ran { dead: true, ..Ran::default() };
        if outcome == Outcome::Before {
            return Ok(dead);
        }
        let shut = aws.secret.deleted && call.touches() & (parts::VERSIONS | parts::TAGS) != 0;
        if shut && !matches!(call, Call::Describe | Call::IsCurrent | Call::Deactivate(_) | Call::Delete(_)) {
            return Ok(Ran { end: Some(End::Failed("Call")), ..Ran::default() });
        }
        if outcome != Outcome::Refused {
            invariants::check_call(model, aws, self, call, held)?;
        }
        // Whatever was called right before a change had better been a look at AWSCURRENT.
        self.cover.protect = 0;
        let asked = call == Call::Rotate;
        if call.is_write() {
            self.write(model, aws, call, outcome)
        } else {
            self.read(model, aws, call, outcome)
        }
        if outcome == Outcome::After || self.calls.is_empty() {
            return Ok(Ran { asked, ..dead });
        }
        let Call::End(end) = self.next() else { return Ok(Ran { asked, ..Ran::default() }) };
        if self.program == Program::Finish && self.moved && model.settings.is_single_key() {
            *self = Self { moved: true, ..Self::new(Program::SweepAfterFinish, self.token) };
            return Ok(Ran::default());
        }
        Ok(Ran {
            end: Some(if self.program == Program::SweepAfterFinish { End::Done } else { end }),
            asked,
            dead: false,
        })
    }

    fn read(&mut self, model: &Model, aws: &mut Aws, call: Call, outcome: Outcome) {
        match call {
            Call::Describe => {
                self.cover = Cover::default();
                let seen = Seen::new(aws.secret);
                match decide::gate(self.program, self.token, &seen) {
                    Some(end) => self.then(&[Call::End(end)]),
                    None if self.program.is_sweep() && seen.secret.unfinished().is_none() => {
                        self.then(&[Call::ListKeys]);
                    }
                    None => self.then(&[Call::ReadPending, Call::ListKeys]),
                }
                self.seen = Some(Box::new(seen));
            }
            Call::ReadPending => {
                self.seen.as_mut().unwrap().read_pending(aws);
            }
            Call::ListKeys => {
                self.cover.user = 0;
                self.seen.as_mut().unwrap().list(aws, outcome != Outcome::Stale);
                self.go_on(model);
            }
            Call::Evidence => self.look_up(model, aws, outcome),
            Call::IsInactive(key) => {
                self.cover.status = 0;
                if aws.is_active(key) {
                    self.then(&[Call::End(End::Failed("KeyReactivated"))]);
                }
            }
            Call::ProtectCurrent(key) => match aws.secret.value(aws.secret.current) {
                Value::Garbage => self.then(&[Call::End(End::Failed("Document"))]),
                Value::Key(current) if current == key => {
                    self.then(&[Call::End(End::Failed("CurrentKeyProtected"))]);
                }
                _ => {}
            },
            Call::LookAgain(key) => {
                if aws.secret.current_key() == Some(key) {
                    self.then(&[Call::TakeBack(key), Call::End(End::Failed("CurrentKeyProtected"))]);
                }
            }
            Call::IsThereRoom => {
                let has_room = aws.alive().count() < KEYS_PER_USER;
                let limit = Call::End(End::Blocked("key_limit"));
                self.then(&[if has_room { Call::CreateKey { again: true } } else { limit }]);
            }
            Call::ReadBack { key, refused } => match aws.secret.value(self.token) {
                Value::Key(stored) if stored == key => self.then(&[Call::End(End::Done)]),
                value => {
                    let lost = value.key().is_none();
                    let end = if lost { End::Failed(if refused { "Call" } else { "Answer" }) } else { End::Done };
                    self.then(&[&decide::discard(key)[..], &[Call::End(end)]].concat());
                }
            },
            Call::Prove(key) => {
                self.cover.proof = 0;
                match &mut aws.keys[usize::from(key)] {
                    Some(key) if key.active && !aws.replaced => {
                        key.used = Some(NOW);
                        key.truth.proven = true;
                    }
                    _ => self.then(&[Call::End(End::Failed("NotProven"))]),
                }
            }
            Call::IsCurrent if aws.secret.current == self.token => self.then(&[Call::End(End::Done)]),
            Call::IsCurrent => self.then(&[Call::End(End::Failed("CurrentMoved"))]),
            _ => unreachable!("{call:?} reads nothing"),
        }
    }

    fn look_up(&mut self, model: &Model, aws: &Aws, outcome: Outcome) {
        let is_unread = outcome == Outcome::Refused;
        if is_unread && model.variant != Some(Variant::ReadErrorMeansUnused) {
            return self.then(&[Call::End(End::Failed("Call"))]);
        }
        let used = aws.keys.map(|key| key.and_then(|key| key.used).filter(|_| !is_unread));
        let stored = |key: &KeyNo| aws.secret.holds(*key);
        let in_a_version = (0..8).filter(stored).fold(0, |bits, key| bits | 1 << key);
        self.seen.as_mut().unwrap().evidence = Some(Known { used, in_a_version });
        self.go_on(model);
    }

    /// Everything that was asked for has been read.
    fn go_on(&mut self, model: &Model) {
        let seen = self.seen.take().unwrap();
        let calls = model.decide(self.program, self.token, &seen);
        self.then(&calls);
        if calls == [Call::Evidence] {
            self.seen = Some(seen);
        }
    }

    fn write(&mut self, model: &Model, aws: &mut Aws, call: Call, outcome: Outcome) {
        match call {
            Call::Deactivate(key) => {
                self.cover.status = 0;
                aws.set_active(key, false);
            }
            Call::Activate(key) | Call::TakeBack(key) => aws.set_active(key, true),
            Call::Delete(key) => aws.delete_key(key),
            Call::Mark(key, mark) => aws.secret.marks[usize::from(key)] = Some(mark),
            Call::Forget { marks, given_up } => {
                aws.gone |= marks | given_up;
                for key in 0..8 {
                    if marks & 1 << key != 0 {
                        aws.secret.marks[key] = None;
                    }
                    if given_up & 1 << key != 0 {
                        aws.secret.given_up[key] = None;
                    }
                }
            }
            Call::Attempt(attempt) => {
                aws.secret.attempt = Some(attempt);
                aws.attempts = [Some(NOW), aws.attempts[0], aws.attempts[1]];
            }
            Call::CreateKey { again } => self.create_key(model, aws, again, outcome),
            Call::Put(key) => self.put(aws, key, outcome),
            Call::MoveCurrent { from } => {
                let may_move = aws.secret.current == from && aws.secret.value(self.token) != Value::Nothing;
                if may_move {
                    aws.move_current(self.token);
                    self.moved = true;
                }
                if !may_move || outcome == Outcome::Lost {
                    self.then(&[Call::IsCurrent]);
                }
            }
            Call::DropPending(version) if aws.secret.pending == Some(version) => aws.secret.pending = None,
            Call::DropPending(_) => self.then(&[Call::End(End::Failed("Call"))]),
            // RotateSecret turns rotation on again, too.
            Call::Rotate => {
                aws.secret.rotation_on = true;
                if aws.secret.unfinished().is_none() {
                    aws.stage();
                }
            }
            _ => unreachable!("{call:?} changes nothing"),
        }
    }

    fn create_key(&mut self, model: &Model, aws: &mut Aws, again: bool, outcome: Outcome) {
        if aws.alive().count() >= KEYS_PER_USER {
            let limit = Call::End(End::Blocked("key_limit"));
            return self.then(&[if again { limit } else { Call::IsThereRoom }]);
        }
        let key = aws.add_key(Maker::Rotation(self.token));
        if outcome == Outcome::Lost {
            // The SDK does not try it again; the function ends with the error.
            let retries = model.variant == Some(Variant::RetryCreateAccessKey);
            if retries {
                return self.then(&[Call::CreateKey { again: true }]);
            }
        }
        self.own = Some(key);
        if outcome == Outcome::Lost {
            return self.then(&[]);
        }
        self.then(&[Call::Put(key)]);
    }

    fn put(&mut self, aws: &mut Aws, key: KeyNo, outcome: Outcome) {
        if outcome == Outcome::Refused {
            return self.then(&[Call::ReadBack { key, refused: true }]);
        }
        match aws.secret.value(self.token) {
            Value::Nothing => aws.fill(self.token, Value::Key(key)),
            Value::Key(stored) if stored == key => {}
            _ => return self.then(&[Call::ReadBack { key, refused: false }]),
        }
        aws.secret.pending = Some(self.token);
        let lost = outcome == Outcome::Lost;
        self.then(&[if lost { Call::ReadBack { key, refused: true } } else { Call::End(End::Done) }]);
    }
}
