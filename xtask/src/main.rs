//! The project's own chores: `cargo xtask COMMAND`.

mod bench;
mod budget;
mod bundle;
mod cargo;
mod cgroups;
mod check;
mod debian_13;
mod dist;
mod elf;
mod flags;
mod oci;
mod packages;
mod process;
mod soak;
mod specification;
mod syscalls;
mod tally;
mod test;
mod vm;
mod watch;

use std::process::ExitCode;

/// What a chore answers: a failure is the one line that says why.
type Result<T> = std::result::Result<T, String>;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test                         install what the tests need, build, run every check and every test
  test-vm [--unified|--hybrid|--legacy] [--systemd] [--selinux] [PROGRAM[::TEST]...]
                               the end-to-end tests in a virtual machine with all controllers, swap and a second
                               disk; with --systemd also as a plain user with a session (as root)
  budget [--update]            check the counts promised in SPECIFICATION.md; --update writes them down
  bench [--rounds N] [--batch N] [--only NAME] [--peers A,B]
                               times against runc, crun and the kernel's floor (as root)
  bench --vm [--rounds N] [--batch N] [--peers A,B]
                               times through systemd against crun and runc, in the virtual machine (as root)
  soak [--count N] [--parallel N] [--runtime PATH]
                               many containers in a row and side by side, none of which may hang (as root)
  dist                         the release binary and what it is
  syscalls TREE...             make the table of system call numbers from unpacked kernel sources, the newest first
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let done = match command.as_str() {
        "test" => test::run(&rest),
        "test-vm" => vm::run(&rest),
        "budget" => budget::run(&rest),
        "bench" => bench::run(&rest),
        "soak" => soak::run(&rest),
        "dist" => dist::run(&rest),
        "syscalls" => syscalls::run(&rest),
        _ => Err(USAGE.trim_end().to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
