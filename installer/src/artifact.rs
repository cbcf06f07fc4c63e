//! The function's zip: embedded, brought along or built here, and checked before it goes anywhere.

mod archive;
mod build;
mod embedded;
mod error;
mod executable;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use build::build;
pub use build::{can_build, sources};
pub use embedded::Origin;
pub use error::ArtifactError;

use crate::config::Architecture;

/// The function, ready for upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The zip's SHA-256 in hex.
    pub sha256: String,
    /// The zip.
    pub bytes: Vec<u8>,
}

impl Artifact {
    /// Its key in the artifact bucket: the same bytes have the same key, whoever built them.
    pub fn object_key(&self) -> String {
        format!("keyturn/{}.zip", self.sha256)
    }

    /// Checks an executable and packs it.
    fn of(executable: &[u8], architecture: Architecture) -> Result<Self, ArtifactError> {
        executable::check(executable, architecture)?;
        let bytes = archive::pack(executable)?;
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { sha256, bytes })
    }
}

/// Takes a function that was built elsewhere: an executable, or a zip that holds one named `bootstrap`.
///
/// # Errors
/// [`ArtifactError`] says what it is instead.
pub fn read(path: &Path, architecture: Architecture) -> Result<Artifact, ArtifactError> {
    let bytes = limited(path, archive::LARGEST_EXECUTABLE)?;
    // A zip is packed anew: whatever made it may have lost the permission to execute, or added the time of day.
    let executable = if archive::is_zip(&bytes) { archive::unpack(&bytes)? } else { bytes };
    Artifact::of(&executable, architecture)
}

/// The SHA-256 of the zip with this key in the bucket, as Lambda writes it: we write it in hex, Lambda in base64. None for
/// a key that is none of ours.
pub fn digest_of(key: &str) -> Option<String> {
    let hex = key.strip_prefix("keyturn/")?.strip_suffix(".zip")?;
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let bytes: Option<Vec<u8>> = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect();
    bytes.map(|bytes| STANDARD.encode(bytes))
}

/// Reads a file that is no larger than that: what is named may be anything, and without an end.
fn limited(path: &Path, most: u64) -> Result<Vec<u8>, ArtifactError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    read.map_err(|source| ArtifactError::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > most { Err(ArtifactError::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
