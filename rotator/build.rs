//! Links the function that is deployed without the tables by which a stack is unwound: there a panic ends the process, so
//! nobody reads them, and they would be a tenth of what each cold start fetches.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=no-unwinding.ld");
    // Tests are built by profiles that unwind. Those that inherit from `release` abort, and cargo calls all of them so.
    if env::var("PROFILE").as_deref() == Ok("release") {
        let directory = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,--script={directory}/no-unwinding.ld");
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
}
