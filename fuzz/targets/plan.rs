//! Any file as a plan that was kept: it says how it came about, or an error that a person can read says why not.
#![no_main]

use installer::plan;
use libfuzzer_sys::fuzz_target;

mod common;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = plan::saved_options(&common::file("plan.json", bytes)) {
        common::assert_readable(&error, error.hint());
    }
});
