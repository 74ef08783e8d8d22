//! One test's own folder, state root, container and user.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::geteuid;
use serde_json::Value;

use crate::bundle::Bundle;
use crate::cmd::Cmd;
use crate::leftovers::{self, Before};
use crate::output::Output;
use crate::plain_user::{self, PLAIN_ID};
use crate::skip::{skip, test_name};
use crate::{rootfs, runtime, wait};

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// A test's own ground. Dropping it deletes its containers and then fails the test if anything is left.
#[derive(Debug)]
pub struct Case {
    /// The container's id, unlike any other's; the mark by which leftovers are found.
    pub id: String,
    /// The case's folder.
    pub dir: PathBuf,
    uid: u32,
    program: PathBuf,
    before: Before,
}

impl Case {
    /// A case as root; `None`, reported as skipped, when the tests run as a plain user.
    #[must_use]
    pub fn root() -> Option<Self> {
        if geteuid().is_root() {
            return Some(Self::new(0));
        }
        skip("needs root");
        None
    }

    /// A case as root where cgroup v2 alone can be had; `None`, reported as skipped, elsewhere.
    #[must_use]
    pub fn root_v2() -> Option<Self> {
        Self::root().filter(Self::has_v2)
    }

    /// Whether cgroup v2 alone can be had ([`Case::coble_v2`]); reported as skipped if not.
    ///
    /// # Panics
    /// When it can, and the runtime fails in it.
    #[must_use]
    pub fn has_v2(&self) -> bool {
        if self.tool_v2("true").output().code != Some(0) {
            skip("cgroup v2 can't be mounted in a namespace of its own");
            return false;
        }
        self.coble_v2().arg("list").output().ok();
        true
    }

    /// Whether strace(1) can be run; reported as skipped if not.
    #[must_use]
    pub fn has_strace(&self) -> bool {
        let is_there = self.tool("strace").arg("--version").output().code == Some(0);
        if !is_there {
            skip("strace can't be run");
        }
        is_there
    }

    /// A case as a plain user: the one who runs the tests, or [`PLAIN_ID`] if that is root.
    #[must_use]
    pub fn plain() -> Option<Self> {
        let user_namespaces = fs::read_to_string("/proc/sys/user/max_user_namespaces");
        if user_namespaces.is_ok_and(|count| count.trim() == "0") {
            skip("user namespaces are switched off here");
            return None;
        }
        let euid = geteuid();
        if !euid.is_root() {
            return Some(Self::new(euid.as_raw()));
        }
        match plain_user::make() {
            Ok(()) => Some(Self::new(PLAIN_ID)),
            Err(why) => {
                skip(&why);
                None
            }
        }
    }

    /// A case as the user `uid`, which takes root if that is somebody else.
    #[must_use]
    pub fn of_user(uid: u32) -> Self {
        Self::new(uid)
    }

    fn new(uid: u32) -> Self {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = test_name().replace("::", "-");
        let id = format!("coble-test-{}-{serial}-{name}", process::id());
        let dir = std::env::temp_dir().join(&id);
        let case = Self { id, dir, uid, program: runtime::binary(), before: Before::now() };
        case.folder("");
        case.folder("state");
        case.folder("output");
        fs::set_permissions(case.dir.join("output"), PermissionsExt::from_mode(0o777))
            .expect("a folder for the output");
        case
    }

