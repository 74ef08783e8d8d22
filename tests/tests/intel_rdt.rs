//! Intel RDT: classes of service in the resctrl file system.
//!
//! Few machines have it, so a cgroup v1 hierarchy plays it: it too makes a `tasks` file in each new directory, moves
//! processes by it, and removes directories with their files. A forged mount table says that it is resctrl.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};

use coble_tests::{Bundle, Case, Cmd, MountLine, skip, wait};
use serde_json::{Value, json};

/// What plays the file system; removed at the end.
struct Resctrl {
    root: PathBuf,
    table: PathBuf,
}

impl Resctrl {
    fn new(case: &Case) -> Option<Self> {
        let Some(hierarchy) = ["cpuacct", "perf_event", "net_cls"]
            .map(|name| Path::new("/sys/fs/cgroup").join(name))
            .into_iter()
            .find(|path| path.join("tasks").exists())
        else {
            skip("no cgroup v1 hierarchy is there to play resctrl");
            return None;
        };
        // Not by the case's own name: what bears that is looked for as a leftover.
        let root = hierarchy.join(case.id.replacen("coble-test", "resctrl", 1));
        fs::create_dir(&root).unwrap();
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let on =
            MountLine::find(&table, fs::canonicalize(&hierarchy).unwrap().to_str().unwrap()).id;
        let line = format!("9999 {on} 0:999 / {} rw - resctrl resctrl rw\n", root.display());
        Some(Self { table: case.file("mountinfo", &format!("{table}{line}")), root })
    }

    /// `VERB --bundle BUNDLE ID` with the forged mount table.
    fn coble(&self, case: &Case, verb: &str, bundle: &Bundle) -> Cmd {
        bundle.write();
        self.bare(case).arg(verb).arg("--bundle").arg(&bundle.path).arg(&case.id)
    }

    /// The runtime with the forged mount table.
    fn bare(&self, case: &Case) -> Cmd {
        let script = "for table in /proc/$$/mountinfo /proc/$$/task/$$/mountinfo; do
            mount --bind \"$1\" $table || exit; done; shift; exec \"$@\"";
        case.tool("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(&self.table)
            .arg(case.program())
            .arg("--root")
            .arg(case.state_root())
    }

    fn folder(&self, name: &str) {
        fs::create_dir_all(self.root.join(name)).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        self.root.join(name).is_dir()
    }

    fn classes(&self) -> usize {
        let entries = fs::read_dir(&self.root).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    }

    fn tasks(&self, name: &str) -> Vec<u64> {
        let text = fs::read_to_string(self.root.join(name).join("tasks")).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }
}

impl Drop for Resctrl {
    fn drop(&mut self) {
        let find = std::process::Command::new("find")
            .arg(&self.root)
            .arg("-depth")
            .args(["-type", "d", "-exec", "rmdir", "{}", ";"])
            .status();
        if !std::thread::panicking() {
            assert!(find.unwrap().success() && !self.root.exists());
        }
    }
}

fn with(case: &Case, section: Value) -> Bundle {
    with_at(case, "bundle", section)
}

fn with_at(case: &Case, name: &str, section: Value) -> Bundle {
    let mut bundle = case.bundle_at(name);
    bundle.args(&["sleep", "1000"]);
    bundle.config["linux"]["intelRdt"] = section;
    bundle
}

#[test]
fn a_host_without_it_is_named() {
    let Some(case) = Case::root() else { return };
    if fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - resctrl ") {
        return skip("resctrl is mounted here");
    }
    let sections = [json!({}), json!({ "closID": "/" }), json!({ "schemata": ["L3:0=f"] })];
    for (index, section) in sections.into_iter().enumerate() {
        let bundle = with_at(&case, &index.to_string(), section);
        let words =
            ["/linux/intelRdt", "Intel RDT is not enabled", "no resctrl file system is mounted"];
        case.refuses(case.run(&bundle), &words);
        case.refuses(case.create(&bundle), &words);
    }
}

#[test]
fn a_container_is_in_a_class_of_its_name() {
    let Some(case) = Case::root() else { return };
    let Some(resctrl) = Resctrl::new(&case) else { return };
    let bundle = with(&case, json!({}));
    resctrl.coble(&case, "create", &bundle).output().ok();
    assert_eq!(resctrl.tasks(&case.id), [case.pid()]);
    case.verb(&["start"]).output().ok();
    let file = case.dir.join("pid");
    let flags = ["--detach", "--pid-file", file.to_str().unwrap()];
    case.exec_with(&flags, &["sleep", "1000"]).output().ok();
    let second: u64 = fs::read_to_string(&file).unwrap().parse().unwrap();
    let mut tasks = resctrl.tasks(&case.id);
    tasks.sort_unstable();
    let mut expected = [case.pid(), second];
    expected.sort_unstable();
    assert_eq!(tasks, expected);
    case.delete_force();
    assert!(!resctrl.has(&case.id));
}

