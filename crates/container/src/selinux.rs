//! SELinux: whether it is active, and the contexts of a container's mounts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use coble_plan::{Plan, Step};
use coble_spec::Spec;
use coble_sys::rustix::fd::{AsRawFd, BorrowedFd};
use coble_sys::rustix::fs::{XattrFlags, fstatfs, getxattr, setxattr, statfs};
use coble_sys::rustix::io::Errno;

use crate::error::{Error, Result};
use crate::mount_options::Datum;

/// The annotation that says which option of a mount takes `linux.mountLabel` (crun.1).
pub(crate) const CONTEXT_TYPE: &str = "run.oci.mount_context_type";
/// Its values, mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS"; the first one counts without the annotation.
pub(crate) const CONTEXT_TYPES: [&str; 4] = ["context", "fscontext", "defcontext", "rootcontext"];

/// `linux/magic.h`
const SELINUX_MAGIC: u32 = 0xF97C_FF8C;

/// `linux/magic.h`, also the only file system with [`Labelling::Attribute`].
const MQUEUE_MAGIC: u32 = 0x1980_0202;

/// Whether contexts mean something here: libselinux and other runtimes know it by the mounted selinuxfs too.
pub(crate) fn is_active() -> bool {
    statfs(c"/sys/fs/selinux").is_ok_and(|stat| stat.f_type as u32 == SELINUX_MAGIC)
}

/// A context that nothing here can give is refused.
///
/// # Errors
/// SELinux is not active; with the place of the context in `document`.
pub(crate) fn refuse_inactive(is_active: bool, document: &str, pointer: &str) -> Result<()> {
    if is_active {
        return Ok(());
    }
    let words = format!("{document}: {pointer}: SELinux is not active on this host");
    Err(Error::config(pointer, words))
}

/// The extended attribute that holds a file's context, xattr(7).
pub(crate) const ATTRIBUTE: &str = "security.selinux";

/// Gives a directory the context of another one, if that has one and SELinux is active.
///
/// # Errors
/// The attribute can't be read or set.
pub(crate) fn copy_context(from: &str, to: &Path) -> io::Result<()> {
    if !is_active() {
        return Ok(());
    }
    let mut context = [0; 4096];
    match getxattr(from, ATTRIBUTE, &mut context) {
        Ok(length) => Ok(setxattr(to, ATTRIBUTE, &context[..length], XattrFlags::empty())?),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Carries out [`Step::Relabel`] for the executor. The file system of an ipc namespace belongs to whoever has made
/// the namespace, and not to the root of a user namespace that was made with it.
///
/// # Errors
/// The policy knows no such context, or doesn't allow the change.
pub(crate) fn relabel(plan: &Plan, step: u32, file: BorrowedFd<'_>) -> Result<()> {
    let Some((Step::Relabel { path, label }, origin)) = plan.get(step as usize) else {
        return Err(Error::new("the executor said what it has no step for"));
    };
    // The executor finds it by its path, where something else may have been put meanwhile.
    let magic = fstatfs(file).map_err(|errno| Error::os("fstatfs", errno))?.f_type;
    if magic as u32 != MQUEUE_MAGIC {
        let path = path.to_string_lossy();
        return Err(Error::new(format!("{path} ({origin}) is no mqueue file system any more")));
    }
    // A descriptor that only names its file takes no attributes, open(2).
    let name = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
    setxattr(name, ATTRIBUTE, label.to_bytes(), XattrFlags::empty()).map_err(|errno| {
        let what = format!("the SELinux context {}", label.to_string_lossy());
        Error::at("setxattr", path.to_string_lossy().as_ref(), errno)
            .within(&format!("{what} ({origin})"))
    })
}

/// `linux.mountLabel`, and the mount option that takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountLabel {
    /// One of [`CONTEXT_TYPES`].
    pub(crate) kind: String,
    /// The context.
    pub(crate) context: String,
}

impl MountLabel {
    /// Where it stands in `config.json`.
    pub(crate) const POINTER: &str = "/linux/mountLabel";

    /// What the mounts of a configuration get, if it says so.
    pub(crate) fn of(spec: &Spec) -> Option<Self> {
        let label = spec.linux.as_ref().map_or("", |linux| linux.mount_label.as_str());
        Self::new(label, &spec.annotations)
    }

    fn new(label: &str, annotations: &BTreeMap<String, String>) -> Option<Self> {
        let kind = annotations.get(CONTEXT_TYPE).map_or(CONTEXT_TYPES[0], String::as_str);
        (!label.is_empty()).then(|| Self { kind: kind.to_owned(), context: label.to_owned() })
    }

    /// `key=value` as fsconfig(2) takes it, without quotes.
    pub(crate) fn option(&self) -> String {
        format!("{}={}", self.kind, self.context)
    }

    /// As an option of a new file system.
    pub(crate) fn datum(&self) -> Datum {
        Datum { key: self.kind.clone(), value: Some(self.context.clone()) }
    }
}

/// How a new file system gets its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labelling {
    /// Not at all: the policy knows its files one by one (proc, sysfs), or it is the host's as much as the container's
    /// (cgroups).
    None,
    /// By an option of the mount.
    Option,
    /// By an attribute of its root. A context for all that is in it would not let policies tell queues apart.
    Attribute,
}

impl Labelling {
    /// That of a type of file systems, as runc and crun have it.
    pub(crate) fn of(kind: &str) -> Self {
        match kind {
            "proc" | "sysfs" | "cgroup" | "cgroup2" => Self::None,
            "mqueue" => Self::Attribute,
            _ => Self::Option,
        }
    }
}

#[cfg(test)]
mod tests {
    use coble_sys::rustix::fd::AsFd;

    use super::*;

    #[test]
    fn what_is_no_mqueue_gets_no_context() {
        let mut plan = Plan::default();
        plan.push(Step::Relabel { path: c"/dev/mqueue", label: c"a:b:c:s0" }, "/linux/mountLabel");
        let file = std::fs::File::open(std::env::temp_dir()).unwrap();
        let error = relabel(&plan, 0, file.as_fd()).unwrap_err();
        let words = "/dev/mqueue (/linux/mountLabel) is no mqueue file system any more";
        assert_eq!(error.to_string(), words);
    }
}
