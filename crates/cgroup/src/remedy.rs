//! What would make a controller, or one of its files, available: what the administrator of a machine can do about a
//! limit that can't be set.
//!
//! Looked up when a limit has failed, and never before.

use crate::file;
use crate::place::Place;
use crate::subtree::{CONTROL, THREADED, TYPE};

/// A controller's line in `/proc/cgroups` (cgroups(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    /// The number of the v1 hierarchy that it is in; 0 for none or v2.
    hierarchy: u32,
    is_enabled: bool,
}

/// For a v1 controller whose hierarchy isn't there.
pub(crate) fn in_v1(controller: &str) -> String {
    v1(controller, known(&proc_cgroups(), controller))
}

/// For a controller that isn't in `cgroup.controllers` of a v2 cgroup.
pub(crate) fn in_v2(place: &Place, controller: &str) -> String {
    let has = |dir: &str, name: &str| {
        let text = file::read(dir, name).unwrap_or_default();
        text.split_whitespace().any(|one| one == controller)
    };
    if !has(place.point(), "cgroup.controllers") {
        return v2(controller, known(&proc_cgroups(), v1_name(controller)));
    }
    let is_threaded = file::read(place.dir(), TYPE).is_ok_and(|text| text.trim_end() == "threaded");
    if is_threaded && !THREADED.contains(&controller) {
        return format!("this cgroup is threaded, and can have {} alone", THREADED.join(", "));
    }
    let ancestors: Vec<&str> = place.ancestors().collect();
    let Some(dir) = ancestors.iter().rev().find(|dir| !has(dir, CONTROL)) else {
        return String::new();
    };
    let has_processes =
        *dir != place.point() && file::read(dir, "cgroup.procs").is_ok_and(|text| !text.is_empty());
    below(dir, controller, has_processes)
}

/// For a file that its controller doesn't have on this kernel; empty if the kernel has never had one of that name.
pub(crate) fn of_file(file: &str) -> &'static str {
    const BANDWIDTH: &str = "it comes with CONFIG_CFS_BANDWIDTH";
    const FAIR: &str = "it comes with CONFIG_FAIR_GROUP_SCHED";
    const REALTIME: &str = "it comes with CONFIG_RT_GROUP_SCHED";
    const SWAP: &str = "it comes with CONFIG_SWAP and, on the kernel's command line, swapaccount=1";
    const THROTTLING: &str = "it comes with CONFIG_BLK_DEV_THROTTLING";
    match file {
        "memory.memsw.limit_in_bytes" | "memory.swap.max" => SWAP,
        "memory.kmem.limit_in_bytes" => "it comes with Linux up to 5.15",
        "memory.kmem.tcp.limit_in_bytes" => "it comes with cgroup v1 and CONFIG_INET",
        "cpu.shares" | "cpu.weight" => FAIR,
        "cpu.cfs_quota_us" | "cpu.cfs_period_us" | "cpu.max" => BANDWIDTH,
        "cpu.cfs_burst_us" | "cpu.max.burst" => "it comes with Linux 5.14 and CONFIG_CFS_BANDWIDTH",
        "cpu.idle" => "it comes with Linux 5.15 and CONFIG_FAIR_GROUP_SCHED",
        "cpu.rt_runtime_us" | "cpu.rt_period_us" => REALTIME,
        "io.weight" => "it comes with CONFIG_BLK_CGROUP_IOCOST; io.bfq.weight, with the module bfq",
        "io.max" => THROTTLING,
        _ if file.starts_with("blkio.throttle.") => THROTTLING,
        _ if file.starts_with("blkio.bfq.") => {
            "it comes with CONFIG_BFQ_GROUP_IOSCHED and the module bfq"
        }
        _ if file.starts_with("blkio.leaf_weight") => {
            "it comes with the scheduler CFQ, in Linux before 5.0"
        }
        _ if file.starts_with("hugetlb.") => {
            "the sizes that this machine has are those in /sys/kernel/mm/hugepages"
        }
        _ => "",
    }
}

fn proc_cgroups() -> String {
    file::read("/proc", "cgroups").unwrap_or_default()
}

fn known(text: &str, controller: &str) -> Option<Known> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(controller))?;
    let mut fields = line.split_whitespace().skip(1);
    let hierarchy = fields.next()?.parse().ok()?;
    Some(Known { hierarchy, is_enabled: fields.nth(1)? != "0" })
}

fn v1(controller: &str, known: Option<Known>) -> String {
    match known {
        None => not_built(controller),
        Some(Known { is_enabled: false, .. }) => disabled(controller),
        Some(Known { hierarchy: 0, .. }) => format!(
            "it is in no hierarchy: mount -t cgroup -o {controller} cgroup /sys/fs/cgroup/{controller}"
        ),
        Some(_) => "its hierarchy is mounted nowhere in sight, or can't be written to".to_owned(),
    }
}

fn v2(controller: &str, known: Option<Known>) -> String {
    match known {
        None => not_built(v1_name(controller)),
        Some(Known { is_enabled: false, .. }) => disabled(v1_name(controller)),
        Some(Known { hierarchy: 0, .. }) => format!(
            "the root of this cgroup namespace lacks it: it has to be in {CONTROL} of the cgroup above"
        ),
        Some(_) => format!(
            "cgroup v1 has it, and has to give it up: umount its hierarchy, or start the kernel with cgroup_no_v1={}",
            v1_name(controller)
        ),
    }
}

fn below(dir: &str, controller: &str, has_processes: bool) -> String {
    let enable = format!("echo +{controller} >{dir}/{CONTROL} enables it");
    match has_processes {
        true => format!("{enable} once no process is in that cgroup itself"),
        false => enable,
    }
}

