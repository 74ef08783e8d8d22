//! The parent's side of the executor: starts it and listens to it.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::time::Duration;

use coble_plan::{DONE, Failure, GO_ON, IN_CGROUP, LISTENED, MESSAGE_MAX, Message, OPENED, Plan};
use coble_spec::NamespaceKind;
use coble_sys::rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{CWD, Mode, OFlags, openat};
use coble_sys::rustix::io::{Errno, IoSlice};
use coble_sys::rustix::net::sockopt::set_socket_passcred;
use coble_sys::rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, send, sendmsg, socketpair,
};
use coble_sys::rustix::process::{
    Pid, PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, waitid,
};
use coble_sys::{Program, SPAWN_FAILED, Spawn, libc, pidfd_send_signal, setns};

use crate::child::Child;
use crate::compile::{Namespaces, clone_flag};
use crate::error::{Error, Result};
use crate::interrupt::{Interrupt, Watch};
use crate::receive::{Received, receive};
use crate::refused_clone::refused_clone;
use crate::sealed;

/// What the executor is started with.
pub(crate) struct Start<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) namespaces: &'a Namespaces,
    /// The cgroup v2 directory that it starts in.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    /// Whether it waits until [`Executor::answer`] has been called once, outside of its program.
    pub(crate) gated: bool,
    /// The socket on which `start` comes.
    pub(crate) listener: Option<BorrowedFd<'a>>,
    /// How many of the caller's descriptors from 3 on the program gets.
    pub(crate) preserve_fds: u32,
    /// Further descriptors that the plan names.
    pub(crate) keep: &'a [BorrowedFd<'a>],
    /// Standard streams in place of the caller's.
    pub(crate) streams: [Option<BorrowedFd<'a>>; 3],
}

/// A running executor.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    socket: OwnedFd,
}

/// What the executor says, with what came along.
#[derive(Debug)]
pub(crate) enum Said {
    /// The program runs, or the executor has been killed.
    Nothing,
    Ready,
    /// It goes on as this process. Said twice, by the process that goes and by the one that comes.
    Moved(i32),
    /// It waits until the parent has done something.
    Asks(Request),
    /// The terminal.
    Console(OwnedFd),
    /// The listener of its filter.
    Listener(OwnedFd),
    Failed {
        step: u32,
        errno: i32,
        action: String,
        detail: String,
    },
}

/// What the executor has a step for, and the parent does.
#[derive(Debug)]
pub(crate) enum Request {
    RuntimeHooks,
    NetworkDevices,
    DelegateCgroup,
    /// It is in the joined user namespace.
    ConfirmMappings,
    /// A new mount, and the step that says how its ids are mapped.
    MapIds(u32, OwnedFd),
    /// The step whose source has to be opened for it.
    OpenSource(u32),
    /// What is to get a SELinux context, and the step that says which.
    Relabel(u32, OwnedFd),
}

/// How long to wait between two looks at a process that is in the middle of execve(2), and how often.
const MOMENT: Duration = Duration::from_micros(50);
const MOMENTS: u32 = 20_000;

