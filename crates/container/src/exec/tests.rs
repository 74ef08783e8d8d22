//! What a process becomes that is added to a container.

use std::fs::File;

use coble_plan::verify;
use coble_spec::{Capabilities, CpuAffinity, MemoryPolicy};
use serde_json::{Value, json};

use super::*;
use crate::state::Setgroups;

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// The container's own process.
fn base() -> Process {
    serde_json::from_value(json!({
        "terminal": true, "consoleSize": { "height": 1, "width": 2 },
        "args": ["init"], "env": ["PATH=/bin", "HOME=/root"], "cwd": "/srv",
        "user": { "uid": 0, "gid": 5, "umask": 0o077, "additionalGids": [7] },
        "capabilities": { "bounding": ["CAP_KILL"], "inheritable": ["CAP_KILL"] },
        "apparmorProfile": "a", "selinuxLabel": "s", "oomScoreAdj": 3
    }))
    .unwrap()
}

fn merged(additions: Additions) -> Process {
    let args = strings(&["ls"]);
    ExecProcess::Additions(Additions { args, ..additions }).merge(&base())
}

#[test]
fn a_whole_process_is_not_freer_than_the_container_for_want_of_a_word() {
    let container: Process = serde_json::from_value(json!({
        "args": ["init"], "cwd": "/srv", "env": ["A=b"],
        "user": { "uid": 1, "gid": 5, "umask": 0o077, "additionalGids": [7] },
        "capabilities": { "bounding": ["CAP_KILL"] },
        "apparmorProfile": "a", "selinuxLabel": "s", "oomScoreAdj": 3,
        "rlimits": [{ "type": "RLIMIT_CORE", "soft": 0, "hard": 1 }],
        "scheduler": { "policy": "SCHED_BATCH", "nice": 4 },
        "ioPriority": { "class": "IOPRIO_CLASS_BE", "priority": 1 },
        "execCPUAffinity": { "initial": "0" }
    }))
    .unwrap();
    let whole = |process: &Process| ExecProcess::Whole(Box::new(process.clone())).merge(&container);
    let bare = Process { args: strings(&["x"]), cwd: "/y".into(), ..Process::default() };
    let wanted = Process {
        args: strings(&["x"]),
        cwd: "/y".into(),
        env: Vec::new(),
        user: coble_spec::User { umask: Some(0o077), ..Default::default() },
        ..container.clone()
    };
    assert_eq!(whole(&bare), wanted);
    assert_eq!(ExecProcess::Whole(Box::new(container.clone())).merge(&bare), container);
}

#[test]
fn the_containers_processors_are_those_of_every_exec_that_has_no_others() {
    let affinity = |initial: &str, last: &str| {
        Some(CpuAffinity { initial: initial.into(), last: last.into() })
    };
    let base = Process { exec_cpu_affinity: affinity("0", "1"), ..base() };
    let whole = |exec_cpu_affinity| {
        let process = Process { exec_cpu_affinity, ..Process::default() };
        ExecProcess::Whole(Box::new(process)).merge(&base).exec_cpu_affinity
    };
    assert_eq!(whole(None), affinity("0", "1"));
    assert_eq!(whole(affinity("", "")), affinity("0", "1"));
    assert_eq!(whole(affinity("2", "")), affinity("2", ""));
    let additions = ExecProcess::Additions(Additions::default());
    assert_eq!(additions.merge(&base).exec_cpu_affinity, affinity("0", "1"));
}

#[test]
fn what_is_not_said_is_the_containers() {
    let wanted = Process { args: strings(&["ls"]), terminal: false, console_size: None, ..base() };
    assert_eq!(merged(Additions::default()), wanted);
}

#[test]
fn what_is_said_replaces_or_adds() {
    let process = merged(Additions {
        cwd: Some("/tmp".into()),
        env: strings(&["A=b", "PATH=/x"]),
        terminal: true,
        additional_gids: vec![8],
        no_new_privileges: Some(true),
        apparmor_profile: Some("b".into()),
        selinux_label: Some("t".into()),
        ..Additions::default()
    });
    let mut wanted = Process {
        args: strings(&["ls"]),
        cwd: "/tmp".into(),
        env: strings(&["PATH=/bin", "HOME=/root", "A=b", "PATH=/x"]),
        console_size: None,
        no_new_privileges: true,
        apparmor_profile: "b".into(),
        selinux_label: "t".into(),
        ..base()
    };
    wanted.user.additional_gids = vec![7, 8];
    assert_eq!(process, wanted);
}

#[test]
fn privileges_that_are_given_up_stay_so_unless_it_is_said() {
    for (own, said, wanted) in [
        (true, None, true),
        (false, None, false),
        (true, Some(false), false),
        (false, Some(true), true),
    ] {
        let base = Process { no_new_privileges: own, ..base() };
        let additions = Additions { no_new_privileges: said, ..Additions::default() };
        let process = ExecProcess::Additions(additions).merge(&base);
        assert_eq!(process.no_new_privileges, wanted, "{own} {said:?}");
    }
}

#[test]
fn another_user_keeps_the_variables() {
    let as_user = |user, env: &[&str]| {
        let process = merged(Additions { user, env: strings(env), ..Additions::default() });
        (process.user.uid, process.user.gid, process.env)
    };
    let (path, home) = ("PATH=/bin", "HOME=/root");
    assert_eq!(as_user(Some((9, None)), &[]), (9, 5, strings(&[path, home])));
    assert_eq!(as_user(Some((9, Some(6))), &[]), (9, 6, strings(&[path, home])));
    assert_eq!(as_user(Some((9, None)), &["HOME=/x"]), (9, 5, strings(&[path, home, "HOME=/x"])));
}

