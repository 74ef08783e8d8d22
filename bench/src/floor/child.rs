//! The child: from clone3 to execve.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, makedev};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags as Attr, MountPropagationFlags, MoveMountFlags,
    UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
    mount_change, move_mount, unmount,
};
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::{At, Failure, HOST, call, detached};

/// What has no constant in rustix: `MOUNT_ATTR_STRICTATIME` is the value of a field, not a flag.
const STRICTATIME: Attr = Attr::from_bits_retain(0x20);

/// Capabilities of the default configuration.
const KEPT: CapabilitySet =
    CapabilitySet::AUDIT_WRITE.union(CapabilitySet::KILL).union(CapabilitySet::NET_BIND_SERVICE);

/// `cap_last_cap` of Linux 5.9 and newer: `CAP_CHECKPOINT_RESTORE`.
const LAST_CAPABILITY: u32 = 40;

/// Makes the container around this process and becomes its program.
pub(crate) fn become_container(rootfs: &CStr) -> ! {
    let Err(Failure(step, errno)) = make(rootfs);
    eprintln!("floor: {step}: {errno}");
    std::process::exit(1)
}

fn make(rootfs: &CStr) -> Result<std::convert::Infallible, Failure> {
    rustix::process::setsid().at("setsid")?;
    call::join_session_keyring(c"_ses.floor").at("keyring")?;
    call::loopback_up().at("loopback")?;
    rustix::system::sethostname(b"runc").at("hostname")?;
    let root = bind_root(rootfs)?;
    mount_all(root.as_fd())?;
    make_devices(root.as_fd())?;
    mask_paths(root.as_fd())?;
    freeze_paths(root.as_fd())?;
    enter_root(root.as_fd())?;
    restrict()?;
    let environment =
        [c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", c"TERM=xterm"];
    Err(call::execve(c"/bin/true", &environment)).at("execve")
}

/// Cuts the mounts off from the host's and puts the root file system over itself; gives that mount.
fn bind_root(rootfs: &CStr) -> Result<OwnedFd, Failure> {
    let root = detached(HOST, rootfs).at("open root")?;
    let slaves = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change(c"/", slaves).at("propagation")?;
    place(root.as_fd(), HOST, rootfs).at("bind root")?;
    Ok(root)
}

/// The seven mounts of the default configuration.
fn mount_all(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let strict = Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NOEXEC;
    let bare = strict | Attr::MOUNT_ATTR_NODEV;
    let frozen = bare | Attr::MOUNT_ATTR_RDONLY;
    let dev = Attr::MOUNT_ATTR_NOSUID | STRICTATIME;
    let size = (c"size", c"65536k");
    let directory = |path| rustix::fs::mkdirat(root, path, Mode::from_raw_mode(0o755)).at("mkdir");

    mount(root, c"proc", c"proc", c"proc", &[], Attr::empty()).at("proc")?;
    mount(root, c"tmpfs", c"tmpfs", c"dev", &[(c"mode", c"755"), size], dev).at("dev")?;
    directory(c"dev/pts")?;
    let modes = [(c"newinstance", c""), (c"ptmxmode", c"0666"), (c"mode", c"0620"), (c"gid", c"5")];
    mount(root, c"devpts", c"devpts", c"dev/pts", &modes, strict).at("devpts")?;
    directory(c"dev/shm")?;
    mount(root, c"tmpfs", c"shm", c"dev/shm", &[(c"mode", c"1777"), size], bare).at("shm")?;
    directory(c"dev/mqueue")?;
    mount(root, c"mqueue", c"mqueue", c"dev/mqueue", &[], bare).at("mqueue")?;
    mount(root, c"sysfs", c"sysfs", c"sys", &[], frozen).at("sysfs")?;
    mount(root, c"cgroup2", c"cgroup", c"sys/fs/cgroup", &[], frozen).at("cgroup2")
}

/// Mounts a new file system at `path` below `root`; an option without a value is a flag.
fn mount(
    root: BorrowedFd<'_>,
    kind: &CStr,
    source: &CStr,
    path: &CStr,
    options: &[(&CStr, &CStr)],
    attributes: Attr,
) -> rustix::io::Result<()> {
    place(make_mount(kind, source, options, attributes)?.as_fd(), root, path)
}

fn make_mount(
    kind: &CStr,
    source: &CStr,
    options: &[(&CStr, &CStr)],
    attributes: Attr,
) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), c"source", source)?;
    for (key, value) in options {
        match value.is_empty() {
            true => fsconfig_set_flag(context.as_fd(), *key)?,
            false => fsconfig_set_string(context.as_fd(), *key, *value)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn place(mount: BorrowedFd<'_>, root: BorrowedFd<'_>, path: &CStr) -> rustix::io::Result<()> {
    move_mount(mount, c"", root, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// The default devices and symbolic links of the runtime specification (config-linux.md).
fn make_devices(root: BorrowedFd<'_>) -> Result<(), Failure> {
    const DEVICES: [(&CStr, u32, u32); 6] = [
        (c"dev/null", 1, 3),
        (c"dev/zero", 1, 5),
        (c"dev/full", 1, 7),
        (c"dev/random", 1, 8),
        (c"dev/urandom", 1, 9),
        (c"dev/tty", 5, 0),
    ];
    const LINKS: [(&CStr, &CStr); 6] = [
        (c"/proc/self/fd", c"dev/fd"),
        (c"/proc/self/fd/0", c"dev/stdin"),
        (c"/proc/self/fd/1", c"dev/stdout"),
        (c"/proc/self/fd/2", c"dev/stderr"),
        (c"/proc/kcore", c"dev/core"),
        (c"pts/ptmx", c"dev/ptmx"),
    ];
    rustix::process::umask(Mode::empty());
    for (path, major, minor) in DEVICES {
        let mode = Mode::from_raw_mode(0o666);
        rustix::fs::mknodat(root, path, FileType::CharacterDevice, mode, makedev(major, minor))
            .at("mknod")?;
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    for (target, path) in LINKS {
        rustix::fs::symlinkat(target, root, path).at("symlink")?;
    }
    Ok(())
}

/// Hides the masked paths that exist: files under `/dev/null`, directories under one empty tmpfs.
fn mask_paths(root: BorrowedFd<'_>) -> Result<(), Failure> {
    const MASKED: [&CStr; 10] = [
        c"proc/acpi",
        c"proc/asound",
        c"proc/kcore",
        c"proc/keys",
        c"proc/latency_stats",
        c"proc/timer_list",
        c"proc/timer_stats",
        c"proc/sched_debug",
        c"sys/firmware",
        c"proc/scsi",
    ];
    let null = || detached(HOST, c"/dev/null").at("mask file");
    let (mut file, mut directory) = (null()?, None::<OwnedFd>);
    for path in MASKED {
        match place(file.as_fd(), root, path) {
            Ok(()) => file = null()?,
            Err(Errno::NOENT) => {}
            // What move_mount(2) says of a file that should cover a directory.
            Err(Errno::INVAL) => {
                // A copy can only be made of a mount that has its place, so the first is the original.
                let empty = match &directory {
                    None => make_mount(c"tmpfs", c"tmpfs", &[], Attr::MOUNT_ATTR_RDONLY),
                    Some(placed) => detached(placed.as_fd(), c""),
                };
                let empty = empty.at("mask directory")?;
                place(empty.as_fd(), root, path).at("mask directory")?;
                directory = Some(empty);
            }
            Err(errno) => return Err(errno).at("mask"),
        }
    }
    Ok(())
}

/// Makes the read-only paths that exist read-only.
fn freeze_paths(root: BorrowedFd<'_>) -> Result<(), Failure> {
    for path in [c"proc/bus", c"proc/fs", c"proc/irq", c"proc/sys", c"proc/sysrq-trigger"] {
        let mount = match detached(root, path) {
            Err(Errno::NOENT) => continue,
            answer => answer.at("read-only path")?,
        };
        call::set_readonly(mount.as_fd()).at("read-only path")?;
        place(mount.as_fd(), root, path).at("read-only path")?;
    }
    Ok(())
}

/// Makes the root read-only, enters it and lets the host's tree go (pivot_root(2), "NOTES").
fn enter_root(root: BorrowedFd<'_>) -> Result<(), Failure> {
    call::set_readonly(root).at("read-only root")?;
    rustix::process::fchdir(root).at("chdir root")?;
    rustix::process::pivot_root(c".", c".").at("pivot_root")?;
    unmount(c".", UnmountFlags::DETACH).at("unmount")?;
    rustix::process::chdir(c"/").at("chdir")
}

/// Limits, capabilities, groups, descriptors, no_new_privs.
fn restrict() -> Result<(), Failure> {
    let files = Rlimit { current: Some(1024), maximum: Some(1024) };
    rustix::process::setrlimit(Resource::Nofile, files).at("rlimit")?;
    for bit in 0..=LAST_CAPABILITY {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if !KEPT.contains(capability) {
            rustix::thread::remove_capability_from_bounding_set(capability).at("bounding set")?;
        }
    }
    rustix::thread::set_thread_groups(&[]).at("setgroups")?;
    let sets =
        CapabilitySets { effective: KEPT, permitted: KEPT, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).at("capset")?;
    rustix::thread::set_no_new_privs(true).at("no_new_privs")?;
    call::close_on_exec().at("close_range")
}
