//! Steps in words.

use std::ffi::CStr;
use std::fmt::{Display, Formatter, Result};
use std::net::Ipv4Addr;
use std::string::String;
use std::vec::Vec;

use crate::{List, Step, mount};

impl Display for Step<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match *self {
            Self::Processors { mask: [] } => f.write_str("run on every processor of the cgroup"),
            Self::Processors { mask } => write!(f, "run on the processors {}", numbers(mask)),
            Self::Setns { kind, path } => {
                write!(f, "join the {} namespace at {}", kinds(kind), text(path))
            }
            Self::JoinProcess { kinds: bits, .. } => {
                write!(f, "join the container's {} namespaces", kinds(bits))
            }
            Self::DropGroups { .. } => f.write_str("drop the caller's groups"),
            Self::BecomeRoot {} => f.write_str("become user 0 of the user namespace"),
            Self::ConfirmMappings {} => {
                f.write_str("let the parent compare the mappings of the user namespace")
            }
            Self::Unshare { kinds: bits } => write!(f, "make new namespaces: {}", kinds(bits)),
            Self::TimeNamespace { offsets } if offsets.is_empty() => {
                f.write_str("make a time namespace")
            }
            Self::TimeNamespace { offsets } => {
                write!(f, "make a time namespace with offsets {}", lines(offsets))
            }
            Self::EnterPidNamespace { .. } => {
                f.write_str("go on as a new child, inside the pid namespace")
            }
            Self::NewSession {} => f.write_str("start a session"),
            Self::DelegateCgroup { path } => {
                write!(
                    f,
                    "let the parent move the process into the container's cgroup {}",
                    text(path)
                )
            }
            Self::SelinuxKeyLabel { label } => {
                write!(f, "give new keyrings the SELinux context {}", text(label))
            }
            Self::SessionKeyring { name } => write!(f, "join the session keyring {}", text(name)),
            Self::LoopbackUp {} => f.write_str("bring the interface lo up"),
            Self::KeepLoopbackInside { interface, gateway, resolver } => {
                let (gateway, resolver) = (Ipv4Addr::from(gateway), Ipv4Addr::from(resolver));
                write!(
                    f,
                    "let no packet to 127.0.0.0/8 out through {}, where only {gateway} and {resolver} are",
                    text(interface)
                )
            }
            Self::OomScoreAdj { value } => write!(f, "set oom_score_adj to {value}"),
            Self::Propagation { flags } => {
                write!(f, "make every mount {}", propagation(flags))
            }
            Self::ParentPropagation { path, flags } => {
                write!(f, "make the mount that holds {} {}", text(path), propagation(flags))
            }
            Self::OpenRoot { path } => write!(f, "take {} as the root", text(path)),
            Self::OpenDirectory { path } => {
                write!(f, "take {} as the root, without mounting it", text(path))
            }
            Self::UseDirectory { .. } => f.write_str("take the root of the container's process"),
            Self::UseCurrentRoot {} => f.write_str("take the container's root as the root"),
            Self::HoldSource { source, .. } => {
                write!(f, "hold the host's {}", text(source))
            }
            Self::MapIds { uids, gids, recursive } => {
                let all = if recursive == 0 { "" } else { " and all below" };
                write!(f, "let the parent map the ids of the next mount{all}: ")?;
                if uids.is_empty() {
                    return f.write_str("as the container's user namespace does");
                }
                write!(f, "users {}; groups {}", lines(uids), lines(gids))
            }
            Self::MountFs { .. } | Self::MountClassic { .. } | Self::MountBind { .. } => {
                self.fmt_mount(f)
            }
            Self::Remount { destination, set, clear, flags, propagation: p } => {
                let all = if flags & mount::RECURSIVE == 0 { "" } else { " and all below" };
                write!(f, "change the mount on {}{all}", text(destination))?;
                write!(f, "{}{}", attributes(set, clear), with_propagation(p))
            }
            Self::Relabel { path, label } => {
                write!(f, "let the parent give {} the SELinux context {}", text(path), text(label))
            }
            Self::Unmount { path } => write!(f, "unmount {} with all below", text(path)),
            Self::Mknod { path, mode, major, minor, uid, gid, keep } => {
                write!(f, "make the {} {} (", file_type(mode), text(path))?;
                write!(f, "{major}:{minor}, mode {:04o}", mode & 0o7777)?;
                if (uid, gid) != (0, 0) {
                    write!(f, ", owner {uid}:{gid}")?;
                }
                f.write_str(if keep == 0 { ")" } else { "; tolerate EEXIST)" })
            }
            Self::BindDevice { path, kind, major, minor } => {
                write!(f, "mount the host's {} {} ({major}:{minor})", file_type(kind), text(path))
            }
            Self::Symlink { target, path } => {
                write!(f, "link {} to {} (tolerate EEXIST)", text(path), text(target))
            }
            Self::MakeDirectory { path } => {
                write!(f, "make the directory {} if it is missing", text(path))
            }
            Self::AwaitCgroup {} => f.write_str(
                "wait until systemd has put the process into its cgroup, and its limits hold",
            ),
            Self::AwaitRecord {} => f.write_str("wait until the parent has recorded the container"),
            Self::NetworkDevices {} => {
                f.write_str("let the parent move network devices into the network namespace")
            }
            Self::RuntimeHooks {} => {
                f.write_str("let the parent run the prestart and createRuntime hooks")
            }
            Self::Hook { path, timeout: 0, .. } => write!(f, "run the hook {}", text(path)),
            Self::Hook { path, timeout, .. } => {
                write!(f, "run the hook {} for at most {timeout} ms", text(path))
            }
            Self::Console { mount, .. } => {
                f.write_str("make a terminal at the standard streams")?;
                f.write_str(if mount == 0 { "" } else { " and mount it on /dev/console" })
            }
            Self::Sysctl { path, value } => {
                write!(f, "write {:?} to /proc/sys/{}", text(value), text(path))
            }
            Self::Hostname { name } => write!(f, "set the host name to {}", text(name)),
            Self::Domainname { name } => write!(f, "set the domain name to {}", text(name)),
            Self::MaskPath { path, context, .. } => {
                write!(f, "mask {} (tolerate ENOENT", text(path))?;
                if !context.is_empty() {
                    write!(f, "; {}", text(context))?;
                }
                f.write_str(")")
            }
            Self::ReadonlyPath { path, .. } => {
                write!(f, "make {} read-only (tolerate ENOENT)", text(path))
            }
            Self::ReadonlyRoot { .. } => f.write_str("make the root read-only"),
            Self::PivotRoot { .. } => f.write_str("change the root and drop the old one"),
            Self::HideMount { path } => write!(f, "hide the host's mount on {}", text(path)),
            Self::MoveRoot {} => f.write_str("move the root over / (no pivot_root)"),
            Self::Chroot {} => f.write_str("change the root (no mount namespace)"),
            _ => self.fmt_process(f),
        }
    }
}

