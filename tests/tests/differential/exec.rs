//! One call of `exec` for each flag.

use serde_json::{Value, json};

use crate::properties::{dev, least, same};
use crate::setup::{Exec, Setup, merge};

/// Of a container whose own process has something of each kind that `exec` may pass on.
fn exec(exec: Exec) -> Setup {
    let sets = ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"];
    let sets = json!({ "bounding": sets, "permitted": sets, "effective": ["CAP_KILL"] });
    let process = json!({
        "user": { "uid": 1000, "gid": 1000, "additionalGids": [5], "umask": 0o27 },
        "env": ["PATH=/bin", "A=container", "B=container", "HOME=/own"],
        "cwd": "/dir",
        "capabilities": sets,
        "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 128 }],
        "oomScoreAdj": 100,
        "noNewPrivileges": true,
    });
    dev()
        .mount("devpts", "devpts", "/dev/pts", &["newinstance", "ptmxmode=0666"])
        .namespace("cgroup")
        .with(json!({ "process": process }))
        .exec(exec)
}

#[track_caller]
fn same_exec(flags: &[&[&str]]) {
    let setups: Vec<Setup> = flags.iter().map(|flags| exec(Exec::flags(flags))).collect();
    same(&setups);
}

#[test]
fn exec_alone() {
    same(&[
        least().exec(Exec::flags(&[])),
        least().unified().exec(Exec::flags(&[])),
        exec(Exec::flags(&[])),
        exec(Exec::flags(&[])).unified(),
    ]);
}

#[test]
fn exec_in_shared_namespaces() {
    let kinds = ["pid", "ipc", "uts", "network"];
    same(&kinds.map(|kind| least().without_namespace(kind).exec(Exec::flags(&[]))));
}

#[test]
fn exec_in_a_user_namespace() {
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    let mapped = |exec| {
        let linux = json!({ "uidMappings": map, "gidMappings": map });
        least().namespace("user").with(json!({ "linux": linux })).exec(exec)
    };
    same(&[mapped(Exec::flags(&[])), mapped(Exec::flags(&["--user", "1000:5"]))]);
}

#[test]
fn exec_user() {
    same_exec(&[&["--user", "7"], &["--user", "7:9"], &["--user", "0:0"], &["--user", "1000:0"]]);
}

#[test]
fn exec_cwd() {
    same_exec(&[&["--cwd", "/"], &["--cwd", "/link-dir/inner"], &["--cwd", "/dir/../tmp/."]]);
}

#[test]
fn exec_env() {
    same_exec(&[
        &["--env", "C=d"],
        &["--env", "A=exec"],
        &["--env", "A=", "--env", "D=x=y", "--env", "A=two"],
        &["--env", "HOME=/elsewhere"],
        &["--env", "PATH=/nowhere"],
    ]);
}

#[test]
fn exec_cap() {
    same_exec(&[
        &["--cap", "CAP_NET_RAW"],
        &["--cap", "CAP_NET_RAW", "--user", "0"],
        &["--cap", "CAP_CHOWN", "--cap", "CAP_MKNOD", "--user", "7"],
    ]);
}

#[test]
fn exec_additional_gids() {
    same_exec(&[
        &["--additional-gids", "9"],
        &["--additional-gids", "9", "--additional-gids", "10", "--user", "7:8"],
    ]);
}

#[test]
fn exec_no_new_privs() {
    let flags = &["--no-new-privs"];
    let off = &["--no-new-privs=false"];
    same(&[least().exec(Exec::flags(flags)), exec(Exec::flags(flags)), exec(Exec::flags(off))]);
}

#[test]
fn exec_tty() {
    same_exec(&[&["--tty"], &["--tty", "--user", "7"], &["--tty", "--user", "0"]]);
}

#[test]
fn exec_process() {
    let least = json!({ "args": ["/bin/probe"], "cwd": "/" });
    let with = |more: Value| {
        let mut process = least.clone();
        merge(&mut process, more);
        exec(Exec::process(process))
    };
    let all = ["CAP_CHOWN", "CAP_NET_RAW"];
    same(&[
        with(json!({})),
        with(json!({ "env": ["A=exec", "PATH=/bin"], "args": ["probe", "", "é"] })),
        with(json!({ "user": { "uid": 7, "gid": 9, "additionalGids": [10], "umask": 0o77 } })),
        with(json!({ "capabilities": { "bounding": all, "permitted": all, "effective": all } })),
        with(json!({ "rlimits": [{ "type": "RLIMIT_CORE", "soft": 0, "hard": 4096 }] })),
        with(json!({ "oomScoreAdj": 200 })),
        with(json!({ "noNewPrivileges": true })),
        with(json!({ "terminal": true, "consoleSize": { "height": 40, "width": 133 } })),
    ]);
}
