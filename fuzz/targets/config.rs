//! Any text as `keyturn.yaml`: it is a configuration that keeps its limits, or an error that a person can read.
#![no_main]

use std::error::Error as _;
use std::path::Path;

use libfuzzer_sys::fuzz_target;

/// The library brings the AWS SDK along, so its parser is taken in as source.
#[path = "../../installer/src"]
#[allow(dead_code, unused_imports, reason = "the installer uses all of it")]
mod installer {
    pub(crate) mod config;
    pub(crate) mod names;
}

use installer::{config, names};

/// Longer than any error that shows the first characters of what somebody wrote, with its cause and its hint.
const LONGEST_ERROR: usize = 2_500;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match config::parse(Path::new("keyturn.yaml"), text) {
        Ok(config) => {
            assert!(config.users.len() <= 5_000 && config.settings.check().is_ok());
            let mut secrets = config.users.iter().map(|user| config.secret_name(&user.name));
            assert!(secrets.all(|secret| names::SecretName::new(secret.as_str()).is_ok()));
        }
        Err(error) => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            let shown = format!("{error}: {cause}\n{}", error.hint());
            assert!(shown.len() <= LONGEST_ERROR, "{} bytes", shown.len());
            assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
        }
    }
});
