//! The values for a cgroup's files as properties of its unit (systemd.resource-control(5), and systemd's
//! src/core/dbus-cgroup.c for the types). What no property says is left to the files.
//!
//! There is one translation of a configuration's limits, into values for files, and this comes after it. So a limit and
//! its name in `unified` are the same here, and what stands later counts.

use super::property::Property;
use super::value::Value;

/// `infinity`, `CGROUP_LIMIT_MAX`.
const NO_LIMIT: u64 = u64::MAX;
/// What a quota is of that names no period, in microseconds (the kernel's and systemd's default).
pub(crate) const PERIOD: u64 = 100_000;
/// systemd keeps a quota in whole percents of a processor: so many microseconds of each second.
const PERCENT: u64 = 10_000;
const SECOND: u64 = 1_000_000;
/// `CPUWeight=idle`, since version 252.
const IDLE: Value = Value::U64(0);

/// The properties that say what these values, of files by their names, do. `weight` is that of the processor's time for a
/// cgroup that is no longer idle; none if it never was.
pub(crate) fn properties<'a>(
    files: impl Iterator<Item = (&'a str, &'a str)>,
    weight: &dyn Fn() -> Option<u64>,
) -> Vec<Property> {
    let mut found = Found::default();
    for (file, value) in files {
        found.take(file, value);
    }
    if found.ends_idle && !found.has("CPUWeight") {
        found
            .properties
            .extend(weight().map(|weight| Property::newer("CPUWeight", Value::U64(weight))));
    }
    found.finish()
}

#[derive(Default)]
struct Found {
    properties: Vec<Property>,
    /// v1 has a file for each.
    quota: Option<Option<u64>>,
    period: Option<u64>,
    /// The cgroup is no longer to be idle. That is no property: any weight says it.
    ends_idle: bool,
}

impl Found {
    fn take(&mut self, file: &str, value: &str) {
        match file {
            "memory.min" => self.limit("MemoryMin", value),
            "memory.low" => self.limit("MemoryLow", value),
            "memory.high" => self.limit("MemoryHigh", value),
            "memory.max" => self.limit("MemoryMax", value),
            "memory.swap.max" => self.limit("MemorySwapMax", value),
            "memory.zswap.max" => self.limit("MemoryZSwapMax", value),
            "memory.limit_in_bytes" => self.limit("MemoryLimit", value),
            "pids.max" => self.limit("TasksMax", value),
            "cpu.weight" => self.number("CPUWeight", value),
            "cpu.idle" => self.idle(value),
            "cpu.shares" => self.number("CPUShares", value),
            "cpu.max" => self.cpu_max(value),
            "cpu.cfs_quota_us" => {
                self.quota =
                    value.trim().parse::<i64>().ok().map(|quota| u64::try_from(quota).ok());
            }
            "cpu.cfs_period_us" => self.period = value.trim().parse().ok(),
            "cpuset.cpus" | "cpus" => self.bits("AllowedCPUs", value),
            "cpuset.mems" | "mems" => self.bits("AllowedMemoryNodes", value),
            "io.weight" => self.weight(value, |weight| weight),
            "io.bfq.weight" => self.weight(value, of_bfq),
            "io.max" => self.io_max(value),
            "blkio.weight" | "blkio.bfq.weight" => self.number("BlockIOWeight", value),
            "blkio.weight_device" | "blkio.bfq.weight_device" => {
                self.device("BlockIODeviceWeight", value);
            }
            "blkio.throttle.read_bps_device" => self.device("BlockIOReadBandwidth", value),
            "blkio.throttle.write_bps_device" => self.device("BlockIOWriteBandwidth", value),
            _ => {}
        }
    }

    fn finish(mut self) -> Vec<Property> {
        if let Some(period) = self.period {
            self.set("CPUQuotaPeriodUSec", Value::U64(period));
        }
        if let Some(quota) = self.quota {
            let period = self.period.unwrap_or(PERIOD);
            let share = quota.map_or(NO_LIMIT, |quota| per_second(quota, period));
            self.set("CPUQuotaPerSecUSec", Value::U64(share));
        }
        self.properties
    }

