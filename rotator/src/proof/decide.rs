//! From what a program has read in the model to the real decision, and from there to the calls that carry it out, in
//! the order of `rotate.rs`, `act.rs` and `sweeper.rs`.

use contract::{Settings, tag_keys};

use super::aws::{Attempt, Aws, KEYS, KeyNo, Mark, NOW, Secret, Time, Value, Version, VersionNo};
use super::calls::{Call, End};
use super::translate::{
    NAMES, SCOPE, description, model_mark, number_of, number_of_id, observed, time, version_id, version_no,
};
use crate::blocked::Blocked;
use crate::event::{RotationEvent, Step};
use crate::observed::Observed;
use crate::protocol::{self, Binding, Create, Gate, Pending};
use crate::retire::{Doomed, Verdict, stale_tags};
use crate::slots::{self, Room};
use crate::sweep::{self, SweepStep};
use crate::worlds;

/// What the function runs. The orders of a person that it carries out belong here, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Program {
    Create,
    Set,
    Test,
    Finish,
    /// The pass over this user that ends finishSecret where no overlap is wanted.
    SweepAfterFinish,
    /// A pass of the sweeper over this user.
    Sweep,
}

impl Program {
    pub(super) fn is_sweep(self) -> bool {
        matches!(self, Self::Sweep | Self::SweepAfterFinish)
    }

    /// What Secrets Manager calls next.
    pub(super) fn next(self) -> Option<Self> {
        match self {
            Self::Create => Some(Self::Set),
            Self::Set => Some(Self::Test),
            Self::Test => Some(Self::Finish),
            Self::Finish | Self::SweepAfterFinish | Self::Sweep => None,
        }
    }

    fn step(self) -> Step {
        match self {
            Self::Create => Step::Create,
            Self::Set => Step::Set,
            Self::Test => Step::Test,
            Self::Finish | Self::SweepAfterFinish | Self::Sweep => Step::Finish,
        }
    }
}

/// What a program has read so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) secret: Secret,
    pub(super) pending: Option<Version>,
    /// Of each key its status and creation.
    pub(super) keys: [Option<(bool, Time)>; KEYS],
    pub(super) replaced: bool,
    pub(super) evidence: Option<Known>,
}

/// What was looked up about the other keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Known {
    pub(super) used: [Option<Time>; KEYS],
    /// The keys that stand in any version, one bit each.
    pub(super) in_a_version: u8,
}

impl Seen {
    pub(super) fn new(secret: Secret) -> Self {
        Self { secret: secret.described(), pending: None, keys: [None; KEYS], replaced: false, evidence: None }
    }

    /// The same without what the later steps do not ask for. It makes fewer questions of them.
    pub(super) fn as_far_as_it_matters(&self, program: Program) -> Self {
        let mut seen = self.clone();
        if !program.is_sweep() && program != Program::Create {
            seen.secret.marks = [None; KEYS];
            seen.secret.given_up = [None; KEYS];
            (seen.secret.attempt, seen.secret.rotated) = (None, None);
            seen.keys.iter_mut().flatten().for_each(|(_, created)| *created = NOW);
            seen.secret.versions.iter_mut().flatten().for_each(|version| version.created = NOW);
        }
        seen
    }

    /// The version that the rotation prepares, if it has a value by now and had none before.
    pub(super) fn read_pending(&mut self, aws: &Aws) {
        let version = self.secret.unfinished().and_then(|pending| aws.secret.versions[usize::from(pending)]);
        self.pending = self.pending.or(version.filter(|version| version.value != Value::Nothing));
    }

    pub(super) fn list(&mut self, aws: &Aws, with_the_newest: bool) {
        self.replaced = aws.replaced;
        self.keys = [None; KEYS];
        for (number, key) in aws.alive().filter(|(_, key)| with_the_newest || key.created < NOW) {
            self.keys[usize::from(number)] = Some((key.active, key.created));
        }
    }
}

