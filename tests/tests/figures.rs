//! The figures that a limit must show: from inside the container, in the cgroup's files, and in what becomes of a program
//! that wants more. On the machine's own hierarchies.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use coble_tests::{Bundle, Case, skip};
use serde_json::{Value, json};

const TOP: &str = "/sys/fs/cgroup";

/// Whether cgroup v2 has the controller, or v1 has one of that name; `None`, reported as skipped, if neither has.
fn is_v2(v2: &str, v1: &str) -> Option<bool> {
    let unified = fs::read_to_string(format!("{TOP}/cgroup.controllers")).unwrap_or_default();
    if unified.split_whitespace().any(|controller| controller == v2) {
        return Some(true);
    }
    if Path::new(TOP).join(v1).join("tasks").exists() {
        return Some(false);
    }
    skip(&format!("the controller {v2} is not there"));
    None
}

/// What a container does that only has to be there.
const IDLE: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

fn bundle(case: &Case, name: &str, resources: &Value) -> Bundle {
    let mut bundle = case.bundle_at(name);
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    for (name, value) in resources.as_object().unwrap() {
        bundle.config["linux"]["resources"][name] = value.clone();
    }
    bundle
}

/// A container with these resources that does nothing.
fn detached(case: &Case, name: &str, resources: &Value) {
    case.detach(bundle(case, name, resources).sh(IDLE));
}

/// Each file says that, on the host and in the container.
#[track_caller]
fn shows(case: &Case, hierarchy: &str, files: &[(&str, &str)]) {
    for (file, expected) in files {
        let outside = Path::new(TOP).join(hierarchy).join(&case.id).join(file);
        let text =
            fs::read_to_string(&outside).unwrap_or_else(|error| panic!("{outside:?}: {error}"));
        assert_eq!(text.trim_end(), *expected, "{file}");
        let inside = Path::new(TOP).join(hierarchy).join(file);
        let said = case.exec(&["cat", inside.to_str().unwrap()]).output().stdout();
        assert_eq!(said, text, "{file} from inside");
    }
}

#[test]
fn memory() {
    let Some(case) = Case::root() else { return };
    let Some(is_v2) = is_v2("memory", "memory") else { return };
    let swap = if is_v2 { "memory.swap.max" } else { "memory.memsw.limit_in_bytes" };
    let probe = Path::new(TOP).join(if is_v2 { "" } else { "memory" });
    let has_swap = fs::read_dir(&probe)
        .unwrap()
        .flatten()
        .any(|entry| entry.file_name() == swap || is_v2 && entry.path().join(swap).exists());
    let mut memory = json!({"limit": 64 << 20, "reservation": 32 << 20});
    if has_swap {
        memory["swap"] = json!(96 << 20);
    }
    detached(&case, "bundle", &json!({ "memory": memory }));
    match is_v2 {
        true => shows(&case, "", &[("memory.max", "67108864"), ("memory.low", "33554432")]),
        false => shows(
            &case,
            "memory",
            &[("memory.limit_in_bytes", "67108864"), ("memory.soft_limit_in_bytes", "33554432")],
        ),
    }
    match (has_swap, is_v2) {
        (false, _) => {}
        (true, true) => shows(&case, "", &[(swap, "33554432")]),
        (true, false) => shows(&case, "memory", &[(swap, "100663296")]),
    }
}

#[test]
fn memory_of_any_size_with_little_swap() {
    let Some(case) = Case::root() else { return };
    if is_v2("memory", "memory") != Some(true) {
        return skip("cgroup v1 has no limit of swap alone");
    }
    let memory = json!({"limit": -1, "swap": 8 << 20});
    let mut given = bundle(&case, "bundle", &json!({ "memory": memory }));
    case.detach(given.args(&["sleep", "1000000"]));
    shows(&case, "", &[("memory.max", "max"), ("memory.swap.max", "8388608")]);
}

#[test]
fn what_v1_alone_has_of_memory() {
    let Some(case) = Case::root() else { return };
    match is_v2("memory", "memory") {
        Some(false) => {}
        Some(true) => return skip("the controller memory is that of cgroup v2"),
        None => return,
    }
    let memory = json!({"swappiness": 10, "disableOOMKiller": true, "useHierarchy": true});
    detached(&case, "bundle", &json!({ "memory": memory }));
    let files = [
        ("memory.swappiness", "10"),
        ("memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 0"),
        ("memory.use_hierarchy", "1"),
    ];
    shows(&case, "memory", &files);
}

