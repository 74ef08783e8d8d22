//! Files in memory that nobody can change any more: the executor's program, its plan, and the program's filter.
//!
//! A process of a container that gets hold of `/proc/PID/exe` while the executor runs, or that is told to run
//! `/proc/self/exe`, finds this copy, and never the runtime's own file (the class of CVE-2019-5736).

use coble_sys::libc;
use coble_sys::rustix::fd::OwnedFd;
use coble_sys::rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use coble_sys::rustix::io::{Errno, write};

use crate::error::{Error, Result};

/// coble-stage, as the build script made it.
static PROGRAM: &[u8] = include_bytes!(env!("COBLE_STAGE"));

/// The executor's program.
///
/// # Errors
/// The host forbids programs in memory (`vm.memfd_noexec` is 2), or is out of memory.
pub(crate) fn program() -> Result<OwnedFd> {
    // Linux 6.3; before it every such file may be run.
    let executable = MemfdFlags::from_bits_retain(libc::MFD_EXEC);
    seal("coble-stage", executable, PROGRAM).map_err(|errno| match errno {
        Errno::ACCESS => Error::new(
            "memfd_create: permission denied: the sysctl vm.memfd_noexec forbids to run the sealed copy of \
             the executor",
        ),
        errno => Error::os("seal the executor", errno),
    })
}

/// A plan.
///
/// # Errors
/// Out of memory.
pub(crate) fn plan(bytes: &[u8]) -> Result<OwnedFd> {
    let plain = MemfdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    seal("coble-plan", plain, bytes).map_err(|errno| Error::os("seal the plan", errno))
}

/// A file for a filter that isn't made yet.
///
/// # Errors
/// Out of memory.
pub(crate) fn empty() -> Result<OwnedFd> {
    let plain = MemfdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    make("coble-filter", plain).map_err(|errno| Error::os("memfd_create", errno))
}

/// Puts the filter there.
///
/// # Errors
/// Out of memory.
pub(crate) fn fill(file: OwnedFd, bytes: &[u8]) -> Result<()> {
    fix(&file, bytes).map_err(|errno| Error::os("seal the filter", errno))
}

fn seal(name: &str, kind: MemfdFlags, bytes: &[u8]) -> std::result::Result<OwnedFd, Errno> {
    let file = make(name, kind)?;
    fix(&file, bytes)?;
    Ok(file)
}

fn make(name: &str, kind: MemfdFlags) -> std::result::Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(name, flags | kind) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        file => file,
    }
}

fn fix(file: &OwnedFd, bytes: &[u8]) -> std::result::Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = write(file, rest)?;
        rest = &rest[length..];
    }
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(file, seals)
}
