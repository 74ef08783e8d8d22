//! The release binary's size, and that it runs on its own.

use std::path::Path;

use crate::{Result, elf};

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
