//! One printer for everything: the result goes to stdout, as text or as one JSON document; the rest to stderr.

mod interrupts;
mod progress;
mod question;
mod secret;
mod table;
mod times;

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

pub use interrupts::{Interrupted, Interrupts};
pub use progress::Progress;
pub use question::Unconfirmed;
pub use secret::ask_secret;
pub use table::Table;
pub use times::{age, date, span};

/// The version of the JSON documents. It changes when a field changes its meaning or goes away.
const SCHEMA: &str = "keyturn/1";

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document: `{"schema": "keyturn/1", "command": "…", …}`.
    Json,
}

/// The way to stdout and stderr.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    format: Format,
    /// Every question is answered with yes.
    yes: bool,
}

/// The frame of every JSON document.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: &'static str,
    command: &'a str,
    #[serde(flatten)]
    result: &'a T,
}

impl Printer {
    /// A printer; with `yes` it asks nothing.
    pub fn new(format: Format, yes: bool) -> Self {
        Self { format, yes }
    }

    /// Prints the result of a command; the only thing that goes to stdout.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub fn result<T: Serialize + Display>(&self, command: &str, result: &T) -> io::Result<()> {
        let text = match self.format {
            Format::Text => result.to_string(),
            Format::Json => serde_json::to_string_pretty(&Document { schema: SCHEMA, command, result })?,
        };
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", text.trim_end_matches('\n'))?;
        stdout.flush()
    }

    /// Says something to whoever watches.
    pub fn say(&self, text: impl Display) {
        to_stderr(&text.to_string());
    }

    /// Opens a progress display for one piece of work; `title` says which.
    pub fn progress(&self, title: &str) -> Progress {
        Progress::begin(title, io::stderr().is_terminal())
    }

    /// Asks a question that must be answered with yes to go on.
    ///
    /// # Errors
    /// [`Unconfirmed`] when it is answered with anything else, or there is nobody to ask.
    pub async fn confirm(&self, question: &str) -> Result<(), Unconfirmed> {
        if self.yes { Ok(()) } else { question::ask(question).await }
    }
}

/// Writes to stderr. If nobody can read it any more, there is nobody to tell.
fn to_stderr(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
