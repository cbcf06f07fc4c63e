//! What can be wrong with a configuration, and what to do about it.

use std::path::PathBuf;

use serde_yaml::Value;

use crate::names::{excerpt, printable};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no configuration, whatever it says: reading it would take long.
    #[error("`{}` has more {what} than a configuration has", path.display())]
    TooMuch {
        /// The file.
        path: PathBuf,
        /// What there is too much of.
        what: &'static str,
    },
    /// The file is not YAML. The cause names the line, or the key that is there twice.
    #[error("`{}` is not valid YAML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: NotYaml,
    },
    /// A field is wrong.
    #[error("{origin}: {}{problem}", Quoted(field))]
    Field {
        /// The file and the line, or the command line.
        origin: String,
        /// The field, such as `schedule.every`; empty for the whole configuration.
        field: String,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What the parser says of a text. It repeats keys of the text, whatever is in them and however long they are.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotYaml(String);

impl From<serde_yaml::Error> for NotYaml {
    fn from(error: serde_yaml::Error) -> Self {
        Self(shortened(&error.to_string()))
    }
}

/// The beginning of a message, and its end, where the line is.
fn shortened(message: &str) -> String {
    const BEGINNING: usize = 200;
    const END: usize = 80;
    let length = message.chars().count();
    if length <= BEGINNING + END {
        return printable(message);
    }
    let beginning: String = message.chars().take(BEGINNING).collect();
    let end: String = message.chars().skip(length - END).collect();
    printable(&format!("{beginning} … {end}"))
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is not known.
    #[error("is not a field of the configuration")]
    Unknown {
        /// The known field that looks like it.
        suggestion: Option<&'static str>,
        /// Every field that may stand there.
        known: Vec<&'static str>,
    },
    /// It must be there and is not.
    #[error("is missing")]
    Missing,
    /// It is something else altogether.
    #[error("is {found}, not {expected}")]
    Kind {
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Its value does not have the right form.
    #[error("is `{value}`, not {expected}")]
    Malformed {
        /// The value.
        value: String,
        /// What it should be.
        expected: String,
    },
    /// Its value is not a name that AWS takes; the text says why.
    #[error("cannot be used: {0}")]
    Unusable(String),
    /// This version of keyturn does not read it.
    #[error("is {0}, and this keyturn reads version 1")]
    Version(u64),
    /// It stands there twice.
    #[error("names `{name}` a second time, after `{first}`")]
    Twice {
        /// What is there twice.
        name: String,
        /// The field that was first.
        first: String,
    },
    /// It is a user who is there already: IAM compares names without case.
    #[error("is `{name}`, the same user as `{first}`")]
    SameUser {
        /// The name as it is written here.
        name: String,
        /// The field that was first.
        first: String,
    },
    /// More users than an account can have.
    #[error("has {0} entries, and an account has 5,000 IAM users at most")]
    TooManyUsers(usize),
    /// It is outside what AWS offers; the text says what that is.
    #[error("{0}")]
    Limit(String),
    /// It cannot be said for all accounts at once; the text says why.
    #[error("{0}")]
    OneTemplate(String),
    /// It contradicts another field; the text has the arithmetic.
    #[error("{0}")]
    Contradiction(String),
}

impl Problem {
    pub(crate) fn kind(found: &Value, expected: &'static str) -> Self {
        let found = match found {
            Value::Null => "empty",
            Value::Bool(_) => "a yes or no",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Tagged(_) => "a tagged value",
        };
        Self::Kind { found, expected }
    }

    pub(crate) fn not(value: &str, expected: &str) -> Self {
        Self::Malformed { value: excerpt(value), expected: expected.to_owned() }
    }

    fn hint(&self) -> String {
        match self {
            Self::Unknown { suggestion: Some(name), .. } => format!("did you mean `{name}`?"),
            Self::Unknown { known, .. } => {
                let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                format!("known here are {}", known.join(", "))
            }
            Self::Missing => "add it to the file".to_owned(),
            Self::Kind { found: "a number" | "a yes or no", expected: "text" } => "put it in quotes".to_owned(),
            Self::Version(_) => "install the keyturn that this file was written for, or set `version: 1`".to_owned(),
            Self::Twice { .. } => "remove one of them".to_owned(),
            Self::SameUser { .. } => {
                "remove one of them; names that differ in case only are the same to IAM".to_owned()
            }
            Self::TooManyUsers(_) => "give each account a configuration of its own".to_owned(),
            Self::OneTemplate(_) => "leave it out, or roll out without StackSets".to_owned(),
            Self::Contradiction(_) => "change one of these figures, or the schedule".to_owned(),
            Self::Kind { .. } | Self::Malformed { .. } | Self::Unusable(_) | Self::Limit(_) => {
                "correct the value".to_owned()
            }
        }
    }
}

impl ConfigError {
    /// What to do now.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "name the configuration with `--config FILE`, or users and `--region`".to_owned(),
            Self::TooMuch { .. } => "is it the right file? An account has 5,000 users at most".to_owned(),
            Self::Syntax { .. } => "correct the line, or start from `version: 1`, `region:` and `users:`".to_owned(),
            Self::Field { problem, .. } => problem.hint(),
        }
    }
}

/// A field's name before what is wrong with it.
struct Quoted<'a>(&'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { f.write_str("the configuration ") } else { write!(f, "`{}` ", self.0) }
    }
}
