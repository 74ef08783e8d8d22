//! The host's procfs, through which the kernel's own files are written: the container's can be forged.

use core::ffi::CStr;

use coble_sys::rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat};
use coble_sys::rustix::io::write;

use crate::bytes::Bytes;
use crate::context::Context;
use crate::fault::{During, Fault, Outcome};

/// The host's `/proc`. Valid while the host's mounts are there, that is, first opened before the root changes.
pub(crate) fn host_proc<'a>(context: &'a mut Context<'_>) -> Outcome<BorrowedFd<'a>> {
    if context.host_proc.is_none() {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = openat(CWD, c"/proc", flags, Mode::empty()).on("openat", c"/proc")?;
        if !is_procfs(proc.as_fd())? {
            return Err(Fault::words("the host's /proc is not a procfs"));
        }
        context.host_proc = Some(proc);
    }
    context.host_proc.as_ref().map(AsFd::as_fd).ok_or_else(|| Fault::words("no host's /proc"))
}

/// Whether a descriptor lies in a procfs.
pub(crate) fn is_procfs(fd: BorrowedFd<'_>) -> Outcome<bool> {
    Ok(fstatfs(fd).during("fstatfs")?.f_type == PROC_SUPER_MAGIC)
}

/// The path below `/proc` that leads to what a descriptor of this process is of.
pub(crate) fn link_to(fd: BorrowedFd<'_>) -> Outcome<Bytes<32>> {
    let mut path = Bytes::from(b"self/fd/")?;
    path.push_number(fd.as_raw_fd() as u32)?;
    Ok(path)
}

/// Writes a whole value to a file below the host's `/proc`.
pub(crate) fn write_proc(context: &mut Context<'_>, path: &CStr, value: &[u8]) -> Outcome {
    let proc = host_proc(context)?;
    let file: OwnedFd =
        openat(proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).on("openat", path)?;
    let written = write(&file, value).on("write", path)?;
    if written == value.len() { Ok(()) } else { Err(Fault::words("write was cut short")) }
}
