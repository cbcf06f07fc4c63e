//! What is taken for a function, and what is not. The executables are this test's own, with bytes changed.

use std::io::{Cursor, Read as _, Write as _};

use super::*;

const HOST: Architecture = if cfg!(target_arch = "x86_64") { Architecture::X86_64 } else { Architecture::Arm64 };
const OTHER: Architecture = if cfg!(target_arch = "x86_64") { Architecture::Arm64 } else { Architecture::X86_64 };

/// The start of an ELF file: 64 bits, little endian, of the host's machine, without any section.
fn header() -> Vec<u8> {
    let mut bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    bytes.truncate(64);
    // No program headers and no sections: their offsets, counts and the index of the names.
    bytes[32..48].fill(0);
    bytes[56..64].fill(0);
    bytes
}

fn refusal(bytes: &[u8], architecture: Architecture) -> String {
    Artifact::of(bytes, architecture).unwrap_err().to_string()
}

#[test]
fn the_same_executable_gives_the_same_zip() {
    let artifact = Artifact::of(&header(), HOST).unwrap();
    assert_eq!(Artifact::of(&header(), HOST).unwrap(), artifact);
    assert_eq!(artifact.object_key(), format!("keyturn/{}.zip", artifact.sha256));
    assert_eq!(artifact.sha256.len(), 64);
}

#[test]
fn the_zip_holds_one_executable_without_a_date() {
    let artifact = Artifact::of(&header(), HOST).unwrap();
    let mut zip = zip::ZipArchive::new(Cursor::new(&artifact.bytes)).unwrap();
    assert_eq!(zip.len(), 1);
    let mut file = zip.by_name("bootstrap").unwrap();
    assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o755));
    assert_eq!(file.last_modified(), Some(zip::DateTime::DEFAULT));
    assert!(file.extra_data().is_none_or(|data| data.is_empty()));
    let mut content = Vec::new();
    file.read_to_end(&mut content).unwrap();
    assert_eq!(content, header());
}

#[test]
fn a_zip_is_packed_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("function.zip");
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o644);
    zip.start_file("bootstrap", options).unwrap();
    zip.write_all(&header()).unwrap();
    zip.start_file("README", options).unwrap();
    std::fs::write(&path, zip.finish().unwrap().into_inner()).unwrap();
    assert_eq!(read(&path, HOST).unwrap(), Artifact::of(&header(), HOST).unwrap());
}

#[test]
fn what_would_not_run_is_refused_by_name() {
    assert_eq!(refusal(b"#!/bin/sh\n", HOST), "the function is neither a zip nor a Linux executable (ELF)");
    assert_eq!(refusal(b"", HOST), "the function is neither a zip nor a Linux executable (ELF)");
    let expected = match OTHER {
        Architecture::Arm64 => "the function is built for x86_64, and it is to run on arm64",
        Architecture::X86_64 => "the function is built for arm64, and it is to run on x86_64",
    };
    assert_eq!(refusal(&header(), OTHER), expected);
    let mut relocatable = header();
    relocatable[16] = 1;
    assert_eq!(refusal(&relocatable, HOST), "the function is an ELF file, but not an executable");
    let mut narrow = header();
    narrow[4] = 1;
    assert_eq!(refusal(&narrow, HOST), "the function is built for a 32-bit processor");
}

#[test]
fn a_newer_c_library_is_refused() {
    let mut bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let name = b"GLIBC_2.34\0";
    let start = bytes.windows(name.len()).position(|window| window == name);
    let start = start.expect("this test's own executable needs GLIBC_2.34");
    bytes[start + 8..start + 10].copy_from_slice(b"39");
    let expected = "the function needs the C library version GLIBC_2.39, and Lambda's provided.al2023 has GLIBC_2.34";
    assert_eq!(refusal(&bytes, HOST), expected);
}

#[test]
fn zips_without_a_function_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("function.zip");
    std::fs::write(&path, zip::ZipWriter::new(Cursor::new(Vec::new())).finish().unwrap().into_inner()).unwrap();
    assert_eq!(read(&path, HOST).unwrap_err().to_string(), "the function's zip holds no file `bootstrap`");
    std::fs::write(&path, b"PK\x03\x04 and nothing else").unwrap();
    assert_eq!(read(&path, HOST).unwrap_err().to_string(), "the function's zip cannot be read");
    assert!(matches!(read(&directory.path().join("none"), HOST), Err(ArtifactError::Read { .. })));
}

#[test]
fn no_bytes_make_the_check_panic() {
    let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let start = [header(), whole[whole.len() - 4096..].to_vec()].concat();
    for _ in 0..300 {
        let mut bytes = start.clone();
        for _ in 0..8 {
            let at = random.usize(4..bytes.len());
            bytes[at] = random.u8(..);
        }
        // Any answer will do, as long as there is one.
        let _ = Artifact::of(&bytes, HOST);
    }
}

#[test]
fn digests_are_compared_in_lambdas_spelling() {
    assert_eq!(digest_of("keyturn/00ff10.zip").as_deref(), Some("AP8Q"));
    for key in ["keyturn/00f.zip", "keyturn/zz.zip", "keyturn/00", "0.zip", "keyturn/ü.zip"] {
        assert_eq!(digest_of(key), None, "{key}");
    }
}

#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [0; 10]).unwrap();
    assert_eq!(limited(file.path(), 10).unwrap().len(), 10);
    assert!(matches!(limited(file.path(), 9), Err(ArtifactError::TooLarge)));
    assert!(matches!(limited(Path::new("/dev/zero"), 1_000), Err(ArtifactError::TooLarge)));
}
