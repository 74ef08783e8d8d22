//! The executor: runs a plan in the container's first process.
//!
//! It allocates nothing, reads no configuration, and decides nothing. What it can't do
//! it reports as `(step, errno, action, detail)` and exits with status 1.
#![no_std]

mod array;
mod bytes;
mod console;
mod context;
mod copy_up;
mod device;
mod execute;
mod fault;
mod hook;
mod identity;
mod kernel_mounts;
mod listener;
mod mount;
mod namespace;
mod path;
mod procfs;
mod program;
mod rendezvous;
mod streams;

use coble_plan::{Failure, MESSAGE_MAX, Message, Steps};
use coble_sys::rustix::fd::BorrowedFd;
use coble_sys::rustix::net::{SendFlags, send};

use context::Context;
use fault::Fault;

/// The descriptors that the parent hands down.
#[derive(Clone, Copy, Debug)]
pub struct Inherited<'a> {
    /// Socket to the parent; it takes [`Message`]s and gives one byte for each that is answered.
    pub parent: BorrowedFd<'a>,
    /// Listening socket on which `start` comes; absent if the program runs at once.
    pub start: Option<BorrowedFd<'a>>,
}

/// Runs an encoded plan. Does not return: the last step runs the program, and a step that fails ends the
/// process.
pub fn run<'a>(plan: &'a [u8], inherited: Inherited<'a>) -> ! {
    let mut context = Context::new(inherited);
    let mut outcome = execute::prepare();
    for (index, step) in Steps::new(plan).enumerate() {
        if outcome.is_err() {
            break;
        }
        context.step = index as u32;
        outcome = match step {
            Ok(step) => execute::execute(&step, &mut context),
            Err(()) => Err(Fault::words("the plan can't be read")),
        };
    }
    let fault = outcome.err().unwrap_or_else(|| Fault::words("the plan runs no program"));
    report(&context, &fault);
    coble_sys::exit_group(1)
}

fn report(context: &Context<'_>, fault: &Fault) {
    let failure = Failure {
        step: context.step,
        errno: fault.errno,
        action: fault.action.as_bytes(),
        detail: fault.detail.as_bytes(),
    };
    let mut buffer = [0; MESSAGE_MAX];
    let length = Message::Failed(failure).encode(&mut buffer);
    // Nobody is left to tell when this fails.
    let _ = send(context.report_to(), &buffer[..length], SendFlags::NOSIGNAL);
}
