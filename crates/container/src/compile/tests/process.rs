//! The process on its way to the program.

use coble_plan::List;

use super::*;

fn process(changes: Value) -> Case {
    Case::with(json!({ "process": changes }))
}

fn words(list: List<'_>) -> Vec<String> {
    list.iter().map(|text| text.to_str().unwrap().to_owned()).collect()
}

fn environment(case: &Case) -> Vec<String> {
    let found = case.pick(|step| match step {
        Step::Exec { env, .. } => Some(words(env)),
        _ => None,
    });
    found.into_iter().next().unwrap()
}

fn path(case: &Case) -> String {
    let found = case.pick(|step| match step {
        Step::FindProgram { path, .. } => Some(path.to_str().unwrap().to_owned()),
        _ => None,
    });
    found.into_iter().next().unwrap()
}

#[test]
fn rights_are_given_up_in_an_order_that_lets_each_step_happen() {
    let mut case = process(json!({
        "cwd": "/home//x/../worker", "terminal": true, "consoleSize": { "height": 25, "width": 80 },
        "user": { "uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 0o077 },
        "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 10, "hard": 20 }],
        "capabilities": { "bounding": ["CAP_KILL"] },
        "noNewPrivileges": true, "oomScoreAdj": -5
    }));
    case.options.await_start = true;
    let lines = case.lines();
    assert_order(
        &lines,
        &[
            "set oom_score_adj to -5 [/process/oomScoreAdj]",
            "as the root",
            "make a terminal at the standard streams and mount it on /dev/console [/process/terminal]",
            "make the directory /home/worker if it is missing [/process/cwd]",
            "change the root",
            "set RLIMIT_NOFILE to 10 (hard 20) [/process/rlimits/0]",
            "keep 1 capabilities in the bounding set (0x20) [/process/capabilities/bounding]",
            "change to the directory /home/worker [/process/cwd]",
            "give the terminal to user 1000 []",
            "become user 1000, group 1001, groups 5 6 [/process/user]",
            "set capabilities: effective 0x0",
            "set the umask to 0077 [/process/user/umask]",
            "make sure that /home/worker lies inside the root [/process/cwd]",
            "set no_new_privs [/process/noNewPrivileges]",
            "find the program sh [/process/args/0]",
            "wait for `start` []",
            "run sh [/process/args]",
        ],
    );
}

#[test]
fn labels_scheduling_and_personality_are_carried_out() {
    let case = Case::with(json!({
        "process": {
            "apparmorProfile": "box-default", "selinuxLabel": "system_u:system_r:box_t:s0",
            "scheduler": { "policy": "SCHED_BATCH", "nice": 3 },
            "ioPriority": { "class": "IOPRIO_CLASS_BE", "priority": 4 }
        },
        "linux": { "personality": { "domain": "LINUX32" } }
    }));
    assert_order(
        &case.lines(),
        &[
            "give new keyrings the SELinux context system_u:system_r:box_t:s0 [/process/selinuxLabel]",
            "join the session keyring _ses.box []",
            "ask for the AppArmor profile: exec box-default [/process/apparmorProfile]",
            "ask for the SELinux context system_u:system_r:box_t:s0 [/process/selinuxLabel]",
            "change the root",
            "set the personality to 0x8 [/linux/personality]",
            "set the scheduling policy 3, nice 3, priority 0 [/process/scheduler]",
            "set the I/O priority to class 2, level 4 [/process/ioPriority]",
            "keep 0 capabilities",
        ],
    );
}

#[test]
fn a_process_without_capabilities_has_none() {
    assert_eq!(
        process(json!({})).grep("capabilities"),
        [
            "keep 0 capabilities in the bounding set (0x0) [/process/capabilities]",
            "set capabilities: effective 0x0, permitted 0x0, inheritable 0x0, ambient 0x0 \
             [/process/capabilities]",
        ]
    );
}

#[test]
fn sets_of_capabilities_stay_apart() {
    let case = process(json!({ "capabilities": {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SYS_ADMIN"], "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_CHOWN"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL", "CAP_SYS_ADMIN"]
    } }));
    assert_eq!(
        case.grep("capabilities"),
        [
            "keep 3 capabilities in the bounding set (0x200021) [/process/capabilities/bounding]",
            "set capabilities: effective 0x1, permitted 0x21, inheritable 0x20, ambient 0x20 \
             [/process/capabilities]",
        ]
    );
}

#[test]
fn the_working_directory_is_not_made_where_it_is_the_root() {
    for cwd in ["/", "//", "/..", "/a/.."] {
        let case = process(json!({ "cwd": cwd }));
        assert_eq!(case.grep("make the directory"), [""; 0], "{cwd}");
        assert_eq!(case.grep("change to"), ["change to the directory / [/process/cwd]"], "{cwd}");
    }
}

