//! Device nodes, links and directories below the root; what is masked and what is read-only.

use core::ffi::CStr;

use coble_plan::mount as bits;
use coble_sys::libc;
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, chmodat, chownat, fstat,
    major, makedev, minor, mknodat, openat, symlinkat,
};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use crate::context::Context;
use crate::fault::{During, Fault, Outcome};
use crate::mount::{Change, change, change_classic, clone_tree, move_onto, set_option};
use crate::path::{Leaf, open, reach, with_parent};
use crate::procfs::{host_proc, link_to};

// mount_setattr(2)
const MOUNT_ATTR_RDONLY: u64 = 0x1;
const MOUNT_ATTR_NOSUID: u64 = 0x2;
const MOUNT_ATTR_NOEXEC: u64 = 0x8;

/// A device node: its type and permission bits and its numbers.
#[derive(Clone, Copy)]
pub(crate) struct Node {
    pub(crate) mode: u32,
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

/// Whose a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The mode and the owner of what is open to everybody: nothing can be lost of them.
const OPEN_TO_ALL: (u32, Owner) = (0o666, Owner { uid: 0, gid: 0 });

impl Node {
    fn permissions(self) -> u32 {
        self.mode & 0o7777
    }

    /// Whether a file is this very device. The numbers of a fifo say nothing.
    fn is(self, stat: &Stat) -> bool {
        let kind = FileType::from_raw_mode(self.mode);
        let same_number = || stat.st_rdev == makedev(self.major, self.minor);
        FileType::from_raw_mode(stat.st_mode) == kind && (kind == FileType::Fifo || same_number())
    }
}

/// [`coble_plan::Step::Mknod`]
pub(crate) fn make_node(
    context: &mut Context<'_>,
    path: &CStr,
    node: Node,
    owner: Owner,
    keep: bool,
) -> Outcome {
    let kind = FileType::from_raw_mode(node.mode);
    let mode = Mode::from_raw_mode(node.permissions());
    let device = makedev(node.major, node.minor);
    let unfinished = with_parent(context, path, |directory, name| {
        match mknodat(directory, name, kind, mode, device) {
            Ok(()) if (node.permissions(), owner) == OPEN_TO_ALL => Ok(None),
            // The directory may have given the node a group or an access list of its own.
            Ok(()) => open_node(directory, name, node, path).map(Some),
            // An image may bring the node along, but nothing else in its place.
            Err(Errno::EXIST) => {
                open_node(directory, name, node, path).map(|found| (!keep).then_some(found))
            }
            Err(errno) => Err(errno).on("mknodat", path),
        }
    })?;
    match unfinished {
        Some((fd, stat)) => set_owner_and_mode(context, fd.as_fd(), &stat, node, owner, path),
        None => Ok(()),
    }
}

/// What stands at the name now, which must be the node, whoever has put it there.
fn open_node(
    directory: BorrowedFd<'_>,
    name: &CStr,
    node: Node,
    path: &CStr,
) -> Outcome<(OwnedFd, Stat)> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(directory, name, flags, Mode::empty()).on("openat", path)?;
    let stat = fstat(&fd).on("fstat", path)?;
    if node.is(&stat) {
        Ok((fd, stat))
    } else {
        Err(Fault::words("what is there is not the device").with(path.to_bytes()))
    }
}

/// A device is never opened for more than its name: that alone can make one do something.
fn set_owner_and_mode(
    context: &mut Context<'_>,
    fd: BorrowedFd<'_>,
    stat: &Stat,
    node: Node,
    owner: Owner,
    path: &CStr,
) -> Outcome {
    if (stat.st_uid, stat.st_gid) != (owner.uid, owner.gid) {
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        chownat(fd, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH).on("fchownat", path)?;
    }
    if stat.st_mode & 0o7777 != node.permissions() {
        // fchmodat(2) takes no empty path, and fchmodat2(2), which does, is of Linux 6.6.
        let link = link_to(fd)?;
        let mode = Mode::from_raw_mode(node.permissions());
        chmodat(host_proc(context)?, link.as_c_str(), mode, AtFlags::empty())
            .on("fchmodat", path)?;
    }
    Ok(())
}

/// [`coble_plan::Step::BindDevice`]
pub(crate) fn bind_device(context: &mut Context<'_>, path: &CStr, node: Node) -> Outcome {
    let tree = clone_tree(CWD, path, false)?;
    if !node.is(&fstat(&tree).on("fstat", path)?) {
        return Err(Fault::words("the host's file is not the device").with(path.to_bytes()));
    }
    let place = reach(context.root()?, path, Leaf::File, ResolveFlags::empty())?;
    move_onto(tree.as_fd(), place.fd.as_fd()).on("move_mount", path)
}

/// [`coble_plan::Step::Symlink`]
pub(crate) fn make_link(context: &mut Context<'_>, target: &CStr, path: &CStr) -> Outcome {
    with_parent(context, path, |directory, name| match symlinkat(target, directory, name) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno).on("symlinkat", path),
    })
}

