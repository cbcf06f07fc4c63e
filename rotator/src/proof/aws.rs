//! AWS in a nutshell: what the function can see and change of one user and one secret, as small plain values.
//!
//! Times are whole seconds on a clock that stands still: [`NOW`] never moves, everything else grows older instead. Two
//! worlds that differ only in when they happened are thus one world.

/// Keys that a world can name at a time; see [`Aws::free_key`].
pub(super) const KEYS: usize = 8;
/// Versions that a world can hold at a time; see [`Aws::free_version`].
pub(super) const VERSIONS: usize = 8;

/// A moment, in seconds; [`NOW`] is the present.
pub(super) type Time = u32;
pub(super) const MINUTE: Time = 60;
pub(super) const HOUR: Time = 3_600;
pub(super) const DAY: Time = 86_400;
/// The present. What is older than 40 days counts as 40 days old; with the settings of the proof no decision looks
/// further back than 14 days.
pub(super) const NOW: Time = 40 * DAY;

/// Which key: its place in [`Aws::keys`].
pub(super) type KeyNo = u8;
/// Which version: its place in [`Secret::versions`], and the ClientRequestToken of the rotation that makes it.
pub(super) type VersionNo = u8;

/// One access key, with what only the reference model knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) active: bool,
    pub(super) created: Time,
    pub(super) used: Option<Time>,
    /// Nothing the function decides on: the truth, against which its decisions are judged.
    pub(super) truth: Truth,
}

/// What is true of a key, whether or not the function can see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Truth {
    pub(super) maker: Maker,
    /// It has stood in a version of the secret, so it is one of keyturn's.
    pub(super) ours: bool,
    /// Somebody may use it: a person made it, or it has stood in AWSCURRENT.
    pub(super) served: bool,
    /// It was deactivated by keyturn, and a person has brought it back.
    pub(super) brought_back: bool,
    /// It has authenticated as the bound user.
    pub(super) proven: bool,
    /// Since when another key has stood in AWSCURRENT in its place.
    pub(super) superseded: Option<Time>,
    pub(super) inactive_since: Option<Time>,
}

/// Who made a key, and therefore who has its secret half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Maker {
    /// A person, who has it.
    Person,
    /// The rotation with this token: only a version of the secret, or the attempt while it runs, has it.
    Rotation(VersionNo),
}

/// What a version holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Value {
    /// Staged by a rotation, and not filled yet.
    Nothing,
    Placeholder,
    Key(KeyNo),
    /// A document of another user.
    Stranger,
    /// No document of ours.
    Garbage,
}

impl Value {
    pub(super) fn key(self) -> Option<KeyNo> {
        if let Self::Key(key) = self { Some(key) } else { None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Version {
    pub(super) value: Value,
    pub(super) created: Time,
}

/// [`contract::KeyMark`], on the clock of this model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark {
    pub(super) superseded: Time,
    pub(super) deactivated: Option<Time>,
}

/// [`contract::GiveUp`], hashable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum GivenUp {
    Reclaim,
    Retire,
}

/// [`contract::Attempt`], on the clock of this model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Attempt {
    pub(super) token: VersionNo,
    pub(super) since: Time,
    pub(super) at: Time,
}

/// The secret. It is also what DescribeSecret answers, see [`Secret::described`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Secret {
    pub(super) versions: [Option<Version>; VERSIONS],
    pub(super) current: VersionNo,
    pub(super) pending: Option<VersionNo>,
    pub(super) previous: Option<VersionNo>,
    pub(super) marks: [Option<Mark>; KEYS],
    pub(super) given_up: [Option<GivenUp>; KEYS],
    pub(super) attempt: Option<Attempt>,
    pub(super) hold: bool,
    /// The tags that bind it to the user are there.
    pub(super) bound: bool,
    pub(super) rotation_on: bool,
    pub(super) deleted: bool,
    pub(super) rotated: Option<Time>,
}

