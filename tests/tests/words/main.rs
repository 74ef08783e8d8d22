//! Words that callers look for: SPECIFICATION.md's table, with a test for each row.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod cgroup;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use coble_tests::{Bundle, Case, Output, skip};
use serde_json::json;

use cgroup::*;

/// The table in SPECIFICATION.md, and for each row a test that provokes the words with the real binary. The
/// expression gives the outcome, or `None` if that can't be provoked here. What stands in capitals in the words (ID,
/// STATUS, PATH, SOURCE) is any text.
///
/// A row of `new` is about a container that doesn't come to be: nothing is left of it. In a row of `there` the
/// container is there before, and stays as it was.
macro_rules! words {
    ($($kind:ident $test:ident $status:literal: $words:literal, $when:literal, $who:literal, |$case:ident| $provoke:expr;)*) => {
        const TABLE: &[(&str, &str, &str)] = &[$(($words, $when, $who)),*];

        $(#[test]
        fn $test() {
            let Some($case) = Case::root() else { return };
            let outcome: Option<Output> = $provoke;
            let Some(outcome) = outcome else { return };
            says(&outcome, $status, $words);
            $kind(&$case);
        })*
    };
}

/// One line that has the words, and the exit status.
#[track_caller]
fn says(output: &Output, status: i32, words: &str) {
    let known = ["ID", "STATUS", "PATH", "SOURCE"];
    let mut parts = vec![String::new()];
    for word in words.split_inclusive(' ') {
        if known.contains(&word.trim_end().trim_end_matches(':')) {
            parts.push(word.trim_start_matches(char::is_alphabetic).to_owned());
        } else {
            parts.last_mut().unwrap().push_str(word);
        }
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let said = output.clone().fails(status, &parts).stderr.replace("\\\"", "\"");
    let mut rest = said.as_str();
    for part in parts {
        let place = rest.find(part);
        assert!(place.is_some(), "not in this order: {words}\n{output}");
        rest = &rest[place.unwrap() + part.len()..];
    }
}

#[track_caller]
fn new(case: &Case) {
    case.assert_clean();
}

#[track_caller]
fn there(case: &Case) {
    let status = case.status();
    assert!(["created", "running", "paused", "stopped"].contains(&status.as_str()), "{status}");
    case.delete_force();
    case.assert_clean();
}

/// A container that sleeps.
fn running(case: &Case) -> &Case {
    let mut bundle = case.bundle();
    case.detach(bundle.args(&["sleep", "1000000"]));
    case
}

fn paused(case: &Case) -> &Case {
    running(case).verb(&["pause"]).output().ok();
    case
}

/// A container whose program has ended.
fn stopped(case: &Case) -> &Case {
    case.detach(&case.bundle());
    case.until_stopped();
    case
}

fn created(case: &Case) -> &Case {
    case.create(&case.bundle()).output().ok();
    case
}

/// A run of the default bundle with a change.
fn run(case: &Case, change: impl FnOnce(&mut Bundle)) -> Option<Output> {
    let mut bundle = case.bundle();
    change(&mut bundle);
    Some(case.run(&bundle).output())
}

/// Makes a file of this text the container's program.
fn script(bundle: &mut Bundle, path: &str, text: &str) {
    fs::write(bundle.inside(path), text).unwrap();
    fs::set_permissions(bundle.inside(path), PermissionsExt::from_mode(0o755)).unwrap();
    bundle.args(&[path]);
}

fn verb(case: &Case, words: &[&str]) -> Option<Output> {
    Some(case.verb(words).output())
}

fn kill(case: &Case) -> Option<Output> {
    Some(case.coble().args(["kill", &case.id, "KILL"]).output())
}

fn update(case: &Case, flags: &[&str]) -> Option<Output> {
    Some(case.coble().arg("update").args(flags).arg(&case.id).output())
}

fn exec(case: &Case, args: &[&str]) -> Option<Output> {
    Some(case.exec(args).output())
}

fn exec_in(case: &Case, cgroup: &str) -> Option<Output> {
    Some(running(case).exec_with(&["--cgroup", cgroup], &["true"]).output())
}

fn exec_in_v2(case: &Case, cgroup: &str) -> Option<Output> {
    if !case.has_v2() {
        return None;
    }
    let mut bundle = case.bundle();
    bundle.args(&["sleep", "1000000"]).write();
    let run = case.coble_v2().args(["run", "-d", "-b"]).arg(&bundle.path).arg(&case.id);
    run.output().ok();
    let output = case.coble_v2().args(["exec", "--cgroup", cgroup, &case.id, "true"]).output();
    // Elsewhere it has another cgroup.
    case.coble_v2().args(["delete", "--force", &case.id]).output().ok();
    Some(output)
}

/// It is the same to coble whether root lacks rights because it isn't root, or because it is another namespace's.
fn in_a_user_namespace(case: &Case) -> Option<Output> {
    let mut bundle = case.bundle();
    bundle.namespace("network").config["linux"]["netDevices"] = json!({"eth7": {}});
    bundle.user_namespace(0, 65536).write();
    let run = case.tool("unshare").args(["--user", "--map-root-user"]).arg(case.program());
    let run = run.arg("--root").arg(case.state_root()).args(["run", "--bundle"]);
    Some(run.arg(&bundle.path).arg(&case.id).output())
}

fn as_plain_user(case: &Case) -> Option<Output> {
    let mut bundle = case.bundle();
    bundle.user_namespace(54321, 1).without_mount("/dev/pts");
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 5}});
    bundle.write();
    case.tool("chown").args(["54321:54321"]).arg(case.state_root()).output().ok();
    let user =
        case.tool("setpriv").args(["--reuid", "54321", "--regid", "54321", "--clear-groups"]);
    let run = user.arg(case.program()).arg("--root").arg(case.state_root());
    Some(run.args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id).output())
}

