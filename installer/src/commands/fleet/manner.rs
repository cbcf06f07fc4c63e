//! How a run over a fleet is done, as a command line says it.

use std::path::PathBuf;

use crate::cli::{Command, Over};
use crate::plan::Options;

/// How a run over a fleet is done, beside what is done.
#[derive(Debug, Clone, Default)]
pub(in crate::commands) struct Manner {
    /// A function that was built before.
    pub(in crate::commands) artifact: Option<PathBuf>,
    /// Where the journal is; beside the fleet's file when nobody says.
    pub(in crate::commands) journal: Option<PathBuf>,
    /// Whether it goes on with the last run.
    pub(in crate::commands) resume: bool,
    /// The last wave that is begun.
    pub(in crate::commands) last_wave: Option<usize>,
    /// Whether the exit code says that there is something to do, or to look at.
    pub(in crate::commands) detailed_exitcode: bool,
    /// Whether what was changed past CloudFormation is looked for, and whether stacks are deployed in express mode.
    pub(in crate::commands) options: Options,
    /// Files for the report.
    pub(in crate::commands) csv: Option<PathBuf>,
    pub(in crate::commands) html: Option<PathBuf>,
}

impl Manner {
    /// What a command line says of it.
    pub(in crate::commands) fn of(command: &Command) -> Self {
        match command.clone() {
            Command::Rollout { artifact, resume, waves, journal, drift, express, csv, html, .. } => {
                let (last_wave, options) = (waves.map(usize::from), Options { drift, express });
                Self { artifact, journal, resume, last_wave, options, csv, html, ..Self::default() }
            }
            Command::Plan { target, over, detailed_exitcode, drift, express, .. } => {
                let (artifact, Over { csv, html, .. }) = (target.artifact, over);
                let options = Options { drift, express };
                Self { artifact, detailed_exitcode, options, csv, html, ..Self::default() }
            }
            Command::Status { over: Over { csv, html, .. }, detailed_exitcode, drift } => {
                let options = Options { drift, express: false };
                Self { detailed_exitcode, options, csv, html, ..Self::default() }
            }
            Command::Teardown { over: Over { csv, html, .. }, journal, .. } => {
                Self { journal, csv, html, ..Self::default() }
            }
            _ => Self::default(),
        }
    }
}
