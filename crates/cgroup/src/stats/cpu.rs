//! Processor time.

use serde::{Deserialize, Serialize};

use super::files::Files;
use super::{Pressure, is_default};
use crate::Error;

/// Nanoseconds in a tick of cpuacct.stat: USER_HZ is 100 everywhere.
const TICK: u64 = 10_000_000;

/// Processor time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuStats {
    /// How much was used.
    #[serde(skip_serializing_if = "is_default")]
    pub usage: CpuUsage,
    /// How often the quota was used up.
    #[serde(skip_serializing_if = "is_default")]
    pub throttling: Throttling,
    /// Time lost for want of processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// Processor time that was used, in nanoseconds; for each processor with cgroup v1 only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// All of it.
    #[serde(skip_serializing_if = "is_default")]
    pub total: u64,
    /// All of it by processor.
    #[serde(skip_serializing_if = "is_default")]
    pub percpu: Vec<u64>,
    /// That in the kernel by processor.
    #[serde(skip_serializing_if = "is_default")]
    pub percpu_kernel: Vec<u64>,
    /// That in programs by processor.
    #[serde(skip_serializing_if = "is_default")]
    pub percpu_user: Vec<u64>,
    /// That in the kernel.
    pub kernel: u64,
    /// That in programs.
    pub user: u64,
}

/// What a quota has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Throttling {
    /// Periods in which processes wanted to run.
    #[serde(skip_serializing_if = "is_default")]
    pub periods: u64,
    /// Periods in which the quota was used up.
    #[serde(skip_serializing_if = "is_default")]
    pub throttled_periods: u64,
    /// Nanoseconds that processes had to wait.
    #[serde(skip_serializing_if = "is_default")]
    pub throttled_time: u64,
}

pub(super) fn usage(files: &Files<'_>) -> Result<CpuUsage, Error> {
    if !files.is_v2 {
        return usage_v1(files);
    }
    let mut usage = CpuUsage::default();
    for (key, value) in files.pairs("cpu.stat")? {
        let nanoseconds = value.saturating_mul(1000);
        match &*key {
            "usage_usec" => usage.total = nanoseconds,
            "user_usec" => usage.user = nanoseconds,
            "system_usec" => usage.kernel = nanoseconds,
            _ => {}
        }
    }
    Ok(usage)
}

fn usage_v1(files: &Files<'_>) -> Result<CpuUsage, Error> {
    let mut usage = CpuUsage { total: files.count("cpuacct.usage")?, ..CpuUsage::default() };
    for (key, ticks) in files.pairs("cpuacct.stat")? {
        let nanoseconds = ticks.saturating_mul(TICK);
        match &*key {
            "user" => usage.user = nanoseconds,
            "system" => usage.kernel = nanoseconds,
            _ => {}
        }
    }
    const EACH: &str = "cpuacct.usage_percpu";
    let each = files.text(EACH)?.unwrap_or_default();
    let each = each.split_whitespace().map(|number| files.parse(EACH, number));
    usage.percpu = each.collect::<Result<_, _>>()?;
    const MODES: &str = "cpuacct.usage_all";
    for line in files.text(MODES)?.unwrap_or_default().lines().skip(1) {
        let mut fields = line.split_whitespace().skip(1);
        let mut next = || files.parse(MODES, fields.next().unwrap_or(line));
        usage.percpu_user.push(next()?);
        usage.percpu_kernel.push(next()?);
    }
    Ok(usage)
}

pub(super) fn throttling(files: &Files<'_>) -> Result<Throttling, Error> {
    let mut throttling = Throttling::default();
    for (key, value) in files.pairs("cpu.stat")? {
        match &*key {
            "nr_periods" => throttling.periods = value,
            "nr_throttled" => throttling.throttled_periods = value,
            // v1
            "throttled_time" => throttling.throttled_time = value,
            // v2
            "throttled_usec" => throttling.throttled_time = value.saturating_mul(1000),
            _ => {}
        }
    }
    Ok(throttling)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tests::over;

    #[test]
    fn v1_counts_by_processor() {
        let texts = [
            ("cpuacct.usage", "27579675805392\n"),
            ("cpuacct.stat", "user 209\nsystem 66\n"),
            ("cpuacct.usage_percpu", "13895 13684 \n"),
            ("cpuacct.usage_all", "cpu user system\n0 10293 3184\n1 9980 3287\n"),
        ];
        let expected = CpuUsage {
            total: 27_579_675_805_392,
            percpu: vec![13_895, 13_684],
            percpu_kernel: vec![3184, 3287],
            percpu_user: vec![10_293, 9980],
            kernel: 660_000_000,
            user: 2_090_000_000,
        };
        assert_eq!(over(false, &texts, usage), Ok(expected));
        assert_eq!(over(false, &[], usage), Ok(CpuUsage::default()));
        let stat = [("cpu.stat", "nr_periods 4\nnr_throttled 3\nthrottled_time 55\nnr_bursts 0\n")];
        let expected = Throttling { periods: 4, throttled_periods: 3, throttled_time: 55 };
        assert_eq!(over(false, &stat, throttling), Ok(expected));
    }

    #[test]
    fn v2_counts_in_microseconds() {
        let stat = [(
            "cpu.stat",
            "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnice_usec 0\nnr_periods 4\nnr_throttled 3\n\
             throttled_usec 55\nnr_bursts 0\nburst_usec 0\n",
        )];
        let expected =
            CpuUsage { total: 30_000, user: 20_000, kernel: 10_000, ..CpuUsage::default() };
        assert_eq!(over(true, &stat, usage), Ok(expected));
        let expected = Throttling { periods: 4, throttled_periods: 3, throttled_time: 55_000 };
        assert_eq!(over(true, &stat, throttling), Ok(expected));
    }

    #[test]
    fn names_are_those_of_runc() {
        let stats = CpuStats {
            usage: CpuUsage {
                total: 1,
                percpu: vec![1],
                percpu_kernel: vec![2],
                percpu_user: vec![3],
                kernel: 4,
                user: 5,
            },
            throttling: Throttling { periods: 6, throttled_periods: 7, throttled_time: 8 },
            psi: None,
        };
        assert_eq!(
            serde_json::to_string(&stats).unwrap(),
            r#"{"usage":{"total":1,"percpu":[1],"percpu_kernel":[2],"percpu_user":[3],"kernel":4,"user":5},"#.to_owned()
                + r#""throttling":{"periods":6,"throttledPeriods":7,"throttledTime":8}}"#
        );
    }

    #[test]
    fn an_odd_line_is_named() {
        let error =
            over(false, &[("cpuacct.usage_all", "cpu user system\n0 1\n")], usage).unwrap_err();
        assert_eq!(error.to_string(), "cannot understand /cg/cpuacct.usage_all: it says \"0 1\"");
    }
}
