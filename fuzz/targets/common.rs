//! What the targets share that read a file: where it is, and what an error about it must be like.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs, process};

/// Longer than any error that shows the first characters of what somebody wrote, with its cause and its hint.
const LONGEST_ERROR: usize = 2_500;

/// A file of this process that holds `bytes`.
#[allow(dead_code, reason = "not every parser reads a file")]
pub(crate) fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = env::temp_dir().join(format!("keyturn-fuzz-{}-{name}", process::id()));
    fs::write(&path, bytes).expect("the directory for temporary files can be written to");
    path
}

/// An error is short, and shows nothing that a terminal would take for an order.
pub(crate) fn assert_readable(error: &dyn Error, hint: impl ToString) {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let shown = format!("{error}: {cause}\n{}", hint.to_string());
    assert!(shown.len() <= LONGEST_ERROR, "{} bytes", shown.len());
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
}
