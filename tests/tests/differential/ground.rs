//! A case with both runtimes: one bundle, one name, two state folders, one after the other.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use coble_tests::{Case, Cmd, Output, skip, wait};
use serde_json::{Value, json};

use crate::host::Host;
use crate::setup::Setup;
use crate::view;

/// The runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// The one under test.
    Coble,
    /// The one that it is compared with.
    Runc,
}

/// What came of a setup with one runtime.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// What the process, the hooks and the host saw.
    pub(crate) view: Value,
    /// The runtime's words, if it refused.
    pub(crate) refusal: Option<String>,
}

/// Where the setups of one test run.
pub(crate) struct Ground {
    // Ends before the case looks for what is left.
    hosts: [Host; 2],
    runc: PathBuf,
    /// Each container has a name of its own: a session keyring can be joined by its name.
    serial: AtomicU32,
    case: Case,
}

impl Ground {
    /// `None`, reported as skipped, without root or runc.
    pub(crate) fn new() -> Option<Self> {
        let places = ["/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc"];
        let Some(runc) = places.into_iter().map(PathBuf::from).find(|path| path.exists()) else {
            skip("runc isn't installed");
            return None;
        };
        let case = Case::root()?;
        let hosts = [false, true].map(|unified| {
            let source = case.folder(source(unified));
            sources(&source);
            Host::new(&case, &source, unified)
        });
        case.folder("bundle");
        case.folder("runc");
        fs::copy(env!("CARGO_BIN_EXE_probe"), case.dir.join("probe")).unwrap();
        Some(Self { hosts, runc, serial: AtomicU32::new(0), case })
    }

    fn host(&self, setup: &Setup) -> &Host {
        &self.hosts[usize::from(setup.unified)]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.case.dir.join(name)
    }

    /// Creates, starts and deletes the container, and tells what could be seen.
    pub(crate) fn run(&self, setup: &Setup, runtime: Runtime) -> Seen {
        let id = format!("{}-{}", self.case.id, self.serial.fetch_add(1, Ordering::Relaxed));
        let seen = self.run_as(&id, setup, runtime);
        let mut seen = seen;
        // Keyrings of others are there until they are collected.
        if let Some(keys) = seen.view["keys"].as_array_mut() {
            keys.retain(|key| key.as_str().is_some_and(|key| key.contains(&id)));
        }
        // The name is the one thing that can't be the same.
        let text = seen.view.to_string().replace(&id, "ID");
        let refusal = seen.refusal.map(|words| plain(&words.replace(&id, "ID"), &self.case));
        Seen { view: serde_json::from_str(&text).unwrap(), refusal }
    }

    /// The exit status of `run` in the foreground.
    pub(crate) fn exit_status(&self, setup: &Setup, runtime: Runtime) -> Option<i32> {
        self.bundle(setup, &self.case.id);
        let run = self.command(setup, runtime, &["run", "--bundle"]);
        run.arg(self.path("bundle")).arg(&self.case.id).output().code
    }

    fn run_as(&self, id: &str, setup: &Setup, runtime: Runtime) -> Seen {
        let host = self.host(setup);
        let before = host.mounts();
        self.bundle(setup, id);
        let mut view = json!({});
        let refusal = self.live(id, setup, runtime, &mut view).err();
        view["refused"] = refusal.is_some().into();
        if refusal.is_some() {
            // Whatever is left is the next one's trouble; runc leaves a container that couldn't be started.
            let left = self.state(runtime).join(id).exists();
            let words = ["delete", "--force", id];
            left.then(|| self.command(setup, runtime, &words).output());
        } else {
            view["hooks"] = view::hooks(&self.path("hooks"), &host.namespaces());
            // Those in the container's root have no other place; what is mounted there hides it.
            let inside = self.path("bundle/rootfs/tmp/hooks");
            view["hooks inside"] = view::hooks(&inside, &host.namespaces());
            view["root afterwards"] = view::tree(&self.path("bundle/rootfs"));
            view["source afterwards"] = view::tree(&self.path(source(setup.unified)));
        }
        let mounts = view::mount_points(&before, &host.mounts());
        view["left"] = json!({
            "state": self.state(runtime).join(id).exists(),
            "mounts": { "new": &mounts.new, "gone": &mounts.gone },
            "cgroups": view::cgroups(id),
        });
        view::remove_cgroups(id);
        mounts.new.iter().rev().for_each(|point| host.unmount(&self.case, point));
        Seen { view, refusal }
    }