    fn idle(&mut self, value: &str) {
        match value.trim() {
            "1" => self.set("CPUWeight", IDLE),
            "0" => {
                self.ends_idle = true;
                self.properties.retain(|one| (&*one.name, &one.value) != ("CPUWeight", &IDLE));
            }
            _ => {}
        }
    }

    fn has(&self, name: &str) -> bool {
        self.properties.iter().any(|property| property.name == name)
    }

    /// The last value counts.
    fn set(&mut self, name: &'static str, value: Value) {
        self.properties.retain(|property| property.name != name);
        self.properties.push(Property::newer(name, value));
    }

    fn number(&mut self, name: &'static str, value: &str) {
        if let Some(number) = bytes(value) {
            self.set(name, Value::U64(number));
        }
    }

    fn limit(&mut self, name: &'static str, value: &str) {
        match value.trim() {
            "max" | "-1" => self.set(name, Value::U64(NO_LIMIT)),
            other => self.number(name, other),
        }
    }

    /// `QUOTA`, or `QUOTA PERIOD`, where a quota of `max` is none.
    fn cpu_max(&mut self, value: &str) {
        let mut words = value.split_whitespace();
        let quota = match words.next() {
            Some("max") => None,
            Some(number) => match number.parse() {
                Ok(number) => Some(number),
                Err(_) => return,
            },
            None => return,
        };
        self.quota = Some(quota);
        self.period = words.next().and_then(|period| period.parse().ok()).or(self.period);
    }

    fn bits(&mut self, name: &'static str, list: &str) {
        if let Some(bits) = bits(list) {
            self.set(name, Value::Array("y", bits.into_iter().map(Value::Byte).collect()));
        }
    }

    /// `WEIGHT`, `default WEIGHT` or `MAJOR:MINOR WEIGHT`.
    fn weight(&mut self, value: &str, scale: fn(u64) -> u64) {
        for line in value.lines() {
            let (device, weight) = line.trim().rsplit_once(' ').unwrap_or(("default", line.trim()));
            let Ok(weight) = weight.parse().map(scale) else { continue };
            match device.trim() {
                "default" => self.set("IOWeight", Value::U64(weight)),
                device => self.append("IODeviceWeight", device, weight),
            }
        }
    }

    /// Lines of `MAJOR:MINOR KEY=VALUE...`.
    fn io_max(&mut self, value: &str) {
        for line in value.lines() {
            let mut words = line.split_whitespace();
            let Some(device) = words.next() else { continue };
            for (key, value) in words.filter_map(|word| word.split_once('=')) {
                let name = match key {
                    "rbps" => "IOReadBandwidthMax",
                    "wbps" => "IOWriteBandwidthMax",
                    "riops" => "IOReadIOPSMax",
                    "wiops" => "IOWriteIOPSMax",
                    _ => continue,
                };
                let limit = if value == "max" { Some(NO_LIMIT) } else { bytes(value) };
                if let Some(limit) = limit {
                    self.append(name, device, limit);
                }
            }
        }
    }

    /// `MAJOR:MINOR VALUE`.
    fn device(&mut self, name: &'static str, line: &str) {
        let pair = line.split_once(' ').and_then(|(device, value)| Some((device, bytes(value)?)));
        if let Some((device, value)) = pair {
            self.append(name, device, value);
        }
    }

    /// systemd knows a device by the path of its file.
    fn append(&mut self, name: &'static str, device: &str, value: u64) {
        let path = Value::Text(format!("/dev/block/{device}"));
        let pair = Value::Struct(vec![path, Value::U64(value)]);
        let list = self.properties.iter_mut().find(|property| property.name == name);
        match list.map(|property| &mut property.value) {
            Some(Value::Array(_, pairs)) => pairs.push(pair),
            _ => self.set(name, Value::Array("(st)", vec![pair])),
        }
    }
}