/// What the secret's description alone decides: the end, or that it goes on.
pub(super) fn gate(program: Program, token: VersionNo, seen: &Seen) -> Option<End> {
    let description = description(&seen.secret);
    if !program.is_sweep() {
        let event = RotationEvent {
            step: program.step(),
            secret: NAMES.secret.clone(),
            token: version_id(token),
            rotation_token: None,
        };
        match protocol::gate(&event, &description, &SCOPE) {
            Gate::Complete => return Some(End::Complete),
            Gate::Refused(_) => return Some(End::Failed("Refused")),
            Gate::Blocked(blocked) => return Some(End::Blocked(blocked.name())),
            Gate::Open(_) => {}
        }
    } else if description.deleted {
        return Some(End::Done);
    } else if let Err(blocked) = sweep::gate(&description, &SCOPE) {
        return Some(End::Blocked(blocked.name()));
    }
    // The current value is read next. The previous one may be anything.
    let is_readable = !matches!(seen.secret.value(seen.secret.current), Value::Garbage | Value::Nothing);
    (!is_readable).then_some(End::Blocked("unreadable_value"))
}

/// What is done, once everything has been read. It may be to read more.
pub(super) fn decide(program: Program, token: VersionNo, seen: &Seen, settings: &Settings) -> Vec<Call> {
    let pending_is_readable = seen.pending.is_none_or(|version| version.value != Value::Garbage);
    if !pending_is_readable && !program.is_sweep() {
        return match program {
            Program::Create => give_up(token),
            _ => vec![Call::End(End::Failed("Document"))],
        };
    }
    let observed = observed(seen);
    let binding = Binding { user: worlds::user().name, id: worlds::user().id };
    if let Err(reason) = protocol::check_binding(&binding, &observed, &SCOPE) {
        return blocked(&reason);
    }
    let Observed { pending, .. } = &observed;
    let needs_evidence = match program {
        Program::Create if pending.is_none() => slots::needs_evidence(&observed, settings),
        Program::Sweep | Program::SweepAfterFinish => Ok(sweep::needs_evidence(&observed)),
        _ => Ok(false),
    };
    match needs_evidence {
        Err(reason) => return blocked(&reason),
        Ok(true) if seen.evidence.is_none() => return vec![Call::Evidence],
        Ok(_) => {}
    }
    let later = |calls: Vec<Call>| match protocol::pending(&observed, settings) {
        Err(_) => vec![Call::End(End::Failed("Refused"))],
        Ok(Pending::Empty | Pending::Placeholder) if program == Program::Test => vec![Call::End(End::Done)],
        Ok(Pending::Empty | Pending::Placeholder) => vec![Call::End(End::Failed("Refused"))],
        Ok(Pending::Key) => calls,
    };
    let prove = || Call::Prove(seen.pending.and_then(|version| version.value.key()).unwrap());
    match program {
        Program::Create => create(token, &observed, settings),
        Program::Set => later(vec![Call::End(End::Done)]),
        Program::Test if pending.as_ref().is_some_and(|version| version.key().is_some()) => {
            later(vec![prove(), Call::End(End::Done)])
        }
        Program::Finish if pending.as_ref().is_some_and(|version| version.key().is_some()) => {
            let mark = Mark { superseded: NOW, deactivated: None };
            let mark = seen.secret.current_key().map(|key| Call::Mark(key, mark));
            let moved = [Call::MoveCurrent { from: seen.secret.current }, Call::End(End::Done)];
            later([prove()].into_iter().chain(mark).chain(moved).collect())
        }
        Program::Test | Program::Finish => later(Vec::new()),
        Program::Sweep | Program::SweepAfterFinish => swept(&sweep::sweep(&observed, settings)),
    }
}

