//! A string that must never be seen: it cannot be printed, and its memory is wiped when it is dropped.

use std::fmt;

use zeroize::Zeroizing;

/// Secret material: a secret access key, or a whole secret document.
///
/// It has no `Display`, its `Debug` says `[redacted]`, and it implements no `serde` trait. [`SecretText::expose`]
/// is the only way to the text, so a search for that word finds every use.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes ownership of secret material.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret material itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_text() {
        let shown = format!("{:?}", SecretText::new("hunter2"));
        assert_eq!(shown, "[redacted]");
    }
}
