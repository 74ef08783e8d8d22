//! Which parts of the host's file tree the container sees, and how each of them: a pure function.
//!
//! One overlay over `/` would not do. An overlay shows one file system without what is mounted below, and in a
//! user namespace the kernel refuses a lower directory that has mounts below it, because leaving them out would
//! uncover what they hide. So `/` is rebuilt from parts, each an overlay of its own.

use super::points::{Point, is_below};

/// Directories that the container has of its own.
pub(super) const FRESH: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// One part of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where, on the host and in the container.
    pub(super) path: String,
    /// How it is shown.
    pub(super) show: Show,
}

/// How a part is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// A directory of the new root that is empty but for other parts.
    Empty,
    /// The same symbolic link in the new root.
    Link,
    /// A directory behind an overlay: changes go elsewhere.
    Overlay,
    /// A directory that overlayfs can't have below it: itself, read-only.
    ReadOnlyDirectory,
    /// A file next to mount points: itself, read-only.
    ReadOnlyFile,
}

/// What stands at a path of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A socket, a pipe, a device: none of it is for the container.
    Other,
}

/// The facts about the host's files that [`layout`] asks for.
pub(super) trait Files {
    /// The entries of a directory with their names.
    fn entries(&self, directory: &str) -> Vec<(String, Kind)>;
    /// Whether the caller may read the file, or list and enter the directory.
    fn readable(&self, path: &str, kind: Kind) -> bool;
    /// What stands at the path itself.
    fn kind(&self, path: &str) -> Kind;
}

/// The parts of the tree; a directory comes before what is below it.
///
/// `locked` says that the container's mounts are made in a user namespace to which the host's mounts don't
/// belong: there a directory with mounts below it is taken apart until the pieces have none. Without it such a
/// directory is one overlay, with what is mounted below shown on top of it.
pub(super) fn layout(points: &[Point], locked: bool, files: &dyn Files) -> Vec<Part> {
    let mut layout = Layout { points, locked, files, parts: Vec::new() };
    layout.take_apart("/");
    if !locked {
        for point in points {
            layout.put_on_top(&point.path);
        }
    }
    layout.parts
}

struct Layout<'a> {
    points: &'a [Point],
    locked: bool,
    files: &'a dyn Files,
    parts: Vec<Part>,
}

impl Layout<'_> {
    fn take_apart(&mut self, directory: &str) {
        let mut entries = self.files.entries(directory);
        entries.sort();
        for (name, kind) in entries {
            let path = format!("{}/{name}", directory.trim_end_matches('/'));
            self.show(path, kind);
        }
    }

    fn show(&mut self, path: String, kind: Kind) {
        match kind {
            Kind::Directory => self.show_directory(path),
            Kind::File => self.show_file(path),
            Kind::Link => self.push(path, Show::Link),
            Kind::Other => {}
        }
    }

    fn show_directory(&mut self, path: String) {
        // The type comes first: a look into an automounter's directory can wait for a dead server.
        let kind = self.kind_of_mount(&path);
        let hidden = FRESH.contains(&path.as_str()) || is_made_by_the_kernel(kind);
        if hidden || !self.files.readable(&path, Kind::Directory) {
            self.push(path, Show::Empty);
        } else if self.locked && self.points.iter().any(|point| is_below(&point.path, &path)) {
            self.push(path.clone(), Show::Empty);
            self.take_apart(&path);
        } else if is_refused_by_overlayfs(kind) {
            self.push(path, Show::ReadOnlyDirectory);
        } else {
            self.push(path, Show::Overlay);
        }
    }

    fn show_file(&mut self, path: String) {
        let kind = self.kind_of_mount(&path);
        if !is_made_by_the_kernel(kind) && self.files.readable(&path, Kind::File) {
            self.push(path, Show::ReadOnlyFile);
        }
    }

    /// Shows a mount point that lies below one of the parts.
    fn put_on_top(&mut self, path: &str) {
        let is_fresh = FRESH.iter().any(|&fresh| path == fresh || is_below(path, fresh));
        let is_part = path == "/" || self.parts.iter().any(|part| part.path == path);
        if !is_fresh && !is_part && !is_made_by_the_kernel(self.kind_of_mount(path)) {
            self.show(path.to_owned(), self.files.kind(path));
        }
    }

    /// The type of the file system that a path lies on.
    fn kind_of_mount(&self, path: &str) -> &str {
        let covers = |point: &&Point| point.path == path || is_below(path, &point.path);
        // Sorted by path, so the last one that covers the path is the deepest.
        self.points.iter().rev().find(covers).map_or("", |point| &point.kind)
    }

    fn push(&mut self, path: String, show: Show) {
        self.parts.push(Part { path, show });
    }
}

/// A path as overlayfs wants it in an option: colon and comma separate there, a backslash escapes.
pub(super) fn escape(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for character in path.chars() {
        if matches!(character, '\\' | ':' | ',') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// File systems without files of their own: windows into the kernel, which a container gets afresh or not at
/// all, and automounters, where looking is acting.
fn is_made_by_the_kernel(kind: &str) -> bool {
    const KINDS: [&str; 24] = [
        "autofs",
        "binder",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "cpuset",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "functionfs",
        "fusectl",
        "hugetlbfs",
        "mqueue",
        "nsfs",
        "proc",
        "pstore",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "sysfs",
        "tracefs",
    ];
    KINDS.contains(&kind)
}

/// File systems that overlayfs takes for no layer: they compare names in a way of their own or mount on access.
fn is_refused_by_overlayfs(kind: &str) -> bool {
    const KINDS: [&str; 12] = [
        "affs", "afs", "cifs", "exfat", "hfs", "hfsplus", "iso9660", "msdos", "ntfs", "ntfs3",
        "smb3", "vfat",
    ];
    KINDS.contains(&kind)
}

#[cfg(test)]
mod tests;
