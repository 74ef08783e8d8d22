//! coble in a container of the engine.

use std::fs;
use std::path::PathBuf;

use coble_tests::docker::Docker;
use coble_tests::{Cmd, Output, binary, rootfs, skip};
use serde_json::{Value, json};

/// What a container needs for one of its own in a user namespace, beyond what it has by default.
const HELPS: [&str; 2] =
    ["--security-opt=seccomp=unconfined", "--security-opt=systempaths=unconfined"];

/// A bundle on the host, which a container has as `/bundle`, and coble as `/coble`.
struct Inner<'a> {
    docker: &'a Docker,
    folder: PathBuf,
}

impl<'a> Inner<'a> {
    fn new(docker: &'a Docker) -> Self {
        let folder = docker.dir().join("bundle");
        rootfs(&folder.join("rootfs"));
        Self { docker, folder }
    }

    /// Writes what `coble spec FLAGS...` writes, for `sh -c SCRIPT` and changed.
    fn config(&self, flags: &[&str], script: &str, change: impl FnOnce(&mut Value)) {
        let file = self.folder.join("config.json");
        let _ = fs::remove_file(&file);
        let spec = Cmd::new(binary(), &self.docker.name("nested"), &self.docker.dir());
        spec.arg("spec").args(flags).cwd(&self.folder).output().ok();
        let text = fs::read(&file).expect("config.json");
        let mut config: Value = serde_json::from_slice(&text).expect("JSON");
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = json!(["sh", "-c", script]);
        change(&mut config);
        fs::write(&file, config.to_string()).expect("config.json");
    }

    /// `sh -euc LINE` in a container of the engine's, beside the bundle.
    fn line(&self, flags: &[&str], line: &str) -> Output {
        let bundle = format!("--volume={}:/bundle", self.folder.display());
        let coble = format!("--volume={}:/coble:ro", binary().display());
        let mut all = vec![bundle.as_str(), &coble, "--security-opt=apparmor=unconfined"];
        all.extend(flags);
        self.docker.run(&all, &["sh", "-euc", line])
    }

    /// `coble FLAGS... run` in it.
    fn run(&self, outer: &[&str], flags: &str) -> Output {
        self.line(outer, &format!("/coble --root /tmp/state {flags} run --bundle /bundle inner"))
    }
}

#[test]
fn what_a_container_lacks_is_said_one_thing_after_the_other() {
    let Some(docker) = Docker::new() else { return };
    let inner = Inner::new(&docker);
    inner.config(&[], "echo words", |_| ());
    let cgroup = ["cannot make the cgroup", "--rootless=true goes without a cgroup"];
    inner.run(&[], "").refused(&cgroup);
    let rights = [
        "clone3: operation not permitted: new namespaces take CAP_SYS_ADMIN, or a new user namespace",
    ];
    inner.run(&HELPS[..1], "--rootless=true").refused(&rights);

    inner.config(&["--rootless"], "echo words", |_| ());
    let filter = [
        "clone3: ",
        "a filter of system calls around this process denies it",
        "--security-opt seccomp=unconfined",
        "--security-opt systempaths=unconfined",
    ];
    inner.run(&[], "--rootless=true").refused(&filter);
    let masked = [
        "(/mounts/0): fsmount",
        "operation not permitted: /proc/",
        "is mounted over here, and a user namespace gets a new proc only where",
        "--security-opt systempaths=unconfined",
    ];
    inner.run(&HELPS[..1], "--rootless=true").refused(&masked);
    assert_eq!(inner.run(&HELPS, "--rootless=true").stdout(), "words\n");
}

#[test]
fn a_plain_user_of_a_container() {
    let Some(docker) = Docker::new() else { return };
    let inner = Inner::new(&docker);
    let ids = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
    inner.config(&["--rootless"], "id -u; cat /proc/self/uid_map", |config| {
        for member in ["uidMappings", "gidMappings"] {
            config["linux"][member] = ids.clone();
        }
    });
    own(&inner, 1000);
    let flags = [HELPS[0], HELPS[1], "--user=1000:1000", "--tmpfs=/tmp:mode=1777"];
    let said = inner.run(&flags, "").stdout();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["0", "0", "1000", "1"]);
}

