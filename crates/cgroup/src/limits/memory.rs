//! `memory`.

use coble_spec::{Memory, Resources};
use coble_sys::rustix::io::Errno;

use super::{Target, Write, only_v1};
use crate::place::Place;
use crate::{Error, file};

const LIMIT: &str = "/linux/resources/memory/limit";
const SWAP: &str = "/linux/resources/memory/swap";
const RESERVATION: &str = "/linux/resources/memory/reservation";
const V1_LIMIT: &str = "memory.limit_in_bytes";
const V1_SWAP: &str = "memory.memsw.limit_in_bytes";

/// A value of 0 is no value, as in Docker's and Kubernetes' configurations; -1 is no limit.
pub(super) fn writes(resources: &Resources, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    let Some(memory) = &resources.memory else { return Ok(Vec::new()) };
    if target.is_v2 { v2(memory, target) } else { v1(memory, target) }
}

fn set(value: Option<i64>) -> Option<i64> {
    value.filter(|&value| value != 0)
}

/// The kernel keeps the limit of memory at or below that of memory and swap together, at every moment: when
/// both rise, the first has to wait for the second.
fn v1(memory: &Memory, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    let limit = set(memory.limit);
    // Without a limit of memory there can be none of both.
    let swap = set(memory.swap).or(limit.filter(|&limit| limit == -1));
    let write = |pointer, file: &'static str, value: i64| Write::new(pointer, file, value);
    let mut writes = Vec::new();
    writes.extend(limit.map(|value| write(LIMIT, V1_LIMIT, value).may_wait_if(swap.is_some())));
    writes.extend(swap.map(|value| write(SWAP, V1_SWAP, value).may_lack_if(value == -1)));
    writes.extend(
        set(memory.reservation)
            .map(|value| write(RESERVATION, "memory.soft_limit_in_bytes", value)),
    );
    writes.extend(set(memory.kernel).map(|value| {
        // It does nothing since Linux 6.7; in between the kernel says so (`EOPNOTSUPP`).
        write("/linux/resources/memory/kernel", "memory.kmem.limit_in_bytes", value)
            .may_lack_if(value == -1)
            .proved_if(value != -1)
    }));
    writes.extend(set(memory.kernel_tcp).map(|value| {
        write("/linux/resources/memory/kernelTCP", "memory.kmem.tcp.limit_in_bytes", value)
            .may_lack_if(value == -1)
            .proved_if(value != -1)
    }));
    writes.extend(memory.use_hierarchy.map(|on| {
        write("/linux/resources/memory/useHierarchy", "memory.use_hierarchy", i64::from(on))
    }));
    writes.extend(
        swappiness(memory)?.map(|value| {
            Write::new("/linux/resources/memory/swappiness", "memory.swappiness", value)
        }),
    );
    // On is how it is made.
    let oom = memory.disable_oom_killer.filter(|&is_off| is_off || !target.is_fresh);
    writes.extend(oom.map(|is_off| {
        let pointer = "/linux/resources/memory/disableOOMKiller";
        write(pointer, "memory.oom_control", i64::from(is_off))
    }));
    Ok(writes)
}

/// Docker writes -1, which is read as the greatest number, for a value that is not set.
fn swappiness(memory: &Memory) -> Result<Option<u64>, Error> {
    match memory.swappiness {
        None | Some(u64::MAX) => Ok(None),
        Some(value @ 0..=100) => Ok(Some(value)),
        Some(value) => Err(Error::value(
            "/linux/resources/memory/swappiness",
            format!("{value} is not in 0 to 100"),
        )),
    }
}

fn v2(memory: &Memory, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    refuse_v1_only(memory)?;
    refuse_below_usage(memory, target)?;
    let max = |value: i64| if value < 0 { "max".to_owned() } else { value.to_string() };
    let mut writes = Vec::new();
    if let Some(swap) = swap_alone(memory, target)? {
        // Without swap in the kernel there is no file, and no swap to be had.
        let is_moot = swap <= 0;
        writes.push(Write::new(SWAP, "memory.swap.max", max(swap)).may_lack_if(is_moot));
    }
    writes.extend(set(memory.limit).map(|value| Write::new(LIMIT, "memory.max", max(value))));
    writes.extend(
        set(memory.reservation).map(|value| Write::new(RESERVATION, "memory.low", max(value))),
    );
    Ok(writes)
}

/// What v2 calls swap is without memory; the configuration's is with it. Without a new limit of memory it is the
/// one that is in force.
fn swap_alone(memory: &Memory, target: &Target<'_>) -> Result<Option<i64>, Error> {
    let old = || match target.is_fresh {
        true => None,
        false => (target.read)("memory.max")?.trim_end().parse().ok(),
    };
    match (set(memory.limit).or_else(old), set(memory.swap)) {
        (Some(-1), None) => Ok(Some(-1)),
        (_, None) => Ok(None),
        (_, Some(-1)) => Ok(Some(-1)),
        // Any memory, some swap.
        (Some(-1), Some(swap)) => Ok(Some(swap)),
        (None, Some(_)) => Err(Error::value(SWAP, "unable to set swap limit without memory limit")),
        (Some(limit), Some(_)) if limit < 0 => {
            Err(Error::value(LIMIT, format!("{limit} is not a limit")))
        }
        (Some(limit), Some(swap)) if swap < limit => Err(Error::value(
            SWAP,
            format!(
                "{swap} is below the limit of memory, {limit}: memory+swap limit should be >= memory limit"
            ),
        )),
        (Some(limit), Some(swap)) => Ok(Some(swap - limit)),
    }
}

