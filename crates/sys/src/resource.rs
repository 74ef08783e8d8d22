//! Resource limits by their numbers, getrlimit(2).

use rustix::process::{Resource, Rlimit};

/// The limit with this number in `asm-generic/resource.h`, which x86_64 and aarch64 use.
#[must_use]
pub fn resource(number: u32) -> Option<Resource> {
    const RESOURCES: [Resource; 16] = [
        Resource::Cpu,
        Resource::Fsize,
        Resource::Data,
        Resource::Stack,
        Resource::Core,
        Resource::Rss,
        Resource::Nproc,
        Resource::Nofile,
        Resource::Memlock,
        Resource::As,
        Resource::Locks,
        Resource::Sigpending,
        Resource::Msgqueue,
        Resource::Nice,
        Resource::Rtprio,
        Resource::Rttime,
    ];
    RESOURCES.get(number as usize).copied()
}

/// A pair of limits, in which the greatest number stands for none (`RLIM64_INFINITY`).
#[must_use]
pub fn rlimit(soft: u64, hard: u64) -> Rlimit {
    let value = |limit| if limit == u64::MAX { None } else { Some(limit) };
    Rlimit { current: value(soft), maximum: value(hard) }
}
