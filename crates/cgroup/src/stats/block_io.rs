//! Block devices.

use serde::{Deserialize, Serialize};

use super::files::Files;
use super::{Pressure, is_default};
use crate::Error;

/// What was read from and written to block devices, and with cgroup v1 and some schedulers how long that took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BlkioStats {
    /// Bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    /// Operations.
    #[serde(skip_serializing_if = "is_default")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    /// Operations that wait.
    #[serde(rename = "ioQueueRecursive", skip_serializing_if = "is_default")]
    pub io_queued_recursive: Vec<BlkioEntry>,
    /// Nanoseconds from the start to the end of operations.
    #[serde(skip_serializing_if = "is_default")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    /// Nanoseconds in queues.
    #[serde(skip_serializing_if = "is_default")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    /// Operations that became part of others.
    #[serde(skip_serializing_if = "is_default")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    /// Milliseconds of the device.
    #[serde(skip_serializing_if = "is_default")]
    pub io_time_recursive: Vec<BlkioEntry>,
    /// Sectors.
    #[serde(skip_serializing_if = "is_default")]
    pub sectors_recursive: Vec<BlkioEntry>,
    /// Time lost for want of devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// One number of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioEntry {
    /// Major number.
    #[serde(skip_serializing_if = "is_default")]
    pub major: u64,
    /// Minor number.
    #[serde(skip_serializing_if = "is_default")]
    pub minor: u64,
    /// `Read`, `Write`, `Sync`, `Async`, `Discard` or `Total`; empty where the number is for all.
    #[serde(skip_serializing_if = "is_default")]
    pub op: String,
    /// The number.
    #[serde(skip_serializing_if = "is_default")]
    pub value: u64,
}

