//! Any text as the template of a stack that is there: what keyturn reads of it is told, or an error that a person can read.
#![no_main]

use installer::template::Template;
use libfuzzer_sys::fuzz_target;

mod common;

/// YAML's own limit; nothing in a template of ours comes near it.
const LONGEST_KEY: usize = 1_024;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Template::parse(text) {
        Ok(template) => {
            let _ = (template.resources(), template.code(), template.organization(), template.enrols());
            // What is compared with what is wanted is the same after it was written and read once more.
            let written = template.to_text();
            if written.lines().all(|line| line.len() < LONGEST_KEY) {
                let again = Template::parse(&written).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(again.to_text(), written);
            }
        }
        Err(error) => common::assert_readable(&error, ""),
    }
});