/// [`coble_plan::Step::MakeDirectory`]
pub(crate) fn make_directory(context: &Context<'_>, path: &CStr) -> Outcome {
    reach(context.root()?, path, Leaf::Directory, ResolveFlags::empty()).map(drop)
}

/// [`coble_plan::Step::MaskPath`]
pub(crate) fn mask_path(
    context: &mut Context<'_>,
    path: &CStr,
    flags: u32,
    label: &CStr,
) -> Outcome {
    let Some(place) = open_if_there(context, path)? else { return Ok(()) };
    let kind = FileType::from_raw_mode(fstat(&place).on("fstat", path)?.st_mode);
    if kind == FileType::Directory {
        mask_directory(context, place.as_fd(), path, label)
    } else {
        mask_file(context, place.as_fd(), path, flags)
    }
}

/// All masked files show the host's null device. The mount is read-only, which the device does not mind: its
/// mode, owner and times are the host's. It is private: what is mounted on a peer of the host's, such as a second
/// mask, would be mounted on the host's `/dev/null` as well.
fn mask_file(context: &mut Context<'_>, place: BorrowedFd<'_>, path: &CStr, flags: u32) -> Outcome {
    if let Some(null) = &context.null {
        let tree = clone_tree(null.as_fd(), c"", false)?;
        return move_onto(tree.as_fd(), place).on("move_mount", path);
    }
    let tree = clone_tree(host_null()?.as_fd(), c"", false)?;
    let classic = flags & bits::CLASSIC_ATTRIBUTES != 0;
    let set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    let how = Change { set, propagation: libc::MS_PRIVATE, classic, ..Change::default() };
    change(tree.as_fd(), how)?;
    move_onto(tree.as_fd(), place).on("move_mount", path)?;
    if classic {
        change_classic(tree.as_fd(), how)?;
    }
    context.null = Some(tree);
    Ok(())
}

/// All masked directories share one empty read-only tmpfs.
fn mask_directory(
    context: &mut Context<'_>,
    place: BorrowedFd<'_>,
    path: &CStr,
    label: &CStr,
) -> Outcome {
    if let Some(mask) = &context.mask {
        let tree = clone_tree(mask.as_fd(), c"", false)?;
        return move_onto(tree.as_fd(), place).on("move_mount", path);
    }
    let tree = empty_directory(label)?;
    move_onto(tree.as_fd(), place).on("move_mount", path)?;
    context.mask = Some(tree);
    Ok(())
}

fn empty_directory(label: &CStr) -> Outcome<OwnedFd> {
    let fs = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).on("fsopen", c"tmpfs")?;
    fsconfig_set_string(&fs, c"nr_blocks", c"1").on("fsconfig", c"nr_blocks")?;
    fsconfig_set_string(&fs, c"nr_inodes", c"2").on("fsconfig", c"nr_inodes")?;
    fsconfig_set_string(&fs, c"mode", c"755").on("fsconfig", c"mode")?;
    if !label.is_empty() {
        set_option(fs.as_fd(), label).on("fsconfig", label)?;
    }
    fsconfig_set_flag(&fs, c"ro").on("fsconfig", c"ro")?;
    fsconfig_create(&fs).on("fsconfig", c"tmpfs")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).on("fsmount", c"tmpfs")
}

/// The host's `/dev/null`, which must be what it is called: whatever stands there is shown in place of
/// masked files.
fn host_null() -> Outcome<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let null = openat(CWD, c"/dev/null", flags, Mode::empty()).on("openat", c"/dev/null")?;
    let stat = fstat(&null).on("fstat", c"/dev/null")?;
    let is_null = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && (major(stat.st_rdev), minor(stat.st_rdev)) == (1, 3);
    if is_null {
        Ok(null)
    } else {
        Err(Fault::words("the host's /dev/null is not the null device"))
    }
}

/// [`coble_plan::Step::ReadonlyPath`]
pub(crate) fn readonly_path(context: &Context<'_>, path: &CStr, flags: u32) -> Outcome {
    let Some(place) = open_if_there(context, path)? else { return Ok(()) };
    let tree = clone_tree(place.as_fd(), c"", true)?;
    let how = read_only(true, flags);
    change(tree.as_fd(), how)?;
    move_onto(tree.as_fd(), place.as_fd()).on("move_mount", path)?;
    if how.classic { change_classic(tree.as_fd(), how) } else { Ok(()) }
}

/// [`coble_plan::Step::ReadonlyRoot`]
pub(crate) fn readonly_root(context: &Context<'_>, flags: u32) -> Outcome {
    let how = read_only(false, flags);
    let root = context.root()?;
    if how.classic { change_classic(root, how) } else { change(root, how) }
}

fn read_only(recursive: bool, flags: u32) -> Change {
    let classic = flags & bits::CLASSIC_ATTRIBUTES != 0;
    Change { set: MOUNT_ATTR_RDONLY, recursive, classic, ..Change::default() }
}

fn open_if_there(context: &Context<'_>, path: &CStr) -> Outcome<Option<OwnedFd>> {
    let (directory, below) = context.resolve(path)?;
    match open(directory, below, OFlags::PATH, ResolveFlags::empty()) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno).on("openat2", path),
    }
}
