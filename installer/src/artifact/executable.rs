//! Whether an executable will run in Lambda: its format, its processor, and the C library it asks for.

use elf::ElfBytes;
use elf::abi::{EM_386, EM_AARCH64, EM_ARM, EM_X86_64, ET_DYN, ET_EXEC};
use elf::endian::AnyEndian;
use elf::file::Class;
use elf::gnu_symver::VerNeedIterator;

use super::ArtifactError;
use crate::config::Architecture;

/// The C library of Lambda's runtime `provided.al2023` is that of Amazon Linux 2023.
const LAMBDAS_GLIBC: (u32, u32) = (2, 34);

/// Checks an executable.
pub(super) fn check(executable: &[u8], architecture: Architecture) -> Result<(), ArtifactError> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(executable).map_err(|_| ArtifactError::NotElf)?;
    if file.ehdr.class != Class::ELF64 {
        return Err(ArtifactError::Not64Bit);
    }
    if ![ET_EXEC, ET_DYN].contains(&file.ehdr.e_type) {
        return Err(ArtifactError::NotExecutable);
    }
    let wanted = match architecture {
        Architecture::X86_64 => EM_X86_64,
        Architecture::Arm64 => EM_AARCH64,
    };
    if file.ehdr.e_machine != wanted {
        return Err(ArtifactError::OtherMachine { found: machine(file.ehdr.e_machine), wanted: architecture });
    }
    for version in needed_versions(&file)? {
        if is_too_new(version) {
            return Err(ArtifactError::NeedsGlibc { version: version.chars().take(40).collect() });
        }
    }
    Ok(())
}

fn machine(number: u16) -> String {
    match number {
        EM_X86_64 => "x86_64".to_owned(),
        EM_AARCH64 => "arm64".to_owned(),
        EM_386 => "x86 (32 bits)".to_owned(),
        EM_ARM => "arm (32 bits)".to_owned(),
        other => format!("machine number {other}"),
    }
}

/// The names of the versions of shared libraries that the executable needs, such as `GLIBC_2.34`.
fn needed_versions<'data>(file: &ElfBytes<'data, AnyEndian>) -> Result<Vec<&'data str>, ArtifactError> {
    let section = file.section_header_by_name(".gnu.version_r").map_err(|_| ArtifactError::Damaged)?;
    // A static executable needs nothing.
    let Some(needs) = section else { return Ok(Vec::new()) };
    let data = file.section_data(&needs).map_err(|_| ArtifactError::Damaged)?.0;
    let sections = file.section_headers().ok_or(ArtifactError::Damaged)?;
    let strings = usize::try_from(needs.sh_link).ok().and_then(|index| sections.get(index).ok());
    let strings = strings.ok_or(ArtifactError::Damaged)?;
    let strings = file.section_data_as_strtab(&strings).map_err(|_| ArtifactError::Damaged)?;
    let libraries = VerNeedIterator::new(file.ehdr.endianness, file.ehdr.class, needs.sh_info.into(), 0, data);
    let versions = libraries.flat_map(|(_, versions)| versions);
    versions.map(|version| strings.get(version.vna_name as usize).map_err(|_| ArtifactError::Damaged)).collect()
}

/// Whether Lambda's C library lacks this version. Names without a number, such as `GLIBC_ABI_DT_RELR`, all came later.
fn is_too_new(version: &str) -> bool {
    let Some(number) = version.strip_prefix("GLIBC_") else { return false };
    let mut parts = number.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) > LAMBDAS_GLIBC,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for fine in ["GLIBC_2.2.5", "GLIBC_2.9", "GLIBC_2.34", "GCC_3.3", "ZLIB_9.9"] {
            assert!(!is_too_new(fine), "{fine}");
        }
        for new in ["GLIBC_2.35", "GLIBC_2.100", "GLIBC_3.0", "GLIBC_ABI_DT_RELR", "GLIBC_"] {
            assert!(is_too_new(new), "{new}");
        }
    }
}