#[test]
fn processor_time() {
    let Some(case) = Case::root() else { return };
    let Some(is_v2) = is_v2("cpu", "cpu") else { return };
    let cpu = json!({"shares": 512, "quota": 20_000, "period": 100_000, "burst": 10_000});
    detached(&case, "bundle", &json!({ "cpu": cpu }));
    let files = match is_v2 {
        true => [("cpu.weight", "59"), ("cpu.max", "20000 100000"), ("cpu.max.burst", "10000")]
            .as_slice(),
        false => &[
            ("cpu.shares", "512"),
            ("cpu.cfs_quota_us", "20000"),
            ("cpu.cfs_period_us", "100000"),
            ("cpu.cfs_burst_us", "10000"),
        ],
    };
    let hierarchy = if is_v2 { "" } else { "cpu" };
    shows(&case, hierarchy, files);
    // A second of wanting all of a processor.
    let burn = "end=$(( $(date +%s) + 2 )); while [ $(date +%s) -lt $end ]; do :; done";
    case.exec(&["sh", "-c", burn]).output().ok();
    let stat = format!("{TOP}/{hierarchy}/cpu.stat");
    let said = case.exec(&["cat", &stat]).output().stdout();
    let throttled = said.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap();
    assert!(throttled.parse::<u64>().unwrap() > 0, "{said}");
}

#[test]
fn an_idle_cgroup() {
    let Some(case) = Case::root() else { return };
    let Some(is_v2) = is_v2("cpu", "cpu") else { return };
    detached(&case, "bundle", &json!({ "cpu": {"idle": 1} }));
    shows(&case, if is_v2 { "" } else { "cpu" }, &[("cpu.idle", "1")]);
}

#[test]
fn realtime() {
    let Some(case) = Case::root() else { return };
    match is_v2("cpu", "cpu") {
        Some(false) => {}
        Some(true) => return skip("the controller cpu is that of cgroup v2"),
        None => return,
    }
    if !Path::new(TOP).join("cpu/cpu.rt_runtime_us").exists() {
        return skip("the kernel has no groups of realtime processes (CONFIG_RT_GROUP_SCHED)");
    }
    let cpu = json!({"realtimeRuntime": 5000, "realtimePeriod": 500_000});
    detached(&case, "bundle", &json!({ "cpu": cpu }));
    shows(&case, "cpu", &[("cpu.rt_runtime_us", "5000"), ("cpu.rt_period_us", "500000")]);
}

#[test]
fn processors_and_memory_nodes() {
    let Some(case) = Case::root() else { return };
    let Some(is_v2) = is_v2("cpuset", "cpuset") else { return };
    detached(&case, "bundle", &json!({ "cpu": {"cpus": "0", "mems": "0"} }));
    let hierarchy = if is_v2 { "" } else { "cpuset" };
    shows(&case, hierarchy, &[("cpuset.cpus", "0"), ("cpuset.mems", "0")]);
    let status = case.exec(&["cat", "/proc/self/status"]).output().stdout();
    for line in ["Cpus_allowed_list:\t0", "Mems_allowed_list:\t0"] {
        assert!(status.lines().any(|said| said == line), "{line}: {status}");
    }
    assert_eq!(case.exec(&["nproc"]).output().stdout(), "1\n");
}

#[test]
fn tasks() {
    let Some(case) = Case::root() else { return };
    let Some(is_v2) = is_v2("pids", "pids") else { return };
    let hierarchy = if is_v2 { "" } else { "pids" };
    let pids = |limit: i64| json!({ "pids": {"limit": limit} });
    detached(&case, "any", &pids(-1));
    shows(&case, hierarchy, &[("pids.max", "max")]);
    case.delete_force();
    detached(&case, "nine", &pids(9));
    shows(&case, hierarchy, &[("pids.max", "9")]);
    case.delete_force();
    // With none more the first one is all.
    let mut none = bundle(&case, "none", &pids(0));
    none.sh(&format!("read max <{TOP}/{hierarchy}/pids.max; echo $max; true & echo two"));
    let output = case.run(&none).output();
    assert_eq!(output.stdout, "1\n", "{output}");
    assert!(output.stderr.contains("can't fork"), "{output}");
}

/// A disk to read from: major and minor number, and the path in the container of three megabytes that are on it.
struct Disk {
    major: u32,
    minor: u32,
    path: &'static str,
}

