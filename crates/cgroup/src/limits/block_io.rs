//! `blockIO`.

use coble_spec::{BlockIo, Resources, ThrottleDevice, WeightDevice};

use super::{Target, Write};
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
        Some(_) => Err(Error::value(pointer(place), "cgroup v2 has no such thing")),
    }
}
