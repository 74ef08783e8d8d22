//! When and where a process runs: processors, scheduling policies, priorities, memory nodes, execution domain.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::{Bundle, Case, skip};
use serde_json::{Value, json};

#[test]
fn personality() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["personality"] = json!({"domain": "LINUX32"});
    bundle.args(&["uname", "-m"]);
    let machine = case.run(&bundle).output().stdout();
    assert!(["i686\n", "armv8l\n"].contains(&machine.as_str()), "{machine}");
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    assert_eq!(case.exec(&["uname", "-m"]).output().stdout(), machine, "exec has it too");
    case.delete_force();
    bundle.args(&["uname", "-m"]);
    bundle.config["linux"]["personality"] = json!({"domain": "LINUX"});
    assert_ne!(case.run(&bundle).output().stdout(), machine);
    bundle.config["linux"]["personality"] = json!({"domain": "MOON"});
    case.refuses(case.run(&bundle), &["/linux/personality", "MOON"]);
    let flags = json!({"domain": "LINUX32", "flags": ["ADDR_NO_RANDOMIZE"]});
    bundle.config["linux"]["personality"] = flags;
    case.refuses(case.run(&bundle), &["/linux/personality/flags"]);
}

/// A bundle that prints what proc_pid_stat(5) says of its process: nice value, priority of real time, policy.
fn telling_policy(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.args(&["cut", "-d", " ", "-f", "19,40,41", "/proc/self/stat"]);
    bundle
}

#[test]
fn policies_of_time_sharing() {
    let Some(case) = Case::root() else { return };
    let mut bundle = telling_policy(&case);
    for (scheduler, expected) in [
        (json!({"policy": "SCHED_OTHER", "nice": 7}), "7 0 0\n"),
        (json!({"policy": "SCHED_OTHER", "nice": -5}), "-5 0 0\n"),
        (json!({"policy": "SCHED_BATCH", "nice": 3}), "3 0 3\n"),
        (json!({"policy": "SCHED_IDLE"}), "0 0 5\n"),
    ] {
        bundle.config["process"]["scheduler"] = scheduler;
        assert_eq!(case.run(&bundle).output().stdout(), expected);
    }
    bundle.config["process"]["scheduler"] = json!({"policy": "SCHED_MOON"});
    case.refuses(case.run(&bundle), &["/process/scheduler", "SCHED_MOON"]);
}

/// Gives the container's cgroup real time where cgroups have a share of it (v1 with CONFIG_RT_GROUP_SCHED).
fn allow_real_time(bundle: &mut Bundle) {
    if std::path::Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() {
        let share = json!({"realtimePeriod": 1_000_000, "realtimeRuntime": 10_000});
        bundle.config["linux"]["resources"]["cpu"] = share;
    }
}

/// What a program of real time prints; `None`, reported as skipped, where it may have none.
fn in_real_time(case: &Case, bundle: &Bundle) -> Option<String> {
    let output = case.run(bundle).output();
    if output.stderr.contains("(/process/scheduler): sched_setattr: operation not permitted") {
        skip("root may have no real time here");
        return None;
    }
    Some(output.stdout())
}

#[test]
fn policies_of_real_time() {
    let Some(case) = Case::root() else { return };
    let mut bundle = telling_policy(&case);
    allow_real_time(&mut bundle);
    for (policy, number) in [("SCHED_FIFO", 1), ("SCHED_RR", 2)] {
        bundle.config["process"]["scheduler"] = json!({"policy": policy, "priority": 7});
        let Some(said) = in_real_time(&case, &bundle) else { return };
        assert_eq!(said, format!("0 7 {number}\n"));
    }
    bundle.config["process"]["scheduler"] = json!({"policy": "SCHED_FIFO", "priority": 100});
    case.refuses(case.run(&bundle), &["/process/scheduler", "sched_setattr", "invalid argument"]);
}

#[test]
fn a_policy_that_children_do_not_get() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    // The shell runs the last command itself.
    bundle.sh("cut -d ' ' -f 41 /proc/$$/stat /proc/self/stat; true");
    allow_real_time(&mut bundle);
    for (flags, expected) in
        [(json!([]), "1\n1\n"), (json!(["SCHED_FLAG_RESET_ON_FORK"]), "1\n0\n")]
    {
        let scheduler = json!({"policy": "SCHED_FIFO", "priority": 1, "flags": flags});
        bundle.config["process"]["scheduler"] = scheduler;
        let Some(said) = in_real_time(&case, &bundle) else { return };
        assert_eq!(said, expected);
    }
    bundle.config["process"]["scheduler"] = json!({"policy": "SCHED_OTHER", "flags": ["X"]});
    case.refuses(case.run(&bundle), &["/process/scheduler", "X"]);
}

