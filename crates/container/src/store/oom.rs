//! The last word on want of memory. With cgroup v2 the counters are gone with the cgroup, and who watches them may come
//! too late: whoever removes the cgroup leaves them in a file that the watcher has made, and keeps open.

use std::path::Path;

use coble_cgroup::Cgroup;
use coble_sys::rustix::fd::OwnedFd;
use coble_sys::rustix::fs::{Mode, OFlags, openat};
use coble_sys::rustix::io::write;

use super::{Entry, OOM, look};
use crate::error::Result;

const FLAGS: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);

/// The file that the remover of a container's cgroup will write to; none where none can be made.
///
/// # Errors
/// There is no such container.
pub(crate) fn hear_last_oom_events(root: &Path, id: &str) -> Result<Option<OwnedFd>> {
    let (directory, _) = look(root, id)?;
    let flags = FLAGS | OFlags::RDWR | OFlags::CREATE;
    Ok(openat(&directory, OOM, flags, Mode::RUSR | Mode::WUSR).ok())
}

impl Entry {
    /// Tells those who watch, if there are some, what the cgroup's counters say.
    pub(crate) fn tell_last_oom_events(&self, cgroup: &Cgroup) {
        let Ok(file) = openat(self, OOM, FLAGS | OFlags::WRONLY, Mode::empty()) else { return };
        if let Some(text) = cgroup.last_oom_events() {
            // Without it the cgroup above may tell.
            let _ = write(&file, text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_that_comes_late_leaves_nothing() {
        let root = std::env::temp_dir().join(format!("coble-store-oom-{}", std::process::id()));
        for _ in 0..200 {
            let entry = Entry::make(&root, "watched").unwrap();
            let watch = || (0..50).for_each(|_| drop(hear_last_oom_events(&root, "watched")));
            std::thread::scope(|scope| {
                scope.spawn(watch);
                scope.spawn(watch);
                while !root.join("watched/oom").exists() {}
                entry.remove().unwrap();
            });
        }
        std::fs::remove_dir(&root).unwrap();
    }
}
