//! `events`: what a container uses, and each process that is killed for want of memory.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::Path;

use coble_tests::{Background, Bundle, Case, Cmd, skip, wait};
use serde_json::{Value, json};

const TOP: &str = "/sys/fs/cgroup";
const LIMIT: u64 = 24 << 20;
/// Eats memory until it is killed.
const EATER: &str = "tail /dev/zero";

fn has_v1(controllers: &[&str]) -> bool {
    let missing = controllers.iter().find(|name| !Path::new(TOP).join(name).join("tasks").exists());
    if let Some(missing) = missing {
        skip(&format!("the controller {missing} is not mounted as cgroup v1"));
    }
    missing.is_none()
}

/// A case on a machine whose memory is limited by cgroup v1, and a bundle with little memory.
fn memory_case() -> Option<(Case, Bundle)> {
    let case = Case::root().filter(|_| has_v1(&["memory"]))?;
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": LIMIT});
    if Path::new(TOP).join("memory/memory.memsw.limit_in_bytes").exists() {
        bundle.config["linux"]["resources"]["memory"]["swap"] = LIMIT.into();
    }
    bundle.writable();
    Some((case, bundle))
}

fn events(case: &Case, flags: &[&str]) -> Cmd {
    case.coble().arg("events").args(flags).arg(&case.id)
}

/// What `events` has printed, by its type.
fn of_type(text: &str, kind: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|event| event["type"] == kind).collect()
}

/// `events` of a container, with an interval that is over at no time, once it watches.
fn watching(case: &Case, id: &str) -> Background {
    let watcher = case.coble().args(["events", "--interval", "1h", id]).spawn();
    let place = format!("/proc/{}/wchan", watcher.pid());
    wait::until("the watcher to wait", || {
        fs::read_to_string(&place).is_ok_and(|text| text.contains("poll"))
    });
    watcher
}

#[test]
fn stats_are_what_the_cgroup_says() {
    let Some(case) = Case::root() else { return };
    if !has_v1(&["memory", "pids", "cpu", "cpuacct", "cpuset"]) {
        return;
    }
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle.config["linux"]["resources"] = json!({
        "memory": {"limit": 64 << 20},
        "pids": {"limit": 77},
        "cpu": {"cpus": "0", "quota": 50_000},
    });
    bundle.sh("until [ -e /dev/shm/quiet ]; do :; done; sleep 1000 & sleep 1000");
    case.detach(&bundle);
    wait::until("a period of its quota", || {
        let text = fs::read_to_string(Path::new(TOP).join("cpu").join(&case.id).join("cpu.stat"));
        !text.unwrap().contains("nr_periods 0\n")
    });
    assert_eq!(case.exec(&["touch", "/dev/shm/quiet"]).output().code, Some(0));
    let pids = || case.verb(&["ps", "-f", "json"]).output().stdout();
    wait::until("the child", || pids().contains(','));
    // Numbers that grow meanwhile must be the same before and after.
    let file = |controller: &str, name: &str| -> u64 {
        let path = Path::new(TOP).join(controller).join(&case.id).join(name);
        fs::read_to_string(path).unwrap().trim_end().parse().unwrap()
    };
    let now = || {
        let total = file("cpuacct", "cpuacct.usage");
        let used = file("memory", "memory.usage_in_bytes");
        (total, used)
    };
    let mut seen = None;
    wait::until("a quiet moment", || {
        let before = now();
        let text = events(&case, &["--stats"]).output().stdout();
        seen = Some((text, before));
        now() == before
    });
    let (text, (total, used)) = seen.unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let event: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(case.id)));
    let data = &event["data"];
    let keys: Vec<&str> = data.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["blkio", "cpu", "cpuset", "hugetlb", "intel_rdt", "memory", "network_interfaces", "pids"];
    assert_eq!(keys, expected);
    assert_eq!(data["pids"], json!({"current": 2, "limit": 77}));
    assert_eq!(data["memory"]["usage"]["limit"], 64 << 20);
    assert_eq!(data["memory"]["usage"]["usage"], used);
    assert_eq!(data["memory"]["swap"]["limit"], file("memory", "memory.memsw.limit_in_bytes"));
    assert!(data["memory"]["raw"]["rss"].as_u64().unwrap() > 0, "{data}");
    assert_eq!(data["cpu"]["usage"]["total"], total);
    let each = data["cpu"]["usage"]["percpu"].as_array().unwrap();
    let sum: u64 = each.iter().map(|one| one.as_u64().unwrap()).sum();
    assert_eq!(data["cpu"]["usage"]["total"], sum);
    assert!(data["cpu"]["throttling"]["periods"].as_u64().unwrap() > 0, "{data}");
    assert_eq!((&data["cpuset"]["cpus"], &data["cpuset"]["mems"]), (&json!([0]), &json!([0])));
    assert_eq!((&data["intel_rdt"], &data["network_interfaces"]), (&json!({}), &json!([])));
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
        let text = events(&case, &["--stats"]).output().stdout();
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
fn each_interval_has_its_line_until_the_container_ends() {
    let Some((case, mut bundle)) = memory_case() else { return };
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let mut watcher = events(&case, &["--interval=20ms"]).spawn();
    wait::until("five looks", || of_type(&whole(&watcher), "stats").len() >= 5);
    assert!(watcher.runs());
    case.verb(&["pause"]).output().ok();
    let before = of_type(&whole(&watcher), "stats").len();
    wait::until("looks at a paused one", || of_type(&whole(&watcher), "stats").len() > before + 2);
    case.delete_force();
    let output = watcher.wait().ok();
    assert_eq!((output.stderr.as_str(), of_type(&output.stdout, "oom").len()), ("", 0), "{output}");
}

