//! The report of `status`: for people a table, for machines everything.

use std::fmt;
use std::time::Duration;

use contract::{AccessKeyId, UserName};
use jiff::Timestamp;
use serde::Serialize;

use crate::aws::stacks::Status;
use crate::aws::users::LastUse;
use crate::names::printable;
use crate::plan::{DriftedResource, FunctionFault};
use crate::ui::{Table, age, span};

/// How everything is doing.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Report {
    pub(super) stacks: Vec<StackRow>,
    pub(super) users: Vec<UserRow>,
    pub(super) now: Timestamp,
}

/// How a stack is doing.
#[derive(Debug, Serialize)]
pub(super) struct StackRow {
    pub(super) stack: String,
    pub(super) state: StackState,
    pub(super) status: Option<Status>,
    /// None when nobody has looked for it.
    pub(super) drift: Option<StackDrift>,
    /// What is wrong with its function, if anything.
    pub(super) function: Option<FunctionFault>,
}

/// What somebody has changed in a stack past CloudFormation.
#[derive(Debug, Serialize)]
pub(super) struct StackDrift {
    pub(super) resources: Vec<DriftedResource>,
    /// What could not be looked at, in words.
    pub(super) unchecked: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StackState {
    InSync,
    /// The template is another one than the configuration asks for, or somebody has changed something past it.
    Drifted,
    /// There is no configuration that the template could be compared with.
    Unknown,
    Absent,
    Busy,
    /// A person has to look at it.
    Broken,
}

/// How a user is doing.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct UserRow {
    pub(super) user: UserName,
    pub(super) secret: String,
    #[serde(flatten)]
    pub(super) state: UserState,
    pub(super) key: Option<AccessKeyId>,
    pub(super) key_age_seconds: Option<i64>,
    pub(super) last_use: Option<LastUse>,
    pub(super) too_old: bool,
    pub(super) last_rotation: Option<Timestamp>,
    pub(super) next_rotation: Option<Timestamp>,
    pub(super) to_do: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub(in crate::commands) enum UserState {
    InSync,
    /// The stack holds something else for the user than the configuration asks for, or nothing.
    Drifted,
    /// There is no secret.
    Absent,
    /// There is a secret without a key.
    Unrotated,
    /// A person has stopped rotation; the reason may be empty.
    Held {
        reason: String,
    },
    /// The last rotation stopped.
    Blocked {
        reason: String,
    },
    /// Somebody has deactivated the key that applications read.
    KeyInactive,
    /// Somebody has deleted the key that applications read.
    KeyGone,
    /// The secret is scheduled for deletion.
    Deleted {
        until: Timestamp,
    },
    /// The secret is not bound to this user.
    Foreign,
    /// IAM does not know the user.
    NoUser,
    /// The function that finds its users has let the user go: nobody means the user any more. Key and secret stay.
    Left {
        since: String,
    },
    /// Somebody has turned the rotation off, and that function leaves it at that.
    TurnedOff,
}

impl Report {
    /// Whether something is not as it should be and does not right itself. A hold is: a person wants it.
    pub(in crate::commands) fn wants_a_person(&self) -> bool {
        let stack = |row: &StackRow| match row.state {
            StackState::InSync | StackState::Unknown | StackState::Busy => false,
            StackState::Drifted | StackState::Absent | StackState::Broken => true,
        };
        let user = |row: &UserRow| match row.state {
            UserState::InSync | UserState::Held { .. } | UserState::Left { .. } => row.too_old,
            UserState::Drifted
            | UserState::Absent
            | UserState::Unrotated
            | UserState::KeyInactive
            | UserState::KeyGone
            | UserState::Blocked { .. }
            | UserState::Deleted { .. }
            | UserState::Foreign
            | UserState::NoUser
            | UserState::TurnedOff => true,
        };
        self.stacks.iter().any(stack) || self.users.iter().any(user)
    }
}

impl Report {
    /// What is wrong with the functions.
    fn faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = || self.stacks.iter().filter_map(|row| Some((&row.stack, row.function?)));
        faults().try_for_each(|(stack, fault)| writeln!(f, "{stack}: {fault}"))?;
        if faults().next().is_some() { writeln!(f) } else { Ok(()) }
    }

    /// What was changed past CloudFormation, and what nobody could look at.
    fn drift(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drifts = || self.stacks.iter().filter_map(|row| Some((&row.stack, row.drift.as_ref()?)));
        for (stack, drift) in drifts() {
            drift
                .resources
                .iter()
                .try_for_each(|resource| writeln!(f, "{stack}: {}", printable(&resource.to_string())))?;
            drift.unchecked.iter().try_for_each(|line| writeln!(f, "{}", printable(line)))?;
        }
        match drifts().next() {
            Some(_) if drifts().all(|(_, drift)| drift.resources.is_empty()) => {
                writeln!(f, "nothing was found to have been changed past CloudFormation\n")
            }
            Some(_) => writeln!(f, "`keyturn bootstrap --drift` brings it back\n"),
            None => Ok(()),
        }
    }

