//! cgroup v1, with or without v2 beside it, on the real kernel.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod common;

use std::fs;
use std::path::PathBuf;

use coble_cgroup::{Applied, Cgroup, Creation, Error, Hierarchy, Kind, Record};
use coble_spec::{BlockIo, Cpu, DeviceRule, Memory, Network, Pids, Resources};
use common::{
    AS_NOBODY, Made, Opener, Process, can_open, dirs, is_inside, is_root, path, run_inside, skip,
};

/// Whether the test can run; says why not otherwise.
fn can_run() -> bool {
    let is_legacy = matches!(Hierarchy::detect().unwrap().kind(), Kind::Legacy | Kind::Hybrid);
    if !is_root() {
        skip("needs root");
    } else if !is_legacy {
        skip("the machine has cgroup v2 alone");
    } else {
        return true;
    }
    false
}

/// The directory of a controller, none if it is not mounted.
fn dir_of(cgroup: &Cgroup, controller: &str) -> Option<PathBuf> {
    let mounts = cgroup.mounts();
    let mount =
        mounts.iter().find(|mount| mount.controllers.split(',').any(|one| one == controller));
    mount.map(|mount| PathBuf::from(&mount.dir))
}

fn read(cgroup: &Cgroup, controller: &str, file: &str) -> String {
    let path = dir_of(cgroup, controller).unwrap().join(file);
    fs::read_to_string(path).unwrap().trim_end().to_owned()
}

/// Whether all of them are mounted; says what is missing otherwise.
fn has(cgroup: &Cgroup, controllers: &[&str]) -> bool {
    let missing = controllers.iter().find(|controller| dir_of(cgroup, controller).is_none());
    if let Some(missing) = missing {
        skip(&format!("the controller {missing} is not mounted as cgroup v1"));
    }
    missing.is_none()
}

#[test]
fn a_cgroup_is_in_every_hierarchy_and_goes_without_a_trace() {
    if !can_run() {
        return;
    }
    let made = Made::new("/a/b");
    let dirs = dirs(&made);
    assert!(dirs.len() > 1 && dirs.iter().all(|dir| dir.is_dir()), "{dirs:?}");
    let found = Cgroup::from_record(&made.record()).unwrap();
    assert_eq!(found.record(), made.record());
    let mounts = made.mounts();
    assert_eq!(mounts.len(), dirs.len());
    assert!(mounts.iter().all(|mount| dirs.contains(&PathBuf::from(&mount.dir))), "{mounts:?}");
    made.remove().unwrap();
    let left: Vec<_> = dirs
        .iter()
        .map(|dir| dir.parent().unwrap().parent().unwrap())
        .filter(|dir| dir.exists())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    found.remove().unwrap();
}

#[test]
fn the_id_is_below_the_own_cgroup() {
    if !can_run() {
        return;
    }
    let cgroup = Cgroup::locate(&Hierarchy::detect().unwrap(), "", "name").unwrap();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    for mount in cgroup.mounts().iter().filter(|mount| !mount.is_v2()) {
        let line =
            own.lines().find(|line| line.split(':').nth(1) == Some(&mount.controllers)).unwrap();
        let own = line.splitn(3, ':').nth(2).unwrap().trim_end_matches('/');
        assert!(mount.dir.ends_with(&format!("{own}/name")), "{} in {line}", mount.dir);
    }
}

#[test]
fn a_new_cgroup_has_processors_and_memory_nodes_of_its_parent() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("/a/b");
    if !has(&made, &["cpuset"]) {
        return;
    }
    let file = |name: &str| {
        let dir = dir_of(&made, "cpuset").unwrap();
        if dir.join(name).exists() { name.to_owned() } else { name.replace("cpuset.", "") }
    };
    let (cpus, mems) = (file("cpuset.cpus"), file("cpuset.mems"));
    assert_eq!(read(&made, "cpuset", &cpus), "", "its own are set with its limits");
    assert_ne!(read(&made, "cpuset", &format!("../{cpus}")), "");
    let cpu = Cpu { cpus: Some("0".to_owned()), ..Cpu::default() };
    made.apply(&Resources { cpu: Some(cpu), ..Resources::default() }, &[], false).unwrap();
    assert_eq!(read(&made, "cpuset", &cpus), "0");
    assert_eq!(read(&made, "cpuset", &mems), read(&made, "cpuset", &format!("../{mems}")));
}

