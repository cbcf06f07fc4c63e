//! The single calls to AWS of which the function's programs consist, and what each of them reads or changes.

use super::aws::{Attempt, KeyNo, Mark, VersionNo};

/// One call to AWS, or the end of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Call {
    /// DescribeSecret, and the values of the current and the previous version, which never change.
    Describe,
    /// GetSecretValue of the version that the rotation prepares.
    ReadPending,
    /// GetUser and ListAccessKeys.
    ListKeys,
    /// GetAccessKeyLastUsed of every other key, and which versions hold them.
    Evidence,
    /// ListAccessKeys, to see that a key is still Inactive.
    IsInactive(KeyNo),
    /// GetSecretValue of AWSCURRENT, to see that it is not this key (R1).
    ProtectCurrent(KeyNo),
    Deactivate(KeyNo),
    /// GetSecretValue of AWSCURRENT once more: was the key made current in the same moment?
    LookAgain(KeyNo),
    /// UpdateAccessKey to Active, of a key that was made current while this run deactivated it.
    TakeBack(KeyNo),
    Delete(KeyNo),
    /// UpdateAccessKey to Active: no program of ours holds it, a broken one does.
    Activate(KeyNo),
    Mark(KeyNo, Mark),
    /// Takes the marks and the give-up tags of these keys off, one bit each.
    Forget {
        marks: u8,
        given_up: u8,
    },
    Attempt(Attempt),
    /// CreateAccessKey. After LimitExceeded the keys are listed again, and it is tried once more.
    CreateKey {
        again: bool,
    },
    /// ListAccessKeys after LimitExceeded.
    IsThereRoom,
    /// PutSecretValue with the rotation's token.
    Put(KeyNo),
    /// GetSecretValue of the pending version, after a PutSecretValue that was refused or lost.
    ReadBack {
        key: KeyNo,
        refused: bool,
    },
    /// GetCallerIdentity with this key.
    Prove(KeyNo),
    MoveCurrent {
        from: VersionNo,
    },
    /// DescribeSecret, to see whether a refused move had been done by ourselves.
    IsCurrent,
    DropPending(VersionNo),
    /// RotateSecret.
    Rotate,
    End(End),
}

/// How a program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    Done,
    /// Gate: the rotation was complete before.
    Complete,
    /// With a named reason.
    Blocked(&'static str),
    /// With another error.
    Failed(&'static str),
}

/// What can go wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    Fine,
    /// The function dies, or fails, before the call had an effect.
    Before,
    /// The function dies right after the effect, or never learns of it.
    After,
    /// It is refused for no good reason, and the function goes on with that.
    Refused,
    /// The answer is lost. The function, or the SDK's second try, goes on with that.
    Lost,
    /// IAM does not list yet a key that was created a moment ago.
    Stale,
}

/// The parts of the world, one bit each.
pub(super) mod parts {
    pub(crate) const KEYS: u8 = 1;
    pub(crate) const VERSIONS: u8 = 2;
    pub(crate) const TAGS: u8 = 4;
    pub(crate) const USES: u8 = 8;
    pub(crate) const SWITCHES: u8 = 16;
    pub(crate) const ALL: u8 = 31;
}

impl Call {
    /// The parts of the world that the call reads or changes. What touches other parts may as well happen after it.
    pub(super) fn touches(self) -> u8 {
        use parts::{ALL, KEYS, SWITCHES, TAGS, USES, VERSIONS};
        match self {
            Self::Describe | Self::IsCurrent => VERSIONS | TAGS | SWITCHES,
            Self::ReadPending
            | Self::ProtectCurrent(_)
            | Self::LookAgain(_)
            | Self::MoveCurrent { .. }
            | Self::DropPending(_)
            | Self::ReadBack { .. } => VERSIONS,
            Self::ListKeys | Self::IsInactive(_) | Self::CreateKey { .. } | Self::IsThereRoom => KEYS,
            Self::Deactivate(_) | Self::TakeBack(_) | Self::Delete(_) | Self::Activate(_) => ALL,
            Self::Evidence => VERSIONS | USES,
            Self::Mark(..) | Self::Forget { .. } | Self::Attempt(_) => TAGS,
            Self::Put(_) => VERSIONS | KEYS,
            Self::Prove(_) => KEYS | USES,
            Self::Rotate => VERSIONS | SWITCHES,
            Self::End(_) => 0,
        }
    }

    /// Whether the call changes the keys or the secret.
    pub(super) fn is_write(self) -> bool {
        !matches!(
            self,
            Self::Describe
                | Self::ReadPending
                | Self::ListKeys
                | Self::Evidence
                | Self::IsInactive(_)
                | Self::ProtectCurrent(_)
                | Self::LookAgain(_)
                | Self::IsThereRoom
                | Self::ReadBack { .. }
                | Self::Prove(_)
                | Self::IsCurrent
                | Self::End(_)
        )
    }

    /// What else than success this call can meet, each once in a history.
    pub(super) fn faults(self) -> &'static [Outcome] {
        match self {
            Self::Put(_) => &[Outcome::Before, Outcome::After, Outcome::Refused, Outcome::Lost],
            Self::MoveCurrent { .. } => &[Outcome::Before, Outcome::After, Outcome::Lost],
            Self::CreateKey { .. } => &[Outcome::Before, Outcome::After, Outcome::Lost],
            Self::ListKeys => &[Outcome::Before, Outcome::Stale],
            Self::Evidence => &[Outcome::Before, Outcome::Refused],
            _ if self.is_write() => &[Outcome::Before, Outcome::After],
            _ => &[Outcome::Before],
        }
    }
}
