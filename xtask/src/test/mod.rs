//! `cargo xtask test`: everything that must hold, and one closing line.

pub(crate) mod harness;

use crate::check::Check;
use crate::flags::Flags;
use crate::tally::Tally;
use crate::{Result, cargo, debian_13, packages, vm};

/// Installs, builds, checks and tests; the last line is `N passed, N failed, N skipped`.
pub(crate) fn run(words: &[String]) -> Result<()> {
    Flags::new(words).end()?;
    let mut tally = Tally::default();
    // Not fatal: what a missing package would have tested is skipped by name.
    if let Some(check) = packages::provide() {
        tally.check(&check);
    }
    if let Some(check) = debian_13::provide() {
        tally.check(&check);
    }
    tally.check(&tool("fmt", &["--all", "--check"]));
    let lints = ["--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"];
    tally.check(&tool("clippy", &lints));
    tally.check(&documentation());
    programs(&mut tally);
    tally.add(budgets());
    tally.close()
}

/// The tests: on this machine all of them, and some once more in a virtual one.
fn programs(tally: &mut Tally) {
    let binary = match cargo::release("coble", "coble") {
        Ok(binary) => binary,
        Err(why) => return tally.check(&Check::of("release build", Err(why))),
    };
    let mut args = vec!["test", "--workspace", "--no-run"];
    match packages::find(packages::LIBSECCOMP) {
        Some(_) => args.extend(["--features", "coble-tests/libseccomp"]),
        None => tally.check(&Check::skipped("libseccomp", "the library isn't installed")),
    }
    let programs = match cargo::build(&args) {
        Ok(programs) => programs,
        Err(why) => return tally.check(&Check::of("test build", Err(why))),
    };
    harness::run(&binary, &programs, tally);
    tally.add(vm::subset(&binary, &programs));
}

/// The library's documentation: every public item has some, and every link in it leads somewhere.
fn documentation() -> Check {
    let mut command = cargo::command(["doc", "--no-deps", "--workspace", "--quiet"]);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    let status = command.status().map_err(|e| e.to_string());
    Check::of("doc", status.and_then(clean))
}

fn clean(status: std::process::ExitStatus) -> Result<String> {
    match status.success() {
        true => Ok("clean".into()),
        false => Err(status.to_string()),
    }
}

/// A check that a cargo subcommand makes; skipped where the toolchain lacks it.
fn tool(name: &str, args: &[&str]) -> Check {
    let version = cargo::command([name, "--version"]).output();
    if !version.is_ok_and(|output| output.status.success()) {
        return Check::skipped(name, format!("cargo {name} isn't installed"));
    }
    let status = cargo::command([name]).args(args).status().map_err(|e| e.to_string());
    Check::of(name, status.and_then(clean))
}

/// The budgets run in a process of their own, which may change its view of the cgroups.
fn budgets() -> Tally {
    let output = std::env::current_exe()
        .and_then(|program| std::process::Command::new(program).arg("budget").output());
    match output {
        Err(e) => Tally::failure("budget", e.to_string()),
        Ok(output) => {
            let (text, errors) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            print!("{text}");
            eprint!("{errors}");
            let tally = Tally::of_checks(&text);
            match tally.failed == 0 && !output.status.success() {
                true => Tally::failure("budget", output.status.to_string()),
                false => tally,
            }
        }
    }
}