#[test]
fn memory_limits_rise_and_fall() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    if !has(&made, &["memory"]) {
        return;
    }
    let has_swap = dir_of(&made, "memory").unwrap().join("memory.memsw.limit_in_bytes").exists();
    if !has_swap {
        return skip("the kernel doesn't count swap");
    }
    let apply = |made: &mut Made, limit: i64, swap: i64| {
        let memory = Memory { limit: Some(limit), swap: Some(swap), ..Memory::default() };
        made.apply(&Resources { memory: Some(memory), ..Resources::default() }, &[], false)
    };
    let unlimited = read(&made, "memory", "memory.limit_in_bytes");
    for (limit, swap) in [(64 << 20, 128 << 20), (256 << 20, 512 << 20), (32 << 20, 32 << 20)] {
        apply(&mut made, limit, swap).unwrap();
        assert_eq!(read(&made, "memory", "memory.limit_in_bytes"), limit.to_string());
        assert_eq!(read(&made, "memory", "memory.memsw.limit_in_bytes"), swap.to_string());
    }
    for limit in [64 << 20, -1] {
        let error = apply(&mut made, limit, 32 << 20).unwrap_err().to_string();
        assert!(error.contains("memory+swap limit should be >= memory limit"), "{error}");
    }
    apply(&mut made, -1, 0).unwrap();
    assert_eq!(read(&made, "memory", "memory.limit_in_bytes"), unlimited);
}

#[test]
fn cpu_and_pids_limits_are_set_and_changed() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    if !has(&made, &["cpu", "pids"]) {
        return;
    }
    let apply = |made: &mut Made, quota: i64, period: u64, limit: i64| {
        let cpu = Cpu {
            shares: Some(512),
            quota: Some(quota),
            period: Some(period),
            burst: Some(1000),
            ..Cpu::default()
        };
        let pids = Some(Pids { limit: Some(limit) });
        made.apply(&Resources { cpu: Some(cpu), pids, ..Resources::default() }, &[], false)
    };
    for (quota, period, limit, max) in
        [(20_000, 50_000, 7, "7"), (900_000, 1_000_000, 0, "1"), (5_000, 10_000, -1, "max")]
    {
        apply(&mut made, quota, period, limit).unwrap();
        assert_eq!(read(&made, "cpu", "cpu.shares"), "512");
        assert_eq!(read(&made, "cpu", "cpu.cfs_quota_us"), quota.to_string());
        assert_eq!(read(&made, "cpu", "cpu.cfs_period_us"), period.to_string());
        assert_eq!(read(&made, "cpu", "cpu.cfs_burst_us"), "1000");
        assert_eq!(read(&made, "pids", "pids.max"), max);
    }
    let error = apply(&mut made, 20_000, 1, 1).unwrap_err().to_string();
    assert!(error.starts_with("/linux/resources/cpu/period: cannot write \"1\" to /"), "{error}");
}

#[test]
fn a_limit_without_its_controller_and_unified_are_refused() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    let unified = [("memory.max".to_owned(), "1".to_owned())].into();
    let error = made.apply(&Resources { unified, ..Resources::default() }, &[], false).unwrap_err();
    assert!(matches!(error, Error::Value { .. }), "{error}");
    let pids = Some(Pids { limit: Some(3) });
    let mut parts: Vec<String> = Vec::new();
    for mount in made.mounts().iter().filter(|mount| !mount.is_v2() && mount.controllers != "pids")
    {
        let (point, name) = mount.dir.rsplit_once('/').unwrap();
        parts.push(format!("{}{point}//{name}", mount.controllers));
    }
    let mut without = Cgroup::from_record(&Record::from_link_target(&parts.join("//"))).unwrap();
    let error = without.apply(&Resources { pids, ..Resources::default() }, &[], false).unwrap_err();
    let expected = "/linux/resources/pids/limit: the cgroup controller pids is not available in a hierarchy that the \
                    container has a cgroup in: its hierarchy is mounted nowhere in sight, or can't be written to";
    assert_eq!(error.to_string(), expected);
}

