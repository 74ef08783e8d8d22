//! System calls that rustix has no function for.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::Pid;

type Result<T> = rustix::io::Result<T>;

/// Arguments of clone3(2), as in `linux/sched.h` since Linux 5.7.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// `CLONE_INTO_CGROUP` of `linux/sched.h`, Linux 5.7.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// clone3(2) into `cgroup` and six new namespaces: `None` in the child, its pid in the parent.
pub(crate) fn clone_container(cgroup: BorrowedFd<'_>) -> Result<Option<Pid>> {
    let namespaces = libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP;
    let args = CloneArgs {
        flags: namespaces as u64 | CLONE_INTO_CGROUP,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: cgroup.as_raw_fd() as u64,
        ..CloneArgs::default()
    };
    // SAFETY: args is a live clone_args of the size given. Without CLONE_VM the child has a copy of
    // everything, and this program has one thread, so no lock can be held by a thread that is gone.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) })?;
    Ok(Pid::from_raw(pid as i32))
}

/// keyctl(2): joins a new session keyring of this name.
pub(crate) fn join_session_keyring(name: &CStr) -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: the name is a live C string, which the kernel copies.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })?;
    Ok(())
}

/// mount_setattr(2): makes this one mount read-only.
pub(crate) fn set_readonly(mount: BorrowedFd<'_>) -> Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is a C string and attributes a live mount_attr of the size given.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// Brings the network namespace's `lo` up.
pub(crate) fn loopback_up() -> Result<()> {
    // SAFETY: socket(2) takes no pointers.
    let socket = check(i64::from(unsafe {
        libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)
    }))?;
    // SAFETY: the descriptor was just made and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket as i32) };
    // SAFETY: ifreq is plain data for which all zeroes are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq, which request is.
    check(i64::from(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request)
    }))?;
    Ok(())
}

/// close_range(2): no descriptor from 3 up survives execve.
pub(crate) fn close_on_exec() -> Result<()> {
    // SAFETY: with CLOEXEC nothing is closed now, so no owner loses a descriptor.
    check(unsafe {
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
    })?;
    Ok(())
}

/// execve(2): returns only when it fails.
pub(crate) fn execve(program: &CStr, environment: &[&CStr; 2]) -> Errno {
    let arguments = [program.as_ptr(), std::ptr::null()];
    let environment = [environment[0].as_ptr(), environment[1].as_ptr(), std::ptr::null()];
    // SAFETY: both arrays hold C strings and end with a null pointer; all live until the call ends.
    let answer =
        unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    check(i64::from(answer)).err().unwrap_or(Errno::INVAL)
}

/// bpf(2) with a `union bpf_attr` made of these words.
pub(crate) fn bpf(command: u32, attributes: &[u64]) -> Result<i64> {
    // SAFETY: the caller's words name live memory wherever the command reads a pointer; the kernel
    // reads `size_of_val` bytes of them.
    check(unsafe {
        libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(attributes))
    })
}

/// libc's answer as a result.
fn check(answer: i64) -> Result<i64> {
    if answer >= 0 {
        return Ok(answer);
    }
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
    Err(Errno::from_raw_os_error(errno))
}