#[test]
fn added_capabilities_are_never_inheritable() {
    let process = merged(Additions {
        capabilities: strings(&["cap_chown", "CAP_KILL"]),
        ..Additions::default()
    });
    let wanted = Capabilities {
        bounding: strings(&["CAP_KILL", "CAP_CHOWN"]),
        effective: strings(&["CAP_CHOWN", "CAP_KILL"]),
        permitted: strings(&["CAP_CHOWN", "CAP_KILL"]),
        inheritable: strings(&["CAP_KILL"]),
        ambient: strings(&["CAP_KILL"]),
    };
    assert_eq!(process.capabilities, Some(wanted));
}

/// A container with namespaces of these kinds.
fn record(kinds: &[&str]) -> Record {
    let namespaces: Vec<Value> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
    serde_json::from_value(json!({
        "ociVersion": "1.2.0", "id": "box", "bundle": "/b", "rootfs": "/b/rootfs",
        "created": "", "owner": 0, "init": { "pid": 1, "startTime": 1 }, "cgroup": "none",
        "namespaces": namespaces, "setgroups": "allowed", "hasKeyring": true, "process": base()
    }))
    .unwrap()
}

fn lines(record: &Record, process: &Process) -> Vec<String> {
    lines_where(Setgroups::Allowed, record, process)
}

/// The steps of root's where the container's user namespace says this of setgroups(2).
fn lines_where(setgroups: Setgroups, record: &Record, process: &Process) -> Vec<String> {
    let target = OwnedFd::from(File::open("/dev/null").unwrap());
    let assumption = Assumption { process, origin: "", setgroups, environment: &[], filter: None };
    let processors = Processors::of(process.exec_cpu_affinity.as_ref()).unwrap();
    let groups = CallerGroups { may_be_set: true, may_be_denied: false };
    let caller = Caller { has_selinux: true, groups: Some(groups) };
    let plan = compile(record, &target, None, &assumption, &processors, &caller).unwrap();
    assert_eq!(verify(&plan), Ok(()));
    plan.iter().map(|(step, origin)| format!("{step} [{origin}]")).collect()
}

#[test]
fn the_plan_leads_into_the_container_and_no_further() {
    let process = merged(Additions { terminal: true, ..Additions::default() });
    let record = record(&["pid", "network", "mount", "user"]);
    assert_eq!(
        lines(&record, &process),
        [
            "run on every processor of the cgroup []",
            "set oom_score_adj to 3 [/oomScoreAdj]",
            "ask for the AppArmor profile: exec a [/apparmorProfile]",
            "ask for the SELinux context s [/selinuxLabel]",
            "give new keyrings the SELinux context s [/selinuxLabel]",
            "join the container's user, mount, pid, network namespaces []",
            "become user 0 of the user namespace []",
            "go on as a new child, inside the pid namespace []",
            "start a session []",
            "join the session keyring _ses.box []",
            "take the container's root as the root []",
            "make a terminal at the standard streams [/terminal]",
            "keep 1 capabilities in the bounding set (0x20) [/capabilities/bounding]",
            "change to the directory /srv [/cwd]",
            "give the terminal to user 0 []",
            "become user 0, group 5, groups 7 [/user]",
            "set capabilities: effective 0x0, permitted 0x0, inheritable 0x20, ambient 0x0 \
             [/capabilities]",
            "set the umask to 0077 [/user/umask]",
            "make sure that /srv lies inside the root [/cwd]",
            "find the program ls [/args/0]",
            "run ls [/args]",
        ]
    );
}

/// Behind the join it may be too late.
#[test]
fn the_callers_groups_are_dropped_before_a_namespace_that_may_deny_it() {
    let mut process = merged(Additions::default());
    process.user.additional_gids.clear();
    let steps = |setgroups| {
        let lines = lines_where(setgroups, &record(&["user"]), &process);
        let is_of_interest =
            |line: &String| line.contains("drop the caller") || line.contains("join the c");
        lines.into_iter().filter(is_of_interest).collect::<Vec<_>>()
    };
    let (drop, join) = ("drop the caller's groups []", "join the container's user namespaces []");
    assert_eq!(steps(Setgroups::Unknown), [drop, join]);
    assert_eq!(steps(Setgroups::Denied), [drop, join]);
    assert_eq!(steps(Setgroups::Allowed), [join]);
    assert_eq!(steps(Setgroups::Kept), [join]);
}

#[test]
fn processors_and_memory_are_those_that_are_asked_for() {
    let affinity = CpuAffinity { initial: "1".into(), last: "0-1,70".into() };
    let process = Process { exec_cpu_affinity: Some(affinity), ..merged(Additions::default()) };
    let policy = MemoryPolicy { mode: "MPOL_BIND".into(), nodes: "0".into(), flags: Vec::new() };
    let record = Record { memory_policy: Some(policy), ..record(&[]) };
    let lines = lines(&record, &process);
    assert_eq!(lines[0], "run on the processors 0-1,70 [/execCPUAffinity/final]");
    let policy = "set the memory policy MPOL_BIND of the nodes 0 [/linux/memoryPolicy]";
    assert!(lines.contains(&policy.to_owned()), "{lines:#?}");
}

#[test]
fn a_container_without_namespaces_leaves_nothing_to_join() {
    let process = Process { args: strings(&["x"]), cwd: "/".into(), ..Process::default() };
    let record = Record { has_keyring: false, ..record(&[]) };
    let lines = lines(&record, &process);
    assert!(
        !lines.iter().any(|line| line.contains("join") || line.contains("go on")),
        "{lines:#?}"
    );
}
