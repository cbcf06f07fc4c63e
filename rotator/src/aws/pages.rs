//! Answers that come in pages: reading them comes to an end, whoever answers.

use crate::error::CallError;

/// More than there are of what one user has: two keys, and about a hundred versions of a secret (quotas of IAM and of Secrets
/// Manager).
pub(super) const OF_A_USER: usize = 100;

/// More than there are of what an account has: 500,000 secrets, a hundred to a page (Secrets Manager quotas).
pub(super) const OF_AN_ACCOUNT: usize = 10_000;

/// The pages of one answer that were read so far.
#[derive(Debug)]
pub(super) struct Pages {
    operation: &'static str,
    read: usize,
    most: usize,
}

impl Pages {
    /// None yet, of this operation, and at most so many.
    pub(super) fn of(operation: &'static str, most: usize) -> Self {
        Self { operation, read: 0, most }
    }

    /// Counts a page. Too many are an error: nobody must go on as if there were no more (R5).
    pub(super) fn one_more(&mut self) -> Result<(), CallError> {
        self.read += 1;
        if self.read <= self.most {
            return Ok(());
        }
        let code = format!("the answer does not end after {} pages", self.most);
        let (message, request) = (String::new(), String::new());
        Err(CallError { operation: self.operation, code, message, request, definite: true })
    }
}
