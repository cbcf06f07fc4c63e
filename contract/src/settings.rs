//! The function's settings: what the stack puts into its environment and the function validates when it starts (R10).

use std::time::Duration;

/// The environment variables. Durations are whole seconds.
pub mod variables {
    /// The function's own timeout, as the template sets it.
    pub const TIMEOUT: &str = "KEYTURN_TIMEOUT_SECONDS";
    /// How long an attempt may be under way before its key counts as an orphan.
    pub const LEASE: &str = "KEYTURN_LEASE_SECONDS";
    /// The time between two rotations of a user.
    pub const INTERVAL: &str = "KEYTURN_INTERVAL_SECONDS";
    /// How long a superseded key stays Active at least.
    pub const DEACTIVATE_AFTER: &str = "KEYTURN_DEACTIVATE_AFTER_SECONDS";
    /// How long a deactivated key is kept, so that it can be brought back.
    pub const DELETE_AFTER: &str = "KEYTURN_DELETE_AFTER_SECONDS";
    /// How long a superseded key must have been unused before it is deactivated.
    pub const QUIET: &str = "KEYTURN_QUIET_SECONDS";
    /// The time between two passes of the sweeper.
    pub const SWEEP_EVERY: &str = "KEYTURN_SWEEP_EVERY_SECONDS";
    /// The oldest that any Active key may get.
    pub const MAX_KEY_AGE: &str = "KEYTURN_MAX_KEY_AGE_SECONDS";
    /// What to do with keys that keyturn did not make: `refuse` or `retire`.
    pub const FOREIGN: &str = "KEYTURN_FOREIGN_KEYS";
    /// What to do with a superseded key that is still used: `wait` or `deactivate`.
    pub const IN_USE: &str = "KEYTURN_KEYS_IN_USE";
    /// The stack whose secrets the function sweeps. Not one of the settings: it says where, not how.
    pub const STACK: &str = "KEYTURN_STACK";
    /// What the path of the users begins with whom the function enrols by itself, `/` for all. Nobody when it is not set;
    /// then the others below, which belong to an [`Enrolment`](crate::Enrolment), mean nothing.
    pub const ENROL_PATH: &str = "KEYTURN_ENROL_PATH";
    /// The tags that such a user has, as a JSON object; the value `*` stands for any.
    pub const ENROL_TAGS: &str = "KEYTURN_ENROL_TAGS";
    /// The names of the users who are not enrolled, separated by `;`.
    pub const EXEMPT_NAMES: &str = "KEYTURN_EXEMPT_NAMES";
    /// What the path of users begins with who are not enrolled.
    pub const EXEMPT_PATH: &str = "KEYTURN_EXEMPT_PATH";
    /// The tags of users who are not enrolled, as those of [`ENROL_TAGS`]; one of them is enough.
    pub const EXEMPT_TAGS: &str = "KEYTURN_EXEMPT_TAGS";
    /// When those who are enrolled are rotated: Secrets Manager's `rate(…)` or `cron(…)`.
    pub const SCHEDULE: &str = "KEYTURN_SCHEDULE";
    /// How many hours the rotation window is open.
    pub const SCHEDULE_WINDOW: &str = "KEYTURN_SCHEDULE_WINDOW";
    /// The ARN of the key that encrypts the secrets.
    pub const KMS_KEY: &str = "KEYTURN_KMS_KEY";
    /// In which other forms the secrets hold the keys, as the tag [`RENDER`](crate::tag_keys::RENDER) says it.
    pub const RENDER: &str = "KEYTURN_RENDER";
    /// The users of the stack whose secret has a name of its own, see [`OwnSecrets`](crate::OwnSecrets).
    pub const OWN_SECRETS: &str = "KEYTURN_OWN_SECRETS";
    /// The names of the only secrets that a direct invocation rotates, separated by `;`; all when it is not set. The
    /// name is the one that hand-made rotation functions have given it.
    pub const SECRETS: &str = "secrets";
}

