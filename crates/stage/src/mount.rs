//! Mounts below the root, through descriptors only.

use core::ffi::CStr;
use core::fmt::Write as _;

use coble_plan::{List, Message, mount as bits};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use coble_sys::rustix::fs::{CWD, FileType, ResolveFlags, fstat, fstatvfs};
use coble_sys::rustix::io::{Errno, read};
use coble_sys::rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount,
    fsopen, mount, mount_change, mount_remount, move_mount, open_tree, unmount,
};
use coble_sys::rustix::process::fchdir;
use coble_sys::{MountAttr, libc, mount_setattr};

use crate::bytes::Bytes;
use crate::context::Context;
use crate::copy_up::copy_up;
use crate::fault::{During, Fault, Outcome};
use crate::path::{Leaf, Place, reach};
use crate::procfs::{host_proc, is_procfs, link_to};
use crate::rendezvous::{ask_source, await_done, hand_over};

/// The bits that change a mount, and how.
#[derive(Clone, Copy, Default)]
pub(crate) struct Change {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    /// One of `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0.
    pub(crate) propagation: u64,
    pub(crate) recursive: bool,
    pub(crate) classic: bool,
}

/// A file system to be made.
pub(crate) struct NewFs<'a> {
    pub(crate) fstype: &'a CStr,
    pub(crate) source: &'a CStr,
    pub(crate) options: List<'a>,
    pub(crate) attributes: u64,
    pub(crate) flags: u32,
}

/// Where a mount goes.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) path: &'a CStr,
    pub(crate) flags: u32,
    pub(crate) propagation: u32,
}

/// [`coble_plan::Step::MountFs`]
pub(crate) fn mount_fs(context: &mut Context<'_>, fs: &NewFs<'_>, target: Target<'_>) -> Outcome {
    let place = destination(context, target, Leaf::Directory)?;
    if target.flags & bits::OVER_PROC == 0 {
        refuse_procfs(&place, target.path)?;
    }
    let (tree, late) = make_fs(fs, &place)?;
    if fs.flags & bits::COPY_UP != 0 {
        copy_up(host_proc(context)?, place.fd.as_fd(), target.path, tree.as_fd())?;
    }
    map_ids(context, tree.as_fd())?;
    attach(context, &tree, &place, target)?;
    change_classic(tree.as_fd(), Change { set: late, ..Change::default() })?;
    context.keep(target.path, tree);
    Ok(())
}