/// Whether `/proc/cgroups` has the controller, and in no hierarchy.
fn is_unmounted(controller: &str) -> bool {
    let text = fs::read_to_string("/proc/cgroups").unwrap();
    text.lines().any(|line| line.split('\t').take(2).eq([controller, "0"]))
}

#[test]
fn a_controller_in_no_hierarchy_has_to_be_mounted() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    if dir_of(&made, "net_cls").is_some() || !is_unmounted("net_cls") {
        return skip("the controller net_cls is mounted, or not there at all");
    }
    let network = Some(Network { class_id: Some(7), priorities: Vec::new() });
    let resources = Resources { network, ..Resources::default() };
    let error = made.apply(&resources, &[], false).unwrap_err().to_string();
    let expected = "/linux/resources/network/classID: the cgroup controller net_cls is not available in a hierarchy \
                    that the container has a cgroup in: it is in no hierarchy: mount -t cgroup -o net_cls cgroup \
                    /sys/fs/cgroup/net_cls";
    assert_eq!(error, expected);
}

#[test]
fn a_file_that_the_kernel_lacks_is_named_with_what_it_comes_with() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    if !has(&made, &["blkio"]) {
        return;
    }
    let block_io = Some(BlockIo { leaf_weight: Some(10), ..BlockIo::default() });
    let resources = Resources { block_io, ..Resources::default() };
    let error = made.apply(&resources, &[], false).unwrap_err().to_string();
    let place = dir_of(&made, "blkio").unwrap().join("blkio.leaf_weight");
    let expected = format!(
        "/linux/resources/blockIO/leafWeight: the cgroup controller blkio has no {} on this kernel: it comes with the \
         scheduler CFQ, in Linux before 5.0",
        place.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn kernel_memory_alone_is_kept_or_refused() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    if !has(&made, &["memory"]) {
        return;
    }
    let kernel = |value| {
        let memory = Some(Memory { kernel: Some(value), ..Memory::default() });
        Resources { memory, ..Resources::default() }
    };
    made.apply(&kernel(-1), &[], false).unwrap();
    match made.apply(&kernel(32 << 20), &[], false) {
        Ok(_) => assert_eq!(read(&made, "memory", "memory.kmem.limit_in_bytes"), "33554432"),
        Err(error) => {
            let expected = "/linux/resources/memory/kernel: the cgroup controller memory of this kernel doesn't keep \
                            memory.kmem.limit_in_bytes: it comes with Linux up to 5.15";
            assert_eq!(error.to_string(), expected);
        }
    }
    let memory = Some(Memory { kernel_tcp: Some(16 << 20), ..Memory::default() });
    made.apply(&Resources { memory, ..Resources::default() }, &[], false).unwrap();
    assert_eq!(read(&made, "memory", "memory.kmem.tcp.limit_in_bytes"), "16777216");
}

#[test]
fn device_rules_hold_and_can_be_changed() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    if !has(&made, &["devices"]) {
        return;
    }
    let deny = DeviceRule { allow: false, access: "rwm".to_owned(), ..DeviceRule::default() };
    let mut resources = Resources { devices: vec![deny], ..Resources::default() };
    assert_eq!(made.apply(&resources, &[], false), Ok(Applied::All));
    assert_eq!(
        read(&made, "devices", "devices.list").lines().collect::<Vec<_>>().len(),
        11,
        "the default rules and no more"
    );
    assert!(!can_open(&made, "/dev/kmsg"));
    assert!(can_open(&made, "/dev/null"));
    // A cgroup with children can't be wiped out any more, so this shows that only what differs is written.
    fs::create_dir(dir_of(&made, "devices").unwrap().join("nested")).unwrap();
    let kmsg = DeviceRule {
        allow: true,
        kind: "c".to_owned(),
        major: Some(1),
        minor: Some(11),
        access: "r".to_owned(),
    };
    resources.devices.push(kmsg);
    let mut found = Cgroup::from_record(&made.record()).unwrap();
    assert_eq!(found.apply(&resources, &[], false), Ok(Applied::All));
    assert!(can_open(&made, "/dev/kmsg"));
    resources.devices.pop();
    assert_eq!(found.apply(&resources, &[], false), Ok(Applied::All));
    assert!(!can_open(&made, "/dev/kmsg"));
}

