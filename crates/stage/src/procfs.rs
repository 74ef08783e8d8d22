//! The host's procfs, through which the kernel's own files are written: the container's can be forged.

use core::ffi::CStr;

use coble_sys::rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat};
use coble_sys::rustix::io::{Errno, write};
use coble_sys::rustix::process::fchdir;

use crate::bytes::Bytes;
use crate::context::Context;
use crate::fault::{During, Fault, Outcome};

/// The host's `/proc`. Valid while the host's mounts are there, that is, first opened before the root changes.
pub(crate) fn host_proc<'a>(context: &'a Context<'_>) -> Outcome<BorrowedFd<'a>> {
    if let Some(proc) = context.host_proc.get() {
        return Ok(proc.as_fd());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = openat(CWD, c"/proc", flags, Mode::empty()).on("openat", c"/proc")?;
    if !is_procfs(proc.as_fd())? {
        return Err(Fault::words("the host's /proc is not a procfs"));
    }
    Ok(context.host_proc.get_or_init(|| proc).as_fd())
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

/// Calls what takes a path and no descriptor, such as mount(2), with a path that leads to what the descriptor is of. The
/// working directory is the root afterwards, as before.
pub(crate) fn by_path<T>(
    context: &Context<'_>,
    fd: BorrowedFd<'_>,
    act: impl FnOnce(&CStr) -> Result<T, Errno>,
) -> Outcome<Result<T, Errno>> {
    let link = link_to(fd)?;
    fchdir(host_proc(context)?).during("fchdir")?;
    let result = act(link.as_c_str());
    fchdir(context.root()?).during("fchdir")?;
    Ok(result)
}

/// Writes a whole value to a file below the host's `/proc`.
pub(crate) fn write_proc(context: &Context<'_>, path: &CStr, value: &[u8]) -> Outcome {
    let proc = host_proc(context)?;
    let file: OwnedFd =
        openat(proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).on("openat", path)?;
    let written = write(&file, value).on("write", path)?;
    if written == value.len() { Ok(()) } else { Err(Fault::words("write was cut short")) }
}
