//! The functions that the accounts of a fleet need, each built or read once.

use std::collections::BTreeMap;
use std::path::Path;

use crate::artifact::Artifact;
use crate::commands::pipeline;
use crate::config::Architecture;
use crate::error::Error;
use crate::fleet::targets::Target;
use crate::session::Session;

/// A function for each architecture that is asked for.
#[derive(Debug, Default)]
pub(super) struct Functions(BTreeMap<&'static str, Artifact>);

impl Functions {
    /// Takes or builds what `targets` need.
    pub(super) async fn take(session: &Session, targets: &[Target], prebuilt: Option<&Path>) -> Result<Self, Error> {
        let mut functions = BTreeMap::new();
        for target in targets {
            let config = &target.wanted.config;
            let architecture = config.function.architecture.as_str();
            if !functions.contains_key(architecture) {
                functions.insert(architecture, pipeline::artifact(session, config, prebuilt).await?);
            }
        }
        Ok(Self(functions))
    }

    /// What tells these functions from others.
    pub(super) fn names(&self) -> String {
        self.0.values().map(Artifact::object_key).collect::<Vec<_>>().join(" ")
    }

    /// Any of them.
    pub(super) fn any(&self) -> Option<&Artifact> {
        self.0.values().next()
    }

    /// The function for an architecture.
    /// None for one that no target asks for.
    pub(super) fn of(&self, architecture: Architecture) -> Option<&Artifact> {
        self.0.get(architecture.as_str())
    }
}
