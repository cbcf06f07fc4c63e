//! Why a rotation stops without an error: the named reasons (R7).

use std::fmt;

use contract::{AccessKeyId, DocumentError};
use jiff::Timestamp;

/// A state in which the function leaves everything as it is, until time or a person changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// A person has set the hold tag.
    Held,
    /// Somebody has turned the rotation of the secret off.
    RotationOff,
    /// The user is no longer among those whom the function enrols, so it has turned the rotation off.
    Left,
    /// The secret has no binding to a user: its tags are missing.
    Unbound,
    /// The secret is not the one that the user's key is kept in, whatever its tags say: the name is another one, or the stack.
    OtherSecret,
    /// The secret's value names another user than its tags.
    OtherUser,
    /// AWSCURRENT holds something that keyturn cannot have put there.
    UnreadableValue(DocumentError),
    /// The user is gone, or was deleted and created again under the same name.
    UserReplaced,
    /// A mark on the secret cannot be read.
    UnreadableMark,
    /// Another attempt may still be under way with this key.
    InFlight { key: AccessKeyId },
    /// This key was superseded only recently.
    Overlap { key: AccessKeyId },
    /// This superseded key is still used.
    InUse { key: AccessKeyId, when: Timestamp, service: String, region: String },
    /// This key was deactivated just now and can still be brought back.
    Recovery { key: AccessKeyId },
    /// This Inactive key is kept a while longer.
    Grace { key: AccessKeyId },
    /// This key is not keyturn's, and nobody has said that it may go.
    Foreign { key: AccessKeyId },
    /// This key cannot be deactivated: AWSCURRENT holds no key that could stand in for it.
    NoSuccessor { key: AccessKeyId },
    /// Two keys work, none of them keyturn's: a person must say which one to give up.
    TwoForeign,
    /// The key in AWSCURRENT is not among the user's keys.
    CurrentMissing { key: AccessKeyId },
    /// The key in AWSCURRENT is Inactive; somebody did that on purpose.
    CurrentDisabled { key: AccessKeyId },
    /// This key has a status that this version of keyturn does not know.
    UnknownStatus { key: AccessKeyId },
    /// The secret has more versions than are looked through for a key.
    TooManyVersions,
    /// IAM refused another key although there should have been room.
    KeyLimit,
    /// A rotation has not come to its end, and an order cannot be followed meanwhile.
    RotationUnderWay,
    /// The new value is larger than Secrets Manager takes; the key that it was made for was deleted again.
    TooLarge,
}

impl Blocked {
    /// Whether a key, or its binding to the user, is not as it should be: a person has to look, and no rotation is needed
    /// to see it.
    pub(crate) fn wants_a_person(&self) -> bool {
        match self {
            Self::Unbound
            | Self::RotationOff
            | Self::OtherSecret
            | Self::OtherUser
            | Self::UnreadableValue(_)
            | Self::UserReplaced
            | Self::UnreadableMark
            | Self::CurrentMissing { .. }
            | Self::CurrentDisabled { .. }
            | Self::UnknownStatus { .. } => true,
            Self::Held
            | Self::Left
            | Self::InFlight { .. }
            | Self::Overlap { .. }
            | Self::InUse { .. }
            | Self::Recovery { .. }
            | Self::Grace { .. }
            | Self::Foreign { .. }
            | Self::NoSuccessor { .. }
            | Self::TwoForeign
            | Self::TooManyVersions
            | Self::KeyLimit
            | Self::RotationUnderWay
            | Self::TooLarge => false,
        }
    }

    /// Whether it goes away by itself, when nobody does anything.
    pub(crate) fn passes_with_time(&self) -> bool {
        matches!(self, Self::InFlight { .. } | Self::Overlap { .. } | Self::Recovery { .. } | Self::Grace { .. })
    }

