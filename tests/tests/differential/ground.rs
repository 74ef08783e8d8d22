//! A case with both runtimes: one bundle, one name, two state folders, one after the other.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use coble_tests::{Case, Cmd, ConsoleSocket, Output, Terminal, skip, wait};
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};
use serde_json::{Value, json};

use crate::host::{Fresh, Host};
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

/// What one container has around it.
struct Scene<'a> {
    setup: &'a Setup,
    runtime: Runtime,
    host: &'a Host,
    fresh: Option<&'a Fresh>,
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
        // The parent of what the runtimes leave running.
        set_child_subreaper(Some(getpid())).unwrap();
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

    fn new_host(&self, unified: bool) -> Host {
        Host::new(&self.case, &self.path(source(unified)), unified)
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
        let scene = Scene { setup, runtime, host: self.host(setup), fresh: None };
        self.bundle(&scene, &self.case.id);
        let run = self.command(&scene, &["run", "--bundle"]);
        run.arg(self.path("bundle")).arg(&self.case.id).output().code
    }

    /// What a command says of a container that runs, as JSON.
    pub(crate) fn ask(&self, setup: &Setup, runtime: Runtime, words: &[&str]) -> Value {
        let scene = &Scene { setup, runtime, host: self.host(setup), fresh: None };
        let id = &self.case.id;
        self.bundle(scene, id);
        let run = self.command(scene, &["run", "--detach", "--bundle"]).arg(self.path("bundle"));
        run.arg(id).output().ok();
        let command = self.command(scene, words);
        let command = if words[0] == "list" { command } else { command.arg(id) };
        let told = command.output().stdout();
        self.command(scene, &["delete", "--force", id]).output().ok();
        serde_json::from_str(&told).unwrap()
    }

    fn run_as(&self, id: &str, setup: &Setup, runtime: Runtime) -> Seen {
        // What is mounted without a mount namespace is mounted on the host.
        let own = (!setup.has_namespace("mount")).then(|| self.new_host(setup.unified));
        let host = own.as_ref().unwrap_or_else(|| self.host(setup));
        let fresh = setup.joins_fresh().then(|| Fresh::new(&self.case, host));
        let scene = &Scene { setup, runtime, host, fresh: fresh.as_ref() };
        self.bundle(scene, id);
        if own.is_some() {
            // runc runs nothing where there is none.
            let proc = self.path("bundle/rootfs/proc");
            fs::create_dir(&proc).unwrap();
            let words = ["-t", "proc", "proc"];
            host.tool(&self.case, Path::new("mount")).args(words).arg(proc).output().ok();
        }
        let before = host.mounts();
        let mut view = json!({});
        let refusal = self.live(id, scene, &mut view).err();
        view["refused"] = refusal.is_some().into();
        if refusal.is_some() {
            // Whatever is left is the next one's trouble; runc leaves a container that couldn't be started.
            let left = self.state(runtime).join(id).exists();
            let words = ["delete", "--force", id];
            left.then(|| self.command(scene, &words).output());
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
        // A host of its own ends with its mounts.
        if own.is_none() {
            mounts.new.iter().rev().for_each(|point| host.unmount(&self.case, point));
        }
        Seen { view, refusal }
    }

    fn live(&self, id: &str, scene: &Scene<'_>, view: &mut Value) -> Result<(), String> {
        let setup = scene.setup;
        let told = self.path("told");
        for path in [&told, &self.path("pid"), &self.path("hooks")] {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
        }
        let own = setup.exec.is_none() && setup.terminal();
        let create = self.command(scene, &["create", "--bundle"]).arg(self.path("bundle"));
        let (pid, mut terminal) = self.begin(create.stdout_to(&told), own, &[id])?;
        view["limits of cgroups"] = view::limits(pid, setup.unified);
        accepted(self.command(scene, &["start", id]).output())?;
        let teller = match &setup.exec {
            None => pid,
            Some(exec) => {
                let mut words = exec.flags.iter().map(String::as_str).collect::<Vec<_>>();
                let file = self.path("process.json");
                if let Some(process) = &exec.process {
                    fs::write(&file, process.to_string()).unwrap();
                    words.extend(["--process", file.to_str().unwrap(), id]);
                } else {
                    words.extend([id, "/bin/probe"]);
                }
                let exec = self.command(scene, &["exec", "--detach"]).stdout_to(&told);
                let (pid, given) = self.begin(exec, setup.terminal(), &words)?;
                terminal = given;
                pid
            }
        };
        let ended = wait::poll(Duration::from_secs(20), || has_ended(teller).then_some(()));
        assert!(ended.is_some(), "{:?}: the probe hangs: {setup}", scene.runtime);
        // A pid namespace doesn't end before that of which nobody has taken the end.
        let teller = Pid::from_raw(teller.cast_signed());
        waitpid(teller, WaitOptions::empty()).unwrap();
        let delete: &[&str] =
            if setup.exec.is_some() { &["delete", "--force", id] } else { &["delete", id] };
        accepted(self.command(scene, delete).output())?;
        let told = match terminal {
            Some(terminal) => shown(&terminal),
            None => fs::read_to_string(&told).unwrap(),
        };
        match serde_json::from_str(&told) {
            Ok(Value::Object(seen)) => view.as_object_mut().unwrap().extend(seen),
            _ => view["told"] = json!(told),
        }
        Ok(())
    }

    /// Makes a process with a command that takes a file for its number, and gives the number; and the process's
    /// terminal, if it is to have one.
    fn begin(
        &self,
        command: Cmd,
        terminal: bool,
        words: &[&str],
    ) -> Result<(u32, Option<Terminal>), String> {
        let pid_file = self.path("pid");
        let mut command = command.arg("--pid-file").arg(&pid_file);
        let path = self.path("console");
        let _ = fs::remove_file(&path);
        let socket = terminal.then(|| ConsoleSocket::new(&path));
        if socket.is_some() {
            command = command.arg("--console-socket").arg(&path);
        }
        // A pipe, as engines have it.
        accepted(command.args(words).stdin(b"typed").output())?;
        let pid = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
        Ok((pid, socket.map(|socket| socket.receive())))
    }

    fn state(&self, runtime: Runtime) -> PathBuf {
        match runtime {
            Runtime::Coble => self.case.state_root(),
            Runtime::Runc => self.path("runc"),
        }
    }

    fn command(&self, scene: &Scene<'_>, words: &[&str]) -> Cmd {
        let program = match scene.runtime {
            Runtime::Coble => self.case.program(),
            Runtime::Runc => &self.runc,
        };
        let state = self.state(scene.runtime);
        scene.host.tool(&self.case, program).arg("--root").arg(state).args(words)
    }

    /// Makes the bundle anew.
    fn bundle(&self, scene: &Scene<'_>, id: &str) {
        let &Scene { setup, host, fresh, .. } = scene;
        let bundle = self.path("bundle");
        let root = bundle.join("rootfs");
        let _ = fs::remove_dir_all(&root);
        rootfs(&root, &self.path("probe"), setup.owner());
        let source = self.path(source(setup.unified));
        let links = fresh.map(Fresh::links);
        let text = setup.text(&source, id, &host.held(), links.as_deref());
        let text = text.replace("@hooks", self.path("hooks").to_str().unwrap());
        let text = text.replace("@probe", self.path("probe").to_str().unwrap());
        fs::write(bundle.join("config.json"), text).unwrap();
        let mut namespaces = host.namespaces();
        namespaces.extend(fresh.into_iter().flat_map(Fresh::namespaces));
        let sysctl = setup.config["linux"]["sysctl"].as_object();
        let request = json!({
            "paths": setup.paths(),
            "sysctl": sysctl.into_iter().flat_map(|names| names.keys()).collect::<Vec<_>>(),
            "groups": host.groups(),
            "namespaces": namespaces,
        });
        fs::write(root.join("probe.json"), request.to_string()).unwrap();
    }
}

/// What a process has written to its terminal, which has made two characters of each end of a line.
fn shown(terminal: &Terminal) -> String {
    let whole = || terminal.screen().ends_with("}\r\n").then_some(());
    let _ = wait::poll(Duration::from_secs(5), whole);
    terminal.screen()
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
