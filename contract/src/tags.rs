//! The tags on a managed secret: who it is bound to, and the marks that rotation leaves for its next visit.
//!
//! Tag values may hold letters, digits, spaces and `_ . : / = + - @` (Secrets Manager API reference, Tag), so the
//! marks are written as `name=value` words.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::{AccessKeyId, VersionToken};

/// Tag keys. The stack writes the first four, the rotation function those of its own work; what a person has decided,
/// `keyturn` writes for them.
pub mod keys {
    use crate::AccessKeyId;

    /// The IAM user the secret is bound to, see [`UserName::to_tag`](crate::UserName::to_tag).
    pub const USER: &str = "keyturn:user";
    /// That user's unique id, pinned when the secret was created.
    pub const USER_ID: &str = "keyturn:user-id";
    /// The stack that manages the secret.
    pub const STACK: &str = "keyturn:stack";
    /// In which other forms the secret's value holds the key too, see [`Renderings`](crate::Renderings).
    pub const RENDER: &str = "keyturn:render";
    /// When a secret that was there before keyturn was taken over. Rotations before that were somebody else's.
    pub const ADOPTED: &str = "keyturn:adopted";
    /// The last attempt to create a key, see [`Attempt`](crate::Attempt).
    pub const ATTEMPT: &str = "keyturn:attempt";
    /// Why the last rotation stopped, for `keyturn status`; absent when it did not.
    pub const BLOCKED: &str = "keyturn:blocked";
    /// Where the sweeper was cut off, and when; the next pass goes on behind it.
    pub const SWEPT: &str = "keyturn:swept";
    /// Since when the user is no longer among those whom the function enrols, and the rotation therefore turned off. It
    /// is set before the rotation is turned off, so that what a person has turned off is told apart.
    pub const LEFT: &str = "keyturn:left";
    /// The schedule that the function has given the secret, see [`Enrolment::schedule_tag`](crate::Enrolment::schedule_tag).
    pub const SCHEDULE: &str = "keyturn:schedule";
    /// Present, with any value: rotation and sweeper leave this user alone. The value may say why.
    pub const HOLD: &str = "keyturn:hold";
    /// What begins the tag of a key that a person has given up, see [`GiveUp`](crate::GiveUp).
    pub const GIVE_UP_PREFIX: &str = "keyturn:give-up/";
    /// What begins the tag of a key on its way out, see [`KeyMark`](crate::KeyMark).
    pub const KEY_PREFIX: &str = "keyturn:key/";

    /// The tag that marks `key` as on its way out.
    pub fn mark_of(key: &AccessKeyId) -> String {
        format!("{KEY_PREFIX}{key}")
    }

    /// The tag that says that a person has given up `key`.
    pub fn give_up_of(key: &AccessKeyId) -> String {
        format!("{GIVE_UP_PREFIX}{key}")
    }
}

/// A mark that cannot be read. Whoever meets one must take the careful side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tag `{tag}` has a value that keyturn did not write")]
pub struct TagError {
    tag: String,
}

impl TagError {
    pub(crate) fn of(tag: impl Into<String>) -> Self {
        Self { tag: tag.into() }
    }
}

/// For how long attempts count as one that follow one another: since the first of them keys may have been left behind. Each
/// ends within its lease of minutes, and what it left behind goes after that, so a day is more than there will be.
pub const LONGEST_ATTEMPT: Duration = Duration::from_hours(24);

/// By how much two answers of AWS may differ in what time it is.
const CLOCK_SKEW: Duration = Duration::from_mins(1);

/// The value of [`keys::ATTEMPT`]: which rotation last set out to create a key, and since when keys may have been
/// created that no version of the secret holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The ClientRequestToken of the last rotation that set out.
    pub token: VersionToken,
    /// When the first attempt set out that may have left a key behind.
    pub since: Timestamp,
    /// When the last one set out.
    pub at: Timestamp,
}

impl Attempt {
    /// The value of the tag: `<token>@<since>/<at>`.
    pub fn to_tag(&self) -> String {
        format!("{}@{}/{}", self.token, self.since, self.at)
    }

    /// The same, unless no attempt can have been like that by `now`: somebody has written it by hand, so that keys of others
    /// would pass for such as were left behind.
    ///
    /// # Errors
    /// [`TagError`] when it lies ahead, ends before it begins, or is longer than [`LONGEST_ATTEMPT`].
    pub fn as_of(self, now: Timestamp) -> Result<Self, TagError> {
        let latest = now.saturating_add(CLOCK_SKEW).unwrap_or(Timestamp::MAX);
        let took = Duration::try_from(self.at.duration_since(self.since));
        let is_possible = self.at <= latest && took.is_ok_and(|took| took <= LONGEST_ATTEMPT);
        if is_possible { Ok(self) } else { Err(TagError::of(keys::ATTEMPT)) }
    }

