//! One printer for everything: the result goes to stdout, as text, as one JSON document, or as the last of a stream of
//! them; the rest to stderr. `docs/output.md` says what is in these documents.

mod interrupts;
mod progress;
mod question;
mod secret;
mod table;
mod times;

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use contract::{AccountId, SecretText};
use serde::Serialize;

use crate::error::Error;
use crate::names::{printable, printable_json};

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
    /// One JSON document a line, as things happen: first the version, last the result or the error.
    Ndjson,
}

/// The way to stdout and stderr.
#[derive(Debug, Clone)]
pub struct Printer {
    format: Format,
    /// Every question is answered with yes.
    yes: bool,
    /// The account that all of it is about, where many are worked on at the same time: then machines are told what
    /// happens in it, and people only what came of it.
    within: Option<AccountId>,
}

/// The frame of every line of a stream.
#[derive(Serialize)]
struct Line<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a AccountId>,
    #[serde(flatten)]
    content: T,
}

/// The first line of a stream.
#[derive(Serialize)]
struct Version {
    schema: &'static str,
    keyturn: &'static str,
}

/// The last line of a stream, when a command did not come to its end.
#[derive(Serialize)]
struct Failure {
    message: String,
    hint: Option<String>,
    exit_code: u8,
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
        Self { format, yes, within: None }
    }

    /// The same, but nobody is asked anything.
    pub fn agreeing(&self) -> Self {
        Self { yes: true, ..self.clone() }
    }

    /// The same for one of many accounts. Nobody is asked anything there.
    pub fn within(&self, account: &AccountId) -> Self {
        Self { within: Some(account.clone()), ..self.clone() }
    }

    /// Prints the result of a command; the only thing that goes to stdout.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub fn result<T: Serialize + Display>(&self, command: &str, result: &T) -> io::Result<()> {
        let document = Document { schema: SCHEMA, command, result };
        let text = match self.format {
            Format::Text => printable(&result.to_string()),
            Format::Json => printable_json(&serde_json::to_string_pretty(&document)?),
            Format::Ndjson => {
                printable_json(&serde_json::to_string(&Line { kind: "result", account: None, content: document })?)
            }
        };
        let mut stdout = io::stdout().lock();
        unless_closed(writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush()))
    }

    /// Prints what nobody may see to whatever program reads stdout.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub fn secret(&self, text: &SecretText) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.expose().as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()
    }

    /// Prints a text whose form another program prescribes, in every format.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub fn text(&self, text: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        unless_closed(stdout.write_all(text).and_then(|()| stdout.flush()))
    }

    /// Begins a stream, if that is how the result is printed.
    pub fn begin(&self) {
        self.event("version", Version { schema: SCHEMA, keyturn: env!("CARGO_PKG_VERSION") });
    }

    /// Tells a machine what happens, if it wants a stream.
    pub fn event<T: Serialize>(&self, kind: &str, content: T) {
        if self.format != Format::Ndjson {
            return;
        }
        if let Ok(line) = serde_json::to_string(&Line { kind, account: self.within.as_ref(), content }) {
            let mut stdout = io::stdout().lock();
            // Whoever closes the stream does not want the rest of it; what is under way goes on.
            let _ = writeln!(stdout, "{}", printable_json(&line)).and_then(|()| stdout.flush());
        }
    }

    /// Says why a command did not come to its end.
    pub fn error(&self, error: &Error) {
        let (message, exit_code) = (error.to_string(), error.exit() as u8);
        self.event("error", Failure { message: printable(&message), hint: error.hint(), exit_code });
        self.say(error.render());
    }

    /// Says something to whoever watches.
    pub fn say(&self, text: impl Display) {
        if self.within.is_some() {
            return;
        }
        to_stderr(&text.to_string());
    }

    /// Opens a progress display for one piece of work; `title` says which.
    pub fn progress(&self, title: &str) -> Progress {
        match self.within {
            Some(_) => Progress::silent(),
            None => Progress::begin(title, io::stderr().is_terminal()),
        }
    }

    /// Asks a question that must be answered with yes to go on.
    ///
    /// # Errors
    /// [`Unconfirmed`] when it is answered with anything else, or there is nobody to ask.
    pub async fn confirm(&self, question: &str) -> Result<(), Unconfirmed> {
        if self.yes || self.within.is_some() { Ok(()) } else { question::ask(question).await }
    }

    /// Asks about something that nobody could know when `--yes` was given, so that it does not count here.
    ///
    /// # Errors
    /// [`Unconfirmed`].
    pub async fn confirm_anew(&self, question: &str) -> Result<(), Unconfirmed> {
        match self.within {
            Some(_) => Err(Unconfirmed::NobodyToAsk),
            None => question::ask(question).await,
        }
    }
}

/// Whoever closes the pipe, as `head` does, has read enough: the command ends as it would have.
fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    written.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

/// Writes to stderr, without what a terminal would obey: parts of it come from AWS, and from whoever wrote there. If nobody
/// can read it any more, there is nobody to tell.
fn to_stderr(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(text));
}
