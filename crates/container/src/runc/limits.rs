//! New limits in runc's `state.json`, for runc to go on with.
//!
//! runc sets what it has recorded again with its next `update`. So what coble changes is changed here as well, and all
//! the rest of the file stays as it is, known or not.

use coble_spec::{BlockIo, Cpu, Memory, Network, Resources, ThrottleDevice};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// Notes `resources`, which are in force, in the whole of a `state.json`; `memory_swap` is then the limit of memory and
/// swap together.
///
/// # Errors
/// There is no such section.
pub(crate) fn patch(
    state: &mut Value,
    resources: &Resources,
    memory_swap: Option<i64>,
) -> Result<()> {
    let section = state.pointer_mut("/config/cgroups").and_then(Value::as_object_mut);
    let section = section
        .ok_or_else(|| Error::new("state.json: /config/cgroups: there is no such section"))?;
    let mut limits = Limits(section);
    limits.set("memory_swap", memory_swap.unwrap_or(0));
    if let Some(memory) = &resources.memory {
        limits.memory(memory);
    }
    if let Some(cpu) = &resources.cpu {
        limits.cpu(cpu);
    }
    limits.given("pids_limit", resources.pids.as_ref().and_then(|pids| pids.limit));
    if let Some(block_io) = &resources.block_io {
        limits.block_io(block_io);
    }
    if let Some(network) = &resources.network {
        limits.network(network);
    }
    for limit in &resources.hugepage_limits {
        let entry = json!({ "page_size": limit.page_size, "limit": limit.limit });
        limits.replace("hugetlb_limit", &["page_size"], entry);
    }
    for (device, rdma) in &resources.rdma {
        let entry = json!({ "hca_handles": rdma.hca_handles, "hca_objects": rdma.hca_objects });
        limits.member("rdma", device, entry);
    }
    for (file, text) in &resources.unified {
        limits.member("unified", file, json!(text));
    }
    Ok(())
}

/// Notes new lines of the container's resctrl class; an empty one changes nothing.
pub(crate) fn patch_schemata(state: &mut Value, l3_cache: Option<&str>, mem_bw: Option<&str>) {
    let class = state.pointer_mut("/config/intel_rdt").and_then(Value::as_object_mut);
    let Some(class) = class else { return };
    for (name, line) in [("l3_cache_schema", l3_cache), ("memBwSchema", mem_bw)] {
        if let Some(line) = line.filter(|line| !line.is_empty()) {
            class.insert(name.to_owned(), line.into());
        }
    }
}

/// The section in which runc keeps them.
struct Limits<'a>(&'a mut Map<String, Value>);

impl Limits<'_> {
    fn memory(&mut self, memory: &Memory) {
        self.changed("memory", memory.limit);
        self.changed("memory_reservation", memory.reservation);
        self.given("memory_swappiness", memory.swappiness);
        self.given("oom_kill_disable", memory.disable_oom_killer);
    }

    fn cpu(&mut self, cpu: &Cpu) {
        self.changed("cpu_shares", cpu.shares);
        self.changed(
            "cpu_weight",
            cpu.shares.filter(|&shares| shares != 0).map(coble_cgroup::cpu_weight),
        );
        self.changed("cpu_quota", cpu.quota);
        self.changed("cpu_period", cpu.period);
        self.changed("cpu_rt_quota", cpu.realtime_runtime);
        self.changed("cpu_rt_period", cpu.realtime_period);
        self.given("cpu_burst", cpu.burst);
        self.given("cpu_idle", cpu.idle);
        self.changed("cpuset_cpus", cpu.cpus.clone());
        self.changed("cpuset_mems", cpu.mems.clone());
    }

    fn block_io(&mut self, block_io: &BlockIo) {
        self.changed("blkio_weight", block_io.weight);
        self.changed("blkio_leaf_weight", block_io.leaf_weight);
        for device in &block_io.weight_device {
            let entry = json!({
                "major": device.major,
                "minor": device.minor,
                "weight": device.weight.unwrap_or(0),
                "leafWeight": device.leaf_weight.unwrap_or(0),
            });
            self.replace("blkio_weight_device", &["major", "minor"], entry);
        }
        self.rates("blkio_throttle_read_bps_device", &block_io.throttle_read_bps_device);
        self.rates("blkio_throttle_write_bps_device", &block_io.throttle_write_bps_device);
        self.rates("blkio_throttle_read_iops_device", &block_io.throttle_read_iops_device);
        self.rates("blkio_throttle_write_iops_device", &block_io.throttle_write_iops_device);
    }

    fn rates(&mut self, name: &str, devices: &[ThrottleDevice]) {
        for device in devices {
            let entry =
                json!({ "major": device.major, "minor": device.minor, "rate": device.rate });
            self.replace(name, &["major", "minor"], entry);
        }
    }

    fn network(&mut self, network: &Network) {
        self.changed("net_cls_classid_u", network.class_id);
        for priority in &network.priorities {
            let entry = json!({ "interface": priority.name, "priority": priority.priority });
            self.replace("net_prio_ifpriomap", &["interface"], entry);
        }
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// A value of which 0 has a meaning.
    fn given(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// A value of which 0, or an empty text, changes nothing.
    fn changed<T: Into<Value> + Default + PartialEq>(&mut self, name: &str, value: Option<T>) {
        self.given(name, value.filter(|value| *value != T::default()));
    }

    /// An entry of a list, in place of one that has the same `keys`.
    fn replace(&mut self, name: &str, keys: &[&str], entry: Value) {
        let list = self.0.entry(name).or_insert_with(|| json!([]));
        if !list.is_array() {
            *list = json!([]);
        }
        let Some(list) = list.as_array_mut() else { return };
        list.retain(|old| keys.iter().any(|key| old[key] != entry[key]));
        list.push(entry);
    }

    /// A member of an object.
    fn member(&mut self, name: &str, key: &str, value: Value) {
        let object = self.0.entry(name).or_insert_with(|| json!({}));
        if !object.is_object() {
            *object = json!({});
        }
        object[key] = value;
    }
}
