//! Waiting for something that must come, never longer than a deadline.

use std::fmt::Display;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take before the test calls it a hang. Long, because a loaded machine is slow: it
/// measures nothing.
pub const DEADLINE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(3);

/// Asks `probe` until it answers; `None` when `limit` has passed.
pub fn poll<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep(PAUSE);
    }
}

/// Waits until `probe` is true.
///
/// # Panics
/// With `what` in the message when it isn't by the [`DEADLINE`].
pub fn until(what: impl Display, mut probe: impl FnMut() -> bool) {
    let reached = poll(DEADLINE, || probe().then_some(()));
    assert!(reached.is_some(), "waited {} s in vain: {what}", DEADLINE.as_secs());
}
