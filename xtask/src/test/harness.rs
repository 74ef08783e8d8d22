//! The test programs, one after the other, and the documentation's examples.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::tally::Tally;
use crate::cargo::{self, Executable};
use crate::{Result, process};

/// No test program takes this long unless it hangs.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Builds and runs every test of the workspace; end-to-end tests drive `binary`.
pub(super) fn run(binary: &Path, tally: &mut Tally) {
    let programs = match cargo::build(&["test", "--workspace", "--no-run"]) {
        Ok(programs) => programs,
        Err(why) => return tally.add(Tally::failure("test build", why)),
    };
    for program in programs.iter().filter(|program| program.test) {
        println!("\n{}: {}", program.package.display(), program.name);
        let mut command = Command::new(&program.path);
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
    match watched(command) {
        Err(why) => Tally::failure(name, why),
        Ok((text, success)) => match (Tally::of_harness(name, &text), success) {
            (Some(tally), true) => tally,
            (Some(tally), false) if tally.failed > 0 => tally,
            (_, _) => Tally::failure(name, "ended without a result"),
        },
    }
}

/// What a program printed, and whether it succeeded.
fn watched(command: &mut Command) -> Result<(String, bool)> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    let text = Arc::new(Mutex::new(String::new()));
    let (ended, ends) = mpsc::channel();
    if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
        show(out, &text, ended.clone());
        show(err, &text, ended);
    }
    let success = match process::ends_within(&child, DEADLINE)? {
        true => child.wait().map_err(|e| e.to_string())?.success(),
        false => return Err(format!("hung\n{}", process::end(&mut child)?)),
    };
    // Whatever outlived the program can keep its output open for ever.
    for _ in 0..2 {
        let _ = ends.recv_timeout(Duration::from_secs(10));
    }
    let text = text.lock().map(|text| text.clone()).unwrap_or_default();
    Ok((text, success))
}

/// Prints a stream's lines as they come, keeps them, and says when it ended.
fn show(stream: impl Read + Send + 'static, text: &Arc<Mutex<String>>, ended: Sender<()>) {
    let text = Arc::clone(text);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(std::io::Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            if let Ok(mut text) = text.lock() {
                text.push_str(&line);
                text.push('\n');
            }
        }
        // Nobody listens any more when the stream outlived the wait.
        let _ = ended.send(());
    });
}