fn disabled(controller: &str) -> String {
    format!("the kernel was started with cgroup_disable={controller}")
}

/// Since Linux 6.15 `/proc/cgroups` leaves out the controllers that v1 can't have, and always what is not built in.
fn not_built(controller: &str) -> String {
    let option = match controller {
        "blkio" => "CONFIG_BLK_CGROUP",
        "cpu" => "CONFIG_CGROUP_SCHED",
        "cpuset" => "CONFIG_CPUSETS",
        "devices" => "CONFIG_CGROUP_DEVICE",
        "hugetlb" => "CONFIG_CGROUP_HUGETLB",
        "memory" => "CONFIG_MEMCG",
        "misc" => "CONFIG_CGROUP_MISC",
        "net_cls" => "CONFIG_CGROUP_NET_CLASSID",
        "net_prio" => "CONFIG_CGROUP_NET_PRIO",
        "pids" => "CONFIG_CGROUP_PIDS",
        "rdma" => "CONFIG_CGROUP_RDMA",
        _ => return "the kernel knows none of that name".to_owned(),
    };
    format!("the kernel is built without {option}, or was started with cgroup_disable={controller}")
}

/// What `/proc/cgroups` and the kernel's command line call a controller of v2.
fn v1_name(controller: &str) -> &str {
    if controller == "io" { "blkio" } else { controller }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n\
                        cpuset\t3\t7\t1\nnet_cls\t0\t1\t1\nmemory\t0\t1\t0\nblkio\t7\t1\t1\n";

    #[test]
    fn a_line_of_proc_cgroups_is_understood() {
        assert_eq!(known(TEXT, "cpuset"), Some(Known { hierarchy: 3, is_enabled: true }));
        assert_eq!(known(TEXT, "memory"), Some(Known { hierarchy: 0, is_enabled: false }));
        assert_eq!(known(TEXT, "pids"), None);
        assert_eq!(known("", "cpu"), None);
    }

    #[test]
    fn v1_is_mounted_or_built_or_not_disabled() {
        let said = |controller| v1(controller, known(TEXT, controller));
        assert_eq!(
            said("net_cls"),
            "it is in no hierarchy: mount -t cgroup -o net_cls cgroup /sys/fs/cgroup/net_cls"
        );
        assert_eq!(
            said("cpuset"),
            "its hierarchy is mounted nowhere in sight, or can't be written to"
        );
        assert_eq!(said("memory"), "the kernel was started with cgroup_disable=memory");
        assert_eq!(
            said("pids"),
            "the kernel is built without CONFIG_CGROUP_PIDS, or was started with cgroup_disable=pids"
        );
    }

    #[test]
    fn v2_has_what_v1_has_not() {
        let said = |controller| v2(controller, known(TEXT, v1_name(controller)));
        assert_eq!(
            said("io"),
            "cgroup v1 has it, and has to give it up: umount its hierarchy, or start the kernel with \
             cgroup_no_v1=blkio"
        );
        assert_eq!(said("memory"), "the kernel was started with cgroup_disable=memory");
        assert_eq!(
            said("net_cls"),
            "the root of this cgroup namespace lacks it: it has to be in cgroup.subtree_control of the cgroup above"
        );
        assert_eq!(
            said("rdma"),
            "the kernel is built without CONFIG_CGROUP_RDMA, or was started with cgroup_disable=rdma"
        );
        assert_eq!(said("nosuch"), "the kernel knows none of that name");
    }

    #[test]
    fn v2_is_enabled_from_above() {
        assert_eq!(
            below("/cg/a", "pids", false),
            "echo +pids >/cg/a/cgroup.subtree_control enables it"
        );
        assert_eq!(
            below("/cg/a", "memory", true),
            "echo +memory >/cg/a/cgroup.subtree_control enables it once no process is in that cgroup itself"
        );
    }

    #[test]
    fn a_file_comes_with_an_option_or_a_version() {
        for (file, what) in [
            ("memory.swap.max", "swapaccount=1"),
            ("memory.memsw.limit_in_bytes", "CONFIG_SWAP"),
            ("memory.kmem.limit_in_bytes", "Linux up to 5.15"),
            ("memory.kmem.tcp.limit_in_bytes", "CONFIG_INET"),
            ("cpu.weight", "CONFIG_FAIR_GROUP_SCHED"),
            ("cpu.shares", "CONFIG_FAIR_GROUP_SCHED"),
            ("cpu.max", "CONFIG_CFS_BANDWIDTH"),
            ("cpu.cfs_quota_us", "CONFIG_CFS_BANDWIDTH"),
            ("cpu.max.burst", "Linux 5.14"),
            ("cpu.cfs_burst_us", "Linux 5.14"),
            ("cpu.idle", "Linux 5.15"),
            ("cpu.rt_runtime_us", "CONFIG_RT_GROUP_SCHED"),
            ("cpu.rt_period_us", "CONFIG_RT_GROUP_SCHED"),
            ("io.weight", "CONFIG_BLK_CGROUP_IOCOST"),
            ("io.max", "CONFIG_BLK_DEV_THROTTLING"),
            ("blkio.throttle.read_bps_device", "CONFIG_BLK_DEV_THROTTLING"),
            ("blkio.bfq.weight_device", "CONFIG_BFQ_GROUP_IOSCHED"),
            ("blkio.leaf_weight_device", "CFQ"),
            ("hugetlb.3MB.max", "/sys/kernel/mm/hugepages"),
            ("hugetlb.3MB.limit_in_bytes", "/sys/kernel/mm/hugepages"),
        ] {
            assert!(of_file(file).contains(what), "{file}: {}", of_file(file));
        }
        assert_eq!(of_file("pids.max"), "");
    }
}