/// v2 counts kernel memory as memory, always by hierarchy, and knows nothing of the rest.
fn refuse_v1_only(memory: &Memory) -> Result<(), Error> {
    let is_limit = |value: Option<i64>| set(value).is_some_and(|value| value != -1);
    let refused = [
        ("kernel", is_limit(memory.kernel)),
        ("kernelTCP", is_limit(memory.kernel_tcp)),
        ("swappiness", swappiness(memory)?.is_some()),
        ("disableOOMKiller", memory.disable_oom_killer == Some(true)),
        ("useHierarchy", memory.use_hierarchy == Some(false)),
    ];
    match refused.iter().find(|(_, is_asked)| *is_asked) {
        Some((name, _)) => Err(only_v1(&format!("/linux/resources/memory/{name}"), "memory")),
        None => Ok(()),
    }
}

/// `checkBeforeUpdate`: v2 would kill processes until the new limit holds. v1 refuses by itself.
fn refuse_below_usage(memory: &Memory, target: &Target<'_>) -> Result<(), Error> {
    if memory.check_before_update != Some(true) || target.is_fresh {
        return Ok(());
    }
    let usage = (target.read)("memory.current").and_then(|text| text.trim_end().parse().ok());
    let Some(usage): Option<i64> = usage else { return Ok(()) };
    let limits = [(SWAP, "memory+swap limit", memory.swap), (LIMIT, "memory limit", memory.limit)];
    for (pointer, name, limit) in limits {
        if let Some(limit) = limit.filter(|&limit| limit > 0 && limit <= usage) {
            let reason = format!("rejecting {name} {limit} <= usage {usage}");
            return Err(Error::value(pointer, reason));
        }
    }
    Ok(())
}