impl Step<'_> {
    fn fmt_mount(&self, f: &mut Formatter<'_>) -> Result {
        match *self {
            Self::MountFs {
                fstype,
                destination,
                options,
                attributes: set,
                flags,
                propagation: p,
                ..
            } => {
                write!(f, "mount {} on {}", text(fstype), text(destination))?;
                let mut words: Vec<String> = options.iter().map(text).collect();
                if flags & mount::SUPERBLOCK_RDONLY != 0 {
                    words.push("read-only".into());
                }
                if flags & mount::COPY_UP != 0 {
                    words.push("with a copy of what it covers".into());
                }
                if !words.is_empty() {
                    write!(f, " ({})", words.join(", "))?;
                }
                write!(f, "{}{}", attributes(set, 0), with_propagation(p))
            }
            Self::MountClassic { fstype, destination, data, propagation: p, .. } => {
                write!(f, "mount {} on {} ({})", text(fstype), text(destination), text(data))?;
                f.write_str(&with_propagation(p))
            }
            Self::MountBind {
                source,
                destination,
                set,
                clear,
                set_recursive,
                clear_recursive,
                flags,
                propagation: p,
            } => {
                let all = if flags & mount::RECURSIVE == 0 { "" } else { " and all below" };
                write!(f, "mount the host's {}{all} on {}", text(source), text(destination))?;
                f.write_str(&attributes(set, clear))?;
                if (set_recursive, clear_recursive) != (0, 0) {
                    write!(f, ", all of it{}", attributes(set_recursive, clear_recursive))?;
                }
                f.write_str(&with_propagation(p))
            }
            _ => Ok(()),
        }
    }

    fn fmt_process(&self, f: &mut Formatter<'_>) -> Result {
        match *self {
            Self::RootPropagation { flags } => write!(f, "make the root {}", propagation(flags)),
            Self::NoNewPrivileges {} => f.write_str("set no_new_privs"),
            Self::Rlimit { resource, soft, hard } => {
                let name = crate::RLIMITS.get(resource as usize).copied().unwrap_or("a limit");
                write!(f, "set {name} to {} (hard {})", limit(soft), limit(hard))
            }
            Self::Scheduler { policy, nice, priority, .. } => {
                write!(f, "set the scheduling policy {policy}, nice {nice}, priority {priority}")
            }
            Self::IoPriority { value } => {
                write!(f, "set the I/O priority to class {}, level {}", value >> 13, value & 7)
            }
            Self::Personality { persona } => write!(f, "set the personality to {persona:#x}"),
            Self::MemoryPolicy { mode, nodes } => {
                write!(f, "set the memory policy {}", memory_policy(mode))?;
                match nodes {
                    [] => Ok(()),
                    nodes => write!(f, " of the nodes {}", numbers(nodes)),
                }
            }
            Self::Bound { keep } => {
                write!(f, "keep {} capabilities in the bounding set ({keep:#x})", keep.count_ones())
            }
            Self::SetUser { uid, gid, groups, setgroups } => {
                write!(f, "become user {uid}, group {gid}")?;
                if setgroups == 0 {
                    return f.write_str(" (the user namespace denies setgroups)");
                }
                if setgroups == 3 {
                    return f.write_str(" (the caller's further groups stay)");
                }
                if !groups.is_empty() {
                    return write!(f, ", groups {}", words(groups));
                }
                f.write_str(if setgroups == 2 { " (setgroups: tolerate EPERM)" } else { "" })
            }
            Self::SetCapabilities { effective, permitted, inheritable, ambient } => write!(
                f,
                "set capabilities: effective {effective:#x}, permitted {permitted:#x}, \
                 inheritable {inheritable:#x}, ambient {ambient:#x}"
            ),
            Self::Umask { mask } => write!(f, "set the umask to {mask:04o}"),
            Self::ChangeDirectory { path } => write!(f, "change to the directory {}", text(path)),
            Self::ConfirmDirectory { path } => {
                write!(f, "make sure that {} lies inside the root", text(path))
            }
            Self::OwnStreams { uid, terminal: 0 } => {
                write!(f, "give standard streams that are pipes to user {uid}")
            }
            Self::OwnStreams { uid, .. } => write!(f, "give the terminal to user {uid}"),
            Self::AppArmor { label } => write!(f, "ask for the AppArmor profile: {}", text(label)),
            Self::SelinuxLabel { label } => {
                write!(f, "ask for the SELinux context {}", text(label))
            }
            Self::FindHome { uid } => {
                write!(f, "set HOME to the home directory of user {uid} in /etc/passwd")
            }
            Self::FindProgram { name, .. } => write!(f, "find the program {}", text(name)),
            Self::AwaitStart {} => f.write_str("wait for `start`"),
            Self::Finish {} => f.write_str("say that all is done"),
            Self::Seccomp { flags, program } => write!(
                f,
                "load a system call filter of {} instructions (flags {flags:#x})",
                program.len() / 8
            ),
            Self::SeccompFile { .. } => f.write_str("load the system call filter"),
            Self::Exec { args, .. } => write!(f, "run {}", words(args)),
            _ => Ok(()),
        }
    }
}

