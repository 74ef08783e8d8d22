//! One section of resources with one runtime: what the files of the cgroup say, and which devices can be opened.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use coble_tests::{Case, Output, wait};
use serde_json::{Value, json};

use crate::machine::{Machine, hierarchies};
use crate::peers::{Runtime, View};

/// Device files to be opened: allowed by default, allowed by a rule, or never.
const DEVICES: &str = "\
null c 1 3
zero c 1 5
kmsg c 1 11
tty c 5 0
console c 5 1
tun c 10 200
disk b 300 7
char c 300 8
";

/// What came of a section.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// The files by hierarchy and name, and `device NAME`.
    Made(BTreeMap<String, String>),
    /// The runtime's last line.
    Refused(String),
}

/// Where the sections of one worker run.
pub(crate) struct Ground {
    pub(crate) machine: Machine,
    view: View,
    case: Case,
}

impl Ground {
    /// `None`, reported as skipped, without root or the peers.
    pub(crate) fn new() -> Option<Self> {
        let case = Case::root()?;
        let view = View::new(&case, DEVICES)?;
        let machine = Machine::look(&case.id);
        let bin = case.folder("bundle/rootfs/bin");
        case.folder("bundle/rootfs/proc");
        fs::copy(env!("CARGO_BIN_EXE_opener"), bin.join("opener")).unwrap();
        Some(Self { machine, view, case })
    }

    /// Makes the container, looks, and deletes it.
    pub(crate) fn run(&self, resources: &Value, runtime: Runtime) -> Seen {
        let id = &self.case.id;
        let bundle = self.case.dir.join("bundle");
        fs::write(bundle.join("config.json"), self.config(resources).to_string()).unwrap();
        let create = self.view.command(&self.case, runtime, &["create", "--bundle"]);
        let output = create.arg(&bundle).arg(id).output();
        let seen = match output.code {
            Some(0) => Seen::Made(self.look(resources)),
            _ => Seen::Refused(last_line(&output).replace(id, "ID")),
        };
        // A runtime may leave one that it couldn't make.
        let delete = self.view.command(&self.case, runtime, &["delete", "--force", id]).output();
        if matches!(seen, Seen::Made(_)) {
            delete.ok();
        }
        if runtime == Runtime::Coble {
            let left = self.folders();
            assert!(left.is_empty(), "left behind: {left:?} of {resources}: {seen:?}");
        }
        // The others may be done before their container's last process is.
        wait::until("the cgroup to be empty", || {
            self.folders().iter().for_each(|folder| drop(fs::remove_dir(folder)));
            self.folders().is_empty()
        });
        seen
    }

    fn config(&self, resources: &Value) -> Value {
        json!({
            "ociVersion": "1.0.2",
            "process": { "args": ["/bin/opener"], "cwd": "/", "env": ["PATH=/bin"], "user": {} },
            "root": { "path": "rootfs" },
            "mounts": [{ "destination": "/proc", "type": "proc", "source": "proc" }],
            "linux": {
                "cgroupsPath": format!("/{}", self.case.id),
                "namespaces": [{ "type": "mount" }, { "type": "pid" }],
                "resources": resources,
            },
        })
    }

    /// The folders of the container's cgroup.
    fn folders(&self) -> Vec<PathBuf> {
        let folders = hierarchies(self.machine.is_v2).into_iter();
        folders.map(|top| top.join(&self.case.id)).filter(|folder| folder.exists()).collect()
    }

    fn look(&self, resources: &Value) -> BTreeMap<String, String> {
        let mut seen = BTreeMap::new();
        for folder in self.folders() {
            let hierarchy = folder.parent().unwrap().file_name().unwrap().to_str().unwrap();
            for entry in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()) {
                let name = entry.file_name().into_string().unwrap();
                let data = entry.metadata().unwrap();
                let is_setting = data.permissions().mode() & 0o600 == 0o600 && !counts(&name);
                if !data.is_file() || !is_setting && name != "devices.list" {
                    continue;
                }
                let Ok(text) = fs::read_to_string(entry.path()) else { continue };
                let mut lines: Vec<&str> = text.lines().collect();
                // Of rules the order says nothing.
                lines.sort_unstable();
                let place = if self.machine.is_v2 { name } else { format!("{hierarchy}/{name}") };
                seen.insert(place, lines.join("\n"));
            }
        }
        if !resources["devices"].is_null() {
            seen.extend(self.devices());
        }
        seen
    }

    /// Which devices a process of the cgroup can open.
    fn devices(&self) -> BTreeMap<String, String> {
        let hierarchy = if self.machine.is_v2 { "" } else { "devices/" };
        let procs = format!("/sys/fs/cgroup/{hierarchy}{}/cgroup.procs", self.case.id);
        let folder = self.case.dir.join("devices");
        let opener = self.view.tool(&self.case, &self.case.dir.join("bundle/rootfs/bin/opener"));
        let names = DEVICES.lines().map(|line| line.split(' ').next().unwrap());
        let opener = opener.arg(procs).args(names.map(|name| folder.join(name)));
        let text = opener.output().stdout();
        let line = |line: &str| {
            let (path, answer) = line.split_once(' ').unwrap();
            let name = path.rsplit('/').next().unwrap();
            (format!("device {name}"), answer.to_owned())
        };
        text.lines().map(line).collect()
    }
}

/// Whether a file tells what happens and not what is set, lists processes, or says the same as another one.
fn counts(name: &str) -> bool {
    let ends = ["failcnt", "max_usage_in_bytes", ".peak", ".pressure", ".procs", ".threads"];
    matches!(name, "tasks" | "cpuacct.usage" | "cpu.weight.nice")
        || ends.iter().any(|end| name.ends_with(end))
}

/// What was said last, without the time.
fn last_line(output: &Output) -> String {
    let last = output.stderr.lines().last().unwrap_or_default();
    let last = last.split_once(" level=").map_or(last, |(_, rest)| rest);
    // crun has it in front.
    last.split_once("Z: ").map_or(last, |(_, rest)| rest).to_owned()
}
