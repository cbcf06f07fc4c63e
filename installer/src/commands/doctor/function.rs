//! Whether there is a function to deploy: one that is named or embedded and would run, or all that is needed to build it.

use std::path::Path;

use super::report::{Check, Finding, with_causes};
use crate::artifact::{self, Origin};
use crate::config::Architecture;

pub(super) async fn findings(architecture: Architecture, prebuilt: Option<&Path>) -> [Finding; 1] {
    [finding(Origin::of(prebuilt, architecture), architecture).await]
}

/// What is to be said of a function from there. Whoever has one needs no compiler.
async fn finding(origin: Origin<'_>, architecture: Architecture) -> Finding {
    let found = match origin {
        Origin::File(path) => artifact::read(path, architecture)
            .map(|artifact| format!("the function `{}` runs on {architecture}: {}", path.display(), artifact.sha256)),
        Origin::Embedded(_) => (origin.take(architecture).await)
            .map(|artifact| format!("the function for {architecture} is in this keyturn: {}", artifact.sha256)),
        Origin::Sources => artifact::can_build(architecture)
            .await
            .map(|()| format!("the function can be built for {architecture}: sources, cargo and the target are there")),
    };
    match found {
        Ok(what) => Finding::ok(Check::Function, what),
        Err(error) => Finding::problem(Check::Function, with_causes(&error), error.hint()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::report::State;

    const HOST: Architecture = if cfg!(target_arch = "x86_64") { Architecture::X86_64 } else { Architecture::Arm64 };

    #[tokio::test]
    async fn a_function_that_is_embedded_needs_no_compiler() {
        // The start of this test's own executable, without program headers and sections.
        let mut executable = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        executable.truncate(64);
        executable[32..48].fill(0);
        executable[56..64].fill(0);
        let found = finding(Origin::Embedded(&executable), HOST).await;
        assert_eq!(found.state, State::Ok, "{found:?}");
        assert!(found.what.starts_with(&format!("the function for {HOST} is in this keyturn: ")), "{found:?}");
        let broken = finding(Origin::Embedded(b"#!/bin/sh\n"), HOST).await;
        assert!(broken.state == State::Problem && broken.what.contains("ELF"), "{broken:?}");
    }
}
