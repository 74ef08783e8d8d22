//! `blockIO`.

use coble_spec::{BlockIo, Resources, ThrottleDevice, WeightDevice};

use super::{Target, Write, only_v1};
use crate::Error;

const POINTER: &str = "/linux/resources/blockIO";

/// A weight of 0 is no weight; a rate of 0 is no limit.
pub(super) fn writes(resources: &Resources, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    let Some(io) = &resources.block_io else { return Ok(Vec::new()) };
    let mut writes = if target.is_v2 { weights_v2(io, target)? } else { weights_v1(io, target)? };
    for (name, devices, v1, v2) in throttles(io) {
        for (index, device) in devices.iter().enumerate() {
            let pointer = format!("{POINTER}/{name}/{index}");
            let ThrottleDevice { major, minor, rate } = device;
            writes.push(match (target.is_v2, *rate) {
                (false, rate) => Write::new(
                    pointer,
                    format!("blkio.throttle.{v1}_device"),
                    format!("{major}:{minor} {rate}"),
                ),
                (true, 0) => Write::new(pointer, "io.max", format!("{major}:{minor} {v2}=max")),
                (true, rate) => {
                    Write::new(pointer, "io.max", format!("{major}:{minor} {v2}={rate}"))
                }
            });
        }
    }
    Ok(writes)
}

/// Name in the configuration, devices, part of the name of v1's file, key in v2's.
type Throttle<'a> = (&'static str, &'a [ThrottleDevice], &'static str, &'static str);

fn throttles(io: &BlockIo) -> [Throttle<'_>; 4] {
    [
        ("throttleReadBpsDevice", &io.throttle_read_bps_device, "read_bps", "rbps"),
        ("throttleWriteBpsDevice", &io.throttle_write_bps_device, "write_bps", "wbps"),
        ("throttleReadIOPSDevice", &io.throttle_read_iops_device, "read_iops", "riops"),
        ("throttleWriteIOPSDevice", &io.throttle_write_iops_device, "write_iops", "wiops"),
    ]
}

/// The kernel has `blkio.weight` up to 4.x with the scheduler CFQ, and `blkio.bfq.weight` with BFQ.
fn weights_v1(io: &BlockIo, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    let mut writes = Vec::new();
    if !wants_weight(io) {
        return Ok(writes);
    }
    let name = if (target.read)("blkio.weight").is_some() { "blkio" } else { "blkio.bfq" };
    if let Some(weight) = checked("weight", io.weight)? {
        writes.push(Write::new(pointer("weight"), format!("{name}.weight"), weight));
    }
    if let Some(weight) = checked("leafWeight", io.leaf_weight)? {
        writes.push(Write::new(pointer("leafWeight"), "blkio.leaf_weight", weight));
    }
    for (index, device) in io.weight_device.iter().enumerate() {
        let WeightDevice { major, minor, weight, leaf_weight } = device;
        let place = format!("weightDevice/{index}/weight");
        if let Some(weight) = checked(&place, *weight)? {
            let file = format!("{name}.weight_device");
            writes.push(Write::new(pointer(&place), file, format!("{major}:{minor} {weight}")));
        }
        let place = format!("weightDevice/{index}/leafWeight");
        if let Some(weight) = checked(&place, *leaf_weight)? {
            let line = format!("{major}:{minor} {weight}");
            writes.push(Write::new(pointer(&place), "blkio.leaf_weight_device", line));
        }
    }
    Ok(writes)
}

/// BFQ has the configuration's range of weights; `io.weight` has ten times that.
fn weights_v2(io: &BlockIo, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    let mut writes = Vec::new();
    if !wants_weight(io) {
        return Ok(writes);
    }
    let has_bfq = (target.read)("io.bfq.weight").is_some();
    let file = if has_bfq { "io.bfq.weight" } else { "io.weight" };
    let value = |weight: u16| if has_bfq { u64::from(weight) } else { wide_weight(weight) };
    refuse_leaf_weight("leafWeight", io.leaf_weight)?;
    if let Some(weight) = checked("weight", io.weight)? {
        writes.push(Write::new(pointer("weight"), file, value(weight)));
    }
    for (index, device) in io.weight_device.iter().enumerate() {
        let WeightDevice { major, minor, weight, leaf_weight } = device;
        refuse_leaf_weight(&format!("weightDevice/{index}/leafWeight"), *leaf_weight)?;
        let place = format!("weightDevice/{index}/weight");
        if let Some(weight) = checked(&place, *weight)? {
            let line = format!("{major}:{minor} {}", value(weight));
            writes.push(Write::new(pointer(&place), file, line));
        }
    }
    Ok(writes)
}

