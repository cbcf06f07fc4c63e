//! Answers that come in pages: reading them comes to an end, whoever answers.
//!
//! Where the same token comes twice, the SDK would take what it has for everything. Nobody must go on as if there were no
//! more secrets or keys, so every list here is read with `stop_on_duplicate_token(false)`.

use super::CallError;

/// More than there are of anything: an account may have 500,000 secrets (Secrets Manager quotas), and a page has 100.
const MOST_PAGES: usize = 10_000;

/// The pages of one answer that were read so far.
#[derive(Debug)]
pub(super) struct Pages {
    operation: &'static str,
    read: usize,
}

impl Pages {
    /// None yet, of this operation.
    pub(super) fn of(operation: &'static str) -> Self {
        Self { operation, read: 0 }
    }

    /// Counts a page.
    ///
    /// # Errors
    /// [`CallError::NoAnswer`] when there are too many.
    pub(super) fn one_more(&mut self) -> Result<(), CallError> {
        self.read += 1;
        let (operation, cause) = (self.operation, format!("the answer does not end after {MOST_PAGES} pages"));
        if self.read > MOST_PAGES { Err(CallError::NoAnswer { operation, cause }) } else { Ok(()) }
    }
}
