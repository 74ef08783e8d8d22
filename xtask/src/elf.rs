//! What an ELF file needs to run (System V ABI, chapters 4 and 5).

use std::fs;
use std::path::Path;

use crate::Result;

const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NEEDED: u64 = 1;

/// What a file asks of the system that runs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// It names a loader.
    pub(crate) interpreter: bool,
    /// How many shared libraries it names.
    pub(crate) libraries: usize,
}

impl Needs {
    /// The file runs on its own.
    pub(crate) fn nothing(&self) -> bool {
        !self.interpreter && self.libraries == 0
    }
}

/// Reads the program headers of a 64-bit little-endian ELF file.
pub(crate) fn needs(path: &Path) -> Result<Needs> {
    let file = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&file).ok_or_else(|| format!("{}: not a 64-bit little-endian ELF file", path.display()))
}

fn parse(file: &[u8]) -> Option<Needs> {
    if file.get(..6)? != [0x7f, b'E', b'L', b'F', 2, 1] {
        return None;
    }
    let (table, size, count) = (word(file, 32)?, half(file, 54)?, half(file, 56)?);
    let mut needs = Needs { interpreter: false, libraries: 0 };
    for nth in 0..count {
        let header = usize::try_from(table).ok()?.checked_add(nth.checked_mul(size)?)?;
        match u32::from_le_bytes(file.get(header..header + 4)?.try_into().ok()?) {
            PT_INTERP => needs.interpreter = true,
            PT_DYNAMIC => {
                let start = usize::try_from(word(file, header + 8)?).ok()?;
                let length = usize::try_from(word(file, header + 32)?).ok()?;
                let entries = file.get(start..start.checked_add(length)?)?.chunks_exact(16);
                needs.libraries += entries.filter(|e| word(e, 0) == Some(DT_NEEDED)).count();
            }
            _ => {}
        }
    }
    Some(needs)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with one program header of this type and, behind it, one dynamic entry.
    fn file(kind: u32, tag: u64) -> Vec<u8> {
        let mut file = vec![0; 64 + 56 + 16];
        file[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file[64..68].copy_from_slice(&kind.to_le_bytes());
        file[72] = 120;
        file[96] = 16;
        file[120..128].copy_from_slice(&tag.to_le_bytes());
        file
    }

    #[test]
    fn a_static_file_needs_nothing() {
        assert!(parse(&file(1, 0)).unwrap().nothing());
    }

    #[test]
    fn a_loader_and_a_library_are_seen() {
        assert!(parse(&file(PT_INTERP, 0)).unwrap().interpreter);
        assert_eq!(parse(&file(PT_DYNAMIC, DT_NEEDED)).unwrap().libraries, 1);
        assert_eq!(parse(&file(PT_DYNAMIC, 5)).unwrap().libraries, 0);
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let whole = file(PT_DYNAMIC, DT_NEEDED);
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None, "{length} bytes");
        }
    }
}
