//! What people do to a user's keys and secret, right in the middle of everything.

use super::aws::{Aws, DAY, GivenUp, KeyNo, Maker, NOW, Value};
use super::calls::parts;

/// One act of a person, or of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Act {
    DeleteKey(KeyNo),
    DisableKey(KeyNo),
    EnableKey(KeyNo),
    AddKey,
    /// An application uses the key.
    UseKey(KeyNo),
    /// PutSecretValue, which makes the new version current.
    PutValue(Value),
    /// Moves AWSCURRENT back by hand, to a version with a key. Nothing in AWS tells when: see [`Act::happen`].
    MoveBack,
    /// CancelRotateSecret.
    CancelRotation,
    /// Takes AWSPENDING off.
    DropPending,
    Hold,
    /// Removes the tags that bind the secret to the user.
    Unbind,
    /// Removes a mark.
    RemoveMark(KeyNo),
    GiveUp(KeyNo, GivenUp),
    DeleteSecret,
    /// Deletes the user and creates another one of that name, with a key.
    ReplaceUser,
}

impl Act {
    /// The parts of the world that it changes.
    pub(super) fn touches(self) -> u8 {
        match self {
            Self::DeleteKey(_) | Self::DisableKey(_) | Self::EnableKey(_) | Self::ReplaceUser => parts::KEYS,
            Self::AddKey => parts::KEYS,
            Self::UseKey(_) => parts::USES,
            Self::PutValue(_) | Self::MoveBack | Self::DropPending => parts::VERSIONS,
            Self::CancelRotation => parts::SWITCHES,
            Self::DeleteSecret => parts::SWITCHES | parts::VERSIONS | parts::TAGS,
            Self::Hold | Self::Unbind | Self::RemoveMark(_) | Self::GiveUp(..) => parts::TAGS,
        }
    }

    /// Everything that somebody could do in this world.
    pub(super) fn all(aws: &Aws) -> Vec<Self> {
        let mut acts = vec![Self::Hold, Self::CancelRotation, Self::Unbind, Self::DeleteSecret, Self::ReplaceUser];
        acts.extend([Self::PutValue(Value::Garbage), Self::PutValue(Value::Stranger)]);
        for (number, key) in aws.alive() {
            acts.push(Self::DeleteKey(number));
            acts.push(if key.active { Self::DisableKey(number) } else { Self::EnableKey(number) });
            if aws.secret.current_key() != Some(number) {
                acts.push(Self::GiveUp(number, if key.active { GivenUp::Retire } else { GivenUp::Reclaim }));
                if key.active && key.truth.served && key.used.is_none_or(|used| used + DAY < NOW) {
                    acts.push(Self::UseKey(number));
                }
                // Whoever has the secret half can put the key into the secret; a stray is in nobody's hands.
                if key.active && !aws.is_stray(number) {
                    acts.push(Self::PutValue(Value::Key(number)));
                }
            }
            if aws.secret.marks[usize::from(number)].is_some() {
                acts.push(Self::RemoveMark(number));
            }
        }
        if aws.alive().count() < 2 {
            acts.push(Self::AddKey);
        }
        if aws.secret.previous.is_some_and(|previous| aws.secret.value(previous).key().is_some()) {
            acts.push(Self::MoveBack);
        }
        if aws.secret.unfinished().is_some() {
            acts.push(Self::DropPending);
        }
        acts
    }

    pub(super) fn happen(self, aws: &mut Aws) {
        match self {
            Self::DeleteKey(key) => aws.delete_key(key),
            Self::DisableKey(key) => aws.set_active(key, false),
            Self::EnableKey(key) => {
                aws.set_active(key, true);
                let was_ours = aws.secret.marks[usize::from(key)].is_some_and(|mark| mark.deactivated.is_some());
                if let Some(key) = &mut aws.keys[usize::from(key)] {
                    key.truth.brought_back = was_ours;
                }
            }
            Self::AddKey => drop(aws.add_key(Maker::Person)),
            Self::UseKey(key) => {
                if let Some(key) = &mut aws.keys[usize::from(key)] {
                    key.used = Some(NOW);
                }
            }
            Self::PutValue(value) => {
                let version = aws.add_version(value);
                aws.move_current(version);
            }
            Self::MoveBack => {
                let Some(previous) = aws.secret.previous else { return };
                let (key, since) = (aws.secret.current_key(), aws.secret.rotated.unwrap_or(0));
                aws.move_current(previous);
                // The key that was current counts as superseded since the last rotation: a limit, and a known one.
                if let Some(Some(key)) = key.map(|key| &mut aws.keys[usize::from(key)]) {
                    key.truth.superseded = key.truth.superseded.map(|_| since.max(key.created));
                }
            }
            Self::CancelRotation => aws.secret.rotation_on = false,
            Self::DropPending => aws.secret.pending = None,
            Self::Hold => aws.secret.hold = true,
            Self::Unbind => aws.secret.bound = false,
            Self::RemoveMark(key) => aws.secret.marks[usize::from(key)] = None,
            Self::GiveUp(key, how) => aws.secret.given_up[usize::from(key)] = Some(how),
            Self::DeleteSecret => aws.secret.deleted = true,
            Self::ReplaceUser => {
                let keys: Vec<KeyNo> = aws.alive().map(|(number, _)| number).collect();
                keys.into_iter().for_each(|key| aws.delete_key(key));
                aws.replaced = true;
                aws.add_key(Maker::Person);
            }
        }
    }
}
