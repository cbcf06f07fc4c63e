//! The functions that a release carries along, and which one is taken: the one that is named, else the embedded one,
//! else one that is built.

use std::path::Path;

use super::{Artifact, ArtifactError, build, read};
use crate::config::Architecture;

// `X86_64` and `ARM64`, by the build script.
include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Where a function comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A file that somebody named.
    File(&'a Path),
    /// This program.
    Embedded(&'a [u8]),
    /// The sources, with a compiler.
    Sources,
}

impl<'a> Origin<'a> {
    /// Where the function for an architecture comes from.
    pub fn of(file: Option<&'a Path>, architecture: Architecture) -> Self {
        Self::among(file, embedded(architecture))
    }

    fn among(file: Option<&'a Path>, embedded: Option<&'a [u8]>) -> Self {
        match (file, embedded) {
            (Some(file), _) => Self::File(file),
            (None, Some(function)) => Self::Embedded(function),
            (None, None) => Self::Sources,
        }
    }

    /// Takes the function from there, and checks it like any other.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub async fn take(self, architecture: Architecture) -> Result<Artifact, ArtifactError> {
        match self {
            Self::File(path) => read(path, architecture),
            Self::Embedded(function) => Artifact::of(function, architecture),
            Self::Sources => build(architecture).await,
        }
    }
}

fn embedded(architecture: Architecture) -> Option<&'static [u8]> {
    match architecture {
        Architecture::X86_64 => X86_64,
        Architecture::Arm64 => ARM64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_comes_before_what_is_embedded_and_that_before_the_compiler() {
        let (file, function): (&Path, &[u8]) = (Path::new("bootstrap"), b"\x7fELF");
        let table = [
            (Some(file), Some(function), Origin::File(file)),
            (Some(file), None, Origin::File(file)),
            (None, Some(function), Origin::Embedded(function)),
            (None, None, Origin::Sources),
        ];
        for (named, embedded, origin) in table {
            assert_eq!(Origin::among(named, embedded), origin);
        }
    }

    /// `.ci/release` runs this with both.
    #[test]
    fn what_is_embedded_would_run_in_lambda() {
        for architecture in [Architecture::X86_64, Architecture::Arm64] {
            if let Some(function) = embedded(architecture) {
                Artifact::of(function, architecture).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn an_embedded_function_is_checked_like_any_other() {
        for architecture in [Architecture::X86_64, Architecture::Arm64] {
            let refused = Origin::Embedded(b"#!/bin/sh\n").take(architecture).await;
            assert!(matches!(refused, Err(ArtifactError::NotElf)), "{refused:?}");
        }
    }
}
