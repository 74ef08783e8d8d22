//! `bench --vm`: what takes systemd, in the virtual machine. The peers are made here, and run there from the shared
//! build folder; runc is that of the machine's root.

use std::path::Path;

use super::measure::Benchmark;
use super::options::{INSIDE, Options};
use super::peers;
use crate::{Result, cargo, packages, vm};

/// The machine's `/tmp` is in memory.
const SCRATCH: &str = "/tmp/coble-bench";

/// Makes the peers, and runs this program in the machine.
pub(super) fn boot(options: &Options) -> Result<()> {
    if let Some(check) = packages::provide_for_benchmarks() {
        check.print();
    }
    let scratch = cargo::scratch("bench")?;
    peers::build(&options.peers, &scratch)?;
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let binary = cargo::release("coble", "coble")?;
    let (rounds, batch) = (options.rounds.to_string(), options.batch.to_string());
    let (prepared, peers) = (scratch.display().to_string(), options.peers.join(","));
    let words =
        ["bench", INSIDE, &prepared, "--rounds", &rounds, "--batch", &batch, "--peers", &peers];
    vm::run_with_systemd(&binary, program, words.map(str::to_owned).into())
}

/// Measures, in the machine.
pub(super) fn measure(options: &Options, prepared: &Path) -> Result<()> {
    let scratch = Path::new(SCRATCH);
    std::fs::create_dir_all(scratch).map_err(|e| format!("{SCRATCH}: {e}"))?;
    let mut peers = peers::find(&options.peers, prepared, scratch)?;
    peers.iter_mut().for_each(peers::Peer::use_systemd);
    super::measure(options, &[Benchmark::Life], scratch, scratch, &peers)
}
