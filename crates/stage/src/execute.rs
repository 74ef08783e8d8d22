//! One step, one action.

use core::ffi::CStr;

use coble_plan::{Message, Step, mount as bits};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{CWD, Mode, OFlags, openat};
use coble_sys::rustix::io::{Errno, FdFlags, fcntl_setfd};
use coble_sys::rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags, mount, mount_change,
    move_mount, unmount,
};
use coble_sys::rustix::process::{
    Signal, chdir, chroot, fchdir, pivot_root, set_parent_process_death_signal, setsid, umask,
};
use coble_sys::rustix::system::{setdomainname, sethostname};
use coble_sys::rustix::thread::set_no_new_privs;
use coble_sys::{
    CPU_MASK, SchedAttr, ioprio_set, keep_loopback_inside, libc, loopback_up, personality,
    sched_setaffinity, set_mempolicy, sigaction_default,
};

use crate::bytes::PathBytes;
use crate::context::{Context, Filter};
use crate::device::{
    Node, Owner, bind_device, make_directory, make_link, make_node, mask_path, readonly_path,
    readonly_root,
};
use crate::fault::{During, Outcome};
use crate::hook::{Hook, run_hook};
use crate::mount::{
    Change, NewFs, Target, clone_tree, hold_source, map_ids, mount_bind, mount_classic, mount_fs,
    relabel, remount, unmount_place,
};
use crate::{console, identity, namespace, procfs, program, rendezvous, streams};

/// signal(7), `_NSIG` of the kernel.
const LAST_SIGNAL: i32 = 64;

/// What holds for every plan: no file mode mask is in the way, no signal is left ignored, and the process does not
/// outlive a parent that is killed.
pub(crate) fn prepare() -> Outcome {
    umask(Mode::empty());
    for signal in 1..=LAST_SIGNAL {
        if !matches!(signal, libc::SIGKILL | libc::SIGSTOP) {
            sigaction_default(signal).during("rt_sigaction")?;
        }
    }
    set_parent_process_death_signal(Some(Signal::KILL)).during("prctl")
}

pub(crate) fn execute<'a>(step: &Step<'a>, context: &mut Context<'a>) -> Outcome {
    match *step {
        Step::Processors { mask } => set_processors(mask),
        Step::Setns { kind, path } => namespace::join_path(context, kind, path),
        Step::JoinProcess { pidfd, kinds } => namespace::join_process(context, pidfd, kinds),
        Step::DropGroups { may_be_denied } => identity::drop_groups(may_be_denied != 0),
        Step::BecomeRoot {} => namespace::become_root(),
        Step::ConfirmMappings {} => rendezvous::ask_early(context, Message::ConfirmMappings),
        Step::Unshare { kinds } => namespace::make(kinds),
        Step::TimeNamespace { offsets } => namespace::make_time_namespace(context, offsets),
        Step::EnterPidNamespace { keep_proc } => {
            namespace::enter_pid_namespace(context, keep_proc != 0)
        }
        Step::NewSession {} => setsid().during("setsid").map(drop),
        Step::SelinuxKeyLabel { label } => {
            procfs::write_proc(context, c"self/attr/keycreate", label.to_bytes())
        }
        Step::SessionKeyring { name } => namespace::join_keyring(name),
        Step::LoopbackUp {} => loopback_up().on("bring up", c"lo"),
        Step::KeepLoopbackInside { interface, gateway, resolver } => {
            let neighbours = [gateway.to_be_bytes(), resolver.to_be_bytes()];
            keep_loopback_inside(interface, &neighbours).on("keep loopback from", interface)
        }
        Step::OomScoreAdj { value } => identity::oom_score_adj(context, value),
        Step::Propagation { flags } => set_propagation(c"/", flags),
        Step::ParentPropagation { path, flags } => set_parent_propagation(path, flags),
        Step::OpenRoot { path } => open_root(context, path),
        Step::OpenDirectory { path } => open_directory(context, path),
        Step::UseDirectory { fd } => use_directory(context, fd),
        Step::UseCurrentRoot {} => open_directory(context, c"/"),
        Step::AwaitCgroup {} => rendezvous::await_cgroup(context),
        Step::AwaitRecord {} => rendezvous::await_answer(context),
        Step::DelegateCgroup { .. } => rendezvous::ask_early(context, Message::DelegateCgroup),
        Step::NetworkDevices {} => rendezvous::ask(context, Message::NetworkDevices),
        Step::RuntimeHooks {} => rendezvous::ask(context, Message::RuntimeHooks),
        Step::Hook {
            path,
            args,
            env,
            home,
            umask,
            timeout,
            stdout,
            stderr,
            state_head,
            state_tail,
        } => {
            let home = (home != 0).then(|| context.home.as_c_str());
            let streams = [stdout, stderr];
            run_hook(&Hook {
                path,
                args,
                env,
                home,
                umask,
                timeout,
                streams,
                state_head,
                state_tail,
            })
        }
        Step::Console { height, width, mount } => {
            console::make_console(context, height, width, mount != 0)
        }
        Step::PivotRoot { has_peers } => change_root(context, has_peers != 0),
        Step::HideMount { path } => hide_mount(path),
        Step::MoveRoot {} => move_root(context),
        Step::Chroot {} => enter_root(context),
        Step::AwaitStart {} => rendezvous::await_start(context),
        _ => build(step, context),
    }
}

