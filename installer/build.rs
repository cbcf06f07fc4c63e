//! Embeds functions that are built already, so that whoever installs `keyturn` needs no Rust: one for each architecture
//! that `KEYTURN_FUNCTION_X86_64` and `KEYTURN_FUNCTION_ARM64` name a file for. `.ci/release` sets them.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Each architecture as AWS writes it, and what names its function.
const FUNCTIONS: [(&str, &str, &str); 2] =
    [("x86_64", "X86_64", "KEYTURN_FUNCTION_X86_64"), ("arm64", "ARM64", "KEYTURN_FUNCTION_ARM64")];

fn main() -> io::Result<()> {
    let directory = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut code = String::new();
    let mut embedded = Vec::new();
    println!("cargo::rerun-if-changed=build.rs");
    for (architecture, constant, variable) in FUNCTIONS {
        println!("cargo::rerun-if-env-changed={variable}");
        let value = match env::var_os(variable).filter(|path| !path.is_empty()) {
            Some(path) => {
                let name = format!("bootstrap-{architecture}");
                copy(variable, Path::new(&path), &directory.join(&name))?;
                embedded.push(architecture);
                format!("Some(include_bytes!(\"{name}\"))")
            }
            None => "None".to_owned(),
        };
        code.push_str(&format!("const {constant}: Option<&[u8]> = {value};\n"));
    }
    fs::write(directory.join("embedded.rs"), code)?;
    let function = match embedded.as_slice() {
        [] => "built from its sources when it is needed".to_owned(),
        architectures => format!("embedded for {}", architectures.join(" and ")),
    };
    println!("cargo::rustc-env=KEYTURN_FUNCTION={function}");
    Ok(())
}

fn copy(variable: &str, from: &Path, to: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", from.display());
    let named = |why: &dyn std::fmt::Display| io::Error::other(format!("{variable}={}: {why}", from.display()));
    let function = fs::read(from).map_err(|error| named(&error))?;
    if !function.starts_with(b"\x7fELF") {
        return Err(named(&"this is no Linux executable"));
    }
    fs::write(to, function)
}