impl Executor {
    /// Starts it.
    ///
    /// # Errors
    /// clone3(2), or a namespace that is joined beforehand.
    pub(crate) fn start(start: &Start<'_>) -> Result<Self> {
        let program = sealed::program()?;
        let plan = sealed::plan(start.plan.as_bytes())?;
        let flags = SocketFlags::CLOEXEC;
        let (socket, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(|errno| Error::os("socketpair", errno))?;
        if start.plan.moves() {
            set_socket_passcred(&socket, true).map_err(|errno| Error::os("setsockopt", errno))?;
        }
        let number = |fd: BorrowedFd<'_>| fd.as_raw_fd().to_string();
        let words = [
            "coble-stage".to_owned(),
            number(plan.as_fd()),
            start.plan.as_bytes().len().to_string(),
            number(theirs.as_fd()),
            start.listener.map_or("-1".to_owned(), number),
        ]
        .map(|word| CString::new(word).unwrap_or_default());
        let arguments: Vec<&CStr> = words.iter().map(CString::as_c_str).collect();
        let mut keep = vec![plan.as_fd(), theirs.as_fd()];
        keep.extend(start.listener);
        keep.extend(start.keep);
        let spawn = Spawn {
            namespaces: start.namespaces.cloned,
            cgroup: start.cgroup,
            program: Program::Open(program.as_fd()),
            arguments: &arguments,
            close_from: start.preserve_fds.saturating_add(3),
            keep: &keep,
            streams: start.streams,
            gate: start.gated.then_some(theirs.as_fd()),
            attends: false,
        };
        let child = with_joined(&start.namespaces.inherited, || {
            spawn.spawn().map_err(|errno| refused_clone(errno, start.namespaces.cloned))
        })?;
        Ok(Self { pid: child.pid, pidfd: child.pidfd, socket })
    }

    /// Lets it go on.
    pub(crate) fn answer(&self) -> Result<()> {
        self.send(GO_ON)
    }

    /// Tells it that what it asked for before the container is recorded is done.
    pub(crate) fn answer_done(&self) -> Result<()> {
        self.send(DONE)
    }

    /// Tells it that somebody has taken the listener of its filter.
    pub(crate) fn answer_listened(&self) -> Result<()> {
        self.send(LISTENED)
    }

    /// Tells it that it is in its cgroup.
    pub(crate) fn answer_in_cgroup(&self) -> Result<()> {
        self.send(IN_CGROUP)
    }

    /// Gives it the source that it has asked for.
    pub(crate) fn answer_opened(&self, source: BorrowedFd<'_>) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); coble_sys::rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let sources = [source];
        control.push(SendAncillaryMessage::ScmRights(&sources));
        let answer = [IoSlice::new(&[OPENED])];
        sent("sendmsg", sendmsg(&self.socket, &answer, &mut control, SendFlags::NOSIGNAL))
    }

    /// Its pidfd.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    fn send(&self, answer: u8) -> Result<()> {
        sent("send", send(&self.socket, &[answer], SendFlags::NOSIGNAL))
    }

    /// Waits until it says something.
    ///
    /// # Errors
    /// The kernel's; it is interrupted.
    pub(crate) fn listen(&self, interrupt: Option<&Interrupt>) -> Result<Said> {
        if interrupt.is_some() {
            Watch { interrupt, process: None }.wait(self.socket.as_fd(), None)?;
        }
        self.hear(RecvFlags::CMSG_CLOEXEC)
    }

    /// What it has said by now, if it has, or that it has ended.
    pub(crate) fn last_words(&self) -> Option<Said> {
        self.hear(RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT).ok()
    }

    fn hear(&self, flags: RecvFlags) -> Result<Said> {
        let mut buffer = [0; MESSAGE_MAX];
        let received = loop {
            match receive(self.socket.as_fd(), &mut buffer, flags) {
                // It ended before it took an answer; what it has said comes next.
                Err(Errno::CONNRESET) => {}
                received => break received.map_err(|errno| Error::os("recvmsg", errno))?,
            }
        };
        let Received { length, descriptor, sender } = received;
        Said::of(&buffer[..length], descriptor, sender)
    }

