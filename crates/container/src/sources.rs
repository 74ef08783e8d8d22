//! Sources of bind mounts that a container's user namespace may not be able to reach.
//!
//! The root of a user namespace is some user of the host, who may not follow the path to a source although the
//! caller may. So the parent opens the sources beforehand. The executor tries the path first all the same: it
//! sees what earlier mounts of the container have changed, and what it mounts itself can't be made more
//! writable from inside, mount_namespaces(7), "Restrictions on mount namespaces".

use coble_spec::{Mount, NamespaceKind};
use coble_sys::rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::CWD;
use coble_sys::rustix::mount::{OpenTreeFlags, open_tree};

use crate::bundle::Bundle;
use crate::compile::listed;
use crate::facts::Facts;
use crate::mount_options::MountOptions;

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

    /// Their numbers.
    pub(crate) fn numbers(&self) -> Vec<Option<i32>> {
        self.0.iter().map(|source| source.as_ref().map(AsRawFd::as_raw_fd)).collect()
    }

    /// Those that are there.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.0.iter().flatten().map(AsFd::as_fd).collect()
    }
}

fn open(bundle: &Bundle, mount: &Mount) -> Option<OwnedFd> {
    let options = MountOptions::parse(&mount.options).ok()?;
    if options.remount || !options.binds(&mount.kind) {
        return None;
    }
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if options.recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(CWD, bundle.path.join(&mount.source), flags).ok()
}