    /// The users.
    pub(in crate::commands) fn users(&self) -> &[UserRow] {
        &self.users
    }

    /// How many users there are, and how many are in which other state than in sync, in one line.
    pub(in crate::commands) fn in_short(&self) -> String {
        let mut parts =
            vec![if self.users.len() == 1 { "1 user".to_owned() } else { format!("{} users", self.users.len()) }];
        let stacks = self.stacks.iter().filter(|row| row.state != StackState::InSync);
        parts.extend(stacks.map(|row| match row.function {
            Some(FunctionFault::Gone) => format!("`{}` has no function", row.stack),
            Some(FunctionFault::OtherCode) => format!("`{}` runs other code", row.stack),
            None => format!("`{}` {}", row.stack, row.state),
        }));
        let users = self.users.iter().filter(|row| row.too_old || row.state != UserState::InSync);
        parts.extend(users.map(|row| {
            let age = if row.too_old { ", key too old" } else { "" };
            format!("{}: {}{age}", row.user, row.state)
        }));
        parts.join("; ")
    }
}

impl UserRow {
    /// How the user is doing.
    pub(in crate::commands) fn state(&self) -> &UserState {
        &self.state
    }

    /// The age of the current key.
    pub(in crate::commands) fn key_age_seconds(&self) -> Option<i64> {
        self.key_age_seconds
    }

    /// Name, state, key, age of the key, and what is to be done.
    pub(in crate::commands) fn in_cells(&self) -> [String; 5] {
        let age = self.key_age_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        [
            self.user.to_string(),
            self.state.to_string(),
            self.key.as_ref().map_or("-".to_owned(), AccessKeyId::to_string),
            age.map_or("-".to_owned(), |seconds| span(Duration::from_secs(seconds))),
            self.to_do.clone().unwrap_or_default(),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stacks = Table::new(["STACK", "STATE", "STATUS"]);
        for StackRow { stack, state, status, .. } in &self.stacks {
            let status = status.map_or("-", Status::as_str);
            stacks.add([stack.clone(), state.to_string(), status.to_owned()]);
        }
        writeln!(f, "{stacks}")?;
        self.faults(f)?;
        self.drift(f)?;
        let mut users = Table::new(["USER", "STATE", "KEY", "KEY AGE", "LAST USE", "LAST ROTATION", "NEXT ROTATION"]);
        for row in &self.users {
            let ago =
                |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| format!("{} ago", age(time, self.now)));
            let key_age = row.key_age_seconds.and_then(|seconds| u64::try_from(seconds).ok());
            users.add([
                row.user.to_string(),
                row.state.to_string(),
                row.key.as_ref().map_or("-".to_owned(), AccessKeyId::to_string),
                key_age.map_or("-".to_owned(), |seconds| span(Duration::from_secs(seconds))),
                ago(row.last_use.as_ref().map(|last_use| last_use.at)),
                ago(row.last_rotation),
                row.next_rotation.map_or("-".to_owned(), |time| time.strftime("%Y-%m-%d").to_string()),
            ]);
        }
        write!(f, "{users}")?;
        let wanted: Vec<_> = self.users.iter().filter_map(|row| Some((&row.user, row.to_do.as_ref()?))).collect();
        if !wanted.is_empty() {
            writeln!(f)?;
        }
        wanted.into_iter().try_for_each(|(user, to_do)| writeln!(f, "{user}: {}", printable(to_do)))
    }
}

impl fmt::Display for StackState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InSync => "in sync",
            Self::Drifted => "drifted",
            Self::Unknown => "not compared",
            Self::Absent => "absent",
            Self::Busy => "busy",
            Self::Broken => "broken",
        })
    }
}

impl fmt::Display for UserState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InSync => f.write_str("in sync"),
            Self::Drifted => f.write_str("drifted"),
            Self::Absent => f.write_str("absent"),
            Self::Unrotated => f.write_str("no key"),
            Self::Held { reason } if reason.is_empty() => f.write_str("held"),
            Self::Held { reason } => write!(f, "held: {reason}"),
            Self::Blocked { reason } => write!(f, "blocked: {reason}"),
            Self::KeyInactive => f.write_str("key inactive"),
            Self::KeyGone => f.write_str("key gone"),
            Self::Deleted { until } => write!(f, "secret deleted, until {}", until.strftime("%Y-%m-%d")),
            Self::Foreign => f.write_str("secret of another"),
            Self::NoUser => f.write_str("no such user"),
            Self::Left { since } => write!(f, "left, since {since}"),
            Self::TurnedOff => f.write_str("rotation turned off"),
        }
    }
}
