//! The question before anything is changed.

use std::io::{self, IsTerminal as _, Write as _};

use crate::names::printable;

/// Nobody said yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unconfirmed {
    /// The answer was no.
    #[error("declined, nothing was changed")]
    Declined,
    /// There is no terminal to ask on.
    #[error("this needs a confirmation, and there is no terminal to ask on")]
    NobodyToAsk,
}

/// Asks on the terminal.
///
/// # Errors
/// [`Unconfirmed`], unless the answer is `y` or `yes`.
pub(super) async fn ask(question: &str) -> Result<(), Unconfirmed> {
    if !io::stdin().is_terminal() {
        return Err(Unconfirmed::NobodyToAsk);
    }
    let question = format!("{} [y/N] ", printable(question));
    let read = move || {
        // Not locked: while this waits for an answer, others may have to say that it was interrupted.
        io::stderr().write_all(question.as_bytes())?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        io::Result::Ok(answer)
    };
    // Reading blocks, and Ctrl-C must be heard meanwhile. A terminal that cannot be read has not said yes.
    let answer = tokio::task::spawn_blocking(read).await.ok().and_then(Result::ok).unwrap_or_default();
    if is_yes(&answer) { Ok(()) } else { Err(Unconfirmed::Declined) }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes(" YES \n"));
        for no in ["", "\n", "n\n", "yeah\n", "y e s\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