/// The lines that are complete.
fn whole(watcher: &Background) -> String {
    let text = watcher.stdout();
    text[..text.rfind('\n').map_or(0, |end| end + 1)].to_owned()
}

#[test]
fn nobody_is_told_more_than_he_wants() {
    let Some((case, mut bundle)) = memory_case() else { return };
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let line = "\"$@\" | head -n 1; echo over";
    let shell = case.tool("sh").args(["-c", line, "sh"]).arg(case.program()).arg("--root");
    let output = shell.arg(case.state_root()).args(["events", "--interval", "5ms", &case.id]);
    let text = output.output().stdout();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.ends_with("\nover\n"), "it has ended without a reader: {text}");
}

#[test]
fn each_kill_is_told_once() {
    let Some((case, mut bundle)) = memory_case() else { return };
    bundle.sh(&format!(
        "until [ -e /tmp/go ]; do sleep 0.01; done; for i in 1 2 3; do {EATER}; done; sleep 0.1; {EATER}; exit 0"
    ));
    case.detach(&bundle);
    let watcher = watching(&case, &case.id);
    fs::write(bundle.inside("/tmp/go"), "").unwrap();
    let output = watcher.wait().ok();
    let line = format!("{{\"type\":\"oom\",\"id\":\"{}\"}}\n", case.id);
    assert_eq!(output.stdout, line.repeat(4), "{output}");
    assert_eq!(output.stderr, "");
    case.until_stopped();
}

#[test]
fn the_kill_of_the_first_process_is_told_though_all_is_gone_at_once() {
    let Some((case, mut bundle)) = memory_case() else { return };
    bundle.sh(&format!("until [ -e /tmp/go ]; do sleep 0.01; done; exec {EATER}"));
    for _ in 0..5 {
        // In the foreground: the cgroup is removed as soon as the process has ended.
        let run = case.run(&bundle).spawn();
        wait::until("the container", || case.verb(&["state"]).output().stdout.contains("running"));
        let watcher = watching(&case, &case.id);
        fs::write(bundle.inside("/tmp/go"), "").unwrap();
        let output = watcher.wait().ok();
        assert_eq!(of_type(&output.stdout, "oom").len(), 1, "{output}");
        run.wait().exits(137);
        fs::remove_file(bundle.inside("/tmp/go")).unwrap();
    }
}

#[test]
fn the_end_of_a_container_is_no_kill() {
    let Some((case, mut bundle)) = memory_case() else { return };
    bundle.sh("until [ -e /tmp/go ]; do sleep 0.01; done");
    for _ in 0..5 {
        let run = case.run(&bundle).spawn();
        wait::until("the container", || case.verb(&["state"]).output().stdout.contains("running"));
        let watcher = watching(&case, &case.id);
        fs::write(bundle.inside("/tmp/go"), "").unwrap();
        assert_eq!(watcher.wait().stdout(), "");
        run.wait().ok();
        fs::remove_file(bundle.inside("/tmp/go")).unwrap();
    }
}

