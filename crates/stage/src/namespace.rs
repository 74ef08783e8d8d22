//! Namespaces that are joined, or that clone3(2) could not make.

use core::ffi::CStr;

use coble_plan::{MESSAGE_MAX, Message};
use coble_sys::rustix::fd::{AsFd, BorrowedFd};
use coble_sys::rustix::fs::{CWD, Gid, Mode, OFlags, Uid, openat};
use coble_sys::rustix::io::{Errno, FdFlags, fcntl_setfd};
use coble_sys::rustix::process::{
    DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal,
};
use coble_sys::rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use coble_sys::{
    exit_group, fork, keyctl_describe, keyctl_join_session_keyring, keyctl_setperm, libc, setns,
    unshare,
};

use crate::context::Context;
use crate::fault::{During, Fault, Outcome};
use crate::procfs::{host_proc, write_proc};
use crate::rendezvous::tell;

/// [`coble_plan::Step::Setns`]
pub(crate) fn join_path(context: &mut Context<'_>, kind: u32, path: &CStr) -> Outcome {
    // The procfs of the host may be out of reach once the mount namespace has changed.
    host_proc(context)?;
    let fd =
        openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).on("openat", path)?;
    setns(fd.as_fd(), kind.into()).on("setns", path)
}

/// [`coble_plan::Step::JoinProcess`]
pub(crate) fn join_process(context: &mut Context<'_>, pidfd: i32, kinds: u32) -> Outcome {
    host_proc(context)?;
    // SAFETY: the parent hands this descriptor down and the plan names it; it stays open until the exec.
    let pidfd = unsafe { BorrowedFd::borrow_raw(pidfd) };
    fcntl_setfd(pidfd, FdFlags::CLOEXEC).during("fcntl")?;
    setns(pidfd, kinds.into()).during("setns")
}

/// [`coble_plan::Step::BecomeRoot`]
pub(crate) fn become_root() -> Outcome {
    let (uid, gid) = (Some(Uid::ROOT), Some(Gid::ROOT));
    set_thread_res_gid(gid, gid, gid).during("setresgid")?;
    set_thread_res_uid(uid, uid, uid).during("setresuid")
}

/// [`coble_plan::Step::Unshare`]
pub(crate) fn make(kinds: u32) -> Outcome {
    unshare(kinds.into()).during("unshare")
}

/// [`coble_plan::Step::TimeNamespace`]: offsets can be set only before anything is in the namespace.
pub(crate) fn make_time_namespace(context: &mut Context<'_>, offsets: &CStr) -> Outcome {
    unshare(libc::CLONE_NEWTIME as u64).during("unshare")?;
    if !offsets.is_empty() {
        write_proc(context, c"self/timens_offsets", offsets.to_bytes())?;
    }
    let path = c"self/ns/time_for_children";
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let fd = openat(host_proc(context)?, path, flags, Mode::empty()).on("openat", path)?;
    setns(fd.as_fd(), libc::CLONE_NEWTIME as u64).during("setns")
}

/// [`coble_plan::Step::EnterPidNamespace`]: only children are in a pid namespace that was joined.
///
/// Others are there already, so from here on none of them may look into this process, whatever its user; and one
/// that may do so all the same must not find the host's files open, unless a later step needs them.
pub(crate) fn enter_pid_namespace(context: &mut Context<'_>, keep_proc: bool) -> Outcome {
    if !keep_proc {
        context.host_proc.take();
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable).during("prctl")?;
    // SAFETY: this process has one thread.
    let pid = unsafe { fork((libc::CLONE_PARENT | libc::SIGCHLD) as u64) }.during("clone")?;
    if pid == 0 {
        set_parent_process_death_signal(Some(Signal::KILL)).during("prctl")?;
        return tell(context, Message::Arrived);
    }
    // The child may be ahead, or may have been killed before it said a word; the parent has to know of it anyhow.
    tell(context, Message::Moved { pid })?;
    exit_group(0)
}

/// [`coble_plan::Step::SessionKeyring`]
pub(crate) fn join_keyring(name: &CStr) -> Outcome {
    let serial = match keyctl_join_session_keyring(name) {
        // A kernel without keyrings has none that could leak into the container.
        Err(Errno::NOSYS) => return Ok(()),
        outcome => outcome.during("keyctl")?,
    };
    // The owner may search the keyring too, as processes that are added later must, keyrings(7).
    const OWNER_SEARCH: u32 = 0x0008_0000;
    let mut buffer = [0; MESSAGE_MAX];
    let description = keyctl_describe(serial, &mut buffer).during("keyctl")?;
    let permissions = permissions(description)
        .ok_or_else(|| Fault::words("the keyring's description can't be read"))?;
    if permissions & OWNER_SEARCH != 0 {
        return Ok(());
    }
    keyctl_setperm(serial, permissions | OWNER_SEARCH).during("keyctl")
}

/// The fourth field of `type;uid;gid;perm;name`, hexadecimal.
fn permissions(description: &[u8]) -> Option<u32> {
    let field = description.split(|&byte| byte == b';').nth(3)?;
    u32::from_str_radix(core::str::from_utf8(field).ok()?, 16).ok()
}
