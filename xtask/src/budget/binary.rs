//! The sizes of the release binary and of the executor in it, and that the binary runs on its own.

use std::path::Path;

use crate::{Result, cargo, elf};

/// That of the executor, which is embedded as it is (`crates/container/build.rs`), in bytes.
pub(super) fn executor_size() -> Result<u64> {
    size(&cargo::embedded("coble", "COBLE_STAGE")?)
}

/// In bytes.
pub(super) fn size(binary: &Path) -> Result<u64> {
    let data = std::fs::metadata(binary).map_err(|e| format!("{}: {e}", binary.display()))?;
    Ok(data.len())
}

/// No loader and no shared library are named in it.
pub(super) fn is_static(binary: &Path) -> Result<String> {
    let needs = elf::needs(binary)?;
    match needs.nothing() {
        true => Ok("no loader, no shared library".into()),
        false => Err(format!("needs a loader or {} shared libraries", needs.libraries)),
    }
}
