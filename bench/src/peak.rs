//! Runs a command and prints the peak memory of its largest process, in KiB, as the kernel accounts it.
//!
//! usage: `peak FILE COMMAND [ARG...]`: the figure goes to FILE, the exit status is the command's.
//!
//! A small program of its own, because the kernel also counts what a process held *before* its `execve`:
//! a child of a large program starts with that program's peak (`exec_mmap` in Linux's `fs/exec.c`).

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};

fn main() -> ExitCode {
    match run() {
        Ok(status) => ExitCode::from(status),
        Err(why) => {
            eprintln!("peak: {why}");
            ExitCode::from(255)
        }
    }
}

fn run() -> Result<u8, String> {
    let mut args = std::env::args_os().skip(1);
    let (Some(file), Some(program)) = (args.next(), args.next()) else {
        return Err("usage: peak FILE COMMAND [ARG...]".into());
    };
    let child = Command::new(&program)
        .args(args)
        .spawn()
        .map_err(|e| format!("{}: {e}", program.to_string_lossy()))?;
    let pid = i32::try_from(child.id()).map_err(|e| e.to_string())?;
    let (status, kib) = wait(pid).map_err(|e| format!("wait4: {e}"))?;
    std::fs::write(&file, format!("{kib}\n"))
        .map_err(|e| format!("{}: {e}", file.to_string_lossy()))?;
    Ok(match status.code() {
        Some(code) => u8::try_from(code).unwrap_or(255),
        None => 128 + u8::try_from(status.signal().unwrap_or(127)).unwrap_or(127),
    })
}

/// Waits for `pid`; gives its status and the peak of the largest of it and its waited-for descendants, in KiB.
fn wait(pid: i32) -> std::io::Result<(ExitStatus, i64)> {
    let mut status = 0;
    // SAFETY: rusage is plain data for which all zeroes are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live, writable locals of the right type.
        if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } == pid {
            return Ok((ExitStatus::from_raw(status), usage.ru_maxrss));
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
