//! Any file as `keyturn.yaml`: it is a configuration that keeps its limits, or an error that a person can read.
#![no_main]

use installer::{config, names};
use libfuzzer_sys::fuzz_target;

mod common;

fuzz_target!(|bytes: &[u8]| {
    match config::read(&common::file("keyturn.yaml", bytes)) {
        Ok(config) => {
            assert!(config.users.len() <= 5_000 && config.settings.check().is_ok());
            let mut secrets = config.users.iter().map(|user| config.secret_name(&user.name));
            assert!(secrets.all(|secret| names::SecretName::new(secret.as_str()).is_ok()));
        }
        Err(error) => common::assert_readable(&error, error.hint()),
    }
});