#[test]
fn a_cgroup_in_use_is_refused_and_left_alone() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    made.apply(&Resources::default(), &[], false).unwrap();
    if !has(&made, &["freezer"]) {
        return;
    }
    let process = Process::idle();
    made.enter(process.pid(), false).unwrap();
    assert_eq!(made.procs().unwrap(), [process.pid()]);
    let error = common::locate(&path()).create(false).unwrap_err();
    assert_eq!(error.to_string(), "container's cgroup is not empty: 1 process(es) found");
    drop(process);
    let nested = Made::new("/nested");
    let freezer = dir_of(&made, "freezer").unwrap();
    let state = freezer.join("freezer.state");
    fs::write(&state, "FROZEN").unwrap();
    assert!(made.frozen().unwrap());
    let error = common::locate(&path()).create(false).unwrap_err();
    assert_eq!(error.to_string(), "container's cgroup unexpectedly frozen");
    assert!(!nested.frozen().unwrap(), "it is its parent that is frozen");
    let error = common::locate(&(path() + "/below")).create(false).unwrap_err();
    assert_eq!(error, Error::FrozenAbove { path: freezer.to_str().unwrap().to_owned() });
    assert!(!freezer.join("below").exists(), "what was made of it is taken away");
    fs::write(&state, "THAWED").unwrap();
    assert_eq!(common::locate(&path()).create(false).unwrap(), Creation::Done);
}

/// Kills frozen and nested processes of a cgroup as `found` sees it, and removes all of it.
fn kill_frozen(found: &Cgroup, made: &mut Made) {
    made.apply(&Resources::default(), &[], false).unwrap();
    let mut nested = ["/frozen/deep", "/other"].map(Made::new);
    let processes: Vec<Process> = (0..10).map(|_| Process::idle()).collect();
    for cgroup in &mut nested {
        cgroup.apply(&Resources::default(), &[], false).unwrap();
    }
    for (index, process) in processes.iter().enumerate() {
        nested[index % 2].enter(process.pid(), false).unwrap();
    }
    fs::write(dir_of(&nested[0], "freezer").unwrap().join("freezer.state"), "FROZEN").unwrap();
    assert_eq!(found.procs().unwrap().len(), 10);
    found.kill().unwrap();
    processes.into_iter().for_each(Process::wait_killed);
    made.remove().unwrap();
    assert!(dirs(made).iter().all(|dir| !dir.exists()));
}

#[test]
fn kill_reaches_frozen_and_nested_processes() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    if has(&made, &["freezer"]) {
        kill_frozen(&Cgroup::from_record(&made.record()).unwrap(), &mut made);
    }
}

#[test]
fn kill_does_without_the_kernels_own() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    if !has(&made, &["freezer", "devices"]) {
        return;
    }
    let mut parts: Vec<String> = Vec::new();
    for mount in made.mounts().iter().filter(|mount| !mount.is_v2()) {
        let (point, name) = mount.dir.rsplit_once('/').unwrap();
        parts.push(format!("{}{point}//{name}", mount.controllers));
    }
    let v1_alone = Cgroup::from_record(&Record::from_link_target(&parts.join("//"))).unwrap();
    assert!(v1_alone.dir().is_none() && v1_alone.needs_enter());
    kill_frozen(&v1_alone, &mut made);
}

