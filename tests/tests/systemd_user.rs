//! Cgroups that a plain user's own systemd makes. Skipped where no such manager runs. The tests run as the user, in the
//! manager's care; and as root, who becomes the user outside of it, where a login's session is.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};

use coble_tests::{Bundle, Case, Cmd, Output, skip};
use rustix::process::geteuid;
use serde_json::json;

/// The runtime folder of the user that a case belongs to.
fn runtime() -> Option<(u32, PathBuf)> {
    let uid = geteuid().as_raw();
    let has_manager = |uid: &u32| Path::new(&format!("/run/user/{uid}/systemd/private")).exists();
    let users = fs::read_dir("/run/user").into_iter().flatten().flatten();
    let users = users.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut users = users.filter(|user| *user != 0 && (uid == 0 || *user == uid));
    let user = users.find(has_manager)?;
    Some((user, PathBuf::from(format!("/run/user/{user}"))))
}

fn case() -> Option<(Case, PathBuf)> {
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        skip("needs cgroup v2 alone");
        return None;
    }
    let Some((user, runtime)) = runtime() else {
        skip("no plain user has a systemd of his own");
        return None;
    };
    Some((Case::of_user(user), runtime))
}

/// The runtime as the user calls it who has logged in.
fn coble((case, runtime): &(Case, PathBuf)) -> Cmd {
    let coble = case.bare().env("XDG_RUNTIME_DIR", runtime);
    coble.args(["--systemd-cgroup", "--root"]).arg(case.state_root())
}

fn verb(user: &(Case, PathBuf), words: &[&str]) -> Output {
    coble(user).args(words).arg(&user.0.id).output()
}

fn exec(user: &(Case, PathBuf), flags: &[&str], words: &[&str]) -> Output {
    coble(user).arg("exec").args(flags).arg(&user.0.id).args(words).output()
}

fn staying(user: &(Case, PathBuf)) -> Bundle {
    let mut bundle = user.0.bundle();
    bundle.args(&["sleep", "1000"]);
    bundle
}

/// `run --detach`, as a command.
fn run(user: &(Case, PathBuf), bundle: &Bundle) -> Cmd {
    bundle.write();
    let run = coble(user).args(["run", "--detach", "--bundle"]);
    run.arg(&bundle.path).arg(&user.0.id)
}

fn unit(user: &(Case, PathBuf)) -> String {
    format!("coble-{}.scope", user.0.id)
}

/// What the user's manager says of the container's unit.
fn show((case, runtime): &(Case, PathBuf), property: &str) -> String {
    let unit = format!("coble-{}.scope", case.id);
    let show = case.tool("systemctl").env("XDG_RUNTIME_DIR", runtime);
    let show = show.args(["--user", "show", "--value", "--property", property, "--", &unit]);
    show.output().stdout().trim_end().to_owned()
}

/// Where the container's first process is.
fn directory(user: &(Case, PathBuf)) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", user.0.pid())).unwrap();
    let path = text.trim_end().strip_prefix("0::/").unwrap();
    Path::new("/sys/fs/cgroup").join(path)
}

fn file(user: &(Case, PathBuf), name: &str) -> String {
    fs::read_to_string(directory(user).join(name)).unwrap()
}

/// Deletes the container; then there must be neither a unit nor a cgroup.
#[track_caller]
fn delete(user: &(Case, PathBuf)) {
    let directory = directory(user);
    verb(user, &["delete", "--force"]).ok();
    assert_eq!(show(user, "LoadState"), "not-found");
    assert!(!directory.exists(), "{}", directory.display());
}

#[test]
fn limits_that_are_delegated_take_effect() {
    let Some(user) = case() else { return };
    let mut bundle = staying(&user);
    bundle.config["linux"]["resources"] = json!({
        "memory": {"limit": 67_108_864},
        "cpu": {"shares": 512, "quota": 20_000, "period": 100_000},
        "pids": {"limit": 12},
    });
    run(&user, &bundle).output().ok();
    let place = format!(".service/user.slice/{}", unit(&user));
    assert!(directory(&user).to_str().unwrap().ends_with(&place), "{:?}", directory(&user));
    for (name, text) in [
        ("memory.max", "67108864\n"),
        ("cpu.weight", "59\n"),
        ("cpu.max", "20000 100000\n"),
        ("pids.max", "12\n"),
    ] {
        assert_eq!(file(&user, name), text, "{name}");
    }
    for (property, value) in [
        ("MemoryMax", "67108864"),
        ("CPUWeight", "59"),
        ("CPUQuotaPerSecUSec", "200ms"),
        ("TasksMax", "12"),
        ("Delegate", "yes"),
        ("ActiveState", "active"),
    ] {
        assert_eq!(show(&user, property), value, "{property}");
    }
    let many = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done; wait";
    let output = exec(&user, &[], &["sh", "-c", many]);
    assert!(output.stderr.contains("can't fork"), "{output}");
    delete(&user);
}

