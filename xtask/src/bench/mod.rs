//! `cargo xtask bench`: times against the peers and the kernel's floor.
//!
//! Rounds are interleaved: in each one every peer has its batch, so that a noisy minute hits all of them. A
//! peer's time is the median over the rounds of the median of its batch; the smallest time of all stands
//! beside it. A run that fails is reported and not counted. Every runtime keeps its state on a tmpfs, as `/run`
//! is on a host that systemd starts; on a disk the file system's journal would be measured with it.

mod crun;
mod machine;
mod measure;
mod peers;
mod times;

use std::path::Path;

use crate::bundle::Bundle;
use crate::flags::Flags;
use crate::specification::Table;
use crate::{Result, cargo, cgroups, packages};
use measure::{Benchmark, Measurement};
use peers::Peer;

/// A tmpfs on every Linux, shm_overview(7).
const MEMORY: &str = "/dev/shm";

/// What stands on the command line.
struct Options {
    rounds: usize,
    batch: usize,
    only: Option<String>,
    peers: Vec<String>,
}

/// Measures, prints, and compares with the ratios promised in SPECIFICATION.md.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let options = options(words)?;
    cgroups::enter_pure_view()?;
    if let Some(check) = packages::provide_for_benchmarks() {
        check.print();
    }
    let scratch = cargo::scratch("bench")?;
    let mut peers = peers::build(&options.peers, &scratch)?;
    let state = Path::new(MEMORY).join(format!("coble-bench-{}", std::process::id()));
    peers.iter_mut().for_each(|peer| peer.keep_state_in(&state));
    let outcome = measure(&options, &scratch, &peers);
    // Every container is gone; without one there is no folder.
    let _ = std::fs::remove_dir_all(&state);
    outcome
}

fn measure(options: &Options, scratch: &Path, peers: &[Peer]) -> Result<()> {
    let runtime = peers.iter().find_map(Peer::oci).ok_or("no peer that is a runtime")?;
    let short = Bundle::make(&scratch.join("short"), runtime, &["/bin/true"])?;
    let long = Bundle::make(&scratch.join("long"), runtime, &["/bin/sleep", "100000"])?;
    machine::print(peers);
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
    let mut broken = 0;
    for benchmark in Benchmark::ALL.into_iter().filter(|benchmark| wanted(benchmark.name())) {
        if benchmark.needs_memory() && !cgroups::has_controller("memory") {
            cgroups::enter_legacy_view()?;
        }
        let measurement = Measurement { benchmark, short: &short, long: &long };
        let times = measurement.rounds(peers, options.rounds, options.batch);
        times::print(benchmark.name(), peers, &times);
        broken += times::judge(benchmark.name(), &Table::read("times")?, peers, &times);
    }
    match broken {
        0 => Ok(()),
        _ => Err(format!("{broken} promises aren't kept, or couldn't be measured")),
    }
}

fn options(words: &[String]) -> Result<Options> {
    let mut flags = Flags::new(words);
    let peers: Option<String> = flags.value("--peers")?;
    let options = Options {
        rounds: flags.value("--rounds")?.unwrap_or(15),
        batch: flags.value("--batch")?.unwrap_or(20),
        only: flags.value("--only")?,
        peers: peers
            .unwrap_or_else(|| "floor,coble,crun,runc".into())
            .split(',')
            .map(str::to_owned)
            .collect(),
    };
    flags.end()?;
    if let Some(only) = &options.only {
        let names: Vec<&str> = Benchmark::ALL.iter().map(Benchmark::name).collect();
        if !names.contains(&only.as_str()) {
            return Err(format!("--only {only}: there are {}", names.join(", ")));
        }
    }
    match options.rounds * options.batch {
        0 => Err("--rounds and --batch are at least 1".into()),
        _ => Ok(options),
    }
}
