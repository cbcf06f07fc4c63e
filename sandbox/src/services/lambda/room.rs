//! The directory that a function's zip is unpacked into. It goes away with the last process that lives in it.

use std::io;
use std::path::Path;

use tempfile::TempDir;

/// An unpacked zip.
#[derive(Debug)]
pub(crate) struct Room(TempDir);

/// Unpacks a zip, with the file modes that it records.
pub(super) fn unpack(zip: &[u8]) -> io::Result<Room> {
    let directory = tempfile::Builder::new().prefix("keyturn-function-").tempdir()?;
    let mut archive = zip::ZipArchive::new(io::Cursor::new(zip))?;
    archive.extract(directory.path())?;
    Ok(Room(directory))
}

impl Room {
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}