#[test]
fn processes_go_into_the_scope() {
    let Some(user) = case() else { return };
    run(&user, &staying(&user)).output().ok();
    exec(&user, &["--detach"], &["sleep", "1000"]).ok();
    assert_eq!(file(&user, "cgroup.procs").lines().count(), 2);
    fs::create_dir(directory(&user).join("below")).unwrap();
    exec(&user, &["--detach", "--cgroup", "below"], &["sleep", "1000"]).ok();
    assert_eq!(file(&user, "below/cgroup.procs").lines().count(), 1);
    verb(&user, &["pause"]).ok();
    assert_eq!(user.0.status(), "paused");
    verb(&user, &["resume"]).ok();
    delete(&user);
}

#[test]
fn an_update_reaches_both() {
    let Some(user) = case() else { return };
    run(&user, &staying(&user)).output().ok();
    verb(&user, &["update", "--pids-limit", "21", "--memory", "33554432"]).ok();
    assert_eq!(file(&user, "pids.max"), "21\n");
    assert_eq!(file(&user, "memory.max"), "33554432\n");
    assert_eq!(show(&user, "TasksMax"), "21");
    assert_eq!(show(&user, "MemoryMax"), "33554432");
    delete(&user);
}

#[test]
fn what_ends_by_itself_leaves_no_unit() {
    let Some(user) = case() else { return };
    let bundle = user.0.bundle();
    bundle.write();
    for _ in 0..3 {
        let run = coble(&user).args(["run", "--bundle"]).arg(&bundle.path).arg(&user.0.id);
        run.output().ok();
        assert_eq!(show(&user, "LoadState"), "not-found");
    }
}

#[test]
fn a_limit_that_is_not_delegated_is_refused() {
    let Some(user) = case() else { return };
    let own =
        format!("/sys/fs/cgroup/user.slice/user-{0}.slice/user@{0}.service", runtime().unwrap().0);
    let delegated = fs::read_to_string(format!("{own}/cgroup.controllers")).unwrap();
    let mut bundle = staying(&user);
    for (controller, limits) in
        [("cpuset", json!({"cpu": {"cpus": "0"}})), ("io", json!({"unified": {"io.weight": "50"}}))]
    {
        if delegated.split_whitespace().any(|name| name == controller) {
            return skip("this user has been given every controller");
        }
        bundle.config["linux"]["resources"] = limits;
        run(&user, &bundle).output().refused(&[controller, "not available"]);
        assert_eq!(show(&user, "LoadState"), "not-found", "{controller}");
    }
}

#[test]
fn a_cgroup_below_the_unit() {
    let Some(user) = case() else { return };
    let mut bundle = staying(&user);
    bundle.config["annotations"]["run.oci.systemd.subgroup"] = "container".into();
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 12}});
    run(&user, &bundle).output().ok();
    let place = format!("/{}/container", unit(&user));
    assert!(directory(&user).to_str().unwrap().ends_with(&place), "{:?}", directory(&user));
    exec(&user, &["--detach"], &["sleep", "1000"]).ok();
    assert_eq!(file(&user, "cgroup.procs").lines().count(), 2);
    assert_eq!(file(&user, "pids.max"), "12\n");
    delete(&user);
}

/// Inside he can't tell which user he is outside.
#[test]
fn root_of_a_user_namespace_finds_the_users_manager() {
    let Some(user) = case() else { return };
    let mut bundle = staying(&user);
    for list in ["uidMappings", "gidMappings"] {
        bundle.config["linux"][list][0]["hostID"] = 0.into();
    }
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 12}});
    bundle.write();
    let coble = || {
        let unshare = user.0.tool("unshare").env("XDG_RUNTIME_DIR", &user.1);
        let coble = unshare.args(["--user", "--map-root-user"]).arg(user.0.program());
        coble.args(["--systemd-cgroup", "--root"]).arg(user.0.state_root())
    };
    let run = coble().args(["run", "--detach", "--bundle"]).arg(&bundle.path).arg(&user.0.id);
    run.output().ok();
    let own = format!("/user@{}.service/", runtime().unwrap().0);
    assert!(directory(&user).to_str().unwrap().contains(&own), "{:?}", directory(&user));
    assert_eq!(file(&user, "pids.max"), "12\n");
    assert_eq!(show(&user, "TasksMax"), "12");
    let directory = directory(&user);
    coble().args(["delete", "--force", &user.0.id]).output().ok();
    assert_eq!(show(&user, "LoadState"), "not-found");
    assert!(!directory.exists(), "{}", directory.display());
}

#[test]
fn without_a_runtime_folder_there_is_no_manager() {
    let Some((case, _)) = case() else { return };
    let bundle = case.bundle();
    bundle.write();
    let create = case.bare().env("XDG_RUNTIME_DIR", "").args(["--systemd-cgroup", "--root"]);
    let create = create.arg(case.state_root()).args(["create", "--bundle"]);
    let create = create.arg(&bundle.path).arg(&case.id);
    case.refuses(create, &["neither XDG_RUNTIME_DIR nor DBUS_SESSION_BUS_ADDRESS says"]);
}