    /// The reason's name, for the log and the tag that `keyturn status` reads.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::RotationOff => "rotation_off",
            Self::Left => "left",
            Self::Unbound => "unbound",
            Self::OtherSecret => "other_secret",
            Self::OtherUser => "other_user",
            Self::UnreadableValue(_) => "unreadable_value",
            Self::UserReplaced => "user_replaced",
            Self::UnreadableMark => "unreadable_mark",
            Self::InFlight { .. } => "in_flight",
            Self::Overlap { .. } => "overlap",
            Self::InUse { .. } => "in_use",
            Self::Recovery { .. } => "recovery",
            Self::Grace { .. } => "grace",
            Self::Foreign { .. } => "foreign",
            Self::NoSuccessor { .. } => "no_successor",
            Self::TwoForeign => "two_foreign",
            Self::CurrentMissing { .. } => "current_missing",
            Self::CurrentDisabled { .. } => "current_disabled",
            Self::UnknownStatus { .. } => "unknown_status",
            Self::TooManyVersions => "too_many_versions",
            Self::KeyLimit => "key_limit",
            Self::RotationUnderWay => "rotation_under_way",
            Self::TooLarge => "too_large",
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => write!(f, "the secret carries the tag `{}`", contract::tag_keys::HOLD),
            Self::RotationOff => f.write_str("rotation of the secret is turned off"),
            Self::Left => f.write_str("the user is no longer among those whom the function enrols"),
            Self::Unbound => write!(
                f,
                "the secret is not bound to a user: the tags `{}` and `{}` are missing",
                contract::tag_keys::USER,
                contract::tag_keys::USER_ID
            ),
            Self::OtherSecret => {
                f.write_str("the secret is not the one that the user's key is kept in, by its name or its stack")
            }
            Self::OtherUser => f.write_str("the secret's value names another user than its tags"),
            Self::UnreadableValue(why) => write!(f, "AWSCURRENT holds no value of keyturn's: {why}"),
            Self::UserReplaced => f.write_str("the user is gone, or is another one of the same name"),
            Self::UnreadableMark => f.write_str("a tag of the secret has a value that keyturn did not write"),
            Self::InFlight { key } => write!(f, "another attempt may still be under way with {key}"),
            Self::Overlap { key } => write!(f, "{key} was superseded only recently"),
            Self::InUse { key, when, service, region } => {
                write!(f, "{key} is superseded and still used: last at {when} with {service} in {region}")
            }
            Self::Recovery { key } => write!(f, "{key} was deactivated just now and is kept for a while"),
            Self::Grace { key } => write!(f, "{key} is Inactive and kept for a while"),
            Self::Foreign { key } => write!(f, "{key} is not a key of keyturn's, and foreign keys are not retired"),
            Self::NoSuccessor { key } => write!(f, "{key} stays Active, since AWSCURRENT holds no key yet"),
            Self::TwoForeign => f.write_str("the user has two Active keys, and none of them is keyturn's"),
            Self::CurrentMissing { key } => write!(f, "{key} is AWSCURRENT and not among the user's keys"),
            Self::CurrentDisabled { key } => write!(f, "{key} is AWSCURRENT and not Active"),
            Self::UnknownStatus { key } => write!(f, "{key} has a status that this version does not know"),
            Self::TooManyVersions => f.write_str("the secret has too many versions to look through for a key"),
            Self::KeyLimit => f.write_str("IAM refuses another key for the user"),
            Self::RotationUnderWay => f.write_str("a rotation of the user has not come to its end"),
            Self::TooLarge => f.write_str("the new value is larger than a secret can be; its key was deleted again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::blocked::{DENIED, REASONS};

    use super::*;
    use crate::worlds::key;

    #[test]
    fn the_installer_knows_what_every_reason_means() {
        let key = key('K');
        let in_use = Blocked::InUse {
            key: key.clone(),
            when: Timestamp::UNIX_EPOCH,
            service: "s3".into(),
            region: "eu-central-1".into(),
        };
        let reasons = [
            Blocked::Held,
            Blocked::RotationOff,
            Blocked::Left,
            Blocked::Unbound,
            Blocked::OtherSecret,
            Blocked::OtherUser,
            Blocked::UnreadableValue(DocumentError::NotAnObject),
            Blocked::UserReplaced,
            Blocked::UnreadableMark,
            Blocked::InFlight { key: key.clone() },
            Blocked::Overlap { key: key.clone() },
            in_use,
            Blocked::Recovery { key: key.clone() },
            Blocked::Grace { key: key.clone() },
            Blocked::Foreign { key: key.clone() },
            Blocked::NoSuccessor { key: key.clone() },
            Blocked::TwoForeign,
            Blocked::CurrentMissing { key: key.clone() },
            Blocked::CurrentDisabled { key: key.clone() },
            Blocked::UnknownStatus { key },
            Blocked::TooManyVersions,
            Blocked::KeyLimit,
            Blocked::RotationUnderWay,
            Blocked::TooLarge,
        ];
        // The last one is told of an error.
        let names = reasons.iter().map(Blocked::name).chain([DENIED]);
        assert!(names.eq(REASONS.iter().map(|(name, _)| *name)));
    }
}