/// What to add to the function's timeout for the lease: the time in which Lambda ends a function that ran out of it,
/// and in which an answer that was under way can still arrive at IAM.
const LEASE_MARGIN: Duration = Duration::from_secs(60);

/// The shortest timeout of the function: a step begins to change something only while half a minute is left, and reads
/// before.
pub const SHORTEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What happens to a key of the user that keyturn did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignPolicy {
    /// It is reported and left alone; a person decides.
    Refuse,
    /// It is retired like a superseded key.
    Retire,
}

/// What happens to a superseded key that somebody still uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InUsePolicy {
    /// Rotation waits and says so.
    Wait,
    /// It is deactivated all the same once its time has come.
    Deactivate,
}

/// The function's settings, valid together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the environment variable of the same name says what each one is")]
pub struct Settings {
    pub timeout: Duration,
    pub lease: Duration,
    pub interval: Duration,
    pub deactivate_after: Duration,
    pub delete_after: Duration,
    pub quiet: Duration,
    pub sweep_every: Duration,
    pub max_key_age: Duration,
    pub foreign: ForeignPolicy,
    pub in_use: InUsePolicy,
}

/// Settings that are missing, unreadable or contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A variable is not set.
    #[error("the environment variable `{0}` is not set")]
    Missing(&'static str),
    /// A variable holds something else than what it should.
    #[error("the environment variable `{variable}` is not {expected}")]
    Malformed {
        /// Which one.
        variable: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A step would never have the time that it wants to have left before it changes something.
    #[error("the function's timeout of {0:?} is shorter than {SHORTEST_TIMEOUT:?}")]
    TimeoutTooShort(Duration),
    /// An attempt could be taken for dead while it still runs.
    #[error(
        "the lease of {lease:?} is shorter than the function's timeout of {timeout:?} and a margin of {LEASE_MARGIN:?}"
    )]
    LeaseTooShort {
        /// The lease.
        lease: Duration,
        /// The function's timeout.
        timeout: Duration,
    },
    /// The old key would still take its slot when the next rotation needs it.
    #[error(
        "a superseded key is kept for {overlap:?} and then {delete_after:?}, and twice it waits up to {sweep_every:?} for the sweeper, which is not less than the {interval:?} between rotations"
    )]
    KeptTooLong {
        /// Time until a superseded key is deactivated, [`Settings::overlap`].
        overlap: Duration,
        /// Time from there until it is deleted.
        delete_after: Duration,
        /// Time between two passes of the sweeper.
        sweep_every: Duration,
        /// Time between rotations.
        interval: Duration,
    },
    /// Keys would get older than allowed.
    #[error(
        "a key lives for {interval:?}, then {overlap:?} more, and up to {sweep_every:?} until the sweeper comes, which is over the allowed age of {max_key_age:?}"
    )]
    TooOld {
        /// Time between rotations.
        interval: Duration,
        /// Time until a superseded key is deactivated, [`Settings::overlap`].
        overlap: Duration,
        /// Time between two passes of the sweeper.
        sweep_every: Duration,
        /// The oldest a key may get.
        max_key_age: Duration,
    },
    /// No overlap, and still waiting for the old key to fall out of use: the one excludes the other.
    #[error("without an overlap a superseded key is not waited for: that needs a quiet period of 0 and `deactivate`")]
    SingleKeyWaits,
}

impl Settings {
    /// The shortest lease for a function with this timeout.
    pub fn shortest_lease(timeout: Duration) -> Duration {
        timeout.saturating_add(LEASE_MARGIN)
    }

