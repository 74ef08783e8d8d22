//! Sources of bind mounts that a container's user namespace may not be able to reach.
//!
//! The root of a user namespace is some user of the host, who may not follow the path to a source although the
//! caller may. So the parent opens the sources beforehand. The executor tries the path first all the same: it
//! sees what earlier mounts of the container have changed, and what it mounts itself can't be made more
//! writable from inside, mount_namespaces(7), "Restrictions on mount namespaces".

use std::path::Path;

use coble_spec::{Mount, NamespaceKind};
use coble_sys::rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::CWD;
use coble_sys::rustix::mount::{OpenTreeFlags, open_tree};
use coble_sys::{MountAttr, mount_setattr, rustix};

use crate::bundle::Bundle;
use crate::compile::listed;
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::mount_options::{MountOptions, ms};

/// For each mount of the configuration a detached copy of its source, where one may be needed and could be had.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Option<OwnedFd>>);

impl Sources {
    /// Opens them. One that can't be opened is left to the executor, which says why.
    pub(crate) fn open(bundle: &Bundle, facts: &Facts) -> Self {
        let has_user = listed(&bundle.spec).iter().any(|own| own.kind == NamespaceKind::User);
        if !has_user || facts.is_rootless() {
            return Self::default();
        }
        Self(bundle.spec.mounts.iter().map(|mount| open(bundle, mount)).collect())
    }

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
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(CWD, path, flags)
}

fn open(bundle: &Bundle, mount: &Mount) -> Option<OwnedFd> {
    let options = MountOptions::parse(&mount.options).ok()?;
    if options.remount || !options.binds(&mount.kind) {
        return None;
    }
    clone_tree(&bundle.path.join(&mount.source), options.recursive).ok()
}
