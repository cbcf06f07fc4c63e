//! What came of a run over a fleet: for people a table, for machines everything, also as CSV.

use std::fmt::{self, Write as _};
use std::time::Duration;

use contract::AccountId;
use jiff::Timestamp;
use serde::Serialize;

use super::central::CentralOutcome;
use super::rehearsal::Injected;
use crate::apply::Applied;
use crate::apply::rotations::Outcome as RotationOutcome;
use crate::aws::stack_sets::{Instance, InstanceStatus};
use crate::commands::status::Report as StatusReport;
use crate::commands::teardown::TornDown;
use crate::error::{Error, Exit};
use crate::fleet::selection::Exempted;
use crate::fleet::stack_sets::{Change, Plan as StackSetPlan};
use crate::fleet::targets::{LeftOut, Target, Why};
use crate::names::printable;
use crate::plan::Plan;
use crate::ui::{Printer, Table, span};

/// What came of a run.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct FleetReport {
    /// The accounts, in the order in which they were to be worked on.
    pub(in crate::commands) accounts: Vec<AccountRow>,
    /// How many there are of each kind.
    pub(in crate::commands) summary: Summary,
    /// Why not all of them were worked on, when they were not.
    pub(in crate::commands) stopped: Option<Stopped>,
    /// What came of the stack in which all comes together, when the fleet has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::commands) central: Option<CentralOutcome>,
    /// What went wrong on purpose, in a rehearsal; none when it was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::commands) injected: Option<Vec<Injected>>,
    /// What was to be done with the stack set, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::commands) stack_set: Option<StackSetPlan>,
    #[serde(skip)]
    pub(in crate::commands) work: &'static str,
}

/// An account.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct AccountRow {
    pub(in crate::commands) account: AccountId,
    pub(in crate::commands) name: String,
    /// The wave it belongs to, counted from 1; none when it is left out.
    pub(in crate::commands) wave: Option<usize>,
    /// When work on it began and ended, by the clock of AWS.
    pub(in crate::commands) began: Option<Timestamp>,
    pub(in crate::commands) ended: Option<Timestamp>,
    #[serde(flatten)]
    pub(in crate::commands) outcome: Outcome,
    /// The users who would be selected, were they not exempt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::commands) exempted: Vec<Exempted>,
}

/// What came of an account.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub(in crate::commands) enum Outcome {
    /// It is as it should be.
    Unchanged,
    /// A run before has done it, and nobody has looked again.
    DoneBefore,
    /// This would be done.
    Planned { plan: Box<Plan> },
    /// This was done. Users can be among it whose rotation failed.
    Deployed { applied: Applied },
    /// This is how everything is doing.
    Looked { status: Box<StatusReport> },
    /// This was taken away, and this is left.
    TornDown { result: Box<TornDown> },
    /// A stack set would do this.
    InSet {
        #[serde(flatten)]
        change: Change,
    },
    /// This is how the stack of a stack set is doing; none when there is none.
    Instance { instance: Option<Instance> },
    /// The stack of a stack set was taken away, and these secrets stay.
    GivenUp { kept: Vec<String> },
    /// It failed.
    Failed { cause: String, hint: Option<String>, exit_code: u8 },
    /// It was done, but some time later something was wrong.
    Unsound { cause: String },
    /// It was not begun.
    NotReached,
    /// The fleet leaves it out.
    LeftOut {
        #[serde(flatten)]
        why: Why,
    },
}

/// Why a run did not reach all accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub(in crate::commands) enum Stopped {
    /// More accounts of a wave have failed than it tolerates.
    TooManyFailed { wave: usize, failed: usize },
    /// Ctrl-C.
    Interrupted,
    /// Somebody else has stopped the operation of the stack set.
    Elsewhere,
    /// It was to go no further.
    AsTold { wave: usize },
}

/// How many accounts there are of each kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(in crate::commands) struct Summary {
    pub(in crate::commands) done: usize,
    pub(in crate::commands) unchanged: usize,
    pub(in crate::commands) failed: usize,
    pub(in crate::commands) not_reached: usize,
    pub(in crate::commands) left_out: usize,
}

impl Outcome {
    /// What an error makes of an account.
    pub(super) fn failed(error: &Error) -> Self {
        Self::Failed { cause: told(error), hint: error.hint(), exit_code: error.exit() as u8 }
    }

    /// Whether it counts as a failure.
    pub(super) fn has_failed(&self) -> bool {
        match self {
            Self::Failed { .. } | Self::Unsound { .. } => true,
            Self::Deployed { applied } => !applied.rotations.iter().all(|rotation| rotation.has_succeeded()),
            Self::TornDown { result } => !result.is_clean(),
            Self::Unchanged
            | Self::DoneBefore
            | Self::Planned { .. }
            | Self::InSet { .. }
            | Self::Looked { .. }
            | Self::Instance { .. }
            | Self::GivenUp { .. }
            | Self::NotReached
            | Self::LeftOut { .. } => false,
        }
    }

