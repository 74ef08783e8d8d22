//! `cargo xtask budget`: the counts promised in SPECIFICATION.md, measured.

mod binary;
mod dependencies;
mod memory;
mod syscalls;

use std::path::Path;

use crate::bundle::Bundle;
use crate::check::{Check, Outcome};
use crate::flags::Flags;
use crate::oci::Oci;
use crate::specification::{self, Table};
use crate::{Result, cargo, cgroups, packages};

/// Rows of the table of counts.
const BINARY: &str = "release binary, bytes";
const EXECUTOR: &str = "executor, bytes";
const DEPENDENCIES: &str = "dependencies";

/// Prints each check; an error if one doesn't hold.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let mut flags = Flags::new(words);
    let update = flags.switch("--update");
    flags.end()?;
    if packages::is_root() {
        // The number of system calls depends on what is mounted at /sys/fs/cgroup.
        cgroups::enter_pure_view()?;
    }
    let binary = cargo::release("coble", "coble")?;
    if update {
        return write_down(&binary);
    }
    let checks = checks(&binary);
    checks.iter().for_each(Check::print);
    match checks.iter().any(|check| matches!(check.outcome, Outcome::Failed(_))) {
        true => Err("a budget doesn't hold".into()),
        false => Ok(()),
    }
}

/// Measures everything that can be measured here.
fn checks(binary: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    let table = match Table::read("counts") {
        Ok(table) => table,
        Err(why) => return vec![Check::of("SPECIFICATION.md", Err(why))],
    };
    if let Err(why) = known_rows() {
        checks.push(Check::of("SPECIFICATION.md", Err(why)));
    }
    checks.push(limited(BINARY, &table, binary::size(binary)));
    checks.push(Check::of("release binary is static", binary::is_static(binary)));
    checks.push(limited(EXECUTOR, &table, binary::executor_size()));
    checks.push(limited(DEPENDENCIES, &table, dependencies::count()));
    checks.push(match rig(binary) {
        Err(Reason::Fault(why)) => Check::of(memory::NAME, Err(why)),
        Err(Reason::CantRun(why)) => Check::skipped(memory::NAME, why),
        Ok(rig) => limited(memory::NAME, &table, memory::peak(&rig.runtime, &rig.short.path)),
    });
    checks.extend(syscall_checks(binary));
    checks
}

/// Refuses promises that nothing here counts.
fn known_rows() -> Result<()> {
    let counts = [BINARY, EXECUTOR, DEPENDENCIES, memory::NAME];
    Table::read("counts")?.has_only(|row| counts.contains(&row[0].as_str()))?;
    Table::read("syscalls")?.has_only(|row| syscalls::VERBS.contains(&row[0].as_str()))
}

fn limited(name: &str, table: &Table, measured: Result<u64>) -> Check {
    match measured.and_then(|measured| Ok((measured, table.number(name)?))) {
        Ok((measured, limit)) => Check::at_most(name, measured, limit),
        Err(why) => Check::of(name, Err(why)),
    }
}

fn syscall_checks(binary: &Path) -> Vec<Check> {
    let name = |verb: &str| format!("system calls of {verb}");
    let all =
        |make: &dyn Fn(&str) -> Check| syscalls::VERBS.iter().map(|verb| make(verb)).collect();
    let measured = match rig(binary) {
        Err(Reason::CantRun(why)) => return all(&|verb| Check::skipped(name(verb), why.clone())),
        Err(Reason::Fault(why)) => return all(&|verb| Check::of(name(verb), Err(why.clone()))),
        Ok(_) if packages::find("strace").is_none() => {
            return all(&|verb| Check::skipped(name(verb), "strace isn't installed"));
        }
        Ok(rig) => Table::read("syscalls").and_then(|table| Ok((table, rig.count()?))),
    };
    match measured {
        Err(why) => all(&|verb| Check::of(name(verb), Err(why.clone()))),
        Ok((table, counts)) => counts
            .into_iter()
            .map(|(verb, count)| match table.number(verb) {
                Ok(limit) => Check::at_most(name(verb), count, limit),
                Err(why) => Check::of(name(verb), Err(why)),
            })
            .collect(),
    }
}

/// Why there is no container to measure.
enum Reason {
    /// This machine or user can't have one.
    CantRun(String),
    /// It should have worked.
    Fault(String),
}

/// The runtime, a bundle that runs `/bin/true`, and one that sleeps.
struct Rig {
    runtime: Oci,
    short: Bundle,
    long: Bundle,
}

impl Rig {
    fn count(&self) -> Result<syscalls::Counts> {
        syscalls::count(&self.runtime, &self.short.path, &self.long.path)
    }
}

fn rig(binary: &Path) -> std::result::Result<Rig, Reason> {
    if !packages::is_root() {
        return Err(Reason::CantRun("needs root".into()));
    }
    if packages::find("busybox").is_none() {
        return Err(Reason::CantRun("busybox-static isn't installed".into()));
    }
    let made = || {
        let scratch = cargo::scratch("budget")?;
        let runtime = Oci::new("coble", binary, &scratch);
        let short = Bundle::make(&scratch.join("short"), &runtime, &["/bin/true"])?;
        let long = Bundle::make(&scratch.join("long"), &runtime, &["/bin/sleep", "1000"])?;
        Ok(Rig { runtime, short, long })
    };
    made().map_err(Reason::Fault)
}

/// Writes what is counted into SPECIFICATION.md: the dependencies and the system calls.
fn write_down(binary: &Path) -> Result<()> {
    specification::update("counts", &[(DEPENDENCIES, dependencies::count()?)])?;
    let rig = rig(binary).map_err(|reason| match reason {
        Reason::CantRun(why) | Reason::Fault(why) => why,
    })?;
    specification::update("syscalls", &rig.count()?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_promise_is_counted() {
        assert_eq!(super::known_rows(), Ok(()));
    }
}
