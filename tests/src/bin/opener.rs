//! Opens device files from within a cgroup: `opener PROCS FILE...` goes into the cgroup whose `cgroup.procs` PROCS is, and
//! prints for each file whether it can be read, and whether it can be written.
//!
//! `opener PROCS --until END ALLOWED DENIED` opens two files for reading until the file END is there, and prints how often it
//! has, and how often the answer was not what the file's name here says.

use std::fs::{self, OpenOptions};
use std::path::Path;

/// What the device cgroup answers (`EPERM`).
const DENIED: i32 = 1;

fn is_denied(path: &str, write: bool) -> bool {
    let opened = OpenOptions::new().read(!write).write(write).open(path);
    opened.is_err_and(|error| error.raw_os_error() == Some(DENIED))
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (procs, words) = words.split_first().expect("a cgroup");
    fs::write(procs, "0").expect("a process in the cgroup");
    match words {
        [flag, end, allowed, denied] if flag == "--until" => {
            println!("begun");
            let (mut count, mut lost, mut leaked) = (0_u64, 0_u64, 0_u64);
            while !Path::new(end).exists() {
                for _ in 0..1000 {
                    count += 1;
                    lost += u64::from(is_denied(allowed, false));
                    leaked += u64::from(!is_denied(denied, false));
                }
            }
            println!("{count} times, {lost} lost, {leaked} leaked");
        }
        files => {
            let word =
                |file: &str, write| if is_denied(file, write) { "denied" } else { "allowed" };
            for file in files {
                println!("{file} r:{} w:{}", word(file, false), word(file, true));
            }
        }
    }
}
