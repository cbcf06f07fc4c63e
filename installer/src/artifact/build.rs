//! Builds the function from the workspace, for the processor it will run on.
//!
//! From the one that this program was built in, and no other. Building runs what stands in the sources, so a `keyturn` that
//! is started in a directory of somebody else's must not take that for its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::{Artifact, ArtifactError};
use crate::config::Architecture;

/// The workspace that this program was built in.
const BUILT_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The oldest C library that a cross-built function is linked against: that of `provided.al2023`.
const TARGET_GLIBC: &str = "2.34";

/// Builds the function. What the compiler says goes to stderr.
///
/// # Errors
/// [`ArtifactError`] when there is no workspace, when the build fails, or when the result would not run in Lambda.
pub(super) async fn build(architecture: Architecture) -> Result<Artifact, ArtifactError> {
    let workspace = sources()?;
    let executable = compile(&workspace, architecture).await?;
    super::read(&executable, architecture)
}

/// Whether all that building needs is there; nothing is compiled.
///
/// # Errors
/// [`ArtifactError`] names what is not.
pub async fn can_build(architecture: Architecture) -> Result<(), ArtifactError> {
    let workspace = sources()?;
    if is_native(architecture) {
        let quiet = Command::new("cargo").arg("--version").current_dir(&workspace).stdin(Stdio::null()).output().await;
        let is_there = quiet.map_err(ArtifactError::NoCargo)?.status.success();
        return if is_there { Ok(()) } else { Err(ArtifactError::BuildFailed) };
    }
    find_zigbuild(&workspace).await?;
    let target = format!("{}-unknown-linux-gnu", processor(architecture));
    let mut rustc = Command::new("rustc");
    let quiet = rustc.args(["--print", "target-libdir", "--target", &target]).current_dir(&workspace);
    let output = quiet.stdin(Stdio::null()).output().await.map_err(ArtifactError::NoCargo)?;
    let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let is_there = output.status.success() && Path::new(&directory).is_dir();
    if is_there { Ok(()) } else { Err(ArtifactError::NoTarget(target)) }
}

/// The sources that the function is built from.
///
/// # Errors
/// [`ArtifactError::NoWorkspace`].
pub fn sources() -> Result<PathBuf, ArtifactError> {
    let found = Path::new(BUILT_IN).canonicalize().ok();
    found.filter(|directory| directory.join("rotator/Cargo.toml").is_file()).ok_or(ArtifactError::NoWorkspace)
}

/// Compiles, and gives the path of the executable as cargo reports it.
async fn compile(workspace: &Path, architecture: Architecture) -> Result<PathBuf, ArtifactError> {
    let mut cargo = Command::new("cargo");
    if is_native(architecture) {
        cargo.arg("build");
    } else {
        find_zigbuild(workspace).await?;
        let processor = processor(architecture);
        cargo.args(["zigbuild", "--target", &format!("{processor}-unknown-linux-gnu.{TARGET_GLIBC}")]);
    }
    cargo.args(["--locked", "--profile", "function", "--package", "rotator", "--bin", "bootstrap"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let running = cargo.current_dir(workspace).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = running.output().await.map_err(ArtifactError::NoCargo)?;
    if !output.status.success() {
        return Err(ArtifactError::BuildFailed);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut executable = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_function = message.pointer("/target/name")?.as_str()? == "bootstrap";
        is_function.then(|| message.get("executable")?.as_str().map(PathBuf::from)).flatten()
    });
    executable.next_back().ok_or(ArtifactError::BuildFailed)
}

/// The name of the processor in those of Rust's targets.
fn processor(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "aarch64",
    }
}

fn is_native(architecture: Architecture) -> bool {
    let native = match architecture {
        Architecture::X86_64 => cfg!(target_arch = "x86_64"),
        Architecture::Arm64 => cfg!(target_arch = "aarch64"),
    };
    native && cfg!(all(target_os = "linux", target_env = "gnu"))
}

/// Asks for cargo-zigbuild before anything is compiled: cargo's own words on a missing subcommand do not help.
async fn find_zigbuild(workspace: &Path) -> Result<(), ArtifactError> {
    let mut cargo = Command::new("cargo");
    let quiet = cargo.args(["zigbuild", "--version"]).current_dir(workspace).stdin(Stdio::null());
    let output = quiet.output().await.map_err(ArtifactError::NoCargo)?;
    if output.status.success() { Ok(()) } else { Err(ArtifactError::NoZigbuild) }
}
