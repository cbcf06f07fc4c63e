//! Links the function that is deployed without the tables by which a stack is unwound: there a panic ends the process, so
//! nobody reads them, and they would be a tenth of what each cold start fetches.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=no-unwinding.ld");
    if is_deployed() {
        let directory = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,--script={directory}/no-unwinding.ld");
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
}

/// Whether this is the profile `function`. Tests unwind, also those that are built by `release`, and cargo tells a build
/// script only which of `debug` and `release` a profile is like; the name of the profile is that of its directory.
fn is_deployed() -> bool {
    let directory = env::var("OUT_DIR").unwrap_or_default();
    let is_function = Path::new(&directory).iter().any(|part| part == "function");
    is_function && env::var("PROFILE").as_deref() == Ok("release")
}