fn without_resctrl(case: &Case) -> Option<Output> {
    if fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - resctrl ") {
        skip("resctrl is mounted here");
        return None;
    }
    run(case, |bundle| {
        bundle.config["linux"]["intelRdt"] = json!({"closID": "/"});
    })
}

words! {
    new a_program_that_is_nowhere 1: "executable file not found in $PATH",
        "a program without a slash is nowhere in `PATH`", "Docker (127), Podman",
        |case| run(&case, |bundle| { bundle.args(&["nothing-here"]); });
    new a_program_that_is_not_there 1: "no such file or directory",
        "a program with a slash isn't there", "Docker (127), Podman",
        |case| run(&case, |bundle| { bundle.args(&["/nothing/here"]); });
    new a_program_that_is_no_program 1: "permission denied",
        "a program can't be executed", "Docker (126), Podman",
        |case| run(&case, |bundle| { bundle.args(&["/etc/passwd"]); });
    new a_program_that_is_a_directory 1: "is a directory: permission denied",
        "the program is a directory", "Docker (126)",
        |case| run(&case, |bundle| { bundle.args(&["/etc"]); });
    new a_program_without_its_interpreter 1: "exec PATH: no such file or directory",
        "the interpreter that a script names isn't there", "runc's tests",
        |case| run(&case, |bundle| { script(bundle, "/script", "#!/no/interpreter\n"); });
    new a_directory_over_a_file 1: "not a directory",
        "a directory is mounted on a file, or a file on a directory", "Docker (127)",
        |case| run(&case, |bundle| { bundle.mount("bind", "/tmp", "/etc/passwd", &["bind"]); });
    new a_link_in_place_of_proc 1: "must be mounted on ordinary directory",
        "the mount point of `proc` or `sysfs` is a symbolic link or a file", "runc's tests",
        |case| run(&case, |bundle| symlink("/tmp", bundle.inside("/proc")).unwrap());
    new nobody 1: "container does not exist",
        "no container of that name", "containerd, Podman, BuildKit (also `does not exist` alone)",
        |case| verb(&case, &["state"]);
    there a_name_that_is_taken 1: "container with given ID already exists",
        "`create`, `run`", "runc's tests",
        |case| {
            created(&case);
            Some(case.run(&case.bundle_at("other")).output())
        };
    there a_signal_for_nobody 1: "container not running",
        "`kill`, `update` of a container that has ended; `pause` of one that has ended or is paused",
        "containerd, CRI-O, BuildKit",
        |case| kill(stopped(&case));
    there a_resume_of_what_runs 1: "container not paused",
        "`resume`", "runc's tests",
        |case| verb(running(&case), &["resume"]);
    there an_exec_in_a_stopped_one 255: "cannot exec in a stopped container",
        "`exec`", "runc's tests",
        |case| exec(stopped(&case), &["true"]);
    there an_exec_in_a_paused_one 255: "cannot exec in a paused container",
        "`exec` without `--ignore-paused`", "runc's tests",
        |case| exec(paused(&case), &["true"]);
    there a_cgroup_outside 255: "bad sub cgroup path",
        "`exec --cgroup`", "runc's tests",
        |case| exec_in(&case, "..");
    there a_cgroup_of_no_controller 255: "unknown controller",
        "`exec --cgroup`", "runc's tests",
        |case| exec_in(&case, "whaaat:/");
    there a_cgroup_that_is_missing 255: "error adding pid ID to cgroups",
        "`exec --cgroup` under cgroup v1", "runc's tests",
        |case| { legacy("pids").and_then(|()| exec_in(&case, "pids:missing")) };
    new a_cgroup_that_is_missing_under_v2 255: "can't open cgroup",
        "`exec --cgroup` under cgroup v2", "runc's tests",
        |case| exec_in_v2(&case, "missing");
    there a_start_of_a_stopped_one 1: "cannot start a container that has stopped",
        "`start`", "runc's tests",
        |case| verb(stopped(&case), &["start"]);
    there a_second_start 1: "cannot start an already running container",
        "`start`", "runc's tests",
        |case| verb(running(&case), &["start"]);
    there a_start_of_a_paused_one 1: "cannot start a container in the paused state",
        "`start`", "runc's tests",
        |case| verb(paused(&case), &["start"]);
    there a_delete_of_what_runs 1: "cannot delete container ID that is not stopped: STATUS",
        "`delete` without `--force`", "runc's tests",
        |case| verb(running(&case), &["delete"]);
    there more_memory_in_use_than_allowed 1: "rejecting memory limit",
        "`update` with `checkBeforeUpdate` under cgroup v2", "runc's tests",
        |case| unified(&case, &json!({"memory": {"limit": 1024, "checkBeforeUpdate": true}}));
    there more_swap_in_use_than_allowed 1: "rejecting memory+swap limit",
        "`update` with `checkBeforeUpdate` under cgroup v2", "runc's tests",
        |case| unified(&case, &json!({"memory": {"swap": 1024, "checkBeforeUpdate": true}}));
    new a_file_of_v2_under_v1 1: "invalid configuration",
        "`linux.resources.unified` on a machine with cgroup v1", "runc's tests",
        |case| legacy("pids").and_then(|()| run(&case, |bundle| {
            bundle.config["linux"]["resources"]["unified"] = json!({"memory.min": "1"});
        }));
    there too_small_a_limit_of_memory 1: "unable to set memory limit to",
        "a limit of memory below what is in use, cgroup v1", "Docker's and runc's tests",
        |case| { legacy("memory").and_then(|()| update(running(&case), &["--memory", "1k"])) };
    new no_memory_to_start_with 1: "container init was OOM-killed (memory limit too low?)",
        "the kernel kills the container's first process before the program runs", "runc's tests",
        |case| legacy("memory").and_then(|()| run(&case, |bundle| {
            bundle.config["linux"]["resources"]["memory"] = json!({"limit": 4096});
        }));
    there a_swap_limit_below_that_of_memory 1: "memory+swap limit should be >= memory limit",
        "limits of memory and swap that don't fit together", "runc's tests",
        |case| with_swap(&case).and_then(|()| update(&case, &["--memory", "64m"]));
    there a_swap_limit_alone 1: "unable to set swap limit without memory limit",
        "limits of memory and swap that don't fit together, cgroup v2", "runc's tests",
        |case| unified(&case, &json!({"memory": {"swap": 65_536_000}}));
    there no_part_of_a_cache 1: "l3 cache schema is not enabled",
        "`update` of a container without one", "runc's tests",
        |case| update(running(&case), &["--l3-cache-schema", "L3:0=f"]);
    there no_part_of_the_bandwidth 1: "memory bandwidth schema is not enabled",
        "`update` of a container without one", "runc's tests",
        |case| update(running(&case), &["--mem-bw-schema", "MB:0=20"]);
    new the_reason_of_any_failed_start 1: "unable to start container process",
        "before the reason of any failed start", "runc's tests",
        |case| run(&case, |bundle| { bundle.config["mounts"][3]["type"] = json!("no-such-fs"); });
    new a_terminal_without_a_taker 1: "cannot allocate tty if coble will detach without setting console socket",
        "a terminal without a taker", "runc's tests, with runc's name",
        |case| {
            let mut bundle = case.bundle();
            bundle.config["process"]["terminal"] = json!(true);
            Some(case.create(&bundle).output())
        };
    new an_option_of_the_file_system 1: "bind mounts cannot have any filesystem-specific options applied",
        "an option of a bind mount that is the file system's", "runc's tests",
        |case| run(&case, |bundle| { bundle.mount("bind", "/tmp", "/mnt", &["bind", "mode=755"]); });
    new half_a_mapping 1: "id-mapped mounts must have both uid and gid mappings specified",
        "one of the lists is missing, or both and the user namespace", "runc's tests",
        |case| run(&case, |bundle| {
            bundle.mount("bind", "/tmp", "/mnt", &["bind"]);
            let mounts = bundle.list("/mounts");
            mounts.last_mut().unwrap()["uidMappings"] = json!([{"containerID": 0, "hostID": 1, "size": 1}]);
        });
    new a_file_system_without_mappings 1: "failed to set MOUNT_ATTR_IDMAP on SOURCE",
        "the kernel refuses the mapping; the file system is named", "runc's tests",
        |case| run(&case, |bundle| {
            bundle.mount("bind", "/proc", "/mnt", &["bind", "idmap"]);
            let map = json!([{"containerID": 0, "hostID": 1, "size": 1}]);
            let mounts = bundle.list("/mounts");
            mounts.last_mut().unwrap()["uidMappings"] = map.clone();
            mounts.last_mut().unwrap()["gidMappings"] = map;
        });
    new no_configuration 1: "JSON specification file PATH not found",
        "no `config.json`, or none at the path of `--config`", "runc's tests",
        |case| {
            let folder = case.folder("empty");
            Some(case.coble().args(["run", "--bundle"]).arg(folder).arg(&case.id).output())
        };
    new a_configuration_that_is_there 1: "File config.json exists. Remove it first",
        "`spec`", "runc's tests",
        |case| {
            let bundle = case.bundle();
            bundle.write();
            Some(case.bare().arg("spec").cwd(&bundle.path).output())
        };
    new a_name_that_is_none 1: "invalid container ID format",
        "a name of other characters", "runc's tests",
        |case| {
            case.bundle().write();
            let bundle = case.dir.join("bundle");
            Some(case.coble().args(["run", "--bundle"]).arg(bundle).arg("a b").output())
        };
    new no_name 1: "container id cannot be empty",
        "an empty name", "runc's tests",
        |case| Some(case.coble().args(["state", ""]).output());
    new a_command_that_is_none 1: "No help topic for 'nothing'",
        "a command that isn't there", "runc's tests",
        |case| Some(case.coble().args(["nothing", "-h"]).output());
    new a_policy_without_a_mode 1: "invalid memory policy mode",
        "`linux.memoryPolicy`", "runc's tests",
        |case| run(&case, |bundle| {
            bundle.config["linux"]["memoryPolicy"] = json!({});
        });
    new a_policy_of_odd_nodes 1: "invalid memory policy nodes",
        "`linux.memoryPolicy`", "runc's tests",
        |case| run(&case, |bundle| {
            let policy = json!({"mode": "MPOL_BIND", "nodes": "0-9876543210"});
            bundle.config["linux"]["memoryPolicy"] = policy;
        });
    new a_policy_of_an_odd_flag 1: "invalid memory policy flag",
        "`linux.memoryPolicy`", "runc's tests",
        |case| run(&case, |bundle| {
            let policy = json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["X"]});
            bundle.config["linux"]["memoryPolicy"] = policy;
        });
    new a_policy_of_too_many_nodes 1: "mode requires 0 nodes but got",
        "`linux.memoryPolicy`", "runc's tests",
        |case| run(&case, |bundle| {
            let policy = json!({"mode": "MPOL_DEFAULT", "nodes": "0-7"});
            bundle.config["linux"]["memoryPolicy"] = policy;
        });
    new too_many_arguments 1: "requires exactly",
        "a wrong number of arguments; also `requires a minimum of`, `requires a maximum of`", "runc's tests",
        |case| Some(case.coble().args(["state", "a", "b"]).output());
    new no_process 1: "process property must not be empty",
        "no `process`", "runc's tests",
        |case| run(&case, |bundle| { bundle.config.as_object_mut().unwrap().remove("process"); });
    new no_program 1: "args must not be empty",
        "no `process.args`", "runc's tests",
        |case| run(&case, |bundle| { bundle.args::<&str>(&[]); });
    new a_relative_working_directory 1: "Cwd must be an absolute path",
        "`process.cwd` is relative", "runc's tests",
        |case| run(&case, |bundle| { bundle.config["process"]["cwd"] = json!("tmp"); });
    new ids_of_no_namespace 1: "user namespaces enabled, but no namespace path to join nor mappings to apply specified",
        "a user namespace without mappings", "runc's tests",
        |case| run(&case, |bundle| { bundle.namespace("user"); });
    new clocks_of_no_namespace 1: "time namespace offsets specified, but time namespace isn't enabled in the config",
        "`linux.timeOffsets`", "runc's tests",
        |case| run(&case, |bundle| {
            bundle.config["linux"]["timeOffsets"] = json!({"monotonic": {"secs": 1}});
        });
    new devices_of_no_namespace 1: "unable to move network devices without a NET namespace",
        "`linux.netDevices`", "runc's tests",
        |case| run(&case, |bundle| {
            bundle.without_namespace("network").config["linux"]["netDevices"] = json!({"eth7": {}});
        });
    new an_odd_name_of_a_device 1: "invalid network device name",
        "`linux.netDevices`", "runc's tests",
        |case| run(&case, |bundle| {
            bundle.config["linux"]["netDevices"] = json!({"a/b": {}});
        });
    new devices_of_a_plain_user 1: "network devices are not supported for rootless containers",
        "`linux.netDevices`", "runc's tests",
        |case| in_a_user_namespace(&case);
    new limits_of_a_plain_user 1:
        "rootless needs no limits + no cgrouppath when no permission is granted for cgroups",
        "a limit, where rights over cgroups are missing", "runc's tests",
        |case| as_plain_user(&case);
    new a_device_that_is_missing 1: "link not found for interface",
        "`linux.netDevices`", "runc's tests",
        |case| run(&case, |bundle| {
            bundle.config["linux"]["netDevices"] = json!({"none-such": {}});
        });
    new a_cache_without_a_file_system 1: "Intel RDT is not enabled",
        "`linux.intelRdt`", "runc's tests",
        |case| without_resctrl(&case);
    new an_odd_class_of_service 1: "invalid intelRdt.ClosID",
        "`linux.intelRdt`", "runc's tests",
        |case| run(&case, |bundle| {
            bundle.config["linux"]["intelRdt"] = json!({"closID": "a/b"});
        });
    new a_cgroup_that_is_in_use 1: "container's cgroup is not empty:",
        "`create`, `run` in a cgroup with processes", "runc's tests",
        |case| in_a_cgroup_of_others(&case);
    new a_cgroup_that_is_frozen 1: "container's cgroup unexpectedly frozen",
        "`create`, `run`, `exec` in a cgroup that is frozen, or below one", "runc's tests",
        |case| in_a_frozen_cgroup(&case);
    new a_path_that_is_no_unit 1: "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups",
        "`--systemd-cgroup` with another `cgroupsPath`", "administrators, as runc's words",
        |case| by_systemd(&case, "/kubepods/a");
    new a_killed_executor 1: "possibly OOM-killed",
        "the container's first process is killed before the program runs", "administrators, as runc's words",
        |case| run(&case, |bundle| {
// Its own child in the same pid namespace, whose signals reach it.
            bundle.without_namespace("pid").hook("createContainer", "kill -KILL $PPID");
        });
}

#[test]
fn the_table_is_that_of_the_specification() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("SPECIFICATION.md");
    let Ok(text) = fs::read_to_string(&path) else {
        skip("the source isn't there");
        return;
    };
    let heading = text.find("| Words | When | Who looks for them |\n").unwrap();
    let length = text[heading..].find("\n\n").unwrap() + 1;
    let rows = TABLE.iter().map(|(words, when, who)| format!("| `{words}` | {when} | {who} |\n"));
    let table = ["| Words | When | Who looks for them |\n|---|---|---|\n".to_owned()];
    let table: String = table.into_iter().chain(rows).collect();
    if std::env::var_os("COBLE_BLESS").is_some() {
        fs::write(&path, [&text[..heading], &table, &text[heading + length..]].concat()).unwrap();
        return;
    }
    assert_eq!(text[heading..heading + length], table, "COBLE_BLESS=1 writes it anew");
}
