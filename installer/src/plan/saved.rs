//! A plan in a file: somebody looks at it, and later exactly that is done, or nothing.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::{Plan, Step};

/// The version of the file.
const SCHEMA: &str = "keyturn-plan/1";

/// In bytes. A plan for 5,000 users has about 5 million.
const LARGEST: u64 = 64 * 1024 * 1024;

/// What is in the file.
#[derive(Serialize, Deserialize)]
struct Saved {
    schema: String,
    /// Whether drift was looked for: whoever does what the plan says looks again.
    #[serde(default)]
    drift: bool,
    /// Whether stacks are deployed in express mode.
    #[serde(default)]
    express: bool,
    /// Of everything that would be done.
    digest: String,
    /// For whoever looks at it. What it says is done is what is compared.
    plan: Json,
}

/// Why a plan is not executed.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// The file cannot be written.
    #[error("could not write the plan to {}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be read.
    #[error("could not read the plan in {}", path.display())]
    Read {
        /// Where from.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{} is no plan that this keyturn has written", path.display())]
    NoPlan {
        /// Where from.
        path: PathBuf,
    },
    /// Something else is to be done by now.
    #[error("the plan in {} is not what would be done now", path.display())]
    Outdated {
        /// Where from.
        path: PathBuf,
    },
}

impl SavedPlanError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Write { .. } => "choose another place for it",
            Self::Read { .. } => "`keyturn plan --out FILE` writes one",
            Self::NoPlan { .. } => "write it again with `keyturn plan --out FILE`",
            Self::Outdated { .. } => {
                "the account, the configuration, the function or the arguments have changed since; nothing was done; look at a new plan with `keyturn plan --out FILE`"
            }
        }
    }
}

/// Writes a plan to a file.
///
/// # Errors
/// [`SavedPlanError::Write`].
pub fn save(plan: &Plan, how: Options, path: &Path) -> Result<(), SavedPlanError> {
    let write = || {
        let (schema, digest, plan) = (SCHEMA.to_owned(), digest(plan), serde_json::to_value(plan)?);
        let Options { drift, express } = how;
        let saved = Saved { schema, drift, express, digest, plan };
        let mut file = File::create(path)?;
        serde_json::to_writer_pretty(&mut file, &saved)?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(|source| SavedPlanError::Write { path: path.to_owned(), source })
}

/// How a plan comes about, and how it is executed: a plan that is kept says it itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether drift is looked for.
    pub drift: bool,
    /// Whether stacks are deployed in express mode.
    pub express: bool,
}

/// How the plan in a file came about.
///
/// # Errors
/// [`SavedPlanError`].
pub fn saved_options(path: &Path) -> Result<Options, SavedPlanError> {
    read(path).map(|Saved { drift, express, .. }| Options { drift, express })
}

/// Checks that what is to be done now is what the plan in a file says.
///
/// # Errors
/// [`SavedPlanError`].
pub fn check_saved(plan: &Plan, path: &Path) -> Result<(), SavedPlanError> {
    let (saved, now) = (read(path)?, serde_json::to_value(plan).unwrap_or_default());
    // Somebody may have agreed to what is written there, whatever the digest is of.
    let is_as_shown = ["region", "bucket", "steps"].iter().all(|field| saved.plan.get(field) == now.get(field));
    let is_same = is_as_shown && saved.digest == digest(plan);
    if is_same { Ok(()) } else { Err(SavedPlanError::Outdated { path: path.to_owned() }) }
}

fn read(path: &Path) -> Result<Saved, SavedPlanError> {
    let path = path.to_owned();
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
    match read {
        Err(source) => Err(SavedPlanError::Read { path, source }),
        Ok(_) => match serde_json::from_str::<Saved>(&text) {
            Ok(saved) if saved.schema == SCHEMA => Ok(saved),
            _ => Err(SavedPlanError::NoPlan { path }),
        },
    }
}

/// What names a plan among others: everything that it would do, whoever does it and whenever.
fn digest(plan: &Plan) -> String {
    let mut sha256 = Sha256::new();
    let mut add = |text: &str| {
        // With its length, so that nothing can move from one text to the next.
        sha256.update(text.len().to_be_bytes());
        sha256.update(text);
    };
    [plan.caller.account.as_str(), plan.region.as_str(), &plan.bucket].into_iter().for_each(&mut add);
    for step in &plan.steps {
        add(&step.to_string());
        if let Step::DeployArtifacts(deployment) | Step::DeployCell(deployment) = step {
            add(&deployment.template);
            deployment.tags.iter().for_each(|(key, value)| [key, value].into_iter().for_each(|text| add(text)));
        }
    }
    sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{bootstrapped, config, decide, untouched};

    #[test]
    fn a_plan_is_recognized_as_long_as_it_would_do_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.json");
        let config = config(&["alice", "bob"]);
        let plan = decide(&config, &untouched(&config)).unwrap();
        save(&plan, Options::default(), &path).unwrap();
        check_saved(&plan, &path).unwrap();
        // Later, and by somebody else.
        let mut later = untouched(&config);
        later.now += std::time::Duration::from_secs(86_400);
        later.caller.arn = "arn:aws:iam::111122223333:user/somebody-else".to_owned();
        check_saved(&decide(&config, &later).unwrap(), &path).unwrap();
        // Somebody makes it look like less.
        let kept = std::fs::read_to_string(&path).unwrap();
        let mut shown: Json = serde_json::from_str(&kept).unwrap();
        shown["plan"]["steps"].as_array_mut().unwrap().pop();
        std::fs::write(&path, shown.to_string()).unwrap();
        assert!(matches!(check_saved(&plan, &path), Err(SavedPlanError::Outdated { .. })));
        std::fs::write(&path, kept).unwrap();
        let outdated = |plan: &Plan| matches!(check_saved(plan, &path), Err(SavedPlanError::Outdated { .. }));
        assert!(outdated(&decide(&config, &bootstrapped(&config)).unwrap()));
        let mut other = config.clone();
        other.function.memory_mib += 1;
        assert!(outdated(&decide(&other, &untouched(&other)).unwrap()), "what would be made is another thing");
        other = config.clone();
        other.tags.insert("team".to_owned(), "blue".to_owned());
        assert!(outdated(&decide(&other, &untouched(&other)).unwrap()));
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.json");
        let config = config(&["alice"]);
        let plan = decide(&config, &untouched(&config)).unwrap();
        assert!(matches!(check_saved(&plan, &path), Err(SavedPlanError::Read { .. })));
        for text in ["", "{}", "hunter2", "{\"schema\": \"keyturn-plan/2\", \"digest\": \"\", \"plan\": {}}"] {
            std::fs::write(&path, text).unwrap();
            let error = check_saved(&plan, &path).unwrap_err();
            assert!(matches!(error, SavedPlanError::NoPlan { .. }) && !error.to_string().contains("hunter2"), "{text}");
        }
        let nowhere = directory.path().join("missing/plan.json");
        assert!(matches!(save(&plan, Options::default(), &nowhere), Err(SavedPlanError::Write { .. })));
    }
}
