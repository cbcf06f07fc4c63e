//! Every history of a world, breadth first: each state once, each with everything that can happen in it.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use super::aws::{Aws, HOUR, MINUTE, NOW, Time, VersionNo};
use super::calls::{Call, End, Outcome};
use super::decide::Program;
use super::fingerprint::{Fast, fingerprint};
use super::invariants::{self, Violation, r3_one_key_per_attempt};
use super::people::Act;
use super::process::{Cover, Model, Process};
use super::settle::{Settled, settle};

/// What may still happen in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Left {
    /// The rotation begins, or goes on.
    pub(super) start: bool,
    /// One call fails, or the function dies before or after it.
    pub(super) fault: bool,
    /// Secrets Manager tries the rotation again.
    pub(super) retry: bool,
    /// A second attempt runs beside the first.
    pub(super) second: bool,
    /// The sweeper makes a pass, beside everything else.
    pub(super) sweep: bool,
    /// A person acts.
    pub(super) person: bool,
    /// Time goes by while nothing runs.
    pub(super) pause: bool,
}

/// A state: the world, and who is at work in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    aws: Aws,
    /// Two attempts and the sweeper.
    runs: [Option<Process>; 3],
    /// The rotation that the attempts belong to.
    token: Option<VersionNo>,
    left: Left,
    /// The runs that have died, or failed, with a key in their hands.
    deaths: u8,
}

const SWEEPER: usize = 2;

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Begin(usize, Program),
    Pause(Time),
    Person(Act),
    Call(usize, Program, Call, Outcome),
}

/// What an exploration has looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) worlds: usize,
    pub(super) states: usize,
    pub(super) steps: usize,
    /// The ways from a first state to a last one; as many as fit into a number.
    pub(super) histories: u128,
    /// The states at rest from which time alone must lead to a good end.
    pub(super) endings: usize,
}

/// The shortest history that breaks an invariant.
#[derive(Debug)]
pub(super) struct Counterexample {
    pub(super) violation: Violation,
    world: Aws,
    events: Vec<Event>,
}

struct Explorer<'a> {
    model: &'a Model,
    only: Option<&'static str>,
    /// The states by their fingerprints; below they are known by their numbers.
    known: HashMap<u128, u32, Fast>,
    /// From which state, and by what, each was reached first.
    parents: Vec<(u32, Option<Event>)>,
    children: Vec<Vec<u32>>,
    queue: VecDeque<(u32, State)>,
    settled: Settled,
    steps: usize,
}

/// Explores all histories that begin in these worlds, until one breaks an invariant, or the only one of interest.
pub(super) fn explore(
    model: &Model,
    worlds: &[Aws],
    left: Left,
    only: Option<&'static str>,
) -> Result<Count, Box<Counterexample>> {
    let mut explorer = Explorer {
        model,
        only,
        known: HashMap::default(),
        parents: Vec::new(),
        children: Vec::new(),
        queue: VecDeque::new(),
        settled: Settled::default(),
        steps: 0,
    };
    for world in worlds {
        let deaths = world.alive().filter(|(number, _)| world.is_stray(*number)).count();
        let deaths = u8::try_from(deaths).unwrap();
        let state = State { aws: *world, runs: [None, None, None], token: None, left, deaths };
        explorer.add(state, 0, None);
    }
    let roots = explorer.parents.len();
    while let Some((number, state)) = explorer.queue.pop_front() {
        if let Err((violation, last)) = explorer.look(number, &state) {
            let (root, mut events) = explorer.history(number);
            events.extend(last);
            return Err(Box::new(Counterexample { violation, world: worlds[root], events }));
        }
    }
    let histories = explorer.histories(roots);
    let (states, endings) = (explorer.parents.len(), explorer.settled.len());
    Ok(Count { worlds: worlds.len(), states, steps: explorer.steps, histories, endings })
}

type Wrong = (Violation, Option<Event>);