#[test]
fn a_memory_limit_below_what_is_in_use_says_how_much_that_is() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    if !has(&made, &["memory"]) {
        return;
    }
    if fs::read_to_string("/proc/swaps").unwrap().lines().count() > 1 {
        return skip("the machine has swap, to which the kernel can move what is in use");
    }
    made.apply(&Resources::default(), &[], false).unwrap();
    let mut process =
        Process::waiting_for("x=$(head -c 20000000 /dev/zero | tr '\\0' a); read line");
    made.enter(process.pid(), false).unwrap();
    process.start();
    let usage = || -> u64 { read(&made, "memory", "memory.usage_in_bytes").parse().unwrap() };
    while usage() < 20_000_000 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let memory = Some(Memory { limit: Some(1 << 20), ..Memory::default() });
    let resources = Resources { memory, ..Resources::default() };
    let error = made.apply(&resources, &[], false).unwrap_err().to_string();
    let expected =
        "/linux/resources/memory/limit: unable to set memory limit to 1048576 (current usage: ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn what_fails_half_way_leaves_nothing() {
    if !can_run() {
        return;
    }
    let made = Made::located("");
    let dirs = dirs(&made);
    // In the last hierarchy somebody is there already.
    let taken = dirs.last().unwrap();
    fs::create_dir(taken).unwrap();
    let process = Process::idle();
    if fs::write(taken.join("cgroup.procs"), process.pid().to_string()).is_err() {
        fs::remove_dir(taken).unwrap();
        return skip("the last hierarchy takes no process");
    }
    let error = common::locate(&path()).create(false).unwrap_err();
    assert_eq!(error, Error::NotEmpty(1));
    let left: Vec<_> = dirs.iter().filter(|dir| dir.exists()).collect();
    drop(process);
    assert_eq!(left, [taken]);
}

#[test]
fn without_rights_only_what_may_be_left_out_is() {
    if is_inside() {
        return assert_rights_are_missing();
    }
    if can_run() {
        run_inside(&AS_NOBODY);
    }
}

fn assert_rights_are_missing() {
    let hierarchy = Hierarchy::detect().unwrap();
    assert!(common::locate(&path()).create(true).unwrap_err().is_permission());
    let mut cgroup = Cgroup::locate(&hierarchy, "", "coble-test-nobody").unwrap();
    assert_eq!(cgroup.create(true).unwrap(), Creation::NoPermission);
    assert_eq!(cgroup.record().to_link_target(), "none");
    assert_eq!(cgroup.apply(&Resources::default(), &[], true), Ok(Applied::WithoutDeviceRules));
    assert!(matches!(
        cgroup.apply(&Resources::default(), &[], false),
        Err(Error::NoController { .. })
    ));
    let limited = Resources { pids: Some(Pids { limit: Some(9) }), ..Resources::default() };
    assert!(matches!(cgroup.apply(&limited, &[], true), Err(Error::NoController { .. })));
}

#[test]
fn device_rules_change_without_a_moment_in_between() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    if !has(&made, &["devices", "freezer"]) {
        return;
    }
    let resources = |allow, minors| Resources {
        devices: common::device_rules(allow, minors),
        ..Resources::default()
    };
    made.apply(&resources(true, 1..9), &[], false).unwrap();
    let opener = Opener::start(&made, "/dev/null", "/dev/kmsg");
    for round in 0..300 {
        made.update(&resources(round % 3 != 0, round..round + 40), Some(&[])).unwrap();
        assert!(!made.frozen().unwrap());
    }
    let opened = opener.end();
    assert!(opened.times > 300 && opened.refused == 0 && opened.given == 0, "{opened:?}");
}

#[test]
fn a_paused_cgroup_stays_so_when_its_device_rules_change() {
    if !can_run() {
        return;
    }
    let mut made = Made::new("");
    if !has(&made, &["devices", "freezer"]) {
        return;
    }
    let resources =
        |allow| Resources { devices: common::device_rules(allow, 1..9), ..Resources::default() };
    made.apply(&resources(true), &[], false).unwrap();
    let process = Process::idle();
    made.enter(process.pid(), false).unwrap();
    made.freeze().unwrap();
    made.update(&resources(false), Some(&[])).unwrap();
    assert!(made.frozen().unwrap());
    made.thaw().unwrap();
    assert!(process.finish());
}
