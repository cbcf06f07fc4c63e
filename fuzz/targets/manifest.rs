//! Any file as `fleet.yaml`: it is a fleet that says for each of its accounts what is wanted there, or an error that a
//! person can read.
#![no_main]

use std::collections::BTreeSet;

use contract::Enrolment;
use installer::fleet;
use libfuzzer_sys::fuzz_target;

mod common;

fuzz_target!(|bytes: &[u8]| {
    let path = common::file("fleet.yaml", bytes);
    match fleet::read(&path) {
        Ok(fleet) => {
            assert!(!fleet.waves.is_empty() && fleet.at_once > 0);
            let accounts: BTreeSet<_> = fleet.accounts.iter().map(|(account, _)| account).collect();
            assert_eq!(accounts.len(), fleet.accounts.len(), "an account is there twice");
        }
        Err(error) => common::assert_readable(&error, error.hint()),
    }
    match fleet::read_enrolling(&path) {
        Ok((_, enrolment)) => {
            // Whoever is exempt in the file is exempt in the function.
            let environment = enrolment.to_environment();
            let variable =
                |asked: &str| environment.iter().find(|(name, _)| *name == asked).map(|(_, value)| value.clone());
            assert!(Enrolment::read(variable).is_ok_and(|read| read == Some(enrolment.clone())));
        }
        Err(error) => common::assert_readable(&error, error.hint()),
    }
});