fn create(token: VersionNo, observed: &Observed, settings: &Settings) -> Vec<Call> {
    match protocol::create(&version_id(token), observed, settings) {
        Create::Stored => vec![Call::End(End::Done)],
        Create::GiveUp => give_up(token),
        Create::Proceed(Room::Blocked(reason)) => blocked(&reason),
        Create::Proceed(Room::Mark { key, mark }) => {
            let reason = blocked(&Blocked::Grace { key: key.clone() });
            [vec![Call::Mark(number_of(&key), model_mark(mark))], reason].concat()
        }
        Create::Proceed(Room::Deactivate { key, mark }) => {
            let reason = blocked(&Blocked::Recovery { key: key.clone() });
            [deactivate_and_mark(number_of(&key), model_mark(mark)), reason].concat()
        }
        Create::Proceed(Room::After { delete, attempt }) => {
            let mut calls: Vec<Call> = delete.iter().flat_map(deletion).collect();
            let Attempt { since, at, .. } = Attempt { token, since: time(attempt.since), at: time(attempt.at) };
            calls.push(Call::Attempt(Attempt { token: version_no(&attempt.token), since, at }));
            calls.extend(forget(&stale_tags(observed, &delete)));
            calls.push(Call::CreateKey { again: false });
            calls
        }
    }
}

fn swept(sweep: &sweep::Sweep) -> Vec<Call> {
    let mut calls = Vec::new();
    for step in &sweep.steps {
        match step {
            SweepStep::Retire(Verdict::Delete(doomed)) => calls.extend(deletion(doomed)),
            SweepStep::Retire(Verdict::Deactivate { key, mark }) => {
                calls.extend(deactivate_and_mark(number_of(key), model_mark(*mark)));
            }
            SweepStep::Retire(Verdict::Mark { key, mark }) => {
                calls.push(Call::Mark(number_of(key), model_mark(*mark)));
            }
            SweepStep::Retire(Verdict::Keep(_)) => {}
            SweepStep::Forget(tags) => calls.extend(forget(tags)),
            SweepStep::DropPending { token, mark } => {
                calls.extend(mark.iter().map(|(key, mark)| Call::Mark(number_of(key), model_mark(*mark))));
                calls.push(Call::DropPending(version_no(token)));
            }
            SweepStep::Rotate => calls.push(Call::Rotate),
        }
    }
    let finding = sweep.findings.first().map_or(End::Done, |finding| End::Blocked(finding.name()));
    calls.push(Call::End(finding));
    calls
}

fn blocked(reason: &Blocked) -> Vec<Call> {
    vec![Call::End(End::Blocked(reason.name()))]
}

fn give_up(token: VersionNo) -> Vec<Call> {
    vec![Call::DropPending(token), Call::End(End::Failed("PendingDropped"))]
}

fn deletion(doomed: &Doomed) -> Vec<Call> {
    let key = number_of(doomed.key());
    match doomed {
        Doomed::Inactive(_) => vec![Call::IsInactive(key), Call::ProtectCurrent(key), Call::Delete(key)],
        Doomed::Orphan(_) => discard(key),
        Doomed::RevokedCurrent(_) => unreachable!("nobody revokes in this model"),
    }
}

/// How a key goes that nobody has.
pub(super) fn discard(key: KeyNo) -> Vec<Call> {
    [&deactivate(key)[..], &[Call::ProtectCurrent(key), Call::Delete(key)]].concat()
}

fn deactivate(key: KeyNo) -> [Call; 3] {
    [Call::ProtectCurrent(key), Call::Deactivate(key), Call::LookAgain(key)]
}

fn deactivate_and_mark(key: KeyNo, mark: Mark) -> Vec<Call> {
    let first = Mark { deactivated: None, ..mark };
    [&[Call::Mark(key, first)][..], &deactivate(key), &[Call::Mark(key, mark)]].concat()
}

fn forget(tags: &[String]) -> Option<Call> {
    let bits = |prefix: &str| {
        let keys = tags.iter().filter_map(|tag| tag.strip_prefix(prefix));
        keys.fold(0, |bits, id| bits | 1 << number_of_id(id))
    };
    let (marks, given_up) = (bits(tag_keys::KEY_PREFIX), bits(tag_keys::GIVE_UP_PREFIX));
    (!tags.is_empty()).then_some(Call::Forget { marks, given_up })
}
