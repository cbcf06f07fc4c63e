//! Links the function that is deployed without the tables by which a stack is unwound: there a panic ends the process, so
//! nobody reads them, and they would be a tenth of what each cold start fetches.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=no-unwinding.ld");
    if is_deployed() {
        let script = directory("CARGO_MANIFEST_DIR").join("no-unwinding.ld");
        println!("cargo::rustc-link-arg-bins=-Wl,--script={}", script.display());
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
}

/// Whether this is the profile `function`. Tests unwind, also those that are built by `release`, and cargo tells a build
/// script only which of `debug` and `release` a profile is like; the name of the profile is that of its directory.
fn is_deployed() -> bool {
    let is_function = directory("OUT_DIR").iter().any(|part| part == "function");
    is_function && env::var_os("PROFILE").is_some_and(|like| like == "release")
}

fn directory(variable: &str) -> PathBuf {
    PathBuf::from(env::var_os(variable).unwrap_or_default())
}
