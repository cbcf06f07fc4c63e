//! The zip that Lambda unpacks: one file `bootstrap`, executable, and the same bytes for the same content.

use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::ArtifactError;

/// The file that the runtime `provided.al2023` starts.
const BOOTSTRAP: &str = "bootstrap";

/// Lambda unpacks 250 MB at most (Lambda developer guide, "Lambda quotas").
pub(super) const LARGEST_EXECUTABLE: u64 = 250_000_000;

/// Every run packs the function to know its hash, also one that has nothing to do: the highest level takes two and a half
/// times as long as this one, for half a percent less.
const COMPRESSION: i64 = 6;

pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

pub(super) fn pack(executable: &[u8]) -> Result<Vec<u8>, ArtifactError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(COMPRESSION))
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(BOOTSTRAP, options).map_err(ArtifactError::Pack)?;
    zip.write_all(executable).map_err(|source| ArtifactError::Pack(source.into()))?;
    Ok(zip.finish().map_err(ArtifactError::Pack)?.into_inner())
}

pub(super) fn unpack(zip: &[u8]) -> Result<Vec<u8>, ArtifactError> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(ArtifactError::Unpack)?;
    let file = match archive.by_name(BOOTSTRAP) {
        Ok(file) => file,
        Err(zip::result::ZipError::FileNotFound) => return Err(ArtifactError::NoBootstrap),
        Err(error) => return Err(ArtifactError::Unpack(error)),
    };
    let mut executable = Vec::new();
    // What the zip says of the size is not to be trusted.
    let read = file.take(LARGEST_EXECUTABLE + 1).read_to_end(&mut executable);
    read.map_err(|source| ArtifactError::Unpack(source.into()))?;
    if executable.len() as u64 > LARGEST_EXECUTABLE {
        return Err(ArtifactError::TooLarge);
    }
    Ok(executable)
}
