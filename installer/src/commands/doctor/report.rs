//! What was found: for people a line for each, and what to do about it.

use std::fmt;

use serde::Serialize;

use crate::aws::CallError;
use crate::error::Error;
use crate::names::printable;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// A bootstrap may go well all the same.
    Warning,
    /// A bootstrap would fail, or do less than it should.
    Problem,
}

/// What was looked at. The names are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Check {
    Configuration,
    Credentials,
    Region,
    Function,
    Stack,
    User,
    Quota,
    Permission,
}

/// An action that the caller may not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Denied {
    pub(super) action: &'static str,
    pub(super) resource: String,
    pub(super) reason: &'static str,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: Check,
    pub(super) state: State,
    pub(super) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to_do: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) denied: Vec<Denied>,
}

impl Finding {
    pub(super) fn ok(check: Check, what: impl Into<String>) -> Self {
        Self { check, state: State::Ok, what: what.into(), to_do: None, denied: Vec::new() }
    }

    pub(super) fn warning(check: Check, what: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { state: State::Warning, to_do: Some(to_do.into()), ..Self::ok(check, what) }
    }

    pub(super) fn problem(check: Check, what: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { state: State::Problem, ..Self::warning(check, what, to_do) }
    }

    /// A call to AWS that did not succeed.
    pub(super) fn of_call(check: Check, error: &CallError) -> Self {
        let to_do = error.hint().unwrap_or_else(|| "see what AWS says".to_owned());
        Self::problem(check, error.to_string(), to_do)
    }

    /// Any other error, with its causes.
    pub(super) fn of_error(check: Check, error: &Error) -> Self {
        let what = with_causes(error);
        Self::problem(check, what, error.hint().unwrap_or_else(|| "put it right".to_owned()))
    }
}

/// An error and its causes in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Everything that was found, in the order in which it was looked at.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

/// The report as it is printed.
#[derive(Debug, Serialize)]
pub(super) struct Counted<'a> {
    findings: &'a [Finding],
    problems: usize,
    warnings: usize,
}

impl Report {
    pub(super) fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    pub(super) fn has_problems(&self) -> bool {
        self.count(State::Problem) > 0
    }

    pub(super) fn counted(&self) -> Counted<'_> {
        let (problems, warnings) = (self.count(State::Problem), self.count(State::Warning));
        Counted { findings: &self.findings, problems, warnings }
    }

    fn count(&self, state: State) -> usize {
        self.findings.iter().filter(|finding| finding.state == state).count()
    }
}

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { state, what, to_do, .. } in self.findings {
            let state = match state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Problem => "problem",
            };
            writeln!(f, "{state:<8} {}", indented(what))?;
            if let Some(to_do) = to_do {
                writeln!(f, "         to do: {}", indented(to_do))?;
            }
        }
        let of = |count: usize, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
        let (problems, warnings) = (of(self.problems, "problem"), of(self.warnings, "warning"));
        match (self.problems, self.warnings) {
            (0, 0) => write!(f, "nothing stands in the way of `keyturn bootstrap`"),
            (0, _) => write!(f, "{warnings}, and nothing that stands in the way of `keyturn bootstrap`"),
            (_, 0) => write!(f, "{problems}"),
            (_, _) => write!(f, "{problems}, {warnings}"),
        }
    }
}

/// The further lines of a text under its first one. Parts of it come from files and from AWS.
fn indented(text: &str) -> String {
    printable(text).replace('\n', "\n         ")
}