#[test]
fn the_class_of_a_run_is_gone_at_its_end() {
    let Some(case) = Case::root() else { return };
    let Some(resctrl) = Resctrl::new(&case) else { return };
    let mut bundle = with(&case, json!({}));
    bundle.args(&["cat", "/proc/self/cgroup"]).without_namespace("cgroup");
    let said = resctrl.coble(&case, "run", &bundle).output().stdout();
    let class = resctrl.root.join(&case.id);
    let class = class.strip_prefix("/sys/fs/cgroup").unwrap().iter().skip(1).collect::<PathBuf>();
    let class = format!(":/{}", class.display());
    assert!(said.lines().any(|line| line.ends_with(&class)), "{said}");
    assert!(!resctrl.has(&case.id));
}

#[test]
fn a_named_class_outlives_the_container_and_its_monitoring_group() {
    let Some(case) = Case::root() else { return };
    let Some(resctrl) = Resctrl::new(&case) else { return };
    resctrl.folder("gold/mon_groups");
    resctrl.folder("info/L3_MON");
    let bundle = with(&case, json!({ "closID": "gold", "enableMonitoring": true }));
    resctrl.coble(&case, "create", &bundle).output().ok();
    let group = format!("gold/mon_groups/{}", case.id);
    assert_eq!(resctrl.tasks(&group), [case.pid()]);
    case.verb(&["start"]).output().ok();
    case.delete_force();
    assert!(resctrl.has("gold/mon_groups") && !resctrl.has(&group));
}

#[test]
fn what_is_missing_is_refused() {
    let Some(case) = Case::root() else { return };
    let Some(resctrl) = Resctrl::new(&case) else { return };
    let cases = [
        (json!({ "closID": "gold" }), "must be pre-created"),
        (json!({ "enableMonitoring": true }), "/linux/intelRdt/enableMonitoring"),
        (json!({ "l3CacheSchema": "L3:0=f" }), "Intel RDT/CAT is not enabled"),
        // No cgroup has such a file.
        (json!({ "schemata": ["L3:0=f"] }), "/schemata"),
        (json!({ "closID": "new", "schemata": ["L3:0=f"] }), "/schemata"),
    ];
    for (index, (section, words)) in cases.into_iter().enumerate() {
        let bundle = with_at(&case, &index.to_string(), section);
        case.refuses(resctrl.coble(&case, "create", &bundle), &[words]);
        assert_eq!(resctrl.classes(), 0, "{words}");
    }
}

#[test]
fn an_update_needs_a_class() {
    let Some(case) = Case::root() else { return };
    let Some(resctrl) = Resctrl::new(&case) else { return };
    let mut bundle = case.bundle();
    bundle.args(&["sleep", "1000"]);
    case.detach(&bundle);
    let update = ["update", "--l3-cache-schema", "L3:0=f", &case.id];
    let words = "Intel RDT/CAT: l3 cache schema is not enabled";
    resctrl.bare(&case).args(update).output().refused(&[words]);
    resctrl.folder("info/L3");
    let words = "updating a non-existent Intel RDT configuration is not supported";
    resctrl.bare(&case).args(update).output().refused(&[words]);
}

#[test]
fn a_failed_container_leaves_no_class() {
    let Some(case) = Case::root() else { return };
    let Some(resctrl) = Resctrl::new(&case) else { return };
    let mut bundle = with(&case, json!({}));
    bundle.hook(
        "createRuntime",
        &format!("test -d {}/{} && exit 7", resctrl.root.display(), case.id),
    );
    case.refuses(resctrl.coble(&case, "create", &bundle), &["exit status 7"]);
    assert!(!resctrl.has(&case.id));
}

#[test]
fn a_runtime_that_was_killed_leaves_what_delete_finds() {
    let Some(case) = Case::root() else { return };
    let Some(resctrl) = Resctrl::new(&case) else { return };
    for is_recorded in [true, false] {
        let mut bundle = with_at(&case, &is_recorded.to_string(), json!({}));
        bundle.hook("createRuntime", "kill -9 $PPID; sleep 1000");
        assert_eq!(resctrl.coble(&case, "create", &bundle).output().signal, Some(9));
        assert!(resctrl.has(&case.id));
        let record = case.state_root().join(&case.id).join("state.json");
        if !is_recorded {
            fs::remove_file(record).unwrap();
            wait::until("the executor's end", || resctrl.tasks(&case.id).is_empty());
        }
        case.delete_force();
        assert!(!resctrl.has(&case.id));
        coble_tests::leftovers::kill_all(&case.id);
    }
}
