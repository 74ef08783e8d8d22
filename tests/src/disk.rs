//! A disk that nobody else uses.

use std::fs;

use crate::skip::skip;

/// What the virtual machine's second disk says in answer to the question for its serial number.
const SERIAL: &str = "data";

/// A disk that tests may write to.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
}

impl Disk {
    /// The virtual machine's second disk; `None`, reported as skipped, elsewhere.
    #[must_use]
    pub fn spare() -> Option<Self> {
        let disks = fs::read_dir("/sys/block").into_iter().flatten().flatten();
        let found = disks.map(|disk| disk.path()).find(|disk| {
            fs::read_to_string(disk.join("serial")).is_ok_and(|serial| serial.trim_end() == SERIAL)
        });
        let numbers = found.and_then(|disk| {
            let text = fs::read_to_string(disk.join("dev")).ok()?;
            let (major, minor) = text.trim_end().split_once(':')?;
            Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
        });
        if numbers.is_none() {
            skip("there is no disk to write to");
        }
        numbers
    }
}
