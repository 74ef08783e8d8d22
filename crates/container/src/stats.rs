//! What a container uses.

use std::path::Path;

use coble_cgroup::Cgroup;
use coble_spec::NamespaceKind;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::resctrl::{Group, IntelRdtStats};
use crate::state::{Record, Status};
use crate::store::peek;

/// What a container uses, serialized as runc's `events` prints it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// What its cgroup counts.
    #[serde(flatten)]
    pub cgroup: coble_cgroup::Stats,
    /// Caches and memory bandwidth; empty without `linux.intelRdt`.
    pub intel_rdt: IntelRdtStats,
    /// Interfaces of the container's network namespace but loopback; `None` if it shares the host's.
    pub network_interfaces: Option<Vec<NetworkInterface>>,
}

/// What went through one network interface since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkInterface {
    /// Its name in the container.
    pub name: String,
    /// Bytes that came in.
    pub rx_bytes: u64,
    /// Packets that came in.
    pub rx_packets: u64,
    /// Bad ones.
    pub rx_errors: u64,
    /// Those that were dropped.
    pub rx_dropped: u64,
    /// Bytes that went out.
    pub tx_bytes: u64,
    /// Packets that went out.
    pub tx_packets: u64,
    /// Those that could not.
    pub tx_errors: u64,
    /// Those that were dropped.
    pub tx_dropped: u64,
}

/// What the container `id` uses now.
///
/// # Errors
/// There is no such container, it doesn't run (`is not running`), or the kernel's files can't be read.
pub fn stats(root: &Path, id: &str) -> Result<Stats> {
    let (record, _) = peek(root, id)?;
    if !record.init.is_alive()? {
        return Err(not_running(id));
    }
    stats_of(&record)
}

/// The words that runc has for it here.
pub(crate) fn not_running(id: &str) -> Error {
    let kind = ErrorKind::WrongStatus(Status::Stopped);
    Error::of(kind, format!("container with id {id} is not running"))
}

pub(crate) fn stats_of(record: &Record) -> Result<Stats> {
    let intel_rdt = record.intel_rdt.as_ref().map(Group::stats).transpose()?;
    Ok(Stats {
        cgroup: Cgroup::from_record(&record.cgroup)?.stats()?,
        intel_rdt: intel_rdt.unwrap_or_default(),
        network_interfaces: network_interfaces(record)?,
    })
}

/// Those of the first process's network namespace.
fn network_interfaces(record: &Record) -> Result<Option<Vec<NetworkInterface>>> {
    if !record.has(NamespaceKind::Network) {
        return Ok(None);
    }
    let path = format!("/proc/{}/net/dev", record.init.pid);
    let text = std::fs::read_to_string(&path).map_err(|error| Error::at("read", &path, error))?;
    // The number may have changed hands before it was opened.
    if !record.init.is_alive()? {
        return Err(not_running(&record.id));
    }
    let interfaces = text.lines().skip(2).map(|line| {
        parse(line).ok_or_else(|| Error::new(format!("{path}: {line:?} can't be understood")))
    });
    let interfaces: Vec<_> = interfaces.collect::<Result<_>>()?;
    Ok(Some(interfaces.into_iter().filter(|interface| interface.name != "lo").collect()))
}

/// A line of proc_pid_net(5)'s `dev`: a name, eight numbers of what came in, eight of what went out.
fn parse(line: &str) -> Option<NetworkInterface> {
    let (name, numbers) = line.rsplit_once(':')?;
    let numbers = numbers.split_whitespace().map(|number| number.parse().ok());
    let numbers: Vec<u64> = numbers.collect::<Option<_>>()?;
    let [rx_bytes, rx_packets, rx_errors, rx_dropped, ..] = numbers[..] else { return None };
    let [tx_bytes, tx_packets, tx_errors, tx_dropped, ..] = *numbers.get(8..)? else { return None };
    Some(NetworkInterface {
        name: name.trim_start().to_owned(),
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_used_is_what_runc_prints() {
        let text = serde_json::to_string(&Stats::default()).unwrap();
        assert!(text.starts_with(r#"{"cpu":{},"cpuset":{"cpu_exclusive":0,"#), "{text}");
        let end = r#""memory":{},"pids":{},"blkio":{},"hugetlb":{},"intel_rdt":{},"network_interfaces":null}"#;
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn interfaces_have_eight_numbers_each_way() {
        let line = "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        let interface = parse(line).unwrap();
        assert_eq!(
            serde_json::to_string(&interface).unwrap(),
            r#"{"Name":"eth0","RxBytes":1,"RxPackets":2,"RxErrors":3,"RxDropped":4,"#.to_owned()
                + r#""TxBytes":9,"TxPackets":10,"TxErrors":11,"TxDropped":12}"#
        );
        assert_eq!(parse("a:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16").unwrap().name, "a:1");
        for line in ["", "eth0", "eth0: 1 2", "eth0: 1 2 3 4 5 6 7 8 9", "eth0: x"] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
