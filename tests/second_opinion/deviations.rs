//! What an emulator is known to do otherwise than AWS, read from `deviations.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The steps that are expected to fail.
#[derive(Debug)]
pub(crate) struct Deviations(Vec<Listed>);

/// A step that fails in an emulator.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The deviation it fails by.
    pub(crate) name: String,
    /// What the step is called.
    pub(crate) step: String,
    /// A part of what it fails with.
    pub(crate) says: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviation {
    name: String,
    aws: String,
    source: String,
    emulator: String,
    #[serde(default)]
    mended: bool,
    fails: Option<Fails>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fails {
    step: String,
    says: String,
}

impl Deviations {
    /// AWS and the sandbox do what AWS does.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Those of an emulator.
    pub(crate) fn of(emulator: &str) -> Self {
        let mut all: BTreeMap<String, Vec<Deviation>> =
            serde_yaml::from_str(include_str!("deviations.yaml")).expect("deviations.yaml can be read");
        let deviations = all.remove(emulator).expect("deviations.yaml knows the emulator");
        let listed = deviations.into_iter().filter_map(|deviation| {
            let Deviation { name, aws, source, emulator, mended, fails } = deviation;
            assert!(!aws.is_empty() && source.starts_with("https://docs.aws.amazon.com/") && !emulator.is_empty());
            assert_ne!(mended, fails.is_some(), "{name} is either mended or seen in a step");
            fails.map(|Fails { step, says }| Listed { name, step, says })
        });
        Self(listed.collect())
    }

    /// Takes what is listed for a step.
    pub(crate) fn take(&mut self, step: &str) -> Option<Listed> {
        let at = self.0.iter().position(|listed| listed.step == step)?;
        Some(self.0.remove(at))
    }

    /// What no step has taken.
    pub(crate) fn left(&self) -> impl Iterator<Item = &Listed> {
        self.0.iter()
    }
}