    /// Takes over what the executor has become: a child of this process, as the executor itself is. No other
    /// process is believed to be it, whatever is said. Returns whether that is news.
    pub(crate) fn follow(&mut self, pid: i32) -> Result<bool> {
        if pid == self.pid {
            return Ok(false);
        }
        let pidfd = pidfd_of(pid)?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::PidFd(pidfd.as_fd()), options)
            .map_err(|errno| Error::os("take over the executor's child", errno))?;
        let first = std::mem::replace(&mut self.pidfd, pidfd);
        self.pid = pid;
        match reap(first.as_fd()) {
            // A caller who ignores SIGCHLD, or waits for any child.
            Err(error) if error.errno() == Some(Errno::CHILD) => Ok(true),
            reaped => reaped.map(|_| true),
        }
    }

    /// Leaves its process, in which the program runs or waits for `start`, to the caller.
    pub(crate) fn into_child(self) -> Child {
        Child::new(self.pid, self.pidfd)
    }

    /// Ends it and takes it away. Says whether it has ended.
    pub(crate) fn destroy(&self) -> bool {
        destroy(self.pidfd.as_fd())
    }

    /// Waits until an executor without a gate shares no memory with this process any more. execve(2) wakes who waits for it
    /// (CLONE_VFORK) a moment before that (`exec_mmap()` in fs/exec.c), and who is killed for want of memory takes all along
    /// that share it (`__oom_kill_process()` in mm/oom_kill.c).
    pub(crate) fn await_own_memory(&self) {
        let program = |process: &str| std::fs::read_link(format!("/proc/{process}/exe")).ok();
        let (own, pid) = (program("self"), self.pid.to_string());
        for _ in 0..MOMENTS {
            // Without rights the executor can't be looked at, unlike what is this program still.
            if own.is_none() || program(&pid) != own {
                return;
            }
            std::thread::sleep(MOMENT);
        }
    }

    /// Why it ended without a word, if that is known.
    pub(crate) fn silence(&self) -> Error {
        match reap(self.pidfd.as_fd()) {
            Ok(status) if status.exited == Some(SPAWN_FAILED) => {
                Error::new("the sealed executor could not be run")
            }
            Ok(Ended { signal: Some(signal), .. }) => Error::new(format!(
                "the executor was killed by signal {signal} (possibly OOM-killed)"
            )),
            _ => Error::new("the executor ended without a word"),
        }
    }
}

/// Ends a child and takes it away. Says whether it has ended: a system call that doesn't end keeps it, and so does v1's
/// freezer.
pub(crate) fn destroy(pidfd: BorrowedFd<'_>) -> bool {
    // It may have ended, or somebody else may wait for it.
    let _ = pidfd_send_signal(pidfd, libc::SIGKILL);
    let has_ended = Watch::default().wait(pidfd, Some(Watch::END)).unwrap_or(true);
    if has_ended {
        let _ = reap(pidfd);
    }
    has_ended
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) exited: Option<i32>,
    pub(crate) signal: Option<i32>,
}

impl Ended {
    /// The status as a shell has it: 128 and the signal's number for a process that was killed.
    pub(crate) fn status(self) -> u8 {
        let status = self.exited.or(self.signal.map(|signal| 128 + signal)).unwrap_or(0);
        u8::try_from(status).unwrap_or(u8::MAX)
    }
}

/// Waits for a child's end.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> Result<Ended> {
    loop {
        if let Some(ended) = wait(pidfd, WaitIdOptions::EXITED)? {
            return Ok(ended);
        }
    }
}

/// How a child ended, if it has; then it is taken away.
pub(crate) fn ended(pidfd: BorrowedFd<'_>) -> Result<Option<Ended>> {
    wait(pidfd, WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
}

fn wait(pidfd: BorrowedFd<'_>, options: WaitIdOptions) -> Result<Option<Ended>> {
    let of = |status: WaitIdStatus| Ended {
        exited: status.exit_status(),
        signal: status.terminating_signal(),
    };
    match waitid(WaitId::PidFd(pidfd), options) {
        Ok(status) => Ok(status.map(of)),
        Err(Errno::INTR) => Ok(None),
        Err(errno) => Err(Error::os("waitid", errno)),
    }
}

/// Whether the executor is gone is found when it is listened to.
fn sent(call: &str, outcome: std::result::Result<usize, Errno>) -> Result<()> {
    match outcome {
        // It ended now; or before it took an earlier answer, unix(7).
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(errno) => Err(Error::os(call, errno)),
    }
}

fn pidfd_of(pid: i32) -> Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or_else(|| Error::new("the executor moved to no process"))?;
    pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| Error::os("pidfd_open", errno))
}

