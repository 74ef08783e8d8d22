//! Sources of bind mounts that the executor can't open itself.
//!
//! The root of a user namespace is some user of the host, who may not follow the path to a source although the
//! caller may. Then the executor asks the parent, who opens the source in the executor's mount namespace: what the
//! host's mounts forbid is locked there, mount_namespaces(7), "Restrictions on mount namespaces", and earlier mounts of
//! the container have their effect. A copy from the host's own mount namespace would have nothing locked.

use std::path::Path;

use coble_plan::{Plan, Step, mount};
use coble_spec::Mount;
use coble_sys::rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{CWD, Mode, OFlags, openat};
use coble_sys::rustix::mount::{OpenTreeFlags, open_tree};
use coble_sys::{MountAttr, mount_setattr, open_tree_of, rustix};

use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::explain::explain;
use crate::mount_options::{MountOptions, ms};

/// For each mount that is to be added to a container a detached copy of its source, where it has one.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Option<OwnedFd>>);

impl Sources {
    /// Opens those of mounts that are to be added to a container that is there already: from there nothing of the host
    /// can be seen. Each gets its propagation, slave if it has none.
    ///
    /// # Errors
    /// One that can't be opened; with `has_user` one whose restrictions the container's user namespace could lift.
    pub(crate) fn of_new(bundle: &Path, mounts: &[Mount], has_user: bool) -> Result<Self> {
        let open = |(index, mount)| open_new(bundle, mount, index, has_user);
        mounts.iter().enumerate().map(open).collect::<Result<_>>().map(Self)
    }

    /// Their numbers.
    pub(crate) fn numbers(&self) -> Vec<Option<i32>> {
        self.0.iter().map(|source| source.as_ref().map(AsRawFd::as_raw_fd)).collect()
    }

    /// Those that are there.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.0.iter().flatten().map(AsFd::as_fd).collect()
    }
}

/// Opens the source of the bind mount with this index, in the executor's mount namespace and from its root.
///
/// # Errors
/// The kernel's; the step is none of that kind.
pub(crate) fn open_source(plan: &Plan, step: u32, executor: &Executor) -> Result<OwnedFd> {
    let Some((Step::MountBind { source, flags, .. }, _)) = plan.get(step as usize) else {
        return Err(Error::new("the executor asked for a source that it has no step for"));
    };
    let pid = executor.pid;
    let root = format!("/proc/{pid}/root");
    let root_flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root_fd = openat(CWD, &root, root_flags, Mode::empty())
        .map_err(|errno| Error::at("open", &root, errno))?;
    let tree_flags = open_tree_flags(flags & mount::RECURSIVE != 0);
    open_tree_of(executor.pidfd(), root_fd.as_fd(), source, tree_flags).map_err(|errno| {
        // The step, as if it had failed itself.
        explain(plan, step, errno.raw_os_error(), "open_tree", &source.to_string_lossy())
    })
}

fn open_new(bundle: &Path, mount: &Mount, index: usize, has_user: bool) -> Result<Option<OwnedFd>> {
    let Ok(options) = MountOptions::parse(&mount.options) else { return Ok(None) };
    if !options.binds(&mount.kind) {
        return Ok(None);
    }
    let path = bundle.join(&mount.source);
    let pointer = format!("/mounts/{index}/source");
    let failed = |action: &str, errno| Error::at(&format!("{pointer}: {action}"), &path, errno);
    let tree = clone_tree(&path, options.recursive).map_err(|errno| failed("open", errno))?;
    if has_user {
        refuse_lifting(&tree, &options, &path, index)?;
    }
    let slave = (ms::SLAVE | ms::REC, true);
    let asked =
        options.propagation.iter().map(|one| (one.mount_flags(), one.mount_flags() & ms::REC != 0));
    for (flags, recursive) in std::iter::once(slave).chain(asked) {
        let propagation = flags & !ms::REC;
        mount_setattr(
            tree.as_fd(),
            c"",
            recursive,
            &MountAttr { propagation, ..MountAttr::default() },
        )
        .map_err(|errno| failed("change the propagation of", errno))?;
    }
    Ok(Some(tree))
}

/// The kernel locks a mount's restrictions when it is copied into a namespace of other rights, and only then.
fn refuse_lifting(tree: &OwnedFd, options: &MountOptions, path: &Path, index: usize) -> Result<()> {
    use coble_sys::rustix::fs::{StatVfsMountFlags as Flags, fstatvfs};
    let pointer = |member: &str| format!("/mounts/{index}/{member}");
    if options.recursive {
        let words = "rbind can't be used in a user namespace that is there already: what is below can't be locked";
        let words = format!("{}: {words}", pointer("options"));
        return Err(Error::config(pointer("options"), words));
    }
    let flags = fstatvfs(tree).map_err(|errno| Error::at("statvfs", path, errno))?.f_flag;
    if !flags.intersects(Flags::RDONLY | Flags::NOSUID | Flags::NODEV | Flags::NOEXEC) {
        return Ok(());
    }
    let words = format!(
        "{}: {}: what the host's mount forbids (ro, nosuid, nodev or noexec) could be lifted in the user namespace",
        pointer("source"),
        path.display()
    );
    Err(Error::config(pointer("source"), words))
}

fn clone_tree(path: &Path, recursive: bool) -> rustix::io::Result<OwnedFd> {
    open_tree(CWD, path, open_tree_flags(recursive))
}

fn open_tree_flags(recursive: bool) -> OpenTreeFlags {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive { flags | OpenTreeFlags::AT_RECURSIVE } else { flags }
}
