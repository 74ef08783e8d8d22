//! Where the C library begins.
//!
//! The standard library's own beginning reads `/proc/self/maps` to tell a stack that overflows from other faults. That
//! takes a good part of the time and the memory of a short command (docs/adr/0015); what else it does is done here.

use coble_sys::{libc, open_closed_streams, sigaction_ignore};

#[allow(unsafe_code)] // the name is the one that the C library calls, and nothing else here has it
#[unsafe(no_mangle)]
extern "C" fn main(_: libc::c_int, _: *const *const libc::c_char) -> libc::c_int {
    // A pipe whose reader is gone is an error like others.
    if open_closed_streams().and_then(|()| sigaction_ignore(libc::SIGPIPE)).is_err() {
        std::process::abort();
    }
    std::process::exit(crate::run().into())
}