/// The world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Aws {
    pub(super) keys: [Option<Key>; KEYS],
    /// Somebody has deleted the user and created another one of the same name.
    pub(super) replaced: bool,
    pub(super) secret: Secret,
    /// The truth: when attempts recorded that they set out, the latest first.
    pub(super) attempts: [Option<Time>; 3],
    /// The numbers of deleted keys, one bit each: somebody who runs may still mean them. Forgotten at rest.
    pub(super) gone: u8,
}

impl Secret {
    pub(super) fn value(&self, version: VersionNo) -> Value {
        self.versions[usize::from(version)].map_or(Value::Nothing, |version| version.value)
    }

    pub(super) fn current_key(&self) -> Option<KeyNo> {
        self.value(self.current).key()
    }

    /// The version of a rotation that has not come to its end.
    pub(super) fn unfinished(&self) -> Option<VersionNo> {
        self.pending.filter(|pending| *pending != self.current)
    }

    /// Whether any version holds the key, also one without a label.
    pub(super) fn holds(&self, key: KeyNo) -> bool {
        self.versions.iter().flatten().any(|version| version.value == Value::Key(key))
    }

    /// What a reader learns who describes the secret and then reads the current and the previous version: their values
    /// never change, so it is all the same when exactly he does. The pending version may be filled in between.
    pub(super) fn described(&self) -> Self {
        let mut described = *self;
        for (number, version) in described.versions.iter_mut().enumerate() {
            let labelled =
                [Some(self.current), self.previous, self.pending].contains(&VersionNo::try_from(number).ok());
            let is_read = number == usize::from(self.current) || self.previous.map(usize::from) == Some(number);
            match version {
                Some(_) if !labelled => *version = None,
                Some(version) if !is_read => version.value = Value::Nothing,
                _ => {}
            }
        }
        described
    }
}

impl Aws {
    pub(super) fn key(&self, key: KeyNo) -> Option<&Key> {
        self.keys[usize::from(key)].as_ref()
    }

    pub(super) fn alive(&self) -> impl Iterator<Item = (KeyNo, &Key)> {
        (0..).zip(&self.keys).filter_map(|(number, key)| Some((number, key.as_ref()?)))
    }

    pub(super) fn is_active(&self, key: KeyNo) -> bool {
        self.key(key).is_some_and(|key| key.active)
    }

    /// A key of ours that stands in no version: whoever made it holds it, or nobody does.
    pub(super) fn is_stray(&self, key: KeyNo) -> bool {
        let made_by_us = self.key(key).is_some_and(|key| matches!(key.truth.maker, Maker::Rotation(_)));
        made_by_us && !self.secret.holds(key)
    }

    /// A number that means no key any more, anywhere.
    fn free_key(&self) -> KeyNo {
        let is_free = |key: &KeyNo| {
            let place = usize::from(*key);
            let noted = self.secret.marks[place].is_some() || self.secret.given_up[place].is_some();
            self.keys[place].is_none() && self.gone & 1 << key == 0 && !noted && !self.secret.holds(*key)
        };
        (0..KEYS as KeyNo).find(is_free).expect("the model has numbers for all keys of a history")
    }

    /// A number that means no version any more, and no rotation whose key still lives.
    fn free_version(&self) -> VersionNo {
        let is_free = |version: &VersionNo| {
            let made = |key: &Key| key.truth.maker == Maker::Rotation(*version);
            let tried = self.secret.attempt.is_some_and(|attempt| attempt.token == *version);
            self.secret.versions[usize::from(*version)].is_none() && !tried && !self.keys.iter().flatten().any(made)
        };
        (0..VERSIONS as VersionNo).find(is_free).expect("the model has numbers for all versions of a history")
    }

