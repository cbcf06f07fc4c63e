//! Whether there is a function to deploy: one that was built before and would run, or all that is needed to build it.

use std::path::Path;

use super::report::{Check, Finding, with_causes};
use crate::artifact;
use crate::config::Architecture;

pub(super) async fn findings(architecture: Architecture, prebuilt: Option<&Path>) -> [Finding; 1] {
    let found = match prebuilt {
        Some(path) => artifact::read(path, architecture)
            .map(|artifact| format!("the function `{}` runs on {architecture}: {}", path.display(), artifact.sha256)),
        None => artifact::can_build(architecture)
            .await
            .map(|()| format!("the function can be built for {architecture}: sources, cargo and the target are there")),
    };
    [match found {
        Ok(what) => Finding::ok(Check::Function, what),
        Err(error) => Finding::problem(Check::Function, with_causes(&error), error.hint()),
    }]
}
