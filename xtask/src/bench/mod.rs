//! `cargo xtask bench`: times against the peers and the kernel's floor.
//!
//! Rounds are interleaved: in each one every peer has its batch, so that a noisy minute hits all of them. A
//! peer's time is the median over the rounds of the median of its batch; the smallest time of all stands
//! beside it. A run that fails is reported and not counted. Every runtime keeps its state on a tmpfs, as `/run`
//! is on a host that systemd starts; on a disk the file system's journal would be measured with it.

mod bundles;
mod crun;
mod filter;
mod machine;
mod measure;
mod options;
mod peers;
mod systemd;
mod times;

use std::path::Path;

use crate::specification::Table;
use crate::{Result, cargo, cgroups, packages};
use bundles::{Bundles, USER};
use measure::{Benchmark, Measurement};
use options::{Options, Place};
use peers::Peer;

/// A tmpfs on every Linux, shm_overview(7).
const MEMORY: &str = "/dev/shm";

/// Measures, prints, and compares with the ratios promised in SPECIFICATION.md.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let options = Options::of(words)?;
    match &options.place {
        Place::Here => here(&options),
        Place::Machine => systemd::boot(&options),
        Place::Inside(prepared) => systemd::measure(&options, prepared),
    }
}

fn here(options: &Options) -> Result<()> {
    cgroups::enter_pure_view()?;
    if let Some(check) = packages::provide_for_benchmarks() {
        check.print();
    }
    let scratch = cargo::scratch("bench")?;
    let mut peers = peers::build(&options.peers, &scratch)?;
    let state = Path::new(MEMORY).join(format!("coble-bench-{}", std::process::id()));
    peers.iter_mut().for_each(|peer| peer.keep_state_in(&state));
    let wanted =
        |only: &String| Benchmark::PLAIN.into_iter().filter(|one| one.name() == only).collect();
    let benchmarks = options.only.as_ref().map_or(Benchmark::PLAIN.to_vec(), wanted);
    let outcome = measure(options, &benchmarks, &scratch, &state, &peers);
    // Every container is gone; without one there is no folder.
    let _ = std::fs::remove_dir_all(&state);
    outcome
}

/// `scratch` gets the bundles, and `shared` that of a plain user.
fn measure(
    options: &Options,
    benchmarks: &[Benchmark],
    scratch: &Path,
    shared: &Path,
    peers: &[Peer],
) -> Result<()> {
    let promises = Table::read("times")?;
    times::check(&promises)?;
    let runtime = peers.iter().find_map(Peer::oci).ok_or("no peer that is a runtime")?;
    let bundles = Bundles::make(scratch, shared, runtime)?;
    machine::print(peers);
    let mut broken = 0;
    for benchmark in benchmarks.iter().copied() {
        if benchmark.needs_memory() && !cgroups::has_controller("memory") {
            cgroups::enter_legacy_view()?;
        }
        let peers = match benchmark {
            Benchmark::RunFiltered => Peer::and_plain(peers),
            Benchmark::RunRootless => Peer::of_user(peers, USER)?,
            _ => peers.to_vec(),
        };
        let measurement = Measurement { benchmark, bundles: &bundles };
        let times = measurement.rounds(&peers, options.rounds, options.batch);
        times::print(benchmark.name(), &peers, &times);
        broken += times::judge(benchmark.name(), &promises, &peers, &times);
    }
    if options.wants(filter::NAME) {
        broken += filter::judge(scratch, &promises)?;
    }
    match broken {
        0 => Ok(()),
        _ => Err(format!("{broken} promises aren't kept, or couldn't be measured")),
    }
}