/// fsopen(2) to fsmount(2). Returns the mount and the attributes that are still to be set by mount(2).
fn make_fs(fs: &NewFs<'_>, place: &Place) -> Outcome<(OwnedFd, u64)> {
    let fd = fsopen(fs.fstype, FsOpenFlags::FSOPEN_CLOEXEC).on("fsopen", fs.fstype)?;
    configure(fd.as_fd(), fs, place).map_err(|fault| with_kernel_words(fault, fd.as_fd()))?;
    let make = |attributes: u64| {
        let attributes = MountAttrFlags::from_bits_retain(attributes as u32);
        fsmount(&fd, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    let (mount, late) = match make(fs.attributes) {
        // Before Linux 5.14 only mount(2) knows it.
        Err(Errno::INVAL) if fs.attributes & NOSYMFOLLOW != 0 => {
            (make(fs.attributes & !NOSYMFOLLOW), NOSYMFOLLOW)
        }
        mount => (mount, 0),
    };
    let mount = mount.on("fsmount", fs.fstype);
    Ok((mount.map_err(|fault| with_kernel_words(fault, fd.as_fd()))?, late))
}

fn configure(fd: BorrowedFd<'_>, fs: &NewFs<'_>, place: &Place) -> Outcome {
    if !fs.source.is_empty() {
        fsconfig_set_string(fd, c"source", fs.source).on("fsconfig", fs.source)?;
    }
    for option in fs.options {
        set_option(fd, option).on("fsconfig", option)?;
    }
    if fs.flags & bits::INHERIT_MODE != 0 && !place.made {
        let mode = fstat(&place.fd).during("fstat")?.st_mode & 0o7777;
        let mut text = Bytes::<16>::new();
        write!(text, "{mode:o}").map_err(|_| Fault::words("a mode is too long"))?;
        fsconfig_set_string(fd, c"mode", text.as_c_str()).on("fsconfig", c"mode")?;
    }
    if fs.flags & bits::SUPERBLOCK_RDONLY != 0 {
        fsconfig_set_flag(fd, c"ro").on("fsconfig", c"ro")?;
    }
    fsconfig_create(fd).on("fsconfig", fs.fstype)
}

/// `key` or `key=value`.
pub(crate) fn set_option(fd: BorrowedFd<'_>, option: &CStr) -> Result<(), Errno> {
    let bytes = option.to_bytes();
    let Some(equals) = bytes.iter().position(|&byte| byte == b'=') else {
        return fsconfig_set_flag(fd, option);
    };
    let key = Bytes::<256>::from(&bytes[..equals]).map_err(|_| Errno::INVAL)?;
    let value = &option.to_bytes_with_nul()[equals + 1..];
    let value = CStr::from_bytes_with_nul(value).map_err(|_| Errno::INVAL)?;
    fsconfig_set_string(fd, key.as_c_str(), value)
}

/// Adds what the kernel says about a failed fsconfig(2), read from the descriptor.
fn with_kernel_words(mut fault: Fault, fd: BorrowedFd<'_>) -> Fault {
    let mut words = [0; 512];
    if let Ok(length) = read(fd, &mut words) {
        let line = words[..length].strip_suffix(b"\n").unwrap_or(&words[..length]);
        // The first letter is the level: e for an error.
        if let [b'e' | b'w' | b'i', b' ', text @ ..] = line {
            fault.detail.clear();
            fault = fault.with(text);
        }
    }
    fault
}

/// [`coble_plan::Step::MountClassic`]
pub(crate) fn mount_classic(
    context: &mut Context<'_>,
    fstype: &CStr,
    source: &CStr,
    ms_flags: u64,
    data: &CStr,
    target: Target<'_>,
) -> Outcome {
    let place = destination(context, target, Leaf::Directory)?;
    if target.flags & bits::OVER_PROC == 0 {
        refuse_procfs(&place, target.path)?;
    }
    let path = fd_path(place.fd.as_fd())?;
    let flags = MountFlags::from_bits_retain(ms_flags as u32);
    mount(source, path.as_c_str(), fstype, flags, data).on("mount", target.path)?;
    // The descriptor is of what is covered now; the new mount is found by its path again.
    let top = destination(context, target, Leaf::Directory)?.fd;
    context.parent = None;
    if fstype == c"proc" && !is_procfs(top.as_fd())? {
        return Err(Fault::words("it was moved while it was mounted").with(target.path.to_bytes()));
    }
    set_propagation(top.as_fd(), target)?;
    context.keep(target.path, top);
    Ok(())
}

/// [`coble_plan::Step::HoldSource`]
pub(crate) fn hold_source(context: &mut Context<'_>, fd: i32) -> Outcome {
    // SAFETY: the parent hands this descriptor down for this step alone.
    context.source = Some(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(())
}

/// [`coble_plan::Step::MountBind`]
pub(crate) fn mount_bind(
    context: &mut Context<'_>,
    source: &CStr,
    target: Target<'_>,
    mount: Change,
    all: Change,
) -> Outcome {
    let held = context.source.take();
    let tree = if target.flags & bits::HELD != 0 {
        held.ok_or_else(|| Fault::words("no source is held"))?
    } else {
        let asks = target.flags & bits::ASK_SOURCE != 0;
        match clone_tree(CWD, source, target.flags & bits::RECURSIVE != 0) {
            Err(fault) if asks && fault.errno == Errno::ACCESS.raw_os_error() => {
                ask_source(context)?
            }
            tree => tree?,
        }
    };
    map_ids(context, tree.as_fd())?;
    change(tree.as_fd(), mount)?;
    change(tree.as_fd(), all)?;
    let kind = FileType::from_raw_mode(fstat(&tree).on("fstat", source)?.st_mode);
    let leaf = if kind == FileType::Directory { Leaf::Directory } else { Leaf::File };
    let place = destination(context, target, leaf)?;
    if target.flags & bits::ONLY_PROCFS != 0 && !is_procfs(tree.as_fd())? {
        return Err(Fault::words("it is not of type proc").with(source.to_bytes()));
    }
    if target.flags & bits::OVER_PROC == 0 {
        refuse_procfs(&place, target.path)?;
    }
    attach(context, &tree, &place, target)?;
    if mount.classic || all.classic {
        change_classic(tree.as_fd(), mount)?;
        change_classic(tree.as_fd(), all)?;
    }
    context.keep(target.path, tree);
    Ok(())
}

/// [`coble_plan::Step::Remount`]
pub(crate) fn remount(context: &mut Context<'_>, target: Target<'_>, how: Change) -> Outcome {
    let root = context.root()?;
    let flags = coble_sys::rustix::fs::OFlags::PATH;
    let fd = crate::path::open(root, target.path, flags, ResolveFlags::empty())
        .on("openat2", target.path)?;
    if how.classic { change_classic(fd.as_fd(), how) } else { change(fd.as_fd(), how) }?;
    set_propagation(fd.as_fd(), target)
}

/// [`coble_plan::Step::Relabel`]
pub(crate) fn relabel(context: &mut Context<'_>, path: &CStr) -> Outcome {
    let flags = coble_sys::rustix::fs::OFlags::PATH;
    let fd = crate::path::open(context.root()?, path, flags, ResolveFlags::empty())
        .on("openat2", path)?;
    hand_over(context, Message::Relabel { step: context.step }, fd.as_fd())?;
    await_done(context)
}

/// [`coble_plan::Step::Unmount`]: by a descriptor, and the host's procfs that leads to it. A link could lead to a mount
/// that hides something.
pub(crate) fn unmount_place(context: &mut Context<'_>, path: &CStr) -> Outcome {
    let flags = coble_sys::rustix::fs::OFlags::PATH;
    let place = crate::path::open(context.root()?, path, flags, ResolveFlags::NO_SYMLINKS)
        .on("openat2", path)?;
    let link = link_to(place.as_fd())?;
    fchdir(host_proc(context)?).during("fchdir")?;
    match unmount(link.as_c_str(), UnmountFlags::DETACH) {
        Err(Errno::INVAL) => Err(Fault::words("no mount point").with(path.to_bytes())),
        outcome => outcome.on("umount2", path),
    }
}

/// A detached copy of a mount, with all below it if `recursive`.
pub(crate) fn clone_tree(
    directory: BorrowedFd<'_>,
    path: &CStr,
    recursive: bool,
) -> Outcome<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(directory, path, flags).on("open_tree", path)
}

/// Has the ids of a mount mapped if the step before has asked for it. It must not be attached yet.
pub(crate) fn map_ids(context: &mut Context<'_>, tree: BorrowedFd<'_>) -> Outcome {
    match context.mapping.take() {
        Some(step) => {
            hand_over(context, Message::MapIds { step }, tree)?;
            await_done(context)
        }
        None => Ok(()),
    }
}

/// Finds or makes the place of a mount.
fn destination(context: &Context<'_>, target: Target<'_>, leaf: Leaf) -> Outcome<Place> {
    let resolve = if target.flags & bits::NO_SYMLINKS != 0 {
        ResolveFlags::NO_SYMLINKS
    } else {
        ResolveFlags::empty()
    };
    reach(context.root()?, target.path, leaf, resolve)
}

/// A mount over the container's procfs would forge what the kernel says.
fn refuse_procfs(place: &Place, path: &CStr) -> Outcome {
    if is_procfs(place.fd.as_fd())? {
        return Err(Fault::words("the mount point lies inside a procfs").with(path.to_bytes()));
    }
    Ok(())
}

/// Puts a detached mount at its place.
fn attach(context: &mut Context<'_>, tree: &OwnedFd, place: &Place, target: Target<'_>) -> Outcome {
    let moved = move_onto(tree.as_fd(), place.fd.as_fd());
    moved.map_err(|errno| exactly(errno, tree, place)).on("move_mount", target.path)?;
    set_propagation(tree.as_fd(), target)?;
    // What was opened below may be covered now.
    context.parent = None;
    Ok(())
}

/// Of a directory on a file, or a file on a directory, move_mount(2) says `EINVAL` and mount(2) `ENOTDIR`, which is what
/// engines look for.
fn exactly(errno: Errno, tree: &OwnedFd, place: &Place) -> Errno {
    let is_directory = |fd: BorrowedFd<'_>| {
        fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    };
    match (errno, is_directory(tree.as_fd()), is_directory(place.fd.as_fd())) {
        (Errno::INVAL, Ok(tree), Ok(place)) if tree != place => Errno::NOTDIR,
        _ => errno,
    }
}

/// move_mount(2) between two descriptors.
pub(crate) fn move_onto(tree: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, c"", place, c"", flags)
}

