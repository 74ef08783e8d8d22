//! Points at which the executor and the outside meet.

use core::mem::MaybeUninit;

use coble_plan::{DONE, GO_ON, IN_CGROUP, MESSAGE_MAX, Message, OPENED};
use coble_sys::rustix::event::{PollFd, PollFlags, poll};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::io::{Errno, IoSlice, IoSliceMut, read};
use coble_sys::rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, accept_with, recvmsg, send, sendmsg,
};
use coble_sys::rustix::process::set_parent_process_death_signal;
use coble_sys::{SignalSet, exit_group, libc, signalfd};

use crate::context::Context;
use crate::fault::{During, Fault, Outcome};

/// Sends the parent a message.
pub(crate) fn tell(context: &Context<'_>, message: Message<'_>) -> Outcome {
    let mut buffer = [0; MESSAGE_MAX];
    let length = message.encode(&mut buffer);
    send(context.inherited.parent, &buffer[..length], SendFlags::NOSIGNAL).during("send").map(drop)
}

/// Sends the parent a message with a descriptor.
pub(crate) fn hand_over(
    context: &Context<'_>,
    message: Message<'_>,
    descriptor: BorrowedFd<'_>,
) -> Outcome {
    send_with(context.inherited.parent, message, descriptor)
}

/// Sends a message with a descriptor.
pub(crate) fn send_with(
    socket: BorrowedFd<'_>,
    message: Message<'_>,
    descriptor: BorrowedFd<'_>,
) -> Outcome {
    let mut buffer = [0; MESSAGE_MAX];
    let length = message.encode(&mut buffer);
    let mut space = [MaybeUninit::uninit(); coble_sys::rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let data = [IoSlice::new(&buffer[..length])];
    sendmsg(socket, &data, &mut control, SendFlags::NOSIGNAL).during("sendmsg").map(drop)
}

/// [`coble_plan::Step::AwaitCgroup`]
pub(crate) fn await_cgroup(context: &mut Context<'_>) -> Outcome {
    if context.is_in_cgroup {
        return Ok(());
    }
    match next(context)? {
        (IN_CGROUP, _) => Ok(()),
        _ => Err(Fault::words("the parent answers what was not asked")),
    }
}

/// Waits until the parent says that it goes on.
pub(crate) fn await_answer(context: &mut Context<'_>) -> Outcome {
    if context.is_answered {
        context.is_answered = false;
        return Ok(());
    }
    match answer(context)? {
        (GO_ON, _) => Ok(()),
        _ => Err(Fault::words("the parent answers what was not asked")),
    }
}

/// Waits until the parent has done what it was asked before the container is recorded. That it goes on may have been
/// said before.
pub(crate) fn await_done(context: &mut Context<'_>) -> Outcome {
    match answer(context)? {
        (DONE, _) => Ok(()),
        (GO_ON, _) if !context.is_answered => {
            context.is_answered = true;
            await_done(context)
        }
        _ => Err(Fault::words("the parent answers what was not asked")),
    }
}

/// Has the parent open the source of the bind mount that runs, and waits for it. That it goes on may be said before.
pub(crate) fn ask_source(context: &mut Context<'_>) -> Outcome<OwnedFd> {
    tell(context, Message::OpenSource { step: context.step })?;
    loop {
        match answer(context)? {
            (OPENED, Some(source)) => return Ok(source),
            (GO_ON, _) if !context.is_answered => context.is_answered = true,
            _ => return Err(Fault::words("the parent answers what was not asked")),
        }
    }
}

/// The parent's next answer to a question; that this process is in its cgroup may be said before.
fn answer(context: &mut Context<'_>) -> Outcome<(u8, Option<OwnedFd>)> {
    match next(context)? {
        (IN_CGROUP, _) if !context.is_in_cgroup => {
            context.is_in_cgroup = true;
            next(context)
        }
        answer => Ok(answer),
    }
}

/// What the parent says next, and the descriptor that came with it. Without one there is nobody left to work for.
fn next(context: &Context<'_>) -> Outcome<(u8, Option<OwnedFd>)> {
    let mut answer = [0];
    loop {
        let mut space = [MaybeUninit::uninit(); coble_sys::rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut data = [IoSliceMut::new(&mut answer)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        match recvmsg(context.inherited.parent, &mut data, &mut control, flags) {
            Ok(message) if message.bytes == 1 => {
                let descriptor = control.drain().find_map(|message| match message {
                    RecvAncillaryMessage::ScmRights(mut received) => received.next(),
                    _ => None,
                });
                return Ok((answer[0], descriptor));
            }
            Ok(_) => exit_group(1),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).during("recvmsg"),
        }
    }
}

/// Says what the parent has to do, and waits until it is done.
pub(crate) fn ask(context: &mut Context<'_>, message: Message<'_>) -> Outcome {
    tell(context, message)?;
    await_answer(context)
}

/// The same before the container is recorded.
pub(crate) fn ask_early(context: &mut Context<'_>, message: Message<'_>) -> Outcome {
    tell(context, message)?;
    await_done(context)
}

/// [`coble_plan::Step::Finish`]
pub(crate) fn finish(context: &Context<'_>) -> Outcome {
    tell(context, Message::Ready)?;
    exit_group(0)
}

/// [`coble_plan::Step::AwaitStart`]: from here on the parent may leave, and failures are told to `start`. A signal
/// that would end the program ends the executor.
pub(crate) fn await_start(context: &mut Context<'_>) -> Outcome {
    let Some(listener) = context.inherited.start else {
        return Err(Fault::words("no socket to wait on"));
    };
    let signals = signalfd(DEADLY).during("signalfd")?;
    set_parent_process_death_signal(None).during("prctl")?;
    tell(context, Message::Ready)?;
    loop {
        let mut ends =
            [PollFd::new(&signals, PollFlags::IN), PollFd::new(&listener, PollFlags::IN)];
        match poll(&mut ends, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).during("poll"),
        }
        if !ends[0].revents().is_empty() {
            end(signals.as_fd());
        }
        if ends[1].revents().is_empty() {
            continue;
        }
        match accept_with(listener, SocketFlags::CLOEXEC) {
            Ok(starter) => {
                context.starter = Some(starter);
                return Ok(());
            }
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(errno) => return Err(errno).during("accept"),
        }
    }
}

/// The signals that end a process by default, signal(7). All of them are blocked here, as every signal is.
const DEADLY: SignalSet = {
    let others = [
        libc::SIGKILL,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGCONT,
        libc::SIGCHLD,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    let (mut set, mut index) = (SignalSet::MAX, 0);
    while index < others.len() {
        set &= !(1 << (others[index] - 1));
        index += 1;
    }
    set
};

/// Ends as the signal asks, with the status that a shell gives it. The kernel would not end a pid namespace's first
/// process, which gets only signals that it has a handler for (pid_namespaces(7)).
fn end(signals: BorrowedFd<'_>) -> ! {
    // `struct signalfd_siginfo`, signalfd(2): the number comes first.
    let mut info = [0; 128];
    let number = match read(signals, &mut info) {
        Ok(_) => i32::from_ne_bytes([info[0], info[1], info[2], info[3]]),
        Err(_) => 0,
    };
    exit_group(128 + number)
}