/// Where a list goes, and the file of v1 that it comes from.
type Source = (fn(&mut BlkioStats) -> &mut Vec<BlkioEntry>, &'static str);

const BYTES: fn(&mut BlkioStats) -> &mut Vec<BlkioEntry> =
    |stats| &mut stats.io_service_bytes_recursive;
const SERVICED: fn(&mut BlkioStats) -> &mut Vec<BlkioEntry> =
    |stats| &mut stats.io_serviced_recursive;

/// BFQ counts these with CONFIG_BFQ_CGROUP_DEBUG only.
const BFQ_DEBUG: [Source; 8] = [
    (|stats| &mut stats.sectors_recursive, "blkio.bfq.sectors_recursive"),
    (|stats| &mut stats.io_service_time_recursive, "blkio.bfq.io_service_time_recursive"),
    (|stats| &mut stats.io_wait_time_recursive, "blkio.bfq.io_wait_time_recursive"),
    (|stats| &mut stats.io_merged_recursive, "blkio.bfq.io_merged_recursive"),
    (|stats| &mut stats.io_queued_recursive, "blkio.bfq.io_queued_recursive"),
    (|stats| &mut stats.io_time_recursive, "blkio.bfq.time_recursive"),
    (SERVICED, "blkio.bfq.io_serviced_recursive"),
    (BYTES, "blkio.bfq.io_service_bytes_recursive"),
];
const BFQ: [Source; 2] = [
    (SERVICED, "blkio.bfq.io_serviced_recursive"),
    (BYTES, "blkio.bfq.io_service_bytes_recursive"),
];
const THROTTLE: [Source; 2] = [
    (SERVICED, "blkio.throttle.io_serviced_recursive"),
    (BYTES, "blkio.throttle.io_service_bytes_recursive"),
];
/// Before Linux 4.18.
const THROTTLE_FLAT: [Source; 2] =
    [(SERVICED, "blkio.throttle.io_serviced"), (BYTES, "blkio.throttle.io_service_bytes")];

/// With v1 the first group counts whose first file has an entry: a scheduler that no device uses has none.
pub(super) fn stats(files: &Files<'_>) -> Result<BlkioStats, Error> {
    let mut stats = BlkioStats::default();
    if files.is_v2 {
        v2(files, &mut stats)?;
        return Ok(stats);
    }
    for group in [&BFQ_DEBUG[..], &BFQ, &THROTTLE, &THROTTLE_FLAT] {
        if entries(files, group[0].1)?.is_empty() {
            continue;
        }
        for (list, file) in group {
            *list(&mut stats) = entries(files, file)?;
        }
        break;
    }
    Ok(stats)
}

/// Lines `MAJOR:MINOR [OPERATION] NUMBER`; the sum over all devices, which has no device, is left out.
fn entries(files: &Files<'_>, name: &str) -> Result<Vec<BlkioEntry>, Error> {
    let mut entries = Vec::new();
    for line in files.text(name)?.unwrap_or_default().lines() {
        let words: Vec<&str> = line.split([' ', ':']).collect();
        let (major, minor, op, value) = match words[..] {
            ["Total", _] => continue,
            [major, minor, value] => (major, minor, "", value),
            [major, minor, op, value] => (major, minor, op, value),
            _ => return Err(files.odd(name, line)),
        };
        entries.push(BlkioEntry {
            major: files.parse(name, major)?,
            minor: files.parse(name, minor)?,
            op: op.to_owned(),
            value: files.parse(name, value)?,
        });
    }
    Ok(entries)
}

/// Lines `MAJOR:MINOR KEY=NUMBER ...`, under the names of v1.
fn v2(files: &Files<'_>, stats: &mut BlkioStats) -> Result<(), Error> {
    const NAME: &str = "io.stat";
    for line in files.text(NAME)?.unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        // Some kernels have a device without numbers, or numbers without a device.
        let Some((major, minor)) = words.next().and_then(|device| device.split_once(':')) else {
            continue;
        };
        let (major, minor) = (files.parse(NAME, major)?, files.parse(NAME, minor)?);
        for (key, value) in words.filter_map(|pair| pair.split_once('=')) {
            let (list, op) = match key {
                "rbytes" => (BYTES, "Read"),
                "wbytes" => (BYTES, "Write"),
                "rios" => (SERVICED, "Read"),
                "wios" => (SERVICED, "Write"),
                _ => continue,
            };
            let value = files.parse(NAME, value)?;
            list(stats).push(BlkioEntry { major, minor, op: op.to_owned(), value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tests::over;

    fn entry(major: u64, minor: u64, op: &str, value: u64) -> BlkioEntry {
        BlkioEntry { major, minor, op: op.to_owned(), value }
    }

    #[test]
    fn v1_takes_the_scheduler_that_counts() {
        let idle = [
            ("blkio.bfq.io_serviced_recursive", "Total 0\n"),
            ("blkio.bfq.io_service_bytes_recursive", "Total 0\n"),
            (
                "blkio.throttle.io_serviced_recursive",
                "8:0 Read 5\n8:0 Write 6\n8:0 Total 11\nTotal 11\n",
            ),
            ("blkio.throttle.io_service_bytes_recursive", "8:0 Read 512\nTotal 512\n"),
        ];
        let found = over(false, &idle, stats).unwrap();
        let serviced = [entry(8, 0, "Read", 5), entry(8, 0, "Write", 6), entry(8, 0, "Total", 11)];
        assert_eq!(found.io_serviced_recursive, serviced);
        assert_eq!(found.io_service_bytes_recursive, [entry(8, 0, "Read", 512)]);
        let busy = [
            ("blkio.bfq.sectors_recursive", "8:16 3\n"),
            ("blkio.bfq.io_serviced_recursive", "8:16 Read 2\nTotal 2\n"),
            ("blkio.throttle.io_serviced_recursive", "8:0 Read 5\n"),
        ];
        let found = over(false, &busy, stats).unwrap();
        assert_eq!(found.sectors_recursive, [entry(8, 16, "", 3)]);
        assert_eq!(found.io_serviced_recursive, [entry(8, 16, "Read", 2)]);
        assert_eq!(over(false, &[], stats), Ok(BlkioStats::default()));
        let odd = [("blkio.throttle.io_serviced", "8:0\n")];
        assert!(over(false, &odd, stats).is_err());
    }

    #[test]
    fn v2_has_the_names_of_v1() {
        let texts = [(
            "io.stat",
            "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=7\n7:0 \n(unknown) x=1\n",
        )];
        let found = over(true, &texts, stats).unwrap();
        let bytes = [entry(254, 0, "Read", 1), entry(254, 0, "Write", 2)];
        assert_eq!(found.io_service_bytes_recursive, bytes);
        let serviced = [entry(254, 0, "Read", 3), entry(254, 0, "Write", 4)];
        assert_eq!(found.io_serviced_recursive, serviced);
        assert_eq!(
            serde_json::to_string(&found).unwrap(),
            r#"{"ioServiceBytesRecursive":[{"major":254,"op":"Read","value":1},{"major":254,"op":"Write","value":2}],"#.to_owned()
                + r#""ioServicedRecursive":[{"major":254,"op":"Read","value":3},{"major":254,"op":"Write","value":4}]}"#
        );
    }

    #[test]
    fn the_queue_has_its_own_name() {
        let stats =
            BlkioStats { io_queued_recursive: vec![entry(0, 0, "", 0)], ..BlkioStats::default() };
        assert_eq!(serde_json::to_string(&stats).unwrap(), r#"{"ioQueueRecursive":[{}]}"#);
    }
}
