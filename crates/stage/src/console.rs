//! The container's terminal.

use coble_plan::Message;
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{
    FileType, Mode, OFlags, ResolveFlags, fstat, fstatfs, major, minor, openat,
};
use coble_sys::rustix::process::ioctl_tiocsctty;
use coble_sys::rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use coble_sys::rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use coble_sys::rustix::termios::{Winsize, tcsetwinsize};

use crate::context::Context;
use crate::fault::{During, Fault, Outcome};
use crate::mount::{clone_tree, move_onto};
use crate::path::{Leaf, open, reach};
use crate::procfs::{host_proc, link_to};
use crate::rendezvous::{await_answer, hand_over};

/// statfs(2)
const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;

/// [`coble_plan::Step::Console`]: both ends come from the container's own devpts, and are known by what they
/// are, not by their names.
pub(crate) fn make_console(
    context: &mut Context<'_>,
    height: u32,
    width: u32,
    mount: bool,
) -> Outcome {
    let master = open_master(context)?;
    unlockpt(&master).during("unlockpt")?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = ioctl_tiocgptpeer(&master, flags).during("ioctl")?;
    if height != 0 && width != 0 {
        let size =
            Winsize { ws_row: height as u16, ws_col: width as u16, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).during("ioctl")?;
    }
    if mount {
        mount_console(context, slave.as_fd())?;
    }
    hand_over(context, Message::Console, master.as_fd())?;
    // Nothing may be written to it before somebody has taken it and set it up.
    await_answer(context)?;
    drop(master);
    ioctl_tiocsctty(&slave).during("ioctl")?;
    dup2_stdin(&slave).during("dup2")?;
    dup2_stdout(&slave).during("dup2")?;
    dup2_stderr(&slave).during("dup2")
}

/// Without a devpts an image's device stands there, which does what it does when it is opened.
fn open_master(context: &mut Context<'_>) -> Outcome<OwnedFd> {
    let path = c"/dev/pts/ptmx";
    let found = open(context.root()?, path, OFlags::PATH, ResolveFlags::NO_SYMLINKS);
    let found = found.on("openat2", path)?;
    let stat = fstat(&found).on("fstat", path)?;
    let is_ptmx = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && (major(stat.st_rdev), minor(stat.st_rdev)) == (5, 2)
        && fstatfs(&found).on("fstatfs", path)?.f_type as i64 == DEVPTS_SUPER_MAGIC;
    if !is_ptmx {
        return Err(Fault::words("not a terminal multiplexer").with(path.to_bytes()));
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let link = link_to(found.as_fd())?;
    openat(host_proc(context)?, link.as_c_str(), flags, Mode::empty()).on("openat", path)
}

fn mount_console(context: &Context<'_>, slave: BorrowedFd<'_>) -> Outcome {
    let path = c"/dev/console";
    let tree = clone_tree(slave, c"", false)?;
    let place = reach(context.root()?, path, Leaf::File, ResolveFlags::NO_SYMLINKS)?;
    move_onto(tree.as_fd(), place.fd.as_fd()).on("move_mount", path)
}