impl Explorer<'_> {
    fn add(&mut self, state: State, parent: u32, event: Option<Event>) {
        let fingerprint = fingerprint(&state);
        let next = u32::try_from(self.parents.len()).unwrap();
        let number = *self.known.entry(fingerprint).or_insert(next);
        if event.is_some() {
            self.children[parent as usize].push(number);
        }
        if number == next {
            self.parents.push((parent, event));
            self.children.push(Vec::new());
            self.queue.push_back((number, state));
        }
    }

    /// Checks a state, and finds those that can follow it.
    fn look(&mut self, number: u32, state: &State) -> Result<(), Wrong> {
        let held = state.held(None);
        self.judge(r3_one_key_per_attempt(&state.aws, held, state.deaths), None)?;
        let deaths = state.deaths + state.runs.iter().flatten().filter(|run| run.own.is_some()).count() as u8;
        let settled = settle(self.model, state.aws, deaths, &mut self.settled);
        self.judge(settled, None)?;
        for event in state.events() {
            self.steps += 1;
            match state.after(self.model, event) {
                Ok(next) => self.add(next, number, Some(event)),
                Err(violation) => self.judge(Err(violation), Some(event))?,
            }
        }
        Ok(())
    }

    /// Takes a violation for what was looked for, or for nothing: no history goes on behind it.
    fn judge(&self, result: Result<(), Violation>, event: Option<Event>) -> Result<(), Wrong> {
        match result {
            Err(violation) if self.only.is_none_or(|only| only == violation.invariant) => Err((violation, event)),
            _ => Ok(()),
        }
    }

    fn history(&self, mut number: u32) -> (usize, Vec<Event>) {
        let mut events = Vec::new();
        while let (parent, Some(event)) = self.parents[number as usize] {
            events.push(event);
            number = parent;
        }
        events.reverse();
        (number as usize, events)
    }

    /// How many ways there are; every event uses something up, so no way leads back.
    fn histories(&self, roots: usize) -> u128 {
        let mut ways: Vec<Option<u128>> = vec![None; self.parents.len()];
        let mut stack: Vec<u32> = (0..u32::try_from(roots).unwrap()).collect();
        while let Some(&number) = stack.last() {
            let children = &self.children[number as usize];
            let open = children.iter().filter(|child| ways[**child as usize].is_none());
            let before = stack.len();
            if ways[number as usize].is_none() {
                stack.extend(open);
            }
            if stack.len() == before {
                let sum = children.iter().map(|child| ways[*child as usize].unwrap_or(0));
                let sum = sum.fold(0, u128::saturating_add);
                ways[number as usize] = Some(sum.max(1));
                stack.pop();
            }
        }
        ways.iter().take(roots).flatten().fold(0, |sum, ways| sum.saturating_add(*ways))
    }
}

impl State {
    /// The keys that runs hold, one bit each, but for this one.
    fn held(&self, but: Option<usize>) -> u8 {
        let others = self.runs.iter().enumerate().filter(|(slot, _)| Some(*slot) != but);
        others.filter_map(|(_, run)| run.as_ref()?.own).fold(0, |held, key| held | 1 << key)
    }

    fn is_at_rest(&self) -> bool {
        self.runs.iter().all(Option::is_none)
    }

    fn events(&self) -> Vec<Event> {
        let Self { left, runs, .. } = self;
        let mut events = Vec::new();
        for (slot, run) in runs.iter().enumerate() {
            let Some(run) = run else { continue };
            let call = run.next();
            events.push(Event::Call(slot, run.program, call, Outcome::Fine));
            let is_new = self.aws.alive().any(|(_, key)| key.created == NOW);
            if left.fault {
                let faults = call.faults().iter().filter(|fault| **fault != Outcome::Stale || is_new);
                events.extend(faults.map(|fault| Event::Call(slot, run.program, call, *fault)));
            }
        }
        let attempts = runs.iter().take(SWEEPER).flatten().count();
        let may_begin = match attempts {
            0 => left.start || left.retry && self.token.is_some(),
            1 => left.second && runs[1].is_none(),
            _ => false,
        };
        if may_begin {
            events.push(Event::Begin(attempts, Program::Create));
        }
        if left.sweep && runs[SWEEPER].is_none() {
            events.push(Event::Begin(SWEEPER, Program::Sweep));
        }
        if left.pause && self.is_at_rest() {
            events.extend([4 * MINUTE, HOUR].map(Event::Pause));
        }
        if left.person {
            // An act that no next call has to do with may as well happen after that call.
            let concerned = runs.iter().flatten().fold(0, |parts, run| parts | run.next().touches());
            let acts = Act::all(&self.aws).into_iter();
            let matters = |act: &Act| self.is_at_rest() || act.touches() & concerned != 0;
            events.extend(acts.filter(matters).map(Event::Person));
        }
        events
    }

