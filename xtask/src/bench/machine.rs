//! The facts that a time means nothing without.

use std::fs;

use super::peers::Peer;

/// Prints the kernel, the processors and the peers' versions.
pub(super) fn print(peers: &[Peer]) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    println!("kernel: {} {}", read("/proc/sys/kernel/osrelease"), std::env::consts::ARCH);
    println!(
        "processors: {} of {}",
        std::thread::available_parallelism().map_or(0, usize::from),
        model.trim_start_matches([' ', '\t', ':'])
    );
    println!("load: {}", read("/proc/loadavg"));
    for runtime in peers.iter().filter_map(Peer::oci) {
        println!("{}: {}", runtime.name, runtime.version());
    }
}