impl AsFd for Executor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Said {
    fn of(bytes: &[u8], descriptor: Option<OwnedFd>, sender: Option<Pid>) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::Nothing);
        }
        let unreadable = || Error::new("the executor can't be understood");
        Ok(match Message::decode(bytes).ok_or_else(unreadable)? {
            Message::RuntimeHooks => Self::Asks(Request::RuntimeHooks),
            Message::NetworkDevices => Self::Asks(Request::NetworkDevices),
            Message::DelegateCgroup => Self::Asks(Request::DelegateCgroup),
            Message::ConfirmMappings => Self::Asks(Request::ConfirmMappings),
            Message::Console => Self::Console(descriptor.ok_or_else(unreadable)?),
            Message::Ready => Self::Ready,
            Message::Moved { pid } => Self::Moved(pid),
            Message::Arrived => Self::Moved(sender.ok_or_else(unreadable)?.as_raw_pid()),
            Message::OpenSource { step } => Self::Asks(Request::OpenSource(step)),
            Message::MapIds { step } => {
                Self::Asks(Request::MapIds(step, descriptor.ok_or_else(unreadable)?))
            }
            Message::Relabel { step } => {
                Self::Asks(Request::Relabel(step, descriptor.ok_or_else(unreadable)?))
            }
            Message::Listener => Self::Listener(descriptor.ok_or_else(unreadable)?),
            Message::Failed(Failure { step, errno, action, detail }) => Self::Failed {
                step,
                errno,
                action: String::from_utf8_lossy(action).into_owned(),
                detail: String::from_utf8_lossy(detail).into_owned(),
            },
        })
    }
}

/// Starts the executor's process in namespaces that the caller's thread joins for the time.
fn with_joined(
    namespaces: &[(NamespaceKind, CString)],
    start: impl FnOnce() -> Result<coble_sys::Child>,
) -> Result<coble_sys::Child> {
    let mut back = Vec::new();
    let joined = namespaces.iter().try_for_each(|(kind, path)| {
        let name = kind.file_name();
        let own = open(&CString::new(format!("/proc/thread-self/ns/{name}")).unwrap_or_default())?;
        let flag = u64::from(clone_flag(*kind));
        let other = open(path)?;
        setns(other.as_fd(), flag).map_err(|errno| {
            let path = path.to_string_lossy();
            match errno {
                // time_namespaces(7)
                Errno::USERS => Error::new(format!(
                    "join the namespace {path}: a process with several threads can't join a {kind} namespace"
                )),
                errno => Error::at("join the namespace", path.as_ref(), errno),
            }
        })?;
        back.push((own, flag));
        Ok(())
    });
    let started = joined.and_then(|()| start());
    let returned = back.iter().rev().try_for_each(|(own, flag)| {
        setns(own.as_fd(), *flag).map_err(|errno| Error::os("return to the own namespace", errno))
    });
    if let (Ok(child), Err(_)) = (&started, &returned) {
        destroy(child.pidfd.as_fd());
    }
    returned.and(started)
}

fn open(path: &CStr) -> Result<OwnedFd> {
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Error::at("open", path.to_string_lossy().as_ref(), errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the executor has said is heard, and its end told, whether or not it took an answer before.
    #[test]
    fn an_answer_to_one_that_is_gone_is_no_error() {
        let pair = || {
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .unwrap()
        };
        let (ours, theirs) = pair();
        drop(theirs);
        assert!(sent("send", send(&ours, &[GO_ON], SendFlags::NOSIGNAL)).is_ok());
        let (ours, theirs) = pair();
        send(&ours, &[GO_ON], SendFlags::NOSIGNAL).unwrap();
        drop(theirs);
        assert_eq!(send(&ours, &[GO_ON], SendFlags::NOSIGNAL), Err(Errno::CONNRESET));
        let (ours, theirs) = pair();
        send(&ours, &[GO_ON], SendFlags::NOSIGNAL).unwrap();
        drop(theirs);
        assert!(sent("send", send(&ours, &[GO_ON], SendFlags::NOSIGNAL)).is_ok());
        assert!(sent("send", Err(Errno::BADF)).is_err());
    }
}