    /// One word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            _ if self.has_failed() && !matches!(self, Self::Failed { .. } | Self::Unsound { .. }) => "incomplete",
            Self::Unchanged | Self::DoneBefore => "unchanged",
            Self::Planned { plan } if plan.steps.is_empty() => "unchanged",
            Self::InSet { change: Change::None } => "unchanged",
            Self::InSet { change: Change::Stuck { .. } } => "stuck",
            Self::Planned { .. } | Self::InSet { .. } => "changes",
            Self::Deployed { .. } => "deployed",
            Self::Looked { status } if status.wants_a_person() => "look",
            Self::Instance { instance } if !instance.as_ref().is_some_and(is_in_order) => "look",
            Self::Looked { .. } | Self::Instance { .. } => "in order",
            Self::TornDown { .. } | Self::GivenUp { .. } => "taken away",
            Self::Failed { .. } => "failed",
            Self::Unsound { .. } => "unsound",
            Self::NotReached => "not reached",
            Self::LeftOut { .. } => "left out",
        }
    }

    /// What else there is to say in one line.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Unchanged | Self::NotReached => String::new(),
            Self::DoneBefore => "by the run before".to_owned(),
            Self::Planned { plan } => planned(plan),
            Self::Deployed { applied } => deployed(applied),
            Self::Looked { status } => status.in_short(),
            Self::TornDown { result } => result.in_short(),
            Self::InSet { change } => in_set(change),
            Self::Instance { instance } => instance.as_ref().map_or_else(|| "it has no stack".to_owned(), of_instance),
            Self::GivenUp { kept } if kept.is_empty() => String::new(),
            Self::GivenUp { kept } => format!("kept: {}", kept.join(", ")),
            Self::Failed { cause, .. } | Self::Unsound { cause } => cause.clone(),
            Self::LeftOut { why } => why.to_string(),
        }
    }
}

impl AccountRow {
    /// An account of the only wave there is.
    pub(super) fn of(target: &Target, outcome: Outcome) -> Self {
        let (account, name, exempted) = (target.account.clone(), target.name.clone(), Vec::new());
        Self { account, name, wave: Some(1), began: None, ended: None, outcome, exempted }
    }

    /// Tells what came of it.
    pub(super) fn tell(&self, printer: &Printer) {
        printer.event("account", self);
        let (name, word, detail) = (&self.name, self.outcome.word(), self.outcome.detail());
        let name = if name.is_empty() { String::new() } else { format!(" {name}") };
        let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
        printer.say(format!("  {}{name}: {word}{detail}", self.account));
    }

    pub(super) fn left_out(LeftOut { account, name, why }: LeftOut) -> Self {
        let outcome = Outcome::LeftOut { why };
        Self { account, name, wave: None, began: None, ended: None, outcome, exempted: Vec::new() }
    }

    pub(super) fn took(&self) -> Option<Duration> {
        Duration::try_from(self.ended?.duration_since(self.began?)).ok()
    }
}

impl Summary {
    pub(super) fn of(accounts: &[AccountRow]) -> Self {
        let mut summary = Self::default();
        for row in accounts {
            let counted = match &row.outcome {
                outcome if outcome.has_failed() => &mut summary.failed,
                Outcome::NotReached => &mut summary.not_reached,
                Outcome::LeftOut { .. } => &mut summary.left_out,
                outcome if outcome.word() == "unchanged" => &mut summary.unchanged,
                _ => &mut summary.done,
            };
            *counted += 1;
        }
        summary
    }
}

impl FleetReport {
    /// The exit code.
    pub(in crate::commands) fn exit(&self, detailed: bool) -> Exit {
        let is_any = |word| self.accounts.iter().any(|row| row.outcome.word() == word);
        let changes_centrally = self.central == Some(CentralOutcome::Changes);
        match self.stopped {
            Some(Stopped::Interrupted) => Exit::Interrupted,
            Some(Stopped::TooManyFailed { .. } | Stopped::Elsewhere) => Exit::StackFailed,
            Some(Stopped::AsTold { .. }) | None if self.summary.failed > 0 => Exit::SomeFailed,
            Some(Stopped::AsTold { .. }) | None if detailed && (is_any("changes") || changes_centrally) => {
                Exit::Changes
            }
            Some(Stopped::AsTold { .. }) | None if detailed && is_any("look") => Exit::SomeFailed,
            Some(Stopped::AsTold { .. }) | None => Exit::Done,
        }
    }

