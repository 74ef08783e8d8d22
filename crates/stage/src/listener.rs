//! A filter whose notifications somebody outside answers, seccomp_unotify(2).
//!
//! Who has loaded it can't send its listener to anybody: that, too, might have to be answered first. So a thread that
//! has not does it, and this one waits meanwhile by touching memory that isn't there, which is no system call.

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicI32, Ordering};

use coble_plan::{LISTENED, Message, filter_action};
use coble_sys::rustix::event::{PollFd, PollFlags, poll};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::io::{Errno, read};
use coble_sys::userfaultfd::{MissingPage, fill};
use coble_sys::{exit_group, exit_thread, seccomp_new_listener, start_thread};

use crate::array::Array;
use crate::context::Context;
use crate::fault::{During, Fault, Outcome};
use crate::rendezvous::send_with;

/// What the thread gets.
struct Errand<'a> {
    /// Who takes the listener.
    socket: BorrowedFd<'a>,
    /// Fills the page that is waited for.
    filler: OwnedFd,
    /// The listener, once somebody waits.
    listener: AtomicI32,
}

/// A message and what a system call needs.
const STACK: usize = 32 << 10;

/// Loads the filter, and returns once its listener has been taken.
pub(crate) fn load(context: &Context<'_>, flags: u32, program: &[u8]) -> Outcome {
    let (page, filler) = MissingPage::new().during(filter_action::WAIT)?;
    let errand = Errand { socket: context.report_to(), filler, listener: AtomicI32::new(-1) };
    let mut stack = Array::new(STACK, MaybeUninit::uninit())
        .map_err(|fault| Fault { action: filter_action::THREAD, ..fault })?;
    // SAFETY: the stack is never given back. The errand lasts until the page is filled, which is the last that the
    // thread does with it; should the filter not be loaded, the errand stays until the process ends.
    unsafe { start_thread(stack.as_mut_slice(), run, &raw const errand) }
        .during(filter_action::THREAD)?;
    let listener = match seccomp_new_listener(flags, program) {
        Ok(listener) => listener,
        Err(errno) => {
            core::mem::forget(errand);
            return Err(errno).during(filter_action::LOAD);
        }
    };
    errand.listener.store(listener, Ordering::Release);
    page.wait();
    // The exec closes what this would close.
    core::mem::forget(errand);
    Ok(())
}

/// Where nobody takes the listener, nothing runs.
extern "C" fn run(errand: *const Errand<'_>) -> ! {
    // SAFETY: it is what `load` has given, and still there.
    let errand = unsafe { &*errand };
    if deliver(errand).is_err() {
        exit_group(1);
    }
    exit_thread()
}

fn deliver(errand: &Errand<'_>) -> Outcome {
    let mut waits = [PollFd::new(&errand.filler, PollFlags::IN)];
    while poll(&mut waits, None) == Err(Errno::INTR) {}
    // SAFETY: the listener is open until the exec, and stored before somebody waits.
    let listener = unsafe { BorrowedFd::borrow_raw(errand.listener.load(Ordering::Acquire)) };
    send_with(errand.socket, Message::Listener, listener)?;
    let mut byte = [0];
    let length = loop {
        match read(errand.socket, &mut byte) {
            Err(Errno::INTR) => {}
            done => break done.during("read")?,
        }
    };
    match byte {
        [LISTENED] if length == 1 => fill(errand.filler.as_fd()).during("UFFDIO_ZEROPAGE"),
        _ => exit_group(1),
    }
}
