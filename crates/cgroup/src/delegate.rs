//! A cgroup below a container's that the container's processes manage themselves.

use coble_sys::rustix::fs::{self, AtFlags, CWD, Gid, Mode, Uid};
use coble_sys::rustix::io::Errno;

use crate::place::Place;
use crate::{Cgroup, Error, file, subtree};

/// What the owner of a delegated cgroup may write to (Linux, admin-guide/cgroup-v2.rst, "Model of Delegation").
const FILES: &str = "/sys/kernel/cgroup/delegate";
/// The same before Linux 4.15, and wherever `/sys` can't tell.
const DEFAULT_FILES: &str = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

impl Cgroup {
    /// Makes the v2 cgroup at `path` below this one, which no process may be in but `pid`; moves that one there, enables
    /// for the new cgroup every controller that this one has, and gives it to the user and the group `owner`. `path` is
    /// relative and clean. No limit is set in it.
    ///
    /// # Errors
    /// [`Error::SubCgroup`] if there is no v2 directory; [`Error::Os`].
    pub fn delegate(&self, path: &str, pid: i32, owner: Option<(u32, u32)>) -> Result<(), Error> {
        let Some(own) = self.unified() else {
            return Err(Error::SubCgroup("the container has no cgroup v2".to_owned()));
        };
        let target = own.below(path);
        make(own, &target)?;
        subtree::join_threads(&target)?;
        file::write(target.dir(), "cgroup.procs", &pid.to_string())?;
        // A cgroup with processes can't have controllers for those below.
        subtree::enable(&target)?;
        owner.map_or(Ok(()), |owner| give(target.dir(), owner))
    }
}

/// Makes the directories from `own` down to `target`.
fn make(own: &Place, target: &Place) -> Result<(), Error> {
    let above: Vec<&str> =
        target.ancestors().take_while(|dir| dir.len() > own.dir().len()).collect();
    for dir in above.into_iter().rev().chain([target.dir()]) {
        match fs::mkdir(dir, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::os("make the cgroup", dir, errno)),
        }
    }
    Ok(())
}

fn give(dir: &str, (uid, gid): (u32, u32)) -> Result<(), Error> {
    let chown = |path: &str| {
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        fs::chownat(CWD, path, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
    };
    let files = file::read_all(FILES);
    let files = files.ok().and_then(|text| String::from_utf8(text).ok());
    for name in files.as_deref().unwrap_or(DEFAULT_FILES).lines() {
        match chown(&format!("{dir}/{name}")) {
            // A controller that is not enabled has no files.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::os("give away", format!("{dir}/{name}"), errno)),
        }
    }
    chown(dir).map_err(|errno| Error::os("give away", dir, errno))
}
