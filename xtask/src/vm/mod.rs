//! The end-to-end tests in a virtual machine: with every controller, swap, a second disk, and systemd.

mod archive;
mod emulator;
mod job;
mod kernel;
mod machine;
mod report;
mod root;
mod setup;
mod share;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cargo::{self, Executable};
use crate::check::{Check, Outcome};
use crate::flags::Flags;
use crate::tally::Tally;
use crate::{Result, debian_13, packages};
pub(crate) use archive::address;
use job::{Job, Program};
use machine::Machine;
use setup::{Cgroups, Setup};

/// What these checks are called.
const NAME: &str = "vm";

/// No set of tests takes this long unless the machine hangs.
const DEADLINE: Duration = Duration::from_secs(90 * 60);

/// How long `cargo xtask test` lets the machine run without systemd, and at least with it: half of it is enough on two busy
/// processors. The second one gets what the first has left of eight minutes.
const SUBSET_DEADLINE: Duration = Duration::from_secs(5 * 60);
const SYSTEMD_DEADLINE: Duration = Duration::from_secs(3 * 60);
const SUBSETS_DEADLINE: Duration = Duration::from_secs(8 * 60);

/// What `cargo xtask test` runs in a machine with systemd, and as whom: the cgroups that systemd makes for root, those that
/// the manager of a plain user makes, whom root can be as well, and those that runc has from systemd.
const SYSTEMD_SUBSET: [(&str, Option<&str>); 3] =
    [("systemd", Some("root")), ("systemd_user", None), ("runc_containers::systemd", Some("root"))];

/// What `cargo xtask test` runs in the machine: what needs controllers, capabilities or labels that other machines
/// often lack.
const SUBSET: [&str; 14] = [
    "cgroup_mounts",
    "cgroups",
    "delegation",
    "events",
    "exec_cgroup",
    "figures",
    "labels",
    "limits",
    "out_of_memory",
    "pause",
    "privileges",
    "stats",
    "update",
    "words",
];

/// Fewer sections of random limits than elsewhere: each takes some seconds.
const SUBSET_VARIABLES: [(&str, &str); 1] = [("COBLE_LIMITS_COUNT", "12")];

/// End-to-end tests that need an engine, or cargo and the source.
const ELSEWHERE: [&str; 3] = ["docker", "examples", "podman"];

/// `cargo xtask test-vm`.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let mut flags = Flags::new(words);
    let setup = Setup::from_flags(&mut flags)?;
    let filters = flags.rest()?;
    if let Some(check) = debian_13::provide() {
        check.print();
    }
    let binary = cargo::release("coble", "coble")?;
    let executables = build(&filters)?;
    let programs = select(&executables, &filters)?;
    let (variables, deadline) = (&[], DEADLINE);
    let job = Job { binary: &binary, programs: &programs, variables, plain: true, deadline };
    in_machine(setup, &job).close()
}