/// v1 refuses a limit that it can't bring the use of memory below, and one above that of memory and swap together;
/// says how much that is.
pub(super) fn explain(error: Error, place: &Place, writes: &[Write]) -> Error {
    let Error::Os { errno, path, .. } = &error else { return error };
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some(Write { value, .. }) = writes.iter().find(|write| write.file == name) else {
        return error;
    };
    let read = |name| file::read(place.dir(), name).unwrap_or_default().trim_end().to_owned();
    match (name, *errno) {
        (V1_LIMIT, Errno::BUSY) => {
            let (usage, peak) = (read("memory.usage_in_bytes"), read("memory.max_usage_in_bytes"));
            let used = format!("(current usage: {usage}, peak usage: {peak})");
            Error::value(LIMIT, format!("unable to set memory limit to {value} {used}"))
        }
        (V1_LIMIT, Errno::INVAL) => Error::value(
            LIMIT,
            format!(
                "unable to set memory limit to {value}: memory+swap limit should be >= memory limit, and is {}",
                read(V1_SWAP)
            ),
        ),
        (V1_SWAP, Errno::INVAL) => Error::value(
            SWAP,
            format!(
                "unable to set memory+swap limit to {value}: memory+swap limit should be >= memory limit, which is {}",
                read(V1_LIMIT)
            ),
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::{v1, v2, values};

    fn memory(limit: i64, swap: i64) -> Memory {
        Memory { limit: Some(limit), swap: Some(swap), ..Memory::default() }
    }

    fn on(target: &Target<'_>, memory: Memory) -> Vec<String> {
        values(writes(&Resources { memory: Some(memory), ..Resources::default() }, target))
    }

    #[test]
    fn v1_writes_bytes() {
        let all = Memory {
            reservation: Some(50),
            swappiness: Some(60),
            disable_oom_killer: Some(true),
            use_hierarchy: Some(true),
            kernel_tcp: Some(9),
            ..memory(100, 300)
        };
        assert_eq!(
            on(&v1(), all),
            [
                "memory.limit_in_bytes=100",
                "memory.memsw.limit_in_bytes=300",
                "memory.soft_limit_in_bytes=50",
                "memory.kmem.tcp.limit_in_bytes=9",
                "memory.use_hierarchy=1",
                "memory.swappiness=60",
                "memory.oom_control=1",
            ]
        );
        assert!(on(&v1(), memory(0, 0)).is_empty());
    }

    #[test]
    fn v1_without_a_limit_has_none_with_swap_either() {
        let unlimited = Memory { limit: Some(-1), ..Memory::default() };
        let resources = Resources { memory: Some(unlimited), ..Resources::default() };
        let writes = writes(&resources, &v1()).unwrap();
        assert_eq!(
            values(Ok(writes.clone())),
            ["memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"]
        );
        assert!(writes[0].may_wait, "it is above the old limit with swap");
        assert!(writes[1].may_lack, "a kernel without swap has none");
    }

    #[test]
    fn v2_swap_is_without_memory() {
        assert_eq!(on(&v2(), memory(100, 300)), ["memory.swap.max=200", "memory.max=100"]);
        assert_eq!(on(&v2(), memory(100, 100)), ["memory.swap.max=0", "memory.max=100"]);
        assert_eq!(on(&v2(), memory(100, -1)), ["memory.swap.max=max", "memory.max=100"]);
        assert_eq!(on(&v2(), memory(100, 0)), ["memory.max=100"]);
        assert_eq!(on(&v2(), memory(-1, 0)), ["memory.swap.max=max", "memory.max=max"]);
        assert_eq!(on(&v2(), memory(-1, 300)), ["memory.swap.max=300", "memory.max=max"]);
        assert_eq!(on(&v2(), memory(0, -1)), ["memory.swap.max=max"]);
        assert_eq!(
            on(&v2(), Memory { reservation: Some(7), ..Memory::default() }),
            ["memory.low=7"]
        );
    }

    #[test]
    fn v2_refuses_swap_that_can_not_be() {
        assert!(
            on(&v2(), memory(300, 100))[0].ends_with("memory+swap limit should be >= memory limit")
        );
        assert!(
            on(&v2(), memory(0, 100))[0].contains("unable to set swap limit without memory limit")
        );
        assert!(on(&v2(), memory(-2, 100))[0].starts_with("/linux/resources/memory/limit: -2"));
    }

    #[test]
    fn v2_refuses_what_it_has_not() {
        for (name, memory) in [
            ("kernel", Memory { kernel: Some(5), ..Memory::default() }),
            ("kernelTCP", Memory { kernel_tcp: Some(5), ..Memory::default() }),
            ("swappiness", Memory { swappiness: Some(0), ..Memory::default() }),
            ("disableOOMKiller", Memory { disable_oom_killer: Some(true), ..Memory::default() }),
            ("useHierarchy", Memory { use_hierarchy: Some(false), ..Memory::default() }),
        ] {
            let expected = format!(
                "/linux/resources/memory/{name}: cgroup v2 has no such thing: it needs cgroup v1 with the controller \
                 memory"
            );
            assert_eq!(on(&v2(), memory), [expected]);
        }
        let docker = Memory {
            kernel: Some(0),
            swappiness: Some(u64::MAX),
            disable_oom_killer: Some(false),
            use_hierarchy: Some(true),
            ..Memory::default()
        };
        assert!(on(&v2(), docker).is_empty());
    }

    #[test]
    fn swappiness_has_a_range() {
        let with = |value| Memory { swappiness: Some(value), ..Memory::default() };
        assert_eq!(on(&v1(), with(100)), ["memory.swappiness=100"]);
        assert!(on(&v1(), with(101))[0].contains("101 is not in 0 to 100"));
        assert!(on(&v1(), with(u64::MAX)).is_empty());
    }

    #[test]
    fn a_limit_below_what_is_in_use_is_refused_if_that_is_asked_for() {
        let used = Target {
            is_fresh: false,
            read: &|name| (name == "memory.current").then(|| "4096\n".to_owned()),
            ..v2()
        };
        let checked =
            |limit, swap| Memory { check_before_update: Some(true), ..memory(limit, swap) };
        assert!(
            on(&used, checked(4096, 0))[0]
                .contains("/limit: rejecting memory limit 4096 <= usage 4096")
        );
        assert!(
            on(&used, checked(-1, 100))[0]
                .contains("/swap: rejecting memory+swap limit 100 <= usage 4096")
        );
        assert_eq!(on(&used, checked(4097, 0)), ["memory.max=4097"]);
        assert_eq!(on(&used, memory(100, 0)), ["memory.max=100"]);
    }

    #[test]
    fn v2_swap_alone_goes_with_the_limit_that_is_in_force() {
        let old =
            |max: &'static str| move |name: &str| (name == "memory.max").then(|| max.to_owned());
        let swap = |swap| Memory { swap: Some(swap), ..Memory::default() };
        let limited = Target { is_fresh: false, read: &old("100\n"), ..v2() };
        assert_eq!(on(&limited, swap(300)), ["memory.swap.max=200"]);
        assert_eq!(on(&limited, swap(-1)), ["memory.swap.max=max"]);
        assert!(on(&limited, swap(50))[0].contains("should be >= memory limit"));
        assert_eq!(on(&limited, memory(250, 300)), ["memory.swap.max=50", "memory.max=250"]);
        let unlimited = Target { is_fresh: false, read: &old("max\n"), ..v2() };
        assert!(on(&unlimited, swap(300))[0].contains("without memory limit"));
    }

    #[test]
    fn v1_puts_the_killer_on_again_if_it_was_off() {
        let on_again = || Memory { disable_oom_killer: Some(false), ..Memory::default() };
        assert!(on(&v1(), on_again()).is_empty());
        let used = Target { is_fresh: false, ..v1() };
        assert_eq!(on(&used, on_again()), ["memory.oom_control=0"]);
    }
}
