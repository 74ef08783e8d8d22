//! Configurations and the plans that they become. Nothing here looks at the host.

mod cgroup;
mod cgroup_wait;
mod delegation;
mod devices;
mod hooks;
mod labels;
mod mounts;
mod namespaces;
mod process;
mod prologue;
mod properties;
mod random_spec;
mod snapshots;

use coble_cgroup::{Cgroup, Hierarchy};
use serde_json::{Value, json};

use super::*;

/// `/proc/self/mountinfo` and `/proc/self/cgroup` with cgroup v2 alone.
const UNIFIED: (&str, &str) = (
    "33 22 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw\n",
    "0::/user.slice/session.scope\n",
);

/// cgroup v1, with two controllers in one hierarchy.
const LEGACY: (&str, &str) = (
    "24 17 0:20 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n\
     25 24 0:21 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
     27 24 0:23 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpuacct,cpu\n\
     29 24 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    "5:memory:/\n3:cpu,cpuacct:/\n1:name=systemd:/init.scope\n",
);

/// cgroup v1 with cgroup v2 beside it.
const HYBRID: (&str, &str) = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
     35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
     36 31 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
     41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
    "4:memory:/\n3:pids:/\n0::/\n",
);

/// No cgroup file system is mounted.
const WITHOUT: (&str, &str) = ("29 1 254:1 / / rw - ext4 /dev/vda1 rw\n", "0::/\n");

/// A host on which root calls, with a new kernel.
fn root_on((mountinfo, own): (&str, &str)) -> Facts {
    Facts {
        uid: 0,
        gid: 0,
        is_initial_user_namespace: true,
        maps_ids: true,
        sets_groups: true,
        administers: true,
        has_mount_setattr: true,
        has_kcore: true,
        has_selinux: true,
        hierarchy: Hierarchy::parse(mountinfo.as_bytes(), own).unwrap(),
    }
}

/// The same host, on which a plain user calls.
fn user_on(host: (&str, &str)) -> Facts {
    let (maps_ids, sets_groups, administers) = (false, false, false);
    Facts { uid: 1000, gid: 1001, maps_ids, sets_groups, administers, ..root_on(host) }
}

/// A configuration and what stands around it.
#[derive(Clone, Debug)]
struct Case {
    spec: Spec,
    facts: Facts,
    options: Options,
    sources: Vec<Option<i32>>,
}

impl Case {
    /// The small configuration with `changes` merged into it (RFC 7386), on cgroup v2.
    fn with(changes: Value) -> Self {
        let mut value = json!({
            "ociVersion": "1.2.0",
            "process": { "args": ["sh"], "cwd": "/", "env": ["PATH=/bin", "HOME=/root"] },
            "root": { "path": "rootfs" },
            "linux": { "namespaces": [{ "type": "mount" }] }
        });
        merge(&mut value, changes);
        let spec = serde_json::from_value(value).unwrap();
        Self { spec, facts: root_on(UNIFIED), options: Options::default(), sources: Vec::new() }
    }

    fn on(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    fn cgroup(&self) -> Cgroup {
        let path = self.spec.linux.as_ref().map_or("", |linux| linux.cgroups_path.as_str());
        Cgroup::locate(&self.facts.hierarchy, path, "box").unwrap()
    }

    /// Hands the job to `act`; its parts live no longer than that.
    fn job<T>(&self, act: impl FnOnce(&Job<'_>, &Cgroup) -> T) -> T {
        let cgroup = self.cgroup();
        let filter = crate::filter::Filter::of(&self.spec).unwrap();
        let job = Job {
            filter: filter.as_ref().map(crate::filter::Delivery::Planned),
            hook_output: [-1; 2],
            spec: &self.spec,
            id: "box",
            bundle: Path::new("/bundle"),
            rootfs: Path::new("/bundle/rootfs"),
            facts: &self.facts,
            legacy: &cgroup.mounts(),
            sources: &self.sources,
            unified: cgroup.dir(),
            options: self.options.clone(),
        };
        act(&job, &cgroup)
    }

    fn compile(&self) -> Result<Launch> {
        self.job(|job, _| compile(job))
    }

    /// The plan of a configuration that passes all checks.
    fn launch(&self) -> Launch {
        assert_eq!(crate::validate(&self.spec), Ok(()));
        let launch = self.compile().unwrap();
        assert_eq!(coble_plan::verify(&launch.plan), Ok(()), "{}", text(&launch.plan).join("\n"));
        launch
    }

    /// The steps in words, each with its origin in brackets.
    fn lines(&self) -> Vec<String> {
        text(&self.launch().plan)
    }

    /// Those of the lines that have `part` in them.
    fn grep(&self, part: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.contains(part)).collect()
    }

    /// What the steps that `choose` picks are made into.
    fn pick<T>(&self, choose: impl Fn(Step<'_>) -> Option<T>) -> Vec<T> {
        self.launch().plan.iter().filter_map(|(step, _)| choose(step)).collect()
    }
}

fn text(plan: &Plan) -> Vec<String> {
    plan.iter().map(|(step, origin)| format!("{step} [{origin}]")).collect()
}

/// Members of `changes` replace those of `value`; objects are merged, `null` takes away.
fn merge(value: &mut Value, changes: Value) {
    match (value, changes) {
        (Value::Object(members), Value::Object(changes)) => {
            for (name, change) in changes {
                if change.is_null() {
                    members.remove(&name);
                } else {
                    merge(members.entry(name).or_insert(Value::Null), change);
                }
            }
        }
        (value, change) => *value = change,
    }
}

/// Asserts that the lines stand there in this order, with others between them.
fn assert_order(lines: &[String], wanted: &[&str]) {
    let mut rest = lines.iter();
    for part in wanted {
        assert!(
            rest.any(|line| line.contains(part)),
            "no {part:?} in its place in\n{}",
            lines.join("\n")
        );
    }
}
