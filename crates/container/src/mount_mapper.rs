//! Maps the ids of mounts for the executor, mount_setattr(2) with `MOUNT_ATTR_IDMAP` (Linux 5.12).
//!
//! Only who has rights over a file system may map its ids, and over the user namespace that says how. The root of
//! a container's user namespace has neither. So the executor, which mounts in the container's namespaces and under
//! their restrictions, hands each new mount over before it is attached.

use std::ffi::CStr;

use coble_plan::{Plan, Step};
use coble_sys::mountinfo::mounts;
use coble_sys::rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{fstat, major, minor};
use coble_sys::rustix::io::Errno;
use coble_sys::{MountAttr, errno_words, mount_setattr};

use crate::error::{Error, Result};
use crate::user_namespace;

/// `linux/mount.h`
const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;

/// The user namespaces that were made for mappings, each for all mounts that want the same.
#[derive(Debug, Default)]
pub(crate) struct MountMapper {
    made: Vec<(Lines, OwnedFd)>,
}

/// Those of `uid_map` and `gid_map`; empty ones stand for the container's user namespace.
type Lines = (String, String);

impl MountMapper {
    /// Maps the ids of a detached mount as the step with this index says. `pid` is the executor, in the container's
    /// user namespace.
    ///
    /// # Errors
    /// The kernel's, with the file system's name; the step is none of that kind.
    pub(crate) fn map(
        &mut self,
        plan: &Plan,
        step: u32,
        mount: BorrowedFd<'_>,
        pid: i32,
    ) -> Result<()> {
        let found = plan.get(step as usize);
        let Some((Step::MapIds { uids, gids, recursive }, origin)) = found else {
            return Err(Error::new("the executor asked for a mapping that it has no step for"));
        };
        let place = || Place { plan, step: step as usize, origin, pid };
        let namespace =
            self.namespace((text(uids), text(gids)), pid).map_err(|error| place().within(error))?;
        let attr = MountAttr {
            attr_set: MOUNT_ATTR_IDMAP,
            userns_fd: namespace.as_raw_fd() as u64,
            ..MountAttr::default()
        };
        mount_setattr(mount, c"", recursive != 0, &attr)
            .map_err(|errno| place().explain(errno, mount))
    }

    fn namespace(&mut self, lines: Lines, pid: i32) -> Result<BorrowedFd<'_>> {
        let known = self.made.iter().position(|(made, _)| *made == lines);
        let index = match known {
            Some(index) => index,
            None => {
                let namespace = match (lines.0.as_str(), lines.1.as_str()) {
                    ("", _) => user_namespace::of(pid)?,
                    (uids, gids) => user_namespace::make(uids, gids)?,
                };
                self.made.push((lines, namespace));
                self.made.len() - 1
            }
        };
        Ok(self.made[index].1.as_fd())
    }
}

/// Which mount it is.
struct Place<'a> {
    plan: &'a Plan,
    step: usize,
    origin: &'a str,
    pid: i32,
}

impl Place<'_> {
    /// The source of the mount, its destination and, where it is a new file system, that one's name.
    fn mount(&self) -> (String, String, Option<String>) {
        let found = self.plan.iter().skip(self.step + 1).find_map(|(step, _)| match step {
            Step::OpenRoot { path } => Some((path, c"/", None)),
            Step::MountBind { source, destination, .. } => Some((source, destination, None)),
            Step::MountFs { fstype, source, destination, .. } => {
                Some((source, destination, Some(text(fstype))))
            }
            _ => None,
        });
        let (source, destination, kind) = found.unwrap_or((c"", c"", None));
        (text(source), text(destination), kind)
    }

    fn within(&self, error: Error) -> Error {
        let (_, destination, _) = self.mount();
        error.within(&format!("map the ids of the mount on {destination} ({})", self.origin))
    }

    fn explain(&self, errno: Errno, mount: BorrowedFd<'_>) -> Error {
        let (source, _, kind) = self.mount();
        let kind = kind.or_else(|| file_system(mount, self.pid));
        let kind = kind.map_or_else(|| "its file system".to_owned(), |kind| format!("{kind:?}"));
        let hint = match errno {
            Errno::INVAL => format!(
                ": {kind}, or what is mounted below, allows no id-mapped mounts on this kernel"
            ),
            Errno::PERM => {
                format!(": {kind} is id-mapped already, or belongs to another user namespace")
            }
            _ => String::new(),
        };
        let words = errno_words(errno);
        self.within(Error::new(format!(
            "failed to set MOUNT_ATTR_IDMAP on {source}: {words}{hint}"
        )))
    }
}

/// The name of the file system that a mount shows, if a mount that the process sees is of the same.
fn file_system(mount: BorrowedFd<'_>, pid: i32) -> Option<String> {
    let device = fstat(mount).ok()?.st_dev;
    let device = format!("{}:{}", major(device), minor(device));
    let table = std::fs::read(format!("/proc/{pid}/mountinfo")).ok()?;
    let mount = mounts(&table).flatten().find(|mount| mount.device == device.as_bytes())?;
    Some(String::from_utf8_lossy(mount.kind).into_owned())
}

fn text(text: &CStr) -> String {
    text.to_string_lossy().into_owned()
}
