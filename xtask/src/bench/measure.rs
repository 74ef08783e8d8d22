//! What is measured, and how.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::bundles::Bundles;
use super::peers::{self, Peer};
use super::times::Times;
use crate::Result;
use crate::bundle::Bundle;
use crate::oci::{DEADLINE, Oci};
use crate::process::succeed;

/// What `update` sets in turn, so that each time something changes; bytes.
const LIMITS: [u64; 2] = [64 << 20, 128 << 20];

/// One table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Benchmark {
    /// `run` of `/bin/true`.
    Run,
    /// The same under the profile `default`.
    RunFiltered,
    /// The same in a user namespace.
    RunMapped,
    /// The same for a plain user.
    RunRootless,
    /// `create` and `start`, without what comes before and after.
    CreateStart,
    /// `state` of a running container.
    State,
    /// `exec /bin/true` in a running container.
    Exec,
    /// `delete --force` of a running container.
    Delete,
    /// `pause`, then `resume`.
    PauseResume,
    /// `update --memory` of a running container.
    Update,
    /// `create`, `start` and `delete --force`, through systemd.
    Life,
}

impl Benchmark {
    /// Those that need no systemd; what needs more than a bare cgroup comes last.
    pub(super) const PLAIN: [Self; 10] = [
        Self::Run,
        Self::RunFiltered,
        Self::RunMapped,
        Self::RunRootless,
        Self::CreateStart,
        Self::State,
        Self::Exec,
        Self::Delete,
        Self::PauseResume,
        Self::Update,
    ];

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::RunFiltered => "run+seccomp",
            Self::RunMapped => "run+user",
            Self::RunRootless => "run+rootless",
            Self::CreateStart => "create+start",
            Self::State => "state",
            Self::Exec => "exec",
            Self::Delete => "delete",
            Self::PauseResume => "pause+resume",
            Self::Update => "update",
            Self::Life => "create+start+delete",
        }
    }

    /// The one that the tables call so.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::PLAIN.into_iter().chain([Self::Life]).find(|one| one.name() == name)
    }

    /// Whether one that the tables call so can be measured beside coble.
    pub(super) fn has_peer(&self, peer: &str) -> bool {
        match peer {
            peers::FLOOR => *self == Self::Run,
            peers::PLAIN => *self == Self::RunFiltered,
            other => peers::OTHERS.contains(&other),
        }
    }

    /// Whether one running container is enough for many samples.
    fn is_visit(&self) -> bool {
        matches!(self, Self::State | Self::Exec | Self::PauseResume | Self::Update)
    }

    /// Whether it changes limits of memory.
    pub(super) fn needs_memory(&self) -> bool {
        *self == Self::Update
    }
}

/// A benchmark and what it runs.
pub(super) struct Measurement<'a> {
    pub(super) benchmark: Benchmark,
    pub(super) bundles: &'a Bundles,
}

impl Measurement<'_> {
    /// Every peer's times, in the peers' order. One batch of each is thrown away first.
    pub(super) fn rounds(&self, peers: &[Peer], rounds: usize, batch: usize) -> Vec<Times> {
        let mut times: Vec<Times> = peers.iter().map(|_| Times::default()).collect();
        for round in 0..=rounds {
            // Each round starts with another peer, so that nobody always follows the same one.
            for nth in 0..peers.len() {
                let nth = (nth + round) % peers.len();
                let batch = if round == 0 { 2 } else { batch };
                let Some(samples) = self.batch(&peers[nth], batch) else { continue };
                if round > 0 {
                    times[nth].add(samples);
                }
            }
        }
        times
    }

    /// A batch of samples; `None` if the peer can't do this.
    fn batch(&self, peer: &Peer, count: usize) -> Option<Vec<Result<Duration>>> {
        match (peer, self.benchmark) {
            (Peer::Floor(program), Benchmark::Run) => {
                let rootfs = self.bundles.plain().rootfs();
                let sample = || {
                    let mut floor = Command::new(program);
                    floor.arg(&rootfs).arg(id()).stdin(Stdio::null()).stdout(Stdio::null());
                    succeed(&mut floor, DEADLINE)
                };
                Some((0..count).map(|_| sample()).collect())
            }
            (Peer::Plain(runtime), Benchmark::RunFiltered) => {
                Some((0..count).map(|_| run(runtime, self.bundles.plain())).collect())
            }
            (Peer::Floor(_) | Peer::Plain(_), _) => None,
            (Peer::Oci(runtime), benchmark) if benchmark.is_visit() => {
                Some(self.visits(runtime, count))
            }
            (Peer::Oci(runtime), _) => Some((0..count).map(|_| self.life(runtime)).collect()),
        }
    }

    /// One sample of a benchmark that needs a container of its own.
    fn life(&self, runtime: &Oci) -> Result<Duration> {
        let (id, long) = (id(), &self.bundles.long().path);
        match self.benchmark {
            Benchmark::CreateStart => {
                let time = runtime.launch(long, &id);
                succeed(&mut runtime.delete(&id), DEADLINE)?;
                time
            }
            Benchmark::Delete => {
                runtime.launch(long, &id)?;
                succeed(&mut runtime.delete(&id), DEADLINE)
            }
            Benchmark::Life => {
                let time = runtime.launch(long, &id);
                let deleted = succeed(&mut runtime.delete(&id), DEADLINE);
                Ok(time? + deleted?)
            }
            benchmark => run(runtime, self.bundles.short(benchmark)),
        }
    }

    /// A batch of samples in one running container.
    fn visits(&self, runtime: &Oci, count: usize) -> Vec<Result<Duration>> {
        let id = id();
        let visit = |nth: usize| match self.benchmark {
            Benchmark::State => succeed(&mut runtime.on("state", &id), DEADLINE),
            Benchmark::PauseResume => {
                let paused = succeed(&mut runtime.on("pause", &id), DEADLINE)?;
                Ok(paused + succeed(&mut runtime.on("resume", &id), DEADLINE)?)
            }
            Benchmark::Update => {
                let limit = LIMITS[nth % LIMITS.len()];
                succeed(&mut runtime.update_memory(&id, limit), DEADLINE)
            }
            _ => succeed(&mut runtime.exec_true(&id), DEADLINE),
        };
        let samples = match runtime.launch(&self.bundles.long().path, &id) {
            Ok(_) => (0..count).map(visit).collect(),
            Err(why) => vec![Err(why)],
        };
        match succeed(&mut runtime.delete(&id), DEADLINE) {
            Ok(_) => samples,
            Err(why) => samples.into_iter().chain([Err(why)]).collect(),
        }
    }
}

fn run(runtime: &Oci, bundle: &Bundle) -> Result<Duration> {
    let id = id();
    let time = succeed(&mut runtime.run(&bundle.path, &id), DEADLINE);
    if time.is_err() {
        // What the failed run left; its own error is the one to tell.
        let _ = succeed(&mut runtime.delete(&id), DEADLINE);
    }
    time
}

/// A name that no container had before.
fn id() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("coble-bench-{}-{nth}", std::process::id())
}