/// With CAP_SYS_ADMIN the engine's profile lets namespaces be made, but not what comes then.
#[test]
fn what_the_default_profile_denies_whatever_the_capabilities() {
    let Some(docker) = Docker::new() else { return };
    let inner = Inner::new(&docker);
    inner.config(&["--rootless"], "echo words", |_| ());
    let flags = ["--cap-add=SYS_ADMIN", HELPS[1]];
    let denied = "operation not permitted: a filter of system calls around this process denies it";
    let keyring = [&format!("keyctl: {denied}"), "what helps is --no-new-keyring"];
    inner.run(&flags, "--rootless=true").refused(&keyring);
    let line =
        "/coble --root /tmp/state --rootless=true run --no-new-keyring --bundle /bundle inner";
    let root = [&format!("pivot_root: {denied}"), "--security-opt seccomp=unconfined"];
    inner.line(&flags, line).refused(&root);
}

#[test]
fn all_of_it_in_a_privileged_container() {
    let Some(docker) = Docker::new() else { return };
    match lacking() {
        0 => all_of_it(&docker, &["--privileged"], ""),
        _ => skip("root lacks capabilities here, so that the engine can't give --privileged"),
    }
}

/// Where root itself lacks that capability, as in a container, this is how far the flag's effect can be had.
#[test]
fn all_of_it_with_what_privileged_stands_for_but_sys_resource() {
    const SYS_RESOURCE: u64 = 1 << 24;
    let Some(docker) = Docker::new() else { return };
    if lacking() & !SYS_RESOURCE != 0 {
        return skip("root lacks capabilities here");
    }
    let pieces = [HELPS[0], HELPS[1], "--cap-add=ALL", "--cap-drop=SYS_RESOURCE"];
    let writable = "for dir in /sys/fs/cgroup /sys/fs/cgroup/*; do
        mount -o remount,bind,rw $dir 2>/dev/null || true; done;";
    all_of_it(&docker, &pieces, writable);
}

/// With these flags of the engine, after a line for the shell.
#[track_caller]
fn all_of_it(docker: &Docker, flags: &[&str], prepare: &str) {
    let inner = Inner::new(docker);
    let line = format!(
        "{prepare} /coble run --detach --bundle /bundle inner >/dev/null
        /coble exec inner sh -c 'id -u; cat /proc/self/uid_map; grep -c /inner$ /proc/1/cgroup'
        /coble pause inner; /coble resume inner; /coble delete --force inner; /coble list --quiet"
    );
    let host_cgroups = |config: &mut Value| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().expect("namespaces");
        namespaces.retain(|namespace| namespace["type"] != "cgroup");
    };
    let said = |output: Output| -> Vec<u32> {
        let said = output.stdout();
        said.split_whitespace().map(|word| word.parse().expect(&said)).collect()
    };
    inner.config(&[], "sleep 1000", host_cgroups);
    let words = said(inner.line(flags, &line));
    assert_eq!(words[..4], [0, 0, 0, u32::MAX]);
    assert!(words[4] > 0 && words.len() == 5, "{words:?}");

    inner.config(&[], "sleep 1000", |config| {
        host_cgroups(config);
        let namespaces = config["linux"]["namespaces"].as_array_mut().expect("namespaces");
        namespaces.push(json!({"type": "user"}));
        for member in ["uidMappings", "gidMappings"] {
            config["linux"][member] = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
        }
    });
    own(&inner, 100_000);
    let words = said(inner.line(flags, &line));
    assert_eq!(words[..4], [0, 0, 100_000, 1000]);
    assert!(words[4] > 0 && words.len() == 5, "{words:?}");
}

fn own(inner: &Inner<'_>, id: u32) {
    let chown = Cmd::new("chown", &inner.docker.name("nested"), &inner.docker.dir());
    chown.args(["-hR", &format!("{id}:{id}")]).arg(&inner.folder).output().ok();
}

/// The capabilities that root doesn't have here, a bit for each.
fn lacking() -> u64 {
    let read = |path| fs::read_to_string(path).expect(path);
    let status = read("/proc/self/status");
    let own = status.lines().find_map(|line| line.strip_prefix("CapPrm:")).expect("CapPrm");
    let own = u64::from_str_radix(own.trim(), 16).expect("a set");
    let last: u32 = read("/proc/sys/kernel/cap_last_cap").trim().parse().expect("a number");
    ((2 << last) - 1) & !own
}
