//! A user namespace for the sake of its mappings.

use std::fs::File;
use std::os::fd::OwnedFd;

use coble_sys::rustix::fd::AsFd;
use coble_sys::rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use coble_sys::{Program, Spawn, libc};

use crate::error::{Error, Result};
use crate::executor::destroy;
use crate::id_map::write_proc;
use crate::refused_clone::refused_clone;

/// Makes a user namespace with these lines of `uid_map` and `gid_map`. Nothing is in it: it is there as long as
/// its descriptor.
///
/// # Errors
/// The kernel's.
pub(crate) fn make(uids: &str, gids: &str) -> Result<OwnedFd> {
    let (_keeper, gate) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|errno| Error::os("socketpair", errno))?;
    // Only a process can be the first of a namespace. This one never passes its gate.
    let spawn = Spawn {
        namespaces: libc::CLONE_NEWUSER as u64,
        cgroup: None,
        program: Program::Open(gate.as_fd()),
        arguments: &[],
        close_from: 3,
        keep: &[],
        streams: [None; 3],
        gate: Some(gate.as_fd()),
        attends: false,
    };
    let child = spawn.spawn().map_err(|errno| refused_clone(errno, spawn.namespaces))?;
    let namespace = map(child.pid, uids, gids);
    destroy(child.pidfd.as_fd());
    namespace
}

fn map(pid: i32, uids: &str, gids: &str) -> Result<OwnedFd> {
    write_proc(pid, "uid_map", uids)?;
    write_proc(pid, "gid_map", gids)?;
    of(pid)
}

/// The user namespace of a process.
pub(crate) fn of(pid: i32) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/ns/user");
    File::open(&path).map(OwnedFd::from).map_err(|error| Error::at("open", path, error))
}