/// Steps that build the tree below the root.
fn build<'a>(step: &Step<'a>, context: &mut Context<'a>) -> Outcome {
    match *step {
        Step::MountFs { fstype, source, destination, options, attributes, flags, propagation } => {
            let fs = NewFs { fstype, source, options, attributes, flags };
            mount_fs(context, &fs, Target { path: destination, flags, propagation })
        }
        Step::MountClassic { fstype, source, destination, ms_flags, data, flags, propagation } => {
            let target = Target { path: destination, flags, propagation };
            mount_classic(context, fstype, source, ms_flags, data, target)
        }
        Step::HoldSource { fd, .. } => hold_source(context, fd),
        Step::MapIds { .. } => {
            context.mapping = Some(context.step);
            Ok(())
        }
        Step::MountBind {
            source,
            destination,
            set,
            clear,
            set_recursive,
            clear_recursive,
            flags,
            propagation,
        } => {
            let classic = flags & bits::CLASSIC_ATTRIBUTES != 0;
            let one = Change { set, clear, classic, ..Change::default() };
            let all = Change {
                set: set_recursive,
                clear: clear_recursive,
                recursive: true,
                classic,
                ..Change::default()
            };
            let target = Target { path: destination, flags, propagation };
            mount_bind(context, source, target, one, all)
        }
        Step::Remount { destination, set, clear, flags, propagation } => {
            let classic = flags & bits::CLASSIC_ATTRIBUTES != 0;
            let target = Target { path: destination, flags, propagation };
            let recursive = flags & bits::RECURSIVE != 0;
            remount(context, target, Change { set, clear, recursive, classic, ..Change::default() })
        }
        Step::Relabel { path, .. } => relabel(context, path),
        Step::Unmount { path } => unmount_place(context, path),
        Step::Mknod { path, mode, major, minor, uid, gid, keep } => {
            make_node(context, path, Node { mode, major, minor }, Owner { uid, gid }, keep != 0)
        }
        Step::BindDevice { path, kind, major, minor } => {
            bind_device(context, path, Node { mode: kind, major, minor })
        }
        Step::Symlink { target, path } => make_link(context, target, path),
        Step::MakeDirectory { path } => make_directory(context, path),
        Step::MaskPath { path, flags, context: label } => mask_path(context, path, flags, label),
        Step::ReadonlyPath { path, flags } => readonly_path(context, path, flags),
        Step::ReadonlyRoot { flags } => readonly_root(context, flags),
        Step::Hostname { name } => sethostname(name.to_bytes()).on("sethostname", name),
        Step::Domainname { name } => setdomainname(name.to_bytes()).on("setdomainname", name),
        Step::Sysctl { path, value } => {
            let mut below = PathBytes::from(b"sys/")?;
            below.push(path.to_bytes())?;
            procfs::write_proc(context, below.as_c_str(), value.to_bytes())
        }
        Step::AppArmor { label } => {
            identity::label_exec(context, c"self/attr/apparmor/exec", label)
        }
        Step::SelinuxLabel { label } => identity::label_exec(context, c"self/attr/exec", label),
        _ => assume(step, context),
    }
}

/// Steps that turn the process into the program.
fn assume<'a>(step: &Step<'a>, context: &mut Context<'a>) -> Outcome {
    context.forget()?;
    match *step {
        Step::RootPropagation { flags } => set_propagation(c"/", flags),
        Step::NoNewPrivileges {} => set_no_new_privs(true).during("prctl"),
        Step::Rlimit { resource, soft, hard } => identity::limit(resource, soft, hard),
        Step::Scheduler { policy, nice, priority, flags, runtime, deadline, period } => {
            identity::schedule(&SchedAttr {
                sched_policy: policy,
                sched_nice: nice,
                sched_priority: priority,
                sched_flags: flags,
                sched_runtime: runtime,
                sched_deadline: deadline,
                sched_period: period,
                ..SchedAttr::default()
            })
        }
        Step::IoPriority { value } => ioprio_set(value).during("ioprio_set"),
        Step::Personality { persona } => personality(persona).during("personality"),
        Step::MemoryPolicy { mode, nodes } => set_memory_policy(mode, nodes),
        Step::Bound { keep } => identity::bound(keep),
        Step::SetUser { uid, gid, groups, setgroups } => {
            identity::set_user(uid, gid, groups, setgroups)
        }
        Step::SetCapabilities { effective, permitted, inheritable, ambient } => {
            identity::set_sets(effective, permitted, inheritable, ambient)
        }
        Step::Umask { mask } => {
            identity::set_umask(mask);
            Ok(())
        }
        Step::ChangeDirectory { path } => identity::change_directory(context, path),
        Step::ConfirmDirectory { path } => identity::confirm_directory(context, path),
        Step::OwnStreams { uid, terminal } => streams::own(uid, terminal != 0),
        Step::FindHome { uid } => program::find_home(context, uid),
        Step::FindProgram { name, path } => program::find(context, name, path),
        Step::Seccomp { flags, program } => {
            context.filter = Some(Filter { step: context.step, flags, program });
            Ok(())
        }
        Step::SeccompFile { fd } => program::take_filter(context, fd),
        Step::Exec { args, env } => program::exec(context, args, env),
        Step::Finish {} => rendezvous::finish(context),
        // `execute` and `build` have taken every other step.
        _ => Err(crate::Fault::words("the step has no executor")),
    }
}