    /// Reads the tag.
    ///
    /// # Errors
    /// [`TagError`] when the value is not one that [`Attempt::to_tag`] writes.
    pub fn parse(value: &str) -> Result<Self, TagError> {
        let read = || {
            let (token, times) = value.split_once('@')?;
            let (since, at) = times.split_once('/')?;
            Some(Self { token: VersionToken::new(token).ok()?, since: since.parse().ok()?, at: at.parse().ok()? })
        };
        read().ok_or_else(|| TagError::of(keys::ATTEMPT))
    }
}

/// The value of a key's own tag: since when it is superseded, and since when it is Inactive by our hand.
///
/// IAM does not tell when a key was deactivated, so this mark is the only memory of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyMark {
    /// When another key took its place as AWSCURRENT.
    pub superseded: Timestamp,
    /// When it was deactivated.
    pub deactivated: Option<Timestamp>,
}

impl KeyMark {
    /// The value of the tag.
    pub fn to_tag(&self) -> String {
        match self.deactivated {
            None => format!("superseded={}", self.superseded),
            Some(at) => format!("superseded={} deactivated={at}", self.superseded),
        }
    }

    /// Reads the tag of `key`.
    ///
    /// # Errors
    /// [`TagError`] when the value is not one that [`KeyMark::to_tag`] writes.
    pub fn parse(key: &AccessKeyId, value: &str) -> Result<Self, TagError> {
        let read = || {
            let (superseded, deactivated) = match value.split_once(' ') {
                None => (value, None),
                Some((superseded, deactivated)) => (superseded, Some(deactivated.strip_prefix("deactivated=")?)),
            };
            let superseded = superseded.strip_prefix("superseded=")?.parse().ok()?;
            let deactivated = deactivated.map(str::parse).transpose().ok()?;
            Some(Self { superseded, deactivated })
        };
        read().ok_or_else(|| TagError::of(keys::mark_of(key)))
    }
}

/// The value of the tag [`keys::give_up_of`] a key: how a person has given it up. It may go sooner than the settings
/// would let it, and also when it is not one of keyturn's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GiveUp {
    /// It is Inactive and may be deleted at once, to make room (`--reclaim`).
    Reclaim,
    /// It is deactivated at once and deleted when it has been Inactive for `delete_after` (`--retire`).
    Retire,
    /// It has leaked: it is deactivated at once, even as the current key, and no rollback goes back to it (`revoke`).
    Revoke,
}