    fn after(&self, model: &Model, event: Event) -> Result<Self, Violation> {
        let mut next = self.clone();
        match event {
            Event::Begin(SWEEPER, program) => {
                next.left.sweep = false;
                next.runs[SWEEPER] = Some(Process::new(program, 0));
                next.call(model, SWEEPER, Outcome::Fine)?;
            }
            Event::Begin(slot, program) => {
                match (slot, next.left.start) {
                    (0, true) => {
                        next.left.start = false;
                        next.token = Some(next.aws.secret.unfinished().unwrap_or_else(|| next.aws.stage()));
                    }
                    (0, false) => next.left.retry = false,
                    _ => next.left.second = false,
                }
                next.runs[slot] = next.token.map(|token| Process::new(program, token));
                next.call(model, slot, Outcome::Fine)?;
            }
            Event::Pause(time) => {
                next.left.pause = false;
                next.aws.advance(time);
            }
            Event::Person(act) => {
                next.left.person = false;
                next.interfere(model, act);
            }
            Event::Call(slot, _, _, outcome) => {
                next.left.fault &= outcome == Outcome::Fine;
                next.call(model, slot, outcome)?;
            }
        }
        if next.is_at_rest() {
            next.aws.rest(next.token);
        }
        Ok(next)
    }

    fn call(&mut self, model: &Model, slot: usize, outcome: Outcome) -> Result<(), Violation> {
        let held = self.held(Some(slot));
        let Some(run) = &mut self.runs[slot] else { return Ok(()) };
        let ran = run.run(model, &mut self.aws, outcome, held)?;
        let (program, token) = (run.program, run.token);
        if ran.dead || ran.end.is_some() {
            let failed = ran.dead || ran.end != Some(End::Done);
            self.deaths += u8::from(failed && run.own.is_some());
            let next = program.next().filter(|_| ran.end == Some(End::Done));
            self.runs[slot] = next.map(|program| Process::new(program, token));
            let completed = ran.end == Some(End::Complete) || ran.end == Some(End::Done) && next.is_none();
            if completed && slot != SWEEPER {
                // Secrets Manager notes that the rotation is complete.
                self.aws.secret.rotated = Some(NOW);
            }
        }
        if self.runs[0].is_none() {
            self.runs.swap(0, 1);
        }
        if ran.asked && self.runs[0].is_none() {
            self.token = self.aws.secret.unfinished();
            self.runs[0] = self.token.map(|token| Process::new(Program::Create, token));
        }
        Ok(())
    }

    /// A person acts. What was right a moment ago is not held against those who could not see it.
    fn interfere(&mut self, model: &Model, act: Act) {
        for slot in 0..self.runs.len() {
            let held = self.held(Some(slot));
            let aws = &self.aws;
            let bits = |is_right: fn(&Model, &Aws, u8, u8) -> bool| {
                (0..8).filter(|key| is_right(model, aws, *key, held)).fold(0, |bits, key| bits | 1 << key)
            };
            let (deactivate, delete) = (bits(invariants::may_be_deactivated), bits(invariants::may_be_deleted));
            if let Some(run) = &mut self.runs[slot] {
                let parts = act.touches();
                run.cover = Cover { deactivate, delete, protect: parts, status: parts, proof: parts, user: parts };
            }
        }
        act.happen(&mut self.aws);
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.violation.invariant, self.violation.text)?;
        writeln!(f, "the world:")?;
        for (number, key) in self.world.alive() {
            writeln!(f, "  key {number}: {key:?}")?;
        }
        writeln!(f, "  {:?}", self.world.secret)?;
        for (number, event) in self.events.iter().enumerate() {
            let number = number + 1;
            match event {
                Event::Begin(slot, _) => writeln!(f, "{number:3}. {} begins", WHO[*slot])?,
                Event::Pause(time) => writeln!(f, "{number:3}. {time} s go by")?,
                Event::Person(act) => writeln!(f, "{number:3}. a person: {act:?}")?,
                Event::Call(slot, program, call, Outcome::Fine) => {
                    writeln!(f, "{number:3}. {} ({program:?}): {call:?}", WHO[*slot])?;
                }
                Event::Call(slot, program, call, outcome) => {
                    writeln!(f, "{number:3}. {} ({program:?}): {call:?} goes wrong: {outcome:?}", WHO[*slot])?;
                }
            }
        }
        Ok(())
    }
}

const WHO: [&str; 3] = ["an attempt", "another attempt", "the sweeper"];
