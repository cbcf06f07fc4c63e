//! A function that cannot be built or would not run, and what to do about it.

use std::path::PathBuf;

use crate::config::Architecture;

/// A function that cannot be built or would not run.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ArtifactError {
    #[error("cannot read the function `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the function is neither a zip nor a Linux executable (ELF)")]
    NotElf,
    #[error("the function is built for a 32-bit processor")]
    Not64Bit,
    #[error("the function is an ELF file, but not an executable")]
    NotExecutable,
    #[error("the function is built for {found}, and it is to run on {wanted}")]
    OtherMachine { found: String, wanted: Architecture },
    #[error("the function needs the C library version {version}, and Lambda's provided.al2023 has GLIBC_2.34")]
    NeedsGlibc { version: String },
    #[error("the function is a damaged executable")]
    Damaged,
    #[error("the function's zip cannot be read")]
    Unpack(#[source] zip::result::ZipError),
    #[error("the function's zip holds no file `bootstrap`")]
    NoBootstrap,
    #[error("the function is larger than the 250 MB that Lambda takes")]
    TooLarge,
    #[error("the function's zip cannot be written")]
    Pack(#[source] zip::result::ZipError),
    #[error("no sources to build the function from: those that this `keyturn` was built from are not there any more")]
    NoWorkspace,
    #[error("cannot run `cargo` to build the function")]
    NoCargo(#[source] std::io::Error),
    #[error("the function does not build")]
    BuildFailed,
    #[error("building the function for another processor needs `cargo-zigbuild`, and it is not installed")]
    NoZigbuild,
    #[error("Rust's standard library for the target `{0}` is not installed")]
    NoTarget(String),
}

impl ArtifactError {
    /// What to do now.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "name an existing file with `--artifact`".to_owned(),
            Self::NotElf | Self::NotExecutable | Self::Damaged | Self::Unpack(_) | Self::NoBootstrap => {
                "give `--artifact` the file `bootstrap` that `cargo build --profile function -p rotator` makes, or a zip of it".to_owned()
            }
            Self::Not64Bit | Self::OtherMachine { .. } => {
                "build it for that processor, or set `function.architecture` in the configuration".to_owned()
            }
            Self::NeedsGlibc { .. } => {
                "build it with `cargo zigbuild --target x86_64-unknown-linux-gnu.2.34` (or aarch64), or on a system as old as Amazon Linux 2023".to_owned()
            }
            Self::TooLarge => "strip it, and leave out what the function does not need".to_owned(),
            Self::Pack(_) => "try again".to_owned(),
            Self::NoWorkspace | Self::NoCargo(_) => {
                "take a released keyturn, which has the function in it; or build it again from its sources and leave them there, with Rust installed; or pass a function that is built already: `--artifact FILE`".to_owned()
            }
            Self::BuildFailed => "see what cargo said above; or pass a function that is built already: `--artifact FILE`".to_owned(),
            Self::NoTarget(target) => format!("`rustup target add {target}`, or pass a function that is built already: `--artifact FILE`"),
            Self::NoZigbuild => {
                "`pip install cargo-zigbuild` and `rustup target add` the target, or pass a function that is built already: `--artifact FILE`".to_owned()
            }
        }
    }
}
