//! `cargo xtask soak`: many containers in a row and side by side. None may hang, fail or leave anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::bundle::Bundle;
use crate::flags::Flags;
use crate::oci::{DEADLINE, Oci};
use crate::process::{Ending, finish, pids, succeed};
use crate::{Result, cargo, cgroups};

/// A runtime that hangs this often needn't be tried further.
const ENOUGH: usize = 10;

/// Runs `/bin/true` in `--count` containers one after the other, then in as many `--parallel` at a time.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let mut flags = Flags::new(words);
    let count: usize = flags.value("--count")?.unwrap_or(10_000);
    let parallel: usize = flags.value("--parallel")?.unwrap_or(8);
    let program: Option<PathBuf> = flags.value("--runtime")?;
    flags.end()?;
    cgroups::enter_pure_view()?;
    let program = program.map_or_else(|| cargo::release("coble", "coble"), Ok)?;
    let scratch = cargo::scratch("soak")?;
    let runtime = Oci::new("soak", &program, &scratch);
    let bundle = Bundle::make(&scratch.join("bundle"), &runtime, &["/bin/true"])?;
    let mut bad = 0;
    for width in [1, parallel] {
        let soak = Soak::new(&runtime, &bundle.path, count);
        bad += soak.run(width);
        bad += soak.report_leftovers();
        soak.clear();
    }
    match bad {
        0 => Ok(()),
        _ => Err(format!("{bad} of {} runs or leftovers aren't as they should be", 2 * count)),
    }
}

/// One phase and what went wrong in it.
struct Soak<'a> {
    runtime: &'a Oci,
    bundle: &'a Path,
    count: usize,
    /// What the ids of this phase start with.
    prefix: String,
    next: AtomicUsize,
    /// The ids and, of each, the process tree at its deadline.
    hangs: Mutex<Vec<(String, String)>>,
    failures: Mutex<Vec<String>>,
}

impl<'a> Soak<'a> {
    fn new(runtime: &'a Oci, bundle: &'a Path, count: usize) -> Self {
        Self {
            runtime,
            bundle,
            count,
            prefix: format!("coble-soak-{}-", std::process::id()),
            next: AtomicUsize::new(0),
            hangs: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Runs the phase, `width` containers at a time; gives how many didn't end well.
    fn run(&self, width: usize) -> usize {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..width {
                scope.spawn(|| self.work());
            }
        });
        let seconds = start.elapsed().as_secs_f64();
        let (hangs, failures) = (lines(&self.hangs), lines(&self.failures));
        println!(
            "{} runs, {width} at a time, {seconds:.0} s: {} hung, {} failed",
            self.next.load(Ordering::Relaxed).min(self.count),
            hangs.len(),
            failures.len()
        );
        hangs.iter().for_each(|(id, tree)| println!("hung: {id}\n{tree}"));
        failures.iter().for_each(|failure| println!("failed: {failure}"));
        hangs.len() + failures.len()
    }

    /// One worker: takes the next number until none is left.
    fn work(&self) {
        loop {
            let nth = self.next.fetch_add(1, Ordering::Relaxed);
            if nth >= self.count || lines(&self.hangs).len() >= ENOUGH {
                return;
            }
            let id = format!("{}{nth}", self.prefix);
            match finish(&mut self.runtime.run(self.bundle, &id), DEADLINE) {
                Ok(Ending::Exited(status, _)) if status.success() => {}
                Ok(Ending::Exited(status, _)) => self.fail(format!("{id}: {status}")),
                Err(why) => self.fail(format!("{id}: {why}")),
                Ok(Ending::Hung(tree)) => {
                    if let Ok(mut hangs) = self.hangs.lock() {
                        hangs.push((id, tree));
                    }
                }
            }
        }
    }

    fn fail(&self, why: String) {
        if let Ok(mut failures) = self.failures.lock() {
            failures.push(why);
        }
    }

    /// Prints state, cgroups, mounts and processes that outlived their containers; gives their number.
    fn report_leftovers(&self) -> usize {
        let mut left = self.states();
        left.extend(cgroups::named(&self.prefix).iter().map(|p| format!("cgroup {}", p.display())));
        left.extend(self.mounts());
        left.extend(self.processes());
        left.iter().for_each(|what| println!("left behind: {what}"));
        println!("left behind: {} things", left.len());
        left.len()
    }

    /// Deletes the containers that hung, once all is said about them.
    fn clear(&self) {
        for (id, _) in lines(&self.hangs) {
            if let Err(why) = succeed(&mut self.runtime.delete(&id), DEADLINE) {
                println!("{why}");
            }
        }
    }

    fn states(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.runtime.root) else { return Vec::new() };
        entries.flatten().map(|entry| format!("state {}", entry.path().display())).collect()
    }

    fn mounts(&self) -> Vec<String> {
        let places = [self.bundle, &self.runtime.root].map(|path| path.display().to_string());
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let ours = table.lines().filter(|line| places.iter().any(|place| line.contains(place)));
        ours.map(|line| format!("mount {line}")).collect()
    }

    fn processes(&self) -> Vec<String> {
        let names_it = |pid: u32, file: &str| {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&text).contains(&self.prefix)
        };
        let ours =
            pids().into_iter().filter(|pid| names_it(*pid, "cgroup") || names_it(*pid, "cmdline"));
        ours.map(|pid| format!("process {}", crate::process::tree(pid).trim_end())).collect()
    }
}

fn lines<T: Clone>(list: &Mutex<Vec<T>>) -> Vec<T> {
    list.lock().map(|list| list.clone()).unwrap_or_default()
}