impl GiveUp {
    /// The value of the tag.
    pub fn to_tag(self) -> &'static str {
        match self {
            Self::Reclaim => "reclaim",
            Self::Retire => "retire",
            Self::Revoke => "revoke",
        }
    }

    /// Reads the tag of `key`.
    ///
    /// # Errors
    /// [`TagError`] when the value is not one that [`GiveUp::to_tag`] gives.
    pub fn parse(key: &AccessKeyId, value: &str) -> Result<Self, TagError> {
        match value {
            "reclaim" => Ok(Self::Reclaim),
            "retire" => Ok(Self::Retire),
            "revoke" => Ok(Self::Revoke),
            _ => Err(TagError::of(keys::give_up_of(key))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Renderings;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn an_attempt_that_cannot_have_been_is_none() -> TestResult {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse()?;
        let attempt = |since: &str, at: &str| {
            let token = VersionToken::new("0".repeat(36)).unwrap();
            let attempt = Attempt { token, since: since.parse().unwrap(), at: at.parse().unwrap() };
            attempt.as_of(now).is_ok()
        };
        let table = [
            ("2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z", true),
            ("2026-06-01T00:00:30Z", "2026-06-01T00:00:30Z", true),
            ("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z", true),
            ("2025-01-01T00:00:00Z", "2025-01-02T00:00:01Z", false),
            ("2026-06-01T00:00:00Z", "2026-05-31T23:59:59Z", false),
            ("2026-05-31T23:59:59Z", "2026-06-01T00:02:00Z", false),
            ("2026-06-01T00:00:00Z", "9999-01-01T00:00:00Z", false),
            ("-009999-01-10T00:00:00Z", "9999-12-01T00:00:00Z", false),
        ];
        for (since, at, is_possible) in table {
            assert_eq!(attempt(since, at), is_possible, "{since} to {at}");
        }
        Ok(())
    }

    #[test]
    fn an_attempt_reads_back() -> TestResult {
        let token = VersionToken::new("0".repeat(36))?;
        let attempt = Attempt { token, since: "2026-01-02T03:04:05Z".parse()?, at: "2026-01-03T00:00:00Z".parse()? };
        assert_eq!(attempt.to_tag(), format!("{}@2026-01-02T03:04:05Z/2026-01-03T00:00:00Z", "0".repeat(36)));
        assert_eq!(Attempt::parse(&attempt.to_tag())?, attempt);
        for wrong in
            ["", "@/", "x@2026-01-02T03:04:05Z/2026-01-02T03:04:05Z", &format!("{}@yesterday/today", "0".repeat(36))]
        {
            assert!(Attempt::parse(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn a_mark_reads_back() -> TestResult {
        let key = AccessKeyId::new("AKIAAAAAAAAAAAAAAAAA")?;
        let superseded = "2026-01-02T03:04:05Z".parse()?;
        for deactivated in [None, Some("2026-02-02T00:00:00Z".parse()?)] {
            let mark = KeyMark { superseded, deactivated };
            assert_eq!(KeyMark::parse(&key, &mark.to_tag())?, mark);
        }
        for wrong in ["", "superseded=", "deactivated=2026-02-02T00:00:00Z", "superseded=2026-02-02T00:00:00Z x"] {
            assert!(KeyMark::parse(&key, wrong).is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn what_is_given_up_reads_back() -> TestResult {
        let key = AccessKeyId::new("AKIAAAAAAAAAAAAAAAAA")?;
        for given_up in [GiveUp::Reclaim, GiveUp::Retire, GiveUp::Revoke] {
            assert_eq!(GiveUp::parse(&key, given_up.to_tag())?, given_up);
        }
        assert!(GiveUp::parse(&key, "").is_err());
        Ok(())
    }

    #[test]
    fn marks_use_only_characters_that_tags_may_hold() -> TestResult {
        let at = "2026-01-02T03:04:05.123456Z".parse()?;
        let attempt = Attempt { token: VersionToken::new("a-".repeat(20))?, since: at, at }.to_tag();
        let mark = KeyMark { superseded: at, deactivated: Some(at) }.to_tag();
        let legal = |c: char| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c);
        assert!(attempt.chars().chain(mark.chars()).all(legal), "{attempt} {mark}");
        Ok(())
    }

    /// Times as the services give them, to the second or finer.
    fn time() -> impl Strategy<Value = Timestamp> {
        (0..=4_102_444_800_i64, 0..1_000_000_000_i32).prop_map(|(s, ns)| Timestamp::new(s, ns).unwrap())
    }

    /// What Secrets Manager takes as a tag's value.
    fn is_legal(value: &str) -> bool {
        value.len() <= 256 && value.chars().all(|c| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c))
    }

    proptest! {
        #[test]
        fn whatever_is_marked_reads_back(
            token in "[a-zA-Z0-9_-]{32,64}", id in "AKIA[A-Z2-7]{16}", since in time(), at in prop::option::of(time()),
        ) {
            let key = AccessKeyId::new(id).unwrap();
            let token = VersionToken::new(token).unwrap();
            let attempt = Attempt { token, since, at: at.unwrap_or(since) };
            prop_assert!(is_legal(&attempt.to_tag()));
            prop_assert_eq!(Attempt::parse(&attempt.to_tag()), Ok(attempt));
            let mark = KeyMark { superseded: since, deactivated: at };
            prop_assert!(is_legal(&mark.to_tag()));
            prop_assert_eq!(KeyMark::parse(&key, &mark.to_tag()), Ok(mark));
        }

        #[test]
        fn no_mark_breaks_its_parser_or_is_quoted_by_it(value in hostile()) {
            let key = AccessKeyId::new("AKIAAAAAAAAAAAAAAAAA").unwrap();
            let errors = [
                Attempt::parse(&value).err(),
                KeyMark::parse(&key, &value).err(),
                GiveUp::parse(&key, &value).err(),
                Renderings::of_tag(Some(&value)).err(),
            ];
            let tags = [keys::ATTEMPT, &keys::mark_of(&key), &keys::give_up_of(&key), keys::RENDER];
            for (error, tag) in errors.into_iter().zip(tags) {
                let text = error.map_or_else(String::new, |error| error.to_string());
                let expected = format!("the tag `{tag}` has a value that keyturn did not write");
                prop_assert!(text.is_empty() || text == expected);
            }
        }
    }

    /// Marks with a few characters changed, and any text.
    fn hostile() -> impl Strategy<Value = String> {
        let words = "(superseded|deactivated|=|@|/| |2026-01-02T03:04:05Z|9999-99-99T99:99:99Z|-262144|reclaim|revoke|smtp|none)";
        prop_oneof![any::<String>(), prop::string::string_regex(&format!("({words}){{0,8}}")).unwrap()]
    }
}