fn wants_weight(io: &BlockIo) -> bool {
    io.weight.is_some() || io.leaf_weight.is_some() || !io.weight_device.is_empty()
}

fn pointer(place: &str) -> String {
    format!("{POINTER}/{place}")
}

/// 10 to 1000 onto 1 to 10000, in a straight line.
fn wide_weight(weight: u16) -> u64 {
    1 + (u64::from(weight) - 10) * 9999 / 990
}

fn checked(place: &str, weight: Option<u16>) -> Result<Option<u16>, Error> {
    match weight {
        None | Some(0) => Ok(None),
        Some(10..=1000) => Ok(weight),
        Some(other) => Err(Error::value(pointer(place), format!("{other} is not in 10 to 1000"))),
    }
}

fn refuse_leaf_weight(place: &str, weight: Option<u16>) -> Result<(), Error> {
    match weight {
        None | Some(0) => Ok(()),
        Some(_) => Err(only_v1(&pointer(place), "blkio")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::{v1, v2, values};

    fn on(target: &Target<'_>, io: &BlockIo) -> Vec<String> {
        values(writes(&Resources { block_io: Some(io.clone()), ..Resources::default() }, target))
    }

    fn weights(leaf_weight: Option<u16>) -> BlockIo {
        let device = WeightDevice { major: 8, minor: 0, weight: Some(1000), leaf_weight };
        BlockIo { weight: Some(10), leaf_weight, weight_device: vec![device], ..BlockIo::default() }
    }

    #[test]
    fn v1_weights_are_those_of_the_scheduler() {
        let cfq = Target { read: &|name| (name == "blkio.weight").then(String::new), ..v1() };
        assert_eq!(
            on(&cfq, &weights(Some(20))),
            [
                "blkio.weight=10",
                "blkio.leaf_weight=20",
                "blkio.weight_device=8:0 1000",
                "blkio.leaf_weight_device=8:0 20"
            ]
        );
        assert_eq!(
            on(&v1(), &weights(None)),
            ["blkio.bfq.weight=10", "blkio.bfq.weight_device=8:0 1000"]
        );
    }

    #[test]
    fn v2_weights_have_a_wider_range_without_bfq() {
        assert_eq!(on(&v2(), &weights(None)), ["io.weight=1", "io.weight=8:0 10000"]);
        let bfq = Target { read: &|name| (name == "io.bfq.weight").then(String::new), ..v2() };
        assert_eq!(on(&bfq, &weights(None)), ["io.bfq.weight=10", "io.bfq.weight=8:0 1000"]);
        assert_eq!(wide_weight(500), 4950);
    }

    #[test]
    fn weights_that_can_not_be_are_refused() {
        assert!(
            on(&v2(), &weights(Some(20)))[0]
                .starts_with("/linux/resources/blockIO/leafWeight: cgroup v2")
        );
        for weight in [1, 9, 1001] {
            let io = BlockIo { weight: Some(weight), ..BlockIo::default() };
            assert!(on(&v1(), &io)[0].contains("is not in 10 to 1000"));
            assert!(on(&v2(), &io)[0].contains("is not in 10 to 1000"));
        }
        let none = BlockIo { weight: Some(0), ..BlockIo::default() };
        assert!(on(&v1(), &none).is_empty() && on(&v2(), &none).is_empty());
    }

    #[test]
    fn throttles_have_a_file_each_in_v1_and_one_in_v2() {
        let device = |rate| vec![ThrottleDevice { major: 8, minor: 16, rate }];
        let io = BlockIo {
            throttle_read_bps_device: device(1),
            throttle_write_bps_device: device(2),
            throttle_read_iops_device: device(3),
            throttle_write_iops_device: device(0),
            ..BlockIo::default()
        };
        assert_eq!(
            on(&v1(), &io),
            [
                "blkio.throttle.read_bps_device=8:16 1",
                "blkio.throttle.write_bps_device=8:16 2",
                "blkio.throttle.read_iops_device=8:16 3",
                "blkio.throttle.write_iops_device=8:16 0"
            ]
        );
        assert_eq!(
            on(&v2(), &io),
            [
                "io.max=8:16 rbps=1",
                "io.max=8:16 wbps=2",
                "io.max=8:16 riops=3",
                "io.max=8:16 wiops=max"
            ]
        );
    }
}