    /// Nobody runs who could still mean a key or a version that is gone. Versions without a label are forgotten when
    /// they say nothing any more and are not the one that a rotation may go on with: Secrets Manager removes them one day, too.
    pub(super) fn rest(&mut self, token: Option<VersionNo>) {
        self.gone = 0;
        let labels = [Some(self.secret.current), self.secret.previous, self.secret.pending, token];
        for number in 0..VERSIONS as VersionNo {
            let holds_a_live_key = self.secret.value(number).key().is_some_and(|key| self.key(key).is_some());
            if !labels.contains(&Some(number)) && !holds_a_live_key {
                self.secret.versions[usize::from(number)] = None;
            }
        }
    }

    pub(super) fn add_key(&mut self, maker: Maker) -> KeyNo {
        let number = self.free_key();
        let superseded = self.secret.current_key().map(|_| NOW);
        let served = maker == Maker::Person;
        let truth =
            Truth { maker, ours: false, served, brought_back: false, proven: false, superseded, inactive_since: None };
        self.keys[usize::from(number)] = Some(Key { active: true, created: NOW, used: None, truth });
        number
    }

    pub(super) fn set_active(&mut self, key: KeyNo, active: bool) {
        if let Some(key) = &mut self.keys[usize::from(key)]
            && key.active != active
        {
            key.active = active;
            key.truth.inactive_since = (!active).then_some(NOW);
        }
    }

    pub(super) fn delete_key(&mut self, key: KeyNo) {
        self.keys[usize::from(key)] = None;
        self.gone |= 1 << key;
    }

    /// A new version with this value and no label yet.
    pub(super) fn add_version(&mut self, value: Value) -> VersionNo {
        let number = self.free_version();
        self.secret.versions[usize::from(number)] = Some(Version { value: Value::Nothing, created: NOW });
        self.fill(number, value);
        number
    }

    /// Gives a version its value.
    pub(super) fn fill(&mut self, version: VersionNo, value: Value) {
        if let Some(version) = &mut self.secret.versions[usize::from(version)] {
            version.value = value;
        }
        if let Some(Some(key)) = value.key().map(|key| &mut self.keys[usize::from(key)]) {
            key.truth.ours = true;
        }
    }

    /// RotateSecret: opens a version for a new rotation.
    pub(super) fn stage(&mut self) -> VersionNo {
        let version = self.add_version(Value::Nothing);
        self.secret.pending = Some(version);
        version
    }

    /// Moves AWSCURRENT; AWSPREVIOUS follows by itself.
    pub(super) fn move_current(&mut self, to: VersionNo) {
        if self.secret.current == to {
            return;
        }
        let before = self.secret.current_key();
        self.secret.previous = Some(self.secret.current);
        self.secret.current = to;
        let after = self.secret.current_key();
        for (number, key) in (0..).zip(&mut self.keys) {
            let Some(key) = key else { continue };
            key.truth.served |= after == Some(number);
            if after == Some(number) || after.is_none() {
                key.truth.superseded = None;
            } else if before == Some(number) || key.truth.superseded.is_none() {
                key.truth.superseded = Some(NOW);
            }
        }
    }

    /// Time goes by: everything grows older.
    pub(super) fn advance(&mut self, by: Time) {
        let older = |time: &mut Time| *time = time.saturating_sub(by);
        for key in self.keys.iter_mut().flatten() {
            older(&mut key.created);
            key.used.iter_mut().for_each(older);
            key.truth.superseded.iter_mut().for_each(older);
            key.truth.inactive_since.iter_mut().for_each(older);
        }
        self.secret.versions.iter_mut().flatten().for_each(|version| older(&mut version.created));
        for mark in self.secret.marks.iter_mut().flatten() {
            older(&mut mark.superseded);
            mark.deactivated.iter_mut().for_each(older);
        }
        if let Some(attempt) = &mut self.secret.attempt {
            older(&mut attempt.since);
            older(&mut attempt.at);
        }
        self.secret.rotated.iter_mut().for_each(older);
        self.attempts.iter_mut().flatten().for_each(older);
    }
}

/// How long ago `then` was.
pub(super) fn age(then: Time) -> Time {
    NOW - then
}
