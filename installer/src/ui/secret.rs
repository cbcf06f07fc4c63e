//! A question whose answer is not shown while it is typed.

use std::io::{self, IsTerminal as _, Write as _};

use contract::SecretText;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Unconfirmed;

/// Asks on the terminal. Whoever gives up waiting gets the terminal back as it was.
///
/// # Errors
/// [`Unconfirmed::NobodyToAsk`].
pub async fn ask_secret(question: &str) -> Result<SecretText, Unconfirmed> {
    if !io::stdin().is_terminal() {
        return Err(Unconfirmed::NobodyToAsk);
    }
    let _silence = Silence::begin().map_err(|_| Unconfirmed::NobodyToAsk)?;
    let question = crate::names::printable(question);
    let read = move || {
        io::stderr().write_all(question.as_bytes())?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        // The end of the line was not shown either.
        io::stderr().write_all(b"\n")?;
        let secret = SecretText::new(answer.trim());
        io::Result::Ok(secret)
    };
    // Reading blocks, and Ctrl-C must be heard meanwhile.
    let answer = tokio::task::spawn_blocking(read).await.ok().and_then(Result::ok);
    answer.ok_or(Unconfirmed::NobodyToAsk)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing more.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
