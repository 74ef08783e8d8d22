//! What the benchmarks run.

use std::path::Path;

use coble_seccomp::{Arch, default_section};

use super::measure::Benchmark;
use crate::Result;
use crate::bundle::Bundle;
use crate::oci::Oci;

/// The user of containers without root, `nobody` on most systems: it has no ranges of ids, so that every runtime
/// writes the one mapping itself.
pub(super) const USER: u32 = 65534;

/// The first of the host's ids that the user namespace of root's container has, and how many.
const MAPPED: (u32, u32) = (100_000, 65536);

/// The bundles, one for each way of running.
pub(super) struct Bundles {
    /// Runs `/bin/true`.
    short: Bundle,
    /// Does so under the profile `default`.
    filtered: Bundle,
    /// Does so in a user namespace.
    mapped: Bundle,
    /// Does so for a plain user.
    rootless: Bundle,
    /// Runs until it is killed.
    long: Bundle,
}

impl Bundles {
    /// Makes them in `scratch`; that of the plain user in `shared`, which everybody can reach.
    pub(super) fn make(scratch: &Path, shared: &Path, runtime: &Oci) -> Result<Self> {
        let make = |name: &str, args: &[&str]| Bundle::make(&scratch.join(name), runtime, args);
        let filtered = make("filtered", &["/bin/true"])?;
        let section = default_section(Arch::NATIVE).map_err(|e| e.to_string())?;
        filtered.filter(serde_json::to_value(section).map_err(|e| e.to_string())?)?;
        let mapped = make("mapped", &["/bin/true"])?;
        mapped.user_namespace(MAPPED.0, MAPPED.1)?;
        Ok(Self {
            short: make("short", &["/bin/true"])?,
            filtered,
            mapped,
            rootless: Bundle::make(
                &shared.join("rootless"),
                &runtime.of_user(USER),
                &["/bin/true"],
            )?,
            long: make("long", &["/bin/sleep", "100000"])?,
        })
    }

    /// That of a benchmark whose container ends by itself.
    pub(super) fn short(&self, benchmark: Benchmark) -> &Bundle {
        match benchmark {
            Benchmark::RunFiltered => &self.filtered,
            Benchmark::RunMapped => &self.mapped,
            Benchmark::RunRootless => &self.rootless,
            _ => &self.short,
        }
    }

    /// The one without anything added.
    pub(super) fn plain(&self) -> &Bundle {
        &self.short
    }

    /// The one whose container runs until it is killed.
    pub(super) fn long(&self) -> &Bundle {
        &self.long
    }
}