#[test]
fn a_policy_with_deadlines() {
    let Some(case) = Case::root() else { return };
    let mut bundle = telling_policy(&case);
    let deadline = |runtime: u64| {
        let ms = 1_000_000;
        let policy = "SCHED_DEADLINE";
        json!({"policy": policy, "runtime": runtime * ms, "deadline": 20 * ms, "period": 30 * ms})
    };
    bundle.config["process"]["scheduler"] = deadline(2);
    let Some(said) = in_real_time(&case, &bundle) else { return };
    assert_eq!(said, "0 0 6\n");
    bundle.config["process"]["scheduler"] = deadline(21);
    let words = ["/process/scheduler", "sched_setattr", "invalid argument"];
    case.refuses(case.run(&bundle), &words);
}

#[test]
fn a_policy_of_an_exec() {
    let Some(case) = Case::root() else { return };
    let mut bundle = telling_policy(&case);
    let mut process = bundle.config["process"].clone();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    process["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 4});
    assert_eq!(exec_of(&case, &process).output().stdout(), "4 0 3\n");
    process["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 1});
    process["args"] = json!(["ionice"]);
    assert_eq!(exec_of(&case, &process).output().stdout(), "best-effort: prio 1\n");
    process["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 9});
    exec_of(&case, &process).output().fails(255, &["/ioPriority", "9"]);
}

/// `exec` of a whole process.
fn exec_of(case: &Case, process: &Value) -> coble_tests::Cmd {
    let file = case.file("process.json", &process.to_string());
    case.coble().args(["exec", "--process"]).arg(&file).arg(&case.id)
}

#[test]
fn input_and_output_priority() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["ionice"]);
    for (class, priority, expected) in [
        ("IOPRIO_CLASS_BE", 6, "best-effort: prio 6\n"),
        ("IOPRIO_CLASS_RT", 0, "realtime: prio 0\n"),
        ("IOPRIO_CLASS_RT", 7, "realtime: prio 7\n"),
        ("IOPRIO_CLASS_IDLE", 0, "idle"),
    ] {
        bundle.config["process"]["ioPriority"] = json!({"class": class, "priority": priority});
        let said = case.run(&bundle).output().stdout();
        assert!(said.starts_with(expected), "{said}");
    }
    bundle.config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_MOON"});
    case.refuses(case.run(&bundle), &["/process/ioPriority", "IOPRIO_CLASS_MOON"]);
}

/// The numbers of a line of proc_pid_status(5).
const ALLOWED: [&str; 3] = ["sed", "-n", "s/^Cpus_allowed_list:\\t//p"];

/// Whether there are the processors 0 and 1, and the caller may use both; otherwise the test is reported as skipped.
fn has_two_processors() -> bool {
    let mine = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = mine.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:\t")).unwrap();
    let has = list.starts_with("0-");
    if !has {
        skip("needs the processors 0 and 1");
    }
    has
}

fn processors(case: &Case) -> String {
    let args: Vec<&str> = ALLOWED.iter().copied().chain(["/proc/self/status"]).collect();
    case.exec(&args).output().stdout().trim_end().to_owned()
}

#[test]
fn an_exec_runs_on_the_containers_processors() {
    let Some(case) = Case::root() else { return };
    if !has_two_processors() {
        return;
    }
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    for (affinity, expected) in [
        (json!({"final": "1"}), "1"),
        (json!({"initial": "0"}), "0"),
        (json!({"initial": "0", "final": "1"}), "1"),
        (json!({"initial": "1", "final": " 0-0,"}), "0"),
        (json!({"initial": "1", "final": "0-1"}), "0-1"),
        (json!({"initial": "0", "final": "1,5000-5003,65536"}), "1"),
    ] {
        bundle.config["process"]["execCPUAffinity"] = affinity.clone();
        case.detach(&bundle);
        assert_eq!(processors(&case), expected, "{affinity}");
        // It is not for the container's own process.
        let own = std::fs::read_to_string(format!("/proc/{}/status", case.pid())).unwrap();
        let mine = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = |text: &str| {
            text.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap().to_owned()
        };
        assert_eq!(line(&own), line(&mine), "{affinity}");
        case.delete_force();
    }
}

#[test]
fn an_exec_of_a_whole_process_has_the_containers_processors_or_its_own() {
    let Some(case) = Case::root() else { return };
    if !has_two_processors() {
        return;
    }
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    bundle.config["process"]["execCPUAffinity"] = json!({"final": "1"});
    case.detach(&bundle);
    let mut process = bundle.config["process"].clone();
    process["args"] = ALLOWED.iter().copied().chain(["/proc/self/status"]).collect();
    let mut said = |affinity: Value| {
        process["execCPUAffinity"] = affinity;
        exec_of(&case, &process).output()
    };
    assert_eq!(said(json!(null)).stdout(), "1\n");
    assert_eq!(said(json!({})).stdout(), "1\n");
    assert_eq!(said(json!({"final": "0"})).stdout(), "0\n");
    assert_eq!(said(json!({"initial": "0"})).stdout(), "0\n");
    said(json!({"initial": "0-"})).fails(255, &["/execCPUAffinity/initial", "0-"]);
    said(json!({"final": ""})).ok();
    said(json!({"final": "60000"})).fails(255, &["/execCPUAffinity/final", "invalid argument"]);
    said(json!({"initial": "60000"})).fails(255, &["execCPUAffinity/initial", "invalid argument"]);
    assert_eq!(case.status(), "running");
}

#[test]
fn nobody_keeps_the_processors_of_the_caller() {
    let Some(case) = Case::root() else { return };
    if !has_two_processors() {
        return;
    }
    let mut bundle = case.bundle();
    let args: Vec<&str> = ALLOWED.iter().copied().chain(["/proc/self/status"]).collect();
    let all = case.tool(args[0]).args(&args[1..]).output().stdout();
    let bound = |words: &[&str]| {
        let bound = case.tool("taskset").args(["-c", "0"]).arg(case.program());
        bound.arg("--root").arg(case.state_root()).args(words)
    };
    bundle.args(&args).write();
    let folder = bundle.path.to_str().unwrap().to_owned();
    assert_eq!(bound(&["run", "-b", &folder, &case.id]).output().stdout(), all);
    bundle.sh("sleep 1000").write();
    bound(&["run", "--detach", "-b", &folder, &case.id]).output().ok();
    let exec: Vec<&str> = ["exec", &case.id].into_iter().chain(args).collect();
    assert_eq!(bound(&exec).output().stdout(), all);
}

#[test]
fn the_final_processors_are_those_of_the_cgroup_at_most() {
    let Some(case) = Case::root() else { return };
    if !has_two_processors() {
        return;
    }
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    bundle.config["linux"]["resources"]["cpu"] = json!({"cpus": "1"});
    let mut exec = |affinity: Value| {
        bundle.config["process"]["execCPUAffinity"] = affinity;
        case.detach(&bundle);
        let args: Vec<&str> = ALLOWED.iter().copied().chain(["/proc/self/status"]).collect();
        let output = case.exec(&args).output();
        case.delete_force();
        output
    };
    // What was set before the process came into the cgroup gives way to the cgroup.
    assert_eq!(exec(json!({"initial": "0"})).stdout(), "1\n");
    assert_eq!(exec(json!({"initial": "0", "final": "0-1"})).stdout(), "1\n");
    exec(json!({"final": "0"})).fails(255, &["/execCPUAffinity/final", "invalid argument"]);
}

/// What numa(7) shows of the policy of every mapping; `None`, reported as skipped, without NUMA.
fn policy(case: &Case, bundle: &Bundle) -> Option<String> {
    if !std::path::Path::new("/proc/self/numa_maps").exists() {
        skip("the kernel has no NUMA");
        return None;
    }
    let output = case.run(bundle).output();
    Some(output.stdout())
}

#[test]
fn memory_policies() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    // The stack is memory of the program itself.
    bundle.sh("grep -w stack /proc/self/numa_maps | cut -d ' ' -f 2");
    let cases = [
        (json!({"mode": "MPOL_DEFAULT"}), "default"),
        (json!({"mode": "MPOL_BIND", "nodes": "0"}), "bind:0"),
        (
            json!({"mode": "MPOL_BIND", "nodes": "0,3", "flags": ["MPOL_F_STATIC_NODES"]}),
            "bind=static:0",
        ),
        (
            json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}),
            "bind=relative:0",
        ),
        (json!({"mode": "MPOL_INTERLEAVE", "nodes": "0"}), "interleave:0"),
        (json!({"mode": "MPOL_PREFERRED", "nodes": "0"}), "prefer:0"),
        (json!({"mode": "MPOL_PREFERRED"}), "local"),
        (json!({"mode": "MPOL_LOCAL"}), "local"),
        (json!({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}), "prefer (many):0"),
        (json!({"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": "0"}), "weighted interleave:0"),
    ];
    for (asked, expected) in cases {
        bundle.config["linux"]["memoryPolicy"] = asked.clone();
        let Some(said) = policy(&case, &bundle) else { return };
        let first = expected.split(' ').next().unwrap();
        assert_eq!(said.trim_end(), first, "{asked}");
    }
}

#[test]
fn a_memory_policy_is_that_of_every_exec() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let look = "grep -w stack /proc/self/numa_maps | cut -d ' ' -f 2";
    bundle.sh(look);
    bundle.config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_INTERLEAVE", "nodes": "0"});
    let Some(said) = policy(&case, &bundle) else { return };
    assert_eq!(said, "interleave:0\n");
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    assert_eq!(case.exec(&["sh", "-c", look]).output().stdout(), "interleave:0\n");
}

#[test]
fn memory_nodes_that_are_not_there() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for nodes in ["900", "40000"] {
        bundle.config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": nodes});
        let words = ["/linux/memoryPolicy", "set_mempolicy", "invalid argument"];
        case.refuses(case.run(&bundle), &words);
    }
}
