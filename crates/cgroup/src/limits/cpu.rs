//! `cpu`, but for the processors and memory nodes.

use coble_spec::{Cpu, Resources};

use super::{Target, Write, only_v1};
use crate::Error;

const SHARES: &str = "/linux/resources/cpu/shares";
const QUOTA: &str = "/linux/resources/cpu/quota";
const PERIOD: &str = "/linux/resources/cpu/period";
const BURST: &str = "/linux/resources/cpu/burst";
const IDLE: &str = "/linux/resources/cpu/idle";
const RT_RUNTIME: &str = "/linux/resources/cpu/realtimeRuntime";
const RT_PERIOD: &str = "/linux/resources/cpu/realtimePeriod";

const SHARES_MIN: u64 = 2;
const SHARES_MAX: u64 = 262_144;

/// A value of 0 is no value, as in Docker's and Kubernetes' configurations, but for `burst` and `idle`; a
/// negative quota is no limit.
pub(super) fn writes(resources: &Resources, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    let Some(cpu) = &resources.cpu else { return Ok(Vec::new()) };
    if target.is_v2 { v2(cpu, target) } else { v1(cpu) }
}

fn set<T: Default + PartialEq + Copy>(value: Option<T>) -> Option<T> {
    value.filter(|&value| value != T::default())
}

/// Whether the kernel takes a period or a burst depends on the quota, and a realtime period on the run
/// time: one that is refused before is tried again after.
fn v1(cpu: &Cpu) -> Result<Vec<Write>, Error> {
    let mut writes = Vec::new();
    if let Some(shares) = set(cpu.shares) {
        // The kernel would take the nearest value that it allows, and say nothing.
        if shares > SHARES_MAX {
            return Err(Error::value(
                SHARES,
                format!("the maximum allowed cpu-shares is {SHARES_MAX}"),
            ));
        }
        if shares < SHARES_MIN {
            return Err(Error::value(
                SHARES,
                format!("the minimum allowed cpu-shares is {SHARES_MIN}"),
            ));
        }
        // An idle cgroup takes none.
        let write = Write::new(SHARES, "cpu.shares", shares);
        writes.push(write.may_wait_if(cpu.idle == Some(0)));
    }
    let quota = set(cpu.quota);
    writes.extend(
        set(cpu.period).map(|value| {
            Write::new(PERIOD, "cpu.cfs_period_us", value).may_wait_if(quota.is_some())
        }),
    );
    writes.extend(cpu.burst.map(|value| {
        Write::new(BURST, "cpu.cfs_burst_us", value)
            .may_wait_if(quota.is_some())
            .may_lack_if(value == 0)
    }));
    writes.extend(quota.map(|value| Write::new(QUOTA, "cpu.cfs_quota_us", value.max(-1))));
    writes.extend(idle(cpu));
    let runtime = set(cpu.realtime_runtime);
    writes.extend(set(cpu.realtime_period).map(|value| {
        Write::new(RT_PERIOD, "cpu.rt_period_us", value).may_wait_if(runtime.is_some())
    }));
    writes.extend(runtime.map(|value| Write::new(RT_RUNTIME, "cpu.rt_runtime_us", value)));
    Ok(writes)
}

fn idle(cpu: &Cpu) -> Option<Write> {
    // A kernel before 5.15 has no such file, and nothing that is idle.
    cpu.idle.map(|value| Write::new(IDLE, "cpu.idle", value).may_lack_if(value == 0))
}

fn v2(cpu: &Cpu, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    for (pointer, is_asked) in [
        (RT_RUNTIME, set(cpu.realtime_runtime).is_some()),
        (RT_PERIOD, set(cpu.realtime_period).is_some()),
    ] {
        if is_asked {
            return Err(only_v1(pointer, "cpu"));
        }
    }
    let mut writes = Vec::new();
    let weight = set(cpu.shares).map(|shares| Write::new(SHARES, "cpu.weight", weight(shares)));
    // An idle cgroup takes no weight.
    if cpu.idle == Some(0) {
        writes.extend(idle(cpu));
        writes.extend(weight);
    } else {
        writes.extend(weight);
        writes.extend(idle(cpu));
    }
    let max = max(cpu, target);
    writes.extend(cpu.burst.map(|value| {
        Write::new(BURST, "cpu.max.burst", value).may_wait_if(max.is_some()).may_lack_if(value == 0)
    }));
    writes.extend(max);
    Ok(writes)
}

/// `cpu.max` takes quota and period; a quota alone leaves the period as it is.
fn max(cpu: &Cpu, target: &Target<'_>) -> Option<Write> {
    let quota =
        set(cpu.quota).map(|quota| if quota < 0 { "max".to_owned() } else { quota.to_string() });
    match (quota, set(cpu.period)) {
        (None, None) => None,
        (Some(quota), None) => Some(Write::new(QUOTA, "cpu.max", quota)),
        (Some(quota), Some(period)) => {
            Some(Write::new(QUOTA, "cpu.max", format!("{quota} {period}")))
        }
        (None, Some(period)) => {
            let old = if target.is_fresh { None } else { (target.read)("cpu.max") };
            let quota =
                old.as_deref().and_then(|text| text.split_whitespace().next()).unwrap_or("max");
            Some(Write::new(PERIOD, "cpu.max", format!("{quota} {period}")))
        }
    }
}