/// The disk that the case's folder is on, or a second one. The latter becomes a device of the container.
fn disk(case: &Case, bundle: &mut Bundle) -> Option<Disk> {
    let number = fs::metadata(&case.dir).unwrap().dev();
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    if Path::new(&format!("/sys/dev/block/{major}:{minor}/queue")).exists() {
        fs::write(bundle.inside("/data"), vec![7; 3 << 20]).unwrap();
        return Some(Disk { major, minor, path: "/data" });
    }
    let entries = fs::read_dir("/sys/block").unwrap().flatten().map(|entry| entry.path());
    let is_data =
        |path: &PathBuf| fs::read_to_string(path.join("serial")).is_ok_and(|name| name == "data");
    let Some(data) = entries.into_iter().find(is_data) else {
        skip("neither the folder for temporary files nor anything called `data` is a disk");
        return None;
    };
    let text = fs::read_to_string(data.join("dev")).unwrap();
    let (major, minor) = text.trim().split_once(':').unwrap();
    let disk =
        Disk { major: major.parse().unwrap(), minor: minor.parse().unwrap(), path: "/dev/data" };
    let Disk { major, minor, path } = disk;
    bundle.config["linux"]["devices"] =
        json!([{"path": path, "type": "b", "major": major, "minor": minor}]);
    bundle
        .list("/linux/resources/devices")
        .push(json!({"allow": true, "type": "b", "major": major, "minor": minor, "access": "r"}));
    Some(disk)
}

#[test]
fn input_and_output() {
    let Some(case) = Case::root() else { return };
    let Some(is_v2) = is_v2("io", "blkio") else { return };
    let mut given = bundle(&case, "io", &json!({}));
    let Some(Disk { major, minor, path }) = disk(&case, &mut given) else { return };
    let rate = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    given.config["linux"]["resources"]["blockIO"] = json!({
        "throttleReadBpsDevice": rate(1 << 20),
        "throttleWriteBpsDevice": rate(2 << 20),
        "throttleReadIOPSDevice": rate(300),
        "throttleWriteIOPSDevice": rate(400),
    });
    given.sh(IDLE);
    case.detach(&given);
    let device = format!("{major}:{minor}");
    let max = format!("{device} rbps=1048576 wbps=2097152 riops=300 wiops=400");
    let lines = [1 << 20, 2 << 20, 300, 400].map(|rate| format!("{device} {rate}"));
    match is_v2 {
        true => shows(&case, "", &[("io.max", &max)]),
        false => shows(
            &case,
            "blkio",
            &[
                ("blkio.throttle.read_bps_device", &lines[0]),
                ("blkio.throttle.write_bps_device", &lines[1]),
                ("blkio.throttle.read_iops_device", &lines[2]),
                ("blkio.throttle.write_iops_device", &lines[3]),
            ],
        ),
    }
    let start = Instant::now();
    let from = format!("if={path}");
    let read = ["dd", &from, "of=/dev/null", "bs=64k", "count=48", "iflag=direct"];
    case.exec(&read).output().ok();
    // Three megabytes at one a second, of which the kernel gives a slice at once.
    assert!(start.elapsed() > Duration::from_secs(2), "{:?}", start.elapsed());
}

/// With the scheduler BFQ the kernel has other files for weights; it comes and stays.
static BFQ: Mutex<()> = Mutex::new(());

/// Loads a module, if there is one of that name.
fn load(case: &Case, module: &str) -> bool {
    case.tool("modprobe").args(["--quiet", module]).output().code == Some(0)
}

#[test]
fn weights_of_input_and_output() {
    let Some(case) = Case::root() else { return };
    let _lock = BFQ.lock().unwrap();
    let Some(is_v2) = is_v2("io", "blkio") else { return };
    let hierarchy = if is_v2 { "" } else { "blkio" };
    detached(&case, "without", &json!({}));
    let folder = Path::new(TOP).join(hierarchy).join(&case.id);
    let files = [
        ("io.bfq.weight", "default 500"),
        ("io.weight", "default 4950"),
        ("blkio.weight", "500"),
        ("blkio.bfq.weight", "500"),
    ];
    let Some(file) = files.into_iter().find(|(file, _)| folder.join(file).exists()) else {
        return skip("the kernel has no weights of input and output");
    };
    case.delete_force();
    detached(&case, "bundle", &json!({ "blockIO": {"weight": 500} }));
    shows(&case, hierarchy, &[file]);
}

#[test]
fn weights_of_devices() {
    let Some(case) = Case::root() else { return };
    let Some(is_v2) = is_v2("io", "blkio") else { return };
    let Some(coble_tests::Disk { major, minor }) = coble_tests::Disk::spare() else { return };
    let _lock = BFQ.lock().unwrap();
    let scheduler = format!("/sys/dev/block/{major}:{minor}/queue/scheduler");
    let before = fs::read_to_string(&scheduler).unwrap();
    if !load(&case, "bfq") || fs::write(&scheduler, "bfq").is_err() {
        return skip("the kernel has no BFQ");
    }
    let weights = json!({"blockIO": {
        "weight": 500, "weightDevice": [{"major": major, "minor": minor, "weight": 300}],
    }});
    detached(&case, "bundle", &weights);
    let text = format!("default 500\n{major}:{minor} 300");
    match is_v2 {
        true => shows(&case, "", &[("io.bfq.weight", &text)]),
        false => shows(&case, "blkio", &[("blkio.bfq.weight_device", &text)]),
    }
    case.delete_force();
    let used = before.split_whitespace().find_map(|name| name.strip_prefix('[')?.strip_suffix(']'));
    fs::write(&scheduler, used.unwrap()).unwrap();
}

