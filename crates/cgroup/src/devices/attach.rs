//! Device rules of cgroup v2: a program that is attached to the directory.

use std::ffi::CStr;

use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::system::uname;
use coble_sys::{bpf, without};

use super::policy::Policy;
use super::program::assemble;
use crate::Error;
use crate::place::Place;

const NAME: &CStr = c"coble_devices";
const LICENSE: &CStr = c"Apache-2.0";
/// The most programs that the kernel lets one cgroup have.
const MOST: usize = 64;

/// Puts the policy into force, in the place of an earlier one of ours. What others have attached stays:
/// every program has to agree.
///
/// # Errors
/// [`Error::Os`].
pub(super) fn attach(place: &Place, fd: BorrowedFd<'_>, policy: &Policy) -> Result<(), Error> {
    let failed = |action, errno| Error::os(action, place.dir(), errno);
    let old = if place.is_fresh {
        None
    } else {
        find(fd).map_err(|errno| failed("look for device rules of", errno))?
    };
    let old = old.as_ref().map(AsFd::as_fd);
    if policy.allows_all() {
        let detach = |old| bpf::prog_detach(fd, old, bpf::CGROUP_DEVICE);
        return old.map_or(Ok(()), detach).map_err(|errno| failed("take device rules off", errno));
    }
    let program = load(policy).map_err(|errno| failed("load the device rules for", errno))?;
    bpf::prog_attach(fd, program.as_fd(), bpf::CGROUP_DEVICE, old)
        .map_err(|errno| failed("attach the device rules to", errno))
}

fn load(policy: &Policy) -> Result<OwnedFd, Errno> {
    let program = assemble(policy);
    match bpf::prog_load(bpf::PROG_TYPE_CGROUP_DEVICE, &program, LICENSE, NAME) {
        Err(Errno::PERM) if counts_as_locked() => {
            bpf::prog_load_unlimited(bpf::PROG_TYPE_CGROUP_DEVICE, &program, LICENSE, NAME)
        }
        loaded => loaded,
    }
}

/// Whether programs count as locked memory, of which there is mostly little: before Linux 5.11. From then on the limit
/// is never why a program is refused, which is usual for a plain user.
fn counts_as_locked() -> bool {
    without("bpf_memory_accounting") || uname().release().to_bytes().starts_with(b"5.10.")
}

/// Puts an earlier program of ours, or none, in the place of the one that is there now.
///
/// # Errors
/// As bpf(2).
pub(super) fn restore(fd: BorrowedFd<'_>, former: Option<&OwnedFd>) -> Result<(), Errno> {
    let now = find(fd)?;
    match (former, now.as_ref().map(AsFd::as_fd)) {
        (Some(former), now) => bpf::prog_attach(fd, former.as_fd(), bpf::CGROUP_DEVICE, now),
        (None, Some(now)) => bpf::prog_detach(fd, now, bpf::CGROUP_DEVICE),
        (None, None) => Ok(()),
    }
}

/// The program of ours that is attached.
///
/// # Errors
/// As bpf(2).
pub(super) fn find(fd: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Errno> {
    let mut ids = [0; MOST];
    let count = bpf::prog_query(fd, bpf::CGROUP_DEVICE, &mut ids)?;
    for &id in &ids[..count] {
        let program = match bpf::prog_get_fd_by_id(id) {
            Ok(program) => program,
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(errno),
        };
        if bpf::prog_name(program.as_fd())?.starts_with(NAME.to_bytes_with_nul()) {
            return Ok(Some(program));
        }
    }
    Ok(None)
}