    fn live(
        &self,
        id: &str,
        setup: &Setup,
        runtime: Runtime,
        view: &mut Value,
    ) -> Result<(), String> {
        let told = self.path("told");
        let pid_file = self.path("pid");
        for path in [&told, &pid_file, &self.path("hooks")] {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
        }
        let create = self.command(setup, runtime, &["create", "--pid-file"]).arg(&pid_file);
        let create = create.arg("--bundle").arg(self.path("bundle")).arg(id);
        accepted(create.stdout_to(&told).output())?;
        let pid: u32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
        view["limits of cgroups"] = view::limits(pid, setup.unified);
        accepted(self.command(setup, runtime, &["start", id]).output())?;
        let ended = wait::poll(Duration::from_secs(20), || has_ended(pid).then_some(()));
        assert!(ended.is_some(), "{runtime:?}: the probe hangs: {setup:?}");
        accepted(self.command(setup, runtime, &["delete", id]).output())?;
        let told = fs::read_to_string(&told).unwrap();
        match serde_json::from_str(&told) {
            Ok(Value::Object(seen)) => view.as_object_mut().unwrap().extend(seen),
            _ => view["told"] = json!(told),
        }
        Ok(())
    }

    fn state(&self, runtime: Runtime) -> PathBuf {
        match runtime {
            Runtime::Coble => self.case.state_root(),
            Runtime::Runc => self.path("runc"),
        }
    }

    fn command(&self, setup: &Setup, runtime: Runtime, words: &[&str]) -> Cmd {
        let program = match runtime {
            Runtime::Coble => self.case.program(),
            Runtime::Runc => &self.runc,
        };
        let host = self.host(setup);
        host.tool(&self.case, program).arg("--root").arg(self.state(runtime)).args(words)
    }

    /// Makes the bundle anew.
    fn bundle(&self, setup: &Setup, id: &str) {
        let bundle = self.path("bundle");
        let root = bundle.join("rootfs");
        let _ = fs::remove_dir_all(&root);
        rootfs(&root, &self.path("probe"), setup.owner());
        let host = self.host(setup);
        let source = self.path(source(setup.unified));
        let text = setup.text(&source, id, &host.held());
        let text = text.replace("@hooks", self.path("hooks").to_str().unwrap());
        let text = text.replace("@probe", self.path("probe").to_str().unwrap());
        fs::write(bundle.join("config.json"), text).unwrap();
        let sysctl = setup.config["linux"]["sysctl"].as_object();
        let request = json!({
            "paths": setup.paths(),
            "sysctl": sysctl.into_iter().flat_map(|names| names.keys()).collect::<Vec<_>>(),
            "groups": host.groups(),
            "namespaces": host.namespaces(),
        });
        fs::write(root.join("probe.json"), request.to_string()).unwrap();
    }
}

fn accepted(output: Output) -> Result<(), String> {
    match output.code {
        Some(0) => Ok(()),
        _ => Err(output.stderr.trim_end().to_owned()),
    }
}

/// The last of the words, without what is another each time: the time, and the case's folder.
fn plain(words: &str, case: &Case) -> String {
    let last = words.lines().last().unwrap_or_default();
    let last = last.split_once(" level=").map_or(last, |(_, rest)| rest);
    last.replace(case.dir.to_str().unwrap(), "CASE")
}

/// Whether the process is gone or only waits to be reaped.
fn has_ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.trim_start().starts_with(['Z', 'X']))
        || stat.is_empty()
}

fn source(unified: bool) -> &'static str {
    if unified { "source-unified" } else { "source" }
}

/// What can be bound.
fn sources(path: &Path) {
    for folder in ["folder/inner", "tree/inner", "flagged", "readonly", "private"] {
        fs::create_dir_all(path.join(folder)).unwrap();
    }
    fs::write(path.join("file"), "a file\n").unwrap();
    fs::write(path.join("folder/file"), "in a folder\n").unwrap();
    symlink("folder", path.join("link")).unwrap();
}

/// A small root file system: the probe, folders, files, and links of every kind.
fn rootfs(root: &Path, probe: &Path, owner: u32) {
    for folder in ["bin", "etc", "tmp", "root", "dir/inner", "sticky"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::hard_link(probe, root.join("bin/probe")).unwrap();
    let passwd = "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/home/guest:/bin/sh\n";
    for (name, text) in [
        ("etc/passwd", passwd),
        ("etc/group", "root:x:0:\nguest:x:1000:\n"),
        ("file", "the image's file\n"),
        ("dir/file", "in the image's folder\n"),
        ("dir/inner/deep", ""),
        ("sticky/file", ""),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    for (name, target) in [
        ("link-dir", "dir"),
        ("link-abs", "/dir"),
        ("link-up", "../../../../dir"),
        ("link-file", "file"),
        ("link-loop", "link-loop"),
        ("link-away", "/away/nowhere"),
        ("dir/link", "file"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    for (name, mode) in [("tmp", 0o1777), ("sticky", 0o3775), ("dir/inner/deep", 0o4640)] {
        fs::set_permissions(root.join(name), Permissions::from_mode(mode)).unwrap();
    }
    chown(root.join("dir/inner"), Some(owner + 5), Some(owner + 6)).unwrap();
    if owner != 0 {
        for name in ["", "bin", "etc", "tmp", "root", "dir", "sticky", "file"] {
            chown(root.join(name), Some(owner), Some(owner)).unwrap();
        }
    }
}