    /// Checks that the settings do not contradict each other (R10).
    ///
    /// # Errors
    /// [`SettingsError`] with the figures that do not fit.
    pub fn check(&self) -> Result<(), SettingsError> {
        let Self { timeout, lease, interval, delete_after, sweep_every, max_key_age, .. } = *self;
        let overlap = self.overlap();
        if timeout < SHORTEST_TIMEOUT {
            return Err(SettingsError::TimeoutTooShort(timeout));
        }
        if lease < Self::shortest_lease(timeout) {
            return Err(SettingsError::LeaseTooShort { lease, timeout });
        }
        let kept = [overlap, sweep_every, delete_after, sweep_every];
        if sum(&kept) >= interval {
            return Err(SettingsError::KeptTooLong { overlap, delete_after, sweep_every, interval });
        }
        if sum(&[interval, overlap, sweep_every]) > max_key_age {
            return Err(SettingsError::TooOld { interval, overlap, sweep_every, max_key_age });
        }
        if self.is_single_key() && (self.quiet > Duration::ZERO || self.in_use == InUsePolicy::Wait) {
            return Err(SettingsError::SingleKeyWaits);
        }
        Ok(())
    }

    /// How long a superseded key stays Active at the least when it was used until it was superseded.
    pub fn overlap(&self) -> Duration {
        match self.in_use {
            InUsePolicy::Wait => self.deactivate_after.max(self.quiet),
            InUsePolicy::Deactivate => self.deactivate_after,
        }
    }

    /// The oldest that a key may be while it is current: what comes after that still has to fit into its age.
    pub fn longest_current(&self) -> Duration {
        self.max_key_age.saturating_sub(self.overlap()).saturating_sub(self.sweep_every)
    }

    /// Whether a user is to have one Active key only, but for the moment in which one follows the other.
    pub fn is_single_key(&self) -> bool {
        self.deactivate_after == Duration::ZERO
    }

    /// Reads and checks the settings; `variable` looks one environment variable up.
    ///
    /// # Errors
    /// [`SettingsError`] names the variable or the figures.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let text = |name: &'static str| variable(name).ok_or(SettingsError::Missing(name));
        let seconds = |name: &'static str| {
            let expected = "a number of seconds";
            let malformed = SettingsError::Malformed { variable: name, expected };
            text(name)?.parse().map(Duration::from_secs).map_err(|_| malformed)
        };
        let settings = Self {
            timeout: seconds(variables::TIMEOUT)?,
            lease: seconds(variables::LEASE)?,
            interval: seconds(variables::INTERVAL)?,
            deactivate_after: seconds(variables::DEACTIVATE_AFTER)?,
            delete_after: seconds(variables::DELETE_AFTER)?,
            quiet: seconds(variables::QUIET)?,
            sweep_every: seconds(variables::SWEEP_EVERY)?,
            max_key_age: seconds(variables::MAX_KEY_AGE)?,
            foreign: match text(variables::FOREIGN)?.as_str() {
                "refuse" => ForeignPolicy::Refuse,
                "retire" => ForeignPolicy::Retire,
                _ => {
                    let expected = "`refuse` or `retire`";
                    return Err(SettingsError::Malformed { variable: variables::FOREIGN, expected });
                }
            },
            in_use: match text(variables::IN_USE)?.as_str() {
                "wait" => InUsePolicy::Wait,
                "deactivate" => InUsePolicy::Deactivate,
                _ => {
                    let expected = "`wait` or `deactivate`";
                    return Err(SettingsError::Malformed { variable: variables::IN_USE, expected });
                }
            },
        };
        settings.check()?;
        Ok(settings)
    }

    /// The environment that [`Settings::read`] reads back.
    pub fn to_environment(&self) -> Vec<(&'static str, String)> {
        let seconds = |duration: Duration| duration.as_secs().to_string();
        let foreign = match self.foreign {
            ForeignPolicy::Refuse => "refuse",
            ForeignPolicy::Retire => "retire",
        };
        let in_use = match self.in_use {
            InUsePolicy::Wait => "wait",
            InUsePolicy::Deactivate => "deactivate",
        };
        vec![
            (variables::TIMEOUT, seconds(self.timeout)),
            (variables::LEASE, seconds(self.lease)),
            (variables::INTERVAL, seconds(self.interval)),
            (variables::DEACTIVATE_AFTER, seconds(self.deactivate_after)),
            (variables::DELETE_AFTER, seconds(self.delete_after)),
            (variables::QUIET, seconds(self.quiet)),
            (variables::SWEEP_EVERY, seconds(self.sweep_every)),
            (variables::MAX_KEY_AGE, seconds(self.max_key_age)),
            (variables::FOREIGN, foreign.to_owned()),
            (variables::IN_USE, in_use.to_owned()),
        ]
    }
}

