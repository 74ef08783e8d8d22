//! Points at which the executor and the outside meet.

use coble_plan::{MESSAGE_MAX, Message};
use coble_sys::exit_group;
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};
use coble_sys::rustix::process::set_parent_process_death_signal;

use crate::context::Context;
use crate::fault::{During, Fault, Outcome};

/// Sends the parent a message.
pub(crate) fn tell(context: &Context<'_>, message: Message<'_>) -> Outcome {
    let mut buffer = [0; MESSAGE_MAX];
    let length = message.encode(&mut buffer);
    send(context.inherited.parent, &buffer[..length], SendFlags::NOSIGNAL).during("send").map(drop)
}

/// Waits for the parent's answer. Without one there is nobody left to work for.
pub(crate) fn await_answer(context: &Context<'_>) -> Outcome {
    let mut answer = [0];
    loop {
        match recv(context.inherited.parent, &mut answer, RecvFlags::empty()) {
            Ok((1, _)) => return Ok(()),
            Ok(_) => exit_group(1),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).during("recv"),
        }
    }
}

/// [`coble_plan::Step::RuntimeHooks`]
pub(crate) fn runtime_hooks(context: &Context<'_>) -> Outcome {
    tell(context, Message::RuntimeHooks)?;
    await_answer(context)
}

/// [`coble_plan::Step::AwaitStart`]: from here on the parent may leave, and failures are told to `start`.
pub(crate) fn await_start(context: &mut Context<'_>) -> Outcome {
    let Some(listener) = context.inherited.start else {
        return Err(Fault::words("no socket to wait on"));
    };
    set_parent_process_death_signal(None).during("prctl")?;
    tell(context, Message::Ready)?;
    loop {
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