/// The type bits of a mode as inode(7) names them.
fn file_type(mode: u32) -> &'static str {
    match mode & 0o170_000 {
        0o020_000 => "character device",
        0o060_000 => "block device",
        _ => "fifo",
    }
}

fn text(text: &CStr) -> String {
    text.to_string_lossy().into_owned()
}

fn words(list: List<'_>) -> String {
    list.iter().map(text).collect::<Vec<_>>().join(" ")
}

fn lines(lines: &CStr) -> String {
    text(lines).trim_end().replace('\n', ", ")
}

/// The numbers of the bits in a mask, as cpuset(7) writes lists.
fn numbers(mask: &[u8]) -> String {
    let is_set = |bit: &usize| mask.get(bit / 8).is_some_and(|byte| byte & 1 << (bit % 8) != 0);
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for bit in (0..mask.len() * 8).filter(is_set) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == bit => *last = bit,
            _ => ranges.push((bit, bit)),
        }
    }
    let texts = ranges.iter().map(|(first, last)| match first == last {
        true => std::format!("{first}"),
        false => std::format!("{first}-{last}"),
    });
    texts.collect::<Vec<_>>().join(",")
}

/// A mode of set_mempolicy(2) with its flags, as `linux/mempolicy.h` names them.
fn memory_policy(mode: u32) -> String {
    let is_set = |(_, bit): &&(&str, u32)| mode & bit != 0;
    let all = crate::MEMORY_POLICY_FLAGS.iter().fold(0, |all, (_, bit)| all | bit);
    let name = crate::MEMORY_POLICIES.get((mode & !all) as usize).copied().unwrap_or("unknown");
    let flags = crate::MEMORY_POLICY_FLAGS.iter().filter(is_set).map(|(flag, _)| *flag);
    core::iter::once(name).chain(flags).collect::<Vec<_>>().join(" | ")
}

