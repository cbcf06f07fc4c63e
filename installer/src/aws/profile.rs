//! Whether a profile has its credentials from ourselves.

use std::collections::BTreeSet;

use aws_config::profile;
use aws_types::os_shim_internal::{Env, Fs};

/// Whether a profile, or one that it has its credentials from, runs `keyturn credentials` for them: that command would
/// then run itself without an end. A configuration that cannot be read is told by whoever needs it.
pub async fn is_served_by_keyturn(name: &str) -> bool {
    let Ok(profiles) = profile::load(&Fs::default(), &Env::default(), &Default::default(), None).await else {
        return false;
    };
    let (mut next, mut seen) = (Some(name), BTreeSet::new());
    while let Some(profile) = next.filter(|name| seen.insert(*name)).and_then(|name| profiles.get_profile(name)) {
        let command = profile.get("credential_process").unwrap_or_default();
        if command.contains("keyturn") && command.split_whitespace().any(|word| word == "credentials") {
            return true;
        }
        next = profile.get("source_profile");
    }
    false
}