#[test]
fn objects_of_rdma_devices() {
    const LINK: &str = "cbl-rdma";
    const DEVICE: &str = "cblrxe";
    let Some(case) = Case::root() else { return };
    let Some(is_v2) = is_v2("rdma", "rdma") else { return };
    let link = case.tool("ip").args(["link", "add", LINK, "type", "dummy"]).output();
    if link.code != Some(0) || !load(&case, "rdma_rxe") {
        return skip("no RDMA device can be made");
    }
    let add = ["link", "add", DEVICE, "type", "rxe", "netdev", LINK];
    case.tool("rdma").args(add).output().ok();
    let rdma = json!({"rdma": {DEVICE: {"hcaHandles": 2, "hcaObjects": 2000}}});
    detached(&case, "bundle", &rdma);
    let text = format!("{DEVICE} hca_handle=2 hca_object=2000");
    shows(&case, if is_v2 { "" } else { "rdma" }, &[("rdma.max", &text)]);
    case.delete_force();
    case.tool("ip").args(["link", "delete", LINK]).output().ok();
}

/// More huge pages than the container may have; the machine gives them back when this is dropped.
struct Pages(String);

impl Pages {
    const COUNT: &str = "/proc/sys/vm/nr_hugepages";

    fn reserve() -> Self {
        let before = fs::read_to_string(Self::COUNT).unwrap();
        fs::write(Self::COUNT, "8").unwrap();
        Self(before)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let _ = fs::write(Self::COUNT, &self.0);
    }
}

#[test]
fn huge_pages() {
    let Some(case) = Case::root() else { return };
    // Beside cgroup v1 the controller may be that of v2.
    let beside = fs::read_to_string(format!("{TOP}/unified/cgroup.controllers"));
    let is_beside = beside.is_ok_and(|names| names.split_whitespace().any(|one| one == "hugetlb"));
    let (hierarchy, end) = match is_beside {
        true => ("unified", "max"),
        false => match is_v2("hugetlb", "hugetlb") {
            Some(true) => ("", "max"),
            Some(false) => ("hugetlb", "limit_in_bytes"),
            None => return,
        },
    };
    let limit = json!([{"pageSize": "2MB", "limit": 4 << 20}]);
    let mut given = bundle(&case, "bundle", &json!({ "hugepageLimits": limit }));
    given.mount("hugetlbfs", "hugetlbfs", "/tmp", &["pagesize=2M"]);
    given.sh(IDLE);
    let _pages = Pages::reserve();
    case.detach(&given);
    let files = ["hugetlb.2MB", "hugetlb.2MB.rsvd"].map(|name| format!("{name}.{end}"));
    shows(&case, hierarchy, &[(&files[0], "4194304"), (&files[1], "4194304")]);
    let take = |size: &str| case.exec(&["fallocate", "-l", size, "/tmp/pages"]).output();
    take("4194304").ok();
    let output = take("6291456");
    assert_ne!(output.code, Some(0), "{output}");
}

#[test]
fn classes_and_priorities_of_packets() {
    let Some(case) = Case::root() else { return };
    let hierarchy = ["net_cls,net_prio", "net_cls"]
        .into_iter()
        .find(|name| Path::new(TOP).join(name).join("net_prio.ifpriomap").exists());
    let Some(hierarchy) = hierarchy else {
        return skip("no hierarchy of net_cls and net_prio is mounted");
    };
    let mut given = bundle(
        &case,
        "bundle",
        &json!({ "network": {"classID": 0x10_0001, "priorities": [{"name": "lo", "priority": 7}]} }),
    );
    case.detach(given.args(&["sleep", "1000000"]));
    let folder = Path::new(TOP).join(hierarchy).join(&case.id);
    let read = |file| fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(read("net_cls.classid"), "1048577\n");
    assert!(read("net_prio.ifpriomap").lines().any(|line| line == "lo 7"));
}

#[test]
fn files_by_their_names() {
    let Some(case) = Case::root() else { return };
    if is_v2("memory", "none") != Some(true) {
        return;
    }
    let unified = json!({"memory.high": "48M", "pids.max": "77", "cpu.weight": "333"});
    detached(&case, "bundle", &json!({ "memory": {"limit": 64 << 20}, "unified": unified }));
    let files = [
        ("memory.max", "67108864"),
        ("memory.high", "50331648"),
        ("pids.max", "77"),
        ("cpu.weight", "333"),
    ];
    shows(&case, "", &files);
}