fn set_propagation(mount: BorrowedFd<'_>, target: Target<'_>) -> Outcome {
    if target.propagation == 0 {
        return Ok(());
    }
    let path = fd_path(mount)?;
    let flags = MountPropagationFlags::from_bits_retain(target.propagation);
    mount_change(path.as_c_str(), flags).on("mount", target.path)
}

/// Changes a mount's attributes, mount_setattr(2).
pub(crate) fn change(mount: BorrowedFd<'_>, how: Change) -> Outcome {
    if (how.set, how.clear, how.propagation) == (0, 0, 0) || how.classic {
        return Ok(());
    }
    let attr = MountAttr {
        attr_set: how.set,
        attr_clr: how.clear,
        propagation: how.propagation,
        ..MountAttr::default()
    };
    match mount_setattr(mount, c"", how.recursive, &attr) {
        Err(Errno::PERM) => Err(locked(mount, how)?),
        outcome => outcome.during("mount_setattr"),
    }
}

/// What a mount of the host has is locked in another user namespace (mount_namespaces(7), "Restrictions on mount
/// namespaces"). What isn't named is kept; what is named and can't be had is said, in runc's words.
fn locked(mount: BorrowedFd<'_>, how: Change) -> Outcome<Fault> {
    let now = fstatvfs(mount).during("fstatvfs")?.f_flag.bits();
    let mut fault = Fault::new(Errno::PERM, "cannot clear locked flags");
    for (name, (attr, _, st)) in NAMES.iter().zip(ATTRIBUTES) {
        if now & st != 0 && how.clear & !how.set & attr != 0 {
            let comma: &[u8] = if fault.detail.is_empty() { b"" } else { b"," };
            fault = fault.with(comma).with(name);
        }
    }
    if !fault.detail.is_empty() {
        return Ok(fault);
    }
    let action = match how.clear & ACCESS_TIME {
        0 => "mount_setattr",
        _ => "cannot change locked atime flags",
    };
    Ok(Fault::new(Errno::PERM, action))
}

