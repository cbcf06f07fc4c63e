//! The worlds in which histories begin: every set of up to three keys, in every role that a key can have, around every
//! layout of labels.

use super::aws::{
    Attempt, Aws, DAY, GivenUp, HOUR, KEYS, Key, KeyNo, MINUTE, Maker, Mark, NOW, Secret, Time, Truth, VERSIONS, Value,
    Version, VersionNo,
};

/// The token of rotations whose version is gone.
pub(super) const LONG_AGO: VersionNo = 15;

const CURRENT: VersionNo = 0;
const PREVIOUS: VersionNo = 1;
const PENDING: VersionNo = 2;

/// What AWSCURRENT holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Current {
    Placeholder,
    /// An Active key, since so many days.
    Active(Time),
    Disabled,
    Missing,
}

/// What AWSPENDING is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    /// Nothing: no rotation is under way.
    Nowhere,
    /// A version that was staged just now.
    Fresh,
    /// A version that was staged 8 days ago, and was never filled.
    Stuck,
    /// A version that holds a key of a rotation.
    Stored,
    StoredLongAgo,
    StoredDisabled,
    StoredMissing,
    /// A copy of the current value, as Secrets Manager makes it to try out testSecret.
    Copy,
}

/// What another key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Previous,
    PreviousInUse,
    PreviousDisabled,
    /// In a version without a label.
    Older,
    OlderDisabled,
    /// Marked as superseded so many days ago.
    Marked(Time),
    MarkedInUse,
    /// Marked as deactivated so many days ago, and Inactive.
    Retiring(Time),
    /// Marked as deactivated, and brought back by a person.
    BroughtBack,
    /// Nobody has it, since so many minutes.
    Stray(Time),
    Foreign,
    ForeignInUse,
    ForeignDisabled,
    Reclaimed,
    Retired,
    RetiredAndDisabled,
}

pub(super) const CURRENTS: [Current; 5] =
    [Current::Placeholder, Current::Active(1), Current::Active(10), Current::Disabled, Current::Missing];

pub(super) const PENDINGS: [Pending; 8] = [
    Pending::Nowhere,
    Pending::Fresh,
    Pending::Stuck,
    Pending::Stored,
    Pending::StoredLongAgo,
    Pending::StoredDisabled,
    Pending::StoredMissing,
    Pending::Copy,
];

pub(super) const ROLES: [Role; 20] = [
    Role::Previous,
    Role::PreviousInUse,
    Role::PreviousDisabled,
    Role::Older,
    Role::OlderDisabled,
    Role::Marked(1),
    Role::Marked(8),
    Role::MarkedInUse,
    Role::Retiring(1),
    Role::Retiring(8),
    Role::BroughtBack,
    Role::Stray(1),
    Role::Stray(4),
    Role::Stray(120),
    Role::Foreign,
    Role::ForeignInUse,
    Role::ForeignDisabled,
    Role::Reclaimed,
    Role::Retired,
    Role::RetiredAndDisabled,
];

/// All worlds with up to three keys.
pub(super) fn all() -> Vec<Aws> {
    some(&CURRENTS, &PENDINGS, 2)
}

/// The worlds with these layouts of labels and up to so many other keys.
pub(super) fn some(currents: &[Current], pendings: &[Pending], others: usize) -> Vec<Aws> {
    let mut worlds = Vec::new();
    for current in currents {
        for pending in pendings {
            let mut add = |roles: &[Role]| worlds.extend(world(*current, *pending, roles));
            add(&[]);
            for (index, one) in ROLES.into_iter().enumerate().filter(|_| others > 0) {
                add(&[one]);
                ROLES[index..].iter().filter(|_| others > 1).for_each(|other| add(&[one, *other]));
            }
        }
    }
    worlds
}

/// A world, unless it contradicts itself.
pub(super) fn world(current: Current, pending: Pending, roles: &[Role]) -> Option<Aws> {
    let since = if let Current::Active(days) = current { days * DAY } else { 10 * DAY };
    let mut world = Aws {
        keys: [None; KEYS],
        replaced: false,
        secret: Secret {
            versions: [None; VERSIONS],
            current: CURRENT,
            pending: None,
            previous: None,
            marks: [None; KEYS],
            given_up: [None; KEYS],
            attempt: None,
            hold: false,
            bound: true,
            rotation_on: true,
            deleted: false,
            rotated: None,
        },
        attempts: [None; 3],
        gone: 0,
    };
    let has_key = current != Current::Placeholder;
    let value = if has_key { Value::Key(0) } else { Value::Placeholder };
    world.version(CURRENT, value, since);
    if has_key {
        world.secret.rotated = Some(NOW - since);
    }
    if matches!(current, Current::Active(_) | Current::Disabled) {
        world.put(0, since, Maker::Rotation(CURRENT), None);
        world.keys[0].as_mut()?.used = Some(NOW - HOUR);
    }
    if current == Current::Disabled {
        world.disable(0, DAY);
    }
    for (number, role) in (1..).zip(roles) {
        world.place(number, *role, has_key.then_some(since))?;
    }
    world.begin(pending, KeyNo::try_from(roles.len()).ok()? + 1)?;
    (world.alive().count() <= 3).then_some(world)
}

impl Aws {
    fn version(&mut self, number: VersionNo, value: Value, age: Time) {
        self.secret.versions[usize::from(number)] = Some(Version { value, created: NOW - age });
    }

    fn put(&mut self, number: KeyNo, age: Time, maker: Maker, superseded: Option<Time>) {
        let superseded = superseded.map(|age| NOW - age);
        let ours = maker != Maker::Person;
        let truth =
            Truth { maker, ours, served: true, brought_back: false, proven: ours, superseded, inactive_since: None };
        self.keys[usize::from(number)] = Some(Key { active: true, created: NOW - age, used: None, truth });
    }

