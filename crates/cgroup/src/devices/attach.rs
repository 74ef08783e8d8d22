//! Device rules of cgroup v2: a program that is attached to the directory.

use std::ffi::CStr;

use coble_sys::bpf;
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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
    let load = || bpf::prog_load(bpf::PROG_TYPE_CGROUP_DEVICE, &program, LICENSE, NAME);
    match load() {
        // Before Linux 5.11 programs count as locked memory, of which there is mostly little. The container
        // inherits our limit, so it is put back.
        Err(Errno::PERM) => {
            let old = getrlimit(Resource::Memlock);
            let unlimited = Rlimit { current: None, maximum: None };
            setrlimit(Resource::Memlock, unlimited).map_err(|_| Errno::PERM)?;
            let program = load();
            setrlimit(Resource::Memlock, old)?;
            program
        }
        other => other,
    }
}

/// The program of ours that is attached.
fn find(fd: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Errno> {
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
