//! Tests that can't run here.

use std::io::Write;
use std::thread;

/// Says on standard error, past the test runner's capture, that the running test is skipped and why. The
/// line is `skipped: TEST: reason`; the caller returns after it.
pub fn skip(reason: &str) {
    let line = format!("\nskipped: {}: {reason}\n", test_name());
    // Nobody is left to tell if standard error is closed.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// The running test's name: the test runner gives it to the thread.
pub(crate) fn test_name() -> String {
    thread::current().name().unwrap_or("unnamed").to_owned()
}
