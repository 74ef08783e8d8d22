//! The floor: the system calls that the default container needs, in the shortest straight line.
//!
//! usage: `floor ROOTFS CGROUP`: runs `/bin/true` of ROOTFS (an absolute path) in the container that
//! `spec` describes by default, in the new cgroup CGROUP directly under a pure cgroup2 `/sys/fs/cgroup`.
//!
//! No configuration is read, no path is checked, no state is kept, no other configuration is possible:
//! what this program needs is what the kernel charges, and a runtime's own cost is what it needs beyond.

mod call;
mod child;
mod device;

use std::ffi::CString;
use std::os::fd::AsFd;
use std::process::ExitCode;

use rustix::fs::{CWD, Mode, OFlags};

/// Why the container didn't come to be: the step and what the kernel answered.
pub(crate) struct Failure(&'static str, rustix::io::Errno);

/// Names the step that a system call belongs to.
pub(crate) trait At<T> {
    fn at(self, step: &'static str) -> Result<T, Failure>;
}

impl<T> At<T> for rustix::io::Result<T> {
    fn at(self, step: &'static str) -> Result<T, Failure> {
        self.map_err(|errno| Failure(step, errno))
    }
}

fn main() -> ExitCode {
    let args: Vec<CString> =
        std::env::args().skip(1).filter_map(|arg| CString::new(arg).ok()).collect();
    let [rootfs, cgroup] = args.as_slice() else {
        eprintln!("usage: floor ROOTFS CGROUP");
        return ExitCode::FAILURE;
    };
    match run(rootfs, cgroup) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(status) => {
            eprintln!("floor: the container ended with wait status {status}");
            ExitCode::FAILURE
        }
        Err(Failure(step, errno)) => {
            eprintln!("floor: {step}: {errno}");
            ExitCode::FAILURE
        }
    }
}

/// The parent: cgroup, device program, child, wait. Gives the container's wait status.
fn run(rootfs: &CString, cgroup: &CString) -> Result<i32, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::open(c"/sys/fs/cgroup", flags, Mode::empty()).at("open cgroup2")?;
    rustix::fs::mkdirat(&top, cgroup, Mode::from_raw_mode(0o755)).at("mkdir cgroup")?;
    let dir = rustix::fs::openat(&top, cgroup, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .at("open cgroup")?;
    device::attach(dir.as_fd())?;
    let pid = match call::clone_container(dir.as_fd()).at("clone3")? {
        Some(pid) => pid,
        None => child::become_container(rootfs),
    };
    let status = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())
        .at("wait")?
        .map_or(0, |(_, status)| status.as_raw());
    rustix::fs::unlinkat(&top, cgroup, rustix::fs::AtFlags::REMOVEDIR).at("rmdir cgroup")?;
    Ok(status)
}

/// Opens `path` of the directory tree below the working directory as a detached copy.
pub(crate) fn detached(
    dir: rustix::fd::BorrowedFd<'_>,
    path: &std::ffi::CStr,
) -> rustix::io::Result<rustix::fd::OwnedFd> {
    use rustix::mount::OpenTreeFlags as Flags;
    let flags = Flags::OPEN_TREE_CLONE | Flags::OPEN_TREE_CLOEXEC | Flags::AT_EMPTY_PATH;
    rustix::mount::open_tree(dir, path, flags)
}

/// The root of the host's file tree, for absolute paths.
pub(crate) const HOST: rustix::fd::BorrowedFd<'static> = CWD;