/// The same through mount(2), which sets all flags at once: those that the mount has are kept.
pub(crate) fn change_classic(mount: BorrowedFd<'_>, how: Change) -> Outcome {
    if (how.set, how.clear) == (0, 0) {
        return Ok(());
    }
    let now = fstatvfs(mount).during("fstatvfs")?.f_flag.bits();
    let bits = classic_bits(now, how) | classic_access_time(now, how);
    let path = fd_path(mount)?;
    let flags = MountFlags::from_bits_retain(bits as u32) | MountFlags::BIND;
    match mount_remount(path.as_c_str(), flags, c"") {
        Err(Errno::PERM) => return Err(locked(mount, how)?),
        outcome => outcome.during("mount")?,
    }
    match how.propagation {
        0 => Ok(()),
        kind => {
            let kind = MountPropagationFlags::from_bits_retain(kind as u32);
            mount_change(path.as_c_str(), kind).during("mount")
        }
    }
}

/// `MOUNT_ATTR_NOSYMFOLLOW`, Linux 5.14.
const NOSYMFOLLOW: u64 = 0x20_0000;

/// `linux/statfs.h`, Linux 5.10.
const ST_NOSYMFOLLOW: u64 = 0x2000;

/// The attributes of one bit each: `MOUNT_ATTR_*` of mount_setattr(2), `MS_*` of mount(2), and `ST_*` of
/// statvfs(3), in which a mount tells its own.
const ATTRIBUTES: [(u64, u64, u64); 6] = [
    (0x1, libc::MS_RDONLY, libc::ST_RDONLY),
    (0x2, libc::MS_NOSUID, libc::ST_NOSUID),
    (0x4, libc::MS_NODEV, libc::ST_NODEV),
    (0x8, libc::MS_NOEXEC, libc::ST_NOEXEC),
    (0x80, libc::MS_NODIRATIME, libc::ST_NODIRATIME),
    (NOSYMFOLLOW, libc::MS_NOSYMFOLLOW, ST_NOSYMFOLLOW),
];

/// Their names, in the same order.
const NAMES: [&[u8]; 6] = [b"ro", b"nosuid", b"nodev", b"noexec", b"nodiratime", b"nosymfollow"];

/// `MOUNT_ATTR__ATIME`: one of three values, not bits.
const ACCESS_TIME: u64 = 0x70;

fn classic_bits(now: u64, how: Change) -> u64 {
    let holds = |(attr, _, st): &(u64, u64, u64)| {
        how.set & attr != 0 || now & st != 0 && how.clear & attr == 0
    };
    ATTRIBUTES.iter().filter(|bit| holds(bit)).fold(0, |flags, (_, ms, _)| flags | ms)
}

/// The access time mode, which is one of three: named even where it stays, since mount(2) would take its own
/// default for it beside other flags.
fn classic_access_time(now: u64, how: Change) -> u64 {
    match how.set & ACCESS_TIME {
        0x10 => libc::MS_NOATIME,
        0x20 => libc::MS_STRICTATIME,
        _ if how.clear & ACCESS_TIME != 0 => libc::MS_RELATIME,
        _ if now & libc::ST_NOATIME != 0 => libc::MS_NOATIME,
        _ if now & libc::ST_RELATIME != 0 => libc::MS_RELATIME,
        _ => libc::MS_STRICTATIME,
    }
}

/// The path by which mount(2) takes a descriptor. The host's `/proc` is still there when it is used.
fn fd_path(fd: BorrowedFd<'_>) -> Outcome<Bytes<32>> {
    let mut path = Bytes::from(b"/proc/")?;
    path.push(link_to(fd)?.as_bytes())?;
    Ok(path)
}