fn set_processors(mask: &[u8]) -> Outcome {
    let all = [u8::MAX; CPU_MASK];
    sched_setaffinity(if mask.is_empty() { &all } else { mask }).during("sched_setaffinity")
}

fn set_memory_policy(mode: u32, nodes: &[u8]) -> Outcome {
    set_mempolicy(mode, nodes).during("set_mempolicy")
}

fn set_propagation(path: &CStr, flags: u32) -> Outcome {
    mount_change(path, MountPropagationFlags::from_bits_retain(flags)).on("mount", path)
}

/// Only a mount point has a propagation: the nearest one above is looked for.
fn set_parent_propagation(path: &CStr, flags: u32) -> Outcome {
    let flags = MountPropagationFlags::from_bits_retain(flags);
    let mut bytes = path.to_bytes();
    loop {
        let point = PathBytes::from(if bytes.is_empty() { b"/" } else { bytes })?;
        match mount_change(point.as_c_str(), flags) {
            Err(Errno::INVAL) if !bytes.is_empty() => {
                let slash = bytes.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                bytes = &bytes[..slash];
            }
            outcome => return outcome.on("mount", point.as_c_str()),
        }
    }
}

fn open_root(context: &mut Context<'_>, path: &CStr) -> Outcome {
    let tree = clone_tree(CWD, path, true)?;
    map_ids(context, tree.as_fd())?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&tree, c"", CWD, path, flags).on("move_mount", path)?;
    context.set_root(tree)
}

fn open_directory(context: &mut Context<'_>, path: &CStr) -> Outcome {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, path, flags, Mode::empty()).on("openat", path)?;
    context.set_root(root)
}

fn use_directory(context: &mut Context<'_>, fd: i32) -> Outcome {
    // SAFETY: the parent hands this descriptor down and the plan names it.
    let inherited = unsafe { BorrowedFd::borrow_raw(fd) };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fcntl_setfd(inherited, FdFlags::CLOEXEC).during("fcntl")?;
    let root = openat(inherited, c".", flags, Mode::empty()).during("openat")?;
    context.set_root(root)
}

/// The old root lies over the new one after pivot_root(".", "."), pivot_root(2) "NOTES". umount2(2) takes the mount
/// that lies over a path; mount(2) would take the new root.
fn change_root(context: &Context<'_>, has_peers: bool) -> Outcome {
    let old = if has_peers { Some(old_root()?) } else { None };
    fchdir(context.root()?).during("fchdir")?;
    pivot_root(c".", c".").during("pivot_root")?;
    if let Some(old) = old {
        fchdir(&old).during("fchdir")?;
        cut_off(c".")?;
    }
    unmount(c".", UnmountFlags::DETACH).during("umount2")?;
    chdir(c"/").on("chdir", c"/")
}

fn old_root() -> Outcome<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, c"/", flags, Mode::empty()).on("openat", c"/")
}

/// What happens to a mount and all below no longer happens to the host's.
fn cut_off(path: &CStr) -> Outcome {
    mount_change(path, MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .on("mount", path)
}

/// In a user namespace the host's mounts can't be unmounted; an empty file system covers them.
fn hide_mount(path: &CStr) -> Outcome {
    cut_off(path)?;
    match unmount(path, UnmountFlags::DETACH) {
        Err(Errno::INVAL | Errno::PERM) => {
            mount(c"tmpfs", path, c"tmpfs", MountFlags::RDONLY, c"size=0").on("mount", path)
        }
        outcome => outcome.on("umount2", path),
    }
}

fn move_root(context: &Context<'_>) -> Outcome {
    let root = context.root()?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(root, c"", CWD, c"/", flags).on("move_mount", c"/")?;
    enter_root(context)
}

fn enter_root(context: &Context<'_>) -> Outcome {
    fchdir(context.root()?.as_fd()).during("fchdir")?;
    chroot(c".").during("chroot")?;
    chdir(c"/").on("chdir", c"/")
}
