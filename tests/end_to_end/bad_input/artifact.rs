//! Functions that would not run.

use std::io::Write as _;

use super::NOTHING;
use crate::stage::{ACCOUNT, REGION, Stage, function, settings};

/// Runs `bootstrap` with these bytes as the function. Nothing is deployed.
async fn refusal_of(name: &str, function: &[u8]) -> crate::stage::Run {
    let stage = Stage::with_users(&["alice"]).await;
    let path = stage.path(name);
    std::fs::write(&path, function).unwrap();
    let run = stage.keyturn(&["--region", REGION, "--yes", "bootstrap", "alice", "--artifact", name]).await;
    assert_eq!(stage.take_writes().await, NOTHING, "{run}");
    stage.assert_no_secret_left_behind().await;
    run
}

#[tokio::test]
async fn a_function_for_another_processor_is_refused() {
    let mut bytes = std::fs::read(function()).unwrap();
    // e_machine of an ELF header; 183 is AArch64.
    bytes[18..20].copy_from_slice(&183u16.to_le_bytes());
    let run = refusal_of("bootstrap", &bytes).await;
    settings().bind(|| insta::assert_snapshot!(run));
}

#[tokio::test]
async fn a_function_for_a_newer_c_library_is_refused() {
    let mut bytes = std::fs::read(function()).unwrap();
    let name = b"GLIBC_2.34\0";
    let start = bytes.windows(name.len()).position(|window| window == name);
    let start = start.expect("the function needs GLIBC_2.34");
    bytes[start + 8..start + 10].copy_from_slice(b"39");
    let run = refusal_of("bootstrap", &bytes).await;
    settings().bind(|| insta::assert_snapshot!(run));
}

#[tokio::test]
async fn a_script_is_refused() {
    let run = refusal_of("bootstrap", b"#!/bin/sh\nexec python3 rotate.py\n").await;
    settings().bind(|| insta::assert_snapshot!(run));
}

#[tokio::test]
async fn a_zip_without_the_function_is_refused() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("lambda_function.py", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(b"def handler(event, context): pass\n").unwrap();
    let run = refusal_of("function.zip", &zip.finish().unwrap().into_inner()).await;
    settings().bind(|| insta::assert_snapshot!(run));
}

#[tokio::test]
async fn a_function_that_is_not_there_is_missed() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.keyturn(&["--region", REGION, "--yes", "bootstrap", "alice", "--artifact", "dist/bootstrap"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

/// An executable that Lambda can start, and that ends at once.
#[tokio::test]
async fn a_function_that_crashes_is_found_out_before_anybody_is_rotated() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.keyturn(&["--region", REGION, "--yes", "bootstrap", "alice", "--artifact", "/bin/false"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    let keys = stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "alice").len()).await;
    assert_eq!((run.code, keys), (1, 0));
    // With a function that works the same command heals it.
    let run = stage.bootstrap(&["alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.assert_no_secret_left_behind().await;
}
