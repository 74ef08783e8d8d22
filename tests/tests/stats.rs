//! `events --stats`: every number that runc prints, as the kernel has it. On the machine's own hierarchies, whichever
//! version they are, and in a view of pure cgroup v2.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::Path;

use coble_tests::{Case, Disk, HostCgroup, skip, wait};
use serde_json::{Value, json};

/// Every controller that is counted.
const ALL: [&str; 6] = ["memory", "pids", "cpu", "cpuacct", "cpuset", "blkio"];

fn data(case: &Case) -> Value {
    let text = case.verb(&["events", "--stats"]).output().stdout();
    assert_eq!(text.lines().count(), 1, "{text}");
    let event: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(case.id)));
    event["data"].clone()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The lines `KEY NUMBER` of a file.
fn table(text: &str) -> Vec<(&str, u64)> {
    let line = |line: &'_ str| -> Option<(usize, u64)> {
        let (key, value) = line.split_once(' ')?;
        Some((key.len(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(|one| line(one).map(|(end, value)| (&one[..end], value))).collect()
}

fn of(text: &str, key: &str) -> u64 {
    table(text).iter().find(|(name, _)| *name == key).unwrap_or_else(|| panic!("{key}: {text}")).1
}

/// A container that has used up its quota, and now has two processes and a socket that wait.
fn busy(case: &Case, cgroup: &HostCgroup) {
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle.config["linux"]["resources"] = json!({
        "memory": {"limit": 64 << 20},
        "pids": {"limit": 77},
        "cpu": {"cpus": "0", "quota": 50_000},
    });
    bundle.sh("until [ -e /dev/shm/quiet ]; do :; done; sleep 1000 & sleep 1000");
    case.detach(&bundle);
    let throttled = || of(&cgroup.read("cpu", "cpu.stat"), "nr_throttled");
    wait::until("a quota that is used up", || throttled() > 0);
    assert_eq!(case.exec(&["touch", "/dev/shm/quiet"]).output().code, Some(0));
    let pids = || case.verb(&["ps", "-f", "json"]).output().stdout();
    wait::until("the child", || pids().contains(','));
}

/// The numbers at a moment in which none of those that grow has grown, and the files' texts then.
fn at_a_quiet_moment(case: &Case, grow: impl Fn() -> Vec<String>) -> (Value, Vec<String>) {
    let mut seen = None;
    wait::until("a quiet moment", || {
        let before = grow();
        seen = Some((data(case), before.clone()));
        grow() == before
    });
    seen.unwrap()
}

#[test]
fn stats_are_what_the_cgroup_says() {
    let Some(case) = Case::root() else { return };
    let Some(cgroup) = HostCgroup::with(&ALL, &case.id) else { return };
    busy(&case, &cgroup);
    let growing: &[(&str, &str)] = cgroup.pick(
        &[("cpu", "cpu.stat"), ("cpuacct", "cpuacct.usage"), ("memory", "memory.usage_in_bytes")],
        &[("cpu", "cpu.stat"), ("memory", "memory.current"), ("memory", "memory.stat")],
    );
    let (data, texts) = at_a_quiet_moment(&case, || {
        growing.iter().map(|(controller, file)| cgroup.read(controller, file)).collect()
    });
    let expected =
        ["blkio", "cpu", "cpuset", "hugetlb", "intel_rdt", "memory", "network_interfaces", "pids"];
    assert_eq!(keys(&data), expected);
    assert_eq!(data["pids"], json!({"current": 2, "limit": 77}));
    assert_eq!((&data["intel_rdt"], &data["network_interfaces"]), (&json!({}), &json!([])));
    let throttling = &data["cpu"]["throttling"];
    // Periods are counted for a moment after the last one that was used.
    let stat = &texts[0];
    assert_eq!(throttling["periods"], of(stat, "nr_periods"), "{data}");
    assert_eq!(throttling["throttledPeriods"], of(stat, "nr_throttled"), "{data}");
    assert_eq!(data["memory"]["usage"]["limit"], 64 << 20);
    match cgroup.is_v2 {
        true => v2(&cgroup, &data, stat),
        false => v1(&cgroup, &data, stat),
    }
}

fn v1(cgroup: &HostCgroup, data: &Value, cpu: &str) {
    let number =
        |controller: &str, file: &str| cgroup.read(controller, file).parse::<u64>().unwrap();
    let (memory, usage) = (&data["memory"], &data["cpu"]["usage"]);
    assert_eq!(memory["usage"]["usage"], number("memory", "memory.usage_in_bytes"));
    assert_eq!(memory["usage"]["max"], number("memory", "memory.max_usage_in_bytes"));
    assert_eq!(memory["usage"]["failcnt"], number("memory", "memory.failcnt"));
    if cgroup.dir("memory").join("memory.memsw.limit_in_bytes").exists() {
        assert_eq!(memory["swap"]["limit"], number("memory", "memory.memsw.limit_in_bytes"));
    }
    assert!(memory["raw"]["rss"].as_u64().unwrap() > 0, "{data}");
    assert_eq!(usage["total"], number("cpuacct", "cpuacct.usage"));
    let each = usage["percpu"].as_array().unwrap();
    let sum: u64 = each.iter().map(|one| one.as_u64().unwrap()).sum();
    assert_eq!(usage["total"], sum);
    assert_eq!((&data["cpuset"]["cpus"], &data["cpuset"]["mems"]), (&json!([0]), &json!([0])));
    assert_eq!(data["cpu"]["throttling"]["throttledTime"], of(cpu, "throttled_time"));
}

fn v2(cgroup: &HostCgroup, data: &Value, cpu: &str) {
    let nanoseconds = |key| json!(of(cpu, key) * 1000);
    let usage = &data["cpu"]["usage"];
    assert_eq!(usage["total"], nanoseconds("usage_usec"));
    assert_eq!(usage["user"], nanoseconds("user_usec"));
    assert_eq!(usage["kernel"], nanoseconds("system_usec"));
    assert_eq!(keys(usage), ["kernel", "total", "user"], "nothing is counted by processor");
    assert_eq!(data["cpu"]["throttling"]["throttledTime"], nanoseconds("throttled_usec"));

    let memory = &data["memory"];
    let number = |file: &str| cgroup.read("memory", file).parse::<u64>().unwrap();
    let used = number("memory.current");
    assert_eq!(memory["usage"]["usage"], used);
    if cgroup.dir("memory").join("memory.peak").exists() {
        assert_eq!(memory["usage"]["max"], number("memory.peak"));
    }
    assert_eq!(memory["usage"]["failcnt"], 0);
    // As with v1, swap is told with memory: without a limit of its own there is none of both.
    let both =
        json!({"limit": u64::MAX, "usage": used + number("memory.swap.current"), "failcnt": 0});
    assert_eq!(memory["swap"], both);
    let stat = cgroup.read("memory", "memory.stat");
    let raw: Value = table(&stat).into_iter().map(|(key, value)| (key, json!(value))).collect();
    assert_eq!(memory["raw"], raw);
    assert_eq!(memory.get("cache"), raw.get("file").filter(|count| **count != json!(0)));
    assert_eq!((memory.get("kernel"), memory.get("kernelTCP")), (None, None));
    assert_eq!((data["cpuset"].get("cpus"), data["cpuset"].get("mems")), (None, None));
}

/// The numbers of one line; none if all are 0: such a line is left out.
fn pressure(line: &str) -> Option<Value> {
    let pair = |pair: &str| -> Option<(String, f64)> {
        let (key, number) = pair.split_once('=')?;
        Some((key.to_owned(), number.parse().ok()?))
    };
    let numbers: Vec<(String, f64)> = line.split(' ').filter_map(pair).collect();
    let is_something = numbers.iter().any(|(_, number)| *number > 0.0);
    is_something.then(|| numbers.into_iter().map(|(key, number)| (key, json!(number))).collect())
}

/// Pressure as the files have it: numbers of seconds in a hundred, and microseconds.
#[test]
fn pressure_is_what_the_files_say() {
    let Some(case) = Case::root() else { return };
    let Some(cgroup) = HostCgroup::with(&ALL, &case.id) else { return };
    if !cgroup.is_v2 || !Path::new("/proc/pressure/cpu").exists() {
        return skip("there is no pressure of cgroup v2 here");
    }
    busy(&case, &cgroup);
    let files = ["cpu.pressure", "memory.pressure", "io.pressure"];
    let (data, _) =
        at_a_quiet_moment(&case, || files.map(|file| cgroup.read("cpu", file)).to_vec());
    for (section, file) in ["cpu", "memory", "blkio"].iter().zip(files) {
        let text = cgroup.read("cpu", file);
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let expected: Value =
            lines.filter_map(|(kind, line)| Some((kind, pressure(line)?))).collect();
        let psi = &data[section]["psi"];
        assert_eq!(keys(psi), keys(&expected), "{section}: {psi} {text}");
        for (kind, line) in expected.as_object().unwrap() {
            assert_eq!(keys(&psi[kind]), ["avg10", "avg300", "avg60", "total"]);
            for (key, number) in line.as_object().unwrap() {
                assert_eq!(psi[kind][key].as_f64(), number.as_f64(), "{section}: {psi} {text}");
            }
        }
    }
    assert!(data["cpu"]["psi"]["some"]["total"].as_u64().unwrap() > 0, "it was throttled: {data}");
}

/// What is written and read reaches the disk, and is counted there.
#[test]
fn block_devices_are_counted() {
    let Some(case) = Case::root() else { return };
    let Some(cgroup) = HostCgroup::with(&["blkio"], &case.id) else { return };
    let Some(disk) = Disk::spare() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    // Past the caches, which would be written later and by others.
    bundle.disk(disk).sh("dd if=/dev/zero of=/dev/disk bs=4096 count=3 oflag=direct && \
         dd if=/dev/disk of=/dev/null bs=4096 count=5 iflag=direct && exec sleep 1000");
    case.detach(&bundle);
    let name = || fs::read_to_string(format!("/proc/{}/comm", case.pid())).unwrap();
    wait::until("what is read and written", || name() == "sleep\n");
    if !cgroup.is_v2 && cgroup.counts_nothing() {
        return skip("the kernel counts nothing of this disk with cgroup v1");
    }
    let of_disk = |list: &str, op: &str| {
        let data = data(&case);
        let entries = data["blkio"][list].as_array().cloned().unwrap_or_default();
        let found = entries.iter().find(|entry| {
            entry["major"] == disk.major
                && entry.get("minor").map_or(0, |minor| minor.as_u64().unwrap()) == disk.minor
                && entry["op"] == op
        });
        found.and_then(|entry| entry["value"].as_u64()).unwrap_or(0)
    };
    wait::until("what was read", || of_disk("ioServiceBytesRecursive", "Read") >= 5 * 4096);
    wait::until("what was written", || of_disk("ioServiceBytesRecursive", "Write") >= 3 * 4096);
    assert!(of_disk("ioServicedRecursive", "Read") > 0);
    assert!(of_disk("ioServicedRecursive", "Write") > 0);
}

#[test]
fn interfaces_are_those_of_the_container() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let (pid, name) = (case.pid().to_string(), "cbl-events");
    let veth = ["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", &pid];
    let made = case.tool("ip").args(veth).output();
    if made.code != Some(0) {
        return skip("no veth can be made");
    }
    let interfaces = || {
        let text = case.verb(&["events", "--stats"]).output().stdout();
        serde_json::from_str::<Value>(&text).unwrap()["data"]["network_interfaces"].clone()
    };
    let found = interfaces();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["Name"]), (1, &json!("eth0")));
    assert_eq!(found[0].as_object().unwrap().len(), 9, "{found}");
    case.delete_force();
    bundle.without_namespace("network");
    case.detach(&bundle);
    assert_eq!(interfaces(), json!(null), "the host's are not the container's");
}

#[test]
fn v2_counts_what_it_can() {
    let Some(case) = Case::root_v2() else { return };
    let mut bundle = case.bundle();
    bundle.sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 1000").write();
    let run = case.coble_v2().args(["run", "-d", "-b"]).arg(&bundle.path).arg(&case.id);
    run.output().ok();
    let text = case.coble_v2().args(["events", "--stats", &case.id]).output().stdout();
    let data = serde_json::from_str::<Value>(&text).unwrap()["data"].clone();
    let usage = &data["cpu"]["usage"];
    assert!(usage["total"].as_u64().unwrap() > 0, "{data}");
    assert!(usage["user"].as_u64().unwrap() > 0 && usage.get("percpu").is_none(), "{data}");
    assert_eq!(data["pids"]["current"], 1);
    if Path::new("/proc/pressure/cpu").exists() {
        assert!(data["cpu"]["psi"].is_object(), "{data}");
    }
    let events = case.coble_v2().args(["events", "--interval", "10ms", &case.id]);
    if data["memory"].get("usage").is_none() {
        events.output().refused(&["the cgroup controller memory is not available"]);
    }
    case.coble_v2().args(["delete", "--force", &case.id]).output().ok();
    case.assert_clean();
}