/// As much as all of them together, and no overflow.
fn sum(durations: &[Duration]) -> Duration {
    durations.iter().fold(Duration::ZERO, |sum, duration| sum.saturating_add(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn settings() -> Settings {
        Settings {
            timeout: Duration::from_secs(120),
            lease: Duration::from_secs(180),
            interval: 30 * DAY,
            deactivate_after: 7 * DAY,
            delete_after: 7 * DAY,
            quiet: DAY,
            sweep_every: Duration::from_secs(3_600),
            max_key_age: 90 * DAY,
            foreign: ForeignPolicy::Retire,
            in_use: InUsePolicy::Wait,
        }
    }

    fn read(change: Option<(&str, Option<&str>)>) -> Result<Settings, SettingsError> {
        let environment = settings().to_environment();
        Settings::read(|name| match change {
            Some((changed, value)) if changed == name => value.map(str::to_owned),
            _ => environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()),
        })
    }

    #[test]
    fn settings_read_back() {
        assert_eq!(read(None), Ok(settings()));
    }

    #[test]
    fn every_variable_is_needed_and_checked() {
        for (name, _) in settings().to_environment() {
            assert_eq!(read(Some((name, None))), Err(SettingsError::Missing(name)));
            let wrong = read(Some((name, Some("soon"))));
            assert!(matches!(wrong, Err(SettingsError::Malformed { variable, .. }) if variable == name), "{name}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let timeout = Settings { timeout: Duration::from_secs(59), ..settings() };
        assert!(matches!(timeout.check(), Err(SettingsError::TimeoutTooShort(_))));
        let lease = Settings { lease: Duration::from_secs(179), ..settings() };
        assert!(matches!(lease.check(), Err(SettingsError::LeaseTooShort { .. })));
        let hour = Duration::from_secs(3_600);
        let kept = Settings { delete_after: 23 * DAY - 2 * hour, ..settings() };
        assert!(matches!(kept.check(), Err(SettingsError::KeptTooLong { .. })));
        let old = Settings { max_key_age: 37 * DAY, ..settings() };
        assert!(matches!(old.check(), Err(SettingsError::TooOld { .. })));
        // A key that was used to the last stays Active for the quiet period at least.
        let quiet = Settings { quiet: 23 * DAY, ..settings() };
        assert!(matches!(quiet.check(), Err(SettingsError::KeptTooLong { overlap, .. }) if overlap == 23 * DAY));
        let not_waited_for = Settings { in_use: InUsePolicy::Deactivate, ..quiet };
        assert_eq!(not_waited_for.check(), Ok(()));
        let quiet = Settings { quiet: 16 * DAY, delete_after: DAY, max_key_age: 46 * DAY, ..settings() };
        assert!(matches!(quiet.check(), Err(SettingsError::TooOld { overlap, .. }) if overlap == 16 * DAY));
        let endless = Settings { deactivate_after: Duration::MAX, ..settings() };
        assert!(endless.check().is_err(), "no overflow");
    }

    #[test]
    fn a_single_key_is_not_waited_for() {
        let single = Settings { deactivate_after: Duration::ZERO, quiet: Duration::ZERO, ..settings() };
        assert!(matches!(single.check(), Err(SettingsError::SingleKeyWaits)));
        let deactivating = Settings { in_use: InUsePolicy::Deactivate, ..single };
        assert_eq!(deactivating.check(), Ok(()));
        let quiet = Settings { quiet: DAY, ..deactivating };
        assert!(matches!(quiet.check(), Err(SettingsError::SingleKeyWaits)));
    }
}