/// Shares, of which 1024 is the common value, as v2's weight, of which that is 100. The curve that goes
/// through the smallest, the common and the greatest value of both: 10^((l² + 125 l) / 612 - 7 / 34) with l
/// = log2(shares).
pub fn weight(shares: u64) -> u64 {
    if shares <= SHARES_MIN {
        return 1;
    }
    if shares >= SHARES_MAX {
        return 10_000;
    }
    let log = (shares as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    10_f64.powf(exponent).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::{v1, v2, values};

    fn on(target: &Target<'_>, cpu: Cpu) -> Vec<String> {
        values(writes(&Resources { cpu: Some(cpu), ..Resources::default() }, target))
    }

    #[test]
    fn weight_goes_through_both_ends_and_the_common_value() {
        let weights =
            [(0, 1), (1, 1), (2, 1), (3, 2), (512, 59), (1024, 100), (2048, 174), (100_000, 4340)];
        for (shares, expected) in weights {
            assert_eq!(weight(shares), expected, "{shares}");
        }
        assert_eq!(weight(262_143), 10_000);
        assert_eq!(weight(262_144), 10_000);
        assert_eq!(weight(u64::MAX), 10_000);
    }

    #[test]
    fn weight_never_falls_and_stays_in_range() {
        let mut last = 0;
        for shares in 0..=262_144 {
            let weight = weight(shares);
            assert!((last.max(1)..=10_000).contains(&weight), "{shares} gives {weight}");
            last = weight;
        }
    }

    #[test]
    fn v1_writes_each_value() {
        let cpu = Cpu {
            shares: Some(512),
            quota: Some(50_000),
            period: Some(100_000),
            burst: Some(1000),
            idle: Some(1),
            realtime_runtime: Some(950),
            realtime_period: Some(1000),
            ..Cpu::default()
        };
        assert_eq!(
            on(&v1(), cpu),
            [
                "cpu.shares=512",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_burst_us=1000",
                "cpu.cfs_quota_us=50000",
                "cpu.idle=1",
                "cpu.rt_period_us=1000",
                "cpu.rt_runtime_us=950",
            ]
        );
    }

    #[test]
    fn v1_shares_have_a_range() {
        let with = |shares| Cpu { shares: Some(shares), ..Cpu::default() };
        assert!(on(&v1(), with(1))[0].contains("the minimum allowed cpu-shares is 2"));
        assert!(on(&v1(), with(262_145))[0].contains("the maximum allowed cpu-shares is 262144"));
        assert!(on(&v1(), with(0)).is_empty());
    }

    #[test]
    fn v2_max_is_quota_and_period() {
        let with = |quota, period| Cpu { quota, period, ..Cpu::default() };
        assert_eq!(on(&v2(), with(Some(50_000), Some(100_000))), ["cpu.max=50000 100000"]);
        assert_eq!(on(&v2(), with(Some(-1), Some(50_000))), ["cpu.max=max 50000"]);
        assert_eq!(on(&v2(), with(Some(50_000), None)), ["cpu.max=50000"]);
        assert_eq!(on(&v2(), with(Some(-1), None)), ["cpu.max=max"]);
        assert_eq!(on(&v2(), with(Some(0), Some(100_000))), ["cpu.max=max 100000"]);
        assert!(on(&v2(), with(Some(0), None)).is_empty());
    }

    #[test]
    fn v2_period_alone_keeps_the_quota() {
        let old = Target {
            is_fresh: false,
            read: &|name| (name == "cpu.max").then(|| "2000 100000\n".to_owned()),
            ..v2()
        };
        let cpu = Cpu { period: Some(50_000), ..Cpu::default() };
        assert_eq!(on(&old, cpu), ["cpu.max=2000 50000"]);
    }

    #[test]
    fn v2_idle_stands_where_the_weight_is_taken() {
        let with = |idle| Cpu { idle: Some(idle), shares: Some(1024), ..Cpu::default() };
        assert_eq!(on(&v2(), with(0)), ["cpu.idle=0", "cpu.weight=100"]);
        assert_eq!(on(&v2(), with(1)), ["cpu.weight=100", "cpu.idle=1"]);
    }

    #[test]
    fn v2_burst_waits_for_the_quota() {
        let cpu = Cpu { burst: Some(10), quota: Some(20), ..Cpu::default() };
        let resources = Resources { cpu: Some(cpu), ..Resources::default() };
        let writes = writes(&resources, &v2()).unwrap();
        assert_eq!(values(Ok(writes.clone())), ["cpu.max.burst=10", "cpu.max=20"]);
        assert!(writes[0].may_wait && !writes[0].may_lack && !writes[1].may_wait);
    }

    #[test]
    fn v2_has_no_realtime() {
        let cpu = Cpu { realtime_runtime: Some(950), ..Cpu::default() };
        assert_eq!(on(&v2(), cpu), [only_v1(RT_RUNTIME, "cpu").to_string()]);
        assert!(on(&v2(), Cpu { realtime_runtime: Some(0), ..Cpu::default() }).is_empty());
    }
}
