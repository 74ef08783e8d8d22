//! The test programs, one after the other, and the documentation's examples.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::cargo::{self, Executable};
use crate::tally::Tally;
use crate::watch::watch;

/// No test program takes this long unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Runs every test of the workspace, whose programs are built; end-to-end tests drive `binary`.
pub(super) fn run(binary: &Path, programs: &[Executable], tally: &mut Tally) {
    for program in programs.iter().filter(|program| program.test) {
        println!("\n{}: {}", program.package.display(), program.name);
        // Whoever starts this may ignore signals, as nohup(1) does; what is inherited would be part of each test.
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP,INT,QUIT").arg(&program.path);
        command.current_dir(&program.package).env("COBLE", binary);
        command.args(["--show-output", "--test-threads", &threads(program)]);
        tally.add(counted(&program.name, &mut command));
    }
    println!("\nexamples in the documentation");
    tally.add(counted("doc", &mut cargo::command(["test", "--workspace", "--doc", "--quiet"])));
}

/// End-to-end tests mostly wait for the kernel, so even a small machine runs several at a time; but many of
/// them side by side make each other's deadlines tight.
fn threads(program: &Executable) -> String {
    let cpus = std::thread::available_parallelism().map_or(2, usize::from);
    let end_to_end = program.package.ends_with("tests");
    if end_to_end { cpus.clamp(2, 8).to_string() } else { cpus.to_string() }
}

/// Runs one program, shows what it prints as it comes, and counts it.
fn counted(name: &str, command: &mut Command) -> Tally {
    match watch(command, DEADLINE) {
        Err(why) => Tally::failure(name, why),
        Ok(seen) => match seen.success {
            Ok(success) => Tally::of_program(name, &seen.text, success),
            Err(tree) => Tally::failure(name, format!("hung\n{tree}")),
        },
    }
}