    fn disable(&mut self, number: KeyNo, age: Time) {
        if let Some(key) = &mut self.keys[usize::from(number)] {
            key.active = false;
            key.truth.inactive_since = Some(NOW - age);
        }
    }

    fn mark(&mut self, number: KeyNo, superseded: Time, deactivated: Option<Time>) {
        let mark = Mark { superseded: NOW - superseded, deactivated: deactivated.map(|age| NOW - age) };
        self.secret.marks[usize::from(number)] = Some(mark);
    }

    /// Adds a key. `since` is for how long there has been a current key.
    fn place(&mut self, number: KeyNo, role: Role, since: Option<Time>) -> Option<()> {
        match role {
            Role::Foreign | Role::ForeignInUse | Role::ForeignDisabled | Role::Reclaimed => {
                self.put(number, 40 * DAY, Maker::Person, since);
            }
            Role::Retired | Role::RetiredAndDisabled => self.put(number, 40 * DAY, Maker::Person, since),
            Role::Stray(minutes) => {
                self.put(number, minutes * MINUTE, Maker::Rotation(LONG_AGO), since.map(|_| minutes * MINUTE));
                let truth = &mut self.keys[usize::from(number)].as_mut()?.truth;
                (truth.ours, truth.served, truth.proven) = (false, false, false);
                let at = NOW - minutes * MINUTE;
                let since = self.secret.attempt.map_or(at, |attempt| attempt.since.min(at));
                let latest = self.secret.attempt.map_or(at, |attempt| attempt.at.max(at));
                self.secret.attempt = Some(Attempt { token: LONG_AGO, since, at: latest });
                self.attempts = [Some(at), self.attempts[0], self.attempts[1]];
            }
            Role::Previous | Role::PreviousInUse | Role::PreviousDisabled => {
                if self.secret.previous.is_some() {
                    return None;
                }
                self.put(number, 30 * DAY, Maker::Rotation(PREVIOUS), Some(since?));
                self.version(PREVIOUS, Value::Key(number), 30 * DAY);
                self.secret.previous = Some(PREVIOUS);
            }
            Role::Older | Role::OlderDisabled | Role::MarkedInUse | Role::Marked(_) | Role::BroughtBack => {
                let superseded = if let Role::Marked(days) = role { days * DAY } else { 20 * DAY };
                self.older(number, superseded.max(since?));
            }
            Role::Retiring(_) => self.older(number, (20 * DAY).max(since?)),
        }
        self.refine(number, role)
    }

    fn older(&mut self, number: KeyNo, superseded: Time) {
        let version = VersionNo::from(number) + 2;
        self.put(number, 40 * DAY, Maker::Rotation(version), Some(superseded));
        self.version(version, Value::Key(number), 40 * DAY);
    }

    /// Marks, tags and uses of a key.
    fn refine(&mut self, number: KeyNo, role: Role) -> Option<()> {
        let place = usize::from(number);
        match role {
            Role::PreviousInUse | Role::ForeignInUse | Role::MarkedInUse => {
                self.keys[place].as_mut()?.used = Some(NOW - HOUR);
            }
            Role::PreviousDisabled | Role::OlderDisabled | Role::ForeignDisabled => self.disable(number, DAY),
            Role::BroughtBack => {
                self.mark(number, 20 * DAY, Some(10 * DAY));
                self.keys[place].as_mut()?.truth.brought_back = true;
            }
            Role::Reclaimed => {
                self.disable(number, DAY);
                self.secret.given_up[place] = Some(GivenUp::Reclaim);
            }
            Role::Retired => self.secret.given_up[place] = Some(GivenUp::Retire),
            Role::RetiredAndDisabled => {
                self.disable(number, 8 * DAY);
                self.secret.given_up[place] = Some(GivenUp::Retire);
                self.mark(number, 9 * DAY, Some(8 * DAY));
            }
            Role::Marked(days) => self.mark(number, days * DAY, None),
            Role::Retiring(days) => {
                self.disable(number, days * DAY);
                self.mark(number, 20 * DAY, Some(days * DAY));
            }
            _ => {}
        }
        if role == Role::MarkedInUse {
            self.mark(number, 20 * DAY, None);
        }
        Some(())
    }

    /// Puts AWSPENDING onto a version.
    fn begin(&mut self, pending: Pending, number: KeyNo) -> Option<()> {
        let age = match pending {
            Pending::Nowhere => return Some(()),
            Pending::Fresh | Pending::Stored | Pending::Copy => 0,
            Pending::StoredDisabled | Pending::StoredMissing => HOUR,
            Pending::Stuck => 8 * DAY,
            Pending::StoredLongAgo => 2 * DAY,
        };
        self.secret.pending = Some(PENDING);
        let value = match pending {
            Pending::Fresh | Pending::Stuck | Pending::Nowhere => Value::Nothing,
            Pending::Copy => self.secret.value(CURRENT),
            _ => Value::Key(number),
        };
        self.version(PENDING, value, age);
        if matches!(pending, Pending::Stored | Pending::StoredLongAgo | Pending::StoredDisabled) {
            let superseded = self.secret.current_key().map(|_| age);
            self.put(number, age, Maker::Rotation(PENDING), superseded);
            let truth = &mut self.keys[usize::from(number)].as_mut()?.truth;
            (truth.proven, truth.served) = (false, false);
        }
        if pending == Pending::StoredDisabled {
            self.disable(number, MINUTE);
        }
        Some(())
    }
}