/// The tests that `cargo xtask test` runs in the machine.
pub(crate) fn subset(binary: &Path, executables: &[Executable]) -> Tally {
    let setup = |systemd| Setup { cgroups: Cgroups::Unified, systemd, selinux: false };
    let named = |names: &[&str]| {
        select(executables, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    };
    let start = Instant::now();
    let mut tally = match named(&SUBSET) {
        Ok(programs) => {
            let (variables, deadline) = (&SUBSET_VARIABLES, SUBSET_DEADLINE);
            let job = Job { binary, programs: &programs, variables, plain: false, deadline };
            in_machine(setup(false), &job)
        }
        Err(why) => Tally::failure(NAME, why),
    };
    tally.add(match named(&SYSTEMD_SUBSET.map(|(name, _)| name)) {
        Ok(mut programs) => {
            for (program, (_, user)) in programs.iter_mut().zip(SYSTEMD_SUBSET) {
                program.user = user;
            }
            let left = SUBSETS_DEADLINE.saturating_sub(start.elapsed());
            let (variables, deadline) = (&[], left.max(SYSTEMD_DEADLINE));
            let job = Job { binary, programs: &programs, variables, plain: true, deadline };
            in_machine(setup(true), &job)
        }
        Err(why) => Tally::failure(NAME, why),
    });
    tally
}

/// Runs a program of this one's own as root under systemd, in cgroup v2. `binary` is what it drives.
pub(crate) fn run_with_systemd(binary: &Path, file: PathBuf, args: Vec<String>) -> Result<()> {
    let setup = Setup { cgroups: Cgroups::Unified, systemd: true, selinux: false };
    println!("virtual machine: {setup}");
    let machine = provide(setup).map_err(|check| check.to_string())?;
    let name = args.first().cloned().unwrap_or_default();
    let programs = [Program { name, folder: "/".into(), file, args, user: None }];
    let (variables, deadline) = (&[], DEADLINE);
    let ran =
        machine.run(&Job { binary, programs: &programs, variables, plain: false, deadline })?;
    match ran.fault {
        Some(why) => Err(format!("{NAME}: {why}")),
        None if report::succeeded(&ran.text, &programs[0].name) => Ok(()),
        None => Err(format!("{} failed in the virtual machine", programs[0].name)),
    }
}

/// Builds the end-to-end tests that are asked for.
fn build(filters: &[String]) -> Result<Vec<Executable>> {
    let mut args =
        vec!["test", "--no-run", "--package", "coble-tests", "--package", "coble-cgroup"];
    for filter in filters {
        args.extend(["--test", filter.split("::").next().unwrap_or_default()]);
    }
    cargo::build(&args)
}

/// The programs that filters name, `PROGRAM` or `PROGRAM::TEST`; without one, all that make sense there.
fn select(executables: &[Executable], filters: &[String]) -> Result<Vec<Program>> {
    let threads = machine::cpus();
    let end_to_end = |made: &&Executable| {
        let package = made.package.file_name().unwrap_or_default();
        made.kind == "test" && (package == "tests" || package == "cgroup")
    };
    let mut all: Vec<&Executable> = executables.iter().filter(end_to_end).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    if filters.is_empty() {
        let these = all.into_iter().filter(|made| !ELSEWHERE.contains(&made.name.as_str()));
        return Ok(these.map(|executable| Program::test(executable, None, threads)).collect());
    }
    let find = |filter: &String| {
        let (name, test) = match filter.split_once("::") {
            Some((name, test)) => (name, Some(test)),
            None => (filter.as_str(), None),
        };
        let found = all.iter().find(|made| made.name == name);
        let executable = *found.ok_or_else(|| format!("{name}: no end-to-end test"))?;
        Ok(Program::test(executable, test, threads))
    };
    filters.iter().map(find).collect()
}

/// Provides the machine, runs the tests in it, and counts them.
fn in_machine(setup: Setup, job: &Job<'_>) -> Tally {
    println!("\nvirtual machine: {setup}");
    let mut tally = Tally::default();
    match provide(setup) {
        Ok(machine) => match machine.run(job) {
            Ok(ran) => {
                tally.add(report::count(&ran.text));
                ran.fault.into_iter().for_each(|why| tally.add(Tally::failure(NAME, why)));
            }
            Err(why) => tally.check(&Check::of(NAME, Err(why))),
        },
        Err(check) => tally.check(&check),
    }
    tally
}

/// The machine, made if it isn't there; otherwise why it can't be had.
fn provide(setup: Setup) -> std::result::Result<Machine, Check> {
    if !cfg!(target_arch = "x86_64") {
        return Err(Check::skipped(NAME, "made for x86_64 alone"));
    }
    if !packages::is_root() {
        return Err(Check::skipped(NAME, "needs root"));
    }
    if let Some(check) = packages::provide_for_machine() {
        return Err(Check { name: NAME.into(), ..check });
    }
    Machine::provide(setup).map_err(|outcome: Outcome| Check { name: NAME.into(), outcome })
}