#[test]
fn a_kill_next_door_is_none_here() {
    let Some((case, mut bundle)) = memory_case() else { return };
    // Both containers share a limit that stands above them.
    let parent = Path::new(TOP).join("memory").join(&case.id);
    fs::create_dir(&parent).unwrap();
    fs::write(parent.join("memory.limit_in_bytes"), LIMIT.to_string()).unwrap();
    let _ = fs::write(parent.join("memory.memsw.limit_in_bytes"), LIMIT.to_string());
    bundle.config["linux"]["resources"] = json!({});
    bundle.config["linux"]["cgroupsPath"] = format!("/{0}/{0}-quiet", case.id).into();
    bundle.sh("until [ -e /tmp/end ]; do sleep 0.01; done");
    case.detach(&bundle);
    let hungry = format!("{}-hungry", case.id);
    bundle.config["linux"]["cgroupsPath"] = format!("/{}/{hungry}", case.id).into();
    bundle
        .sh(&format!("until [ -e /tmp/go ]; do sleep 0.01; done; {EATER}; {EATER}; exit 0"))
        .write();
    let run = case.coble().args(["run", "--detach", "-b"]).arg(&bundle.path).arg(&hungry);
    run.output().ok();
    let quiet = watching(&case, &case.id);
    let loud = watching(&case, &hungry);
    fs::write(bundle.inside("/tmp/go"), "").unwrap();
    // As long as memory of a killed process is still counted, the kernel may kill a shell as well, whose ever.
    let kills = |id: &str| {
        let text = fs::read_to_string(parent.join(id).join("memory.oom_control")).unwrap();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")).unwrap();
        count.parse::<usize>().unwrap()
    };
    let told = of_type(&loud.wait().stdout(), "oom").len();
    assert_eq!((told, told >= 2), (kills(&hungry), true));
    // The kernel has told both; a second later nothing is expected of it any more.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    fs::write(bundle.inside("/tmp/end"), "").unwrap();
    let told = of_type(&quiet.wait().stdout(), "oom").len();
    assert_eq!((told, told <= 1), (kills(&format!("{}-quiet", case.id)), true));
    case.coble().args(["delete", "--force", &hungry]).output().ok();
    case.delete_force();
    for cgroup in coble_tests::leftovers::cgroups(&case.id).iter().rev() {
        fs::remove_dir(cgroup).unwrap();
    }
}

#[test]
fn a_kill_in_a_cgroup_below_is_told() {
    let Some((case, mut bundle)) = memory_case() else { return };
    bundle.sh(&format!("until [ -e /tmp/go ]; do sleep 0.01; done; {EATER}; exit 0"));
    case.detach(&bundle);
    let below = Path::new(TOP).join("memory").join(&case.id).join("below");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("cgroup.procs"), case.pid().to_string()).unwrap();
    let watcher = watching(&case, &case.id);
    fs::write(bundle.inside("/tmp/go"), "").unwrap();
    assert_eq!(of_type(&watcher.wait().stdout(), "oom").len(), 1);
}

#[test]
fn without_the_killer_the_want_is_told() {
    let Some((case, mut bundle)) = memory_case() else { return };
    bundle.config["linux"]["resources"]["memory"]["disableOOMKiller"] = true.into();
    // A system call would fail where the killer is off; a program's own memory makes it wait.
    let eater = "awk 'BEGIN { s = \"x\"; while (1) s = s s }'";
    bundle.sh(&format!("until [ -e /tmp/go ]; do sleep 0.01; done; {eater}"));
    case.detach(&bundle);
    let mut watcher = watching(&case, &case.id);
    fs::write(bundle.inside("/tmp/go"), "").unwrap();
    watcher.says("\"oom\"");
    assert_eq!(case.status(), "running");
    case.delete_force();
    assert!(!of_type(&watcher.wait().stdout(), "oom").is_empty());
}

#[test]
fn bad_calls_are_refused() {
    let Some((case, mut bundle)) = memory_case() else { return };
    events(&case, &[]).output().refused(&["container does not exist"]);
    bundle.sh("sleep 1000");
    case.create(&bundle).output().ok();
    for zero in ["0", "0s", "-5s"] {
        let words = ["duration interval must be greater than 0"];
        events(&case, &[&format!("--interval={zero}")]).output().refused(&words);
    }
    for odd in ["5", "x", "1d", ""] {
        let words = ["invalid value", "--interval", "not a duration"];
        events(&case, &[&format!("--interval={odd}")]).output().refused(&words);
    }
    assert_eq!(of_type(&events(&case, &["--stats"]).output().stdout(), "stats").len(), 1);
    case.verb(&["kill"]).args(["KILL"]).output().ok();
    case.until_stopped();
    let words = format!("container with id {} is not running", case.id);
    events(&case, &[]).output().refused(&[&words]);
    events(&case, &["--stats"]).output().refused(&[&words]);
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