    /// One line for each account: number, name, wave, outcome, begin, end, seconds, detail.
    pub(super) fn to_csv(&self) -> String {
        let mut text = "account,name,wave,outcome,began,ended,seconds,detail\n".to_owned();
        for row in &self.accounts {
            let moment = |moment: Option<Timestamp>| moment.map(|moment| moment.to_string()).unwrap_or_default();
            let fields = [
                row.account.to_string(),
                row.name.clone(),
                row.wave.map(|wave| wave.to_string()).unwrap_or_default(),
                row.outcome.word().to_owned(),
                moment(row.began),
                moment(row.ended),
                row.took().map(|took| took.as_secs().to_string()).unwrap_or_default(),
                row.outcome.detail(),
            ];
            let quoted: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
            text.push_str(&quoted.join(","));
            text.push('\n');
        }
        text
    }
}

/// A field of CSV (RFC 4180). What a spreadsheet would take for a formula gets a space before it.
fn quoted(field: &str) -> String {
    let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let space = if is_formula { " " } else { "" };
    format!("\"{space}{}\"", printable(field).replace('"', "\"\""))
}

/// An error in one line, with what has caused it.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    printable(&text).replace('\n', " ")
}

fn is_in_order(instance: &Instance) -> bool {
    instance.status == InstanceStatus::Current
}

fn in_set(change: &Change) -> String {
    match change {
        Change::Add => "gets its stack".to_owned(),
        Change::Update => "its stack is updated".to_owned(),
        Change::Mend => "its stack is brought to what it should have been".to_owned(),
        Change::None => String::new(),
        Change::Stuck { reason } => reason.clone().unwrap_or_default(),
    }
}

fn of_instance(Instance { status, detailed, reason, .. }: &Instance) -> String {
    let detailed = detailed.map(|detailed| format!(", {detailed}")).unwrap_or_default();
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{status}{detailed}{reason}")
}

fn planned(plan: &Plan) -> String {
    let stacks = plan.steps.iter().filter_map(|step| step.as_deployment());
    let changes: usize = stacks.clone().map(|stack| stack.changes.len()).sum();
    let names: Vec<String> = stacks.map(|stack| format!("`{}`", stack.stack)).collect();
    if names.is_empty() { String::new() } else { format!("{changes} resources in {}", names.join(", ")) }
}

fn deployed(applied: &Applied) -> String {
    let rotated = applied.rotations.iter().filter(|rotation| rotation.has_succeeded()).count();
    let mut parts = Vec::new();
    if !applied.stacks.is_empty() {
        let names: Vec<String> = applied.stacks.iter().map(|stack| format!("`{stack}`")).collect();
        parts.push(names.join(", "));
    }
    if rotated > 0 {
        parts.push(if rotated == 1 { "1 new key".to_owned() } else { format!("{rotated} new keys") });
    }
    for rotation in applied.rotations.iter().filter(|rotation| !rotation.has_succeeded()) {
        let why = match &rotation.outcome {
            RotationOutcome::Rotated { .. } => continue,
            RotationOutcome::Waiting { key, .. } => format!("waits for the key {key}"),
            RotationOutcome::Failed { reason } => reason.clone(),
        };
        parts.push(format!("{}: {why}", rotation.user));
    }
    parts.join("; ")
}

impl fmt::Display for FleetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["ACCOUNT", "NAME", "WAVE", "OUTCOME", "TOOK", "DETAIL"]);
        for row in &self.accounts {
            table.add([
                row.account.to_string(),
                printable(&row.name),
                row.wave.map_or("-".to_owned(), |wave| wave.to_string()),
                row.outcome.word().to_owned(),
                row.took().map_or("-".to_owned(), span),
                printable(&row.outcome.detail()),
            ]);
        }
        writeln!(f, "{table}")?;
        let Summary { done, unchanged, failed, not_reached, left_out } = self.summary;
        let parts = [
            (done, self.work),
            (unchanged, "unchanged"),
            (failed, "failed"),
            (not_reached, "not reached"),
            (left_out, "left out"),
        ];
        let parts: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        writeln!(f, "{} accounts: {}", self.accounts.len(), parts.join(", "))?;
        for row in &self.accounts {
            if let Outcome::Failed { hint: Some(hint), .. } = &row.outcome {
                writeln!(f, "{}: {}", row.account, printable(hint))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyFailed { wave, failed: 1 } => write!(f, "stopped: an account of wave {wave} has failed"),
            Self::TooManyFailed { wave, failed } => write!(f, "stopped: {failed} accounts of wave {wave} have failed"),
            Self::Interrupted => {
                f.write_str("interrupted: no further account was begun, and those that were are whole")
            }
            Self::Elsewhere => f.write_str("stopped: somebody has stopped the operation of the stack set"),
            Self::AsTold { wave } => write!(f, "stopped behind wave {wave}, as told"),
        }
    }
}
