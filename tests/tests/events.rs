//! `events`: each process that is killed for want of memory, and what a container uses, again and again. On the
//! machine's own hierarchies, whichever version they are; `stats.rs` has the numbers.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Background, Bundle, Case, Cmd, HostCgroup, wait};
use serde_json::{Value, json};

const LIMIT: u64 = 24 << 20;
/// Eats memory until it is killed.
const EATER: &str = "tail /dev/zero";

/// A case on a machine whose memory can be limited, a bundle with little memory, and its cgroup.
fn memory_case() -> Option<(Case, Bundle, HostCgroup)> {
    let case = Case::root()?;
    let cgroup = HostCgroup::with(&["memory"], &case.id)?;
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": LIMIT});
    // What is swapped out is not in the way: there shall be no more than this.
    let swap = cgroup.mount_point("memory").join("memory.memsw.limit_in_bytes");
    if cgroup.is_v2 || swap.exists() {
        bundle.config["linux"]["resources"]["memory"]["swap"] = LIMIT.into();
    }
    bundle.writable();
    Some((case, bundle, cgroup))
}

/// How many processes the kernel says it has killed in a cgroup.
fn kills(cgroup: &HostCgroup) -> usize {
    let text = cgroup.read("memory", cgroup.pick("memory.oom_control", "memory.events"));
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")).unwrap();
    count.parse().unwrap()
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
fn each_interval_has_its_line_until_the_container_ends() {
    let Some((case, mut bundle, _)) = memory_case() else { return };
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
    let Some((case, mut bundle, _)) = memory_case() else { return };
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
    let Some((case, mut bundle, _)) = memory_case() else { return };
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
    let Some((case, mut bundle, _)) = memory_case() else { return };
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
    let Some((case, mut bundle, _)) = memory_case() else { return };
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
    let Some((case, mut bundle, parent)) = memory_case() else { return };
    // Both containers share a limit that stands above them.
    let dir = parent.dir("memory");
    fs::create_dir(&dir).unwrap();
    let (limit, swap) = parent.pick(
        (("memory.limit_in_bytes", LIMIT), ("memory.memsw.limit_in_bytes", LIMIT)),
        (("memory.max", LIMIT), ("memory.swap.max", 0)),
    );
    fs::write(dir.join(limit.0), limit.1.to_string()).unwrap();
    let _ = fs::write(dir.join(swap.0), swap.1.to_string());
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
    let counted =
        |id: &str| kills(&HostCgroup::with(&["memory"], &format!("/{}/{id}", case.id)).unwrap());
    let told = of_type(&loud.wait().stdout(), "oom").len();
    assert_eq!((told, told >= 2), (counted(&hungry), true));
    // The kernel has told both; a second later nothing is expected of it any more.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    fs::write(bundle.inside("/tmp/end"), "").unwrap();
    let told = of_type(&quiet.wait().stdout(), "oom").len();
    assert_eq!((told, told <= 1), (counted(&format!("{}-quiet", case.id)), true));
    case.coble().args(["delete", "--force", &hungry]).output().ok();
    case.delete_force();
    for cgroup in coble_tests::leftovers::cgroups(&case.id).iter().rev() {
        fs::remove_dir(cgroup).unwrap();
    }
}

#[test]
fn a_kill_in_a_cgroup_below_is_told() {
    let Some((case, mut bundle, cgroup)) = memory_case() else { return };
    bundle.sh(&format!("until [ -e /tmp/go ]; do sleep 0.01; done; {EATER}; exit 0"));
    case.detach(&bundle);
    let below = cgroup.dir("memory").join("below");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("cgroup.procs"), case.pid().to_string()).unwrap();
    let watcher = watching(&case, &case.id);
    fs::write(bundle.inside("/tmp/go"), "").unwrap();
    assert_eq!(of_type(&watcher.wait().stdout(), "oom").len(), 1);
}

#[test]
fn without_the_killer_the_want_is_told() {
    let Some((case, mut bundle, cgroup)) = memory_case() else { return };
    bundle.config["linux"]["resources"]["memory"]["disableOOMKiller"] = true.into();
    if cgroup.is_v2 {
        let place = "/linux/resources/memory/disableOOMKiller: ";
        case.refuses(case.run(&bundle), &[place, "cgroup v2 has no such thing"]);
        return;
    }
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
    let Some((case, mut bundle, _)) = memory_case() else { return };
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