fn limit(value: u64) -> String {
    if value == u64::MAX { "unlimited".into() } else { std::format!("{value}") }
}

/// `CLONE_NEW*` bits as the names that `config.json` has for them.
fn kinds(bits: u32) -> String {
    let names = [
        (0x1000_0000, "user"),
        (0x0002_0000, "mount"),
        (0x2000_0000, "pid"),
        (0x4000_0000, "network"),
        (0x0800_0000, "ipc"),
        (0x0400_0000, "uts"),
        (0x0200_0000, "cgroup"),
        (0x0000_0080, "time"),
    ];
    let names: Vec<&str> =
        names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    names.join(", ")
}

/// `MS_SHARED` and its like as fstab writes them.
fn propagation(flags: u32) -> String {
    let recursive = if flags & 0x4000 == 0 { "" } else { "r" };
    let mode = match flags & !0x4000 {
        0x10_0000 => "shared",
        0x8_0000 => "slave",
        0x4_0000 => "private",
        _ => "unbindable",
    };
    std::format!("{recursive}{mode}")
}

fn with_propagation(flags: u32) -> String {
    if flags == 0 { String::new() } else { std::format!(", {}", propagation(flags)) }
}

/// `MOUNT_ATTR_*` bits as fstab writes them, mount_setattr(2).
fn attributes(set: u64, clear: u64) -> String {
    let names = [
        (0x1, "ro", "rw"),
        (0x2, "nosuid", "suid"),
        (0x4, "nodev", "dev"),
        (0x8, "noexec", "exec"),
        (0x80, "nodiratime", "diratime"),
        (0x20_0000, "nosymfollow", "symfollow"),
    ];
    let mut words = String::new();
    for (bit, on, off) in names {
        if set & bit != 0 {
            words.push(' ');
            words.push_str(on);
        } else if clear & bit != 0 {
            words.push(' ');
            words.push_str(off);
        }
    }
    words.push_str(match set & 0x70 {
        0x10 => " noatime",
        0x20 => " strictatime",
        _ if clear & 0x70 != 0 => " relatime",
        _ => "",
    });
    words
}