#[test]
fn home_is_looked_up_only_where_it_is_missing() {
    let home = |env: &[&str]| {
        let case = process(json!({ "env": env, "user": { "uid": 7, "gid": 0 } }));
        (case.grep("set HOME").len(), environment(&case))
    };
    let strings = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    assert_eq!(home(&["HOME=/x", "A=b"]), (0, strings(&["HOME=/x", "A=b"])));
    assert_eq!(home(&["A=b"]), (1, strings(&["A=b"])));
    assert_eq!(home(&["HOMER=/x"]), (1, strings(&["HOMER=/x"])));
    // An empty one is as good as none, and gives way to the one that is found.
    assert_eq!(home(&["HOME=", "A=b"]), (1, strings(&["A=b"])));
    assert_eq!(home(&["HOME=/x", "HOME="]), (1, vec![]));
    assert_eq!(home(&["HOME=", "HOME=/x"]), (0, strings(&["HOME=/x"])));
    let found = process(json!({ "env": null, "user": { "uid": 7, "gid": 0 } })).grep("set HOME");
    assert_eq!(found, ["set HOME to the home directory of user 7 in /etc/passwd []"]);
}

#[test]
fn a_variable_that_stands_twice_has_its_last_value() {
    // getenv(3) would find the first one.
    let case = process(json!({ "env": ["PATH=/one", "A=1", "B=", "PATH=/two", "A=2", "AB=3"] }));
    assert_eq!(path(&case), "/two");
    assert_eq!(environment(&case), ["B=", "PATH=/two", "A=2", "AB=3"]);
}

#[test]
fn programs_are_searched_for_in_path_or_where_they_usually_are() {
    let usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(path(&process(json!({ "env": ["PATH=/x:/y"] }))), "/x:/y");
    assert_eq!(path(&process(json!({ "env": [] }))), usual);
    assert_eq!(path(&process(json!({ "env": ["PATHS=/x", "XPATH=/x"] }))), usual);
    let without = process(json!({ "env": ["A=b", "HOME=/"] }));
    assert_eq!(environment(&without), ["A=b", "HOME=/"], "the usual places are no variable");
}

#[test]
fn descriptors_that_are_handed_on_are_told_of() {
    let mut case = process(json!({ "env": ["HOME=/", "LISTEN_FDS=9"] }));
    case.options.preserve_fds = 3;
    case.options.environment = vec!["LISTEN_FDS=1".to_owned(), "LISTEN_PID=1".to_owned()];
    assert_eq!(environment(&case), ["HOME=/", "LISTEN_FDS=1", "LISTEN_PID=1"]);
    assert_eq!(case.launch().preserve_fds, 3);
}

#[test]
fn the_umask_has_a_default() {
    assert_eq!(process(json!({})).grep("umask"), ["set the umask to 0022 []"]);
    let zero = process(json!({ "user": { "uid": 0, "gid": 0, "umask": 0 } }));
    assert_eq!(zero.grep("umask"), ["set the umask to 0000 [/process/user/umask]"]);
}

fn setgroups(facts: Facts, groups: Value) -> u32 {
    let case = Case::with(json!({ "linux": {
        "namespaces": [{ "type": "mount" }, { "type": "user" }],
        "uidMappings": [{ "containerID": 0, "hostID": 1000, "size": 1 }], "gidMappings": groups
    } }));
    let found = case.on(facts).pick(|step| match step {
        Step::SetUser { setgroups, .. } => Some(setgroups),
        _ => None,
    });
    assert_eq!(found.len(), 1);
    found[0]
}

#[test]
fn setgroups_is_denied_only_where_a_plain_user_maps_its_own_group_alone() {
    let own = json!([{ "containerID": 0, "hostID": 1001, "size": 1 }]);
    let many = json!([
        { "containerID": 0, "hostID": 1001, "size": 1 }, { "containerID": 1, "hostID": 100_000, "size": 10 }
    ]);
    assert_eq!(setgroups(user_on(UNIFIED), own.clone()), 0);
    assert_eq!(setgroups(user_on(UNIFIED), many), 1);
    assert_eq!(setgroups(root_on(UNIFIED), own), 1);
}

#[test]
fn the_terminal_has_the_size_that_is_asked_for() {
    let size = |changes| {
        process(changes).pick(|step| match step {
            Step::Console { height, width, mount } => Some((height, width, mount)),
            _ => None,
        })
    };
    assert_eq!(
        size(json!({ "terminal": true, "consoleSize": { "height": 25, "width": 80 } })),
        [(25, 80, 1)]
    );
    assert_eq!(size(json!({ "terminal": true })), [(0, 0, 1)]);
    assert_eq!(size(json!({ "consoleSize": { "height": 25, "width": 80 } })), []);
}

#[test]
fn without_start_the_program_runs_at_once() {
    assert_eq!(process(json!({})).grep("start`"), [""; 0]);
}