/// The smallest quota, in whole percents of a processor, that is no less, and so is the same for systemd and in the
/// file.
pub(crate) fn rounded(quota: i64, period: u64) -> i64 {
    match u64::try_from(quota) {
        Ok(positive) if positive > 0 && period > 0 => {
            let share = u128::from(per_second(positive, period));
            i64::try_from(share * u128::from(period) / u128::from(SECOND)).unwrap_or(quota)
        }
        _ => quota,
    }
}

/// Microseconds of each second, in whole percents.
fn per_second(quota: u64, period: u64) -> u64 {
    let share = u128::from(quota) * u128::from(SECOND) / u128::from(period.max(1));
    let percent = u128::from(PERCENT);
    u64::try_from(share.div_ceil(percent) * percent).unwrap_or(NO_LIMIT)
}

/// The weight that systemd makes BFQ's `weight` of again: straight lines from 1 by 100, the default of both, to 10000
/// (`BFQ_WEIGHT` in its src/basic/cgroup-util.h).
fn of_bfq(weight: u64) -> u64 {
    if weight <= 100 { weight } else { 100 + (weight - 100).saturating_mul(11) }
}

/// A number as the kernel takes it, with a unit of 1024 behind it or none.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit =
        text.len().checked_sub(1).and_then(|last| Some((text.get(..last)?, text.get(last..)?)));
    let (number, shift) = match unit {
        Some((number, "k" | "K")) => (number, 10),
        Some((number, "m" | "M")) => (number, 20),
        Some((number, "g" | "G")) => (number, 30),
        Some((number, "t" | "T")) => (number, 40),
        _ => (text, 0),
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A list such as `0-3,7` as a mask, the lowest numbers first.
fn bits(list: &str) -> Option<Vec<u8>> {
    const MOST: usize = 1 << 16;
    let mut mask = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let (first, last) = (number(first)?, number(last)?);
        if first > last || last >= MOST {
            return None;
        }
        for bit in first..=last {
            if mask.len() <= bit / 8 {
                mask.resize(bit / 8 + 1, 0);
            }
            mask[bit / 8] |= 1u8 << (bit % 8);
        }
    }
    Some(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(files: &[(&str, &str)]) -> Vec<String> {
        properties(files.iter().copied(), &|| Some(59)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn files_of_v2() {
        let files = [
            ("memory.swap.max", "1048576"),
            ("memory.max", "2097152"),
            ("memory.low", "1024"),
            ("cpu.weight", "59"),
            ("cpu.max", "50000 100000"),
            ("cpuset.cpus", "0-1,9"),
            ("cpuset.mems", "0"),
            ("pids.max", "1"),
            ("io.weight", "4950"),
            ("io.weight", "8:0 10000"),
            ("io.max", "8:0 rbps=1"),
            ("io.max", "8:16 rbps=2"),
            ("io.max", "8:0 wiops=max"),
            ("hugetlb.2MB.max", "7"),
        ];
        let expected = [
            "MemorySwapMax=t 1048576",
            "MemoryMax=t 2097152",
            "MemoryLow=t 1024",
            "CPUWeight=t 59",
            "AllowedCPUs=ay [0x03, 0x02]",
            "AllowedMemoryNodes=ay [0x01]",
            "TasksMax=t 1",
            "IOWeight=t 4950",
            "IODeviceWeight=a(st) [(\"/dev/block/8:0\", 10000)]",
            "IOReadBandwidthMax=a(st) [(\"/dev/block/8:0\", 1), (\"/dev/block/8:16\", 2)]",
            "IOWriteIOPSMax=a(st) [(\"/dev/block/8:0\", 18446744073709551615)]",
            "CPUQuotaPeriodUSec=t 100000",
            "CPUQuotaPerSecUSec=t 500000",
        ];
        assert_eq!(shown(&files), expected);
    }

    #[test]
    fn files_of_v1() {
        let files = [
            ("memory.limit_in_bytes", "-1"),
            ("memory.memsw.limit_in_bytes", "-1"),
            ("cpu.shares", "512"),
            ("cpu.cfs_period_us", "50000"),
            ("cpu.cfs_quota_us", "25000"),
            ("cpuset.cpus", "1"),
            ("blkio.bfq.weight", "10"),
            ("blkio.throttle.read_bps_device", "8:0 5"),
            ("blkio.throttle.read_iops_device", "8:0 5"),
        ];
        let expected = [
            "MemoryLimit=t 18446744073709551615",
            "CPUShares=t 512",
            "AllowedCPUs=ay [0x02]",
            "BlockIOWeight=t 10",
            "BlockIOReadBandwidth=a(st) [(\"/dev/block/8:0\", 5)]",
            "CPUQuotaPeriodUSec=t 50000",
            "CPUQuotaPerSecUSec=t 500000",
        ];
        assert_eq!(shown(&files), expected);
        assert_eq!(
            shown(&[("cpu.cfs_quota_us", "-1")]),
            ["CPUQuotaPerSecUSec=t 18446744073709551615"]
        );
    }

    #[test]
    fn files_by_their_names_in_unified() {
        let cases = [
            (("memory.high", "512M\n"), "MemoryHigh=t 536870912"),
            (("memory.min", " max "), "MemoryMin=t 18446744073709551615"),
            (("cpu.idle", "1"), "CPUWeight=t 0"),
            (("cpu.idle", "0\n"), "CPUWeight=t 59"),
            (("cpu.weight", "7"), "CPUWeight=t 7"),
            (("cpu.max", "max"), "CPUQuotaPerSecUSec=t 18446744073709551615"),
            (("io.bfq.weight", "1000"), "IOWeight=t 10000"),
            (("io.bfq.weight", "default 100"), "IOWeight=t 100"),
            (("io.weight", "default 9"), "IOWeight=t 9"),
        ];
        for (file, expected) in cases {
            assert_eq!(shown(&[file]), [expected]);
        }
        // What is no value for the property is left to the file.
        for file in [
            ("cpu.idle", "2"),
            ("cpu.weight", "x"),
            ("cpu.max", ""),
            ("cpu.max", "x 1"),
            ("cpuset.cpus", "3-1"),
            ("memory.max", "50%"),
            ("io.max", "8:0 what=1"),
            ("memory.oom.group", "1"),
        ] {
            assert_eq!(shown(&[file]), [""; 0], "{file:?}");
        }
    }

    #[test]
    fn what_stands_later_counts() {
        let files = [("pids.max", "9"), ("memory.max", "1"), ("pids.max", "max")];
        assert_eq!(shown(&files), ["MemoryMax=t 1", "TasksMax=t 18446744073709551615"]);
        for (files, expected) in [
            ([("cpu.idle", "1"), ("cpu.idle", "0")], "CPUWeight=t 59"),
            ([("cpu.idle", "0"), ("cpu.weight", "7")], "CPUWeight=t 7"),
            ([("cpu.weight", "7"), ("cpu.idle", "0")], "CPUWeight=t 7"),
            ([("cpu.weight", "7"), ("cpu.idle", "1")], "CPUWeight=t 0"),
        ] {
            assert_eq!(shown(&files), [expected]);
        }
    }

    /// systemd's arithmetic, by which the file comes out as it was.
    #[test]
    fn a_weight_of_bfq_comes_back() {
        let back = |weight: u64| match weight {
            ..=100 => 100 - (100 - weight) * 99 / 99,
            _ => 100 + (weight - 100) * 900 / 9900,
        };
        for weight in 1..=1000 {
            assert_eq!(back(of_bfq(weight)), weight);
            assert!((1..=10_000).contains(&of_bfq(weight)), "{weight}");
        }
    }

    #[test]
    fn a_quota_is_rounded_up_to_a_percent() {
        assert_eq!(shown(&[("cpu.max", "12345")]), ["CPUQuotaPerSecUSec=t 130000"]);
        let cases = [
            ((12_345, 100_000), 13_000),
            ((13_000, 100_000), 13_000),
            ((1, 1_000_000), 10_000),
            ((33_333, 33_333), 33_333),
            ((-1, 100_000), -1),
            ((0, 100_000), 0),
            ((5, 0), 5),
        ];
        for ((quota, period), expected) in cases {
            assert_eq!(rounded(quota, period), expected, "{quota} of {period}");
        }
    }
}
