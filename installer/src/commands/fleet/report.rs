//! What came of a run over a fleet: for people a table, for machines everything, also as CSV.

mod outcome;

use std::fmt;
use std::time::Duration;

use contract::AccountId;
use jiff::Timestamp;
use serde::Serialize;

pub(in crate::commands) use self::outcome::Outcome;
pub(super) use self::outcome::{Unread, told};
use super::central::CentralOutcome;
use super::rehearsal::Injected;
use crate::error::Exit;
use crate::fleet::selection::Exempted;
use crate::fleet::stack_sets::Plan as StackSetPlan;
use crate::fleet::targets::{LeftOut, Target};
use crate::names::printable;
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
            if let Some(hint) = row.outcome.hint() {
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