    /// Makes a folder of the case's user in the case's folder.
    ///
    /// # Panics
    /// When it can't.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::create_dir_all(&path).expect("a folder of the case");
        self.own(&path);
        path
    }

    /// Writes a file of the case's user into the case's folder.
    ///
    /// # Panics
    /// When it can't.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, text).expect("a file of the case");
        self.own(&path);
        path
    }

    fn own(&self, path: &Path) {
        if geteuid().is_root() {
            chown(path, Some(self.uid), Some(self.uid)).expect("chown");
        }
    }

    /// The state root.
    #[must_use]
    pub fn state_root(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Replaces the binary under test, for this case alone, by a copy in the case's folder, and gives its path.
    ///
    /// # Panics
    /// When it can't be copied.
    pub fn use_copy(&mut self) -> PathBuf {
        let copy = self.dir.join(runtime::name());
        fs::copy(&self.program, &copy).expect("a copy of the binary");
        fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).expect("chmod");
        self.program.clone_from(&copy);
        copy
    }

    /// Any command in this case's name, as its user.
    #[must_use]
    pub fn tool(&self, program: &str) -> Cmd {
        let cmd = Cmd::new(program, &self.id, &self.dir.join("output"));
        if geteuid().is_root() && self.uid != 0 {
            return cmd.user(self.uid).env("XDG_RUNTIME_DIR", self.dir.join("run"));
        }
        cmd
    }

    /// The path of the binary under test.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The runtime without any flag.
    ///
    /// # Panics
    /// When its path isn't UTF-8.
    #[must_use]
    pub fn bare(&self) -> Cmd {
        self.tool(self.program.to_str().expect("a path in UTF-8"))
    }

    /// The runtime with the case's state root.
    #[must_use]
    pub fn coble(&self) -> Cmd {
        self.bare().arg("--root").arg(self.state_root())
    }

    /// Any command in a mount namespace of its own where `/sys/fs/cgroup` is pure cgroup v2.
    #[must_use]
    pub fn tool_v2(&self, program: impl AsRef<OsStr>) -> Cmd {
        let view =
            "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec \"$@\"";
        self.tool("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", view, "sh"])
            .arg(program)
    }

    /// The runtime in that view.
    #[must_use]
    pub fn coble_v2(&self) -> Cmd {
        self.tool_v2(&self.program).arg("--root").arg(self.state_root())
    }

    /// The configuration that the runtime's own `spec` writes, with a program that does nothing and without
    /// a terminal.
    #[must_use]
    pub fn config(&self) -> Value {
        let place = self.folder("spec");
        let file = place.join("config.json");
        if !file.exists() {
            let spec = self.bare().arg("spec").cwd(&place);
            let spec = if self.uid == 0 { spec } else { spec.arg("--rootless") };
            spec.output().ok();
        }
        let mut config: Value =
            serde_json::from_slice(&fs::read(&file).expect("config.json")).expect("JSON");
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = ["true"].as_slice().into();
        config
    }

    /// A bundle with the default configuration and a busybox root file system.
    #[must_use]
    pub fn bundle(&self) -> Bundle {
        self.bundle_at("bundle")
    }

    /// The same in another folder of the case.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    pub fn bundle_at(&self, name: &str) -> Bundle {
        let bundle = Bundle::new(self.folder(name), self.config());
        rootfs::rootfs(&bundle.rootfs());
        if geteuid().is_root() && self.uid != 0 {
            self.give_rootfs(&bundle, self.uid);
        }
        bundle
    }

    /// Gives all of a bundle's root file system to a user and group of the host, which takes root.
    ///
    /// # Panics
    /// When it can't.
    pub fn give_rootfs(&self, bundle: &Bundle, id: u32) {
        let chown = Cmd::new("chown", &self.id, &self.dir.join("output"));
        chown.args(["-hR", &format!("{id}:{id}")]).arg(bundle.rootfs()).output().ok();
    }

    /// `run --bundle BUNDLE ID`, after writing the bundle's configuration.
    #[must_use]
    pub fn run(&self, bundle: &Bundle) -> Cmd {
        self.run_with(bundle, &[])
    }

    /// The same with flags of `run`.
    #[must_use]
    pub fn run_with(&self, bundle: &Bundle, flags: &[&str]) -> Cmd {
        bundle.write();
        self.coble().arg("run").args(flags).arg("--bundle").arg(&bundle.path).arg(&self.id)
    }

    /// `create --bundle BUNDLE ID`, after writing the bundle's configuration.
    #[must_use]
    pub fn create(&self, bundle: &Bundle) -> Cmd {
        bundle.write();
        self.coble().arg("create").arg("--bundle").arg(&bundle.path).arg(&self.id)
    }

    /// Any verb with the case's container: `VERB ARGS... ID`.
    #[must_use]
    pub fn verb(&self, words: &[&str]) -> Cmd {
        self.coble().args(words).arg(&self.id)
    }

    /// `exec ID ARGS...`
    #[must_use]
    pub fn exec(&self, args: &[&str]) -> Cmd {
        self.exec_with(&[], args)
    }

    /// `exec FLAGS... ID ARGS...`
    #[must_use]
    pub fn exec_with(&self, flags: &[&str], args: &[&str]) -> Cmd {
        self.coble().arg("exec").args(flags).arg(&self.id).args(args)
    }

    /// `run --detach` of the bundle, which must work.
    ///
    /// # Panics
    /// When it doesn't.
    #[track_caller]
    pub fn detach(&self, bundle: &Bundle) {
        self.run_with(bundle, &["--detach"]).output().ok();
    }

    /// What `state` says.
    ///
    /// # Panics
    /// When it fails or isn't JSON.
    #[track_caller]
    #[must_use]
    pub fn state(&self) -> Value {
        serde_json::from_str(&self.verb(&["state"]).output().stdout()).expect("JSON")
    }

    /// The container's status.
    ///
    /// # Panics
    /// When `state` fails.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> String {
        self.state()["status"].as_str().expect("a status").to_owned()
    }

    /// The process id of the container's process on the host.
    ///
    /// # Panics
    /// When `state` fails.
    #[track_caller]
    #[must_use]
    pub fn pid(&self) -> u64 {
        self.state()["pid"].as_u64().expect("a pid")
    }

    /// Waits for the container to be stopped.
    ///
    /// # Panics
    /// When it isn't by the deadline.
    #[track_caller]
    pub fn until_stopped(&self) {
        wait::until("the container to stop", || self.status() == "stopped");
    }

    /// `delete` of a stopped container, which must work.
    ///
    /// # Panics
    /// When it doesn't.
    #[track_caller]
    pub fn delete(&self) {
        self.verb(&["delete"]).output().ok();
    }

    /// `delete --force`, which must work.
    ///
    /// # Panics
    /// When it doesn't.
    #[track_caller]
    pub fn delete_force(&self) {
        self.verb(&["delete", "--force"]).output().ok();
    }

    /// Asserts that nothing of the case's containers is left: no process, mount, cgroup or state file.
    ///
    /// # Panics
    /// With a list of what is.
    #[track_caller]
    pub fn assert_clean(&self) {
        let left = leftovers::find(&self.id, &self.state_root(), &self.before);
        assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
    }

    /// Asserts that a command was refused as bad input is ([`Output::refused`]) and left nothing behind.
    ///
    /// # Panics
    /// When it wasn't so.
    #[track_caller]
    pub fn refuses(&self, command: Cmd, words: &[&str]) -> Output {
        let output = command.output().refused(words);
        self.assert_clean();
        output
    }

    fn delete_all(&self) {
        let Ok(entries) = fs::read_dir(self.state_root()) else { return };
        for entry in entries.flatten() {
            let id = entry.file_name();
            let deleted = self.coble().args(["delete", "--force"]).arg(&id).output();
            if !std::thread::panicking() {
                deleted.ok();
            }
        }
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        self.delete_all();
        let left = leftovers::find(&self.id, &self.state_root(), &self.before);
        leftovers::clear(&self.id, &self.dir);
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
        }
    }
}
