//! Any text as the environment that tells the function whom to enrol: it is read or refused, and what was read is
//! written as it was.
//!
//! A line of the input is a variable: its name, an equals sign, its value.
#![no_main]

use contract::Enrolment;
use libfuzzer_sys::fuzz_target;

/// Longer than any error that names the variable and nothing else.
const LONGEST_ERROR: usize = 120;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let variable = |asked: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(name, _)| *name == asked).map(|(_, value)| value.to_owned())
    };
    match Enrolment::read(variable) {
        Ok(None) => {}
        Ok(Some(enrolment)) => {
            let written = enrolment.to_environment();
            let again = Enrolment::read(|asked| {
                written.iter().find(|(name, _)| *name == asked).map(|(_, value)| value.clone())
            });
            assert!(again == Ok(Some(enrolment)), "it does not read back");
        }
        Err(error) => assert!(error.to_string().len() <= LONGEST_ERROR, "{error}"),
    }
});
