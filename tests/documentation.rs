//! What the documents say of the tests and of the reasons to stand still is true.

#![expect(clippy::unwrap_used, reason = "what the test calls fails like the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The page that tells every reason.
const PROMISES: &str = include_str!("../docs/promises.md");

/// The pages that name tests.
const NAMING: [&str; 2] = [PROMISES, include_str!("../docs/threat-model.md")];

#[test]
fn every_test_that_is_named_exists() {
    let tests = tests();
    let words = NAMING.iter().flat_map(|page| page.split('`').skip(1).step_by(2));
    let named: BTreeSet<&str> = words.filter(|word| is_name_of_a_test(word)).collect();
    assert!(named.len() >= 80, "hardly any name was found: {named:?}");
    let missing: Vec<&&str> = named.iter().filter(|name| !tests.contains(**name)).collect();
    assert!(missing.is_empty(), "no test has these names: {missing:?}");
}

#[test]
fn every_reason_to_stand_still_is_told() {
    for (name, meaning) in contract::blocked::REASONS {
        let row = format!("| `{name}` | {meaning} |\n");
        assert!(PROMISES.contains(&row), "docs/promises.md should have the row {row}");
    }
}

/// Names of tests are sentences; what else stands in code style has fewer words, or is a reason.
fn is_name_of_a_test(word: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_sentence = word.matches('_').count() >= 2 && word.chars().all(is_word);
    is_sentence && contract::blocked::meaning(word).is_none()
}

/// The names of all functions that are tests.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["contract", "rotator", "installer", "sandbox", "tests"];
    let files = folders.iter().flat_map(|folder| sources(&root.join(folder)));
    files.flat_map(|file| tests_in(&fs::read_to_string(file).unwrap())).collect()
}

fn tests_in(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test && !line.starts_with('#')) else { continue };
        names.extend(rest.split('(').next().map(str::to_owned));
        is_test = false;
    }
    names
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    entries.flat_map(below).filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect()
}
